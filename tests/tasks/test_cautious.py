from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from restorecli.models.choose import ModelRequest
from restorecli.photo import Photo
from restorecli.photos.read import read
from restorecli.stages import Stage, needs_of_input
from restorecli.tasks import denoise
from restorecli.tasks.base import Need
from restorecli.tasks.cautious import CautiousDejpeg, CautiousDenoise

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
Bytes = npt.NDArray[np.uint8]


def clean(name: str = "parrots.png") -> Bytes:
    return np.asarray(Image.open(SAMPLES / name).convert("RGB"))


def noisy(sigma: float, name: str = "parrots.png") -> Bytes:
    noise = np.random.default_rng(5).normal(0, sigma, clean(name).shape)
    return (clean(name) + noise).round().clip(0, 255).astype(np.uint8)


def stored(pixels: Bytes, quality: int | None = None) -> Photo:
    packed = io.BytesIO()
    if quality is None:
        Image.fromarray(pixels).save(packed, "png")
    else:
        Image.fromarray(pixels).save(packed, "jpeg", quality=quality)
    return read(packed.getvalue()).pages[0]


def needs(photo: Photo) -> list[str]:
    asked: dict[str, Need] = {
        "dejpeg": CautiousDejpeg().examine(photo),
        "denoise": CautiousDenoise().examine(photo),
    }
    return [name for name, need in asked.items() if not need.leave]


@pytest.mark.parametrize("name", ["parrots.png", "coast/lighthouse.png"])
def test_a_clean_picture_needs_nothing(name: str) -> None:
    assert needs(stored(clean(name))) == []


@pytest.mark.parametrize("quality", [92, 96, 100])
def test_a_jpeg_of_high_quality_needs_nothing(quality: int) -> None:
    assert needs(stored(clean(), quality)) == []


@pytest.mark.parametrize("name", ["parrots.png", "coast/lighthouse.png"])
@pytest.mark.parametrize("quality", [10, 15, 25, 40, 60, 75, 90])
def test_what_compression_did_to_a_clean_picture_is_not_taken_for_noise(name: str, quality: int) -> None:
    assert needs(stored(clean(name), quality)) == ["dejpeg"]


@pytest.mark.parametrize("quality", [None, 85, 90, 95, 100])
def test_noise_in_a_file_of_good_quality_is_taken_out_by_itself(quality: int | None) -> None:
    photo = stored(noisy(12), quality)
    assert needs(photo) == ["denoise"]


@pytest.mark.parametrize("quality", [40, 60])
def test_noise_that_compression_has_smeared_is_taken_out_behind_the_artifacts(quality: int) -> None:
    assert needs(stored(noisy(12), quality)) == ["dejpeg", "denoise"]


def test_strong_noise_that_compression_could_not_smear_is_taken_out_by_itself() -> None:
    assert needs(stored(noisy(30), 75)) == ["denoise"]


def test_a_real_photo_with_a_cameras_noise_is_denoised() -> None:
    assert needs(read(SAMPLES / "noisy" / "papaya.png").pages[0]) == ["denoise"]


def test_fine_texture_is_not_taken_for_noise() -> None:
    rows, columns = np.mgrid[0:200, 0:200]
    rough = np.random.default_rng(0).normal(0, 8, (200, 200))
    strength = 0.5 + 0.5 * np.sin(rows / 17) * np.sin(columns / 23)  # differs from place to place
    plane = (120 + rough * strength**3).round().clip(0, 255).astype(np.uint8)
    need = CautiousDenoise().examine(stored(np.repeat(plane[:, :, None], 3, axis=2)))
    assert "texture" in need.leave or "no visible noise" in need.leave


def test_faint_grain_is_kept() -> None:
    need = CautiousDenoise().examine(stored(noisy(1.2)))
    assert need.leave == "its noise is hardly seen"
    assert not CautiousDenoise().examine(stored(noisy(4))).leave


def test_camera_raw_is_never_taken_for_a_jpeg() -> None:
    photo = Photo(clean().astype(np.float32) / 255, format="raw")
    assert "camera RAW" in CautiousDejpeg().examine(photo).leave


@pytest.mark.shared
def test_means_of_many_shots_need_nothing(shared_data: Path) -> None:
    photos = sorted((shared_data / "cc15").glob("*_mean.png"))[1::4]
    assert photos
    assert {path.name: needs(read(path).pages[0]) for path in photos} == {path.name: [] for path in photos}


@pytest.mark.shared
def test_real_noise_is_seen(shared_data: Path) -> None:
    photos = sorted((shared_data / "cc15").glob("*_real.png"))[::4]
    assert {path.name: needs(read(path).pages[0]) for path in photos} == {
        path.name: ["denoise"] for path in photos
    }


@pytest.mark.parametrize("quality", [40, 80, 96, None])
def test_the_noise_of_a_photo_is_estimated_once(quality: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, asked = stored(noisy(10), quality), []
    real = denoise.noise_sigma
    monkeypatch.setattr(denoise, "noise_sigma", lambda *given: asked.append(given) or real(*given))
    stages = [
        Stage(task, ModelRequest(name), judges_input=True)
        for name, task in (("dejpeg", CautiousDejpeg()), ("denoise", CautiousDenoise()))
    ]
    found = needs_of_input(photo, stages)
    assert len(asked) == 1
    assert found[1] == CautiousDenoise().examine(photo)
    assert found[0].leave == CautiousDejpeg().examine(photo).leave


def test_a_jpeg_too_small_to_measure_its_noise_only_has_its_artifacts_taken_out() -> None:
    assert needs(stored(clean()[:12, :14], 30)) == ["dejpeg"]
    assert needs(stored(clean()[:12, :14])) == []
