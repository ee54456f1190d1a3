"""Which objects a name, a folder or a pattern in a store means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from restorecli.errors import UsageError
from restorecli.photos.formats import kinds
from restorecli.photos.stores import store
from restorecli.photos.stores.path import StorePath
from restorecli.photos.stores.store import Entry

_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Object:
    """An object that was found.

    Attributes:
        path: its name.
        root: the folder below which the tree is mirrored in an output folder.
        entry: what the store says of it.
        in_folder: whether it was found in a folder, not named itself.
    """

    path: StorePath
    root: StorePath
    entry: Entry
    in_folder: bool = False


def is_web(text: str) -> bool:
    """Whether ``text`` is an address on the web, where nothing is listed."""
    return store.is_web(StorePath(text))


def below(text: str, recursive: bool) -> Iterator[Object]:
    """Yield the object of that name, or the pictures in the folder of that name.

    Raises:
        UsageError: neither is there, or the store refuses.
    """
    path = _checked(text)
    try:
        found = store.entry(path)
        if found is not None and not found.is_folder:
            yield Object(path, path.parent, found)
            return
        if found is None and not store.children(path):
            bucket = "" if store.has_bucket(path) else f" (there is no bucket {path.parts[1]})"
            what = "page" if is_web(text) else "object or folder"
            raise UsageError(f"{text}: there is no such {what}{bucket}", "check the spelling")
        yield from _walk(path, path, recursive)
    except OSError as error:
        raise UsageError(f"{text}: cannot be read: {error.strerror or error}") from error


def _checked(text: str) -> StorePath:
    path = StorePath(text)
    store.usable(path)
    if len(path.parts) < 2:
        raise UsageError(f"{text}: names no bucket", "write s3://BUCKET/FOLDER, for example")
    if str(path) != text.rstrip("/"):  # such keys are allowed, and no file system could hold them
        raise UsageError(f"{text}: names with empty parts cannot be used", f"did you mean {path}?")
    return path


def _walk(folder: StorePath, root: StorePath, recursive: bool) -> Iterator[Object]:
    """Yield pictures folder by folder, sorted, as in folders of this machine; hidden ones are passed over."""
    listed = store.children(folder)
    shown = sorted((name.casefold(), name) for name in listed if not name.startswith("."))
    for _, name in shown:
        if not listed[name].is_folder and _looks_like_image(folder / name):
            yield Object(folder / name, root, listed[name], in_folder=True)
    for _, name in shown if recursive else ():
        if listed[name].is_folder:
            yield from _walk(folder / name, root, recursive)


def _looks_like_image(path: StorePath) -> bool:
    if path.suffix.lower() in kinds.IMAGE_SUFFIXES:
        return True
    return "." not in path.name and kinds.sniff(store.head(path, kinds.HEAD)) != ""


def matching(text: str, recursive: bool) -> Iterator[Object]:
    """Yield the pictures that a pattern with ``*``, ``?``, ``[…]`` and ``**`` means.

    Raises:
        UsageError: the store refuses.
    """
    pattern = _checked(text)
    fixed = next(at for at, part in enumerate(pattern.parts) if _WILD.intersection(part))
    root, wanted = StorePath(*pattern.parts[:fixed]), pattern.parts[fixed:]
    if fixed < 2:
        raise UsageError(f"{text}: a pattern cannot stand for buckets", "name the bucket")
    try:
        for found in _walk(root, root, recursive=len(wanted) > 1 or recursive):
            if _matches(found.path.relative_to(root).parts, wanted, recursive):
                yield found
    except OSError as error:
        raise UsageError(f"{text}: cannot be read: {error.strerror or error}") from error


def _matches(parts: tuple[str, ...], wanted: tuple[str, ...], recursive: bool) -> bool:
    """Whether a name is meant by a pattern; a folder that is meant brings what is below it."""
    if not wanted:
        return not parts or recursive or len(parts) == 1
    if wanted[0] == "**":
        return any(_matches(parts[at:], wanted[1:], recursive) for at in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _matches(parts[1:], wanted[1:], recursive)
