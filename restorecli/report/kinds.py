"""What is said of many photos, said once per kind: texts that differ in their numbers alone are one kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_NUMBER = re.compile(r"(?<![\w.×-])\d+(?:\.\d+)?(?![\w×])")


@dataclass
class Kind:
    """Texts of one kind.

    Attributes:
        label: what sort of message it is: "note", "warning", "skipped".
        words: the text between its numbers.
        numbers: per place of a number, those that stood there, as they were written.
        count: how many photos.
        example: the first of them.
    """

    label: str
    words: list[str]
    numbers: list[list[str]]
    example: str
    count: int = 0

    @property
    def text(self) -> str:
        """The text, a range where numbers differ."""
        ranges = [_range(values) for values in self.numbers] + [""]
        return "".join(word + number for word, number in zip(self.words, ranges, strict=True))


@dataclass
class Kinds:
    """Texts about photos, gathered by kind in the order in which the kinds were met."""

    _found: dict[tuple[str, str], Kind] = field(default_factory=dict)

    def add(self, label: str, text: str, photo: str, *names: str) -> None:
        """Note a ``text`` about ``photo``; ``names`` in it, such as the result's, make no kind of its own."""
        for name in (photo, *names):
            text = text.replace(name, "…") if len(name) > 1 else text
        words = _NUMBER.split(text)
        kind = self._found.setdefault(
            (label, "#".join(words)), Kind(label, words, [[] for _ in words[1:]], photo)
        )
        kind.count += 1
        for place, number in zip(kind.numbers, _NUMBER.findall(text), strict=True):
            place[:] = sorted({number, *place}, key=float)
            del place[1:-1]

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._found.values())


def _range(values: list[str]) -> str:
    return values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}"
