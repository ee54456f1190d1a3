"""Where a page may be written; known before what makes it is imported."""

from __future__ import annotations

from pathlib import Path

from restorecli.errors import UsageError

MARK = "a page of restore: photos beside their results"
"""By which a page that may be replaced is known; stands at its beginning."""

_HEAD = 512  # bytes that are looked at for the mark


def check_target(path: Path, option: str) -> None:
    """Refuse a place where a page cannot be written, or where something else is.

    Raises:
        UsageError: naming ``option``.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{option} {path}: is no name of a page", "name a file that ends in .html")
    if path.is_dir():
        raise UsageError(f"{option} {path}: is a folder", "name a file in it, such as compare.html")
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from error
    if head and MARK.encode() not in head:
        raise UsageError(
            f"{option} {path}: exists, and is no page of this tool", "give another name, or remove it"
        )
