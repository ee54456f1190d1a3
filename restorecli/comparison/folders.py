"""Which photo of one folder belongs to which of another."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from restorecli.comparison.recorded import Recorded
from restorecli.errors import NothingToDoError, UsageError
from restorecli.photos.formats import kinds
from restorecli.photos.inputs import Found, find_inputs


@dataclass(frozen=True)
class Matched:
    """Photos and their results.

    Attributes:
        pairs: the photo and its result.
        alone: what has no partner, and why it is not shown.
    """

    pairs: tuple[tuple[Path, Path], ...]
    alone: tuple[tuple[Path, str], ...]


def match(before: Path, after: Path, *, recursive: bool = True) -> Matched:
    """Match two folders, or two files.

    A result belongs to the photo that the run record names; else to the one of the same name in the same
    folder of the tree; else to the only one whose name is the same without its suffix, or with the result's
    behind it.

    Raises:
        UsageError: one is a folder and the other is not, or is not there.
        NothingToDoError: nothing matches.
    """
    if before.is_dir() != after.is_dir():
        for path in (before, after):
            if not path.exists():
                raise UsageError(f"{path}: there is no such file or folder", "check the spelling")
        raise UsageError(f"{before} and {after}: one is a folder, the other is not", "give two of a kind")
    photos, results = (find_inputs([str(path)], recursive=recursive) for path in (before, after))
    if not before.is_dir():
        return Matched(((before, after),), ())
    return _match(photos, results, before, after)


def _match(photos: Sequence[Found], results: Sequence[Found], before: Path, after: Path) -> Matched:
    by_place = {os.path.realpath(photo.file): photo.file for photo in photos}
    by_name = {photo.file.relative_to(before): photo.file for photo in photos}
    by_stem = defaultdict(list)
    for name, path in by_name.items():
        by_stem[_stem(name)].append(path)
        by_stem[name].append(path)  # a.jpg beside a.png becomes a.jpg.png
    recorded, pairs, alone = Recorded(), [], []
    for result in results:
        name = result.file.relative_to(after)
        known = by_place.get(recorded.source_of(result.file) or "")
        found = [known or by_name.get(name)]
        if found == [None]:
            found = [*dict.fromkeys(by_stem[_stem(name)])]
        if len(found) == 1 and found[0] is not None:
            pairs.append((found[0], result.file))
        else:
            why = f"several photos in {before} have its name" if found else f"not in {before}"
            alone.append((result.file, why))
    matched = {photo for photo, _ in pairs}
    alone += [(path, f"not in {after}") for path in by_name.values() if path not in matched]
    if not pairs:
        raise NothingToDoError(
            f"no photo in {before} has the name of one in {after}", "names without their suffixes must agree"
        )
    return Matched(tuple(pairs), tuple(alone))


def _stem(name: Path) -> Path:
    """A name without the suffix, where that is one of pictures."""
    return name.with_suffix("") if name.suffix.lower() in kinds.IMAGE_SUFFIXES else name
