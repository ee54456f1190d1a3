"""Two runs never make one result: each says first which names it is about to make.

In stores the journal is the place for it (`photos.stores.journal`). On disks each run has a hidden file
beside the results, read and written while the folder's file of records is locked.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from restorecli.cluster.chunks import Claim
from restorecli.cluster.owners import BEAT, Pulse, this_run
from restorecli.photos import records
from restorecli.photos.stores import store
from restorecli.photos.stores.journal import FOLDER, Begun, Journal
from restorecli.photos.stores.lines import FILE_NAME, Seen
from restorecli.photos.stores.path import AnyPath, StorePath
from restorecli.photos.temporary import CLAIMS, PREFIX


class FolderClaims(Protocol):
    """The claims on results of one folder."""

    def take(self, names: Sequence[str]) -> Claim:
        """Claim those of ``names`` that nobody else makes, or has made since the records were looked at.

        Raises:
            OSError: the folder or the store refuses.
        """

    def catch_up(self) -> None:
        """Say that the records are looked at anew next: what others have made by now will be seen there.

        Raises:
            OSError: the folder or the store refuses.
        """

    def finish(self, claim: Claim) -> None:
        """Let go of names, and record in a store what was made of them."""

    def beat(self) -> None:
        """Give a sign of life."""

    def close(self) -> None:
        """Leave nothing behind."""


class OnDisk:
    """Claims in a folder of a disk that all machines see.

    Args:
        folder: of the results; made if it is not there.
        owner: who this run is.
        seen: how many bytes of the folder's records were looked at.
    """

    def __init__(self, folder: Path, owner: Mapping[str, Any], seen: int) -> None:
        self._folder, self._owner, self._seen = folder, owner, seen
        self._own = folder / f"{PREFIX}{owner['process']}-{owner['machine']}-{owner['token']}{CLAIMS}"
        self._names: set[str] = set()
        self._pulse = Pulse()

    def take(self, names: Sequence[str]) -> Claim:
        """See `FolderClaims.take`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / FILE_NAME).open("ab+") as stream, records.held(stream.fileno()):
            stream.seek(self._seen)
            made = _outputs(stream.read())
            mine = frozenset(names) - self._of_others() - made
            self._names |= mine
            self._write()
        return Claim(self._folder, 0, mine)

    def catch_up(self) -> None:
        """See `FolderClaims.catch_up`."""
        with (self._folder / FILE_NAME).open("ab") as stream, records.held(stream.fileno()):
            self._seen = stream.seek(0, os.SEEK_END)

    def finish(self, claim: Claim) -> None:
        """See `FolderClaims.finish`."""
        with (self._folder / FILE_NAME).open("ab+") as stream, records.held(stream.fileno()):
            self._names -= claim.names
            self._write()

    def beat(self) -> None:
        """See `FolderClaims.beat`."""
        with suppress(OSError):
            os.utime(self._own)

    def close(self) -> None:
        """See `FolderClaims.close`."""
        with suppress(OSError):
            self._own.unlink(missing_ok=True)

    def _write(self) -> None:
        content = json.dumps({"owner": dict(self._owner), "names": sorted(self._names)})
        self._own.write_text(content, encoding="utf-8")

    def _of_others(self) -> set[str]:
        """The names that living runs are about to make; what dead ones left is removed."""
        found: set[str] = set()
        for path in self._folder.glob(f"{PREFIX}*{CLAIMS}"):
            if path == self._own:
                continue
            try:
                said, changed = json.loads(path.read_text(encoding="utf-8")), path.stat().st_mtime_ns
                if self._pulse.beats(said["owner"], changed):
                    found.update(map(str, said["names"]))
                    continue
            except (OSError, ValueError, TypeError, KeyError):  # being written by a machine without locks
                continue
            with suppress(OSError):
                path.unlink()
        return found


def _outputs(rows: bytes) -> set[str]:
    """The names of results in lines of records."""
    found = set()
    for row in rows.splitlines():
        with suppress(ValueError, TypeError, KeyError):
            found.add(str(json.loads(row)["output"]))
    return found


class InStore:
    """Claims in a folder of a store, by its journal.

    Args:
        folder: of the results.
        owner: who this run is.
        seen: the numbers of the records that the run was planned with.
    """

    def __init__(self, folder: StorePath, owner: Mapping[str, Any], seen: frozenset[int]) -> None:
        self._folder = folder
        self._journal = Journal(folder, owner, seen)
        self._alive = self._sign(owner)
        self._count = 0
        self._pulse = Pulse()
        self.beat()

    def _sign(self, owner: Mapping[str, Any]) -> StorePath:
        return self._folder / FOLDER / f"{owner.get('token')}.alive"

    def take(self, names: Sequence[str]) -> Claim:
        """See `FolderClaims.take`."""
        number, begun = self._journal.begin(names)
        for other in {id(other): other for other in begun.values() if self._is_dead(other)}.values():
            begun = {name: one for name, one in begun.items() if one is not other}
            self._journal.finish(other.number, ())  # no later run need look at it
        return Claim(self._folder, number, frozenset(names) - begun.keys())

    def catch_up(self) -> None:
        """See `FolderClaims.catch_up`."""
        self._journal.catch_up()

    def _is_dead(self, begun: Begun) -> bool:
        if self._journal.is_done(begun.number):
            return False
        sign = store.entry(self._sign(begun.owner))
        if self._pulse.beats(begun.owner, None if sign is None else sign.stamp):
            return False
        return not self._journal.is_done(begun.number)  # a run that ends records first, then removes its sign

    def finish(self, claim: Claim) -> None:
        """See `FolderClaims.finish`."""
        self._journal.finish(claim.number, claim.lines)

    def beat(self) -> None:
        """See `FolderClaims.beat`."""
        self._count += 1
        with suppress(OSError):
            store.put(self._alive, str(self._count).encode())

    def close(self) -> None:
        """See `FolderClaims.close`."""
        with suppress(OSError):
            store.remove(self._alive)


def _claims_of(folder: AnyPath, owner: Mapping[str, Any], seen: Seen | None) -> FolderClaims:
    if isinstance(folder, StorePath):
        return InStore(folder, owner, seen if isinstance(seen, frozenset) else frozenset())
    return OnDisk(folder, owner, seen if isinstance(seen, int) else 0)


class Claims:
    """The claims of a run, by folder; they give signs of life until they are closed.

    Args:
        seen: how far each folder's records were read for the plan.
    """

    def __init__(self, seen: Mapping[AnyPath, Seen]) -> None:
        self._seen = dict(seen)
        self._owner = this_run()
        self._folders: dict[AnyPath, FolderClaims] = {}
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="signs-of-life", daemon=True)

    def of(self, folder: AnyPath) -> FolderClaims:
        """Return the claims on results of a folder."""
        if folder not in self._folders:
            self._folders[folder] = _claims_of(folder, self._owner, self._seen.get(folder))
            if not self._beating.is_alive():
                self._beating.start()
        return self._folders[folder]

    def catch_up(self) -> None:
        """Say that the records of all folders are looked at anew next.

        Raises:
            OSError: a folder or the store refuses.
        """
        for claims in self._folders.values():
            claims.catch_up()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            for claims in list(self._folders.values()):
                claims.beat()

    def close(self) -> None:
        """Leave nothing behind."""
        self._ended.set()
        if self._beating.is_alive():
            self._beating.join()
        for claims in self._folders.values():
            claims.close()
