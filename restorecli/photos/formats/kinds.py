"""File format detection by magic bytes, never by the file's name."""

from __future__ import annotations

import struct
from pathlib import Path

HEAD = 64  # bytes that `sniff` wants to see

RAW_SUFFIXES = frozenset(
    (
        ".3fr",
        ".arw",
        ".cr2",
        ".cr3",
        ".crw",
        ".dcr",
        ".dng",
        ".erf",
        ".iiq",
        ".k25",
        ".kdc",
        ".mef",
        ".mos",
        ".mrw",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raf",
        ".raw",
        ".rw2",
        ".rwl",
        ".sr2",
        ".srf",
        ".srw",
        ".x3f",
    )
)
IMAGE_SUFFIXES = RAW_SUFFIXES | frozenset(
    (
        ".apng",
        ".avif",
        ".bmp",
        ".dib",
        ".exr",
        ".gif",
        ".hdr",
        ".heic",
        ".heif",
        ".ico",
        ".j2c",
        ".j2k",
        ".jfif",
        ".jp2",
        ".jpc",
        ".jpe",
        ".jpeg",
        ".jpf",
        ".jpg",
        ".jpx",
        ".jxl",
        ".pam",
        ".pbm",
        ".pfm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".psb",
        ".psd",
        ".qoi",
        ".tga",
        ".tif",
        ".tiff",
        ".webp",
    )
)

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"FUJIFILMCCD-RAW", "raw"),
    (b"FOVb", "raw"),
    (b"\x00MRM", "raw"),
    (b"IIU\x00", "raw"),  # Panasonic
    (b"IIRO", "raw"),  # Olympus
    (b"IIRS", "raw"),
    (b"MMOR", "raw"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"#?RADIANCE", "hdr"),
    (b"#?RGBE", "hdr"),
    (b"\x76\x2f\x31\x01", "exr"),
    (b"qoif", "qoi"),
    (b"\xff\x0a", "jpegxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jpegxl"),
    (b"8BPS", "psd"),
    (b"\x00\x00\x01\x00", "ico"),
)
_BRANDS = {b"avif": "avif", b"avis": "avif", b"crx ": "raw"} | dict.fromkeys(
    (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "heic"
)


_BY_SUFFIX = {
    **dict.fromkeys(RAW_SUFFIXES, "raw"),
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "jpeg"),
    **dict.fromkeys((".png", ".apng"), "png"),
    **dict.fromkeys((".tif", ".tiff"), "tiff"),
    **dict.fromkeys((".bmp", ".dib"), "bmp"),
    **dict.fromkeys((".pam", ".pbm", ".pgm", ".pnm", ".ppm"), "pnm"),
    **dict.fromkeys((".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"), "jpeg2000"),
    **dict.fromkeys((".heic", ".heif"), "heic"),
    **dict.fromkeys((".psd", ".psb"), "psd"),
    ".jxl": "jpegxl",
    **{f".{kind}": kind for kind in ("webp", "gif", "avif", "exr", "hdr", "ico", "pfm", "qoi")},
}


def by_suffix(suffix: str) -> str:
    """The kind of file that a name with this suffix promises, as `sniff` has it; "" where none is known."""
    return _BY_SUFFIX.get(suffix.lower(), "")


def sniff(head: bytes) -> str:
    """The kind of an image file by its first bytes.

    Args:
        head: the first `HEAD` bytes of the file, or all of a shorter one.

    Returns:
        "png", "jpeg", "tiff", "webp", …, "raw" for camera files with a signature of their own; "" where no
        known image begins like this. Camera files that are TIFF inside are "tiff" here, see `tiff.is_raw`.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return "raw" if kind == "tiff" and _is_raw_tiff_head(head) else kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _sniff_brands(head)
    if head[:1] == b"P" and head[1:2] in b"1234567fF" and head[2:3] in (b"\n", b" ", b"\r", b"\t"):
        return ("pfm" if head[1:2] in b"fF" else "pnm") if len(head) > 3 else ""
    if (
        head[:2] == b"BM"
        and len(head) >= 18
        and struct.unpack_from("<I", head, 14)[0] in (12, 40, 52, 56, 64, 108, 124)
    ):
        return "bmp"
    if head[6:14] == b"HEAPCCDR":
        return "raw"  # Canon CRW
    return ""


def _is_raw_tiff_head(head: bytes) -> bool:
    return head[8:10] == b"CR" or head[8:12] in (b"IIII", b"MMMM")  # Canon CR2, Phase One


def _sniff_brands(head: bytes) -> str:
    if head[8:12] in _BRANDS and _BRANDS[head[8:12]] != "heic":
        return _BRANDS[head[8:12]]
    brands = [head[at : at + 4] for at in range(8, len(head) - 3, 4)]
    if b"avif" in brands:  # "mif1" as major brand says nothing of the coding inside
        return "avif"
    return _BRANDS.get(head[8:12], "")


def sniff_file(path: Path) -> str:
    """The kind of the file at `path`; "" where it is no known image. `OSError` where it cannot be opened."""
    with path.open("rb") as stream:
        return sniff(stream.read(HEAD))


def looks_like_image(path: Path) -> bool:
    """Whether a file found in a folder is taken as an input: by its name or by its content."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        return sniff_file(path) != ""
    except OSError:
        return False
