"""Records in stores, where nothing can be appended: numbered objects in ``.restore/`` beside the results.

Before a run makes results it creates ``00000001.begin``, or the next free number, with their names; once they
are there it writes ``00000001.jsonl`` with a record of each. A number is only created while all lower ones
are there, so whoever creates it knows every name that was begun before: two runs never make one result. A
``.begin`` without ``.jsonl`` was left by a run that died: its results are made again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from restorecli.photos.stores import store
from restorecli.photos.stores.path import StorePath

FOLDER = ".restore"
BEGIN, DONE = ".begin", ".jsonl"
_AT_ONCE = 500  # objects asked for at a time


@dataclass(frozen=True)
class Begun:
    """What a run was about to make.

    Attributes:
        number: of its ``.begin``.
        owner: who began it, see `owners.Owner`.
        names: of the results.
    """

    number: int
    owner: Mapping[str, Any]
    names: frozenset[str]


def rows(folder: StorePath) -> tuple[list[bytes], frozenset[int]]:
    """Return the records of a folder's results, in the order of their numbers.

    Returns:
        The records, and their numbers.

    Raises:
        OSError: the store refuses.
    """
    place = folder / FOLDER
    names = sorted(name for name in store.children(place) if name.endswith(DONE))
    found: list[bytes] = []
    for at in range(0, len(names), _AT_ONCE):
        for data in store.read_all([place / name for name in names[at : at + _AT_ONCE]]):
            found += data.splitlines()
    return found, frozenset(_numbers(names, DONE))


class Journal:
    """What is begun and done in one folder, as one run sees it.

    Args:
        folder: of the results.
        owner: who this run is.
        seen: the numbers of the records that it knows.
    """

    def __init__(
        self, folder: StorePath, owner: Mapping[str, Any], seen: frozenset[int] = frozenset()
    ) -> None:
        self._seen = seen
        self._place = folder / FOLDER
        self._owner = owner
        self._next = 1
        self._others: dict[int, Begun] = {}

    def begin(self, names: Sequence[str]) -> tuple[int, dict[str, Begun]]:
        """Say that results of these names are about to be made.

        Returns:
            The number of this beginning, and those names that another run had begun before, with what is
            known of it; they are not to be made.

        Raises:
            OSError: the store refuses.
        """
        if self._next == 1:
            self._find_end()
        content = json.dumps({"owner": dict(self._owner), "names": list(names)}).encode()
        while not store.create(self._path(self._next, BEGIN), content):
            self._learn([self._next])
            self._next += 1
        number = self._next
        self._next += 1
        begun = {name: other for other in self._others.values() for name in other.names}
        return number, {name: begun[name] for name in names if name in begun}

    def is_done(self, number: int) -> bool:
        """Whether what was begun under a number has been recorded."""
        return store.entry(self._path(number, DONE)) is not None

    def catch_up(self) -> None:
        """Do not count any more what other runs have recorded by now.

        Raises:
            OSError: the store refuses.
        """
        done = _numbers(store.children(self._place), DONE)
        self._others = {number: other for number, other in self._others.items() if number not in done}

    def finish(self, number: int, lines: Iterable[Mapping[str, Any]]) -> None:
        """Record what was made of what was begun under a number; nothing is a record, too.

        Raises:
            OSError: the store refuses.
        """
        text = "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines)
        store.put(self._path(number, DONE), text.encode())

    def _find_end(self) -> None:
        """Find the first free number, and what is begun below it and was not recorded when the run looked."""
        listed = store.children(self._place)
        begun = _numbers(listed, BEGIN)
        self._next = max(begun, default=0) + 1
        self._learn(sorted(begun - self._seen))

    def _learn(self, numbers: Sequence[int]) -> None:
        contents = store.read_all([self._path(number, BEGIN) for number in numbers])
        for number, content in zip(numbers, contents, strict=True):
            try:
                said = json.loads(content)
                names = frozenset(map(str, said["names"]))
                self._others[number] = Begun(number, dict(said["owner"]), names)
            except (ValueError, TypeError, KeyError):  # not ours: it says nothing of any result
                continue

    def _path(self, number: int, suffix: str) -> StorePath:
        return self._place / f"{number:08d}{suffix}"


def _numbers(names: Iterable[str], suffix: str) -> set[int]:
    """Return the numbers of the objects with this suffix."""
    stems = (name.removesuffix(suffix) for name in names if name.endswith(suffix))
    return {int(stem) for stem in stems if stem.isdecimal()}
