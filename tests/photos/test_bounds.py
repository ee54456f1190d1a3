"""Files of a few kilobytes that claim the world: read as far as they are a picture, or refused."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from restorecli import host
from restorecli.errors import PhotoError, TooLargeError, UnreadableError, UnsupportedError
from restorecli.photos import read as reading
from restorecli.photos.formats import jpeg, png, tiff_chain
from restorecli.photos.formats.boxed import av1, boxes, jpeg2000
from restorecli.photos.formats.png import SIGNATURE, chunk
from restorecli.photos.metadata import tiff_tags
from restorecli.photos.outlook import outlook
from restorecli.photos.read import measure, read, size

RGB = np.random.default_rng(3).integers(0, 256, (9, 14, 3), dtype=np.uint8)


def tiff(*pages: np.ndarray, **options: object) -> bytearray:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, **options) as writer:
        for page in pages:
            writer.write(page, metadata=None, software=False)
    return bytearray(buffer.getvalue())


def directories(data: bytes) -> list[tuple[int, int]]:
    """Where each directory of a classic TIFF begins, and where it says which follows."""
    found = []
    (at,) = struct.unpack_from("<I", data, 4)
    while at:
        (entries,) = struct.unpack_from("<H", data, at)
        found.append((at, at + 2 + 12 * entries))
        (at,) = struct.unpack_from("<I", data, at + 2 + 12 * entries)
    return found


def circle(length: int, back_to: int) -> bytes:
    data = tiff(*[RGB] * length)
    chain = directories(data)
    struct.pack_into("<I", data, chain[-1][1], chain[back_to][0])
    return bytes(data)


@pytest.mark.parametrize(("length", "back_to"), [(1, 0), (3, 0), (3, 2), (120, 60)])
def test_a_circle_of_directories_is_read_once_round(length: int, back_to: int) -> None:
    document = read(circle(length, back_to))
    assert len(document.pages) == length
    assert "loop" in document.warnings[0]
    assert size(circle(length, back_to)) == (14, 9)


def test_a_circle_of_a_bigtiff_is_read_once_round() -> None:
    data = tiff(RGB, bigtiff=True)
    (at,) = struct.unpack_from("<Q", data, 8)
    (entries,) = struct.unpack_from("<Q", data, at)
    struct.pack_into("<Q", data, at + 8 + 20 * entries, at)
    assert len(read(bytes(data)).pages) == 1


def test_directories_that_overlap_are_refused() -> None:
    data = tiff(RGB, RGB)
    chain = directories(data)
    struct.pack_into("<H", data, chain[1][0], 60000)
    with pytest.raises(PhotoError):
        read(bytes(data))


def test_a_page_of_a_million_strips_that_are_not_there_is_refused() -> None:
    data = tiff(RGB)
    at, end = directories(data)[0]
    for entry in range(at + 2, end, 12):
        if struct.unpack_from("<H", data, entry)[0] in (257, 278):  # its height, and the rows of a strip
            tall = struct.unpack_from("<H", data, entry)[0] == 257
            struct.pack_into("<HII", data, entry + 2, 4, 1, 4_000_000 if tall else 1)
    with pytest.raises(UnreadableError, match="not there"):
        read(bytes(data))


def test_too_many_pages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_chain, "MOST_PAGES", 5)
    monkeypatch.setattr("restorecli.photos.formats.tiff.MOST_PAGES", 5)
    assert len(read(bytes(tiff(*[RGB] * 5))).pages) == 5
    with pytest.raises(UnsupportedError, match="5 pages"):
        read(bytes(tiff(*[RGB] * 7)))


def test_a_directory_of_inner_directories_in_a_circle_ends() -> None:
    data = tiff(RGB)
    at, end = directories(data)[0]
    entries = (end - at - 2) // 12
    table = bytes(data[at + 2 : end])
    where = len(data)
    inner = struct.pack("<HHII", 330, 4, 1, where)
    data += struct.pack("<H", entries + 1) + table + inner + bytes(4)
    struct.pack_into("<I", data, 4, where)
    assert len(read(bytes(data)).pages) == 1


def test_samples_count_and_not_only_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    many, few = (many_samples(count) for count in (900, 90))
    monkeypatch.setattr(host, "total_bytes", lambda: 700_000)
    with pytest.raises(TooLargeError, match="900 samples"):
        read(many)
    assert read(few).pages[0].width == 20


def many_samples(count: int) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, np.zeros((20, 20, count), np.uint8), photometric="minisblack", planarconfig="contig"
    )
    return buffer.getvalue()


def test_pages_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "total_bytes", lambda: 100_000)
    assert len(read(bytes(tiff(*[RGB] * 20))).pages) == 20
    with pytest.raises(TooLargeError, match="60 pages"):
        read(bytes(tiff(*[RGB] * 60)))


def with_texts(kind: bytes, each: int, count: int) -> bytes:
    plain = imagecodecs.png_encode(RGB)
    packed = zlib.compress(bytes(each), 9)
    body = {b"zTXt": b"K\0\0" + packed, b"iTXt": b"K\0\1\0\0\0" + packed, b"iCCP": b"K\0\0" + packed}[kind]
    head = len(SIGNATURE) + 25
    return plain[:head] + chunk(kind, body) * count + plain[head:]


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_compressed_entries_are_bounded_in_sum(kind: bytes) -> None:
    photo = read(with_texts(kind, 15 << 20, 8)).pages[0]
    assert sum(len(value) for _, value in photo.metadata.description) <= 64 << 20
    assert any(f"damaged {kind.decode()}" in text for text in photo.warnings)
    assert np.array_equal(np.rint(photo.pixels * 255), RGB)


def test_values_that_are_shared_by_many_entries_are_bounded_in_sum() -> None:
    entries, value = 300, 1 << 20
    head = b"II*\0" + struct.pack("<IH", 8, entries)
    place = 8 + 2 + 12 * entries + 4
    table = b"".join(struct.pack("<HHII", 0xC000 + tag, 7, value, place) for tag in range(entries))
    with pytest.raises(ValueError, match="all of them together"):
        tiff_tags.extract(io.BytesIO(head + table + bytes(4) + bytes(value)))


@pytest.mark.parametrize("digits", [10, 5000])
@pytest.mark.parametrize("head", ["#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {} +X 5\n", "P5\n{} 5\n255\n"])
def test_numbers_of_any_length_are_no_traceback(head: str, digits: int) -> None:
    data = head.format("1" * digits).encode() + bytes(64)
    with pytest.raises(PhotoError):
        read(data)
    with contextlib.suppress(PhotoError):
        size(data)


def exr_header(pixels: np.ndarray) -> bytes:
    """The head of an OpenEXR file whose data window does not begin at zero."""
    height, width = pixels.shape[:2]
    window = struct.pack("<iiii", -5, 7, width - 6, height + 6)
    attributes = b"dataWindow\0box2i\0" + struct.pack("<I", 16) + window
    return b"\x76\x2f\x31\x01\2\0\0\0" + attributes + bytes(64)


@pytest.mark.parametrize(("width", "height"), [(8, 8), (256, 256), (40, 30), (1921, 1080), (31, 5), (64, 48)])
@pytest.mark.parametrize("codec", ["jpegxl", "exr", "hdr", "qoi"])
def test_headers_tell_the_size_before_anything_is_decoded(codec: str, width: int, height: int) -> None:
    pixels = np.zeros((height, width, 3), np.float32 if codec == "hdr" else np.uint8)
    encode = {"jpegxl": imagecodecs.jpegxl_encode, "hdr": imagecodecs.rgbe_encode}
    encode |= {"qoi": imagecodecs.qoi_encode, "exr": exr_header}
    assert size(bytes(encode[codec](pixels))) == (width, height)


def test_jpeg_xl_and_exr_are_refused_by_their_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "total_bytes", lambda: 1_000_000)
    large = np.zeros((400, 400, 3), np.uint8)
    for data in (
        imagecodecs.jpegxl_encode(large),
        exr_header(large),
    ):
        with pytest.raises(TooLargeError, match="400×400"):
            read(bytes(data))


def test_a_code_stream_larger_than_its_box_says_counts() -> None:
    data = imagecodecs.jpeg2k_encode(RGB, codecformat="jp2", reversible=True)
    found, _ = jpeg2000.extent(bytes(data), "a.jp2")
    assert (found.width, found.height, found.channels) == (14, 9, 3)


def test_a_sparse_file_beyond_the_memory_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "total_bytes", lambda: 10_000_000)
    path = tmp_path / "large.jpg"
    with path.open("wb") as stream:
        stream.write(b"\xff\xd8\xff")
        stream.truncate(1 << 40)
    with pytest.raises(TooLargeError, match="its bytes alone"):
        measure(path)


def test_a_sparse_png_is_no_png(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as stream:
        stream.write(SIGNATURE)
        stream.truncate(1 << 40)
    with pytest.raises(UnreadableError, match="no chunk where one should be"):
        measure(path)


@pytest.mark.parametrize("look", [measure, read, outlook])
def test_a_file_whose_tables_no_memory_holds_is_too_large(
    look: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    path = tmp_path / "large.tif"
    path.write_bytes(tiff(RGB))
    look(path)
    monkeypatch.setattr(tifffile, "TiffFile", exhausted)
    with pytest.raises(TooLargeError, match="memory"):
        look(path)


def test_a_dry_run_does_not_read_the_pixels_of_a_large_png(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = zlib.compressobj()
    rows = machine.compress(bytes(1001 * 100)) + machine.flush(zlib.Z_SYNC_FLUSH)
    path = tmp_path / "large.png"
    with path.open("wb") as stream:
        stream.write(SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 1000, 1 << 22, 8, 0, 0, 0, 0)))
        stream.write(struct.pack(">I4s", 1 << 30, b"IDAT") + rows)
        stream.seek((1 << 30) - len(rows) + 4, io.SEEK_CUR)
        stream.write(chunk(b"IEND", b""))
    monkeypatch.setattr(host, "total_bytes", lambda: 10_000_000)
    tracemalloc.start()
    assert outlook(path).width == 1000
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 100 << 20


def test_a_png_with_endless_chunks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = imagecodecs.png_encode(RGB)
    at = data.index(b"IDAT") - 4
    path = tmp_path / "large.png"
    path.write_bytes(data[:at] + 60 * chunk(b"tEXt", b"a\0b") + data[at:])
    measure(path)
    monkeypatch.setattr(png, "_MOST_CHUNKS", 50)
    with pytest.raises(TooLargeError, match="50 chunks"):
        measure(path)
    monkeypatch.undo()
    monkeypatch.setattr(png, "_MOST_BESIDE", 500)
    with pytest.raises(TooLargeError, match="beside its pixels"):
        measure(path)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "JPEG")
    data = buffer.getvalue()
    at = data.index(b"\xff\xda")
    many = data[:at] + data[at:-2] * (jpeg._MOST_SCANS + 1) + data[-2:]
    with pytest.raises(UnreadableError, match="scans"):
        read(many)


def test_what_a_header_parser_raises_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise RecursionError("too deep")

    monkeypatch.setattr(reading.png, "read_header", broken)
    with pytest.raises(UnreadableError, match="the data: the header is damaged"):
        size(imagecodecs.png_encode(RGB))


@pytest.mark.parametrize(("sizes", "stretch", "most"), [(b"\x00\x00", b"", 3), (b"\x44\x00", bytes(8), 5)])
def test_items_have_no_more_stretches_than_there_is_room_for(sizes: bytes, stretch: bytes, most: int) -> None:
    items = 3 * (struct.pack(">HHH", 1, 0, 60000) + stretch)
    body = bytes(4) + sizes + struct.pack(">H", 3) + items
    data = boxes.box(b"meta", bytes(4) + boxes.box(b"iloc", body)) + bytes(1 << 20)
    found = list(boxes.places(data))
    assert len(found) == 3
    assert 0 < sum(len(place.stretches) for place in found) <= most


def test_a_sequence_header_is_looked_for_at_the_beginning_of_a_stream_only() -> None:
    header = bytes.fromhex("0a0d0000000227fe6d7c880868342032")
    delimiter = b"\x12\0"
    assert av1.colours_of(10 * delimiter + header) is not None
    assert av1.colours_of(5000 * delimiter + header) is None
    assert av1.colours_of(b"\x12" + b"\x80" * (1 << 22)) is None  # a length that never ends
