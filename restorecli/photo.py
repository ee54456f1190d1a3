"""A photo in memory: what every part of the tool hands to the next. Only data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


class Depth(Enum):
    """How a sample is stored in a file."""

    UINT8 = "8"
    UINT16 = "16"
    FLOAT32 = "32f"


@dataclass(frozen=True)
class Metadata:
    """What travels with the pixels from the input file to the output file.

    Attributes:
        profile: ICC profile of the input's pixels; the output is converted back to it and carries it.
        exif: EXIF block as TIFF bytes (without the "Exif" mark before it), orientation already set to 1.
        xmp: XMP packet.
        iptc: IPTC captions (IIM records).
        dpi: horizontal and vertical resolution in dots per inch.
        resources: Photoshop's image resource blocks beside them: copyright flag, URL, digest of the captions.
        pixels_per_unit: of a measured picture (ImageJ's calibration), across and down, and TIFF's code of the
            unit; it grows with the picture, which dots per inch do not.
        description: free text entries (PNG text chunks; comments are called "Comment").
        working: the primaries of the photo's pixels: "srgb", or for a wide-gamut file the smallest of
            "display-p3", "rec2020" and "prophoto" in which all of its colours lie in 0–1, with sRGB's
            transfer curve; "native" for the profile's own numbers where none of them does.
        size: width and height of the input, upright; what sizes in the metadata refer to.
        duration: of a frame of an animation, in milliseconds.
        cicp: primaries, transfer, matrix and full range by ITU-T H.273, where the file named its colours so.
        hdr_peak: for PQ and HLG, the light that the pixel value 1 stands for, in units of reference white
            (203 cd/m²); pixels are then light brought into 0–1 by `imaging.hdr.compress`, with sRGB's curve.
        mastering: of an HDR picture, the display it was made on and how bright it gets, as PNG's chunks mDCV
            and cLLI hold them (names and content).
    """

    profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    description: tuple[tuple[str, str], ...] = ()
    working: str = "srgb"
    size: tuple[int, int] | None = None
    iptc: bytes | None = None
    resources: bytes | None = None
    cicp: tuple[int, int, int, bool] | None = None
    hdr_peak: float | None = None
    pixels_per_unit: tuple[float, float, int] | None = None
    duration: float | None = None
    mastering: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, eq=False)
class Quantisation:
    """The quantisation tables of a JPEG file: how coarsely its encoder rounded.

    Attributes:
        tables: per colour component (Y, Cb, Cr; one for gray) 8×8 integers, the constant part top left.
        subsampling: horizontal and vertical sampling factor of each component, as in the frame header.
        undone: what they did to the picture has been taken out.
    """

    tables: tuple[NDArray[np.uint16], ...]
    subsampling: tuple[tuple[int, int], ...]
    undone: bool = False


Triple = tuple[float, float, float]


@dataclass(frozen=True)
class RawNoise:
    """The noise of a sensor's samples: a sample that is x on average has the variance ``shot · x + read``.

    Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE TIP
    17 (2008), equation 3, with black at 0 and white at 1; the two numbers are S and O of a DNG's
    NoiseProfile.

    Attributes:
        shot: variance per unit of light, of R, G and B samples.
        read: variance without light, of R, G and B samples.
        source: where the numbers come from, for the user.
    """

    shot: Triple
    read: Triple
    source: str = ""

    def multiplied(self, factors: Triple) -> RawNoise:
        """Return the noise after each colour's samples are multiplied by its factor."""
        shot = [value * factor for value, factor in zip(self.shot, factors, strict=True)]
        read = [value * factor**2 for value, factor in zip(self.read, factors, strict=True)]
        return RawNoise((shot[0], shot[1], shot[2]), (read[0], read[1], read[2]), self.source)

    def stronger(self, times: float) -> RawNoise:
        """Return noise of ``times`` the standard deviation."""
        shot, read = ([value * times**2 for value in values] for values in (self.shot, self.read))
        return RawNoise((shot[0], shot[1], shot[2]), (read[0], read[1], read[2]), self.source)


class TiffTag(NamedTuple):
    """A tag of a TIFF directory: number, type, length and value; rationals are pairs of whole numbers."""

    code: int
    kind: int
    length: int
    value: bytes | int | float | tuple[int | float, ...]


@dataclass(frozen=True, eq=False)
class Raw:
    """What camera RAW is beyond its pixels.

    The pixels of a `Photo` with this are linear, black taken off and divided by white − black (1 is the
    camera's white level, noise may lie below 0), neither white-balanced nor turned upright nor cropped:
    H×W×1 of the visible area for a mosaic, H×W×3 in camera RGB where the file holds no mosaic.

    Attributes:
        pattern: colours of the top left 2×2 pixels, row by row ("RGGB"), or of the 6×6 of an X-Trans mosaic;
            "" where there is no mosaic.
        gains: white balance → gains of R, G, B with G = 1: "camera" (as shot) and "daylight" where known.
        camera_from_xyz: 3×3, CIE XYZ under D65 → camera RGB before white balance (a DNG's ColorMatrix2);
            None where the camera is not known.
        orientation: EXIF orientation 1–8 that turns the pixels upright.
        crop: top, left, height, width of what the maker shows, within the pixels.
        saturation: per colour R, G, B the linear value at which the sensor clips, 1 where not stated.
        black, white: levels of the file, per colour R, G, B (for information).
        balanced: the values are already white-balanced (some cameras' reduced RAW).
        pixel_aspect: width ÷ height of a pixel.
        camera: maker and model, as the file names them.
        iso: speed the photo was taken at; 0 where the file does not tell.
        auto_balance: the file asks for automatic white balance.
        noise: as the file tells it, before ``lift``; None where it does not.
        lift: H×W×1, by what the samples were multiplied to even out the lens's shading; None for nothing.
        exposure: stops by which the maker wants the photo brightened (a DNG's BaselineExposure).
        later_opcodes: a DNG's OpcodeList3: what is to be done after demosaicing.
        denoised: the noise has been taken out.
        profile: the tags of a DNG's colour profile, ``camera_from_xyz`` among them.
    """

    pattern: str
    gains: Mapping[str, tuple[float, float, float]]
    camera_from_xyz: NDArray[np.float64] | None
    orientation: int
    crop: tuple[int, int, int, int]
    saturation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    black: tuple[float, float, float] = (0.0, 0.0, 0.0)
    white: tuple[float, float, float] = (1.0, 1.0, 1.0)
    balanced: bool = False
    pixel_aspect: float = 1.0
    camera: str = ""
    iso: float = 0.0
    auto_balance: bool = False
    noise: RawNoise | None = None
    lift: FloatArray | None = None
    exposure: float = 0.0
    later_opcodes: bytes = b""
    denoised: bool = False
    profile: tuple[TiffTag, ...] = ()


class Parts(Protocol):
    """A photo's pixels where they are: in its file, which is read as they are needed."""

    def pixels(self, top: int, bottom: int, left: int = 0, right: int | None = None) -> FloatArray:
        """Return rows ``top`` … ``bottom`` − 1, columns likewise, as `Photo.pixels` would hold them."""

    def release(self, row: int) -> None:
        """Let go of the rows above ``row``."""

    def sample(self) -> FloatArray:
        """Return squares from all over the picture, put together, by which the whole is judged."""

    def close(self) -> None:
        """Close the file."""


class Spooled(Protocol):
    """A result's samples, encoded in a file beside that of the result."""

    @property
    def rows(self) -> int:
        """Rows of a strip."""

    @property
    def big_endian(self) -> bool:
        """Whether samples of 16 bits begin with the greater byte."""

    @property
    def check(self) -> int:
        """Adler-32 of what a PNG's pixels inflate to."""

    def strips(self) -> Iterator[bytes]:
        """Yield the strips as they are to stand in the result's file."""

    def close(self) -> None:
        """Let go of the file: another run may go on with it."""

    def remove(self) -> None:
        """Delete the file: the result is written."""


@dataclass(frozen=True, eq=False)
class Rounded:
    """What a result is beyond its pixels that is rounded for its file already, to take less memory.

    Attributes:
        format, depth: that it was rounded for.
        alpha: whether the last channel of the pixels is alpha.
        profile: ICC profile to embed.
        cicp: primaries and transfer by ITU-T H.273, to be written beside it.
        chromaticities: x and y of white, red, green and blue of samples that are light.
        warnings: what the file could not keep of the colours.
        spooled: where the samples are, for a result that is not held: its pixels then only have its shape.
    """

    format: str
    depth: Depth
    alpha: bool = False
    profile: bytes | None = None
    cicp: tuple[int, int] | None = None
    chromaticities: tuple[float, ...] | None = None
    warnings: tuple[str, ...] = ()
    spooled: Spooled | None = None


@dataclass(frozen=True)
class Photo:
    """One picture (one page of a file), upright, ready for a network.

    Attributes:
        pixels: H×W×C float32, C = 1 (gray) or 3 (RGB in sRGB primaries, see `Metadata.working`, and
            transfer curve); 0–1, float files may go beyond.
        alpha: H×W float32 in 0–1, or None for an opaque picture; colour is not premultiplied.
        depth: how the input stored a sample.
        format: the input's format by content: "png", "jpeg", "webp", "tiff", "bmp", …
        metadata: what the output carries over.
        warnings: what could not be kept or had to be assumed, one sentence each.
        quantisation: a JPEG file's tables; None for other formats.
        raw: set for camera RAW that is not developed yet, whose pixels are then as `Raw` says.
        rounded: set for a result whose pixels are the samples of the file it will be, alpha among them.
        parts: set for a photo that is too large to be held: ``pixels`` then only has its shape.
        colourless: the three channels of every pixel are equal in the file; those of its results will be.
    """

    pixels: FloatArray
    alpha: FloatArray | None = None
    depth: Depth = Depth.UINT8
    format: str = "png"
    metadata: Metadata = field(default_factory=Metadata)
    warnings: tuple[str, ...] = ()
    quantisation: Quantisation | None = None
    raw: Raw | None = None
    rounded: Rounded | None = None
    parts: Parts | None = None
    colourless: bool = False

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.pixels.shape[1])

    @property
    def is_gray(self) -> bool:
        """Whether there is one channel only."""
        return bool(self.pixels.shape[2] == 1)


@dataclass(frozen=True)
class Document:
    """One input file: its pages, and what the file is.

    Attributes:
        pages: one photo, the pages of a TIFF, or the frames of an animation.
        format: the file's format by content: "png", "jpeg", "tiff", …
        name: how messages call the file.
        fingerprint: identifies the file's bytes, so that a later run sees whether the input has changed.
        stamp: length in bytes and time of change (ns) of the file as it was read.
        partial: whether frames of the file are missing here.
    """

    pages: tuple[Photo, ...]
    format: str
    name: str
    fingerprint: str = ""
    stamp: tuple[int, int] = (0, 0)
    partial: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of all pages, each once."""
        return tuple(dict.fromkeys(text for page in self.pages for text in page.warnings))
