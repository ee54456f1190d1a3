"""Writing: round trips bit by bit against independent decoders, and files that appear whole or not at all."""

from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from restorecli.errors import TooLargeError, UnsupportedError, WriteError
from restorecli.photo import Depth, Metadata, Photo
from restorecli.photos.formats import encode
from restorecli.photos.formats.packing import tiff_write
from restorecli.photos.formats.table import FORMATS, RAW_ONLY, WRITABLE
from restorecli.photos.read import read
from restorecli.photos.records import FILE_NAME, Record
from restorecli.photos.write import write


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


RNG = np.random.default_rng(5)


def photo(channels: int = 3, alpha: bool = False, height: int = 12, width: int = 15, **more: object) -> Photo:
    values = RNG.random((height, width, channels + alpha), dtype=np.float32)
    return Photo(
        pixels=np.ascontiguousarray(values[:, :, :channels]),
        alpha=np.ascontiguousarray(values[:, :, channels]) if alpha else None,
        **more,
    )


def rounded(values: np.ndarray, peak: int) -> np.ndarray:
    return np.rint(np.asarray(values, np.float64) * peak)


PICTURES = [name for name in WRITABLE if name not in RAW_ONLY]
LOSSLESS = [name for name in PICTURES if not FORMATS[name].lossy]


HELD = [
    (name, channels, alpha, depth)
    for name in LOSSLESS
    for channels in (1, 3)
    for alpha in (False, True)[: 1 + FORMATS[name].alpha]
    for depth in FORMATS[name].depths
]


@pytest.mark.parametrize(("name", "channels", "alpha", "depth"), HELD)
def test_lossless_formats_give_back_every_bit(tmp_path, name, channels, alpha, depth):
    original = photo(channels, alpha, depth=depth)
    target = tmp_path / f"a{FORMATS[name].suffix}"
    info = write([original], target, format=name)
    assert info.warnings == ()
    assert info.bytes == target.stat().st_size
    assert (info.width, info.height) == (15, 12)
    back = read(target).pages[0]
    peak = {Depth.UINT8: 255, Depth.UINT16: 65535}.get(depth)
    same = (
        (lambda a, b: np.allclose(a, b, atol=3e-6) if name == "exr" else np.array_equal(a, b))
        if peak is None
        else (lambda a, b: np.array_equal(rounded(a, peak), rounded(b, peak)))
    )
    wanted = np.repeat(original.pixels, 3, axis=2) if back.pixels.shape[2] > channels else original.pixels
    assert back.depth is depth
    assert same(back.pixels, wanted)
    assert (back.alpha is None) == (not alpha)
    if alpha:
        assert same(back.alpha, original.alpha)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_files_as_other_decoders_read_them(tmp_path, channels, alpha):
    original = photo(channels, alpha, depth=Depth.UINT16)
    samples = original.pixels if not alpha else np.dstack([original.pixels, original.alpha])
    write([original], tmp_path / "a.png", format="png")
    write([original], tmp_path / "a.tiff", format="tiff")
    wanted = rounded(samples, 65535).squeeze()
    assert np.array_equal(imagecodecs.png_decode((tmp_path / "a.png").read_bytes()), wanted)
    assert np.array_equal(tifffile.imread(tmp_path / "a.tiff"), wanted)
    with tifffile.TiffFile(tmp_path / "a.tiff") as file:
        assert [int(kind) for kind in file.pages[0].extrasamples] == ([2] if alpha else [])


def test_8_bit_files_as_pillow_reads_them(tmp_path):
    original = photo()
    for name in ("png", "tiff", "webp", "bmp", "ppm", "tga", "qoi"):
        target = tmp_path / f"a{FORMATS[name].suffix}"
        write([original], target, format=name)
        assert np.array_equal(np.asarray(opened(target).convert("RGB")), rounded(original.pixels, 255)), name


def test_values_are_rounded_half_to_even_and_clipped():
    values = np.array([[-0.2, 0.5 / 255, 1.5 / 255, 2.5 / 255, 254.6 / 255, 1.7]], np.float64).astype(
        np.float32
    )
    assert encode.quantized(values, Depth.UINT8)[0].tolist() == [0, 0, 2, 2, 255, 255]


def test_float_tiff_keeps_what_lies_beyond_white(tmp_path):
    original = replace(
        photo(depth=Depth.FLOAT32, format="tiff"), pixels=np.array([[[-1, 0.5, 9]]], np.float32)
    )
    info = write([original], tmp_path / "a.tiff")
    assert info.format == "tiff"
    assert tifffile.imread(tmp_path / "a.tiff").ravel().tolist() == [-1, 0.5, 9]


@pytest.mark.parametrize("depth", list(Depth))
@pytest.mark.parametrize("channels", [1, 3])
def test_a_tiff_has_the_byte_order_of_its_exif_block(tmp_path, depth, channels):
    block = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIII", 1, 0x0110, 2, 5, 26, 0) + b"Model\0"
    samples = photo(channels, metadata=Metadata(exif=block))
    write([samples], tmp_path / "a.tiff", format="tiff", depth=depth)
    assert (tmp_path / "a.tiff").read_bytes()[:2] == b"MM"
    found = tifffile.imread(tmp_path / "a.tiff").reshape(samples.pixels.shape)
    peak = {Depth.UINT8: 255, Depth.UINT16: 65535}.get(depth)
    expected = samples.pixels if peak is None else rounded(samples.pixels, peak)
    assert np.array_equal(found, expected)


def test_jpeg_is_close_and_flattens_transparency_with_a_warning(tmp_path):
    flat = Photo(np.full((16, 16, 3), 0.25, np.float32), np.full((16, 16), 0.5, np.float32))
    info = write([flat], tmp_path / "a.jpg", format="jpg", jpeg_quality=98)
    assert abs(read(tmp_path / "a.jpg").pages[0].pixels - 0.625).max() < 0.02
    assert any("transparency" in text for text in info.warnings)


def test_quality_sets_the_size_and_the_subsampling(tmp_path):
    original = photo(height=64, width=64)
    low = write([original], tmp_path / "low.jpg", format="jpg", jpeg_quality=50)
    high = write([original], tmp_path / "high.jpg", format="jpg", jpeg_quality=95)
    assert low.bytes < high.bytes
    assert opened(tmp_path / "high.jpg").layer[0][1:3] == (1, 1)


def test_a_depth_that_the_format_lacks_is_said(tmp_path):
    info = write([photo(depth=Depth.UINT16)], tmp_path / "a.webp", format="webp")
    assert any("16 bits" in text for text in info.warnings)
    assert write([photo()], tmp_path / "a.png", format="png", depth=Depth.UINT16).warnings == ()
    assert read(tmp_path / "a.png").pages[0].depth is Depth.UINT16


def test_several_pages_go_into_a_tiff_and_nowhere_else(tmp_path):
    pages = [photo(), photo(1, depth=Depth.UINT16)]
    write(pages, tmp_path / "a.tiff", format="tiff")
    back = read(tmp_path / "a.tiff").pages
    assert [(p.pixels.shape[2], p.depth) for p in back] == [(3, Depth.UINT8), (1, Depth.UINT16)]
    with pytest.raises(UnsupportedError, match="2 pages"):
        write(pages, tmp_path / "a.png", format="png")


def test_giants_become_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_write, "_LARGEST_CLASSIC", 100)
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    original = photo(metadata=Metadata(exif=exif.tobytes().removeprefix(b"Exif\0\0")))
    info = write([original], tmp_path / "a.tiff", format="tiff")
    assert any("BigTIFF" in text for text in info.warnings)
    with tifffile.TiffFile(tmp_path / "a.tiff") as file:
        assert file.is_bigtiff
    assert np.array_equal(tifffile.imread(tmp_path / "a.tiff"), rounded(original.pixels, 255))


def test_float_pictures_of_other_kinds_become_float_tiff(tmp_path):
    values = RNG.random((3, 4), dtype=np.float32) * 5
    data = b"Pf\n4 3\n-1.0\n" + values[::-1].astype("<f4").tobytes()
    info = write(read(data), tmp_path / "a.tiff")
    assert info.format == "tiff"
    assert np.array_equal(tifffile.imread(tmp_path / "a.tiff"), values)


def test_a_stream_gets_the_same_bytes_as_a_file(tmp_path):
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data) -> int:
            self.data += bytes(data)
            return len(data)

    for name in ("png", "tiff", "jpg", "webp"):
        original = photo()
        pipe = Pipe()
        info = write([original], pipe, format=name)
        write([original], tmp_path / f"a.{name}", format=name)
        assert pipe.data == (tmp_path / f"a.{name}").read_bytes()
        assert info.bytes == len(pipe.data)


def test_same_input_gives_same_bytes(tmp_path):
    original = photo(metadata=Metadata(dpi=(300.0, 300.0)))
    for name in PICTURES:
        one, two = tmp_path / f"1{FORMATS[name].suffix}", tmp_path / f"2{FORMATS[name].suffix}"
        write([original], one, format=name, provenance={"software": "restore 1"})
        write([original], two, format=name, provenance={"software": "restore 1"})
        assert one.read_bytes() == two.read_bytes(), name


def test_missing_folders_are_made_and_names_may_be_of_any_script(tmp_path):
    target = tmp_path / "неделя" / "写真" / "é.png"
    write([photo()], target, format="png")
    assert read(target).pages[0].width == 15
    assert [path.name for path in target.parent.iterdir()] == ["é.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_a_write_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match=r"a\.png"):
        write([photo()], tmp_path / "a.png", format="png")


def test_a_file_in_the_way_of_a_folder_is_a_write_error(tmp_path):
    (tmp_path / "out").write_text("not a folder")
    with pytest.raises(WriteError, match=r"a\.png: a part of its path is a file, not a folder"):
        write([photo()], tmp_path / "out" / "a.png", format="png")
    (tmp_path / "b.png").mkdir()
    with pytest.raises(WriteError, match=r"b\.png"):
        write([photo()], tmp_path / "b.png", format="png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.png", "out"]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("broken")]
)
@pytest.mark.parametrize("name", ["png", "tiff"])
def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error, name):
    target = tmp_path / f"a.{name}"
    target.write_bytes(b"old")

    def fail(pages, form, stream, quality):
        stream.write(b"half a picture")
        raise error

    monkeypatch.setattr(encode, "encode", fail)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else WriteError):
        write([photo()], target, format=name, record=Record(target, "x", (0, 0), {}))
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_bytes() == b"old"


def test_what_cannot_be_read_back_is_not_a_result(tmp_path, monkeypatch):
    monkeypatch.setattr(
        encode, "encode", lambda pages, form, stream, quality: stream.write(b"\x89PNG\r\n\x1a\nxx")
    )
    with pytest.raises(WriteError, match="read back"):
        write([photo()], tmp_path / "a.png", format="png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_process_interrupted_in_the_middle_leaves_nothing(tmp_path):
    script = textwrap.dedent(
        """
        import signal, sys, time
        from pathlib import Path
        import numpy as np
        from restorecli.photo import Photo
        from restorecli.photos.formats import encode
        from restorecli.photos.write import write

        def slow(pages, form, stream, quality):
            stream.write(b"half")
            stream.flush()
            print("begun", flush=True)
            time.sleep(60)

        encode.encode = slow
        signal.signal(signal.SIGINT, signal.default_int_handler)  # who started the tests may ignore it
        write([Photo(np.zeros((4, 4, 3), np.float32))], Path(sys.argv[1]) / "a.png", format="png")
        """
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"begun\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(signal.SIGINT)
        assert process.wait() != 0
    assert list(tmp_path.iterdir()) == []


def test_too_large_for_the_format(tmp_path):
    wide = Photo(np.zeros((1, 16384, 3), np.float32))
    with pytest.raises(TooLargeError, match="16383"):
        write([wide], tmp_path / "a.webp", format="webp")


def test_written_files_have_the_usual_mode(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write([photo()], tmp_path / "a.png", format="png")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_threads_write_into_one_folder(tmp_path):
    source = tmp_path / "in.png"
    write([photo()], source, format="png")
    out = tmp_path / "out"

    def work(number: int) -> None:
        for index in range(5):
            write(
                [photo()],
                out / f"{number}-{index}.png",
                format="png",
                record=Record(source, "f", (0, 0), {"n": "1"}),
            )

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(out.glob("*.png"))) == 20
    assert len((out / FILE_NAME).read_text().splitlines()) == 20
