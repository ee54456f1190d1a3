"""JPEG's quality is found from the file's tables, and from what is left of its blocks in decoded pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from restorecli.photo import FloatArray, Quantisation
from restorecli.photos.read import read
from restorecli.tasks.estimate.jpeg import (
    LUMINANCE,
    JpegEstimate,
    quality_from_pixels,
    quality_from_tables,
    scaled_table,
)


def scene(height: int = 208, width: int = 240) -> Image.Image:
    """Detail at every scale, in colours: noise whose spectrum falls with the frequency."""
    generator = np.random.default_rng(2)
    layers = [
        gaussian_filter(generator.normal(size=(height, width, 3)), (s, s, 0.4)) * s for s in (1, 2, 5, 12)
    ]
    picture = sum(layers)
    return Image.fromarray(np.clip(127 + 55 * picture, 25, 230).astype(np.uint8))


def compressed(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def decoded(image: Image.Image, **options: object) -> Image.Image:
    with Image.open(io.BytesIO(compressed(image, **options))) as opened:
        return opened.convert(image.mode)


def values(image: Image.Image) -> FloatArray:
    samples = np.asarray(image, np.float32) / 255
    return samples if samples.ndim == 3 else samples[:, :, None]


def tables(data: bytes) -> Quantisation:
    quantisation = read(data).pages[0].quantisation
    assert quantisation is not None
    return quantisation


def test_tables_are_those_that_libjpeg_writes() -> None:
    for quality in range(1, 101):
        data = compressed(Image.new("L", (8, 8)), quality=quality)
        assert np.array_equal(tables(data).tables[0], scaled_table(LUMINANCE, quality))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_quality_is_known_by_its_tables(mode: str) -> None:
    for quality in (*range(1, 100, 7), 49, 50, 51, 99, 100):
        data = compressed(Image.new(mode, (16, 16)), quality=quality)
        assert quality_from_tables(tables(data)) == JpegEstimate(quality, True, "tables")


def test_tables_that_are_not_the_standard_ones_get_the_nearest_quality() -> None:
    coarse = np.clip(scaled_table(LUMINANCE, 60) + np.tile([[1, -1]], (8, 4)), 1, 255).astype(np.uint16)
    estimate = quality_from_tables(Quantisation((coarse, coarse, coarse), ((1, 1),) * 3))
    assert not estimate.exact
    assert abs(estimate.quality - 60) <= 2


@pytest.mark.parametrize(("step", "quality"), [(1, 100), (16, 76), (128, 13), (255, 1)])
def test_flat_tables_get_a_sensible_quality(step: int, quality: int) -> None:
    estimate = quality_from_tables(Quantisation((np.full((8, 8), step, np.uint16),), ((1, 1),)))
    assert estimate.quality == quality


def test_luma_of_one_quality_and_chroma_of_another_are_not_exact() -> None:
    files = [tables(compressed(Image.new("RGB", (16, 16)), quality=quality)).tables for quality in (80, 40)]
    estimate = quality_from_tables(Quantisation((files[0][0], *files[1][1:]), ((1, 1),) * 3))
    assert (estimate.quality, estimate.exact) == (80, False)


def test_tables_of_16_bit_are_known() -> None:
    wide = scaled_table(LUMINANCE, 3, 32767).astype(np.uint16)
    assert wide.max() > 255
    assert quality_from_tables(Quantisation((wide,), ((1, 1),))) == JpegEstimate(3, True, "tables")


@pytest.mark.parametrize("quality", [5, 10, 30, 50, 75, 90, 95])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_quality_is_found_in_decoded_pixels(quality: int, subsampling: int) -> None:
    pixels = values(decoded(scene(), quality=quality, subsampling=subsampling))
    assert quality_from_pixels(pixels) == JpegEstimate(quality, True, "pixels", (0, 0))


@pytest.mark.parametrize("offset", [(0, 1), (3, 5), (7, 7)])
@pytest.mark.parametrize("quality", [10, 80])
def test_the_grid_of_a_cropped_picture_is_found(offset: tuple[int, int], quality: int) -> None:
    row, column = (-offset[0]) % 8, (-offset[1]) % 8
    pixels = values(decoded(scene(), quality=quality))[row:, column:]
    assert quality_from_pixels(pixels) == JpegEstimate(quality, True, "pixels", offset)


def test_gray_pictures_have_a_quality() -> None:
    pixels = values(decoded(scene().convert("L"), quality=35))
    assert quality_from_pixels(pixels) == JpegEstimate(35, True, "pixels")


def test_tables_of_its_own_show_in_pixels_as_the_nearest_quality() -> None:
    table = (scaled_table(LUMINANCE, 70).T + np.tile([[2, -1]], (8, 4))).ravel().tolist()
    data = compressed(scene(), qtables=[table, table], subsampling=0)
    with Image.open(io.BytesIO(data)) as image:
        estimate = quality_from_pixels(values(image))
    assert not estimate.exact
    assert abs(estimate.quality - quality_from_tables(tables(data)).quality) <= 5


@pytest.mark.parametrize(("first", "second"), [(20, 60), (30, 80), (70, 90)])
def test_of_two_compressions_the_coarser_is_told(first: int, second: int) -> None:
    pixels = values(decoded(decoded(scene(), quality=first), quality=second))
    assert abs(quality_from_pixels(pixels).quality - first) <= 3


def test_of_two_compressions_the_later_counts_where_it_is_coarser() -> None:
    pixels = values(decoded(decoded(scene(), quality=90), quality=50))
    assert quality_from_pixels(pixels) == JpegEstimate(50, True, "pixels")


def clean_pictures() -> dict[str, FloatArray]:
    picture = values(scene())
    checks = np.indices((128, 128)).sum(0) % 16 < 8
    board = np.kron(np.indices((16, 16)).sum(0) % 2, np.ones((8, 8)))
    return {
        "a scene": picture,
        "noise": np.random.default_rng(0).random((128, 128, 3), dtype=np.float32),
        "stripes of 8 pixels": np.repeat(0.3 + 0.4 * checks[:, :, None], 3, 2).astype(np.float32),
        "squares of 8 pixels": (0.2 + 0.6 * board[:, :, None]).astype(np.float32),
        "pixels enlarged to 8×8": np.kron(picture[:24, :24], np.ones((8, 8, 1), np.float32)),
        "one value": np.full((64, 64, 3), 0.5, np.float32),
        "white": np.ones((64, 64, 3), np.float32),
        "a slope": np.linspace(0, 1, 128 * 128, dtype=np.float32).reshape(128, 128, 1),
        "enlarged after compression": values(decoded(scene(), quality=50).resize((300, 260))),
    }


def test_pictures_without_traces_have_no_quality() -> None:
    for name, pixels in clean_pictures().items():
        assert quality_from_pixels(pixels) is None, name


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (15, 15), (20, 24)])
def test_tiny_pictures_have_no_quality(size: tuple[int, int]) -> None:
    pixels = values(decoded(scene(), quality=20))[: size[0], : size[1]]
    assert quality_from_pixels(pixels) is None


def shared_images(folder: Path) -> list[Image.Image]:
    return [Image.open(file).convert("RGB") for file in sorted(folder.glob("*.png"))[::4]]


@pytest.mark.shared
def test_photos_of_live1_are_clean_until_they_are_compressed(shared_data: Path) -> None:
    for image in shared_images(shared_data / "live1"):
        assert quality_from_pixels(values(image)) is None
        for quality in (5, 40, 90):
            pixels = values(decoded(image, quality=quality))[3:, 5:]
            assert quality_from_pixels(pixels) == JpegEstimate(quality, True, "pixels", (5, 3))
