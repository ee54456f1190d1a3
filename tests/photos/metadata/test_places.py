"""What metadata say of pixels stays true: regions, subject, georeference, calibration, sizes, and marks."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from restorecli.photo import Metadata, Photo
from restorecli.photos.metadata import exif, georeference, regions, tiff_tags, xmp
from restorecli.photos.read import read
from restorecli.photos.write import write

WIDTH, HEIGHT = 30, 20
BOX = (6, 4, 8, 5)  # left, top, width, height of a white box
MWG = """<x:xmpmeta xmlns:x='adobe:ns:meta/'>
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
<rdf:Description rdf:about='' xmlns:mwg-rs='http://www.metadataworkinggroup.com/schemas/regions/'
 xmlns:stArea='http://ns.adobe.com/xmp/sType/Area#' xmlns:stDim='http://ns.adobe.com/xap/1.0/sType/Dimensions#'
 xmlns:MPReg='http://ns.microsoft.com/photo/1.2/t/Region#' xmlns:tiff='http://ns.adobe.com/tiff/1.0/'
 tiff:ImageWidth='30' tiff:ImageLength="20">
<mwg-rs:Regions rdf:parseType='Resource'>
<mwg-rs:AppliedToDimensions stDim:w='30' stDim:h='20' stDim:unit='pixel'/>
<mwg-rs:RegionList><rdf:Bag><rdf:li>%s</rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>
<MPReg:Rectangle>%s</MPReg:Rectangle></rdf:Description></rdf:RDF></x:xmpmeta>"""
AREAS = (
    "<mwg-rs:Area stArea:x='{0:.9g}' stArea:y='{1:.9g}' stArea:w='{2:.9g}' stArea:h='{3:.9g}'"
    " stArea:unit='normalized'/>",
    "<mwg-rs:Area rdf:parseType='Resource'><stArea:h>{3:.9g}</stArea:h><stArea:unit>normalized</stArea:unit>"
    "<stArea:w>{2:.9g}</stArea:w><stArea:x>{0:.9g}</stArea:x><stArea:y>{1:.9g}</stArea:y></mwg-rs:Area>",
)


def picture() -> Image.Image:
    samples = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    left, top, width, height = BOX
    samples[top : top + height, left : left + width] = 255
    return Image.fromarray(samples)


def jpeg(orientation: int, area: str = AREAS[0]) -> bytes:
    left, top, width, height = BOX
    centre = ((left + width / 2) / WIDTH, (top + height / 2) / HEIGHT, width / WIDTH, height / HEIGHT)
    corner = (left / WIDTH, top / HEIGHT, width / WIDTH, height / HEIGHT)
    packet = MWG % (area.format(*centre), ", ".join(f"{value:.9g}" for value in corner))
    block = Image.Exif()
    block[0x0112] = orientation
    inner = block.get_ifd(0x8769)
    inner[0x9214] = (left + width // 2, top + 2, width, height)
    inner[0xA20E], inner[0xA20F] = IFDRational(1000, 1), IFDRational(500, 1)
    buffer = io.BytesIO()
    picture().save(buffer, "JPEG", quality=100, subsampling=0, exif=block, xmp=packet.encode())
    return buffer.getvalue()


def box_in(pixels: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(pixels[:, :, 0] > 0.5)
    return columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1


def field(packet: bytes, name: str) -> float:
    import re

    match = re.search(rf"\b{name}(?:='|=\"|>)([\d.]+)".encode(), packet)
    assert match, name
    return float(match[1])


@pytest.mark.parametrize("area", AREAS, ids=["attributes", "elements"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_regions_follow_the_picture_as_it_is_turned_and_enlarged(tmp_path, orientation, area):
    document = read(jpeg(orientation, area))
    page = document.pages[0]
    left, top, width, height = box_in(page.pixels)
    big = replace(page, pixels=np.repeat(np.repeat(page.pixels, 2, 0), 2, 1))
    write([big], tmp_path / "a.png", format="png")
    meta = read(tmp_path / "a.png").pages[0].metadata
    across, down = page.width, page.height
    assert field(meta.xmp, "stArea:x") == pytest.approx((left + width / 2) / across, abs=1e-6)
    assert field(meta.xmp, "stArea:y") == pytest.approx((top + height / 2) / down, abs=1e-6)
    assert field(meta.xmp, "stArea:w") == pytest.approx(width / across, abs=1e-6)
    assert field(meta.xmp, "stArea:h") == pytest.approx(height / down, abs=1e-6)
    rectangle = meta.xmp.split(b"Rectangle>")[1].split(b"<")[0].decode().split(",")
    assert [float(value) for value in rectangle] == pytest.approx(
        [left / across, top / down, width / across, height / down], abs=1e-6
    )
    assert (field(meta.xmp, "stDim:w"), field(meta.xmp, "stDim:h")) == (2 * across, 2 * down)
    assert (field(meta.xmp, "tiff:ImageWidth"), field(meta.xmp, "tiff:ImageLength")) == (2 * across, 2 * down)
    block = Image.Exif()
    block.load(b"Exif\0\0" + meta.exif)
    inner = block.get_ifd(0x8769)
    x, y, w, h = inner[0x9214]
    assert (w, h) == (2 * width, 2 * height)
    assert abs(x - 2 * (left + width / 2)) <= 1
    assert abs(y - 2 * (top + height / 2)) <= 1
    assert (inner[0xA20E], inner[0xA20F]) == ((2000, 1000) if orientation < 5 else (1000, 2000))


def test_a_subject_may_be_a_point_or_a_circle():
    assert regions.turned_place([3, 5], 6, (WIDTH, HEIGHT)) == [HEIGHT - 5, 3]
    assert regions.turned_place([3, 5, 4], 3, (WIDTH, HEIGHT)) == [WIDTH - 3, HEIGHT - 5, 4]
    assert regions.scaled_place([3, 5, 4], 2, 3) == [6, 15, 10]


def test_an_iptc_boundary_of_any_shape_is_turned():
    circle = b"<Iptc4xmpExt:RegionBoundary Iptc4xmpExt:rbShape='circle' Iptc4xmpExt:rbX='0.1' Iptc4xmpExt:rbY='0.2' Iptc4xmpExt:rbRx='0.3' Iptc4xmpExt:rbUnit='relative'/>"  # noqa: E501
    done = xmp.upright(circle, 6, (30, 20))
    assert field(done, "rbX") == pytest.approx(0.8)
    assert field(done, "rbY") == pytest.approx(0.1)
    assert field(done, "rbRx") == pytest.approx(0.45)
    box = circle.replace(b"circle", b"rectangle").replace(b"rbRx='0.3'", b"rbW='0.3' Iptc4xmpExt:rbH='0.1'")
    done = xmp.upright(box, 8, (30, 20))
    assert [field(done, name) for name in ("rbX", "rbY", "rbW", "rbH")] == pytest.approx([0.2, 0.6, 0.1, 0.3])


def test_an_iptc_boundary_in_pixels_grows_with_the_picture():
    box = b"<Iptc4xmpExt:RegionBoundary Iptc4xmpExt:rbX='10' Iptc4xmpExt:rbY='4' Iptc4xmpExt:rbW='6' Iptc4xmpExt:rbH='2' Iptc4xmpExt:rbUnit='pixel'/>"  # noqa: E501
    done = xmp.for_size(box, (30, 20), (60, 60))
    assert [field(done, name) for name in ("rbX", "rbY", "rbW", "rbH")] == [20, 12, 12, 6]
    relative = box.replace(b"pixel", b"relative")
    assert xmp.for_size(relative, (30, 20), (60, 60)) == relative
    corner = b"<rdf:li i:rbX='%d' i:rbY='3'/>"
    polygon = b"<i:RegionBoundary i:rbUnit='pixel'>" + corner % 5 + corner % 9 + b"</i:RegionBoundary>"
    expected = polygon.replace(b"'5'", b"'10'").replace(b"'9'", b"'18'").replace(b"'3'", b"'9'")
    assert xmp.for_size(polygon, (30, 20), (60, 60)) == expected


def test_marks_of_a_video_and_a_gain_map_go_with_them(tmp_path):
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:C="http://ns.google.com/photos/1.0/camera/"'
        b' xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" C:MotionPhoto="1"'
        b' xmlns:D="http://ns.google.com/photos/1.0/container/" C:BurstID="7">'
        b"<C:MicroVideoOffset>5000</C:MicroVideoOffset>"
        b'<D:Directory><rdf:Seq><rdf:li><D:Item Item:Semantic="GainMap"/></rdf:li></rdf:Seq></D:Directory>'
        b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    buffer = io.BytesIO()
    picture().save(buffer, "JPEG", xmp=packet)
    photo = read(buffer.getvalue()).pages[0]
    for gone in (b"MotionPhoto", b"MicroVideo", b"hdrgm:Version", b"Directory"):
        assert gone not in photo.metadata.xmp
    assert b'C:BurstID="7"' in photo.metadata.xmp
    import xml.etree.ElementTree as tree

    tree.fromstring(photo.metadata.xmp)
    assert any("video" in text and "gain map" in text for text in photo.warnings)


def geotiff(**tags: tuple[float, ...]) -> bytes:
    codes = {"scale": 33550, "tie": 33922, "matrix": 34264}
    extra = [(codes[name], 12, len(values), values, True) for name, values in tags.items() if name in codes]
    keys = (1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, 2 if tags.get("point") else 1)
    extra.append((34735, 3, len(keys), keys, True))
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((HEIGHT, WIDTH), np.uint8), extratags=extra, metadata=None)
    return buffer.getvalue()


def place(tags: tifffile.TiffTags, column: float, row: float) -> tuple[float, float]:
    """Model coordinates of a raster position, as GDAL computes them for pixels that are areas."""
    if 34264 in tags:
        m = tags[34264].value
        return m[0] * column + m[1] * row + m[3], m[4] * column + m[5] * row + m[7]
    scale, tie = tags[33550].value, tags[33922].value
    return tie[3] + (column - tie[0]) * scale[0], tie[4] - (row - tie[1]) * scale[1]


@pytest.mark.parametrize("point", [False, True])
@pytest.mark.parametrize(
    "tags",
    [
        {"scale": (10.0, 20.0, 0.0), "tie": (3.0, 5.0, 0.0, 600000.0, 5700000.0, 0.0)},
        {"matrix": (10.0, 2.0, 0, 6e5, 1.0, -9.0, 0, 5e6, 0, 0, 0, 0, 0, 0, 0, 1.0)},
    ],
    ids=["scale", "matrix"],
)
def test_every_pixel_of_an_enlarged_geotiff_lies_where_it_lay(tmp_path, tags, point):
    data = geotiff(**tags, **({"point": (1,)} if point else {}))
    document = read(data)
    page = document.pages[0]
    write(
        [replace(page, pixels=np.repeat(np.repeat(page.pixels, 2, 0), 3, 1))],
        tmp_path / "a.tif",
        format="tiff",
    )
    # Corners of the raster are at 0 for areas, at −½ where positions mean centres.
    shift = 0.5 if point else 0
    with tifffile.TiffFile(io.BytesIO(data)) as old, tifffile.TiffFile(tmp_path / "a.tif") as new:
        for column, row in ((0, 0), (WIDTH, HEIGHT), (7, 2)):
            before = place(old.pages[0].tags, column - shift, row - shift)
            after = place(new.pages[0].tags, 3 * column - shift, 2 * row - shift)
            assert after == pytest.approx(before)


def seen_at(rpc: tuple[float, ...], line: float, sample: float) -> tuple[float, float]:
    """Line and sample, counted between pixels, of normalised ones (RPC00B: offset + scale · polynomial)."""
    return rpc[2] + rpc[7] * line + 0.5, rpc[3] + rpc[8] * sample + 0.5  # offsets count from a pixel's centre


def test_the_polynomials_of_a_satellite_picture_lead_to_the_same_places(tmp_path):
    # Errors; offsets of line, sample, latitude, longitude, height; their scales; 80 coefficients.
    rpc = (-1.0, -1.0, 6.0, 9.5, 48.2, 11.5, 520.0, 7.0, 11.0, 0.1, 0.2, 500.0, *np.linspace(-1, 1, 80))
    buffer = io.BytesIO()
    extra = [(50844, 12, len(rpc), rpc, True)]
    tifffile.imwrite(buffer, np.zeros((HEIGHT, WIDTH), np.uint8), extratags=extra, metadata=None)
    page = read(buffer.getvalue()).pages[0]
    enlarged = replace(page, pixels=np.repeat(np.repeat(page.pixels, 2, 0), 3, 1))
    assert write([enlarged], tmp_path / "a.tif", format="tiff").warnings == ()
    with tifffile.TiffFile(tmp_path / "a.tif") as new:
        after = new.pages[0].tags[50844].value
    for line, sample in ((-1, -1), (0.3, 0.7), (1, 0)):
        before = seen_at(rpc, line, sample)
        assert seen_at(after, line, sample) == pytest.approx((2 * before[0], 3 * before[1]))
    untouched = [index for index in range(92) if index not in (2, 3, 7, 8)]
    assert [after[index] for index in untouched] == [rpc[index] for index in untouched]
    assert any("georeference" in text for text in write([page], tmp_path / "a.png", format="png").warnings)


def test_a_georeference_has_no_place_in_a_png_and_none_in_a_turned_picture(tmp_path):
    document = read(geotiff(scale=(10.0, 10.0, 0.0), tie=(0.0,) * 6))
    info = write(document, tmp_path / "a.png", format="png")
    assert any("georeference" in text for text in info.warnings)
    back = read(tmp_path / "a.png").pages[0].metadata.exif
    assert back is None or not georeference.is_in(back)


@pytest.mark.parametrize("factor", [1, 2])
def test_the_calibration_of_imagej_grows_with_the_picture(tmp_path, factor):
    path = tmp_path / "a.tif"
    samples = np.zeros((8, 10), np.uint8)
    tifffile.imwrite(path, samples, imagej=True, resolution=(4, 5), metadata={"unit": "um"})
    page = read(path).pages[0]
    big = replace(page, pixels=np.zeros((8 * factor, 10 * factor, 1), np.float32))
    write([big], tmp_path / "b.tif", format="tiff")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tags = file.pages[0].tags
        assert tags[282].value[0] / tags[282].value[1] == 4 * factor
        assert tags[283].value[0] / tags[283].value[1] == 5 * factor
        assert tags[296].value == 1
        assert "unit=um" in tags[270].value
    info = write([big], tmp_path / "b.png", format="png")
    assert any("calibration" in text for text in info.warnings)


def test_the_sizes_of_ome_grow_with_the_picture(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        np.zeros((8, 10), np.uint8),
        metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25},
    )
    page = read(tmp_path / "a.ome.tif").pages[0]
    write([replace(page, pixels=np.zeros((16, 20, 1), np.float32))], tmp_path / "b.tif", format="tiff")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        text = file.pages[0].tags[270].value
    for wanted in ('SizeX="20"', 'SizeY="16"', 'PhysicalSizeX="0.25"', 'PhysicalSizeY="0.125"'):
        assert wanted in text


def test_resolution_that_stands_only_in_exif_is_kept(tmp_path):
    block = Image.Exif()
    block[0x011A], block[0x011B], block[0x0128] = 180.0, 90.0, 2
    document = read(jpeg_with(block))
    for name in ("png", "tiff", "jpg", "bmp"):
        write(document, tmp_path / f"a.{name}", format=name)
        assert read(tmp_path / f"a.{name}").pages[0].metadata.dpi == pytest.approx((180, 90), abs=0.1)


@pytest.mark.parametrize("name", ["jpg", "tiff", "png", "webp", "avif", "bmp", "jp2"])
@pytest.mark.parametrize("dpi", [0.4, 101_600.0, 4e9])
def test_no_resolution_is_too_fine_or_too_coarse_to_be_written(tmp_path, name, dpi):
    buffer = io.BytesIO()
    resolution = {"resolution": (dpi, dpi), "resolutionunit": "INCH"}
    tifffile.imwrite(buffer, np.zeros((8, 8, 3), np.uint8), photometric="rgb", metadata=None, **resolution)
    write(read(buffer.getvalue()), tmp_path / "a", format=name)
    if dpi == 101_600 and name != "bmp":
        assert read(tmp_path / "a").pages[0].metadata.dpi == pytest.approx((dpi, dpi), rel=1e-4)


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("with_own", [False, True])
def test_the_resolution_turns_with_the_picture_also_in_exif(tmp_path, orientation, with_own):
    block = Image.Exif()
    block[0x0112], block[0x011A], block[0x011B], block[0x0128] = orientation, 300.0, 150.0, 2
    buffer = io.BytesIO()
    picture().save(buffer, "JPEG", exif=block, **({"dpi": (300, 150)} if with_own else {}))
    expected = (150, 300) if orientation == 6 else (300, 150)
    for name in ("png", "tiff", "webp", "jpg"):
        write(read(buffer.getvalue()), tmp_path / "a", format=name)
        assert read(tmp_path / "a").pages[0].metadata.dpi == pytest.approx(expected, rel=1e-4)
        with Image.open(tmp_path / "a") as image:
            seen = image.getexif()
        assert (seen[0x011A], seen[0x011B]) == expected


def test_formats_without_a_place_for_it_have_the_resolution_in_exif(tmp_path):
    original = Photo(np.zeros((8, 8, 3), np.float32), metadata=Metadata(dpi=(300.0, 150.0)))
    for name in ("webp", "avif"):
        assert write([original], tmp_path / f"a.{name}", format=name).warnings == ()
        assert read(tmp_path / f"a.{name}").pages[0].metadata.dpi == pytest.approx((300, 150))
    assert any("resolution" in text for text in write([original], tmp_path / "a.ppm", format="ppm").warnings)


def jpeg_with(block: Image.Exif) -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, "JPEG", exif=block)
    return buffer.getvalue()


def test_comments_go_where_there_is_a_place_and_are_warned_of_elsewhere(tmp_path):
    texts = (("Comment", "plate 17"), ("Title", "a cat"), ("Comment", "写真"))
    original = Photo(np.zeros((8, 8, 3), np.float32), metadata=Metadata(description=texts))
    info = write([original], tmp_path / "a.jpg", format="jpg")
    back = read(tmp_path / "a.jpg").pages[0].metadata.description
    assert back == (texts[0], texts[2])
    assert any("Title" in text and "Comment" not in text for text in info.warnings)
    assert any(
        "Comment, Title" in text for text in write([original], tmp_path / "a.webp", format="webp").warnings
    )
    assert write([original], tmp_path / "a.png", format="png").warnings == ()


def resource(number: int, body: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + bytes(len(body) % 2)


@pytest.mark.parametrize("target", ["jpg", "tiff", "png", "jp2"])
def test_copyright_flag_and_a_second_block_of_captions_are_kept(tmp_path, target):
    first, second = b"\x1c\x02\x78\x00\x03cap", b"\x1c\x02\x69\x00\x05title"
    blocks = (
        resource(0x0404, first)
        + resource(0x040A, b"\1")
        + resource(0x0404, second)
        + resource(0x040C, bytes(9))
    )
    body = b"Photoshop 3.0\0" + blocks
    segment = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    whole = jpeg_with(Image.Exif())
    document = read(whole[:2] + segment + whole[2:])
    write(document, tmp_path / f"a.{target}", format=target)
    back = read(tmp_path / f"a.{target}").pages[0].metadata
    assert back.iptc == first + second
    assert back.resources == resource(0x040A, b"\1")


@pytest.mark.parametrize("bad", [(0, 0, 0, 0), (0x9999, 2, 400, 0x7FFFFFFF), (0x8888, 77, 1, 0)])
def test_a_malformed_entry_does_not_hide_the_rest(tmp_path, bad):
    entries = [(0x010F, 2, 6, 62), bad, (0x0110, 2, 6, 68), (0x0112, 3, 1, 1)]
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 4) + b"".join(struct.pack("<HHII", *e) for e in entries)
    block += bytes(4) + b"MAKER\0MODEL\0"
    whole = jpeg_with(Image.Exif())
    app1 = b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block
    document = read(whole[:2] + app1 + whole[2:])
    for name in ("jpg", "tiff", "png"):
        write(document, tmp_path / f"a.{name}", format=name, provenance={"software": "restore"})
        with Image.open(tmp_path / f"a.{name}") as image:
            seen = image.getexif()
        assert (seen[0x010F], seen[0x0110]) == ("MAKER", "MODEL")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", ["jpg", "tiff", "png", "avif"])
def test_a_value_that_is_cut_off_does_not_become_other_bytes_of_the_result(tmp_path, name, order):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    first = struct.pack(order + "HHHIII", 1, 0x8769, 4, 1, 26, 0)
    iso = struct.pack(order + "HHIHH", 0x8827, 3, 1, 100, 0)
    inner = struct.pack(order + "H", 2) + iso + struct.pack(order + "HHIII", 0x9003, 2, 20, 56, 0)
    block = mark + struct.pack(order + "I", 8) + first + inner + b"2020:01:02"  # 20 bytes are announced
    whole = jpeg_with(Image.Exif())
    app1 = b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block
    write(read(whole[:2] + app1 + whole[2:]), tmp_path / "a", format=name, provenance={"software": "restore"})
    with Image.open(tmp_path / "a") as image:
        seen = image.getexif().get_ifd(0x8769)
    assert seen[0x8827] == 100 and 0x9003 not in seen


def note_block(note: bytes) -> bytes:
    inner_at, note_at = 26, 26 + 18
    first = struct.pack("<HHHIII", 1, 0x8769, 4, 1, inner_at, 0)
    inner = struct.pack("<HHHIII", 1, 0x927C, 7, len(note), note_at, 0)
    return b"II*\0\x08\0\0\0" + first + inner + note


NOTES = {
    "Nikon": b"Nikon\0\2\x10\0\0II*\0" + bytes(20),
    "Olympus": b"OLYMPUS\0II\3\0" + bytes(20),
    "Canon": b"\x1c\0\1\0\3\0" + bytes(30),
    "Sony": b"SONY DSC \0\0\0" + bytes(20),
}


@pytest.mark.parametrize("note", NOTES.values(), ids=NOTES)
@pytest.mark.parametrize("name", ["tiff", "png", "jpg", "webp", "jp2"])
def test_maker_notes_do_not_move_in_any_format(tmp_path, note, name):
    block = exif.for_output(note_block(note), 8, 8, "x")
    original = Photo(np.zeros((8, 8, 3), np.float32), metadata=Metadata(exif=block))
    assert write([original], tmp_path / "a", format=name).warnings == ()
    data = (tmp_path / "a").read_bytes()
    start = 0 if name == "tiff" else data.index(block[:4], 12 if name == "webp" else 4)
    assert data[start + 44 : start + 44 + len(note)] == note


@pytest.mark.parametrize("maker", NOTES)
@pytest.mark.parametrize("last", ["jpg", "tiff"])
def test_maker_notes_keep_their_place_from_jpeg_to_tiff_and_on(tmp_path, maker, last):
    note = NOTES[maker]
    photo = Photo(np.zeros((8, 8, 3), np.float32), metadata=Metadata(exif=note_block(note)))
    write([photo], tmp_path / "a.tiff", format="tiff")
    page = read(tmp_path / "a.tiff").pages[0]
    assert page.warnings == ()
    write([page], tmp_path / "b", format=last)
    data = (tmp_path / "b").read_bytes()
    start = 0 if last == "tiff" else data.index(b"Exif\0\0") + 6
    assert maker in ("Nikon", "Olympus") or data[start + 44 : start + 44 + len(note)] == note
    assert note in data


@pytest.mark.parametrize("maker", NOTES)
def test_maker_notes_far_behind_in_a_tiff_are_kept_only_where_they_can_move(tmp_path, maker):
    block = note_block(NOTES[maker])
    far = block[:26] + struct.pack("<HHHIII", 1, 0x927C, 7, len(NOTES[maker]), 70_000, 0)
    photo = Photo(
        np.zeros((160, 160, 3), np.float32),
        metadata=Metadata(exif=far + bytes(70_000 - len(far)) + NOTES[maker]),
    )
    write([photo], tmp_path / "a.tiff", format="tiff")
    page = read(tmp_path / "a.tiff").pages[0]
    movable = maker in ("Nikon", "Olympus")
    assert (NOTES[maker] in page.metadata.exif) is movable
    assert any("maker notes" in text for text in page.warnings) is not movable


def test_maker_notes_do_not_move_in_an_avif(tmp_path):
    block = note_block(b"\x1c\0\1\0\3\0" + bytes(range(30)))
    original = Photo(
        np.zeros((8, 8, 3), np.float32), metadata=Metadata(exif=exif.for_output(block, 8, 8, "x"))
    )
    write([original], tmp_path / "a.avif", format="avif")
    assert block[26:] in (tmp_path / "a.avif").read_bytes()


def test_tags_of_a_bigtiff_are_read():
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((8, 8), np.uint8), bigtiff=True, description="a cat", metadata=None)
    block, without_notes = tiff_tags.extract(buffer)
    assert block is not None and not without_notes
    assert b"a cat" in block
    assert read(buffer.getvalue()).pages[0].metadata.exif == block
