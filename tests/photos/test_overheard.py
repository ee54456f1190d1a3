"""What libpng and LibRaw print on standard error becomes warnings, file by file."""

from __future__ import annotations

import io
import os
import struct
import threading
import time
import warnings
import zlib

import pytest
from PIL import Image

from restorecli.errors import UnreadableError
from restorecli.photos import overheard
from restorecli.photos.formats.png import SIGNATURE, chunk
from restorecli.photos.overheard import heard
from restorecli.photos.read import read

LIBPNG = "libpng says of the file: IDAT: Too much image data"


def png(surplus: bytes = b"", behind: bytes = b"") -> bytes:
    rows = b"".join(b"\0" + bytes(range(30)) for _ in range(10))
    header = struct.pack(">IIBBBBB", 10, 10, 8, 2, 0, 0, 0)
    pixels = zlib.compress(rows + surplus) + behind
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "warnings"),
    [
        (png(), ()),
        (png(surplus=bytes(500)), (LIBPNG,)),
        (png(behind=b"x" * 40), ("libpng says of the file: IDAT: Extra compressed data",)),
    ],
    ids=["sound", "too many pixels", "more behind them"],
)
def test_what_libpng_prints_is_a_warning(data: bytes, warnings: tuple[str, ...], capfd):
    photo = read(data).pages[0]
    assert photo.warnings == warnings and photo.pixels.shape == (10, 10, 3)
    assert capfd.readouterr().err == ""


def test_warnings_are_those_of_their_own_file_though_threads_read_at_once(capfd):
    sound, odd, found = png(), png(surplus=bytes(500)), {}

    def work(number: int) -> None:
        data = sound if number % 3 else odd
        found[number] = {read(data).warnings for _ in range(20)}

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: {()} if number % 3 else {(LIBPNG,)} for number in range(6)}
    assert capfd.readouterr().err == ""


def test_what_is_no_complaint_about_a_file_is_passed_on(capfd):
    def decode() -> int:
        os.write(2, b"unknown file: Unexpected end of file\nfrom somebody else\n")
        return 5

    assert heard(decode, libraw=True) == (5, ("LibRaw says of the file: Unexpected end of file",))
    assert capfd.readouterr().err == "from somebody else\n"


def test_an_error_gives_the_descriptor_back(capfd):
    def decode() -> None:
        os.write(2, b"unknown file: data corrupted at 5\n")
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        heard(decode, libraw=True)
    os.write(2, b"seen\n")
    assert capfd.readouterr().err == "seen\n"


def test_a_decoder_that_hangs_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(overheard, "PATIENCE", 0.05)
    begun, free = threading.Event(), threading.Event()
    hanging = threading.Thread(target=lambda: heard(lambda: (begun.set(), free.wait()), libraw=True))
    hanging.start()
    begun.wait()
    assert heard(lambda: 5, libraw=True) == (5, ())
    free.set()
    hanging.join()


def test_who_waits_for_another_gives_back_what_there_was_before(capfd):
    begun, free = threading.Event(), threading.Event()
    first = threading.Thread(target=lambda: heard(lambda: (begun.set(), free.wait()), libraw=True))
    second = threading.Thread(target=lambda: heard(lambda: 5, libraw=True))
    first.start()
    begun.wait()
    second.start()
    time.sleep(0.1)  # until it waits
    free.set()
    first.join()
    second.join()
    os.write(2, b"seen\n")
    assert capfd.readouterr().err == "seen\n"


def test_without_room_for_a_file_decoding_goes_on(monkeypatch: pytest.MonkeyPatch):
    def full(**_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(overheard.tempfile, "TemporaryFile", full)
    for _ in range(2):
        assert heard(lambda: 5, libraw=True) == (5, ())


@pytest.mark.shared
def test_a_real_raw_file_without_its_end_is_refused_without_a_word_beside(shared_data, capfd):
    with pytest.raises(UnreadableError, match="cut short"):
        read(shared_data / "raw" / "broken" / "fujifilm_metadata_only.raf")
    assert capfd.readouterr().err == ""


@pytest.mark.filterwarnings("always:Image was not the expected size:UserWarning")
def test_what_pillow_warns_of_is_a_warning_of_each_file(capfd, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(warnings, "showwarning", overheard.show_warning)  # pytest has put its own there
    buffer = io.BytesIO()
    Image.new("RGBA", (16, 16), "red").save(buffer, "ico", sizes=[(16, 16)])
    data = bytearray(buffer.getvalue())
    data[6:8] = 8, 8  # the directory's own words on the size
    for _ in range(2):
        assert "Pillow says of the file: Image was not the expected size" in read(bytes(data)).warnings
    assert capfd.readouterr().err == ""


def test_a_closed_standard_error_is_no_hindrance():
    kept = os.dup(2)
    os.close(2)
    try:
        assert heard(lambda: 1, libraw=True) == (1, ())
    finally:
        os.dup2(kept, 2)
        os.close(kept)
