"""A pair as small pictures: a thumbnail, the whole, and places at full size, in a number of bytes."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from PIL import Image

from restorecli.comparison.difference import Box, Difference, Pair
from restorecli.comparison.display import Bytes
from restorecli.comparison.places import MOST, Place, choose

THUMBNAIL = 96  # pixels, the longer side
VIEWS = (2048, 1600, 1280, 1024, 800, 640, 480, 360, 240)  # the longer side of a view of the whole
_SHARE_OF_VIEW = 0.35  # of the bytes
_TRIAL = 192  # pixels a side, to see how well a photo compresses
_SMALLEST, _LARGEST = 128, 1024  # pixels a side of a place
_USUAL = 384
_CAREFUL = 0.9  # other places may compress worse than the first
_LONGEST = 16000  # pixels a side of a picture that browsers show
_QUALITIES = ((98, 480), (92, 240), (80, 0))
"""Of JPEG, and the sides of places in pixels for which it is worth its bytes: below about 95, chroma noise
looks weaker than it is."""


@dataclass(frozen=True)
class Coded:
    """A picture before and after, each coded; the box in the result that it shows, and why."""

    before: bytes
    after: bytes
    box: Box
    why: str = ""

    @property
    def bytes(self) -> int:
        """Of both."""
        return len(self.before) + len(self.after)


@dataclass(frozen=True)
class Pictures:
    """What the page holds of a pair.

    Attributes:
        thumbnail: of the result, WebP.
        view: of the whole, WebP, with its width and height.
        size: width and height of the view.
        places: at full size, JPEG without chroma subsampling.
    """

    thumbnail: bytes
    view: Coded
    size: tuple[int, int]
    places: tuple[Coded, ...]


def make(pair: Pair, difference: Difference, most: int) -> Pictures:
    """Make a pair's pictures, together hardly more than ``most`` bytes.

    The whole at full size where that fits; else the places that are worth a look.
    """
    thumbnail = _webp(_whole(pair.after.pixels, _fitted(pair, THUMBNAIL)), 70)
    size, view = _view(pair, int(most * _SHARE_OF_VIEW))
    return Pictures(thumbnail, view, size, tuple(_places(pair, difference, most - view.bytes)))


def thumbnail(pixels: Bytes) -> bytes:
    """Return a picture in the size of a thumbnail, WebP."""
    height, width = pixels.shape[:2]
    factor = min(1.0, THUMBNAIL / max(height, width))
    return _webp(_whole(pixels, (max(1, round(width * factor)), max(1, round(height * factor)))), 70)


def _fitted(pair: Pair, longest: int) -> tuple[int, int]:
    """Width and height of a view; never larger than the result."""
    width, height = pair.after.width, pair.after.height
    factor = min(1.0, longest / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _view(pair: Pair, most: int) -> tuple[tuple[int, int], Coded]:
    for longest in VIEWS:
        size = _fitted(pair, longest)
        before, after = (_webp(_whole(one.pixels, size), 82) for one in (pair.before, pair.after))
        view = Coded(before, after, Box(0, 0, pair.after.height, pair.after.width))
        if view.bytes <= most or longest == VIEWS[-1]:
            break
    return size, view


def _places(pair: Pair, difference: Difference, most: int) -> list[Coded]:
    """Return the places that fit into ``most`` bytes, as many and as large as usual before larger ones."""
    height, width = pair.after.height, pair.after.width
    places = []
    for quality, enough in _QUALITIES:
        trial = _coded(pair, choose(difference, height, width, _TRIAL, 1)[0], quality)
        pixels = most * trial.box.height * trial.box.width / trial.bytes  # that can be afforded
        if pixels >= height * width and max(height, width) <= _LONGEST:
            whole = _coded(pair, choose(difference, height, width, max(height, width), 1)[0], quality)
            if whole.bytes <= most:
                return [whole]
        count = max(1, min(MOST, int(pixels / _USUAL**2)))
        side = int(min(_LARGEST, max(_SMALLEST, math.sqrt(_CAREFUL * pixels / count))))
        chosen = choose(difference, height, width, side, count)
        places = [_coded(pair, place, quality) for place in chosen]
        if sum(place.bytes for place in places) <= most and side >= enough:
            break
    return places


def _coded(pair: Pair, place: Place, quality: int) -> Coded:
    before, after = (_jpeg(one, quality) for one in (pair.before_in(place.box), pair.after_in(place.box)))
    return Coded(before, after, place.box, place.why)


def _whole(pixels: Bytes, size: tuple[int, int]) -> Image.Image:
    image = Image.fromarray(pixels)
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)


def _webp(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=quality, method=4)
    return stream.getvalue()


def _jpeg(pixels: Bytes, quality: int) -> bytes:
    coded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), quality=quality, colorspace="RGB", colorsubsampling="444"
    )
    return coded
