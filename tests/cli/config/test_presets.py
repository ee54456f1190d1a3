"""Presets that ship, on pictures of their kinds whose originals are known: none comes out worse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont

from restorecli.photos.read import read
from restorecli.quality.scores import psnr
from tests.conftest import Done
from tests.dng_maker import cfa_dng

Run = Callable[..., Done]
Bytes = npt.NDArray[np.uint8]
SAMPLES = Path(__file__).parents[3] / "docs" / "samples"
CPU = ("-d", "cpu", "--fp32", "-q")
SIDE = 128


def photo() -> Image.Image:
    with Image.open(SAMPLES / "parrots.png") as opened:
        return opened.convert("RGB").crop((80, 20, 80 + SIDE, 20 + SIDE))


def noisy(picture: Image.Image, sigma: float) -> Image.Image:
    values = np.asarray(picture) + np.random.default_rng(3).normal(0, sigma, (SIDE, SIDE, 3))
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def half(picture: Image.Image) -> Image.Image:
    return picture.resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC)


def drawing() -> Image.Image:
    """Lines, a circle and words, drawn large and made smaller: their edges are smooth."""
    large = Image.new("RGB", (4 * SIDE, 4 * SIDE), "white")
    pen = ImageDraw.Draw(large)
    pen.ellipse((40, 40, 300, 300), fill=(250, 220, 60), outline="black", width=14)
    for end in range(0, 4 * SIDE, 64):
        pen.line((4 * SIDE, 0, end, 4 * SIDE), fill="black", width=6)
    pen.text((60, 330), "POW!", fill="darkred", font=ImageFont.load_default(size=120))
    return large.resize((SIDE, SIDE), Image.Resampling.BOX)


KINDS = {
    "scans": (photo(), noisy(photo(), 8), 80),
    "phone": (photo(), noisy(photo(), 10), 90),
    "phone, a clean one": (photo(), photo(), 93),
    "web": (photo(), half(photo()), 40),
    "line-art": (drawing(), half(drawing()), 50),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_its_kind_gains(kind: str, tmp_path: Path, restore: Run) -> None:
    original, given, quality = KINDS[kind]
    preset = kind.partition(",")[0]
    given.save(tmp_path / "given.jpg", quality=quality)
    assert restore("run", "--preset", preset, tmp_path / "given.jpg", "-o", tmp_path / "out/", *CPU).code == 0
    (made,) = (path for path in (tmp_path / "out").iterdir() if path.stem == "given")
    with Image.open(tmp_path / "given.jpg") as stored:
        before = np.asarray(stored.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    after = (255 * read(made).pages[0].pixels).round().clip(0, 255).astype(np.uint8)
    truth = np.asarray(original)
    assert psnr(after, truth, border=0) > psnr(before, truth, border=0)


def test_more_noise_leaves_a_mosaic_of_high_iso(tmp_path: Path, restore: Run) -> None:
    truth = np.asarray(photo())
    light = (truth / 255.0) ** 2.2
    mosaic = np.empty((SIDE, SIDE))
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[row::2, column::2] = light[row::2, column::2, channel]
    shot, read_noise = 8e-3, 1.3e-4
    seen = mosaic + np.random.default_rng(1).normal(size=mosaic.shape) * np.sqrt(shot * mosaic + read_noise)
    samples = (seen * 60000 + 2000).clip(0, 65535).astype(np.uint16)
    profile = (51041, 12, 2, (shot, read_noise), True)
    (tmp_path / "a.dng").write_bytes(cfa_dng(samples, black=2000, white=62000, tags=[profile]))
    scores = []
    for name, options in (("off", ("--denoise", "off")), ("on", ("--preset", "raw-high-iso"))):
        target = tmp_path / f"{name}.tiff"
        assert restore("demosaic", *options, tmp_path / "a.dng", "-o", target, *CPU).code == 0
        after = (255 * read(target).pages[0].pixels).round().clip(0, 255).astype(np.uint8)
        scores.append(psnr(after, truth, border=4))
    assert scores[1] > scores[0] + 3
