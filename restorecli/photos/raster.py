"""A picture as a decoder gives it: samples in the file's own numbers and meaning, before any colour work."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from restorecli.imaging.cicp import Cicp
from restorecli.photo import Depth, FloatArray, Quantisation

Samples = NDArray[Any]

_AT_ONCE = 256  # rows that are compared: those of a colour photo end it soon

# What decoders raise on files that are not what they say.
DECODE_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    RuntimeError,
    AssertionError,
    ImportError,  # a codec that this build of imagecodecs lacks
    struct.error,
    zlib.error,
)


@dataclass
class Raster:
    """One decoded picture.

    Attributes:
        samples: H×W×C, unsigned integers or floats; C fits `model`. Ink 0 means paper in "cmyk".
        model: what the channels mean. "lab" is float: L 0–100, a and b as they are.
        peak: the sample value that means 1.0.
        alpha: H×W, or None.
        alpha_peak: the alpha value that means opaque.
        linear: whether RGB samples are proportional to light.
        resources: Photoshop's image resources that are kept, see `iptc.kept_resources`.
        pixels_per_unit: of a measured picture (ImageJ's calibration), across and down, and TIFF's code of the
            unit; it grows with the picture, which dots per inch do not.
        duration: of a frame of an animation, in milliseconds.
        stored: the file's sample depth, where `samples` are not as stored.
        cicp: its colours by code points, where those count (before a profile).
        working: the working space, where these are a part of a picture for which that is decided.
        mastering: see `Metadata.mastering`.
        white: x and y of the white that "lab" samples are relative to; None for D50.
    """

    samples: Samples
    model: Literal["gray", "rgb", "cmyk", "lab"]
    peak: float
    alpha: Samples | None = None
    alpha_peak: float = 0.0
    premultiplied: bool = False
    linear: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    resources: bytes | None = None
    dpi: tuple[float, float] | None = None
    pixels_per_unit: tuple[float, float, int] | None = None
    text: tuple[tuple[str, str], ...] = ()
    orientation: int | None = None
    stored: Depth | None = None
    quantisation: Quantisation | None = None
    duration: float | None = None
    cicp: Cicp | None = None
    working: str | None = None
    mastering: tuple[tuple[str, bytes], ...] = ()
    white: tuple[float, float] | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def depth(self) -> Depth:
        """How the file stored a sample, as an output depth that holds it."""
        if self.stored is not None:
            return self.stored
        if self.samples.dtype.kind == "f":
            return Depth.FLOAT32
        return Depth.UINT8 if self.samples.dtype.itemsize == 1 else Depth.UINT16

    @property
    def is_colourless(self) -> bool:
        """Whether it is RGB of which the three channels are equal everywhere."""
        if self.model != "rgb":
            return False
        rows = (self.samples[top : top + _AT_ONCE] for top in range(0, len(self.samples), _AT_ONCE))
        return all(bool((some == some[:, :, :1]).all()) for some in rows)


def to_float(samples: Samples, peak: float) -> FloatArray:
    """Samples as float32 in C order, divided by `peak`."""
    result: FloatArray = np.empty(samples.shape, np.float32)
    with np.errstate(all="ignore"):  # a float file may hold anything; `read` replaces what is not finite
        np.divide(samples, np.float32(peak), out=result, dtype=np.float32, casting="unsafe")
    return result


def from_interleaved(samples: Samples, peak: float, **more: Any) -> Raster:
    """A raster of H×W or H×W×C samples, where C = 1 is gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha."""
    if samples.ndim == 2:
        samples = samples[:, :, None]
    channels = samples.shape[2]
    if channels not in (1, 2, 3, 4):
        raise ValueError(f"{channels} channels")
    alpha = samples[:, :, -1] if channels in (2, 4) else None
    return Raster(
        samples=samples[:, :, :-1] if alpha is not None else samples,
        model="gray" if channels < 3 else "rgb",
        peak=peak,
        alpha=alpha,
        alpha_peak=peak,
        **more,
    )
