"""HEIC and HEIF photos by libheif, where the extra `heic` is installed (pi-heif, which only decodes)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.photos.formats.boxed import boxes
from restorecli.photos.formats.boxed.boxes import colours, mastering, primary_properties
from restorecli.photos.formats.extent import Extent
from restorecli.photos.raster import DECODE_ERRORS, Raster, from_interleaved


def _opened(data: bytes, name: str) -> Any:
    try:
        import pi_heif
    except ImportError:
        raise UnsupportedError(
            f"{name}: HEIC", 'install the extra for it (pip install "restorecli[heic]"), or convert it first'
        ) from None
    try:
        return pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, bgr_mode=False)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged HEIC: {error}") from error


def extent(data: bytes, name: str) -> tuple[Extent, None]:
    """The size of the main picture, already upright.

    Raises:
        UnreadableError: the file is damaged.
        UnsupportedError: the extra is not installed.
    """
    width, height = _main(_opened(data, name)).size
    return Extent(width, height, sample_bytes=2), None


def _main(file: Any) -> Any:
    return file[file.primary_index]


def decode(data: bytes, name: str) -> list[Raster]:
    """Decode the main picture of a HEIC file.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: the extra is not installed.
    """
    file = _opened(data, name)
    image = _main(file)
    properties = primary_properties(data)
    try:
        samples = np.array(image)  # a copy: libheif frees its memory with the file
        bits = int(image.info.get("bit_depth", 8))
        if _has_one_channel(properties) and samples.ndim == 3:
            samples = np.delete(samples, (1, 2), axis=2)  # libheif has no gray with alpha
        # libheif gives deeper samples shifted up to 16 bits.
        raster = from_interleaved(samples, 255.0 if samples.dtype == np.uint8 else 65535.0)
        if samples.dtype != np.uint8 and bits < 16:
            raster.peak = raster.alpha_peak = float((2**bits - 1) << (16 - bits))
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged HEIC: {error}") from error
    raster.orientation = 1  # libheif turns the picture by the file's boxes, which go before EXIF
    raster.premultiplied = bool(getattr(image, "premultiplied_alpha", False))
    exif = image.info.get("exif")
    raster.exif = exif.removeprefix(b"Exif\0\0") if exif else None
    raster.xmp = image.info.get("xmp") or None
    cicp, profile = colours(properties)
    raster.icc = image.info.get("icc_profile") or profile
    if raster.icc is None and cicp is not None:
        raster.cicp = cicp._replace(full_range=True)
    raster.mastering = tuple(mastering(properties))
    if boxes.has_credentials(data):
        raster.warnings.append(boxes.CREDENTIALS_LEFT_OUT)
    if len(file) > 1:
        raster.warnings.append(f"the file holds {len(file)} pictures: only the main one was taken")
    if image.info.get("aux") or image.info.get("depth_images"):
        raster.warnings.append("the file holds further pictures (a gain map, a depth map): left out")
    return [raster]


def _has_one_channel(properties: list[tuple[bytes, bytes]]) -> bool:
    """Whether the "pixi" property says so (ISO/IEC 23008-12, 6.5.6)."""
    return any(kind == b"pixi" and body[4:5] == b"\1" for kind, body in properties)
