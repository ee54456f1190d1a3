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
row up and down, three rows are kept and each row's scores are computed once; no N × 3.3N matrix exists. In
half precision on a GPU the equations are computed as they stand, by one fused kernel: see `patches`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restorecli.networks.byte_cache import ByteCache
from restorecli.networks.layers import conv1
from restorecli.networks.panet import patches
from restorecli.networks.panet.resizing import by_products

LEVELS = (1.0, 0.9, 0.8, 0.7, 0.6)
"""Side of each pyramid level ÷ side of the image."""

SOFTMAX_SCALE = 10.0
SMALLEST_NORM = 1e-4

BLOCK_ELEMENTS = {"cpu": 3 << 20}
"""Wanted size of one block, query columns × all keys: wide for fast products, yet near a CPU's caches."""

BLOCK_ELEMENTS_ELSEWHERE = 1 << 25
RESIZING_BYTES = 1 << 22
NARROWEST_BLOCK = 24
"""Query columns below which the four columns of margin around a block would cost too much."""


class PyramidAttention(nn.Module):
    """The attention with its three embeddings, and its own skip connection times ``res_scale``."""

    def __init__(self, features: int, reduction: int, res_scale: float) -> None:
        super().__init__()
        self.query = _Embedding(features, features // reduction)
        self.key = _Embedding(features, features // reduction)
        self.value = _Embedding(features, features)
        self.res_scale = res_scale
        self.resizing = ByteCache(RESIZING_BYTES)

    def forward(self, x: Tensor) -> Tensor:
        """Map B×C×H×W to B×C×H×W, in float32 or wider."""
        # Scores reach tens and the weights average 1/3.3N: half precision's steps are too coarse for both.
        wide = torch.promote_types(x.dtype, torch.float32)
        x = x.to(wide)
        if patches.is_available(self.query.conv, self.value.conv):
            attended = [self._by_patches(image) for image in torch.split(x, 1)]
            return torch.add(torch.stack(attended), x, alpha=self.res_scale)
        attended = []
        for image in torch.split(x, 1):
            query = self.query(image)[0].to(wide)
            axis = self._key_axis(image)
            with torch.autocast(x.device.type, enabled=False):
                attended.append(attend(query, axis))
        return torch.add(torch.stack(attended), x, alpha=self.res_scale)

    def _by_patches(self, image: Tensor) -> Tensor:
        """Attend for one image (1×C×H×W) where a GPU has a kernel for it: C×H×W float32."""
        levels = pyramid(image, self.resizing)
        keys, values = ([embed(level) for level in levels] for embed in (self.key, self.value))
        with torch.autocast(image.device.type, enabled=False):
            return patches.attend(self.query(image), keys, values, SOFTMAX_SCALE, SMALLEST_NORM)

    def _key_axis(self, image: Tensor) -> KeyAxis:
        """Embed one image's pyramid (1×C×H×W); what only that needs is freed before the blocks come."""
        keys, values = [], []
        for level in pyramid(image, self.resizing):
            keys.append(self.key(level)[0].to(image.dtype))
            values.append(self.value(level)[0].to(image.dtype))
        with torch.autocast(image.device.type, enabled=False):
            return KeyAxis(keys, values)


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


def pyramid(x: Tensor, resizing: ByteCache) -> list[Tensor]:
    """Return ``x`` (B×C×H×W) at the five levels, by bicubic interpolation without antialiasing.

    A side has floor(scale · side) pixels; a side of one pixel keeps it at every level, where the formula
    gives none, so that the other side still has its pyramid. ``resizing`` keeps what GPUs resize by.
    """
    height, width = x.shape[-2:]
    # Two equal rows resize to one row like them, as borders are clamped.
    source = x.expand(-1, -1, max(height, 2), -1) if height == 1 else x
    source = source.expand(-1, -1, -1, 2) if width == 1 else source
    if x.device.type == "cuda" and not torch.is_grad_enabled():
        return [x, *(by_products(source, scale, resizing) for scale in LEVELS[1:])]
    return [x, *(F.interpolate(source, scale_factor=scale, mode="bicubic") for scale in LEVELS[1:])]


def attend(query: Tensor, axis: KeyAxis, block_elements: int | None = None) -> Tensor:
    """Patch attention of one image over all levels, patches overlap-added and divided by 4.

    Args:
        query: c×H×W, float32 or float64.
        axis: keys and values of all levels, of the same type.
        block_elements: wanted query columns × keys of a block; changes the result by rounding only.

    Returns:
        C×H×W. Nine blocks live at once; differentiable where an argument needs a gradient.
    """
    width = query.shape[2]
    wanted = block_elements or BLOCK_ELEMENTS.get(query.device.type, BLOCK_ELEMENTS_ELSEWHERE)
    blocks = -(-width // max(1 if block_elements else NARROWEST_BLOCK, wanted // axis.size))
    columns = -(-width // blocks)
    rows = F.pad(query, (2, 2)).permute(1, 2, 0).contiguous()  # H×(W+4)×c
    strips = [
        _attend_columns(rows[:, left : left + columns + 4], axis, left == 0, left + columns >= width)
        for left in range(0, width, columns)
    ]
    return torch.cat(strips, dim=1).permute(2, 0, 1) / 4


def _attend_columns(rows: Tensor, axis: KeyAxis, first: bool, last: bool) -> Tensor:
    """Attend from a strip of query columns: H×(n+4)×c, two columns of margin on both sides, to H×n×C.

    Args:
        rows: the queries.
        axis: keys and values.
        first: the strip starts at the image's left border, so its left margin is no query.
        last: it ends at the right one.
    """
    columns = rows.shape[1] - 4
    recording = torch.is_grad_enabled() and (rows.requires_grad or axis.requires_grad)
    inside = slice(1 if first else 0, -1 if last else None)
    pixel_scores = (axis.keys.times(row) for row in rows)
    patch_scores = _DiagonalFilter(axis, columns + 2, recording).run(pixel_scores)
    weights = (_softmax(scores, axis, inside, recording) for scores in patch_scores)
    folded = _DiagonalFilter(axis, columns, recording).run(weights)
    return torch.stack([axis.values.times(row) for row in folded])


class _Factor:
    """A k×m matrix that many n×k ones are multiplied with; given and kept transposed, m×k."""

    def __init__(self, transposed: Tensor) -> None:
        self.transposed = transposed.contiguous()
        # As 1×1 convolutions these products take half as long as `torch.mm` on CPUs not of MKL's make.
        self.convolves = (
            transposed.dtype == torch.float32
            and transposed.device.type == "cpu"
            and torch._C._get_mkldnn_enabled()
            and not transposed.requires_grad
        )

    def times(self, rows: Tensor) -> Tensor:
        """Return ``rows`` (n×k) · matrix."""
        if not self.convolves or rows.requires_grad:
            return torch.mm(rows, self.transposed.t())
        count, inner = rows.shape
        pixels = rows.contiguous().as_strided((1, inner, count, 1), (count * inner, 1, inner, inner))
        kernels = self.transposed[:, :, None, None]
        product = torch.mkldnn_convolution(pixels, kernels, None, (0, 0), (1, 1), (1, 1), 1)
        return product[0, :, :, 0].t()


class _Level(NamedTuple):
    """Where a level's rows lie on the flat key axis, and how far apart two rows are."""

    start: int
    stop: int
    pitch: int


class KeyAxis:
    """The pixels of all levels on one axis of M entries: a zero before each row, zeros around a level.

    A step in any of the nine directions is then a fixed offset, which lands on a zero outside the image.

    Args:
        keys: per level, c×h×w.
        values: per level, C×h×w.
    """

    def __init__(self, keys: Sequence[Tensor], values: Sequence[Tensor]) -> None:
        self.levels: list[_Level] = []
        self.size = 0
        for key in keys:
            pitch = key.shape[2] + 1
            start = self.size + pitch
            self.levels.append(_Level(start, start + key.shape[1] * pitch, pitch))
            self.size = self.levels[-1].stop + pitch
        self.keys = _Factor(_flatten(keys).t())  # c×M
        self.values = _Factor(_flatten(values))  # M×C
        self.scale = _flatten([SOFTMAX_SCALE / _patch_norm(key) for key in keys])  # 1×M
        self.mask = torch.where(self.scale > 0, 0.0, -torch.inf)
        self.requires_grad = any(tensor.requires_grad for tensor in (*keys, *values))


class _DiagonalFilter:
    """F(X)_ij = Σ_d X_{i+d,j+d} over the 3×3 offsets d, for query rows that come one after another.

    Args:
        axis: the keys' axis.
        columns: query columns of a result.
        recording: allocate every row, so that autograd may keep it.
    """

    def __init__(self, axis: KeyAxis, columns: int, recording: bool) -> None:
        self.levels = axis.levels
        self.recording = recording
        self.filtered = axis.scale.new_zeros(3, columns, axis.size)  # along x, of the last three rows
        self.result = axis.scale.new_zeros(columns, axis.size)

    def run(self, rows: Iterable[Tensor]) -> Iterator[Tensor]:
        """Turn rows of (columns+2)×M into as many of columns×M; each is valid until the next is asked for."""
        above: Tensor | None = None
        here: Tensor | None = None
        for number, row in enumerate(rows):
            below = self._along_x(row, number)
            if here is not None:
                yield self._along_y(above, here, below)
            above, here = here, below
        if here is not None:
            yield self._along_y(above, here, None)

    def _along_x(self, row: Tensor, number: int) -> Tensor:
        filtered = self._fresh_or(self.filtered[number % 3])
        # The axis' first and last entry stay zero: nothing but other zeros ever stands there.
        _add3(filtered[:, 1:-1], row[1:-1, 1:-1], row[:-2, :-2], row[2:, 2:])
        return filtered

    def _along_y(self, above: Tensor | None, here: Tensor, below: Tensor | None) -> Tensor:
        result = self._fresh_or(self.result)
        for start, stop, pitch in self.levels:
            _add3(
                result[:, start:stop],
                here[:, start:stop],
                None if above is None else above[:, start - pitch : stop - pitch],
                None if below is None else below[:, start + pitch : stop + pitch],
            )
        return result

    def _fresh_or(self, buffer: Tensor) -> Tensor:
        return torch.zeros_like(buffer) if self.recording else buffer


def _add3(out: Tensor, a: Tensor, b: Tensor | None, c: Tensor | None) -> None:
    """Write a + b + c into ``out``, a tensor that shares no memory with them; None is zero."""
    parts = [part for part in (b, c) if part is not None]
    if not parts or (torch.is_grad_enabled() and a.requires_grad):
        out.copy_(sum(parts, start=a))
        return
    torch.add(a, parts[0], out=out)
    for part in parts[1:]:
        out.add_(part)


def _softmax(scores: Tensor, axis: KeyAxis, inside: slice, recording: bool) -> Tensor:
    """Turn the patch scores of n queries (n×M) to attention weights, zero for queries beside the image."""
    if recording:
        queries = scores.new_zeros(scores.shape[0], 1)
        queries[inside] = 1
        return torch.softmax(torch.addcmul(axis.mask, scores, axis.scale), dim=-1) * queries
    torch.addcmul(axis.mask, scores, axis.scale, out=scores)
    torch.softmax(scores, dim=-1, out=scores)
    scores[: inside.start].zero_()
    if inside.stop is not None:
        scores[inside.stop :].zero_()
    return scores


def _flatten(images: Sequence[Tensor]) -> Tensor:
    """Put images (C×h×w) on the axis of `KeyAxis`: C×M."""
    return torch.cat([F.pad(image, (1, 0, 1, 1)).flatten(1) for image in images], dim=1)


def _patch_norm(image: Tensor) -> Tensor:
    """Return the L2 norm (1×h×w) of each zero-padded 3×3 patch of ``image`` (c×h×w), at least 1e-4."""
    energy = image.square().sum(dim=0, keepdim=True)
    energy = F.avg_pool2d(energy, 3, stride=1, padding=1, divisor_override=1)
    return energy.clamp_min(SMALLEST_NORM**2).sqrt()
