"""Names that stay distinct: two inputs never share one result, on any file system."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from restorecli.errors import PhotoError
from restorecli.photos.inputs import Found
from restorecli.photos.paths import Survey
from restorecli.photos.stores.path import AnyPath

_LONGEST_NAME = 255  # bytes, on the usual file systems
_MOST_BYTES = 4  # that a character takes in UTF-8
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')  # in names on Windows
# Names that Windows keeps for devices, whatever the suffix.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))]
)


@dataclass(slots=True)
class Wish:
    """A candidate name: folder / stem + [old suffix] + [number] + suffix.

    It is two names where the input's own bytes would need another suffix than a result has.

    Attributes:
        found: the input.
        folder: of the result.
        stem: of the result's name, at first.
        suffix: of the result's name.
        format: of the result.
        kind: of the input, "" where unknown.
        own_suffix: what the input's own bytes would need; empty where that is the result's, or not wanted.
        level: 0 for the plain name, 1 with the input's suffix, then with the number `level`.
        fixed: the user gave the name.
        warnings: what the user should know about the name.
        error: why it cannot be named.
    """

    found: Found
    folder: AnyPath
    stem: str
    suffix: str
    format: str
    kind: str
    own_suffix: str = ""
    level: int = 0
    fixed: bool = False
    warnings: tuple[str, ...] = ()
    error: PhotoError | None = None

    @property
    def name(self) -> str:
        """The result's name as it stands now."""
        stem = self.stem + (self.found.path.suffix if self.level >= 1 else "")
        return portable(stem, self._number + self.suffix)

    @property
    def target(self) -> AnyPath:
        """The result's path as it stands now."""
        return self.folder / self.name

    @property
    def copied(self) -> AnyPath | None:
        """The path for the input's own bytes, if it is another one."""
        return self.folder / self._name_of_copy if self.own_suffix else None

    @property
    def names(self) -> tuple[str, ...]:
        """Both names."""
        return (self.name, self._name_of_copy) if self.own_suffix else (self.name,)

    def keys(self, survey: Survey) -> set[str]:
        """The `key` of each path."""
        return {key(self.folder, name, survey) for name in self.names}

    @property
    def _name_of_copy(self) -> str:
        return portable(self.stem, self._number + self.own_suffix)

    @property
    def _number(self) -> str:
        return f"-{self.level}" if self.level >= 2 else ""


def spread_folders(wishes: Sequence[Wish], survey: Survey) -> None:
    """Named files of one name from several folders go to folders of their own, as below their common one."""
    free = [wish for wish in wishes if not wish.found.is_stdin and not wish.fixed]
    for group in _sharing(free, lambda wish: (key(wish.folder, wish.name, survey),)):
        origins = {survey.folder(wish.found.path.parent) for wish in group}
        if len(origins) < 2:
            continue
        try:
            common = os.path.commonpath(origins)
        except ValueError:  # several drives
            continue
        for wish in group:
            inner = os.path.relpath(survey.folder(wish.found.path.parent), common)
            wish.folder = wish.folder if inner == "." else wish.folder / inner
            warning = "several inputs have this name: their folders were kept in the result's path"
            wish.warnings = (*wish.warnings, warning)


def separate(wishes: Sequence[Wish], survey: Survey) -> None:
    """Raise the level of candidates that share a name, until all differ; the order of inputs decides."""
    for _ in range(len(wishes) + 3):
        clashes = _sharing(wishes, lambda wish: wish.keys(survey))
        if not clashes:
            break
        movers: dict[int, Wish] = {}
        for group in clashes:
            lowest = min(wish.level for wish in group)
            moving = [wish for wish in group if wish.level == lowest]
            # The plain name goes to nobody; of equal names with suffix or number the first one stays.
            stay = 0 if lowest == 0 or len(moving) < len(group) else 1
            movers.update((id(wish), wish) for wish in moving[stay:])
        for wish in movers.values():
            wish.level += 1
    for wish in wishes:
        if wish.level:
            warning = f"another input has the same output name: written as {wish.name}"
            wish.warnings = (*wish.warnings, warning)


def _sharing(wishes: Sequence[Wish], keys_of: Callable[[Wish], Iterable[str]]) -> list[list[Wish]]:
    """Return the groups of candidates that share a key, in their order.

    Texts are kept only of keys whose hashes were met before: a few, of millions.
    """
    suspects = repeated(name for wish in wishes for name in keys_of(wish))
    groups: dict[str, list[Wish]] = {}
    for wish in wishes if suspects else ():
        for name in keys_of(wish):
            if hash(name) in suspects:
                groups.setdefault(name, []).append(wish)
    return [group for group in groups.values() if len(group) > 1]


def repeated(names: Iterable[str]) -> set[int]:
    """The hashes that several of the names have; most often none."""
    met: set[int] = set()
    again: set[int] = set()
    for name in names:
        (again if hash(name) in met else met).add(hash(name))
    return again


def names_of(wishes: Sequence[Wish], survey: Survey) -> set[str]:
    """The `key` of each name that is wished for."""
    return {name for wish in wishes for name in wish.keys(survey)}


def key(folder: AnyPath, name: str, survey: Survey) -> str:
    """Equal for names that some file system holds for one: case and Unicode composition do not count."""
    return _folded(survey.folder(folder)) + os.sep + _folded(name)


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def portable_folder(path: PurePath) -> Path:
    """A relative path of folders that Windows takes too."""
    return Path(*(portable(part.rstrip(". ") or "_", "") for part in path.parts))


def portable(stem: str, suffix: str) -> str:
    """A file name that Windows takes too (Microsoft, "Naming Files, Paths, and Namespaces"), not too long."""
    stem = _FORBIDDEN.sub("_", stem)
    if stem.split(".", 1)[0].rstrip(" ").lower() in _DEVICES:
        stem = f"_{stem}"
    if len(stem) + len(suffix) > _LONGEST_NAME // _MOST_BYTES:  # else it cannot be too long
        longest = _LONGEST_NAME - len(os.fsencode(suffix))
        while len(os.fsencode(stem)) > longest:
            stem = stem[:-1]
    return stem + suffix
