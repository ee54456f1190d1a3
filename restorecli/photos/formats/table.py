"""The formats that can be written, what each can hold, and which one "keep" means."""

from __future__ import annotations

from dataclasses import dataclass

from restorecli.errors import unknown_value
from restorecli.photo import Depth, Document

_8 = Depth.UINT8
_16 = Depth.UINT16
_F = Depth.FLOAT32


@dataclass(frozen=True)
class Format:
    """What a format can hold.

    Attributes:
        suffix: of file names, with the dot.
        depths: sample depths, shallowest first.
        alpha: whether transparency can be stored.
        side: the greatest width and height.
        lossy: whether pixels are changed by encoding.
        metadata: which of "icc", "cicp", "exif", "xmp", "iptc", "dpi", "text", "comment",
            "mastering" and "pixels_per_unit" it can carry; "light" where samples are light in any primaries.
        frames: whether it can be an animation.
        hdr_depth: the depth of an HDR picture (PQ, HLG) where it is another one.
    """

    suffix: str
    depths: tuple[Depth, ...]
    alpha: bool
    side: int
    lossy: bool = False
    metadata: frozenset[str] = frozenset()
    hdr_depth: Depth | None = None
    frames: bool = False


_ALL = frozenset({"icc", "exif", "xmp", "iptc", "dpi"})
_HDR = ("cicp", "mastering")
FORMATS: dict[str, Format] = {
    "png": Format(".png", (_8, _16), True, 2**31 - 1, metadata=_ALL | {"text", *_HDR}, frames=True),
    "jpg": Format(".jpg", (_8,), False, 65500, lossy=True, metadata=_ALL | {"comment"}),
    "webp": Format(".webp", (_8,), True, 16383, metadata=frozenset({"icc", "exif", "xmp"}), frames=True),
    "tiff": Format(".tiff", (_8, _16, _F), True, 2**31 - 1, metadata=_ALL | {"pixels_per_unit"}),
    "avif": Format(
        ".avif",
        (_8,),
        True,
        16384,
        lossy=True,
        metadata=frozenset({"icc", "exif", "xmp", *_HDR}),
        hdr_depth=_16,
    ),
    "jp2": Format(".jp2", (_8, _16), True, 2**31 - 1, metadata=_ALL),
    "bmp": Format(".bmp", (_8,), False, 2**31 - 1, metadata=frozenset({"dpi"})),
    "ppm": Format(".ppm", (_8, _16), False, 2**31 - 1),
    "tga": Format(".tga", (_8,), True, 65535),
    "qoi": Format(".qoi", (_8,), True, 2**31 - 1),
    "exr": Format(".exr", (_F,), True, 2**31 - 1, metadata=frozenset({"light"})),
    "dng": Format(".dng", (_16,), False, 65535, metadata=frozenset({"exif", "xmp"})),
}
WRITABLE: tuple[str, ...] = tuple(FORMATS)
RAW_ONLY = frozenset({"dng"})  # what holds camera RAW and nothing else

_ALIASES = {
    "jpeg": "jpg",
    "jpe": "jpg",
    "jfif": "jpg",
    "tif": "tiff",
    "pgm": "ppm",
    "pnm": "ppm",
    "dib": "bmp",
}
# Formats that lose nothing stay; a picture is not put through a lossy encoder a second time.
_KEPT = {"png": "png", "tiff": "tiff", "webp": "webp", "bmp": "bmp", "pnm": "ppm", "qoi": "qoi", "exr": "exr"}
UNCHANGED = frozenset(_KEPT)
_FLOATING = frozenset({"hdr", "pfm"})


def check_format(name: str) -> str:
    """The format that `name` means ("jpeg" is "jpg", "keep" stays).

    Raises:
        UsageError: nothing is written in such a format.
    """
    wanted = name.lower().lstrip(".")
    wanted = _ALIASES.get(wanted, wanted)
    if wanted != "keep" and wanted not in FORMATS:
        raise unknown_value("--format", name, ("keep", *WRITABLE))
    return wanted


def format_of_suffix(suffix: str) -> str | None:
    """The format that a file name's suffix asks for; None where it is not one that is written."""
    wanted = suffix.lower().lstrip(".")
    wanted = _ALIASES.get(wanted, wanted)
    return wanted if wanted in FORMATS else None


def suffix_of_kind(kind: str, given: str) -> str:
    """The suffix for the bytes of a file of ``kind``: ``given`` where that is one of its own."""
    usual = {"jpeg": "jpg", "jpeg2000": "jp2", "jpegxl": "jxl"}.get(kind, kind)
    own = {usual, kind, *(alias for alias, name in _ALIASES.items() if name == usual)}
    return given if given.lower().lstrip(".") in own else f".{usual}"


def kept_format(kind: str, depth: Depth = Depth.UINT8) -> str:
    """The output format that "keep" means for an input.

    Args:
        kind: the input's kind, as `kinds.sniff` returns it.
        depth: how the input stores a sample, where known.

    Returns:
        A key of `FORMATS`: the input's own format where it loses nothing, else "png"; "tiff" for camera
        RAW and for floating point.
    """
    if kind == "raw" or kind in _FLOATING or (depth is Depth.FLOAT32 and kind != "exr"):
        return "tiff"
    return _KEPT.get(kind, "png")


def is_kept_as(document: Document, name: str) -> bool:
    """Whether a file written as format `name` ("keep" too) is of the very format that the input has."""
    first = document.pages[0]
    own = _ALIASES.get(document.format, document.format)
    return own == (kept_format(document.format, first.depth) if name == "keep" else name)


def nearest_depth(wanted: Depth, name: str, hdr: bool = False) -> Depth:
    """The depth of format `name` that keeps most of `wanted`; for HDR pictures what it has for them."""
    if hdr and (deep := FORMATS[name].hdr_depth) is not None:
        return deep
    depths = FORMATS[name].depths
    return wanted if wanted in depths else depths[-1]
