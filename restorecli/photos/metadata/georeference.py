"""GeoTIFF: where on Earth the pixels lie, kept true when a picture is resized.

Source: OGC GeoTIFF 1.1 (ModelPixelScale, ModelTiepoint, ModelTransformation, GTRasterType); RPC in GeoTIFF.
"""

from __future__ import annotations

import io
import struct

from restorecli.photos.metadata import tiff_tags
from restorecli.photos.metadata.exif import SIZES, Block, Entry

_SCALE, _TIE_POINTS, _MATRIX, _KEYS, _RPC = 33550, 33922, 34264, 34735, 50844
# With the doubles and texts that keys refer to, and what GDAL notes of values and of missing ones.
TAGS = frozenset((_SCALE, _TIE_POINTS, _MATRIX, _KEYS, 34736, 34737, _RPC, 42112, 42113))
_RASTER_TYPE, _POINT = 1025, 2
_DOUBLE = 12


def is_in(exif: bytes) -> bool:
    """Whether an EXIF block of a TIFF holds a georeference. `ValueError` where it is broken."""
    block = Block(exif)
    tags = {entry.tag for entry in block.entries(block.first)}
    return bool(tags & {_SCALE, _TIE_POINTS, _MATRIX, _RPC})


def joined(exif: bytes | None, tiff: bytes) -> bytes | None:
    """An EXIF block with the georeference of a TIFF without pixels, as JPEG 2000 files hold it (GeoJP2).

    Raises:
        ValueError: one of the two is broken.
    """
    added, _ = tiff_tags.extract(io.BytesIO(tiff), lambda tag, level: tag in TAGS)
    if added is None or exif is None:
        return added or exif
    source, block = Block(added), Block(exif)
    changes: dict[int, tuple[int, int, bytes] | None] = {}
    for entry in source.entries(source.first):
        value = bytes(source.data[entry.value_at : entry.value_at + entry.size])
        if source.order != block.order:
            step = SIZES[entry.type]
            value = b"".join(value[at : at + step][::-1] for at in range(0, len(value), step))
        changes[entry.tag] = entry.type, entry.count, value
    block.rewrite_first(changes)
    return bytes(block.data)


def rescaled(exif: bytes, across: float, down: float) -> bytes:
    """The block with the tags true for a picture enlarged by two factors. `ValueError` where it is broken."""
    block = Block(exif)
    # Where the tie points mean centres of pixels, the centre of the first one moves too.
    shift = 0.5 if _is_point(block) else 0.0
    for entry in block.entries(block.first):
        if entry.type != _DOUBLE:
            continue
        values = _doubles(block, entry)
        if entry.tag == _SCALE and len(values) >= 2:
            values[0], values[1] = values[0] / across, values[1] / down
        elif entry.tag == _TIE_POINTS:
            for at in range(0, len(values) - 5, 6):
                values[at] = (values[at] + shift) * across - shift
                values[at + 1] = (values[at + 1] + shift) * down - shift
        elif entry.tag == _MATRIX and len(values) == 16:
            _rescale_matrix(values, across, down, shift)
        elif entry.tag == _RPC and len(values) >= 10:
            for at, factor in ((2, down), (3, across)):  # offsets of line and sample, which mean centres
                values[at] = (values[at] + 0.5) * factor - 0.5
            values[7], values[8] = values[7] * down, values[8] * across
        else:
            continue
        struct.pack_into(f"{block.order}{len(values)}d", block.data, entry.value_at, *values)
    return bytes(block.data)


def _rescale_matrix(values: list[float], across: float, down: float, shift: float) -> None:
    """Rows of a 4×4 matrix from pixels (I, J, K, 1) to the model."""
    for row in range(0, 16, 4):
        by_column, by_row = values[row] / across, values[row + 1] / down
        # The new pixel I' is (I + shift) · across − shift.
        values[row + 3] += by_column * shift * (1 - across) + by_row * shift * (1 - down)
        values[row], values[row + 1] = by_column, by_row


def _doubles(block: Block, entry: Entry) -> list[float]:
    return list(struct.unpack_from(f"{block.order}{entry.count}d", block.data, entry.value_at))


def _is_point(block: Block) -> bool:
    entry = block.find(block.first, _KEYS)
    if entry is None or entry.type != 3:
        return False
    keys = struct.unpack_from(f"{block.order}{entry.count}H", block.data, entry.value_at)
    return any(keys[at] == _RASTER_TYPE and keys[at + 3] == _POINT for at in range(4, len(keys) - 3, 4))
