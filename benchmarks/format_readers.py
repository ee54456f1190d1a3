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


def _opened_by_openimageio(path: Path, names: frozenset[str] = frozenset()) -> Values:
    """Return the channels; ``names`` are those that there may be, all where it is empty."""
    import OpenImageIO

    config = OpenImageIO.ImageSpec()
    config["oiio:UnassociatedAlpha"] = 1
    opened = OpenImageIO.ImageInput.open(str(path), config)
    if opened is None:
        raise ValueError(OpenImageIO.geterror())
    if names and not names.issuperset(opened.spec().channelnames):
        raise ValueError("channels that are no colours, or alpha, which is taken out by the tool only")
    values: Values = opened.read_image("float").reshape(-1, opened.spec().nchannels)
    return values


def _openimageio(path: Path) -> Mean:
    return mean_of(_opened_by_openimageio(path))


def _light(path: Path) -> Mean:
    if path.suffix.lower() not in (".exr", ".hdr", ".pic"):
        raise ValueError("no light")
    return mean_of(curve(_opened_by_openimageio(path, frozenset("RGBY"))))


def _pillow_managed(path: Path) -> Mean:
    from PIL import Image, ImageCms

    if _code_points_in(path):
        raise ValueError("Pillow knows no code points")
    with Image.open(path) as image:
        image.load()
        profile, gamma = image.info.get("icc_profile"), image.info.get("gamma")
        if image.mode in ("P", "LA", "RGBA", "PA"):
            image = image.convert("RGB" if image.mode != "LA" else "L")
        if image.mode == "L" and profile and profile[16:20] == b"RGB ":
            image = image.convert("RGB")
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


def _hdr(path: Path) -> Mean:
    """Full-range PQ or HLG of PNG and AVIF: light by colour-science, then the manual's tone curve."""
    import colour
    import imagecodecs

    found = _code_points_in(path)
    if found is None or found[1] not in (16, 18):
        raise ValueError("no HDR")
    data = path.read_bytes()
    samples = imagecodecs.png_decode(data) if data[1:4] == b"PNG" else imagecodecs.avif_decode(data)
    samples = np.atleast_3d(samples)
    samples = samples[..., : samples.shape[2] - (samples.shape[2] in (2, 4))]
    peak = {1: 255, 2: 65535 if data[1:4] == b"PNG" else 1023}[samples.itemsize]
    signal = np.broadcast_to(samples / peak, (*samples.shape[:2], 3))
    models, spaces = colour.models, colour.models.RGB_COLOURSPACES
    light = models.eotf_ST2084(signal) if found[1] == 16 else models.eotf_BT2100_HLG(signal, L_B=0, L_W=1000)
    source = spaces[{1: "sRGB", 9: "ITU-R BT.2020", 12: "Display P3"}[found[0]]]
    for name in ("sRGB", "Display P3", "ITU-R BT.2020"):  # the curve is for the smallest that holds all
        there = light / 203 @ colour.matrix_RGB_to_RGB(source, spaces[name], None).T
        if there.min() >= -1e-3:
            break
    there = np.maximum(there, 0)
    white = max(1.0, float(there.max()))
    mapped = there * (1 + there / white**2) / (1 + there)
    return mean_of(
        curve(np.clip(mapped @ colour.matrix_RGB_to_RGB(spaces[name], spaces["sRGB"], None).T, 0, 1))
    )


def _lab(path: Path) -> Mean:
    """CIELAB of 8 and 16 bits as TIFF 6.0 codes it, for D50, by colour-science."""
    import colour
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        samples = page.asarray()
        if int(page.photometric) != 8 or samples.dtype.kind != "u":
            raise ValueError("no CIELAB")
    bits = 8 * samples.itemsize
    signed = samples.astype(f"i{samples.itemsize}").astype(np.float64) / 2 ** (bits - 8)
    lab = np.dstack([samples[..., 0] * (100 / (2**bits - 1)), signed[..., 1:3]])
    d50 = np.array([0.3457, 0.3585])
    bradford = "Bradford"
    return mean_of(
        np.clip(
            colour.XYZ_to_sRGB(colour.Lab_to_XYZ(lab, d50), d50, chromatic_adaptation_transform=bradford),
            0,
            1,
        )
    )


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
    "HDR by colour-science": _hdr,
    "CIELAB by colour-science": _lab,
    "LibRaw": _libraw,
}
