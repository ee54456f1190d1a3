"""OpenEXR in and out: light, premultiplied alpha, primaries."""

from __future__ import annotations

import Imath
import numpy as np
import OpenEXR
import pytest

from restorecli.errors import PhotoError, UnsupportedError
from restorecli.imaging import icc
from restorecli.photo import Depth
from restorecli.photos.read import read, size
from restorecli.photos.write import write

RNG = np.random.default_rng(1)
LIGHT = (RNG.random((9, 13, 3)) * 3).astype(np.float32)


def exr(path, channels, **header):
    usual = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File({**usual, **header}, {name: np.ascontiguousarray(a) for name, a in channels.items()}).write(
        str(path)
    )
    return path


def rgb(light, kind=np.float32):
    return {name: light[:, :, index].astype(kind) for index, name in enumerate("RGB")}


def encoded(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_light_is_read_beyond_white(tmp_path, kind):
    path = exr(tmp_path / "a.exr", rgb(LIGHT, kind))
    photo = read(path).pages[0]
    assert size(path) == (13, 9)
    assert photo.depth is Depth.FLOAT32
    assert np.allclose(photo.pixels, encoded(LIGHT.astype(kind).astype(np.float64)), atol=2e-3)


def test_gray_layers_and_extra_channels(tmp_path):
    gray = read(exr(tmp_path / "a.exr", {"Y": LIGHT[:, :, 0], "Z": LIGHT[:, :, 1]})).pages[0]
    assert gray.is_gray
    assert any("1 further channel" in text for text in gray.warnings)
    layered = {f"beauty.{name}": plane for name, plane in rgb(LIGHT).items()}
    assert np.allclose(read(exr(tmp_path / "b.exr", layered)).pages[0].pixels, encoded(LIGHT), atol=2e-3)


def test_alpha_is_premultiplied_there_and_not_here(tmp_path):
    alpha = np.full((9, 13), 0.5, np.float32)
    path = exr(tmp_path / "a.exr", rgb(LIGHT * 0.5) | {"A": alpha})
    document = read(path)
    assert np.allclose(document.pages[0].alpha, 0.5)
    assert np.allclose(document.pages[0].pixels, encoded(LIGHT), atol=3e-3)
    write(document, tmp_path / "b.exr")
    back = OpenEXR.File(str(tmp_path / "b.exr"), separate_channels=True).channels()
    assert np.allclose(back["R"].pixels, LIGHT[:, :, 0] * 0.5, rtol=5e-3, atol=1e-3)
    assert np.allclose(back["A"].pixels, 0.5)


def test_primaries_of_the_file_count_and_those_written_are_named(tmp_path):
    white, primaries = icc.SPACES["rec2020"][:2], icc.SPACES["rec2020"][2:]
    path = exr(tmp_path / "a.exr", rgb(LIGHT), chromaticities=(*primaries, *white))
    document = read(path)
    assert document.pages[0].metadata.working == "rec2020"
    info = write(document, tmp_path / "b.exr")
    assert info.format == "exr"
    back = OpenEXR.File(str(tmp_path / "b.exr"), separate_channels=True)
    assert np.allclose(np.ravel(np.array(back.header()["chromaticities"]))[:2], primaries[:2], atol=1e-4)
    found = np.stack([back.channels()[name].pixels for name in "RGB"], axis=-1)
    assert np.allclose(found, LIGHT, rtol=5e-3, atol=1e-3)


def test_whole_numbers_are_no_light(tmp_path):
    identities = np.arange(48, dtype=np.uint32).reshape(6, 8)
    header = {"type": OpenEXR.scanlineimage}
    OpenEXR.File(header, dict.fromkeys("RGB", identities)).write(str(tmp_path / "a.exr"))
    with pytest.raises(UnsupportedError):
        read(tmp_path / "a.exr")


def test_what_is_no_picture_and_what_is_damaged(tmp_path):
    path = exr(tmp_path / "z.exr", {"Z": LIGHT[:, :, 0]})
    with pytest.raises(UnsupportedError, match="without colour"):
        read(path)
    whole = exr(tmp_path / "a.exr", rgb(LIGHT)).read_bytes()
    for length in (20, len(whole) // 2):
        with pytest.raises(PhotoError):
            read(whole[:length], name="cut.exr")


def chroma(light, weights):
    luma = light @ np.array(weights, np.float32)
    return {"Y": luma, "RY": (light[:, :, 0] - luma) / luma, "BY": (light[:, :, 2] - luma) / luma}


@pytest.mark.parametrize("prefix", ["", "beauty."])
def test_luminance_and_chroma_become_colours(tmp_path, prefix):
    planes = chroma(LIGHT + 0.1, (0.2126, 0.7152, 0.0722))
    path = exr(tmp_path / "a.exr", {prefix + name: plane for name, plane in planes.items()})
    photo = read(path).pages[0]
    assert not photo.warnings
    assert np.allclose(photo.pixels, encoded(LIGHT + 0.1), atol=2e-3)


def test_luminance_is_of_the_files_primaries(tmp_path):
    p3 = icc.SPACES["display-p3"]
    header = {"chromaticities": (*p3[2:], *p3[:2])}
    weights = (0.228975, 0.691739, 0.079287)  # of SMPTE EG 432-1
    path = exr(tmp_path / "a.exr", chroma(LIGHT + 0.1, weights), **header)
    direct = exr(tmp_path / "b.exr", rgb(LIGHT + 0.1), **header)
    assert np.allclose(read(path).pages[0].pixels, read(direct).pages[0].pixels, atol=2e-3)


def test_chroma_of_fewer_samples_is_refused_and_not_taken_for_gray(tmp_path):
    kind = Imath.PixelType(Imath.PixelType.FLOAT)
    head = OpenEXR.Header(8, 6)
    head["channels"] = {"Y": Imath.Channel(kind), **dict.fromkeys(("RY", "BY"), Imath.Channel(kind, 2, 2))}
    file = OpenEXR.OutputFile(str(tmp_path / "a.exr"), head)
    file.writePixels({"Y": bytes(4 * 48), "RY": bytes(48), "BY": bytes(48)})
    file.close()
    with pytest.raises(UnsupportedError, match="subsampled"):
        read(tmp_path / "a.exr")
