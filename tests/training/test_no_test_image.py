"""No test image is trained on: thumbnails of all training photos beside those of all benchmark images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.errors import UsageError
from restorecli.training.lookalikes import ALIKE, check_none_alike, likeness, pictures, thumbnail
from restorecli.training.patches import photo_files
from restorecli.training.recipe import read_recipe

RECIPES = sorted(
    file
    for file in (Path(__file__).parents[2] / "weights" / "recipes").glob("*/*.toml")
    if file.parent.name not in ("own", "plans")
)
TEST_SETS = ("set5", "set14", "b100/HR", "urban100_20", "kodak24", "mcm18", "set12", "classic5", "live1")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    files = [tmp_path / "photos" / f"{number}.png" for number in range(3)]
    for file in files:
        coarse = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((180, 140), Image.Resampling.BICUBIC).save(file)
    return files


def test_a_copy_is_recognised_after_shrinking_flipping_and_jpeg(photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    copy = tmp_path / "tests" / "copy.jpg"
    with Image.open(photos[1]) as photo:
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((90, 70)).save(copy, quality=60)
    scores = likeness([thumbnail(copy)], [thumbnail(photo) for photo in photos])[0]
    assert scores[1] > ALIKE > max(scores[0], scores[2])
    with pytest.raises(UsageError, match=r"1\.png shows the same as .*copy\.jpg"):
        check_none_alike(photos, [copy.parent])
    check_none_alike([photos[0], photos[2]], [copy.parent])


def test_a_photo_that_cannot_be_read_is_like_none(photos: list[Path], tmp_path: Path) -> None:
    """It is left out of the training, too."""
    broken = photos[0].with_name("broken.jpg")
    broken.write_bytes(b"\xff\xd8\xff but nothing more")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "copy.png").write_bytes(photos[1].read_bytes())
    check_none_alike([broken, photos[0]], [tmp_path / "tests"])
    with pytest.raises(UsageError, match=r"1\.png shows the same"):
        check_none_alike([broken, *photos], [tmp_path / "tests"])
    check_none_alike([broken], [])


def test_a_folder_without_pictures_is_refused(photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no picture"):
        check_none_alike(photos, [tmp_path / "empty"])


@pytest.mark.shared
def test_no_training_photo_is_a_test_image(shared_data: Path) -> None:
    recipes = [read_recipe(file) for file in RECIPES]
    training = {file for r in recipes for file in photo_files(shared_data / "train_photos", r)}
    folders = [shared_data / name for name in TEST_SETS]
    assert len(training) > 200 and sum(len(pictures(folder)) for folder in folders) > 200
    check_none_alike(sorted(training), folders)
