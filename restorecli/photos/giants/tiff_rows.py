"""The strips or tiles of a TIFF file, one row of them at a time (TIFF 6.0, sections 3 and 15; BigTIFF)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
import tifffile

from restorecli.photos.formats import tiff, tiff_ycbcr
from restorecli.photos.giants.source import MOST_BYTES, HeldWhole, Source, rows_at_once
from restorecli.photos.raster import Raster, Samples

_NONE = 1  # compression
_SEPARATE = 2  # planar configuration


class TiffRows(Source):
    """The only page of a TIFF file.

    Args:
        stream: the file, which is closed with this.
        name: how messages call it.

    Raises:
        HeldWhole: it has several pages, or is coded in a way that cannot be taken apart.
        UnreadableError: it is cut short.
        UnsupportedError: it is a stack behind one directory.
    """

    kind = "TIFF"

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self.name = stream, name
        stream.seek(0)
        self._file = tifffile.TiffFile(stream)
        pages = tiff.pictures(self._file, stream, name)
        if len(pages) != 1:
            raise HeldWhole(f"it has {len(pages)} pages")
        self._page: Any = pages[0]
        page = self._page
        if page.imagedepth != 1 or page.dtype is None:
            raise HeldWhole("it is a volume, or its samples are of no usual kind")
        if tiff_ycbcr.is_plain(page):
            raise HeldWhole("its samples are YCbCr")
        tiff.check_page(page, name)
        self.height, self.width = int(page.imagelength), int(page.imagewidth)
        self._channels = int(page.samplesperpixel)
        self._planes = self._channels if int(page.planarconfig) == _SEPARATE else 1
        self._rows = int(page.tilelength if page.is_tiled else min(page.rowsperstrip, self.height))
        self._across = -(-self.width // int(page.tilewidth)) if page.is_tiled else 1
        self._icc: bytes | None = None
        self._row_bytes = self.width * self._channels * page.dtype.itemsize
        self._plain = self._is_plain()
        # A tile that reaches into several blocks is decoded for all that are wanted at once; a strip is kept.
        least = rows_at_once(self._row_bytes)
        free = self._plain or page.is_tiled
        self.step = least if free else self._rows * max(1, least // self._rows)
        most = 0 if self._plain else max(page.databytecounts, default=0)
        if max(most, self.step * self._row_bytes) > MOST_BYTES:
            raise HeldWhole("its strips are as good as the whole picture")

    def _is_plain(self) -> bool:
        """Whether rows stand in the file as they are, and all of them do."""
        page = self._page
        if not (
            page.compression == _NONE
            and not page.is_tiled
            and self._planes == 1
            and int(page.bitspersample) == 8 * page.dtype.itemsize
            and int(page.predictor or 1) == 1
        ):
            return False
        wanted = [min(self._rows, self.height - top) for top in range(0, self.height, self._rows)]
        held = page.databytecounts
        return len(held) == len(wanted) and all(
            size >= rows * self._row_bytes for size, rows in zip(held, wanted, strict=True)
        )

    def _blocks(self, indices: range) -> list[Samples]:
        edges = [(index * self.step, min(self.height, (index + 1) * self.step)) for index in indices]
        if self._plain:
            return [self._read_plain(top, bottom) for top, bottom in edges]
        kind = self._page.dtype
        blocks = [np.zeros((bottom - top, self.width, self._channels), kind) for top, bottom in edges]
        tops = [top for top, _ in edges]
        per_plane = self._across * -(-self.height // self._rows)
        for plane in range(self._planes):
            for row in range(tops[0] // self._rows, -(-edges[-1][1] // self._rows)):
                for column in range(self._across):
                    number = plane * per_plane + row * self._across + column
                    self._decode(number, plane, zip(tops, blocks, strict=True))
        return blocks

    def _decode(self, number: int, plane: int, blocks: Iterable[tuple[int, Samples]]) -> None:
        """Decode one strip or tile, once, into the blocks that it reaches, each with its first row."""
        page = self._page
        if number >= len(page.dataoffsets) or not page.databytecounts[number]:
            return  # a part that was never written is black
        self._stream.seek(page.dataoffsets[number])
        data = self._stream.read(page.databytecounts[number])
        decoded, place, shape = page.decode(data, number, jpegtables=page.jpegtables)
        if decoded is None:
            return
        _, _, first, left, _ = place
        _, rows, columns, _ = shape
        for top, block in blocks:
            start, end = max(first, top), min(first + rows, top + len(block))
            if start >= end:
                continue
            target = block[start - top : end - top, left : left + columns]
            part = decoded[0, start - first : end - first, : target.shape[1]]
            if self._planes > 1:
                target[:, :, plane] = part[:, :, 0]
            else:
                target[...] = part

    def _read_plain(self, top: int, bottom: int) -> Samples:
        data = b""
        while top < bottom:
            strip, inside = divmod(top, self._rows)
            count = min(bottom - top, self._rows - inside)
            self._stream.seek(self._page.dataoffsets[strip] + inside * self._row_bytes)
            data += self._stream.read(count * self._row_bytes)
            top += count
        kind = self._page.dtype.newbyteorder(self._file.byteorder)
        samples = np.frombuffer(data, kind).reshape(-1, self.width, self._channels)
        return samples.astype(self._page.dtype)

    def raster(self, samples: Samples) -> Raster:
        """Return a part as what its photometric interpretation and its profile say."""
        raster = tiff.interpreted(samples, self._page, self.name)
        raster.icc = self._icc
        return raster

    def header(self, samples: Samples) -> Raster:
        """Return the same with profile, resolution and metadata."""
        raster = tiff.described(samples, self._page, self.name)
        self._icc = raster.icc
        raster.exif, warnings = tiff.exif_block(self._stream)
        raster.warnings += warnings
        return raster

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._stream.close()
