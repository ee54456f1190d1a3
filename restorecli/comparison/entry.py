"""What a page holds of one photo: its line in the list, and its pictures as data."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restorecli import host
from restorecli.comparison import pictures
from restorecli.comparison.difference import Box, Pair, differ
from restorecli.comparison.display import Shown, show
from restorecli.comparison.text import escaped, readable, script_data
from restorecli.errors import TooLargeError
from restorecli.photos.limits import reading_bytes
from restorecli.photos.read import measure

_SHARE = 0.8  # of the memory that is free
_BASE64 = 3 / 4  # bytes that a character holds
_ROUNDING = 0.005  # steps of 0–255: less is written as 0.00


@dataclass(frozen=True)
class Told:
    """What is known of a photo beside its pictures.

    Attributes:
        input, result: paths, as messages call them.
        notes: what was found and done.
        warnings: what did not go as asked.
    """

    input: str
    result: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the page calls the photo."""
        return readable("standard input" if self.input == "-" else Path(self.input).name)


@dataclass(frozen=True)
class Entry:
    """A photo on the page.

    Attributes:
        change: mean absolute difference in steps of 0–255; what the page is sorted by.
        name: of the photo.
        size: of the result, in words.
        thumbnail: a picture for the list, as a URL.
        data: everything else, for the page's script.
    """

    change: float
    name: str
    size: str
    thumbnail: str
    data: str

    def row(self) -> str:
        """Return the photo's button in the list."""
        told = f"{self.change:.2f} · {self.size}"
        return (
            f'<li><button type="button" class="row" title="{escaped(self.name)}">'
            f'<img src="{self.thumbnail}" alt="" loading="lazy" decoding="async">'
            f"<bdi>{escaped(self.name)}</bdi><span>{escaped(told)}</span></button></li>"
        )


def make_entry(before: Path | bytes, after: Path | bytes, told: Told, most: int) -> Entry:
    """Read a photo and its result, and make of them what the page holds.

    Args:
        before: the photo, a path or the file's bytes.
        after: its result.
        told: what is known of it.
        most: characters that its pictures may take.

    Raises:
        PhotoError: one of them cannot be read, they do not fit together, or they take too much memory.
    """
    _check_memory(before, after, told)
    pair = Pair(show(before, told.input), show(after, told.result))
    difference = differ(pair)
    made = pictures.make(pair, difference, int(most * _BASE64))
    change = difference.mean if difference.mean >= _ROUNDING else 0.0
    whole = len(made.places) == 1 and made.places[0].box.width * made.places[0].box.height == (
        pair.after.width * pair.after.height
    )
    data = {
        "name": told.name,
        "change": f"{change:.2f}",
        "fitted": pair.fitted,
        "input": _file(told.input, pair.before),
        "result": _file(told.result, pair.after),
        "notes": [readable(text) for text in told.notes],
        "warnings": [readable(text) for text in told.warnings],
        "shown": _how(pair, whole, made.places),
        "whole": whole,
        "view": _coded(made.view, "webp"),
        "places": [_coded(place, "jpeg") for place in made.places],
    }
    size = f"{pair.after.width} × {pair.after.height}"
    return Entry(change, told.name, size, _url(made.thumbnail, "webp"), script_data(data))


def _check_memory(before: Path | bytes, after: Path | bytes, told: Told) -> None:
    needed = kept = 0
    for source, name in ((before, told.input), (after, told.result)):
        extents, length = measure(source, name=name)
        needed = max(needed, kept + reading_bytes(extents, length))
        kept += 3 * sum(page.pixels for page in extents[:1])
    if needed > _SHARE * host.available_bytes():
        raise TooLargeError(f"showing it takes {needed / 2**20:.0f} MiB of memory")


def _file(path: str, shown: Shown) -> dict[str, str]:
    name = {"-": "standard input or output"}.get(path, path)
    return {"path": readable(name), "size": f"{shown.width} × {shown.height}", "kind": shown.kind}


def _how(pair: Pair, whole: bool, places: tuple[pictures.Coded, ...]) -> list[str]:
    """Say what the page does not show as it is."""
    told = [f"input: {pair.fitted}"] if pair.fitted else []
    told += [f"input: {text}" for text in pair.before.notes]
    told += [f"result: {text}" for text in pair.after.notes]
    if whole:
        return [*told, "the whole photo is here at full size"]
    count = len(places)
    return [*told, f"{count} place{'s are' if count > 1 else ' is'} here at full size, the rest smaller"]


def _coded(coded: pictures.Coded, kind: str) -> dict[str, Any]:
    return {
        "before": _url(coded.before, kind),
        "after": _url(coded.after, kind),
        "box": _box(coded.box),
        "why": coded.why,
    }


def _box(box: Box) -> dict[str, int]:
    return {"top": box.top, "left": box.left, "width": box.width, "height": box.height}


def _url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
