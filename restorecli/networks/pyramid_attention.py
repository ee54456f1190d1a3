"""Pyramid attention: every pixel asks the image and four smaller copies of it, patch by patch.

Paper: Mei, Fan, Zhang, Yu, Zhou, Liu, Fu, Huang, Shi, "Pyramid Attention Networks for Image Restoration",
    arXiv 2004.13824 (IJCV 2023), sections 3.1 to 3.3.
Source: github.com/SHI-Labs/Pyramid-Attention-Networks, MIT licence; its numbers, none of its code.
Shape: B×C×H×W → B×C×H×W, any H, W ≥ 1.
Range: features, so any; the scores, the softmax and the sums are at least float32 in every precision.

Equations. x_l is x resized by s_l ∈ {1, 0.9, 0.8, 0.7, 0.6}; q = PReLU(conv1(x)), and per level
k = PReLU(conv1(x_l)), v = PReLU(conv1(x_l)). Q_i, K_j, V_j are their zero-padded 3×3 patches at pixels i, j:

    S_ij = 10 · ⟨Q_i, K_j⟩ / max(‖K_j‖, 1e-4)          j over all pixels of all levels
    A_ij = exp(S_ij) / Σ_j exp(S_ij)
    Y_i  = Σ_j A_ij V_j                                 a patch; y = overlap-add of the patches Y_i, over 4
    out  = y + res_scale · x

What is done differently. A patch product is nine pixel products, ⟨Q_i, K_j⟩ = Σ_d ⟨q_{i+d}, k_{j+d}⟩, and the
overlap-add is y_p = Σ_d Σ_j A_{p-d,j} v_{j+d} = Σ_j (Σ_d A_{p-d,j-d}) v_j: both are one *diagonal 3×3 filter*
of a matrix of pixel pairs, F(X)_ij = Σ_d X_{i+d,j+d} with zeros outside both images. So two products with c
and C channels replace those with 9c and 9C. Queries go by one row of pixels at a time: the filter looks one
row up and down, three rows are kept and each row's scores are computed once; no N × 3.3N matrix exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restorecli.networks.layers import conv1

LEVELS = (1.0, 0.9, 0.8, 0.7, 0.6)
"""Side of each pyramid level ÷ side of the image."""

SOFTMAX_SCALE = 10.0
SMALLEST_NORM = 1e-4

BLOCK_ELEMENTS = {"cpu": 1 << 20}
"""Wanted size of one block (query columns × all keys): what a CPU's caches hold; GPUs like larger ones."""

BLOCK_ELEMENTS_ELSEWHERE = 1 << 25
NARROWEST_BLOCK = 32
"""Query columns below which the four columns of margin around a block would cost too much."""


class PyramidAttention(nn.Module):
    """The attention with its three embeddings, and its own skip connection times ``res_scale``."""

    def __init__(self, features: int, reduction: int, res_scale: float) -> None:
        super().__init__()
        self.query = _Embedding(features, features // reduction)
        self.key = _Embedding(features, features // reduction)
        self.value = _Embedding(features, features)
        self.res_scale = res_scale

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W to B×C×H×W, in float32 or wider."""
        # Scores reach tens and the weights average 1/3.3N: half precision's steps are too coarse for both.
        wide = torch.promote_types(x.dtype, torch.float32)
        x = x.to(wide)
        levels = pyramid(x)
        query = self.query(x).to(wide)
        keys = [self.key(level).to(wide) for level in levels]
        values = [self.value(level).to(wide) for level in levels]
        with torch.autocast(x.device.type, enabled=False):
            attended = [
                attend(query[image], [key[image] for key in keys], [value[image] for value in values])
                for image in range(x.shape[0])
            ]
        return torch.add(torch.stack(attended), x, alpha=self.res_scale)


class _Embedding(nn.Module):
    """PReLU(conv1(x)), for an ``x`` that may be wider than the weights."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = conv1(inputs, outputs)
        self.activation = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W to B×outputs×H×W in the weights' type."""
        embedded: Tensor = self.activation(self.conv(x.to(self.conv.weight.dtype)))
        return embedded


def pyramid(x: Tensor) -> list[Tensor]:
    """Return ``x`` (B×C×H×W) at the five levels, by bicubic interpolation without antialiasing.

    A side has floor(scale · side) pixels; a side of one pixel keeps it at every level, where the formula
    gives none, so that the other side still has its pyramid.
    """
    height, width = x.shape[-2:]
    # Two equal rows resize to one row like them, as borders are clamped.
    source = x.expand(-1, -1, max(height, 2), -1) if height == 1 else x
    source = source.expand(-1, -1, -1, 2) if width == 1 else source
    smaller = [F.interpolate(source, scale_factor=scale, mode="bicubic") for scale in LEVELS[1:]]
    return [x, *smaller]


def attend(
    query: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], block_elements: int | None = None
) -> Tensor:
    """Patch attention of one image over all levels, patches overlap-added and divided by 4.

    Args:
        query: c×H×W, float32 or float64.
        keys: per level, c×h×w.
        values: per level, C×h×w.
        block_elements: wanted query columns × keys of a block; changes the result by rounding only.

    Returns:
        C×H×W. Nine blocks live at once; differentiable where an argument needs a gradient.
    """
    width = query.shape[2]
    levels = _lay_out(keys)
    key = _flatten(keys)  # c×M
    value = _flatten(values).t().contiguous()  # M×C
    scale = _flatten([SOFTMAX_SCALE / _patch_norm(level) for level in keys])  # 1×M, 0 between the levels
    mask = torch.where(scale > 0, 0.0, -torch.inf)
    rows = F.pad(query, (2, 2)).permute(1, 2, 0).contiguous()  # H×(W+4)×c

    wanted = block_elements or BLOCK_ELEMENTS.get(query.device.type, BLOCK_ELEMENTS_ELSEWHERE)
    smallest = 1 if block_elements else NARROWEST_BLOCK
    blocks = -(-width // max(smallest, wanted // key.shape[1]))
    columns = -(-width // blocks)
    recording = torch.is_grad_enabled() and any(t.requires_grad for t in (query, *keys, *values))
    pixel_scores = None if recording else key.new_empty(columns + 4, key.shape[1])
    score_filter = _DiagonalFilter(levels, key.new_zeros(4, columns + 2, key.shape[1]), fresh=recording)
    weight_filter = _DiagonalFilter(levels, key.new_zeros(4, columns, key.shape[1]), fresh=recording)

    def scores(left: int, right: int) -> Iterator[Tensor]:
        out = None if pixel_scores is None else pixel_scores[: right - left + 4]
        for row in rows:
            yield torch.mm(row[left : right + 4], key, out=out)

    def weights(left: int, right: int) -> Iterator[Tensor]:
        inside = slice(1 if left == 0 else 0, -1 if right == width else None)
        for patch_scores in score_filter(scores(left, right)):
            yield _softmax(patch_scores, scale, mask, inside, recording)

    strips = []
    for left in range(0, width, columns):
        right = min(left + columns, width)
        folded = weight_filter(weights(left, right))
        strips.append(torch.stack([torch.mm(row, value) for row in folded]))  # H×(right-left)×C
    return torch.cat(strips, dim=1).permute(2, 0, 1) / 4


class _Level(NamedTuple):
    """Where a level's rows lie on the flat key axis, and how far apart two rows are."""

    start: int
    stop: int
    pitch: int


class _DiagonalFilter:
    """F(X)_ij = Σ_d X_{i+d,j+d} over the 3×3 offsets d, for query rows that come one after another.

    Args:
        levels: the flat key axis.
        buffers: 4×columns×M zeros: three rows filtered along x, and the result.
        fresh: allocate instead, so that autograd may keep every row.
    """

    def __init__(self, levels: Sequence[_Level], buffers: Tensor, fresh: bool) -> None:
        self.levels = levels
        self.buffers = buffers
        self.fresh = fresh

    def __call__(self, rows: Iterable[Tensor]) -> Iterator[Tensor]:
        """Turn rows of (n+2)×M into as many of n×M; a result is valid until the next one is asked for."""
        above: Tensor | None = None
        here: Tensor | None = None
        for number, row in enumerate(rows):
            below = self._along_x(row, number % 3)
            if here is not None:
                yield self._along_y(above, here, below)
                above = here
            here = below
        if here is not None:
            yield self._along_y(above, here, None)

    def _along_x(self, row: Tensor, slot: int) -> Tensor:
        filtered = self._buffer(slot, row.shape[0] - 2)
        # The axis' first and last entry stay zero: nothing but other zeros ever stands there.
        _add3(filtered[:, 1:-1], row[1:-1, 1:-1], row[:-2, :-2], row[2:, 2:])
        return filtered

    def _along_y(self, above: Tensor | None, here: Tensor, below: Tensor | None) -> Tensor:
        result = self._buffer(3, here.shape[0])
        for start, stop, pitch in self.levels:
            _add3(
                result[:, start:stop],
                here[:, start:stop],
                None if above is None else above[:, start - pitch : stop - pitch],
                None if below is None else below[:, start + pitch : stop + pitch],
            )
        return result

    def _buffer(self, slot: int, columns: int) -> Tensor:
        buffer = self.buffers[slot, :columns]
        return torch.zeros_like(buffer) if self.fresh else buffer


def _add3(out: Tensor, a: Tensor, b: Tensor | None, c: Tensor | None) -> None:
    """Write a + b + c into ``out``, a tensor that shares no memory with them; None is zero."""
    parts = [part for part in (b, c) if part is not None]
    if not parts or (torch.is_grad_enabled() and a.requires_grad):
        out.copy_(sum(parts, start=a))
        return
    torch.add(a, parts[0], out=out)
    for part in parts[1:]:
        out.add_(part)


def _softmax(scores: Tensor, scale: Tensor, mask: Tensor, inside: slice, recording: bool) -> Tensor:
    """Return the attention weights of n queries (n×M, M keys), zero for queries beside the image."""
    if recording:
        beside = torch.zeros(scores.shape[0], 1, dtype=scores.dtype, device=scores.device)
        beside[inside] = 1
        return torch.softmax(torch.addcmul(mask, scores, scale), dim=-1) * beside
    torch.addcmul(mask, scores, scale, out=scores)
    torch.softmax(scores, dim=-1, out=scores)
    scores[: inside.start].zero_()
    if inside.stop is not None:
        scores[inside.stop :].zero_()
    return scores


def _lay_out(images: Sequence[Tensor]) -> list[_Level]:
    levels = []
    begin = 0
    for image in images:
        height, width = image.shape[-2:]
        pitch = width + 1
        levels.append(_Level(begin + pitch, begin + pitch + height * pitch, pitch))
        begin += (height + 2) * pitch
    return levels


def _flatten(images: Sequence[Tensor]) -> Tensor:
    """Put images (C×h×w) on one axis (C×M), a zero before each row and a row of zeros above and below.

    A step in any of the nine directions is then a fixed offset, which lands on a zero outside the image.
    """
    return torch.cat([F.pad(image, (1, 0, 1, 1)).flatten(1) for image in images], dim=1)


def _patch_norm(image: Tensor) -> Tensor:
    """Return the L2 norm (1×h×w) of each zero-padded 3×3 patch of ``image`` (c×h×w), at least 1e-4."""
    energy = image.square().sum(dim=0, keepdim=True)
    energy = F.avg_pool2d(energy, 3, stride=1, padding=1, divisor_override=1)
    return energy.clamp_min(SMALLEST_NORM**2).sqrt()
