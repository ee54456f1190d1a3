"""TIFF files by tifffile: every page, any sample type; and the detection of camera RAW among them."""

from __future__ import annotations

import logging
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import tifffile

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.photo import Depth
from restorecli.photos.formats import tiff_lab, tiff_ycbcr
from restorecli.photos.formats.extent import Extent
from restorecli.photos.formats.tiff_chain import MOST_INNER, MOST_PAGES, Chain, follow
from restorecli.photos.metadata import iptc, microscopy, tiff_tags
from restorecli.photos.raster import DECODE_ERRORS, Raster, Samples

# tifffile reports unusual tags there; what matters is raised or warned of here.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

CFA, LINEAR_RAW = 32803, 34892
_DNG_VERSION, _XMP, _ICC, _ORIENTATION = 50706, 700, 34675, 274
_SUB_IFDS, _IPTC, _MAKE, _RESOURCES, _DESCRIPTION, _WHITE = 330, 33723, 271, 34377, 270, 318
_REDUCED, _MASK = 1, 4
_ASSOCIATED = 1  # alpha by which the colours are multiplied
_DIVIDED = 12  # bytes a pixel: these colours in float32, divided by it
_GRAY_WHITE_0, _GRAY, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6

_NO_NOTES = "the camera's maker notes point to places in the file, which its result has not: left out"
_READABLE = tifffile.TIFF.DECOMPRESSORS
_MOST_MISSING = 1000  # strips or tiles; a few that are missing are black


def tag(page: Any, code: int, default: Any = None) -> Any:
    """The value of a tag of one of tifffile's pages, or `default` where it has none."""
    found = page.tags.get(code)
    return default if found is None else found.value


def _photometric(page: Any) -> int:
    return int(tag(page, 262, _GRAY))


def is_raw(stream: BinaryIO) -> bool:
    """Whether a TIFF file is a camera RAW (DNG, NEF, ARW, PEF …).

    It says so, or it holds a mosaic, or its picture lies beside a thumbnail that comes first, as cameras and
    film scanners write it.
    """
    stream.seek(0)
    try:
        with tifffile.TiffFile(stream) as file:
            first = file.pages.first
            if tag(first, _DNG_VERSION) is not None:
                return True
            inner = inner_pages(first)
            if any(_photometric(page) in (CFA, LINEAR_RAW) for page in (first, *inner)):
                return True
            whole = [page for page in inner if not int(tag(page, 254, 0)) & (_REDUCED | _MASK)]
            return bool(whole and int(tag(first, 254, 0)) & _REDUCED and tag(first, _MAKE))
    except DECODE_ERRORS:
        return False


def inner_pages(page: Any) -> list[Any]:
    """The directories inside one of tifffile's pages, the first few of them."""
    if not tag(page, _SUB_IFDS):
        return []
    return [inner.aspage() for inner in islice(page.pages or (), MOST_INNER)]


def names_camera(stream: BinaryIO) -> bool:
    """Whether a TIFF file names the maker of a camera or scanner."""
    stream.seek(0)
    try:
        with tifffile.TiffFile(stream) as file:
            return bool(tag(file.pages.first, _MAKE))
    except DECODE_ERRORS:
        return True  # some makers' files are no proper TIFF


def extents(stream: BinaryIO, name: str) -> list[Extent]:
    """The size of every page that is a picture of its own.

    Raises:
        UnreadableError: the file is damaged.
        UnsupportedError: it has too many pages.
    """
    try:
        chain = follow(stream)
        _check_count(chain, name)
        stream.seek(0)
        with tifffile.TiffFile(stream) as file:
            return [_extent(page) for page in _pictures(file, chain)]
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged TIFF: {error}") from error


def _check_count(chain: Chain, name: str) -> None:
    if chain.count > MOST_PAGES:
        raise UnsupportedError(f"{name}: a TIFF of more than {MOST_PAGES} pages", "split it first")


def _extent(page: Any) -> Extent:
    orientation = int(tag(page, _ORIENTATION, 1))
    slices, samples = int(page.imagedepth), int(page.samplesperpixel)
    width, height = int(page.imagewidth), int(page.imagelength)
    if _photometric(page) == _PALETTE:
        samples = 3
    return Extent(
        width,
        height,
        orientation if 1 <= orientation <= 8 else 1,
        max(1, samples),
        max(1, -(-int(page.bitspersample) // 8)),
        hidden=width * height * max(0, slices - 1),
        beside=_DIVIDED if _ASSOCIATED in map(int, page.extrasamples) else 0,
    )


def _pictures(file: tifffile.TiffFile, chain: Chain) -> list[Any]:
    # By number: asking for all of them would follow a circle for ever.
    pages = [file.pages[number].aspage() for number in range(chain.count)]
    whole = [page for page in pages if not int(tag(page, 254, 0)) & (_REDUCED | _MASK)]
    return whole or pages[:1]


def pictures(file: tifffile.TiffFile, stream: BinaryIO, name: str) -> list[Any]:
    """The pages that are pictures of their own. `UnsupportedError` for a stack behind one directory."""
    pages = _pictures(file, chain := follow(stream))
    if pages:
        _check_stack(pages[0], chain, name)
    return pages


def decode(stream: BinaryIO, name: str) -> list[Raster]:
    """Decode every page of a TIFF file; thumbnails and masks beside the pictures are left out.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: samples of a kind that is not understood.
    """
    try:
        chain = follow(stream)
        _check_count(chain, name)
        stream.seek(0)
        with tifffile.TiffFile(stream) as file:
            pages = _pictures(file, chain)
            if not pages:
                raise UnreadableError(f"{name}: damaged TIFF: there is no page")
            _check_stack(pages[0], chain, name)
            rasters = [_decode_page(page, name) for page in pages]
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged TIFF: {error}") from error
    if chain.circular:
        rasters[0].warnings.append("the pages of the TIFF form a loop: each was read once")
    exif, warnings = exif_block(stream)
    rasters[0].warnings += warnings
    for raster in rasters:
        raster.exif = exif
    return rasters


def check_whole(stream: BinaryIO, name: str) -> None:
    """See that the pictures are of a kind that is read, and that all of their data lies in the file.

    Raises:
        UnreadableError: the file is damaged or cut short.
        UnsupportedError: it holds a volume, or a stack behind one directory.
    """
    try:
        stream.seek(0)
        with tifffile.TiffFile(stream) as file:
            for page in pictures(file, stream, name):
                check_page(page, name)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"{name}: damaged TIFF: {error}") from error


def _check_stack(page: Any, chain: Chain, name: str) -> None:
    """See that a stack has a directory for each of its pictures; else all but the first would be lost."""
    samples = int(page.imagelength) * int(page.imagewidth) * int(page.samplesperpixel)
    stated = microscopy.pictures_in(str(tag(page, _DESCRIPTION, "")), samples)
    if stated > chain.count == 1:
        raise UnsupportedError(
            f"{name}: a TIFF stack of {stated} pictures behind one directory",
            "save it as a TIFF of several pages",
        )


def check_page(page: Any, name: str) -> None:
    """See that a page is of a kind that is read, and that its data lies in the file; see `check_whole`."""
    if page.is_tiled or page.dataoffsets:
        ends = [at + size for at, size in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if ends and max(ends) > page.parent.filehandle.size:
            raise UnreadableError(f"{name}: damaged TIFF: the file is cut short")
    if _parts(page) - len(page.dataoffsets) > _MOST_MISSING:  # each would be looked for, one by one
        raise UnreadableError(f"{name}: damaged TIFF: most of its picture is not there")
    if page.compression not in _READABLE:
        raise UnsupportedError(f"{name}: a TIFF of compression {int(page.compression)}")
    if page.imagedepth != 1:
        raise UnsupportedError(f"{name}: a TIFF volume of {page.imagedepth} slices")


def _decode_page(page: Any, name: str) -> Raster:
    check_page(page, name)
    plain_ycbcr = tiff_ycbcr.is_plain(page)
    if plain_ycbcr and tiff_ycbcr.is_subsampled(page):
        samples = tiff_ycbcr.samples(page, name)
    else:
        samples = _interleaved(page.asarray(), page)
    if plain_ycbcr and samples.shape[2] >= 3 and samples.dtype.kind == "u":
        samples = np.dstack([tiff_ycbcr.to_rgb(samples[:, :, :3], page), samples[:, :, 3:]])
    return described(samples, page, name)


def described(samples: Samples, page: Any, name: str) -> Raster:
    """H×W×S samples of one of tifffile's pages, or of a part of it, with what its tags say; EXIF left out.

    Raises:
        UnsupportedError: samples of a kind that is not understood.
    """
    raster = interpreted(samples, page, name)
    raster.icc = _bytes(tag(page, _ICC))
    raster.xmp = _bytes(tag(page, _XMP))
    resources = _bytes(tag(page, _RESOURCES)) or b""
    raster.iptc = _iptc(page) or iptc.from_resources(resources)
    raster.resources = iptc.kept_resources(resources)
    orientation = int(tag(page, _ORIENTATION, 1))
    raster.orientation = orientation if 1 <= orientation <= 8 else 1
    if microscopy.is_measured(str(tag(page, _DESCRIPTION, ""))):
        raster.pixels_per_unit = _pixels_per_unit(page)
    else:
        raster.dpi = _dpi(page)
    return raster


def _parts(page: Any) -> int:
    """The strips or tiles that a page of this size must have."""
    height, width = int(page.imagelength), int(page.imagewidth)
    planes = int(page.samplesperpixel) if int(page.planarconfig) == 2 else 1
    if page.is_tiled:
        return planes * -(-height // max(1, int(page.tilelength))) * -(-width // max(1, int(page.tilewidth)))
    return planes * -(-height // max(1, int(page.rowsperstrip)))


def _interleaved(samples: Samples, page: Any) -> Samples:
    """H×W×S, whatever the plane order."""
    height, width = int(page.imagelength), int(page.imagewidth)
    count = int(page.samplesperpixel)
    if samples.shape == (height, width):
        return samples[:, :, None]
    if int(page.planarconfig) == 2 and samples.shape == (count, height, width):
        return np.moveaxis(samples, 0, -1)
    return samples.reshape(height, width, count)


def interpreted(samples: Samples, page: Any, name: str) -> Raster:
    """H×W×S samples of a page as what they mean, without metadata; see `described`."""
    photometric = _photometric(page)
    bits = int(page.bitspersample)
    wanted = {_RGB: 3, _YCBCR: 3, _CMYK: 4, **dict.fromkeys(tiff_lab.KINDS, 3)}.get(photometric, 1)
    if photometric not in (_GRAY_WHITE_0, _GRAY, _RGB, _PALETTE, _CMYK, _YCBCR, *tiff_lab.KINDS):
        raise UnsupportedError(f"{name}: a TIFF of photometric kind {photometric}")
    if samples.dtype.kind not in "uibf" or samples.shape[2] < wanted:
        raise UnsupportedError(f"{name}: a TIFF with {samples.shape[2]} samples of type {samples.dtype}")
    if samples.dtype.kind == "i":
        raise UnsupportedError(f"{name}: a TIFF with signed samples")
    if samples.dtype == np.bool_:
        samples = samples.view(np.uint8)
    if samples.dtype.itemsize > 2 and samples.dtype.kind == "u":
        samples, bits = (samples >> (bits - 16)).astype(np.uint16), 16
    if photometric == _PALETTE:
        return _expand_palette(samples, page)
    peak = 1.0 if samples.dtype.kind == "f" else float(2**bits - 1)
    colour, alpha, premultiplied = _split_alpha(samples, wanted, page)
    if photometric == _GRAY_WHITE_0:
        colour = (np.array(peak).astype(colour.dtype) - colour).astype(colour.dtype)
    model: Any = {1: "gray", 4: "cmyk"}.get(wanted, "rgb")
    if photometric in tiff_lab.KINDS:
        colour, model = tiff_lab.values(colour, peak, photometric), "lab"
    raster = Raster(colour, model, peak, alpha, peak, premultiplied)
    raster.white = tiff_lab.white(tag(page, _WHITE)) if model == "lab" else None
    if samples.dtype.kind == "u":
        raster.stored = Depth.UINT8 if samples.dtype.itemsize == 1 else Depth.UINT16
    if samples.shape[2] - wanted > (alpha is not None):
        raster.warnings.append(f"{samples.shape[2] - wanted} extra channels were left out")
    return raster


def _split_alpha(samples: Samples, wanted: int, page: Any) -> tuple[Samples, Samples | None, bool]:
    extra = [int(kind) for kind in page.extrasamples]
    for index, kind in enumerate(extra[: samples.shape[2] - wanted]):
        if kind in (1, 2):
            return samples[:, :, :wanted], samples[:, :, wanted + index], kind == 1
    return samples[:, :, :wanted], None, False


def _expand_palette(indices: Samples, page: Any) -> Raster:
    table = np.asarray(page.colormap).reshape(3, -1).T
    colours = table[np.minimum(indices[:, :, 0], len(table) - 1)]
    if (table == (table >> 8) * 257).all() or not (table & 0xFF).any():
        return Raster((colours >> 8).astype(np.uint8), "rgb", 255.0)
    return Raster(colours.astype(np.uint16), "rgb", 65535.0)


def _bytes(value: Any) -> bytes | None:
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, tuple):
        return bytes(value)
    return value if isinstance(value, bytes) and value else None


def _iptc(page: Any) -> bytes | None:
    """The IPTC records, which some writers declare as 32-bit numbers."""
    value = tag(page, _IPTC)
    if isinstance(value, tuple) and value and max(value) > 0xFF:
        return np.array(value, page.parent.byteorder + "u4").tobytes().rstrip(b"\0")
    return _bytes(value)


def _pixels_per_unit(page: Any) -> tuple[float, float, int] | None:
    """Resolution across and down, and TIFF's code of the unit: 1 none, 2 inch, 3 centimetre."""
    x, y, unit = tag(page, 282), tag(page, 283), int(tag(page, 296, 2))
    if not (isinstance(x, tuple) and isinstance(y, tuple) and all((*x[:2], *y[:2]))):
        return None
    return x[0] / x[1], y[0] / y[1], unit


def _dpi(page: Any) -> tuple[float, float] | None:
    found = _pixels_per_unit(page)
    if found is None or found[2] not in (2, 3):
        return None
    factor = 1.0 if found[2] == 2 else 2.54
    return found[0] * factor, found[1] * factor


def exif_block(stream: BinaryIO) -> tuple[bytes | None, list[str]]:
    """The file's tags about the photo as an EXIF block, from the first page; and what to say of it."""
    stream.seek(0)
    try:
        block, without_notes = tiff_tags.extract(stream)
    except (ValueError, OSError):
        return None, []
    return block, [_NO_NOTES] if without_notes else []
