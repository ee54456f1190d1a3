"""The kinds that imageio opens, through Pillow: WebP, GIF, BMP, TGA, PCX, SGI, ICO, QOI; and Radiance HDR."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import imagecodecs
import imageio.v3 as iio
import numpy as np
from PIL import Image

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.photo import Depth
from restorecli.photos.formats import bmp
from restorecli.photos.formats.extent import Extent, of_header
from restorecli.photos.raster import DECODE_ERRORS, Raster, Samples, from_interleaved

# The limit is kept by `read`, with a message of its own, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")


def opened(data: bytes, name: str) -> AbstractContextManager[Any]:
    """Open a file with imageio, header only.

    Raises:
        UnreadableError: Pillow does not know it, or it is damaged.
    """
    try:
        return iio.imopen(io.BytesIO(data), "r", plugin="pillow")
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: not an image that can be read, or its header is damaged") from error


def decode(data: bytes, kind: str, name: str) -> list[Raster]:
    """Decode a file of `kind`.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: it is an animation.
    """
    if kind == "hdr":
        try:
            return [from_interleaved(imagecodecs.rgbe_decode(data), 1.0, linear=True)]
        except DECODE_ERRORS as error:
            raise UnreadableError(f"{name}: damaged Radiance file: {_brief(error)}") from error
    if kind == "bmp" and (masks := bmp.masks(data)):
        try:
            return [bmp.decode(data, masks)]
        except DECODE_ERRORS as error:
            raise UnreadableError(f"{name}: damaged BMP file: {_brief(error)}") from error
    with opened(data, name) as file:
        meta = _still(file, kind, name)
        try:
            raster = _frame(file, 0, meta)
        except DECODE_ERRORS as error:
            raise UnreadableError(f"{name}: damaged {kind} file: {_brief(error)}") from error
    take_metadata(raster, meta)
    if kind == "bmp":
        raster.icc = bmp.profile(data)
    if len(meta.get("sizes", ())) > 1:
        raster.warnings.append(f"an icon of {len(meta['sizes'])} sizes: the largest was taken")
    return [raster]


def still_metadata(data: bytes, kind: str, name: str) -> Mapping[str, Any]:
    """What stands beside the pixels of a file of one picture, as Pillow names it.

    Raises:
        UnreadableError: the file is damaged.
        UnsupportedError: it is an animation.
    """
    with opened(data, name) as file:
        return _still(file, kind, name)


def _still(file: Any, kind: str, name: str) -> Mapping[str, Any]:
    try:
        frames = file.properties(index=...).n_images or 1
        meta: Mapping[str, Any] = file.metadata(index=0, exclude_applied=False)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged {kind} file: {_brief(error)}") from error
    if frames > 1:
        raise UnsupportedError(f"{name}: an animation of {frames} frames", "extract the frames first")
    return meta


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def take_metadata(raster: Raster, meta: Mapping[str, Any]) -> None:
    """Copy to `raster` what Pillow found beside the pixels."""
    raster.icc = meta.get("icc_profile") or None
    exif = meta.get("exif")
    raster.exif = exif.removeprefix(b"Exif\0\0") if isinstance(exif, bytes) and exif else None
    xmp = meta.get("xmp")
    raster.xmp = xmp.encode() if isinstance(xmp, str) else xmp or None
    dpi = meta.get("dpi")
    if isinstance(dpi, tuple) and len(dpi) == 2 and all(value > 0 for value in dpi):
        raster.dpi = (float(dpi[0]), float(dpi[1]))
    comment = meta.get("comment")
    if isinstance(comment, bytes) and comment.strip(b"\0 "):
        raster.text = (*raster.text, ("Comment", comment.rstrip(b"\0").decode("utf-8", "replace")))


def _frame(file: Any, index: int, meta: Mapping[str, Any]) -> Raster:
    """One picture, with what Pillow's mode means, palettes and transparent colours made explicit."""
    mode = str(meta["mode"])
    if mode == "F":
        return from_interleaved(file.read(index=index), 1.0)
    if mode.startswith("I"):
        return from_interleaved(file.read(index=index, mode="I").astype(np.uint16), 65535.0)
    if mode == "CMYK":
        return Raster(file.read(index=index, mode="CMYK"), "cmyk", 255.0)
    if mode == "LAB":
        lab = file.read(index=index, mode="LAB").astype(np.float32)
        lab[:, :, 0] *= np.float32(100 / 255)
        lab[:, :, 1:] -= 128
        return Raster(lab, "lab", 1.0, stored=Depth.UINT8)
    transparent = "transparency" in meta or mode in _TRANSPARENT
    samples = file.read(index=index, mode="RGBA" if transparent else "RGB")
    if mode in ("1", "L", "LA", "La") or (mode in ("P", "PA") and _is_gray(samples)):
        samples = np.delete(samples, [1, 2], axis=2)
    return from_interleaved(samples, 255.0)


def _is_gray(samples: Samples) -> bool:
    return bool((samples[:, :, :3] == samples[:, :, :1]).all())


def extent(data: bytes, kind: str, name: str) -> tuple[Extent, bytes | None]:
    """The size and the EXIF block, from the header.

    Raises:
        UnreadableError: the header is damaged.
    """
    try:
        stated = of_header(data, kind)
    except (ValueError, struct.error) as error:
        raise UnreadableError(f"{name}: damaged {kind} file: {error}") from error
    if stated is not None:
        return stated, None
    if kind == "bmp" and bmp.masks(data):
        width, height = bmp.size(data)
        return Extent(width, height, sample_bytes=2), None
    with opened(data, name) as file:
        meta = file.metadata(index=0)
    block, mode = meta.get("exif"), meta["mode"]
    width, height = meta["shape"]
    size = Extent(width, height, sample_bytes=4 if mode in ("F", "I") else 2)
    return size, block.removeprefix(b"Exif\0\0") if isinstance(block, bytes) else None
