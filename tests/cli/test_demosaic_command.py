from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile
import torch
from PIL import Image, ImageCms

from restorecli.imaging import bayer, cfa
from restorecli.models.convert import save_native
from restorecli.networks import layout
from tests.conftest import Done
from tests.dng_maker import SRGB_FROM_XYZ, cfa_dng, linear_dng

Run = Callable[..., Done]
GAINS = (1.9, 1.0, 1.3)
SETTINGS = {"channels": 12, "features": 8, "groups": 2, "packing": 2, "demosaic_input": "malvar-RGGB"}


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that adds nothing to what it sees, so results are Malvar's interpolation."""
    network = layout("rnan").make(**SETTINGS)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    file = tmp_path_factory.mktemp("checkpoint") / "malvar.safetensors"
    save_native(network, file, name="rnan", extra={"task": "demosaic"})
    return file


def smooth(height: int = 32, width: int = 40) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 40
    return np.stack([0.2 + 0.4 * x, 0.6 - 0.3 * y, 0.3 + 0.2 * x + 0.2 * y], axis=2)


def file_bytes(pattern: str = "GBRG", **facts: object) -> bytes:
    """RAW of a camera that sees linear sRGB, with a white balance to undo."""
    seen = smooth() / GAINS
    samples = np.rint(cfa.sample(seen, pattern) * 65535).astype(np.uint16)
    return cfa_dng(samples, pattern, **{"neutral": tuple(1 / np.array(GAINS)), **facts})  # type: ignore[arg-type]


def demosaic(restore: Run, weights: Path, *arguments: object, **more: bytes) -> Done:
    return restore("demosaic", "--weights", weights, "--fp32", "-d", "cpu", *arguments, **more)


def curve(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, for positive values."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_raw_becomes_a_16_bit_tiff_with_a_profile(restore: Run, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "a.dng").write_bytes(file_bytes(orientation=6))
    done = demosaic(restore, weights, tmp_path / "a.dng")
    assert done.code == 0, done.err
    with tifffile.TiffFile(tmp_path / "a_demosaic.tiff") as opened:
        page = opened.pages[0]
        pixels, profile = page.asarray(), page.tags[34675].value
    assert pixels.dtype == np.uint16
    expected = np.rot90(curve(smooth()), -1)
    np.testing.assert_allclose(pixels[2:-2, 2:-2] / 65535, expected[2:-2, 2:-2], atol=2e-3)
    assert ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space == "RGB "


def test_a_folder_with_raw_of_all_kinds(restore: Run, weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "raws"
    folder.mkdir()
    for pattern in bayer.PATTERNS:
        (folder / f"{pattern}.dng").write_bytes(file_bytes(pattern))
    (folder / "linear.dng").write_bytes(linear_dng(np.rint(smooth() * 65535).astype(np.uint16)))
    (folder / "cut.dng").write_bytes(file_bytes()[:900])
    Image.fromarray(np.full((8, 8), 90, np.uint8)).save(folder / "gray.png")
    done = demosaic(restore, weights, folder, "-o", tmp_path / "out", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    results = {Path(event["input"]).name: event for event in events if event["event"] == "file_done"}
    failures = {Path(event["input"]).name: event for event in events if event["event"] == "file_failed"}
    assert done.code == 1
    assert set(results) == {*(f"{pattern}.dng" for pattern in bayer.PATTERNS), "linear.dng"}
    assert failures["gray.png"]["code"] == "unsupported"
    assert "mosaic" in failures["gray.png"]["message"]
    assert failures["cut.dng"]["code"] == "unreadable"
    assert results["GBRG.dng"]["details"]["pattern"] == "GBRG"
    assert results["GBRG.dng"]["details"]["white_balance"] == "camera"
    assert results["linear.dng"]["details"]["pattern"] == "none"
    pictures = [tifffile.imread(tmp_path / "out" / f"{pattern}.tiff") for pattern in bayer.PATTERNS]
    for picture in pictures[1:]:
        np.testing.assert_allclose(picture[2:-2, 2:-2], pictures[0][2:-2, 2:-2], atol=80)


@pytest.mark.parametrize("zeros", [False, True])
def test_a_mosaic_stored_as_a_picture(restore: Run, weights: Path, tmp_path: Path, zeros: bool) -> None:
    truth = np.rint(smooth() * 255).astype(np.uint8)
    mosaic = cfa.sample(truth, "BGGR")
    Image.fromarray(cfa.as_zeros(mosaic, "BGGR") if zeros else mosaic).save(tmp_path / "m.png")
    chosen = () if zeros else ("--pattern", "bggr")
    done = demosaic(restore, weights, tmp_path / "m.png", "-o", tmp_path / "out.png", *chosen)
    assert done.code == 0, done.err
    with Image.open(tmp_path / "out.png") as image:
        result = np.asarray(image).astype(int)
    assert result.dtype.kind == "i"
    assert np.abs(result - truth)[2:-2, 2:-2].max() <= 2
    np.testing.assert_array_equal(cfa.sample(result, "BGGR"), mosaic)


@pytest.mark.parametrize("asked", [("-f", "dng"), ("-o", "b.dng")])
def test_a_dng_opens_in_libraw_with_the_same_colours(
    restore: Run, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.dng").write_bytes(file_bytes(orientation=6))
    output = ("-o", "b.dng") if asked[0] == "-f" else ()
    done = demosaic(restore, weights, "a.dng", *asked, *output)
    assert done.code == 0, done.err
    options = {"use_camera_wb": True, "no_auto_bright": True, "adjust_maximum_thr": 0, "output_bps": 16}
    pictures = []
    for name in ("a.dng", "b.dng"):
        with rawpy.imread(name) as opened:
            linear = rawpy.DemosaicAlgorithm.LINEAR
            pictures.append(opened.postprocess(demosaic_algorithm=linear, gamma=(1, 1), **options) / 65535)
    assert pictures[0].shape == pictures[1].shape
    np.testing.assert_allclose(pictures[1][2:-2, 2:-2], pictures[0][2:-2, 2:-2], atol=2e-3)


def test_options_of_development_reach_the_pixels(restore: Run, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "a.dng").write_bytes(file_bytes())

    def made(*options: str) -> np.ndarray:
        done = demosaic(restore, weights, tmp_path / "a.dng", "-o", tmp_path / "a.tiff", *options)
        assert done.code == 0, done.err
        return tifffile.imread(tmp_path / "a.tiff")[4:-4, 4:-4] / 65535

    linear = made("--color-space", "linear")
    np.testing.assert_allclose(linear, smooth()[4:-4, 4:-4], atol=3e-3)
    darker = made("--color-space", "linear", "--exposure", "-1")
    np.testing.assert_allclose(darker, linear / 2, atol=1e-4)
    unbalanced = made("--color-space", "camera", "--white-balance", "none")
    np.testing.assert_allclose(unbalanced, (smooth() / GAINS)[4:-4, 4:-4], atol=3e-3)
    blended = made("--color-space", "linear", "--highlights", "blend")
    np.testing.assert_allclose(blended, linear / max(GAINS), atol=3e-3)


@pytest.mark.parametrize(
    "options",
    [
        ("--pattern", "RGBG"),
        ("--white-balance", "sunny"),
        ("--highlights", "magic"),
        ("--color-space", "cmyk"),
        ("--exposure", "11"),
        ("-f", "dng", "--exposure", "1"),
        ("-o", "x.dng", "--color-space", "linear"),
    ],
)
def test_options_that_do_not_exist_or_go_together_are_refused(
    restore: Run, weights: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    (tmp_path / "a.dng").write_bytes(file_bytes())
    done = demosaic(restore, weights, tmp_path / "a.dng", *options)
    assert done.code == 2
    assert options[-2].lstrip("-") in done.err


def test_a_camera_without_a_matrix_is_said(restore: Run, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "a.dng").write_bytes(file_bytes(matrix=None))
    done = demosaic(restore, weights, tmp_path / "a.dng")
    assert done.code == 0, done.err
    assert "colours are not known" in done.err


def test_denoise_develops_raw_first(restore: Run, weights: Path, tmp_path: Path) -> None:
    # Without a mosaic, so that no weights for demosaicing are needed.
    data = linear_dng(np.rint(smooth() * 65535).astype(np.uint16), matrix=SRGB_FROM_XYZ)
    (tmp_path / "a.dng").write_bytes(data)
    done = restore(
        "denoise", "--sigma", "25", "--weights", weights, "--fp32", "-d", "cpu", tmp_path / "a.dng"
    )
    assert done.code == 0, done.err
    picture = tifffile.imread(tmp_path / "a_denoise.tiff") / 65535
    np.testing.assert_allclose(picture, curve(smooth()), atol=2e-3)
    assert "no mosaic" in done.err
