"""Names that stay distinct: two inputs never share one result, on any file system."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from restorecli.photos.inputs import Found

_LONGEST_NAME = 255  # bytes, on the usual file systems
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')  # in names on Windows
# Names that Windows keeps for devices, whatever the suffix.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))]
)


@dataclass
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
    """

    found: Found
    folder: Path
    stem: str
    suffix: str
    format: str
    kind: str
    own_suffix: str = ""
    level: int = 0
    fixed: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def target(self) -> Path:
        """The result's path as it stands now."""
        stem = self.stem + (self.found.path.suffix if self.level >= 1 else "")
        return self.folder / portable(stem, self._number + self.suffix)

    @property
    def copied(self) -> Path | None:
        """The path for the input's own bytes, if it is another one."""
        return self.folder / portable(self.stem, self._number + self.own_suffix) if self.own_suffix else None

    @property
    def keys(self) -> set[str]:
        """The `key` of each path."""
        return {key(path) for path in (self.target, self.copied) if path is not None}

    @property
    def _number(self) -> str:
        return f"-{self.level}" if self.level >= 2 else ""


def spread_folders(wishes: Sequence[Wish]) -> None:
    """Named files of one name from several folders go to folders of their own, as below their common one."""
    groups: dict[str, list[Wish]] = {}
    for wish in wishes:
        if not wish.found.is_stdin and not wish.fixed:
            groups.setdefault(key(wish.target), []).append(wish)
    for group in groups.values():
        origins = {os.path.realpath(wish.found.path.parent) for wish in group}
        if len(origins) < 2:
            continue
        try:
            common = os.path.commonpath(origins)
        except ValueError:  # several drives
            continue
        for wish in group:
            inner = os.path.relpath(os.path.realpath(wish.found.path.parent), common)
            wish.folder = wish.folder if inner == "." else wish.folder / inner
            wish.warnings.append(
                "several inputs have this name: their folders were kept in the result's path"
            )


def separate(wishes: Sequence[Wish]) -> None:
    """Raise the level of candidates that share a name, until all differ; the order of inputs decides."""
    for _ in range(len(wishes) + 3):
        groups: dict[str, list[Wish]] = {}
        for wish in wishes:
            for name in wish.keys:
                groups.setdefault(name, []).append(wish)
        clashes = [group for group in groups.values() if len(group) > 1]
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
            wish.warnings.append(f"another input has the same output name: written as {wish.target.name}")


def key(path: Path) -> str:
    """Equal for names that some file system holds for one: case and Unicode composition do not count."""
    real = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", real).casefold())


def portable_folder(path: Path) -> Path:
    """A relative path of folders that Windows takes too."""
    return Path(*(portable(part.rstrip(". ") or "_", "") for part in path.parts))


def portable(stem: str, suffix: str) -> str:
    """A file name that Windows takes too (Microsoft, "Naming Files, Paths, and Namespaces"), not too long."""
    stem = _FORBIDDEN.sub("_", stem)
    if stem.split(".")[0].rstrip(" ").lower() in _DEVICES:
        stem = f"_{stem}"
    longest = _LONGEST_NAME - len(os.fsencode(suffix))
    while len(os.fsencode(stem)) > longest:
        stem = stem[:-1]
    return stem + suffix
