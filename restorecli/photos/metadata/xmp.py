"""XMP packets made true for the result: sizes, face and area regions, and marks of data that are gone.

A packet is edited as text, property by property, so that what is not touched keeps its bytes. A property may
be written as an attribute or as an element.
Sources: MWG Guidelines 2.0 (regions), Microsoft People Tagging, IPTC Photo Metadata 2021.1 (image region),
Google's Photo Sphere, Motion Photo and Ultra HDR formats, Adobe's gain map specification.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from restorecli.photos.metadata.regions import (
    scaled_place,
    turned_box,
    turned_extent,
    turned_place,
    turned_point,
)

_NUMBER = rb"(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
_IS = rb"(?:\s*=\s*[\"']|\s*>)\s*"
_ORIENTATION = re.compile(rb"(tiff:Orientation" + _IS + rb")([1-8])")
_PANORAMA = re.compile(rb"(GPano:\w*?(Width|Height|Left|Top)\w*Pixels" + _IS + rb")(\d+)")
_WIDTH = re.compile(rb"((?:tiff:ImageWidth|exif:PixelXDimension)" + _IS + rb")(\d+)")
_HEIGHT = re.compile(rb"((?:tiff:ImageLength|exif:PixelYDimension)" + _IS + rb")(\d+)")


def _structure(*names: bytes) -> re.Pattern[bytes]:
    """The elements of these local names, with all that they hold."""
    return re.compile(rb"<((?:[\w.-]+:)?(?:" + b"|".join(names) + rb"))\b(?:[^<>]*/>|.*?</\1\s*>)", re.DOTALL)


_AREA = _structure(b"Area", b"DLYArea", b"ALGArea")
_DIMENSIONS = _structure(b"AppliedToDimensions")
_BOUNDARY = _structure(b"RegionBoundary")
_SUBJECT = _structure(b"SubjectArea", b"SubjectLocation")
_THUMBNAILS = _structure(b"Thumbnails")
_RECTANGLE = re.compile(rb"(\w+:Rectangle" + _IS + rb")" + rb"\s*,\s*".join([_NUMBER] * 4))
_ITEM = re.compile(rb"(<rdf:li[^<>]*>\s*)" + _NUMBER)

# What names data beside the picture that are not in the result: namespace, properties, and what it is.
_MARKS: tuple[tuple[bytes, bytes, str], ...] = (
    (b"http://ns.google.com/photos/1.0/camera/", rb"(?:MicroVideo|MotionPhoto)\w*", "a motion photo's video"),
    (b"http://ns.google.com/photos/1.0/container/", rb"\w+", "further pictures or a video"),
    (b"http://ns.adobe.com/hdr-gain-map/1.0/", rb"\w+", "a gain map"),
    (b"http://ns.apple.com/HDRGainMap/1.0/", rb"\w+", "a gain map"),
    (b"http://ns.google.com/photos/1.0/depthmap/", rb"\w+", "a depth map"),
    (b"http://ns.google.com/photos/1.0/image/", rb"\w+", "a second picture"),
    (b"http://ns.google.com/photos/1.0/audio/", rb"\w+", "sound"),
    (b"http://ns.google.com/photos/dd/1.0/device/", rb"\w+", "a depth map"),
    (b"http://ns.adobe.com/xmp/note/", rb"HasExtendedXMP", "an extended XMP packet"),
    (b"http://ns.xiaomi.com/photos/1.0/camera/", rb"XMPMeta", "further pictures or a video"),
    (b"http://ns.oplus.com/photos/1.0/camera/", rb"MotionPhoto\w*|OLivePhoto\w*", "a motion photo's video"),
)


def stated_orientation(packet: bytes) -> int | None:
    """The orientation 1–8 that a packet states; None where it states none."""
    match = _ORIENTATION.search(packet)
    return int(match[2]) if match else None


def upright(packet: bytes, orientation: int, size: tuple[int, int]) -> bytes:
    """The packet of a picture that has been turned upright.

    Args:
        packet: of the picture as stored.
        orientation: 1–8 that it had.
        size: width and height as stored, which regions in pixels refer to.
    """
    packet = _ORIENTATION.sub(rb"\g<1>1", packet)
    packet = _THUMBNAILS.sub(b"", packet)
    if orientation == 1:
        return packet

    def area(match: re.Match[bytes]) -> bytes:
        return _turned_area(match[0], orientation, size)

    def boundary(match: re.Match[bytes]) -> bytes:
        return _turned_boundary(match[0], orientation, size)

    def rectangle(match: re.Match[bytes]) -> bytes:
        left, top, across, down = (float(match[part]) for part in range(2, 6))
        return match[1] + b", ".join(map(_text, turned_box(left, top, (across, down), orientation)))

    def dimensions(match: re.Match[bytes]) -> bytes:
        width, height = _fields(match[0], b"w", b"h")
        extent = turned_extent(width, height, orientation)
        return _replaced(match[0], dict(zip((b"w", b"h"), extent, strict=True)))

    def subject(match: re.Match[bytes]) -> bytes:
        return _with_items(match[0], lambda values: turned_place(values, orientation, size))

    for pattern, change in (
        (_AREA, area),
        (_BOUNDARY, boundary),
        (_RECTANGLE, rectangle),
        (_DIMENSIONS, dimensions),
        (_SUBJECT, subject),
    ):
        packet = pattern.sub(_tolerant(change), packet)
    return packet


def for_size(packet: bytes, before: tuple[int, int], after: tuple[int, int]) -> bytes:
    """The packet of a picture that has been resized from `before` to `after` (width, height)."""
    across, down = after[0] / before[0], after[1] / before[1]

    def panorama(match: re.Match[bytes]) -> bytes:
        factor = across if match[2] in (b"Width", b"Left") else down
        return match[1] + str(round(int(match[3]) * factor)).encode()

    def scaled(match: re.Match[bytes]) -> bytes:
        if not re.search(rb"unit" + _IS + rb"pixel", match[0], re.IGNORECASE):
            return match[0]
        sides = ((b"x", across), (b"y", down), (b"w", across), (b"h", down), (b"d", across))
        pixels = {name: value * factor for name, factor in sides for value in _fields(match[0], name)}
        return _replaced(match[0], {name: float(round(value)) for name, value in pixels.items()})

    def subject(match: re.Match[bytes]) -> bytes:
        return _with_items(match[0], lambda values: scaled_place(values, across, down))

    def boundary(match: re.Match[bytes]) -> bytes:
        return _scaled_boundary(match[0], across, down)

    packet = _PANORAMA.sub(panorama, packet)
    packet = _WIDTH.sub(rb"\g<1>%d" % after[0], packet)
    packet = _HEIGHT.sub(rb"\g<1>%d" % after[1], packet)
    if before == after:
        return packet
    changes = ((_AREA, scaled), (_DIMENSIONS, scaled), (_BOUNDARY, boundary), (_SUBJECT, subject))
    for pattern, change in changes:
        packet = pattern.sub(_tolerant(change), packet)
    return packet


def without_marks(packet: bytes) -> tuple[bytes, list[str]]:
    """The packet without the marks of a video, a gain map or other data beside it, and their names."""
    gone: list[str] = []
    for uri, names, what in _MARKS:
        for prefix in set(re.findall(rb"xmlns:([\w.-]+)\s*=\s*[\"']" + re.escape(uri), packet)):
            name = re.escape(prefix) + rb":(?:" + names + rb")"
            attribute = re.compile(rb"\s" + name + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')")
            element = re.compile(rb"<(" + name + rb")\b(?:[^<>]*/>|.*?</\1\s*>)\s*", re.DOTALL)
            packet, inside = element.subn(b"", packet)
            packet, attributes = attribute.subn(b"", packet)
            if inside or attributes:
                gone.append(what)
    return packet, list(dict.fromkeys(gone))


def _tolerant(change: Callable[[re.Match[bytes]], bytes]) -> Callable[[re.Match[bytes]], bytes]:
    """Leave a structure as it is where its numbers are missing or none."""

    def guarded(match: re.Match[bytes]) -> bytes:
        try:
            return change(match)
        except (ValueError, TypeError, IndexError):
            return match[0]

    return guarded


def _field(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"((?<![\w:.-])(?:[\w.-]+:)?" + name + _IS + rb")" + _NUMBER)


def _fields(structure: bytes, *names: bytes) -> list[float]:
    found = [_field(name).search(structure) for name in names]
    return [float(match[2]) for match in found if match]


def _replaced(structure: bytes, values: dict[bytes, float]) -> bytes:
    for name, value in values.items():
        structure = _field(name).sub(rb"\g<1>" + _text(value), structure)
    return structure


def _text(value: float) -> bytes:
    return format(value, ".9g").encode()


def _with_items(structure: bytes, change: Callable[[list[float]], list[float]]) -> bytes:
    """A list of numbers with its items changed."""
    changed = iter(change([float(match[2]) for match in _ITEM.finditer(structure)]))
    return _ITEM.sub(lambda match: match[1] + _text(round(next(changed))), structure)


def _turned_area(structure: bytes, orientation: int, size: tuple[int, int]) -> bytes:
    """An area given by its centre, as shares of the picture or in pixels."""
    pixels = re.search(rb"unit" + _IS + rb"pixel", structure, re.IGNORECASE)
    x, y = _fields(structure, b"x", b"y")
    x, y = turned_point(x, y, orientation, *(size if pixels else (1.0, 1.0)))
    values = {b"x": x, b"y": y}
    extent = _fields(structure, b"w", b"h")
    if len(extent) == 2:
        values |= dict(zip((b"w", b"h"), turned_extent(extent[0], extent[1], orientation), strict=True))
    return _replaced(structure, values)


def _turned_boundary(structure: bytes, orientation: int, size: tuple[int, int]) -> bytes:
    """IPTC's boundary: a rectangle by its corner, a circle by its centre, or a polygon's corners."""
    pixels = re.search(rb"rbUnit" + _IS + rb"pixel", structure, re.IGNORECASE)
    width, height = map(float, size) if pixels else (1.0, 1.0)
    extent = _fields(structure, b"rbW", b"rbH")
    if len(extent) == 2:
        corner = _fields(structure, b"rbX", b"rbY")
        box = turned_box(corner[0], corner[1], (extent[0], extent[1]), orientation, width, height)
        return _replaced(structure, dict(zip((b"rbX", b"rbY", b"rbW", b"rbH"), box, strict=True)))
    across, down = _field(b"rbX"), _field(b"rbY")
    columns = [float(match[2]) for match in across.finditer(structure)]
    rows = [float(match[2]) for match in down.finditer(structure)]
    points = [turned_point(x, y, orientation, width, height) for x, y in zip(columns, rows, strict=True)]
    left, top = iter([x for x, _ in points]), iter([y for _, y in points])
    structure = across.sub(lambda match: match[1] + _text(next(left)), structure)
    structure = down.sub(lambda match: match[1] + _text(next(top)), structure)
    radius = _fields(structure, b"rbRx")
    if radius and not pixels and orientation >= 5:  # a share of the width, which is another one now
        structure = _replaced(structure, {b"rbRx": radius[0] * size[0] / size[1]})
    return structure


def _scaled_boundary(structure: bytes, across: float, down: float) -> bytes:
    """The same, in pixels, in a picture enlarged by two factors."""
    if not re.search(rb"rbUnit" + _IS + rb"pixel", structure, re.IGNORECASE):
        return structure
    for names, factor in (((b"rbX", b"rbW", b"rbRx"), across), ((b"rbY", b"rbH"), down)):
        for name in names:
            structure = _multiplied(structure, name, factor)
    return structure


def _multiplied(structure: bytes, name: bytes, factor: float) -> bytes:
    """Every field of a name, of which a polygon has several, by a factor and in whole pixels."""
    return _field(name).sub(
        lambda match: match[1] + _text(round(float(match[2]) * factor)),
        structure,
    )
