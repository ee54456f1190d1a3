"""A result that is rounded for its file row by row while it is made, which takes less memory than float32."""

from __future__ import annotations

from dataclasses import replace

from restorecli.photo import Depth, Photo, Rounded
from restorecli.photos.formats.page import quantized
from restorecli.photos.formats.table import FORMATS
from restorecli.photos.metadata import colours
from restorecli.photos.raster import Samples


class Rounding:
    """An opaque page's samples, in the colours of its file.

    Args:
        name: the file's format.
        depth: 8 or 16 bits.
        samples: H×W×C of that depth, to be filled.
    """

    def __init__(self, name: str, depth: Depth, samples: Samples) -> None:
        self._rounded = Rounded(name, depth)
        self._samples = samples

    def put(self, top: int, rows: Photo) -> None:
        """Round a band of the picture whose first row is ``top``."""
        name, depth = self._rounded.format, self._rounded.depth
        coloured = colours.from_working(rows, FORMATS[name].metadata, depth)
        quantized(coloured.pixels, depth, self._samples[top : top + rows.height])
        cicp = None if coloured.cicp is None else (coloured.cicp.primaries, coloured.cicp.transfer)
        warnings = tuple(f"{name}: {text}" for text in coloured.warnings)
        self._rounded = Rounded(name, depth, coloured.profile, cicp, warnings)

    def photo(self, like: Photo, warnings: tuple[str, ...]) -> Photo:
        """The whole picture, with the metadata of ``like``."""
        return replace(like, pixels=self._samples, warnings=warnings, rounded=self._rounded)
