"""The name of an object in a store, which can be taken apart and put together like a path."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
LOCAL = "file"
WEB = ("http", "https")
MEMORY = "memory"


class StorePath(PurePosixPath):
    """``s3://bucket/folder/name``: its parts are "s3:", "bucket", "folder" and "name".

    It has no methods that touch the store: see `store`.
    """

    __slots__ = ()

    def __str__(self) -> str:
        first, *rest = self.parts or ("",)
        return f"{first}//{'/'.join(rest)}" if first.endswith(":") else "/".join((first, *rest))

    def __fspath__(self) -> str:
        return str(self)

    @property
    def name(self) -> str:
        """The last part; of an address on the web without its query, and with its %-signs resolved."""
        last = self.parts[-1] if self.parts else ""
        return unquote(last.partition("?")[0]) if self.scheme in WEB else last

    @property
    def scheme(self) -> str:
        """The kind of store: "s3", "gs", "memory", "https"; "" for a name inside one."""
        first = self.parts[0] if self.parts else ""
        return first[:-1].lower() if first.endswith(":") else ""

    @property
    def bucket(self) -> StorePath | None:
        """What it lies in, as far as its kind of store has buckets."""
        return None if self.scheme in (*WEB, MEMORY) else StorePath(*self.parts[:2])


AnyPath = Path | StorePath


def is_store(text: str) -> bool:
    """Whether ``text`` names something in a store, not a file of this machine."""
    match = _SCHEME.match(text)
    return match is not None and match[1].lower() != LOCAL


def path_of(text: str) -> AnyPath:
    """Return the path that ``text`` means; ``file://`` is a file of this machine, as fsspec has it."""
    if is_store(text):
        return StorePath(text)
    return Path(plain(text))


def plain(text: str) -> str:
    """Return the name of a file of this machine without its ``file://``."""
    match = _SCHEME.match(text)
    return text[match.end() :] if match is not None and match[1].lower() == LOCAL else text
