"""A result that is rounded for its file row by row while it is made, which takes less memory than float32."""

from __future__ import annotations

from dataclasses import replace

from restorecli.photo import Depth, FloatArray, Photo, Rounded
from restorecli.photos.formats.page import ON_WHITE, PEAKS, on_white, quantized
from restorecli.photos.formats.table import FORMATS
from restorecli.photos.metadata import colours
from restorecli.photos.raster import Samples


class Rounding:
    """A page's samples, in the colours of its file.

    Args:
        name: the file's format.
        depth: of a sample.
        samples: H×W×C of that depth, to be filled; with ``alpha`` the last channel is that.

    Attributes:
        done_rows: rows that are there already.
    """

    done_rows = 0

    def __init__(self, name: str, depth: Depth, samples: Samples, *, alpha: bool = False) -> None:
        self._rounded = Rounded(name, depth, alpha)
        self._colours = samples[:, :, :-1] if alpha else samples
        self._samples = samples

    def peak(self, like: Photo) -> int | None:
        """The number of white, where the colours of ``like`` are the file's own; else None."""
        first = replace(like, pixels=like.pixels[:1, :1])
        coloured = colours.from_working(first, FORMATS[self._rounded.format].metadata, self._rounded.depth)
        if coloured.pixels is not first.pixels or self._rounded.depth not in PEAKS:
            return None
        self._note(coloured)
        return PEAKS[self._rounded.depth]

    def put_samples(self, top: int, samples: Samples) -> None:
        """Take a band, rows×W×C, of a picture that has a `peak`, rounded to it; 16 bits with any sign."""
        self._colours[top : top + samples.shape[0]] = samples.view(self._samples.dtype)

    def put(self, top: int, rows: Photo) -> None:
        """Round a band of the picture whose first row is ``top``; what is transparent only if it says so."""
        depth = self._rounded.depth
        coloured = self._coloured(rows)
        quantized(coloured.pixels, depth, self._colours[top : top + rows.height])
        if rows.alpha is not None:
            self.put_alpha(top, rows.alpha)

    def put_alpha(self, top: int, alpha: FloatArray) -> None:
        """Round the alpha, rows×W, of a band; nothing for a file that holds none."""
        if self._rounded.alpha:
            quantized(alpha, self._rounded.depth, self._samples[top : top + alpha.shape[0], :, -1])

    def _coloured(self, rows: Photo) -> colours.Colours:
        """The band in the colours of its file, put on white where that holds no alpha."""
        name = self._rounded.format
        coloured = colours.from_working(rows, FORMATS[name].metadata, self._rounded.depth)
        if rows.alpha is not None and not self._rounded.alpha and (rows.alpha < 1).any():
            self._note(coloured, f"{name} {ON_WHITE}")
            return replace(coloured, pixels=on_white(coloured.pixels, rows.alpha))
        self._note(coloured)
        return coloured

    def _note(self, coloured: colours.Colours, *more: str) -> None:
        cicp = None if coloured.cicp is None else (coloured.cicp.primaries, coloured.cicp.transfer)
        said = tuple(f"{self._rounded.format}: {text}" for text in coloured.warnings)
        self._rounded = replace(
            self._rounded,
            profile=coloured.profile,
            cicp=cicp,
            chromaticities=coloured.chromaticities,
            warnings=tuple(dict.fromkeys((*self._rounded.warnings, *said, *more))),
        )

    def give_up(self) -> None:
        """The picture is not finished: nothing is held that others could want."""

    def photo(self, like: Photo, warnings: tuple[str, ...]) -> Photo:
        """The whole picture, with the metadata of ``like``."""
        return replace(like, pixels=self._samples, alpha=None, warnings=warnings, rounded=self._rounded)
