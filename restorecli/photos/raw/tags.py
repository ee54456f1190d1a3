"""What the tags of a TIFF-based RAW file (DNG, NEF, KDC …) say, which LibRaw does not pass on or rounds.

Tags and their meaning: TIFF/EP (ISO 12234-2) for the mosaic, Adobe's DNG specification 1.4 for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from restorecli.errors import UnreadableError
from restorecli.photo import FloatArray, TiffTag
from restorecli.photos.formats.tiff import CFA, LINEAR_RAW, inner_pages, tag
from restorecli.photos.raster import DECODE_ERRORS
from restorecli.photos.raw import profile

_REDUCED = 1
_LOSSLESS_JPEG, _LOSSY_JPEG, _JPEG_XL = 7, 34892, 52546
_D65 = 21
_FLOAT = 3
_MOST_STOPS = 20.0


@dataclass(frozen=True, eq=False)
class RawTags:
    """Facts of the directory that holds the sensor's data. A value is None where the file does not state it.

    Attributes:
        is_dng: whether the file calls itself a DNG.
        repeat: rows and columns after which the mosaic's colours repeat.
        area: top, left, bottom, right of the pixels that are not masked, within the stored ones.
        crop: top, left, height, width of the default crop, within the area.
        black: table of black levels (rows × columns × samples), repeated from the area's top left.
        white: white level of each sample.
        neutral_xy: CIE xy of the light as shot.
        camera_from_xyz: 3×3, CIE XYZ to camera RGB, of the calibration whose light is nearest to D65.
        damage: why the samples cannot be there; "" where nothing is wrong.
        jpeg_xl: whether the samples are coded in JPEG XL.
        is_float: whether they are floating-point numbers.
        lossy: whether they are coded in 8-bit JPEG; then LibRaw carries out OpcodeList2's polynomials.
        noise: pairs of shot and read variance, one for all colours or one for each (NoiseProfile).
        exposure: BaselineExposure in stops.
        first_opcodes, second_opcodes, third_opcodes: OpcodeList1 to 3, empty where there is none.
        profile: the tags of the DNG's colour profile.
    """

    is_dng: bool = False
    repeat: tuple[int, int] | None = None
    area: tuple[int, int, int, int] | None = None
    crop: tuple[int, int, int, int] | None = None
    black: NDArray[np.float64] | None = None
    white: NDArray[np.float64] | None = None
    neutral_xy: tuple[float, float] | None = None
    camera_from_xyz: NDArray[np.float64] | None = None
    damage: str = ""
    jpeg_xl: bool = False
    is_float: bool = False
    lossy: bool = False
    noise: tuple[tuple[float, float], ...] = ()
    exposure: float = 0.0
    first_opcodes: bytes = b""
    second_opcodes: bytes = b""
    third_opcodes: bytes = b""
    profile: tuple[TiffTag, ...] = ()


def read(stream: BinaryIO) -> RawTags:
    """Read the tags of a RAW file; all defaults where it is no TIFF, or one that cannot be followed."""
    stream.seek(0)
    try:
        with tifffile.TiffFile(stream) as file:
            first = file.pages.first
            main = _main_page(file)
            return _facts(first, main) if main is not None else RawTags()
    except DECODE_ERRORS:
        return RawTags()


def float_samples(stream: BinaryIO, name: str) -> FloatArray:
    """Decode the samples of a floating-point DNG, H×W or H×W×C; LibRaw keeps 14 bits of them.

    Raises:
        UnreadableError: they are damaged, or coded in a way that is not known.
    """
    stream.seek(0)
    try:
        with tifffile.TiffFile(stream) as file:
            return np.asarray(_main_page(file).asarray(), np.float32)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: its floating-point samples cannot be decoded: {error}") from error


def _main_page(file: tifffile.TiffFile) -> Any:
    """The largest directory that holds sensor data in full size; None where there is none."""
    first = file.pages.first
    pages = [first, *inner_pages(first)]
    whole = [
        page
        for page in pages
        if int(tag(page, 262, 0)) in (CFA, LINEAR_RAW) and not int(tag(page, 254, 0)) & _REDUCED
    ]
    return max(whole, key=lambda page: int(page.imagewidth) * int(page.imagelength), default=None)


def _facts(first: Any, main: Any) -> RawTags:
    is_dng = tag(first, 50706) is not None
    repeat = tag(main, 33421)
    compression = int(tag(main, 259, 1))
    facts: dict[str, Any] = {
        "repeat": (int(repeat[0]), int(repeat[1])) if repeat is not None else None,
        "damage": _damage(main, compression),
        "jpeg_xl": compression == _JPEG_XL,
        "lossy": compression == _LOSSY_JPEG,
        "is_float": int(np.atleast_1d(tag(main, 339, 1))[0]) == _FLOAT,
    }
    if not is_dng:
        return RawTags(**facts)
    edges = tag(main, 50829, ())
    area = (int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3])) if len(edges) == 4 else None
    white, xy = _numbers(main, 50717), _numbers(first, 50729)
    return RawTags(
        is_dng=True,
        area=area,
        crop=_crop(main),
        black=_black(main),
        white=white,
        neutral_xy=(float(xy[0]), float(xy[1])) if xy is not None and xy.size == 2 and xy[1] > 0 else None,
        camera_from_xyz=_matrix(first),
        noise=_noise(first, main),
        exposure=_exposure(first),
        first_opcodes=_bytes(main, 51008),
        second_opcodes=_bytes(main, 51009),
        third_opcodes=_bytes(main, 51022),
        profile=profile.read(first),
        **facts,
    )


def _damage(page: Any, compression: int) -> str:
    """What shows that the samples are not in the file, found without decoding them."""
    length = page.parent.filehandle.size
    counts = [int(count) for count in page.databytecounts]
    if any(at + count > length for at, count in zip(page.dataoffsets, counts, strict=False)):
        return "the file is cut short: its pixels are not all there"
    samples = int(page.imagewidth) * int(page.imagelength) * int(page.samplesperpixel)
    # Lossless JPEG spends at least one bit on a sample (a Huffman code has no shorter word: ITU-T T.81, H.1).
    if compression == _LOSSLESS_JPEG and int(page.bitspersample) > 8 and 8 * sum(counts) < samples:
        return f"it holds no picture: {sum(counts)} bytes for {samples} samples"
    return ""


def _numbers(page: Any, code: int) -> NDArray[np.float64] | None:
    """The values of a tag, its rationals divided."""
    entry = page.tags.get(code)
    if entry is None:
        return None
    values = np.atleast_1d(np.asarray(entry.value, np.float64))
    if int(entry.dtype) in (5, 10):
        pairs = values.reshape(-1, 2)
        values = np.divide(pairs[:, 0], pairs[:, 1], out=np.zeros(len(pairs)), where=pairs[:, 1] != 0)
    return values


def _bytes(page: Any, code: int) -> bytes:
    value = tag(page, code, b"")
    return value if isinstance(value, bytes) else bytes(np.atleast_1d(np.asarray(value, np.uint8)))


def _noise(first: Any, main: Any) -> tuple[tuple[float, float], ...]:
    """NoiseProfile, which stands in the first directory, or in that of the samples (DNG 1.4 and 1.6)."""
    values = _numbers(main, 51041)
    values = _numbers(first, 51041) if values is None else values
    if values is None or values.size not in (2, 6) or not np.isfinite(values).all() or values.min() < 0:
        return ()
    return tuple((float(shot), float(read)) for shot, read in values.reshape(-1, 2))


def _exposure(first: Any) -> float:
    value = _numbers(first, 50730)
    stops = float(value[0]) if value is not None and value.size else 0.0
    return stops if abs(stops) <= _MOST_STOPS else 0.0


def _crop(page: Any) -> tuple[int, int, int, int] | None:
    origin, size = _numbers(page, 50719), _numbers(page, 50720)
    if origin is None or size is None or origin.size != 2 or size.size != 2:
        return None
    return round(origin[1]), round(origin[0]), round(size[1]), round(size[0])


def _black(page: Any) -> NDArray[np.float64]:
    """BlackLevel plus the mean of its differences along rows and columns, which are small."""
    samples = int(page.samplesperpixel)
    rows, columns = (int(number) for number in tag(page, 50713, (1, 1)))
    levels = _numbers(page, 50714)
    extra = sum(
        float(values.mean())
        for values in (_numbers(page, 50715), _numbers(page, 50716))
        if values is not None
    )
    if levels is None or levels.size != rows * columns * samples:
        level = float(levels.mean()) if levels is not None and levels.size else 0.0
        return np.full((1, 1, samples), level + extra)
    return levels.reshape(rows, columns, samples) + extra


def _matrix(first: Any) -> NDArray[np.float64] | None:
    """AnalogBalance · CameraCalibration · ColorMatrix (DNG 1.4, "Translating Camera Neutral Coordinates")."""
    lights = {index: int(tag(first, 50777 + index, 0)) for index in (1, 2)}
    for index in sorted(lights, key=lambda index: (lights[index] != _D65, -index)):
        matrix = _numbers(first, 50720 + index)
        if matrix is None or matrix.size != 9:
            continue
        calibration, balance = _numbers(first, 50722 + index), _numbers(first, 50727)
        result = matrix.reshape(3, 3)
        if calibration is not None and calibration.size == 9:
            result = calibration.reshape(3, 3) @ result
        if balance is not None and balance.size == 3 and (balance > 0).all():
            result = balance[:, None] * result
        return result
    return None
