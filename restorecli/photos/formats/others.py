"""The kinds that imageio opens, through Pillow: WebP, GIF, BMP, TGA, PCX, SGI, ICO, QOI; and Radiance HDR."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import imageio.v3 as iio
import numpy as np
from PIL import Image

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.photo import Depth
from restorecli.photos.formats.bitmaps import bmp, icon, radiance, targa
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


def decode(data: bytes, kind: str, name: str, frames: str = "") -> list[Raster]:
    """Decode a file of `kind`.

    Args:
        data: the file.
        kind: as `kinds.sniff` tells it.
        name: how messages call it.
        frames: what becomes of an animation: "each" frame, the "first" one, or "": it is refused.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: it is an animation, and `frames` is empty.
    """
    if kind == "hdr":
        try:
            return [radiance.decode(data)]
        except DECODE_ERRORS as error:
            raise UnreadableError(f"{name}: damaged Radiance file: {_brief(error)}") from error
    if kind == "bmp" and (masks := bmp.masks(data)):
        try:
            return [bmp.decode(data, masks)]
        except DECODE_ERRORS as error:
            raise UnreadableError(f"{name}: damaged BMP file: {_brief(error)}") from error
    with opened(data, name) as file:
        numbers = _frame_numbers(file, kind, name)
        count = len(numbers)
        if count > 1 and not frames:
            raise _refused(count, name)
        wanted = numbers if frames == "each" else range(1)  # or the picture of those that show no animation
        try:
            rasters = [_frame_with_metadata(file, index, count > 1 and frames == "each") for index in wanted]
        except DECODE_ERRORS as error:
            raise UnreadableError(f"{name}: damaged {kind} file: {_brief(error)}") from error
    _take_what_pillow_leaves(rasters[0], kind, data)
    if count > len(rasters):
        rasters[0].warnings.append(f"the first of {count} frames")
    return rasters


def _take_what_pillow_leaves(raster: Raster, kind: str, data: bytes) -> None:
    if kind == "bmp":
        raster.icc = bmp.profile(data)
    elif kind == "ico":
        icon.apply_mask(raster, data)
    elif kind == "tga":
        targa.without_false_alpha(raster, data)


def _refused(count: int, name: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name}: an animation of {count} frames", "--frames each restores all of them, --frames first one"
    )


def _frame_with_metadata(file: Any, index: int, animated: bool) -> Raster:
    # exclude_applied: no palettes, which Pillow 12 cuts at the wrong places.
    meta = file.metadata(index=index, exclude_applied=True)
    raster = _frame(file, index, meta)
    meta = file.metadata(index=index, exclude_applied=True)  # WebP has durations with the pixels only
    take_metadata(raster, meta)
    if animated:
        raster.duration = float(meta.get("duration") or 0)
    if len(meta.get("sizes", ())) > 1:
        raster.warnings.append(f"an icon of {len(meta['sizes'])} sizes: the largest was taken")
    return raster


def still_metadata(data: bytes, kind: str, name: str) -> Mapping[str, Any]:
    """What stands beside the pixels of a file of one picture, as Pillow names it.

    Raises:
        UnreadableError: the file is damaged.
        UnsupportedError: it is an animation.
    """
    with opened(data, name) as file:
        count = len(_frame_numbers(file, kind, name))
        if count > 1:
            raise _refused(count, name)
        meta: Mapping[str, Any] = file.metadata(index=0, exclude_applied=True)
        return meta


def count_frames(data: bytes, kind: str, name: str) -> int:
    """How many frames a file has. `UnreadableError` where it is damaged."""
    with opened(data, name) as file:
        return len(_frame_numbers(file, kind, name))


def _frame_numbers(file: Any, kind: str, name: str) -> range:
    """The numbers of the frames, without a PNG's picture for programs that show no animation."""
    try:
        count = int(file.properties(index=...).n_images or 1)
        hidden = kind == "png" and count > 1 and file.metadata(index=0).get("default_image")
        return range(1 if hidden else 0, count)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged {kind} file: {_brief(error)}") from error


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
        UnsupportedError: a kind of file that hardly any program reads.
    """
    try:
        stated = of_header(data, kind)
    except (ValueError, struct.error) as error:
        raise UnreadableError(f"{name}: damaged {kind} file: {error}") from error
    if stated is not None:
        return stated, None
    if kind == "bmp" and (unusual := bmp.unusual(data)):
        raise UnsupportedError(f"{name}: a BMP {unusual}")
    if kind == "bmp" and bmp.masks(data):
        width, height = bmp.size(data)
        return Extent(width, height, sample_bytes=2), None
    with opened(data, name) as file:
        meta = file.metadata(index=0)
    block, mode = meta.get("exif"), meta["mode"]
    width, height = meta["shape"]
    size = Extent(width, height, sample_bytes=4 if mode in ("F", "I") else 2)
    return size, block.removeprefix(b"Exif\0\0") if isinstance(block, bytes) else None
