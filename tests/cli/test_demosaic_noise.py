"""``restore demosaic --denoise`` and ``--hot-pixels``: what they do to a noisy RAW file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from restorecli.imaging import cfa
from tests.conftest import Done
from tests.dng_maker import DOUBLE, cfa_dng

Run = Callable[..., Done]
SHOT, READ = 2e-3, 4e-5
LIGHT = np.array([0.2, 0.3, 0.25])
BLACK, WHITE = 2000, 42000
HOT = (40, 41)  # row and column, of a green sample


def noisy_file(path: Path, *, profile: bool = True, hot: bool = False, side: int = 96) -> Path:
    """RAW of a flat scene with shot and read noise, which a DNG's NoiseProfile (51041) tells."""
    rng = np.random.default_rng(8)
    flat = cfa.sample(np.broadcast_to(LIGHT, (side, side, 3)), "RGGB")
    light = flat + np.sqrt(SHOT * flat + READ) * rng.standard_normal(flat.shape)
    if hot:
        light[HOT] = 0.95
    tags = [(51041, DOUBLE, 2, (SHOT, READ), True)] if profile else []
    samples = np.rint(light * (WHITE - BLACK) + BLACK).astype(np.uint16)
    path.write_bytes(cfa_dng(samples, "RGGB", black=BLACK, white=WHITE, tags=tags))
    return path


def made(restore: Run, file: Path, *options: object) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the linear picture, and the details of its photo."""
    output = file.with_name("made.tiff")
    done = restore(
        "demosaic",
        file,
        "-o",
        output,
        "--if-exists",
        "overwrite",
        "--color-space",
        "linear",
        "--json",
        *options,
    )
    assert done.code == 0, done.err
    events = [json.loads(line) for line in done.out.splitlines()]
    (details,) = [event["details"] for event in events if event["event"] == "file_done"]
    return tifffile.imread(output) / 65535, details


def noise_of(pixels: np.ndarray) -> float:
    return float(pixels[8:-8, 8:-8].std(axis=(0, 1)).mean())


def test_noise_is_taken_out_unless_it_is_off_and_by_halves_where_asked(restore: Run, tmp_path: Path) -> None:
    file = noisy_file(tmp_path / "a.dng")
    left = {}
    for choice in ("auto", "off", "0.5", "1"):
        pixels, details = made(restore, file, "--denoise", choice)
        left[choice] = noise_of(pixels)
        np.testing.assert_allclose(pixels[8:-8, 8:-8].mean((0, 1)), LIGHT, rtol=0.02)
        assert details["denoise"] == {"auto": 1.0, "off": 0.0, "0.5": 0.5, "1": 1.0}[choice]
        if choice == "off":
            assert "noise" not in details
        else:
            assert details["noise"] == "the DNG's noise profile"
            assert details["noise_shot"] == pytest.approx(SHOT)
            assert details["noise_read"] == pytest.approx(READ)
    assert left["auto"] == left["1"]
    assert left["auto"] < 0.35 * left["off"]
    assert 1.5 * left["auto"] < left["0.5"] < 0.8 * left["off"]


def test_what_a_file_does_not_tell_is_measured(restore: Run, tmp_path: Path) -> None:
    told, _ = made(restore, noisy_file(tmp_path / "a.dng", side=240))
    found, details = made(restore, noisy_file(tmp_path / "b.dng", side=240, profile=False))
    assert details["noise"] == "measured in the mosaic"
    assert noise_of(found) < 2 * noise_of(told)


def test_a_hot_pixel_is_replaced_and_counted_unless_that_is_off(restore: Run, tmp_path: Path) -> None:
    file = noisy_file(tmp_path / "a.dng", hot=True)
    mended, details = made(restore, file)
    assert details["faulty_pixels"] == 1
    kept, others = made(restore, file, "--hot-pixels", "off", "--denoise", "off")
    assert "faulty_pixels" not in others
    assert abs(mended[HOT][1] - LIGHT[1]) < 0.05 < kept[HOT][1] - LIGHT[1]
    without, only = made(restore, file, "--denoise", "off")
    assert only["faulty_pixels"] == 1
    assert without[HOT][1] < 0.6 < kept[HOT][1]


def test_denoise_does_both_in_one_step(restore: Run, tmp_path: Path) -> None:
    file = noisy_file(tmp_path / "a.dng")
    done = restore("denoise", file, "-o", tmp_path / "made.tiff", "--json")
    assert done.code == 0, done.err
    (event,) = [json.loads(line) for line in done.out.splitlines() if '"file_done"' in line]
    assert event["details"]["noise"] == "the DNG's noise profile"
    assert "denoise" in event["details"] and event["details"]["weights"] == "nlsn-light-demosaic"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--denoise", "much"), ("--denoise", "-1"), ("--denoise", "9"), ("--hot-pixels", "maybe")],
)
def test_words_and_numbers_that_make_no_sense_are_refused(
    restore: Run, tmp_path: Path, option: str, value: str
) -> None:
    done = restore("demosaic", noisy_file(tmp_path / "a.dng"), option, value)
    assert done.code == 2
    assert option in done.err or value in done.err
    assert not (tmp_path / "a_demosaic.tiff").exists()
