"""Lists of names as text files hold them, whatever program wrote them."""

from __future__ import annotations

import codecs
import os

from restorecli.errors import UsageError

# UTF-32's mark for little endian begins with that of UTF-16: it has to be looked for first.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
"""Byte order marks (Unicode Standard, section 23.8) and the codec that reads what follows."""


def names_in(data: bytes, *, null: bool = False, source: str = "the list") -> list[str]:
    """Return the names in a list, in its order, without empty ones.

    Without a byte order mark bytes are taken as the file system takes names, so that any name can be listed.

    Args:
        data: the list's bytes: names that end in a line end (LF, CR LF or CR) or in NUL, in the file system's
            own encoding, or in UTF-8, UTF-16 or UTF-32 after a byte order mark.
        null: names end in NUL.
        source: what the list is called in an error.

    Raises:
        UsageError: bytes after a mark are not of its encoding, or lines hold NUL.
    """
    bare = _without_mark(data, source)
    names = [os.fsdecode(row) for row in (bare.split(b"\0") if null else bare.splitlines())]
    if any("\0" in name for name in names):
        raise UsageError(
            f"{source} is separated by NUL",
            "use --null, or save the list as UTF-8 if it is UTF-16 without a byte order mark",
        )
    return [name for name in names if name]


def _without_mark(data: bytes, source: str) -> bytes:
    codec = next((codec for mark, codec in MARKS.items() if data.startswith(mark)), None)
    if codec is None:
        return data
    if codec == "utf-8-sig":
        return data.removeprefix(codecs.BOM_UTF8)
    try:
        return os.fsencode(data.decode(codec))
    except UnicodeError as error:
        raise UsageError(f"{source} is not in the encoding its first bytes name: {error}") from error
