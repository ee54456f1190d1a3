"""Drawn sheets for training beside photos: text of several fonts and sizes, line art, flat colours.

Photos hold few letters, and a network that has seen none guesses wrong strokes.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from restorecli.quality.degrade import Bytes

FONTS = Path("/usr/share/fonts/truetype")
"""Where Debian's packages put fonts."""
FAMILIES = ("dejavu", "freefont", "liberation")
"""Folders of fonts-dejavu-core, fonts-freefont-ttf and fonts-liberation: fonts with all Latin letters."""
SIDE, SHEETS = 384, 48
FINE = 3  # lines are drawn so many times larger, for smooth edges
SIZES = (9, 44)  # pixels of letters
WORDS = (
    "the",
    "and",
    "photo",
    "Open",
    "street",
    "of",
    "water",
    "2026",
    "Exit",
    "North",
    "menu",
    "No.",
    "for",
)


def font_files(folder: Path = FONTS) -> list[Path]:
    """List the fonts of `FAMILIES` below ``folder``, sorted; none where there are none."""
    return sorted(file for family in FAMILIES for file in (folder / family).rglob("*.ttf"))


def sheets(seed: int, count: int = SHEETS, fonts: Sequence[Path] | None = None) -> list[Bytes]:
    """Draw ``count`` sheets, `SIDE`×`SIDE`×3 uint8; two in three are text, the others line art.

    Args:
        seed: of everything that is drawn.
        count: how many.
        fonts: TrueType files; none for those of `font_files`, and Pillow's own where there are none.
    """
    files = font_files() if fonts is None else list(fonts)
    return [_sheet(np.random.default_rng((seed, number)), number, files) for number in range(count)]


def _sheet(rng: np.random.Generator, number: int, fonts: Sequence[Path]) -> Bytes:
    paper, ink = _colours(rng)
    if number % 3 == 2:
        return _lines(rng, paper)
    image = Image.new("RGB", (SIDE, SIDE), paper)
    draw = ImageDraw.Draw(image)
    top = 2
    while top < SIDE:
        size = int(np.exp(rng.uniform(*np.log(SIZES))))
        font = _font(rng, size, fonts)
        colour = ink
        if rng.random() < 0.2:  # a line on a ground of its own, like a sign
            ground, colour = _colours(rng)
            draw.rectangle((0, top, SIDE, top + round(1.3 * size)), fill=ground)
        draw.text((int(rng.integers(-size, size)), top), _text(rng, SIDE // size * 2), fill=colour, font=font)
        top += round(size * rng.uniform(1.1, 1.6))
    if rng.random() < 0.3:
        angle = float(rng.uniform(-12, 12))
        image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=paper)
    return np.asarray(image)


def _font(
    rng: np.random.Generator, size: int, fonts: Sequence[Path]
) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    chosen = rng.random()
    return (
        ImageFont.truetype(fonts[int(chosen * len(fonts))], size) if fonts else ImageFont.load_default(size)
    )


def _text(rng: np.random.Generator, letters: int) -> str:
    words: list[str] = []
    while sum(len(word) for word in words) < letters:
        if rng.random() < 0.5:
            words.append(WORDS[int(rng.integers(len(WORDS)))])
        else:
            pool = string.digits if rng.random() < 0.3 else string.ascii_letters
            words.append("".join(rng.choice(list(pool), int(rng.integers(2, 9)))))
    return " ".join(words)


def _lines(rng: np.random.Generator, paper: tuple[int, ...]) -> Bytes:
    large = SIDE * FINE
    image = Image.new("RGB", (large, large), paper)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(30, 70))):
        _, ink = _colours(rng)
        width = max(1, round(FINE * np.exp(rng.uniform(np.log(0.6), np.log(5)))))
        points = [(float(x), float(y)) for x, y in rng.uniform(-0.1, 1.1, (3, 2)) * large]
        left, right = sorted((points[0][0], points[1][0]))
        top, bottom = sorted((points[0][1], points[1][1]))
        kind = rng.integers(5)
        if kind == 0:
            draw.line(points[:2], fill=ink, width=width)
        elif kind == 1:
            start, end = rng.uniform(0, 360, 2)
            draw.arc((left, top, right, bottom), start, end, fill=ink, width=width)
        elif kind == 2:
            draw.rectangle((left, top, right, bottom), outline=ink, width=width)
        elif kind == 3:
            draw.line(_curve(points), fill=ink, width=width, joint="curve")
        else:
            span = 0.12 * large
            draw.polygon(
                [(points[0][0] + x, points[0][1] + y) for x, y in rng.uniform(0, span, (3, 2))], fill=ink
            )
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))


def _curve(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return 40 points of the quadratic Bézier curve of three."""
    (ax, ay), (bx, by), (cx, cy) = points
    return [
        (
            (1 - t) ** 2 * ax + 2 * t * (1 - t) * bx + t * t * cx,
            (1 - t) ** 2 * ay + 2 * t * (1 - t) * by + t * t * cy,
        )
        for t in np.linspace(0, 1, 40)
    ]


def _colours(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return paper and ink: often dark on light, sometimes the reverse, with a difference to be read by."""
    light = rng.integers(190, 256, 3) if rng.random() < 0.6 else np.repeat(rng.integers(225, 256), 3)
    dark = rng.integers(0, 130, 3) if rng.random() < 0.5 else np.repeat(rng.integers(0, 60), 3)
    pair = tuple(int(v) for v in light), tuple(int(v) for v in dark)
    return pair if rng.random() < 0.8 else pair[::-1]
