"""Paths by the million: kept as folder and name, and resolved without asking the system twice."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Generic, TypeVar

from restorecli.errors import UsageError
from restorecli.photos.stores.path import AnyPath, StorePath
from restorecli.photos.stores.store import Entry, children

P = TypeVar("P", bound=AnyPath | None)
Real = tuple[str, str]
"""A file's folder and name with all links followed: equal for all names of one file."""


class Apart(Generic[P]):
    """A field of a dataclass that holds a path as its folder, which many files share, and its name.

    A `Path` takes some 400 bytes, a name 70. The path is put together when it is asked for.

    Args:
        optional: whether the field is None where it is not given.
    """

    def __init__(self, *, optional: bool = False) -> None:
        self._optional = optional

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._folder, self._name = f"_{name}_folder", f"_{name}_name"

    def __get__(self, holder: object | None, kind: type[Any]) -> P:
        """Return the path; on the class, where `dataclasses` looks for it, the field's default."""
        path: Any = None
        if holder is None and not self._optional:
            raise AttributeError(self._name)
        if holder is not None and (folder := getattr(holder, self._folder)) is not None:
            path = folder / getattr(holder, self._name)
        return path  # type: ignore[no-any-return]

    def __set__(self, holder: object, path: P) -> None:
        """Take a path apart."""
        folder, name = None, ""
        if path is not None:
            folder, name = _folder_of(path), path.parts[-1] if path.parts else ""
        object.__setattr__(holder, self._folder, folder)  # dataclasses that are frozen set fields like this
        object.__setattr__(holder, self._name, name)


_LISTINGS = 8
_MOST_SHARED = 100_000
_folders: dict[str, AnyPath] = {}


def _folder_of(path: AnyPath) -> AnyPath:
    """Return one object for the folder of all paths in it."""
    text = folder_text(path)
    known = _folders.get(text)
    if known is None:
        if len(_folders) > _MOST_SHARED:
            _folders.clear()
        known = _folders[text] = path.parent
    return known


def folder_text(path: AnyPath) -> str:
    """Return the folder of a path as text, which tables find much faster than a path."""
    text = str(path)
    end = text.rfind(os.sep if isinstance(path, Path) else "/")
    # A root keeps its slash: that of a store, of a drive, of a path that begins with two.
    return text[:end] if end > 0 and text[end - 1] not in (":", text[end]) else str(path.parent)


class Survey:
    """What a plan asks of the file system: where folders really are is asked once for each."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}
        self._absent: dict[str, bool] = {}
        self._listed: dict[StorePath, dict[str, Entry]] = {}
        self._asked: tuple[AnyPath | None, os.stat_result | None] = None, None

    def folder(self, folder: AnyPath) -> str:
        """Return where a folder is, links followed; it need not exist."""
        return str(folder) if isinstance(folder, StorePath) else self._place(str(folder))

    def _place(self, folder: str) -> str:
        known = self._real.get(folder)
        if known is None:
            known = self._real[folder] = os.path.realpath(folder)
        return known

    def real(self, path: AnyPath) -> Real:
        """Return where a file is, links followed; it need not exist."""
        state = self.lstat(path)
        return self.real_of(path, state is not None and stat.S_ISLNK(state.st_mode))

    def real_of(self, path: AnyPath, is_link: bool) -> Real:
        """The same where it is known whether the file itself is a link."""
        name = path.parts[-1] if path.parts else ""
        if isinstance(path, StorePath):
            return str(path.parent), name
        if not (is_link or name in ("", "..", os.sep)):
            return self._place(folder_text(path)), name
        folder, name = os.path.split(os.path.realpath(path))
        return folder, name

    def lstat(self, path: AnyPath) -> os.stat_result | None:
        """Return what the system says of a name, links not followed; None where there is none."""
        if self._asked[0] is not path:
            self._asked = path, self._lstat(path)
        return self._asked[1]

    def _lstat(self, path: AnyPath) -> os.stat_result | None:
        if isinstance(path, StorePath) or self._is_absent(folder_text(path)):
            return None
        try:
            return os.lstat(path)
        except (OSError, ValueError):
            return None

    def exists(self, path: AnyPath) -> bool:
        """Return whether something has this name, if only a link that leads nowhere."""
        if isinstance(path, StorePath):
            return path.name in self._children(path.parent)
        return self.lstat(path) is not None

    def stamp(self, path: AnyPath) -> tuple[int, int] | None:
        """Return size and time of change (ns) of the file that a path leads to; None where there is none."""
        if isinstance(path, StorePath):
            entry = self._children(path.parent).get(path.name)
            return None if entry is None or entry.is_folder else entry.stamp
        state = self.lstat(path)
        if state is None:
            return None
        try:
            state = path.stat() if stat.S_ISLNK(state.st_mode) else state
        except OSError:
            return None
        return state.st_size, state.st_mtime_ns

    def _children(self, folder: StorePath) -> dict[str, Entry]:
        """Return what is in a store's folder, listed once; only the last folders are kept.

        Raises:
            UsageError: the store does not answer.
        """
        if folder not in self._listed:
            while len(self._listed) >= _LISTINGS:
                self._listed.pop(next(iter(self._listed)))
            try:
                self._listed[folder] = children(folder)
            except OSError as error:
                raise UsageError(f"{folder}: cannot be listed: {error.strerror or error}") from error
        return self._listed[folder]

    def is_folder(self, path: AnyPath) -> bool:
        """Return whether a folder has this name, or a link to one."""
        if isinstance(path, StorePath):
            entry = self._children(path.parent).get(path.name)
            return entry is not None and entry.is_folder
        state = self.lstat(path)
        if state is None or not stat.S_ISLNK(state.st_mode):
            return state is not None and stat.S_ISDIR(state.st_mode)
        return path.is_dir()

    def _is_absent(self, folder: str) -> bool:
        known = self._absent.get(folder)
        if known is None:
            known = self._absent[folder] = not os.path.lexists(folder)
        return known


def joined(real: Real) -> str:
    """Return a real place as one text."""
    return os.path.join(*real)  # noqa: PTH118 - text in, text out
