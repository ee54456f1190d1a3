"""Mean colours of a file by readers that are not the tool's: Pillow, tifffile, pyvips, OpenImageIO, LibRaw.

`PLAIN` give a file's own numbers. `MANAGED` give sRGB: profiles by LittleCMS as Pillow or libvips call it,
light by sRGB's curve, CMYK without a profile by the simple formula, a PNG's gAMA by its definition. One that
does not open a file, or has nothing to convert, raises.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Mean = list[float]
Values = np.ndarray[tuple[int, ...], np.dtype[np.floating[Any]]]


def mean_of(pixels: Values) -> Mean:
    """Return the means of the first three channels; one of gray three times."""
    means = pixels.reshape(-1, pixels.shape[-1]).mean(axis=0, dtype=np.float64)
    return [float(value) for value in (means[:3] if len(means) >= 3 else np.repeat(means[:1], 3))]


def curve(light: Values) -> Values:
    """Return light with sRGB's curve (IEC 61966-2-1), beyond 0 to 1 too."""
    with np.errstate(invalid="ignore"):
        return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.abs(light) ** (1 / 2.4) - 0.055)


def _pillow(path: Path) -> Mean:
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        if image.mode.startswith(("I", "F")):
            values = np.asarray(image, np.float64)[..., None]
            return mean_of(values / (1 if image.mode == "F" else 65535))
        return mean_of(np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.float64) / 255)


def _tifffile(path: Path) -> Mean:
    import tifffile

    values = tifffile.imread(path, key=0)
    peak = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1
    return mean_of((values if values.ndim == 3 else values[..., None]).astype(np.float64) / peak)


def _vips(path: Path) -> Mean:
    import pyvips

    return _of_vips(pyvips.Image.new_from_file(str(path)))


def _of_vips(image: Any) -> Mean:
    peak = {"uchar": 255, "ushort": 65535}.get(image.format, 1)
    values = image.numpy().astype(np.float64) / peak
    return mean_of(values if values.ndim == 3 else values[..., None])


def _opened_by_openimageio(path: Path) -> Values:
    import OpenImageIO

    config = OpenImageIO.ImageSpec()
    config["oiio:UnassociatedAlpha"] = 1
    opened = OpenImageIO.ImageInput.open(str(path), config)
    if opened is None:
        raise ValueError(OpenImageIO.geterror())
    values: Values = opened.read_image("float").reshape(-1, opened.spec().nchannels)
    return values


def _openimageio(path: Path) -> Mean:
    return mean_of(_opened_by_openimageio(path))


def _light(path: Path) -> Mean:
    if path.suffix.lower() not in (".exr", ".hdr", ".pic"):
        raise ValueError("no light")
    values = _opened_by_openimageio(path)
    if values.shape[1] not in (1, 3):
        raise ValueError("its alpha is taken out by the tool only")
    return mean_of(curve(values))


def _pillow_managed(path: Path) -> Mean:
    from PIL import Image, ImageCms

    if _code_points_in(path):
        raise ValueError("Pillow knows no code points")
    with Image.open(path) as image:
        image.load()
        profile, gamma = image.info.get("icc_profile"), image.info.get("gamma")
        if image.mode in ("P", "LA", "RGBA", "PA"):
            image = image.convert("RGB" if image.mode != "LA" else "L")
        if image.mode == "LAB":
            source: Any = ImageCms.createProfile("LAB")
        elif profile:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        elif image.mode == "CMYK":
            return mean_of(np.asarray(image.convert("RGB"), np.float64) / 255)
        elif gamma and "srgb" not in image.info:
            return _by_gamma(image, gamma)
        else:
            raise ValueError("nothing to convert")
        srgb = ImageCms.createProfile("sRGB")
        relative = ImageCms.Intent.RELATIVE_COLORIMETRIC
        converted = ImageCms.profileToProfile(image, source, srgb, relative, "RGB")
        assert converted is not None
        return mean_of(np.asarray(converted, np.float64) / 255)


def _code_points_in(path: Path) -> tuple[int, int] | None:
    """Return primaries and transfer of a cICP chunk or an nclx box, wherever it stands in the first bytes."""
    head = path.read_bytes()[:65536]
    if (at := head.find(b"cICP")) >= 0:
        return head[at + 4], head[at + 5]
    if (at := head.find(b"nclx")) >= 0:
        return int.from_bytes(head[at + 4 : at + 6], "big"), int.from_bytes(head[at + 6 : at + 8], "big")
    return None


def _by_code_points(path: Path) -> Mean:
    """8-bit RGB of ordinary range: decoded by Pillow, converted by the library colour-science."""
    import colour
    from PIL import Image

    found = _code_points_in(path)
    if found is None:
        raise ValueError("no code points")
    space = {1: "sRGB", 9: "ITU-R BT.2020", 12: "Display P3"}[found[0]]
    exponent = {4: 2.2, 5: 2.8, 8: 1.0, 13: None}[found[1]]
    with Image.open(path) as image:
        values = np.asarray(image.convert("RGB"), np.float64) / 255
    light = colour.models.eotf_sRGB(values) if exponent is None else values**exponent
    spaces = colour.models.RGB_COLOURSPACES
    matrix = colour.matrix_RGB_to_RGB(spaces[space], spaces["sRGB"], None)
    return mean_of(curve(np.clip(light @ matrix.T, 0, 1)))


def _by_gamma(image: Any, gamma: float) -> Mean:
    peak = 65535 if image.mode.startswith("I") else 255
    values = np.asarray(image if peak > 255 else image.convert("RGB"), np.float64) / peak
    return mean_of(curve((values if values.ndim == 3 else values[..., None]) ** (1 / gamma)))


def _vips_managed(path: Path) -> Mean:
    import pyvips

    image = pyvips.Image.new_from_file(str(path)).autorot()
    if image.interpretation == "lab":
        return _of_vips(image.colourspace("srgb"))
    if "icc-profile-data" not in image.get_fields():
        raise ValueError("nothing to convert")
    if image.hasalpha():
        image = image.extract_band(0, n=image.bands - 1)
    return _of_vips(image.icc_transform("srgb", embedded=True, intent="relative", depth=8))


def _libraw(path: Path) -> Mean:
    import rawpy

    with rawpy.imread(str(path)) as file:
        if file.raw_type != rawpy.RawType.Flat:
            raise ValueError("no mosaic")
        black = np.mean(file.black_level_per_channel)
        visible = file.raw_image_visible.astype(np.float64)[..., None]
        return mean_of((visible - black) / (file.white_level - black))


PLAIN: dict[str, Callable[[Path], Mean]] = {
    "Pillow": _pillow,
    "tifffile": _tifffile,
    "pyvips": _vips,
    "OpenImageIO": _openimageio,
}
MANAGED: dict[str, Callable[[Path], Mean]] = {
    "Pillow and LittleCMS": _pillow_managed,
    "pyvips": _vips_managed,
    "code points by colour-science": _by_code_points,
    "light by OpenImageIO": _light,
    "LibRaw": _libraw,
}
