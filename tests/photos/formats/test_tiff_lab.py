"""CIELAB in TIFF: the three codings of TIFF 6.0, ICC and ITU-T T.42, against colour-science."""

from __future__ import annotations

import io

import colour
import numpy as np
import pytest
import tifffile

from restorecli.photos.read import read

GENERATOR = np.random.default_rng(5)
LAB = np.dstack([GENERATOR.uniform(*span, (12, 16)) for span in ((30, 80), (-20, 30), (-25, 40))])
WHITES = {"D50": (0.3457, 0.3585), "D65": (0.3127, 0.329)}


def coded(kind: int, bits: int) -> np.ndarray:
    lightness, a, b = np.moveaxis(LAB, -1, 0)
    peak, step = 2**bits - 1, 2 ** (bits - 8)
    cells = {
        8: (lightness * peak / 100, (a * step) % (peak + 1), (b * step) % (peak + 1)),
        9: (lightness * 255 * step / 100, (a + 128) * step, (b + 128) * step),
        10: (lightness * peak / 100, a * peak / 170 + 128 * step, b * peak / 200 + 96 * step),
    }[kind]
    return np.rint(np.dstack(cells)).astype(np.uint8 if bits == 8 else np.uint16)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", [8, 9, 10], ids=["CIELAB", "ICCLAB", "ITULAB"])
@pytest.mark.parametrize("white", [None, *WHITES])
def test_every_coding_gives_the_colours_that_it_means(kind, bits, white):
    fractions = [(round(value * 10000), 10000) for value in WHITES.get(white, ())]
    stated = [(318, 5, 2, sum(fractions, ()), True)] if fractions else []
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, coded(kind, bits), photometric=kind, metadata=None, extratags=stated)
    xy = np.array(WHITES[white or "D50"])
    expected = colour.XYZ_to_sRGB(
        colour.Lab_to_XYZ(LAB, xy), illuminant=xy, chromatic_adaptation_transform="Bradford"
    )
    page = read(buffer.getvalue()).pages[0]
    away = np.abs(page.pixels - np.clip(expected, 0, 1))
    coarse = 1 if bits == 8 else 1 / 16  # what rounding a and b to whole numbers does
    assert away.max() < 0.02 * coarse and away.mean() < 0.004 * coarse
    assert page.warnings == ("the picture is CIELAB: the result is RGB (sRGB)",)
