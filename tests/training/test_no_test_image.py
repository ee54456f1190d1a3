"""No test image is trained on: thumbnails of all training photos beside those of all benchmark images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.training.patches import photo_files
from restorecli.training.recipe import read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "weights" / "recipes").glob("*.toml"))
TEST_SETS = ("set5", "set14", "b100/HR", "urban100_20", "kodak24", "mcm18", "set12", "classic5", "live1")
SIDE = 24
ALIKE = 0.97


def thumbnail(file: Path | Image.Image) -> np.ndarray:
    image = file if isinstance(file, Image.Image) else Image.open(file)
    small = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64)
    centred = (small - small.mean()).ravel()
    return centred / max(np.linalg.norm(centred), 1e-9)


def likeness(first: list[np.ndarray], second: list[np.ndarray]) -> np.ndarray:
    turned = [np.rot90(t.reshape(SIDE, SIDE), k) for t in second for k in range(4)]
    both = [t for turn in turned for t in (turn, turn[:, ::-1])]
    scores = np.stack(first) @ np.stack([t.ravel() for t in both]).T
    return scores.reshape(len(first), len(second), 8).max(axis=2)


def test_a_copy_is_recognised_after_shrinking_flipping_and_jpeg(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    photos = [
        Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize((180, 140), 3)
        for _ in range(3)
    ]
    copy = tmp_path / "copy.jpg"
    photos[1].transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((90, 70)).save(copy, quality=60)
    scores = likeness([thumbnail(copy)], [thumbnail(photo) for photo in photos])[0]
    assert scores[1] > ALIKE > max(scores[0], scores[2])


@pytest.mark.shared
def test_no_training_photo_is_a_test_image(shared_data: Path) -> None:
    training = sorted(
        {file for r in RECIPES for file in photo_files(shared_data / "train_photos", read_recipe(r))}
    )
    pictures = [file for name in TEST_SETS for file in sorted((shared_data / name).rglob("*"))]
    tests = [file for file in pictures if file.suffix in (".png", ".jpg", ".webp")]
    assert len(training) > 200 and len(tests) > 200
    scores = likeness([thumbnail(f) for f in training], [thumbnail(f) for f in tests])
    pairs = [(training[i].name, tests[j].name) for i, j in np.argwhere(scores > ALIKE)]
    assert not pairs
