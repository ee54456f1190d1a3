"""Count letters that enlarging turns into others: ``python -m benchmarks.glyphs -x 4 --fonts FONT…``.

Letters and digits of known places are drawn, shrunk by bicubic and enlarged. One is wrong where the picture
at its place is nearer, by the mean squared error, to another letter of the font than to itself.
"""

from __future__ import annotations

import argparse
import string
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.documents.cards import restored
from restorecli.models.registry import load_registry
from restorecli.quality.degrade import shrink
from restorecli.quality.protocols.base import as_float
from restorecli.quality.protocols.upscale import UpscaleProtocol

LETTERS = string.ascii_letters + string.digits
COLUMNS, ROWS, MARGIN = 12, 6, 4
SIZES = (4, 5, 6, 8)
"""Font sizes in pixels of the small picture."""
Gray = NDArray[np.float64]


def drawn(text: str, font: ImageFont.FreeTypeFont, place: tuple[int, int], size: tuple[int, int]) -> Gray:
    """Draw black on white; return H×W, 0–255."""
    image = Image.new("L", size, 255)
    ImageDraw.Draw(image).text(place, text, fill=0, font=font)
    return np.asarray(image, dtype=np.float64)


def sheet(
    font: ImageFont.FreeTypeFont, cell: tuple[int, int], scale: int, rng: np.random.Generator
) -> tuple[Gray, NDArray[np.int64]]:
    """Draw a sheet of letters chosen at random; return it and the letters' numbers, rows×columns."""
    size = tuple(
        (count * side + 2 * MARGIN) // scale * scale
        for count, side in zip((COLUMNS, ROWS), cell, strict=True)
    )
    letters = rng.integers(len(LETTERS), size=(ROWS, COLUMNS))
    page = np.full(size[::-1], 255.0)
    for (row, column), letter in np.ndenumerate(letters):
        place = (MARGIN + column * cell[0], MARGIN + row * cell[1])
        page = np.minimum(page, drawn(LETTERS[letter], font, place, (size[0], size[1])))
    return page, letters


def wrong(
    page: Gray, letters: NDArray[np.int64], font: ImageFont.FreeTypeFont, cell: tuple[int, int]
) -> float:
    """Return the share of letters on a page that are nearer to others."""
    models = np.stack([drawn(letter, font, (0, 0), cell) for letter in LETTERS])
    missed = 0
    for (row, column), letter in np.ndenumerate(letters):
        top, left = MARGIN + row * cell[1], MARGIN + column * cell[0]
        seen = page[top : top + cell[1], left : left + cell[0]]
        errors = (models[:, : seen.shape[0], : seen.shape[1]] - seen) ** 2
        missed += int(errors.mean((1, 2)).argmin() != letter)
    return missed / letters.size


def main() -> None:
    """Print the shares by size, over all fonts."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("-x", "--scale", type=int, default=4)
    options.add_argument("--fonts", type=Path, nargs="+", required=True)
    options.add_argument("--weights", nargs="*", help="Names in the catalogue. Default: nlsn-light-xN.")
    given = options.parse_args()
    scale, rng = given.scale, np.random.default_rng(5)
    bicubic = UpscaleProtocol(scale).methods()[0][1]
    shares: dict[str, list[list[float]]] = defaultdict(lambda: [[] for _ in SIZES])
    for file in given.fonts:
        for index, size in enumerate(SIZES):
            font = ImageFont.truetype(file, size * scale)
            cell = (round(1.05 * size * scale), round(1.35 * size * scale))
            page, letters = sheet(font, cell, scale, rng)
            small = as_float(shrink(np.repeat(page[:, :, None], 3, axis=2).astype(np.uint8), scale))
            made = {"bicubic": bicubic(small)}
            for name in given.weights or [f"nlsn-light-x{scale}"]:
                made[name] = restored(load_registry().find(name), small)
            for name, picture in made.items():
                shares[name][index].append(wrong(picture.mean(2, dtype=np.float64), letters, font, cell))
    print(f"| enlarged by | {' | '.join(f'{size} pixels' for size in SIZES)} |\n|---|{'---|' * len(SIZES)}")
    for name, sizes in shares.items():
        print(f"| {name} | {' | '.join(f'{100 * np.mean(fonts):.0f} %' for fonts in sizes)} |")


if __name__ == "__main__":
    main()
