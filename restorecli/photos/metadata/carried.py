"""What is carried from an input file to its result besides pixels, made true for the result."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

from restorecli.photo import Metadata
from restorecli.photos.metadata import exif as exif_blocks
from restorecli.photos.raster import Raster

_NAMESPACE = "https://github.com/restorecli/restorecli/ns/1.0/"
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)([1-8])")
_PANORAMA = re.compile(rb"(GPano:\w*?(Width|Height|Left|Top)\w*Pixels\s*(?:=\s*[\"']|>)\s*)(\d+)")
_OURS = re.compile(rb"<rdf:Description [^<>]*xmlns:restore=[^<>]*/>")


def stated_orientation(raster: Raster) -> int:
    """The orientation 1–8 that EXIF or else XMP states; a broken EXIF block is dropped, with a warning."""
    if raster.orientation is not None:
        return raster.orientation
    if raster.exif:
        try:
            return exif_blocks.orientation(raster.exif)
        except ValueError as error:
            raster.warnings.append(f"the EXIF data is broken and was left out ({error})")
            raster.exif = None
    if raster.xmp:
        match = _ORIENTATION.search(raster.xmp)
        if match:
            return int(match[2])
    return 1


def carried(raster: Raster, profile: bytes | None, working: str, size: tuple[int, int]) -> Metadata:
    """The metadata of a photo that has been turned upright.

    Args:
        raster: as decoded.
        profile: to be written back, from `profiles.to_working`.
        working: the working space, from there too.
        size: width and height, upright.
    """
    block = raster.exif or None
    if block:
        try:
            block = exif_blocks.upright(block)
        except ValueError as error:
            raster.warnings.append(f"the EXIF data is broken and was left out ({error})")
            block = None
    xmp = _ORIENTATION.sub(rb"\g<1>1", raster.xmp) if raster.xmp else None
    return Metadata(profile, block, xmp, raster.dpi, raster.text, working, size, raster.iptc)


def exif_for(metadata: Metadata, width: int, height: int, provenance: Mapping[str, str]) -> bytes | None:
    """The EXIF block for a result of this size; None where there is nothing to say."""
    software = provenance.get("software", "")
    if metadata.exif is None and not software:
        return None
    try:
        return exif_blocks.for_output(metadata.exif, width, height, software)
    except ValueError:
        return metadata.exif


def xmp_for(metadata: Metadata, width: int, height: int, provenance: Mapping[str, str]) -> bytes | None:
    """The XMP packet for a result of this size, with what was done; None where there is nothing to say."""
    packet = metadata.xmp
    if packet is None and not provenance:
        return None
    if packet is not None and metadata.size is not None:
        packet = _scale_panorama(packet, width / metadata.size[0], height / metadata.size[1])
    if not provenance:
        return packet
    packet = _OURS.sub(b"", packet or _PACKET.encode())
    fields = " ".join(f"restore:{_xml_name(key)}={quoteattr(value)}" for key, value in provenance.items())
    ours = f'<rdf:Description rdf:about="" xmlns:restore="{_NAMESPACE}" {fields}/>'
    head, mark, tail = packet.rpartition(b"</rdf:RDF>")
    # A packet of another shape (UTF-16, an own prefix) is passed on as it is.
    return head + ours.encode() + mark + tail if mark else packet


def _scale_panorama(packet: bytes, across: float, down: float) -> bytes:
    def scaled(match: re.Match[bytes]) -> bytes:
        factor = across if match[2] in (b"Width", b"Left") else down
        return match[1] + str(round(int(match[3]) * factor)).encode()

    return _PANORAMA.sub(scaled, packet)


def _xml_name(key: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", key)
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"


def text_for(metadata: Metadata, provenance: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Text entries for a PNG: the input's, and what was done."""
    if not provenance:
        return metadata.description
    own = {"Software", "restore"}
    kept = tuple(entry for entry in metadata.description if entry[0] not in own)
    details = json.dumps(dict(provenance), ensure_ascii=False)
    return (*kept, ("Software", provenance.get("software", "restore")), ("restore", details))
