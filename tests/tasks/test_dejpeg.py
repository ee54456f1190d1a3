from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from skimage.color import rgb2ycbcr

from restorecli.photo import Photo
from restorecli.photos.read import read
from restorecli.tasks.dejpeg import Dejpeg, weighed
from tests.tasks.stubs import Stub, restored

RNG = np.random.default_rng(5)


def picture(channels: int = 3) -> npt.NDArray[np.float32]:
    return (RNG.integers(0, 256, (16, 24, channels)) / 255).astype(np.float32)


def jfif(rgb: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """YCbCr by the formulas of the JFIF standard, chroma around zero."""
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    return np.stack(
        [
            0.299 * red + 0.587 * green + 0.114 * blue,
            -0.1687 * red - 0.3313 * green + 0.5 * blue,
            0.5 * red - 0.4187 * green - 0.0813 * blue,
        ],
        axis=-1,
    )


def test_colour_networks_see_the_colours() -> None:
    photo, network = Photo(picture()), Stub(lambda x: 1 - x)
    result = restored(photo, Dejpeg(20), network)
    assert np.array_equal(network.seen[0].numpy(), np.transpose(photo.pixels, (2, 0, 1))[None])
    np.testing.assert_allclose(result.pixels, 1 - photo.pixels, atol=1e-7)


def test_networks_trained_on_studio_luma_see_what_scikit_image_computes() -> None:
    photo, network = Photo(picture()), Stub(channels=1, luma="studio")
    restored(photo, Dejpeg(20), network)
    expected = rgb2ycbcr(photo.pixels)[:, :, 0] / 255
    assert network.seen[0].shape == (1, 1, 16, 24)
    np.testing.assert_allclose(network.seen[0][0, 0].numpy(), expected, atol=1e-6)


def test_other_luma_networks_see_jpeg_s_own_luma() -> None:
    photo, network = Photo(picture()), Stub(channels=1, luma="full")
    restored(photo, Dejpeg(20), network)
    np.testing.assert_allclose(network.seen[0][0, 0].numpy(), jfif(photo.pixels)[..., 0], atol=1e-6)


@pytest.mark.parametrize("luma", ["studio", "full"])
def test_only_luma_changes_and_by_what_the_network_says(luma: str) -> None:
    photo = Photo(0.3 + 0.4 * picture())  # away from the ends, where clipping would change chroma
    step = 0.05 * (219 / 255 if luma == "studio" else 1)
    result = restored(photo, Dejpeg(20), Stub(lambda x: x + step, channels=1, luma=luma))
    before, after = jfif(photo.pixels), jfif(result.pixels)
    np.testing.assert_allclose(after[..., 0] - before[..., 0], 0.05, atol=1e-5)
    np.testing.assert_allclose(after[..., 1:], before[..., 1:], atol=2e-4)


@pytest.mark.parametrize("luma", ["studio", "full"])
def test_a_luma_network_that_changes_nothing_gives_the_photo_back(luma: str) -> None:
    photo = Photo(picture())
    result = restored(photo, Dejpeg(20), Stub(channels=1, luma=luma))
    np.testing.assert_allclose(result.pixels, photo.pixels, atol=1e-6)


def test_gray_goes_to_luma_networks_as_it_is() -> None:
    photo, network = Photo(picture(1)), Stub(lambda x: x / 2, channels=1, luma="studio")
    result = restored(photo, Dejpeg(20), network)
    assert np.array_equal(network.seen[0][0, 0].numpy(), photo.pixels[:, :, 0])
    np.testing.assert_allclose(result.pixels, photo.pixels / 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_quality_is_one_more_channel_where_the_network_takes_it(channels: int) -> None:
    network = Stub(channels=channels, extra_input="quality map")
    restored(Photo(picture()), Dejpeg(30), network)
    assert np.array_equal(network.seen[0][0, channels].numpy(), np.full((16, 24), np.float32(0.7)))


def test_alpha_and_the_colours_it_hides_stay() -> None:
    pixels, alpha = picture(), np.ones((16, 24), dtype=np.float32)
    alpha[:, :8] = 0
    for channels in (1, 3):
        result = restored(Photo(pixels, alpha), Dejpeg(20), Stub(lambda x: 1 - x, channels=channels))
        assert result.alpha is alpha
        assert np.array_equal(result.pixels[:, :8], pixels[:, :8])
        assert not np.allclose(result.pixels[:, 8:], pixels[:, 8:], atol=0.01)


def stored(picture: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=quality)
    return file.getvalue()


@pytest.mark.parametrize("fine", [80, 90, 99])
def test_fine_tables_do_not_hide_an_earlier_coarse_compression(fine: int) -> None:
    rows, columns = np.mgrid[0:128, 0:128]
    waves = 128 + 60 * np.sin(rows / 7) * np.cos(columns / 5) + RNG.normal(0, 6, (128, 128))
    first = Image.fromarray(waves.round().clip(0, 255).astype(np.uint8))
    second = Image.open(io.BytesIO(stored(first, 20)))
    alone, after = (
        Dejpeg().examine(read(data, name="x").pages[0])
        for data in (stored(first, fine), stored(second, fine))
    )
    assert (alone.details["quality"], alone.details["quality_source"]) == (fine, "tables")
    assert bool(alone.leave) == (fine == 99)
    assert after.details["quality"] == pytest.approx(20, abs=3)
    assert after.details["quality_source"] == "pixels"
    assert not after.leave


def test_the_offset_of_the_blocks_of_a_cropped_photo_is_told() -> None:
    rows, columns = np.mgrid[0:160, 0:160]
    waves = 128 + 60 * np.sin(rows / 7) * np.cos(columns / 5) + RNG.normal(0, 6, (160, 160))
    first = Image.fromarray(waves.round().clip(0, 255).astype(np.uint8))
    pixels = np.asarray(Image.open(io.BytesIO(stored(first, 15))), dtype=np.float32)[3:, 5:, None] / 255
    need = Dejpeg().examine(Photo(pixels))
    assert need.details["grid_offset"] == "5,3"  # the first whole block begins there
    assert need.level == pytest.approx(15, abs=3)


@pytest.mark.parametrize("quality", [5, 99])
def test_a_quality_that_is_given_is_not_questioned(quality: int) -> None:
    need = Dejpeg(quality).examine(Photo(picture()))
    assert (need.level, need.leave) == (quality, "")
    assert need.details == {"quality": quality, "quality_source": "given"}


@pytest.mark.parametrize(
    ("taken", "lost", "kept"),
    [(0.0, 2.0, 1.0), (3.0, 0.0, 1.0), (0.5, 2.0, 1.0), (2.0, 2.0, 0.35), (8.0, 2.0, 0.0875)],
)
def test_no_more_is_changed_than_may_have_been_lost(taken: float, lost: float, kept: float) -> None:
    found = weighed(taken, lost)
    assert found.share == pytest.approx(kept)
    assert not found.leave
    assert bool(found.notes) == (kept < 1)
    assert found.details.get("dejpeg_effect", 1.0) == pytest.approx(kept, abs=0.005)


@pytest.mark.parametrize(("quality", "weighs"), [(60, False), (84, False), (85, True), (97, True)])
def test_only_fine_compression_is_weighed_against_what_the_network_changes(
    quality: int, weighs: bool
) -> None:
    noise = RNG.normal(128, 20, (96, 96)).round().clip(0, 255).astype(np.uint8)
    photo = read(stored(Image.fromarray(noise), quality), name="x").pages[0]
    assert (Dejpeg().examine(photo).weigh is not None) == weighs
    assert Dejpeg(quality).examine(photo).weigh is None  # what is given is done


def test_more_is_kept_where_chroma_was_halved() -> None:
    gray = RNG.normal(128, 20, (96, 96, 1)).round().clip(0, 255).astype(np.uint8)
    shares = []
    for subsampling in ("4:4:4", "4:2:0"):
        file = io.BytesIO()
        Image.fromarray(gray.repeat(3, axis=2)).save(file, "jpeg", quality=95, subsampling=subsampling)
        need = Dejpeg().examine(read(file.getvalue(), name="x").pages[0])
        assert need.weigh is not None
        shares.append(need.weigh(100.0).share)
    assert shares[1] == pytest.approx(0.45 / 0.35 * shares[0], rel=0.01)
