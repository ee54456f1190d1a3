"""The kinds that Pillow, imagecodecs and imageio decode: WebP, AVIF, BMP, JPEG 2000, PNM and more."""

from __future__ import annotations

import io
import struct

import imagecodecs
import imageio.v3 as iio
import numpy as np
from PIL import Image

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.photo import Depth
from restorecli.photos.formats.extent import Extent, of_code_stream, of_header
from restorecli.photos.raster import DECODE_ERRORS, Raster, Samples, from_interleaved

# The limit is kept by `read`, with a message of its own, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None


def open_image(data: bytes, name: str) -> Image.Image:
    """Open a file with Pillow, header only.

    Raises:
        UnreadableError: Pillow does not know it, or it is damaged.
    """
    try:
        return Image.open(io.BytesIO(data))
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: not an image that can be read, or its header is damaged") from error


def decode(data: bytes, kind: str, name: str) -> list[Raster]:
    """Decode a file of `kind`.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: it is an animation.
    """
    try:
        if kind == "hdr":
            return [from_interleaved(imagecodecs.rgbe_decode(data), 1.0, linear=True)]
        if kind == "jpegxl":
            return [_jpeg_xl(data)]
        if kind == "exr":
            return [
                from_interleaved(np.asarray(iio.imread(data, extension=".exr"), np.float32), 1.0, linear=True)
            ]
    except DECODE_ERRORS as error:
        raise UnreadableError(
            f"{name}: damaged {kind} file, or no decoder for it: {_brief(error)}"
        ) from error
    return [_by_pillow(data, kind, name)]


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _jpeg_xl(data: bytes) -> Raster:
    samples = imagecodecs.jpegxl_decode(data)
    peak = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
    raster = from_interleaved(samples, peak)
    raster.warnings.append("metadata and colour profile of JPEG XL files are not read")
    return raster


def _by_pillow(data: bytes, kind: str, name: str) -> Raster:
    image = open_image(data, name)
    try:
        frames = int(getattr(image, "n_frames", 1))
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged {kind or 'image'} file: {_brief(error)}") from error
    if frames > 1:
        raise UnsupportedError(f"{name}: an animation of {frames} frames", "extract the frames first")
    try:
        deep = _deep_samples(data, kind)
        info = dict(image.info)
        raster = from_interleaved(*deep) if deep is not None else _from_mode(image)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged {kind or 'image'} file: {_brief(error)}") from error
    raster.icc = info.get("icc_profile") or None
    exif = info.get("exif")
    raster.exif = exif.removeprefix(b"Exif\0\0") if isinstance(exif, bytes) and exif else None
    xmp = info.get("xmp")
    raster.xmp = xmp.encode() if isinstance(xmp, str) else xmp or None
    dpi = info.get("dpi")
    if isinstance(dpi, tuple) and len(dpi) == 2 and all(value > 0 for value in dpi):
        raster.dpi = (float(dpi[0]), float(dpi[1]))
    return raster


def _deep_samples(data: bytes, kind: str) -> tuple[Samples, float] | None:
    """Samples of more than 8 bits, which Pillow would round; None where there are none."""
    if kind == "jpeg2000":
        at = data.find(b"\xff\x51")
        bits = (data[at + 40] & 0x7F) + 1 if at >= 0 else 8
        return (imagecodecs.jpeg2k_decode(data), float(2**bits - 1)) if bits > 8 else None
    if kind == "avif":
        at = data.find(b"pixi")
        bits = data[at + 9] if at >= 0 else 8
        return (imagecodecs.avif_decode(data), float(2**bits - 1)) if bits > 8 else None
    if kind == "pnm" and data[:1] == b"P" and data[1:2] in b"56":
        return _deep_pnm(data)
    return None


def _deep_pnm(data: bytes) -> tuple[Samples, float] | None:
    """Binary PGM and PPM of 16 bits (netpbm's pgm(5), ppm(5)): big-endian samples up to `maxval`."""
    fields: list[int] = []
    at = 2
    while len(fields) < 3:
        while data[at : at + 1].isspace():
            at += 1
        if data[at : at + 1] == b"#":
            at = data.index(b"\n", at)
            continue
        end = at
        while data[end : end + 1].isdigit():
            end += 1
        fields.append(int(data[at:end]))
        at = end
    width, height, top = fields
    if top < 256:
        return None
    channels = 1 if data[1:2] == b"5" else 3
    samples = np.frombuffer(data, ">u2", width * height * channels, at + 1)
    return samples.reshape(height, width, channels).astype(np.uint16), float(top)


def _from_mode(image: Image.Image) -> Raster:
    """What Pillow's mode means, with palettes and transparent colours made explicit."""
    mode = image.mode
    if mode == "F":
        return from_interleaved(np.asarray(image), 1.0)
    if mode.startswith("I"):
        return from_interleaved(np.asarray(image).astype(np.uint16), 65535.0)
    if mode == "CMYK":
        return Raster(np.asarray(image), "cmyk", 255.0)
    if mode == "LAB":
        lab = np.asarray(image.convert("LAB")).astype(np.float32)
        lab[:, :, 0] *= np.float32(100 / 255)
        lab[:, :, 1:] -= 128
        return Raster(lab, "lab", 1.0, stored=Depth.UINT8)
    transparent = "transparency" in image.info or mode in ("LA", "La", "PA", "RGBA", "RGBa")
    gray = mode in ("1", "L", "LA", "La") or (mode == "P" and _is_gray_palette(image))
    wanted = ("LA" if transparent else "L") if gray else ("RGBA" if transparent else "RGB")
    if mode == "P" and gray:
        image = image.convert("RGBA" if transparent else "RGB")
    if wanted == "LA" and mode == "L":
        image = image.convert("RGBA")  # Pillow has no other way to apply the transparent gray
    return from_interleaved(np.asarray(image.convert(wanted)), 255.0)


def _is_gray_palette(image: Image.Image) -> bool:
    palette = np.array(image.getpalette() or [], dtype=np.uint8).reshape(-1, 3)
    return len(palette) > 0 and bool((palette == palette[:, :1]).all())


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
    image = open_image(data, name)
    block = image.info.get("exif")
    size = Extent(image.width, image.height, sample_bytes=4 if image.mode in ("F", "I") else 2)
    inside = of_code_stream(data) if kind == "jpeg2000" else None
    if inside is not None and inside.decoded_bytes > size.decoded_bytes:
        size = inside
    return size, block.removeprefix(b"Exif\0\0") if isinstance(block, bytes) else None
