"""Mosaics with a camera's noise: what is put in, what the photo tells of it, what results stand beside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.imaging import bayer, cfa, xtrans
from restorecli.quality.degrade import Bytes, to_bytes
from restorecli.quality.protocols import protocols
from restorecli.quality.protocols.demosaic import NoisyDemosaicProtocol
from restorecli.quality.raw_noise import GAINS, at_iso
from restorecli.tasks.base import to_pixels, to_tensor
from restorecli.tasks.demosaic import Demosaic
from restorecli.tasks.denoise import Denoise
from tests.conftest import Done
from tests.tasks.stubs import Stub, restored

PATTERNS = ["RGGB", "GBRG", "XTRANS"]


def gray(level: int, side: int = 240) -> Bytes:
    return np.full((side, side, 3), level, np.uint8)


def linear(level: int) -> float:
    """IEC 61966-2-1 of an 8-bit level above its straight part."""
    return float(((level / 255 + 0.055) / 1.055) ** 2.4)


def picture(side: int = 60) -> Bytes:
    y, x = np.mgrid[:side, :side] / side
    waves = [0.5 + 0.25 * np.sin(5 * x + c) + 0.2 * np.cos(4 * y - c) for c in range(3)]
    return to_bytes(np.stack(waves, axis=2).astype(np.float32))


def interpolating(pattern: str) -> Stub:
    """A network that interpolates what it sees and takes no noise out."""

    def malvar(x: object) -> object:
        return to_tensor(bayer.malvar(cfa.sample(to_pixels(x), "RGGB"), "RGGB"))  # type: ignore[arg-type]

    stub = Stub() if pattern == "XTRANS" else Stub(malvar)  # type: ignore[arg-type]
    stub.demosaic_input = "cells-XTRANS" if pattern == "XTRANS" else "malvar-RGGB"
    return stub


def test_there_is_one_protocol_for_every_iso() -> None:
    usual = [protocol.name for protocol in protocols("demosaic", isos=[])]
    assert usual == ["demosaic-rggb-iso800", "demosaic-rggb-iso3200", "demosaic-rggb-iso12800"]
    (one,) = protocols("demosaic", isos=[1600], pattern="XTRANS")
    assert one.name == "demosaic-xtrans-iso1600"
    assert "X-Trans" in one.title and "ISO 1600" in one.title


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("iso", [800, 12800])
def test_noise_has_the_variance_of_counted_light_and_of_reading(pattern: str, iso: int) -> None:
    protocol = NoisyDemosaicProtocol(pattern, iso)
    sensor = protocol.degrade(gray(120), 0)[:, :, 0].astype(np.float64)
    electrons = 30_000 * 100 / iso
    held = cfa.channels(sensor.shape, protocol.colours)
    for channel, gain in enumerate((2.0, 1.0, 1.6)):
        own = sensor[held == channel]
        light = linear(120) / gain
        assert own.mean() == pytest.approx(light, abs=4 * own.std() / own.size**0.5)
        assert own.var() == pytest.approx(light / electrons + (3 / electrons) ** 2, rel=0.06)


def test_noise_is_seeded_and_black_is_not_cut() -> None:
    protocol = NoisyDemosaicProtocol("RGGB", 3200)
    dark = protocol.degrade(gray(0), 1)
    assert dark.min() < -2 * 3 * 3200 / 3_000_000
    assert abs(dark.mean()) < 1e-4
    assert np.array_equal(dark, protocol.degrade(gray(0), 1))
    assert not np.array_equal(dark, protocol.degrade(gray(0), 2))


def test_the_sensor_saturates_at_white() -> None:
    sensor = NoisyDemosaicProtocol("RGGB", 12800).degrade(gray(255), 0)
    assert sensor.max() == 1.0 and (sensor == 1.0).mean() > 0.2


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_photo_tells_its_balance_and_its_noise(pattern: str) -> None:
    protocol = NoisyDemosaicProtocol(pattern, 3200)
    photo = protocol.photo(protocol.degrade(gray(120, 60), 0))
    details = Demosaic().examine(photo).details
    assert details["gains"] == " ".join(f"{gain:.4f}" for gain in GAINS)
    assert details["noise_shot"] == pytest.approx(at_iso(3200).shot, rel=1e-3)
    assert details["noise_read"] == pytest.approx(at_iso(3200).read, rel=1e-3)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_is_undone_is_the_picture_but_for_noise(pattern: str) -> None:
    protocol, clean = NoisyDemosaicProtocol(pattern, 50), picture()
    found = restored(
        protocol.photo(protocol.degrade(clean, 0)), protocol.undo(), interpolating(pattern)
    ).pixels
    apart = np.abs(to_bytes(found).astype(int) - clean)[6:-6, 6:-6]
    assert found.shape == clean.shape and apart.mean() < (4 if pattern == "XTRANS" else 2)


def test_two_steps_leave_the_noise_in_and_take_it_out_of_the_picture() -> None:
    first, second = NoisyDemosaicProtocol("RGGB", 3200).two_steps()
    assert isinstance(first, Demosaic) and first.denoise == 0
    assert isinstance(second, Denoise)
    assert protocols("demosaic")[0].two_steps() is None


def test_scikit_images_methods_make_libraws_picture_better() -> None:
    protocol, clean = NoisyDemosaicProtocol("RGGB", 12800), picture(96)
    noisy = protocol.degrade(clean, 0)
    scores = {name: protocol.scores(method(noisy), clean)["psnr"] for name, method in protocol.methods()}
    plain = scores.pop("LibRaw")
    assert {"LibRaw + non-local means", "LibRaw + total variation"} <= set(scores)
    assert all(score > plain + 0.3 for score in scores.values()), (plain, scores)


@pytest.mark.parametrize("pattern", ["RGGB", "XTRANS"])
def test_bench_sets_the_network_beside_two_steps_and_libraw(
    restore: Callable[..., Done], tmp_path: Path, pattern: str
) -> None:
    Image.fromarray(picture(96)).save(tmp_path / "a.png")
    done = restore(
        *("bench", "--task", "demosaic", "--noise", "camera", "--iso", "6400"),
        *("--pattern", pattern, "--data", tmp_path, "--json"),
    )
    assert done.code == 0, done.err
    means = {row["method"]: row["psnr"] for row in json.loads(done.out)["means"]}
    ours = "nlsn-light-demosaic" + ("-xtrans" if pattern == "XTRANS" else "")
    assert {"LibRaw", ours, f"{ours}, noise left in, then denoise"} <= set(means)
    assert means[ours] > means["LibRaw"] + 3
    assert means[ours] > means[f"{ours}, noise left in, then denoise"]


def test_every_phase_of_x_trans_can_be_sampled() -> None:
    assert NoisyDemosaicProtocol("XTRANS", 800).colours == xtrans.PATTERN
