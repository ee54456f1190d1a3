"""A result that is rounded for its file row by row while it is made, which takes less memory than float32."""

from __future__ import annotations

from dataclasses import replace

from restorecli.photo import Depth, Photo, Rounded
from restorecli.photos.formats.page import PEAKS, quantized
from restorecli.photos.formats.table import FORMATS
from restorecli.photos.metadata import colours
from restorecli.photos.raster import Samples


class Rounding:
    """An opaque page's samples, in the colours of its file.

    Args:
        name: the file's format.
        depth: 8 or 16 bits.
        samples: H×W×C of that depth, to be filled.

    Attributes:
        done_rows: rows that are there already.
    """

    done_rows = 0

    def __init__(self, name: str, depth: Depth, samples: Samples) -> None:
        self._rounded = Rounded(name, depth)
        self._samples = samples

    def peak(self, like: Photo) -> int | None:
        """The number of white, where the colours of ``like`` are the file's own; else None."""
        first = replace(like, pixels=like.pixels[:1, :1])
        coloured = colours.from_working(first, FORMATS[self._rounded.format].metadata, self._rounded.depth)
        if coloured.pixels is not first.pixels:
            return None
        self._note(coloured)
        return PEAKS[self._rounded.depth]

    def put_samples(self, top: int, samples: Samples) -> None:
        """Take a band, rows×W×C, of a picture that has a `peak`, rounded to it; 16 bits with any sign."""
        self._samples[top : top + samples.shape[0]] = samples.view(self._samples.dtype)

    def put(self, top: int, rows: Photo) -> None:
        """Round a band of the picture whose first row is ``top``."""
        name, depth = self._rounded.format, self._rounded.depth
        coloured = colours.from_working(rows, FORMATS[name].metadata, depth)
        quantized(coloured.pixels, depth, self._samples[top : top + rows.height])
        self._note(coloured)

    def _note(self, coloured: colours.Colours) -> None:
        name, depth = self._rounded.format, self._rounded.depth
        cicp = None if coloured.cicp is None else (coloured.cicp.primaries, coloured.cicp.transfer)
        warnings = tuple(f"{name}: {text}" for text in coloured.warnings)
        self._rounded = Rounded(name, depth, coloured.profile, cicp, warnings)

    def give_up(self) -> None:
        """The picture is not finished: nothing is held that others could want."""

    def photo(self, like: Photo, warnings: tuple[str, ...]) -> Photo:
        """The whole picture, with the metadata of ``like``."""
        return replace(like, pixels=self._samples, warnings=warnings, rounded=self._rounded)
