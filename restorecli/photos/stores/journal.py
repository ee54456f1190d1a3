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


def rows(folder: StorePath) -> tuple[list[bytes], int]:
    """Return the records of a folder's results, in the order of their numbers, and the last number.

    Raises:
        OSError: the store refuses.
    """
    place = folder / FOLDER
    names = sorted(name for name in store.children(place) if name.endswith(DONE))
    found: list[bytes] = []
    for at in range(0, len(names), _AT_ONCE):
        for data in store.read_all([place / name for name in names[at : at + _AT_ONCE]]):
            found += data.splitlines()
    numbers = [int(name.removesuffix(DONE)) for name in names if _is_number(name, DONE)]
    return found, max(numbers, default=0)


class Journal:
    """What is begun and done in one folder, as one run sees it.

    Args:
        folder: of the results.
        owner: who this run is.
        seen: the number of the last records that it knows.
    """

    def __init__(self, folder: StorePath, owner: Mapping[str, Any], seen: int = 0) -> None:
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
            self._catch_up()
        content = json.dumps({"owner": dict(self._owner), "names": list(names)}).encode()
        while not store.create(self._path(self._next, BEGIN), content):
            self._learn([self._next])
            self._next += 1
        number = self._next
        self._next += 1
        return number, self.others_of(names)

    def others_of(self, names: Sequence[str]) -> dict[str, Begun]:
        """Return those of ``names`` that other runs began before the last beginning of this one."""
        begun = {name: other for other in self._others.values() for name in other.names}
        return {name: begun[name] for name in names if name in begun}

    def is_done(self, number: int) -> bool:
        """Whether what was begun under a number has been recorded."""
        return store.entry(self._path(number, DONE)) is not None

    def forget(self, begun: Begun) -> None:
        """Do not count a beginning any more: its run is dead, or its results are recorded."""
        self._others.pop(begun.number, None)

    def finish(self, number: int, lines: Iterable[Mapping[str, Any]]) -> None:
        """Record what was made of what was begun under a number; nothing is a record, too.

        Raises:
            OSError: the store refuses.
        """
        text = "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines)
        store.put(self._path(number, DONE), text.encode())

    def _catch_up(self) -> None:
        """Find the first free number, and what is begun and not done below it."""
        listed = store.children(self._place)
        begun = {int(name.removesuffix(BEGIN)) for name in listed if _is_number(name, BEGIN)}
        done = {int(name.removesuffix(DONE)) for name in listed if _is_number(name, DONE)}
        self._next = max(begun, default=0) + 1
        self._learn(sorted(number for number in begun if number not in done or number > self._seen))

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


def _is_number(name: str, suffix: str) -> bool:
    return name.endswith(suffix) and name.removesuffix(suffix).isdecimal()
