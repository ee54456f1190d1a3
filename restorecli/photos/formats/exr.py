"""OpenEXR files by the project's own library: light in any primaries, with premultiplied alpha.

Source: OpenEXR's technical introduction (of luminance and chroma: RY = (R − Y) / Y, BY likewise), and its
standard attributes (chromaticities, dataWindow). Chroma of fewer samples is refused: the library mixes rows.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.imaging import icc
from restorecli.photos.formats.page import Page
from restorecli.photos.raster import DECODE_ERRORS, Raster, Samples

_COLOURS = ("R", "G", "B")
_CHROMA = ("Y", "RY", "BY")


def decode(data: bytes, name: str) -> list[Raster]:
    """Decode an EXR file: its RGB or gray channels, of several parts and layers the first that has them.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: it holds no picture, such as depth alone.
    """
    import OpenEXR

    try:
        file = OpenEXR.File(io.BytesIO(data), separate_channels=True)
        parts = file.parts
        chosen = next((found for part in parts if (found := _channels(part))), None)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged EXR: {error}") from error
    if chosen is None:
        raise UnsupportedError(f"{name}: an EXR without colour or gray channels")
    part, names, alpha_name = chosen
    chromaticities = part.header.get("chromaticities")
    planes = [np.asarray(part.channels[each].pixels, np.float32) for each in names]
    alpha = np.asarray(part.channels[alpha_name].pixels, np.float32) if alpha_name else None
    if any(plane.shape != planes[0].shape for plane in planes):
        raise UnsupportedError(f"{name}: an EXR of subsampled channels")
    if names[-1].endswith("BY"):
        primaries = icc.SPACES["srgb"] if chromaticities is None else _in_order(chromaticities)
        planes = _of_chroma(planes, primaries)
    raster = Raster(
        np.stack(planes, axis=-1),
        "gray" if len(planes) == 1 else "rgb",
        1.0,
        alpha,
        1.0,
        alpha is not None,
        True,
    )
    if chromaticities is not None and len(planes) == 3 and not _are_srgb(chromaticities):
        raster.linear, raster.icc = False, _profile(chromaticities)
    used = len(planes) + (alpha is not None)
    total = sum(len(each.channels) for each in parts)
    if total > used:
        raster.warnings.append(f"{total - used} further channels of the EXR were left out")
    return [raster]


def _channels(part: Any) -> tuple[Any, list[str], str | None] | None:
    """A part with the names of its colour or gray channels, and of alpha; None where it has none."""
    # Whole numbers are names of objects and the like, no light.
    names = {name for name, channel in part.channels.items() if channel.pixels.dtype.kind == "f"}
    for prefix in ("", *sorted({name.rpartition(".")[0] + "." for name in names if "." in name})):
        for wanted in (_COLOURS, _CHROMA, ("Y",)):
            full = [prefix + each for each in wanted]
            if names.issuperset(full):
                return part, full, prefix + "A" if prefix + "A" in names else None
    return None


def _of_chroma(planes: list[Samples], x_y: tuple[float, ...]) -> list[Samples]:
    """R, G and B of Y, RY and BY, by the primaries' x and y as `_in_order` gives them."""
    luma, red, blue = planes
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in zip(x_y[::2], x_y[1::2], strict=True)])
    shares = np.linalg.solve(columns[1:].T, columns[0]).astype(np.float32)  # in white's luminance
    r, b = (red + 1) * luma, (blue + 1) * luma
    return [r, (luma - shares[0] * r - shares[2] * b) / shares[1], b]


def _in_order(chromaticities: Any) -> tuple[float, ...]:
    """X, y of white, red, green and blue; the file has white last."""
    x_y = [float(value) for value in np.ravel(np.array(chromaticities, dtype=object))]
    return (*x_y[6:8], *x_y[:6])


def _are_srgb(chromaticities: Any) -> bool:
    return bool(np.allclose(_in_order(chromaticities), icc.SPACES["srgb"], atol=1e-4))


def _profile(chromaticities: Any) -> bytes | None:
    """The profile of linear light in these primaries."""
    try:
        return icc.rgb_profile(_in_order(chromaticities), icc.gamma_curve(1.0), "Linear, of an EXR")
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        return icc.linear_profile(False)


def encode(page: Page, stream: BinaryIO) -> None:
    """Write a page of light as 32-bit float channels, ZIP-compressed, with its primaries."""
    import OpenEXR

    samples: Samples = np.ascontiguousarray(page.samples, np.float32)
    if page.has_alpha:
        samples = samples.copy()
        samples[:, :, :-1] *= samples[:, :, -1:]
    colours = samples.shape[2] - page.has_alpha
    names = [*(_COLOURS if colours == 3 else ("Y",)), *(("A",) if page.has_alpha else ())]
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    if page.chromaticities is not None and colours == 3:
        white, primaries = page.chromaticities[:2], page.chromaticities[2:]
        header["chromaticities"] = (*map(float, primaries), *map(float, white))
    channels = {each: np.ascontiguousarray(samples[:, :, index]) for index, each in enumerate(names)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.exr"  # the library writes to paths only
        OpenEXR.File(header, channels).write(str(path))
        stream.write(path.read_bytes())
