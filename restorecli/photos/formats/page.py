"""A page of a file before it is encoded: samples of the wanted depth, with what is embedded beside them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from restorecli.imaging.cicp import Cicp
from restorecli.photo import Depth, FloatArray, Raw, Spooled
from restorecli.photos.raster import Samples

SAMPLE_TYPES = {Depth.UINT8: np.uint8, Depth.UINT16: np.uint16}
PEAKS = {Depth.UINT8: 255, Depth.UINT16: 65535}
_BAND = 1 << 22  # samples rounded at once
ON_WHITE = "cannot store transparency: the picture was put on white"


@dataclass
class Page:
    """One page ready for an encoder.

    Attributes:
        samples: H×W×C, colour channels, then alpha where there is one.
        has_alpha: whether the last channel is alpha.
        icc: profile to embed, or None.
        cicp: code points of the colours, or None.
        mastering: see `Metadata.mastering`.
        chromaticities: x and y of white, red, green and blue of samples that are light.
        exif: EXIF block, or None.
        xmp: XMP packet, or None.
        iptc: IPTC records, or None.
        resources: Photoshop's image resource blocks beside them, or None.
        dpi: resolution, or None.
        pixels_per_unit: of a measured picture, see `Metadata.pixels_per_unit`.
        text: PNG text entries; JPEG comments.
        duration: of a frame of an animation, in milliseconds.
        raw: what a DNG states about its pixels.
        spooled: where the samples are, encoded, if not here: ``samples`` then only has their shape.
        warnings: what the format could not hold; encoders add to it.
    """

    samples: Samples
    has_alpha: bool
    icc: bytes | None = None
    cicp: Cicp | None = None
    mastering: tuple[tuple[str, bytes], ...] = ()
    chromaticities: tuple[float, ...] | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    resources: bytes | None = None
    dpi: tuple[float, float] | None = None
    pixels_per_unit: tuple[float, float, int] | None = None
    text: tuple[tuple[str, str], ...] = ()
    duration: float | None = None
    raw: Raw | None = None
    spooled: Spooled | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def plain(self) -> Samples:
        """H×W for gray, else H×W×C."""
        return self.samples[:, :, 0] if self.samples.shape[2] == 1 else self.samples


def on_white(colour: FloatArray, alpha: FloatArray) -> FloatArray:
    """Colours (H×W×C) put on white where ``alpha`` (H×W) is below 1."""
    return colour * alpha[:, :, None] + (1 - alpha[:, :, None])


def quantized(values: FloatArray, depth: Depth, out: Samples | None = None) -> Samples:
    """Values in 0–1 as samples of `depth`, rounded half to even; float stays as it is, unclipped."""
    if depth is Depth.FLOAT32:
        if out is None:
            return values
        out[...] = values
        return out
    result = np.empty(values.shape, SAMPLE_TYPES[depth]) if out is None else out
    # In float32 the products of 16-bit samples would round before they are rounded.
    peak = np.float32(PEAKS[depth]) if depth is Depth.UINT8 else np.float64(PEAKS[depth])
    rows = max(1, _BAND // max(1, values[0].size))
    for top in range(0, values.shape[0], rows):
        band = values[top : top + rows] * peak
        np.rint(band, out=band)
        np.clip(band, 0, peak, out=band)
        result[top : top + rows] = band
    return result
