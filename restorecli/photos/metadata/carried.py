"""What is carried from an input file to its result besides pixels, made true for the result."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

from restorecli.photo import Metadata
from restorecli.photos.metadata import exif as exif_blocks
from restorecli.photos.metadata import georeference
from restorecli.photos.metadata import xmp as xmp_packets
from restorecli.photos.metadata.colours import Colours
from restorecli.photos.raster import Raster

_NAMESPACE = "https://github.com/restorecli/restorecli/ns/1.0/"
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_DENSEST = 5e7  # dots per inch; more is nonsense, and fits into no format's field
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
    return (xmp_packets.stated_orientation(raster.xmp) if raster.xmp else None) or 1


def carried(raster: Raster, colours: Colours, orientation: int) -> Metadata:
    """The metadata of a photo that has been turned upright.

    Args:
        raster: as decoded.
        colours: from `colours.to_working`.
        orientation: 1–8 that it had.
    """
    height, width = raster.samples.shape[:2]
    stored = width, height
    size = (height, width) if orientation >= 5 else stored
    block = raster.exif or None
    if block:
        try:
            block = exif_blocks.upright(block, stored, orientation)
            if orientation != 1 and georeference.is_in(block):
                block = exif_blocks.without(block, georeference.TAGS)
                raster.warnings.append("the georeference is of the picture before it was turned: left out")
        except ValueError as error:
            raster.warnings.append(f"the EXIF data is broken and was left out ({error})")
            block = None
    xmp = raster.xmp
    if xmp:
        xmp, gone = xmp_packets.without_marks(xmp_packets.upright(xmp, orientation, stored))
        if gone:
            raster.warnings.append(
                f"the file speaks of {', '.join(gone)}, which the result has not: marks removed"
            )
    dpi, per_unit = raster.dpi, raster.pixels_per_unit
    if orientation >= 5:
        dpi = dpi and (dpi[1], dpi[0])
        per_unit = per_unit and (per_unit[1], per_unit[0], per_unit[2])
    dpi = dpi or (exif_blocks.resolution(block) if block else None)  # which has been turned
    if dpi and max(dpi) > _DENSEST:
        dpi = None
    return Metadata(
        profile=colours.profile,
        exif=block,
        xmp=xmp,
        dpi=dpi,
        pixels_per_unit=per_unit,
        description=raster.text,
        working=colours.working,
        size=size,
        iptc=raster.iptc,
        resources=raster.resources,
        cicp=colours.cicp,
        hdr_peak=colours.hdr_peak,
        duration=raster.duration,
        mastering=raster.mastering,
    )


def exif_for(
    metadata: Metadata,
    width: int,
    height: int,
    provenance: Mapping[str, str],
    dpi: tuple[float, float] | None = None,
) -> bytes | None:
    """The EXIF block for a result of this size; None where there is nothing to say.

    Args:
        metadata: of the photo.
        width: of the result.
        height: of the result.
        provenance: what was done.
        dpi: resolution to be said in the block, for formats that have no other place for it.
    """
    software = provenance.get("software", "")
    if metadata.exif is None and not software and dpi is None:
        return None
    try:
        return exif_blocks.for_output(metadata.exif, width, height, software, before=metadata.size, dpi=dpi)
    except ValueError:
        return metadata.exif


def xmp_for(metadata: Metadata, width: int, height: int, provenance: Mapping[str, str]) -> bytes | None:
    """The XMP packet for a result of this size, with what was done; None where there is nothing to say."""
    packet = metadata.xmp
    if packet is None and not provenance:
        return None
    if packet is not None and metadata.size is not None:
        packet = xmp_packets.for_size(packet, metadata.size, (width, height))
    if not provenance:
        return packet
    packet = _OURS.sub(b"", packet or _PACKET.encode())
    fields = " ".join(f"restore:{_xml_name(key)}={quoteattr(value)}" for key, value in provenance.items())
    ours = f'<rdf:Description rdf:about="" xmlns:restore="{_NAMESPACE}" {fields}/>'
    head, mark, tail = packet.rpartition(b"</rdf:RDF>")
    # A packet of another shape (UTF-16, an own prefix) is passed on as it is.
    return head + ours.encode() + mark + tail if mark else packet


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
