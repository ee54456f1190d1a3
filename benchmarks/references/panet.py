"""PANet and PA-EDSR by the straightforward formulation: what `networks.panet` is measured against.

Patches of the features become convolution kernels: a convolution scores every query patch against every key
patch, a softmax runs over the full N × 3.3 N matrix, and a transposed convolution lays the value patches.
It reads released checkpoints by their own keys, so that it shares no code with the network it judges.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = (1.0, 0.9, 0.8, 0.7, 0.6)
MEAN = (0.4488, 0.4371, 0.4040)


class ReferencePANet(nn.Module):
    """PANet or PA-EDSR, distinguished by ``msa.`` keys, straight from a released checkpoint's own keys.

    Takes and gives B×C×H×W in the range 0–1; sides of at least two pixels.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.state = {key: tensor.float() for key, tensor in state.items()}
        self.super_resolution = "msa.conv_match.0.weight" in self.state
        self.res_scale = 0.1 if self.super_resolution else 1.0
        places = {int(key.split(".")[1]) for key in self.state if key.startswith("body.")}
        self.body = sorted(places)

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W to B×C×sH×sW."""
        mean = x.new_tensor(MEAN).view(1, 3, 1, 1)
        if self.super_resolution:
            x = x - mean
        first = self._conv3("head.0", x)
        features = first
        for place in self.body[:-1]:
            name = f"body.{place}"
            is_attention = f"{name}.conv_match.0.weight" in self.state
            features = self._attention(name, features) if is_attention else self._block(name, features)
        features = self._conv3(f"body.{self.body[-1]}", features) + first
        if not self.super_resolution:
            return self._conv3("tail.0", features)
        for stage in ("tail.0.0", "tail.0.2"):
            if f"{stage}.weight" in self.state:
                factor = round((self.state[f"{stage}.weight"].shape[0] / features.shape[1]) ** 0.5)
                features = F.pixel_shuffle(self._conv3(stage, features), factor)
        return self._conv3("tail.1", features) + mean

    def _conv3(self, name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], padding=1)

    def _embed(self, name: str, x: Tensor) -> Tensor:
        mixed = F.conv2d(x, self.state[f"{name}.0.weight"], self.state[f"{name}.0.bias"])
        return F.prelu(mixed, self.state[f"{name}.1.weight"])

    def _block(self, name: str, x: Tensor) -> Tensor:
        inner = self._conv3(f"{name}.body.0", x)
        inner = F.relu(inner) if self.super_resolution else F.prelu(inner, self.state["body.0.body.1.weight"])
        return x + self.res_scale * self._conv3(f"{name}.body.2", inner)

    def _attention(self, name: str, x: Tensor) -> Tensor:
        levels = [x] + [F.interpolate(x, scale_factor=s, mode="bicubic") for s in LEVELS[1:]]
        keys = [_patches(self._embed(f"{name}.conv_match", level)) for level in levels]
        values = [_patches(self._embed(f"{name}.conv_assembly", level)) for level in levels]
        queries = self._embed(f"{name}.conv_match_L_base", x)
        outputs = []
        for image in range(x.shape[0]):
            key = torch.cat([level[image] for level in keys])  # M×c×3×3, M pixels of all levels
            value = torch.cat([level[image] for level in values])  # M×C×3×3
            norm = key.square().sum(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-4)
            scores = F.conv2d(queries[image : image + 1], key / norm, padding=1)  # 1×M×H×W
            attention = F.softmax(10 * scores, dim=1)
            outputs.append(F.conv_transpose2d(attention, value, padding=1) / 4)
        return torch.cat(outputs) + self.res_scale * x


def _patches(x: Tensor) -> Tensor:
    """Return the zero-padded 3×3 patch around each pixel: B×C×H×W to B×(H·W)×C×3×3."""
    batch, channels = x.shape[:2]
    return F.unfold(x, 3, padding=1).transpose(1, 2).reshape(batch, -1, channels, 3, 3)
