"""What the shipped light weights do to pictures that need little: nothing that a user would mind."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from restorecli import deblur, denoise
from restorecli.engine.prepare import Prepared, prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.imaging import bayer, cfa, network_view, xtrans
from restorecli.imaging.blur.disc import disc_kernel
from restorecli.imaging.colour import srgb_to_linear
from restorecli.models.load import load
from restorecli.models.registry import ModelEntry, load_registry
from restorecli.models.resolve import ModelRequest, resolve
from restorecli.networks.network import Network
from restorecli.quality.degradations.blur import blurred, motion_kernel
from restorecli.quality.degradations.darkness import darkened
from restorecli.quality.degrade import add_noise, jpeg, shrink, to_bytes
from restorecli.quality.scores import psnr
from restorecli.tasks.estimate.exposure import brightened
from restorecli.tasks.mosaics import show
from tests.dng_maker import cfa_dng

LIGHT = [entry for entry in load_registry().entries if entry.ships]
SAMPLES = Path(__file__).parents[1] / "docs" / "samples"
PHOTOS = ("motocross.png", "parrots.png", "coast/lighthouse.png")
SIDE = 128
FLAT = [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 90, 30), (20, 60, 140)]
KNOWN_LOSS = {"rnan-light-dejpeg": 0.1}  # dB; its notes say so
Bytes = NDArray[np.uint8]


def of_task(*tasks: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", [e for e in LIGHT if e.task in tasks], ids=lambda e: e.name)


@cache
def network_of(name: str) -> Network:
    entry = next(entry for entry in LIGHT if entry.name == name)
    return load(resolve(ModelRequest(entry.task, model=name, scale=entry.scale)))


@cache
def prepared_network(name: str) -> Prepared:
    return prepare(network_of(name), RunSettings(device="cpu", precision="fp32", tile=160))


def restored(entry: ModelEntry, image: NDArray[np.generic]) -> Bytes:
    """Run the entry's weights on H×W×3, uint8 or float32 in 0–1; those for mosaics on the samples in it."""
    light = image.astype(np.float32) / np.float32(255) if image.dtype == np.uint8 else image
    prepared = prepared_network(entry.name)
    if entry.task == "demosaic":
        shown = show(cfa.sample(light, pattern(entry)), pattern(entry), network_of(entry.name))
        return to_bytes(shown.colours(run(prepared, shown.tensor).output, *light.shape[:2]))
    x = torch.from_numpy(np.ascontiguousarray(light)).permute(2, 0, 1)[None]
    return to_bytes(run(prepared, x).output[0].permute(1, 2, 0).numpy())


def pattern(entry: ModelEntry) -> str:
    """Return of which mosaics the entry makes pictures."""
    return network_view.FORMS[network_of(entry.name).demosaic_input]


def seen_by(entry: ModelEntry, clean: Bytes) -> NDArray[np.generic]:
    """Return what a network is given of a clean picture: itself, smaller, or its mosaic, interpolated."""
    if entry.task == "demosaic":
        interpolate = bayer.malvar if len(pattern(entry)) == 4 else xtrans.interpolate
        return interpolate(
            cfa.sample(clean.astype(np.float32) / np.float32(255), pattern(entry)), pattern(entry)
        )
    return shrink(clean, entry.scale or 1) if entry.task == "upscale" else clean


def photo(name: str) -> Bytes:
    with Image.open(SAMPLES / name) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    top, left = (pixels.shape[0] - SIDE) // 2, (pixels.shape[1] - SIDE) // 2
    return pixels[top : top + SIDE, left : left + SIDE].copy()


def page(scale: int, width: int = 144) -> Bytes:
    """Draw black and coloured text on white, larger for networks that see it shrunk."""
    paper = Image.new("RGB", (width * scale, 144 * scale), "white")
    draw = ImageDraw.Draw(paper)
    for line, (size, ink) in enumerate(((14, "black"), (16, "black"), (20, "darkred"), (26, "navy"))):
        font = ImageFont.load_default(size=size * scale)
        draw.text((6 * scale, (4 + 34 * line) * scale), "Restore 0123 gyx", fill=ink, font=font)
    return np.asarray(paper).copy()


def sharpness(image: Bytes) -> float:
    """Return the mean of the steepest twentieth of all steps between neighbours, on the 0–255 scale."""
    steps = np.abs(np.diff(image.astype(np.float64).mean(axis=2), axis=1)).ravel()
    return float(np.sort(steps)[-steps.size // 20 :].mean())


@pytest.mark.parametrize("name", PHOTOS)
@of_task("denoise")
def test_a_clean_photo_is_hardly_changed_by_denoising(entry: ModelEntry, name: str) -> None:
    clean = photo(name)
    assert psnr(restored(entry, clean), clean, border=0) > 42


@pytest.mark.parametrize("quality", [85, 90, 93, 95, 97])
@pytest.mark.parametrize("subsampling", [0, 2], ids=["4:4:4", "4:2:0"])
@pytest.mark.parametrize("told_by", ["tables", "pixels"])
def test_the_command_does_not_make_fine_jpegs_worse(
    restore: Callable[..., Any], tmp_path: Path, told_by: str, subsampling: int, quality: int
) -> None:
    given, made = tmp_path / "given", tmp_path / "made"
    given.mkdir()
    for number, name in enumerate(PHOTOS):
        file = given / f"{number}.jpg"
        Image.fromarray(photo(name)).save(file, quality=quality, subsampling=subsampling)
        if told_by == "pixels":
            with Image.open(file) as decoded:
                decoded.save(given / f"{number}.png")
            file.unlink()
    done = restore("dejpeg", given, "-o", made, "--format", "png")
    assert done.code == 0
    assert quality > 95 or "3 restored" in done.err
    for number, name in enumerate(PHOTOS):
        (before,) = given.glob(f"{number}.*")
        with Image.open(before) as compressed, Image.open(made / f"{number}.png") as after:
            scores = [psnr(np.asarray(image), photo(name), border=0) for image in (compressed, after)]
        assert scores[1] >= scores[0], (name, scores)


@pytest.mark.parametrize("name", PHOTOS)
@of_task("dejpeg")
def test_a_jpeg_of_quality_95_is_not_made_worse(entry: ModelEntry, name: str) -> None:
    clean = photo(name)
    compressed = jpeg(clean, 95, "4:2:0")
    gain = psnr(restored(entry, compressed), clean, border=0) - psnr(compressed, clean, border=0)
    assert gain >= -KNOWN_LOSS.get(entry.name, 0.0)


@pytest.mark.parametrize("colour", FLAT)
@of_task("denoise", "dejpeg", "demosaic", "upscale")
def test_flat_areas_stay_flat(entry: ModelEntry, colour: tuple[int, int, int]) -> None:
    flat = np.full((72, 72, 3), colour, dtype=np.uint8)
    apart = np.abs(restored(entry, seen_by(entry, flat)).astype(int) - np.array(colour))
    edge = 8 * (entry.scale or 1)
    assert apart[edge:-edge, edge:-edge].max() <= 2
    assert apart.max() <= 6  # in the very corners


@of_task("denoise")
def test_noise_on_a_flat_area_is_gone(entry: ModelEntry) -> None:
    flat = np.full((96, 96, 3), 120, dtype=np.uint8)
    made = restored(entry, add_noise(flat, 25, seed=4)).astype(float)
    assert made.std(axis=(0, 1)).max() < 2.5
    assert np.abs(made.mean(axis=(0, 1)) - 120).max() < 2


@pytest.mark.parametrize("name", ["checkerboard", "columns", "rows", "stars"])
def test_patterns_of_single_pixels_stay_where_the_noise_is_known_to_be_weak(name: str) -> None:
    rows, columns = np.mgrid[:96, :96]
    stars = np.random.default_rng(0).random((96, 96)) < 0.01
    light = {"checkerboard": (rows + columns) % 2, "columns": columns % 2, "rows": rows % 2, "stars": stars}
    clean = np.repeat(light[name].astype(np.uint8)[:, :, None] * 255, 3, axis=2)
    for given in (clean, to_bytes(add_noise(clean, 5, seed=1))):
        made = denoise(given, sigma=5, precision="fp32", device="cpu")
        assert psnr(made, clean, border=0) > (25 if name == "columns" else 34)


@of_task("denoise", "dejpeg", "demosaic", "upscale")
def test_text_stays_sharp(entry: ModelEntry) -> None:
    scale = entry.scale or 1
    text = page(scale, 96 if entry.network == "panet" else 144)  # whose time grows with the square
    given: NDArray[Any] = seen_by(entry, text)
    if entry.task == "denoise":
        given = add_noise(text, 15, seed=1)
    elif entry.task == "dejpeg":
        given = jpeg(text, 40, "4:2:0")
    made = restored(entry, given)
    shown = given if given.dtype == np.uint8 else to_bytes(given)
    if scale > 1:
        size = (text.shape[1], text.shape[0])
        shown = np.asarray(Image.fromarray(shown).resize(size, Image.Resampling.BICUBIC))
    gain = psnr(made, text, border=scale) - psnr(shown, text, border=scale)
    assert gain > (0.2 if entry.task == "dejpeg" else 3)
    real = entry.degradation == "real"  # it cannot know that this text was not blurred
    assert sharpness(made) > (0.88 if scale == 1 else 0.73 if real else 0.78) * sharpness(text)


@of_task("denoise", "dejpeg", "demosaic", "upscale")
def test_gray_stays_gray(entry: ModelEntry) -> None:
    gray = np.asarray(Image.fromarray(photo("parrots.png")).convert("L"))
    clean = np.repeat(gray[:, :, None], 3, axis=2)
    if entry.task == "denoise":
        given: NDArray[Any] = np.repeat(add_noise(gray[:, :, None], 25, seed=2), 3, axis=2)
    elif entry.task == "dejpeg":
        given = np.repeat(jpeg(gray, 30)[:, :, None], 3, axis=2)
    else:
        given = seen_by(entry, clean)
    made = restored(entry, given).astype(int)
    apart = np.ptp(made, axis=2)
    usual = (2, 12 if entry.task == "demosaic" else 5)
    mean, most = {"real": (3, 9), "real-sharp": (5, 18)}.get(entry.degradation or "", usual)
    assert apart.mean() < mean
    assert np.quantile(apart, 0.99) <= most


PHASES = [*bayer.PATTERNS, *xtrans.PATTERNS[::5]]


def test_raw_of_every_phase_becomes_the_same_photo(restore: Callable[..., Any], tmp_path: Path) -> None:
    clean, gains = photo("coast/lighthouse.png"), np.array([2.0, 1.0, 1.5])
    light = srgb_to_linear(clean.astype(np.float32) / np.float32(255)) / gains
    (tmp_path / "raws").mkdir()
    for number, pattern in enumerate(PHASES):
        samples = np.rint(cfa.sample(light, pattern) * 60000 + 1000).astype(np.uint16)
        data = cfa_dng(samples, pattern, black=1000, white=61000, neutral=tuple(1 / gains))
        (tmp_path / "raws" / f"{number}.dng").write_bytes(data)
    done = restore("demosaic", tmp_path / "raws", "-o", tmp_path / "made", "-f", "png", "--bits", "8")
    assert done.code == 0, done.err
    for number, pattern in enumerate(PHASES):
        with Image.open(tmp_path / "made" / f"{number}.png") as made:
            found = psnr(np.asarray(made.convert("RGB")), clean, border=0)
        assert found > (35 if len(pattern) == 4 else 33), (pattern, found)


@pytest.mark.parametrize("name", PHOTOS)
@of_task("deblur")
def test_a_sharp_photo_is_hardly_changed_by_deblurring(entry: ModelEntry, name: str) -> None:
    clean = photo(name)
    assert psnr(restored(entry, clean), clean, border=0) > 33


@pytest.mark.parametrize("name", PHOTOS)
@of_task("deblur")
def test_motion_and_missed_focus_are_taken_out(entry: ModelEntry, name: str) -> None:
    clean = photo(name)
    for kernel, gain in ((motion_kernel(np.random.default_rng(1), 7), 0.2), (disc_kernel(2.5), 2.0)):
        seen = to_bytes(blurred(clean, kernel))
        assert psnr(restored(entry, seen), clean, border=8) > psnr(seen, clean, border=8) + gain


def test_a_long_shake_is_divided_out_before_the_network() -> None:
    with Image.open(SAMPLES / "coast" / "lighthouse.png") as opened:
        clean = np.asarray(opened.convert("RGB"))[:300, :400]
    seen = to_bytes(blurred(clean, motion_kernel(np.random.default_rng(3), 15)))
    made = {even: psnr(deblur(seen, even_blur=even), clean, border=16) for even in ("auto", "off")}
    assert made["auto"] > psnr(seen, clean, border=16) + 2
    assert made["auto"] > made["off"] + 1


@pytest.mark.parametrize("name", PHOTOS)
@of_task("enhance")
def test_a_dark_photo_gets_back_its_light_without_a_cast(entry: ModelEntry, name: str) -> None:
    clean = photo(name)
    dark = darkened(clean, 3, (1e-3, 1e-3), np.random.default_rng(2)).astype(np.float32) / np.float32(255)
    given = brightened(dark, 8.0)
    made = restored(entry, given)
    assert psnr(made, clean, border=0) > psnr(to_bytes(given), clean, border=0) + 0.5
    casts = [np.ptp((image.astype(float) - clean).mean((0, 1))) for image in (made, to_bytes(given))]
    assert casts[0] < casts[1] + 1.5  # of 255, between the channels' means


def test_bright_photos_are_left_alone_by_enhance(restore: Callable[..., Any], tmp_path: Path) -> None:
    for name in PHOTOS:
        done = restore("enhance", "--style", "light", SAMPLES / name, "-o", tmp_path)
        assert done.code == 0 and "left as it is" in done.err
        assert (tmp_path / Path(name).name).read_bytes() == (SAMPLES / name).read_bytes()
