"""The page as a file: photos are kept aside while they come in, and put in order at the end."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import IO

from restorecli.comparison.entry import Entry, Told
from restorecli.comparison.target import MARK
from restorecli.comparison.text import escaped, readable
from restorecli.errors import WriteError
from restorecli.photos import temporary

MOST = 40_000_000  # characters of pictures on a page
MOST_OF_A_PHOTO = 16_000_000
LEAST_OF_A_PHOTO = 80_000
MOST_WITH_PICTURES = MOST // LEAST_OF_A_PHOTO
"""Photos that can be opened: of more, those that changed most."""


@dataclass(frozen=True)
class Small:
    """A photo that is only named, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Written:
    """A page that was written: how many photos have pictures on it, and its length in bytes."""

    photos: int
    bytes: int


@dataclass
class Page:
    """A page that is being made.

    Args:
        target: where it will be.
        expected: about how many photos it will have; decides how many bytes each gets.
        title: its heading.

    Attributes:
        left: photos that were left as they were.
        failed: photos that have no result, or none that can be shown.

    Raises:
        WriteError: nothing can be written there.
    """

    target: Path
    expected: int
    title: str
    left: list[Small] = field(default_factory=list)
    failed: list[Small] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._entries: list[tuple[Entry, int, int]] = []  # without data, which lies in the file aside
        with _named(self.target):
            self.target.parent.mkdir(parents=True, exist_ok=True)
            # Nobody else needs it, and it goes with the process.
            self._aside: IO[bytes] = tempfile.TemporaryFile(dir=self.target.parent)  # noqa: SIM115 - `close` does

    @property
    def share(self) -> int:
        """The characters that a photo's pictures may take."""
        return max(LEAST_OF_A_PHOTO, min(MOST_OF_A_PHOTO, MOST // max(1, self.expected)))

    def add(self, entry: Entry) -> None:
        """Take a photo; its pictures are kept in a file."""
        data = entry.data.encode("ascii")
        with _named(self.target):
            start = self._aside.seek(0, os.SEEK_END)
            self._aside.write(data)
        self._entries.append((replace(entry, data=""), start, len(data)))

    def name(self, told: Told, reason: str, *, failed: bool) -> None:
        """Take a photo that has no pictures."""
        (self.failed if failed else self.left).append(Small(told.name, readable(reason)))

    def write(self, summary: str) -> Written:
        """Write the page, whole or not at all, and let go of what was kept aside.

        Args:
            summary: what stands under its heading.

        Raises:
            WriteError: the folder or the disk refuses.
        """
        self._entries.sort(key=lambda kept: -kept[0].change)
        shown, rest = self._entries[:MOST_WITH_PICTURES], self._entries[MOST_WITH_PICTURES:]
        part = temporary.beside(self.target)
        try:
            with _named(self.target), part.open("xb") as stream:
                before, after = self._frame(summary, [kept[0] for kept in shown], [kept[0] for kept in rest])
                stream.write(before.encode("utf-8"))
                for index, (_, start, length) in enumerate(shown):
                    stream.write(f'<script type="application/json" id="photo-{index}">'.encode("ascii"))
                    self._aside.seek(start)
                    stream.write(self._aside.read(length))
                    stream.write(b"</script>\n")
                stream.write(after.encode("utf-8"))
                length = stream.tell()
            with _named(self.target):
                part.replace(self.target)
        finally:
            part.unlink(missing_ok=True)
            self.close()
        return Written(len(shown), length)

    def close(self) -> None:
        """Let go of what was kept aside."""
        self._aside.close()

    def _frame(self, summary: str, shown: list[Entry], rest: list[Entry]) -> tuple[str, str]:
        """Return the page before and after its photos' data."""
        style, script = asset("page.css"), asset("page.js")
        words = {
            "mark": MARK,
            "policy": "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
            f"style-src '{_hash(style)}'; script-src '{_hash(script)}'",
            "title": escaped(self.title),
            "summary": escaped(summary),
            "style": style,
            "list": "\n".join(self._list(shown, rest)),
        }
        # In one pass: a name may look like a place for a word.
        text = re.sub(r"\{\{(\w+)\}\}", lambda place: words[place[1]], asset("page.html"))
        return text, f"<script>{script}</script>\n</body>\n</html>\n"

    def _list(self, shown: list[Entry], rest: list[Entry]) -> Iterator[str]:
        if shown:
            yield "<h2>Most changed first: mean difference of 255</h2>\n<ol>"
            yield from (entry.row() for entry in shown)
            yield "</ol>"
        named = (
            ("Changed less, without pictures here", [Small(one.name, f"{one.change:.2f}") for one in rest]),
            ("Left as they were", self.left),
            ("Not shown", self.failed),
        )
        for title, photos in named:
            if photos:
                yield f"<h2>{title} ({len(photos)})</h2>\n<ul>"
                yield from (
                    f'<li class="small"><bdi title="{escaped(one.name)}">{escaped(one.name)}</bdi>'
                    f"<span>{escaped(one.reason)}</span></li>"
                    for one in photos
                )
                yield "</ul>"


def asset(name: str) -> str:
    """Return the text of a file of the page."""
    return files("restorecli.comparison").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return what a content security policy calls the text of an element (CSP 3, section 2.3.1)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"


@contextlib.contextmanager
def _named(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(f"{target}: the page cannot be written: {error.strerror or error}") from error
