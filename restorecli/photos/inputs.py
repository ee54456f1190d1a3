"""Which files to restore: files, folders, wildcards, lists and standard input become one ordered list."""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

from restorecli.errors import NothingToDoError, UsageError
from restorecli.photos.formats.kinds import looks_like_image
from restorecli.photos.lists import names_in
from restorecli.photos.paths import Apart, Survey, joined
from restorecli.photos.stores import finding
from restorecli.photos.stores.path import AnyPath, is_store, plain

T = TypeVar("T")
How = Literal["file", "folder", "glob", "list", "stdin", "stream"]
STDIN = "-"
_WILD = frozenset("*?[")


@dataclass(frozen=True)
class Found:
    """One input.

    Attributes:
        path: as reached from what was given; not resolved.
        root: the folder below which the tree of inputs is mirrored in an output folder.
        how: what it was found through; "stream" for a pipe that was named, as by ``<(…)``.
        refusal: why it cannot be an input all the same; empty for files and streams.
        stamp: what a store said of the object: its size, and when it was changed; None for files.
    """

    path: Apart[AnyPath] = Apart()  # noqa: RUF009 - a field without default, see `Apart`
    root: AnyPath = Path()
    how: How = "file"
    refusal: str = ""
    stamp: tuple[int, int] | None = None

    @property
    def file(self) -> Path:
        """The path of a file of this machine."""
        path = self.path
        assert isinstance(path, Path)  # whoever asks has looked at nothing else
        return path

    @property
    def is_stdin(self) -> bool:
        """Whether this is standard input."""
        return self.how == "stdin"

    @property
    def is_stream(self) -> bool:
        """Whether it can be read once only."""
        return self.how in ("stdin", "stream")


def find_inputs(
    inputs: Sequence[str],
    *,
    recursive: bool = True,
    files_from: str | None = None,
    null: bool = False,
    stdin: BinaryIO | None = None,
) -> list[Found]:
    """The files to restore.

    A file that is named is always an input. In folders and through wildcards, files that look like images by
    name or by content are; hidden files and folders are passed over there. Files reached twice count once.

    Args:
        inputs: paths of files and folders, names in stores (``s3://…``), patterns with ``*``, ``?``, ``[…]``
            and ``**``, or "-".
        recursive: descend into folders of folders.
        files_from: a file that lists paths (see `lists.names_in`), or "-" for standard input.
        null: the list is separated by NUL instead of line ends.
        stdin: standard input; the process's own where none is given.

    Returns:
        In the order of `inputs`, sorted within each folder and pattern.

    Raises:
        UsageError: a named path does not exist, or standard input is asked for twice.
        NothingToDoError: nothing was found.
    """
    if files_from == STDIN and STDIN in inputs:
        raise UsageError("standard input cannot be both an image and the list of files")
    found: list[Found] = []
    for text in inputs:
        found += _from_argument(text, recursive)
    if files_from is not None:
        found += _from_list(files_from, null, stdin)
    unique = _each_once(found)
    if not unique:
        what = ", ".join([*inputs, *([f"the list {files_from}"] if files_from else [])]) or "nothing"
        raise NothingToDoError(
            f"no image found in {what}", "name files, folders or patterns such as 'photos/*.jpg'"
        )
    return unique


def _each_once(found: Sequence[Found]) -> list[Found]:
    survey, seen = Survey(), set()
    unique = []
    for item in found:
        real = STDIN if item.is_stdin else joined(survey.real(item.path))
        if real not in seen:
            seen.add(real)
            unique.append(item)
    return unique


def _from_argument(text: str, recursive: bool) -> list[Found]:
    if text == STDIN:
        return [Found(Path(STDIN), Path(), "stdin")]
    if is_store(text):
        return _from_store(text, recursive)
    text = plain(text)
    path = Path(text)
    if path.is_dir():
        return list(_walk(path, recursive, path, "folder"))
    if os.path.lexists(path):
        return [_named(path, path.parent, "file")]
    if _WILD.intersection(text):
        return _from_pattern(text, recursive)
    raise UsageError(
        f"{text}: there is no such file or folder", "check the spelling; patterns may need quotes"
    )


def _from_store(text: str, recursive: bool) -> list[Found]:
    how: How
    wild = bool(_WILD.intersection(text)) and not finding.is_web(text)
    found = []
    for item in finding.matching(text, recursive) if wild else finding.below(text, recursive):
        how = "glob" if wild else "folder" if item.in_folder else "file"
        found.append(Found(item.path, item.root, how, stamp=item.entry.stamp))
    return found


def _named(path: Path, root: Path, how: How) -> Found:
    """A path that was named: a file, or a pipe; a device could be read for ever."""
    try:
        mode = path.stat().st_mode
    except OSError:  # a link that leads nowhere: reading it says so
        return Found(path, root, how)
    if stat.S_ISFIFO(mode):
        return Found(path, root, "stream")
    refusal = "" if stat.S_ISREG(mode) else f"{path}: is a device or a socket, not a file"
    return Found(path, root, how, refusal)


def _walk(root: Path, recursive: bool, top: Path, how: How) -> Iterator[Found]:
    """Image files below `root`, folder by folder, sorted; no folder twice, whatever links there are.

    A folder below it that cannot be looked into is an input of its own, refused: it is not passed over.

    Raises:
        UsageError: `root` itself cannot be opened, and it was named.
    """
    seen = {os.path.realpath(root)}
    stack = [root]
    while stack:
        folder = stack.pop()
        try:
            files, folders = _entries(folder)
        except OSError as error:
            if folder == root and how == "folder":
                raise UsageError(f"{root}: cannot be opened: {error.strerror}") from error
            yield Found(folder, top, how, f"{folder}: this folder cannot be opened: {error.strerror}")
            continue
        yield from (Found(file, top, how) for file in files if looks_like_image(file))
        for inner in reversed(folders if recursive else []):
            real = os.path.realpath(inner)
            if real not in seen:
                seen.add(real)
                stack.append(inner)


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files and the folders in a folder, each sorted, without hidden ones. `OSError` where it is shut."""
    files, folders = [], []
    with os.scandir(folder) as entries:
        seen = sorted(entries, key=lambda entry: (entry.name.casefold(), entry.name))
    for entry in seen:
        if entry.name.startswith("."):
            continue
        # A link that leads nowhere, or to itself: reading it says so.
        if entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110
            files.append(folder / entry.name)
        elif entry.is_dir():
            folders.append(folder / entry.name)
        elif entry.is_file():
            files.append(folder / entry.name)
    return files, folders


def _from_pattern(text: str, recursive: bool) -> list[Found]:
    root = Path(*_fixed_parts(Path(text)))
    found: list[Found] = []
    for name in sorted(glob.glob(text, recursive=True), key=lambda name: (name.casefold(), name)):  # noqa: PTH207
        path = Path(name)
        if path.is_dir():
            if "**" not in text:
                found += _walk(path, recursive, root, "glob")
            elif not os.access(path, os.R_OK | os.X_OK):  # `glob` passes over it without a word
                found.append(Found(path, root, "glob", f"{path}: this folder cannot be opened"))
        elif looks_like_image(path):
            found.append(_named(path, root, "glob"))
    return found


def _fixed_parts(pattern: Path) -> Iterator[str]:
    """The leading parts of a pattern that have no wildcard, without the last part."""
    for part in pattern.parts[:-1]:
        if _WILD.intersection(part):
            return
        yield part


def _from_list(files_from: str, null: bool, stdin: BinaryIO | None) -> list[Found]:
    if files_from == STDIN:
        data = (stdin or sys.stdin.buffer).read()
    else:
        try:
            data = Path(files_from).read_bytes()
        except OSError as error:
            raise UsageError(f"{files_from}: the list cannot be read: {error.strerror}") from error
    found = []
    for text in names_in(data, null=null, source=f"the list {files_from}"):
        if is_store(text):
            found += [replace(item, how="list") for item in _from_store(text, recursive=False)]
            continue
        text = plain(text)
        path = Path(text)
        if path.is_dir():
            continue  # `find` lists folders too, and their files besides
        if not os.path.lexists(path):
            raise UsageError(f"{text}: there is no such file (named in the list {files_from})")
        inside = not path.is_absolute() and ".." not in path.parts
        found.append(_named(path, Path() if inside else path.parent, "list"))
    return found


def shard(items: Sequence[T], text: str) -> list[T]:
    """Every N-th item from the I-th, for "I/N" with I from 1.

    Raises:
        UsageError: `text` is not such a fraction.
    """
    first, slash, count = text.partition("/")
    if not (slash and first.isascii() and first.isdigit() and count.isascii() and count.isdigit()):
        raise UsageError(f"{text!r} is not a shard", "write I/N, as in 1/4")
    if not 1 <= int(first) <= int(count):
        raise UsageError(f"the shard {text} does not exist", "I goes from 1 to N in I/N")
    return list(items[int(first) - 1 :: int(count)])
