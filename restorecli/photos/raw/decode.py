"""Camera RAW by LibRaw: the sensor's own values, what they mean, and which files are refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from restorecli.errors import TooLargeError, UnreadableError, UnsupportedError
from restorecli.imaging.orientation import upright_size
from restorecli.photo import Depth, Metadata, Photo, Raw, RawNoise
from restorecli.photos.formats.extent import Extent
from restorecli.photos.raster import DECODE_ERRORS
from restorecli.photos.raw import colour as raw_colour
from restorecli.photos.raw import exif as raw_exif
from restorecli.photos.raw import probe as raw_probe
from restorecli.photos.raw import sensor as raw_sensor
from restorecli.photos.raw import tags as raw_tags
from restorecli.photos.raw.sensor import Area
from restorecli.photos.raw.tags import RawTags

# LibRaw's flip is a sum of 1 (mirror columns), 2 (mirror rows) and 4 (transpose); EXIF counts otherwise.
_ORIENTATIONS = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}


def decode(stream: BinaryIO, name: str) -> Photo:
    """Read a RAW file.

    Args:
        stream: the file, seekable.
        name: how messages call it.

    Returns:
        A photo with `Photo.raw` set, its pixels as `Raw` says: float32, H×W×1 for a mosaic, else H×W×3.

    Raises:
        UnreadableError: damaged, cut short, or without a picture in it.
        UnsupportedError: a sensor or a coding that is not handled, by name.
        TooLargeError: more pixels than LibRaw takes.
    """
    tags = raw_tags.read(stream)
    _refuse(stream, tags, name)
    with _opened(stream, tags, name) as file:
        file.unpack()
        sensor = raw_sensor.read(stream, file, tags, name)
        matrix = raw_colour.camera_matrix(file, tags)
        if matrix is None and sensor.pattern and not tags.is_dng:
            hidden = raw_probe.srgb_from_camera(file)
            matrix = None if hidden is None else raw_colour.from_balanced(hidden)
        gains = raw_colour.white_balance(file, tags, matrix)
        block, camera = raw_exif.read(stream, file, name)
        balanced = not sensor.pattern and not tags.is_dng and matrix is None and "camera" not in gains
        raw = Raw(
            pattern=sensor.pattern,
            gains={} if balanced else gains,
            camera_from_xyz=matrix,
            orientation=_ORIENTATIONS.get(file.sizes.flip, 1),
            crop=_crop(file, tags, sensor.area),
            saturation=sensor.saturation,
            black=sensor.black,
            white=(sensor.white, sensor.white, sensor.white),
            balanced=balanced,
            pixel_aspect=float(file.sizes.pixel_aspect),
            camera=camera,
            iso=raw_exif.speed(block, file),
            auto_balance=float(file.camera_whitebalance[0]) < 0,
            noise=_noise(tags),
            lift=sensor.lift,
            exposure=tags.exposure,
            later_opcodes=tags.third_opcodes,
            profile=tags.profile if matrix is tags.camera_from_xyz else (),
        )
    warnings = list(sensor.warnings)
    if not np.isfinite(sensor.pixels).all():
        warnings.append("not-a-number and infinite samples were replaced")
        np.nan_to_num(sensor.pixels, copy=False)
    return Photo(
        pixels=sensor.pixels,
        depth=Depth.UINT16,
        format="raw",
        metadata=Metadata(exif=block, size=upright_size(raw)),
        warnings=tuple(warnings),
        raw=raw,
    )


def _noise(tags: RawTags) -> RawNoise | None:
    """The noise that a DNG tells."""
    if not tags.noise:
        return None
    red, green, blue = tags.noise * 3 if len(tags.noise) == 1 else tags.noise
    return RawNoise((red[0], green[0], blue[0]), (red[1], green[1], blue[1]), "the DNG's noise profile")


def extent(stream: BinaryIO, name: str) -> Extent:
    """The size of the finished picture, upright, cropped, with square pixels, from the header only.

    Raises:
        UnreadableError, UnsupportedError: as `decode`, where the header shows it.
    """
    tags = raw_tags.read(stream)
    _refuse(stream, tags, name)
    with _opened(stream, tags, name) as file:
        crop = _crop(file, tags, raw_sensor.area_of(file, tags))
        orientation = _ORIENTATIONS.get(file.sizes.flip, 1)
        raw = Raw("", {}, None, orientation, crop, pixel_aspect=float(file.sizes.pixel_aspect))
        width, height = upright_size(raw)
        stored = int(file.sizes.raw_width) * int(file.sizes.raw_height)
        # The sensor's own 16 bits, and the three colours that are made of them.
        return Extent(width, height, channels=3, sample_bytes=2, hidden=max(0, stored - width * height))


def _refuse(stream: BinaryIO, tags: RawTags, name: str) -> None:
    """Refuse by the header what LibRaw would misread."""
    stream.seek(0)
    if stream.read(4) == b"FOVb":
        raise UnsupportedError(f"{name}: a Foveon sensor's RAW", "develop it with the maker's software first")
    if tags.repeat not in (None, (2, 2), (6, 6)):
        rows, columns = tags.repeat
        what = "a quad Bayer mosaic" if tags.repeat == (4, 4) else "a mosaic"
        raise UnsupportedError(f"{name}: {what}, whose colours repeat every {rows}×{columns} pixels")
    if tags.damage:
        raise UnreadableError(f"{name}: {tags.damage}")


@contextlib.contextmanager
def _opened(stream: BinaryIO, tags: RawTags, name: str) -> Iterator[Any]:
    """The file opened by LibRaw, whose complaints become errors of ours."""
    import rawpy  # only here: most runs meet no RAW

    stream.seek(0)
    file = rawpy.RawPy()
    try:
        file.open_buffer(stream)
        yield file
    except rawpy.LibRawFileUnsupportedError as error:
        coding = " coded in JPEG XL" if tags.jpeg_xl else ""
        raise UnsupportedError(
            f"{name}: a camera RAW{coding} that LibRaw cannot read, or a damaged one",
            "convert it with Adobe's DNG Converter first",
        ) from error
    except (rawpy.LibRawTooBigError, rawpy.LibRawUnsufficientMemoryError) as error:
        raise TooLargeError(f"{name}: LibRaw finds it too large") from error
    except (rawpy.LibRawError, *DECODE_ERRORS) as error:
        raise UnreadableError(f"{name}: damaged or cut short: {_reason(error)}") from error
    finally:
        file.close()


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return (
        reason.decode("utf-8", "replace")
        if isinstance(reason, bytes)
        else str(reason) or type(error).__name__
    )


def _crop(file: Any, tags: RawTags, area: Area) -> Area:
    """What the maker shows, within the area; all of it where nothing sensible is stated."""
    sizes = file.sizes
    top, left, height, width = area
    stated = tags.crop or (
        sizes.crop_top_margin - top,
        sizes.crop_left_margin - left,
        sizes.crop_height,
        sizes.crop_width,
    )
    above, before, rows, columns = stated
    fits = 0 <= above <= above + rows <= height and 0 <= before <= before + columns <= width
    return stated if fits and min(rows, columns) >= 2 else (0, 0, height, width)
