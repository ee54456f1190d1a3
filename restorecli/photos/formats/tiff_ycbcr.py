"""TIFF pictures of YCbCr without JPEG: chroma put in its places, colours by the tags of the file.

Source: TIFF 6.0, sections 20 (ReferenceBlackWhite) and 21 (YCbCr images).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from restorecli.errors import UnsupportedError
from restorecli.photos.raster import Samples

YCBCR = 6
# Codecs that give RGB by themselves: JPEG of all kinds, JPEG XL, WebP.
_OWN_COLOURS = frozenset((6, 7, 33007, 34892, 34927, 50001, 50002, 52546))
_NO_COMPRESSION = 1
_COEFFICIENTS, _SUBSAMPLING, _REFERENCE = 529, 530, 532
_FRACTIONS = (5, 10)  # the field types RATIONAL and SRATIONAL
_BT601 = (0.299, 0.587, 0.114)


def is_plain(page: Any) -> bool:
    """Whether a page of tifffile holds YCbCr samples that no codec turns into RGB."""
    return int(page.photometric) == YCBCR and int(page.compression) not in _OWN_COLOURS


def is_subsampled(page: Any) -> bool:
    """Whether there are fewer chroma samples than pixels."""
    return _subsampling(page) != (1, 1)


def _subsampling(page: Any) -> tuple[int, int]:
    across, down = _value(page, _SUBSAMPLING, (2, 2))
    return int(across), int(down)


def _value(page: Any, code: int, default: Any) -> Any:
    found = page.tags.get(code)
    return default if found is None else found.value


def samples(page: Any, name: str) -> Samples:
    """The Y, Cb and Cr samples of a subsampled page, H×W×3; chroma is repeated.

    Raises:
        UnsupportedError: a layout of samples that no program is known to write.
        ValueError: the file is damaged or cut short.
    """
    across, down = _subsampling(page)
    kind = np.dtype(page.parent.byteorder + {8: "u1", 16: "u2"}.get(int(page.bitspersample), "V1"))
    if (
        kind.kind == "V"
        or int(page.planarconfig) != 1
        or int(page.samplesperpixel) != 3
        or page.predictor != 1
    ):
        raise UnsupportedError(f"{name}: a TIFF of subsampled YCbCr in an unusual layout")
    if across not in (1, 2, 4) or down not in (1, 2, 4):
        raise UnsupportedError(f"{name}: a TIFF with chroma subsampled {across}×{down}")
    height, width = int(page.imagelength), int(page.imagewidth)
    rows = int(page.tilelength if page.is_tiled else min(page.rowsperstrip, height))
    columns = int(page.tilewidth if page.is_tiled else width)
    per_line = -(-width // columns)
    result = np.zeros((height, width, 3), kind.newbyteorder("="))
    for index, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        top, left = index // per_line * rows, index % per_line * columns
        page.parent.filehandle.seek(offset)
        plain = _unpacked(page, page.parent.filehandle.read(count))
        # A strip at the end may be shorter; its rows are still whole data units.
        here = rows if page.is_tiled else min(rows, height - top)
        part = _placed(np.frombuffer(plain, kind), -(-here // down), -(-columns // across), across, down)
        part = part[: min(here, height - top), : width - left]
        result[top : top + part.shape[0], left : left + part.shape[1]] = part
    return result


def _unpacked(page: Any, data: bytes) -> bytes:
    if int(page.compression) == _NO_COMPRESSION:
        return data
    return bytes(tifffile.TIFF.DECOMPRESSORS[page.compression](data))


def _placed(values: Samples, lines: int, columns: int, across: int, down: int) -> Samples:
    """Data units (a block of Y, then one Cb and one Cr) as `lines`·`down` × `columns`·`across` × 3."""
    block = across * down
    units = values[: lines * columns * (block + 2)].reshape(lines, columns, block + 2)
    blocks = units[:, :, :block].reshape(lines, columns, down, across)
    luma = blocks.swapaxes(1, 2).reshape(lines * down, columns * across)
    chroma = np.repeat(np.repeat(units[:, :, block:], down, axis=0), across, axis=1)
    return np.dstack([luma, chroma])


def to_rgb(values: Samples, page: Any) -> Samples:
    """H×W×3 Y, Cb, Cr samples as RGB of the same type, by the page's coefficients and reference levels."""
    bits = int(page.bitspersample)
    most = float(2**bits - 1)
    low, high = _reference(page, bits)
    ranges = np.array([most, (most - 1) / 2, (most - 1) / 2])
    y, blue, red = np.moveaxis((values.astype(np.float64) - low) * (ranges / (high - low)), -1, 0)
    weights = _numbers(page, _COEFFICIENTS)
    kr, kg, kb = weights if len(weights) == 3 and weights[1] else _BT601
    r = y + red * (2 - 2 * kr)
    b = y + blue * (2 - 2 * kb)
    g = (y - kr * r - kb * b) / kg
    rgb: Samples = np.rint(np.clip(np.stack([r, g, b], axis=-1), 0, most)).astype(values.dtype)
    return rgb


def _reference(page: Any, bits: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Black and white levels of Y, Cb and Cr."""
    most, middle = 2**bits - 1, 2 ** (bits - 1)
    levels = _numbers(page, _REFERENCE)
    if len(levels) != 6 or any(levels[i] == levels[i + 1] for i in (0, 2, 4)):
        levels = [0, most, middle, most, middle, most]
    elif bits > 8 and max(levels) <= 255:  # tifffile, for one, writes those of 8 bits beside 16-bit samples
        levels = [level * (most + 1) / 256 for level in levels]
    return np.array(levels[::2], np.float64), np.array(levels[1::2], np.float64)


def _numbers(page: Any, code: int) -> list[float]:
    """The numbers of a tag; fractions are divided."""
    found = page.tags.get(code)
    cells = [] if found is None else [float(cell) for cell in np.ravel(found.value)]
    if found is None or int(found.dtype) not in _FRACTIONS:
        return cells
    return [above / below if below else 0.0 for above, below in zip(cells[::2], cells[1::2], strict=True)]
