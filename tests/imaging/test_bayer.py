"""Patterns, phases and interpolation of Bayer mosaics, against colour-demosaicing and plain formulas."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from restorecli.imaging import bayer, cfa


def picture(height: int = 21, width: int = 18) -> np.ndarray:
    return np.random.default_rng(5).random((height, width, 3), dtype=np.float32)


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_a_mosaic_holds_the_colour_its_name_says(pattern: str) -> None:
    colours = np.zeros((4, 6, 3), np.float32)
    colours[..., 0], colours[..., 1], colours[..., 2] = 1, 2, 3
    letters = "".join(" RGB"[int(value)] for value in cfa.sample(colours, pattern)[:2, :2].ravel())
    assert letters == pattern


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
@pytest.mark.parametrize("name", ["malvar", "bilinear"])
def test_interpolation_agrees_with_colour_demosaicing(pattern: str, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour_demosaicing
    reference = {
        "malvar": colour_demosaicing.demosaicing_CFA_Bayer_Malvar2004,
        "bilinear": colour_demosaicing.demosaicing_CFA_Bayer_bilinear,
    }[name]
    mosaic = cfa.sample(picture(), pattern)
    ours = getattr(bayer, name)(mosaic, pattern)
    theirs = reference(mosaic.astype(np.float64), pattern)
    inside = (slice(2, -2), slice(2, -2))  # borders are continued otherwise there
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=2e-6)


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
@pytest.mark.parametrize("interpolate", [bayer.malvar, bayer.bilinear])
def test_a_flat_colour_survives_interpolation_to_the_border(pattern: str, interpolate: object) -> None:
    flat = np.full((7, 5, 3), (0.2, 0.5, 1.3), np.float32)
    assert callable(interpolate)
    np.testing.assert_allclose(interpolate(cfa.sample(flat, pattern), pattern), flat, atol=1e-6)


def test_malvar_does_not_clip() -> None:
    edge = np.zeros((8, 8, 3), np.float32)
    edge[:, 4:] = 1
    result = bayer.malvar(cfa.sample(edge, "RGGB"), "RGGB")
    assert result.min() < 0
    assert result.max() > 1


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
@pytest.mark.parametrize("wanted", bayer.PATTERNS)
@pytest.mark.parametrize("size", [(6, 8), (7, 5), (2, 2)])
def test_a_mosaic_takes_another_phase_without_moving_a_sample(
    pattern: str, wanted: str, size: tuple[int, int]
) -> None:
    colours = np.broadcast_to(np.array([1, 2, 3], np.float32), (*size, 3))
    mosaic = cfa.sample(colours, pattern) + np.float32(10) * np.arange(size[1], dtype=np.float32)
    padded, (rows, columns) = bayer.to_phase(mosaic, pattern, wanted)
    np.testing.assert_array_equal(padded[rows:, columns:], mosaic)
    assert max(rows, columns) <= 1
    expected = cfa.sample(np.broadcast_to(colours[0, 0], (*padded.shape, 3)), wanted)
    np.testing.assert_array_equal(padded % 10, expected)


@pytest.mark.parametrize("pattern", bayer.PATTERNS)
def test_a_mosaic_with_zeros_is_recognised_and_gives_its_samples_back(pattern: str) -> None:
    mosaic = cfa.sample(picture(), pattern)
    image = cfa.as_zeros(mosaic, pattern)
    assert cfa.recognise_zeros(image, bayer.PATTERNS) == pattern
    np.testing.assert_array_equal(image.sum(axis=2), mosaic)
    np.testing.assert_array_equal(cfa.sample(image, pattern), mosaic)


@pytest.mark.parametrize(
    "image",
    [
        picture(),
        np.zeros((6, 6, 3), np.float32),
        picture() * np.array([1, 0, 0], np.float32),
        np.repeat(picture()[..., :1], 3, axis=2),
        picture()[..., :1],
    ],
    ids=["photo", "black", "red", "gray", "one channel"],
)
def test_what_is_no_mosaic_with_zeros_is_not_taken_for_one(image: np.ndarray) -> None:
    assert cfa.recognise_zeros(image, bayer.PATTERNS) is None


def test_cutting_a_row_or_a_column_shifts_the_pattern() -> None:
    mosaic = cfa.as_zeros(cfa.sample(picture(), "RGGB"), "RGGB")
    for rows in (0, 1, 2, 3):
        for columns in (0, 1, 2, 3):
            assert cfa.recognise_zeros(mosaic[rows:, columns:], bayer.PATTERNS) == cfa.shifted(
                "RGGB", rows, columns
            )


@pytest.mark.parametrize(("pattern", "size"), [("RGBG", (4, 4)), ("", (4, 4)), ("RGGB", (1, 4))])
def test_what_is_no_bayer_mosaic_is_refused(pattern: str, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="Bayer"):
        bayer.malvar(np.zeros(size, np.float32), pattern)
