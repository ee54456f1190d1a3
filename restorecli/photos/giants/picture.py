"""A large photo whose pixels stay in its file until they are needed, then as `photos.read` gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from restorecli.errors import UnreadableError, first_line
from restorecli.imaging import icc
from restorecli.photo import Document, FloatArray, Photo
from restorecli.photos import read
from restorecli.photos.giants.png_rows import PngRows
from restorecli.photos.giants.source import LEAST_ROWS, HeldWhole, Source, Window
from restorecli.photos.giants.tiff_rows import TiffRows
from restorecli.photos.metadata import carried as metadata
from restorecli.photos.metadata import colours
from restorecli.photos.metadata.profiles import NATIVE
from restorecli.photos.raster import DECODE_ERRORS, Raster, Samples

SQUARE = 512  # side of the squares that a photo is judged by, a multiple of any JPEG block
ACROSS = 4
_MIRRORED, _TURNED, _UPSIDE_DOWN = 2, 3, 4
_SOURCES: dict[str, Callable[[BinaryIO, str], Source]] = {"tiff": TiffRows, "png": PngRows}
KINDS = frozenset(_SOURCES)


def open_giant(path: Path, name: str) -> Document:
    """Open a photo that is to be restored without being held.

    Returns:
        The document; its only page has `Photo.parts`.

    Raises:
        HeldWhole: the file cannot be read that way; says why.
        UnreadableError: it is damaged.
        UnsupportedError: it is a stack of pictures behind one directory.
    """
    stream = path.open("rb")
    try:
        stamp, kind = read.stamp_of(stream), read.kind_of(stream, name)
        if kind not in _SOURCES:
            raise HeldWhole(f"{kind} files are decoded in one piece")
        page = _page(_source(stream, kind, name), kind)
        return Document((page,), kind, name, read.fingerprint_of(stream), stamp)
    except BaseException:
        stream.close()
        raise


def _source(stream: BinaryIO, kind: str, name: str) -> Source:
    try:
        return _SOURCES[kind](stream, name)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: the header is damaged: {first_line(error)}") from error


def _page(source: Source, kind: str) -> Photo:
    raster, orientation = _header(source, kind)
    depth, colourless = raster.depth, _is_colourless(source)
    working = _working(source) if raster.model == "rgb" and (raster.icc or raster.cicp) else None
    coloured = colours.to_working(replace(raster, working=working, warnings=[]))
    if coloured.hdr_peak is not None:
        raise HeldWhole("it is an HDR picture")
    channels = coloured.pixels.shape[2]
    raster.samples = np.broadcast_to(np.zeros(1, np.uint8), (source.height, source.width, channels))
    carried = metadata.carried(raster, coloured, orientation)
    shape = np.broadcast_to(np.zeros(1, np.float32), (source.height, source.width, channels))
    parts = GiantParts(source, orientation, working)
    return Photo(
        pixels=shape,
        depth=depth,
        format=kind,
        metadata=carried,
        warnings=tuple(raster.warnings),
        parts=parts,
        colourless=colourless,
    )


def _header(source: Source, kind: str) -> tuple[Raster, int]:
    """Return the file's first rows with all that it says, and its orientation.

    Raises:
        HeldWhole: the picture is of a kind that is held.
    """
    raster = source.header(source.block(0))
    if raster.alpha is not None:
        raise HeldWhole("it has transparency")
    if raster.samples.dtype.kind == "f" and raster.model != "lab":
        raise HeldWhole("its samples are floating-point numbers")
    orientation = metadata.stated_orientation(raster)
    if orientation > _UPSIDE_DOWN or (orientation in (_TURNED, _UPSIDE_DOWN) and kind == "png"):
        raise HeldWhole(f"it is to be turned (orientation {orientation})")
    return raster, orientation


def need_not_be_held(path: Path, kind: str, name: str) -> bool:
    """Whether `open_giant` opens a file, as far as its first rows tell.

    Raises:
        UnreadableError: it is damaged.
    """
    if kind not in _SOURCES:
        return False
    with path.open("rb") as stream:
        try:
            _header(_source(stream, kind, name), kind)
        except HeldWhole:
            return False
    return True


def _working(source: Source) -> str:
    """Return the least working space that holds the colours of all blocks, as for a picture that is held."""
    order = (*icc.SPACES, NATIVE)
    found = 0
    for samples in _blocks(source):
        found = max(found, order.index(colours.to_working(source.raster(samples)).working))
    return order[found]


def _is_colourless(source: Source) -> bool:
    """Whether all blocks are, see `Raster.is_colourless`; of a colour photo the first few tell."""
    return all(source.raster(samples).is_colourless for samples in _blocks(source))


def _blocks(source: Source) -> Iterator[Samples]:
    return (source.block(index) for index in range(-(-source.height // source.step)))


class GiantParts:
    """Parts of a photo in its file.

    Args:
        source: gives the file's rows.
        orientation: 1 to 4, by EXIF: how the rows are to be mirrored.
        working: the working space; None where it does not depend on the pixels.
    """

    def __init__(self, source: Source, orientation: int, working: str | None) -> None:
        self._source = source
        self._mirrored = orientation in (_MIRRORED, _TURNED)
        self._working = working
        self._window = Window(source, bottom_up=orientation in (_TURNED, _UPSIDE_DOWN))

    def pixels(self, top: int, bottom: int, left: int = 0, right: int | None = None) -> FloatArray:
        """Return a part as float32 in 0–1, upright."""
        right = self._source.width if right is None else right
        start, end = left, right
        if self._mirrored:
            start, end = self._source.width - right, self._source.width - left
        samples = self._window.take(top, bottom, start, end)
        raster = self._source.raster(samples[:, ::-1] if self._mirrored else samples)
        raster.working = self._working
        return colours.to_working(raster).pixels

    def release(self, row: int) -> None:
        """Let go of the rows above ``row``."""
        self._window.release(row)

    def sample(self) -> FloatArray:
        """Return `ACROSS`×`ACROSS` squares from all over the picture, or the whole where it is smaller."""
        tops, lefts = (_places(side) for side in (self._source.height, self._source.width))
        heights, widths = (
            [min(SQUARE, side - start) for start in starts]
            for side, starts in ((self._source.height, tops), (self._source.width, lefts))
        )
        made: FloatArray | None = None
        down = 0
        for top, bottom in self._pieces(tops, heights):
            parts = [self.pixels(top, bottom, x, x + width) for x, width in zip(lefts, widths, strict=True)]
            self.release(bottom)
            if made is None:
                made = np.empty((sum(heights), sum(widths), parts[0].shape[2]), np.float32)
            np.concatenate(parts, axis=1, out=made[down : down + bottom - top])
            down += bottom - top
        self.release(self._source.height)
        assert made is not None
        return made

    def _pieces(self, tops: list[int], heights: list[int]) -> Iterator[tuple[int, int]]:
        """Yield rows of squares in pieces that take no more than two of the file's blocks."""
        for top, height in zip(tops, heights, strict=True):
            for start in range(top, top + height, LEAST_ROWS):
                yield start, min(start + LEAST_ROWS, top + height)

    def close(self) -> None:
        """Close the file."""
        self._source.close()


def _places(side: int) -> list[int]:
    """Return where squares begin along a side, at multiples of a JPEG's blocks."""
    if side < ACROSS * SQUARE:
        return list(range(0, side, SQUARE))
    step = (side - SQUARE) // (ACROSS - 1)
    return [index * step // 16 * 16 for index in range(ACROSS)]
