"""Which photos are restored without being held, and what memory they take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from restorecli.engine.prepare import LOW
from restorecli.errors import TooLargeError
from restorecli.host import total_bytes
from restorecli.photo import Document
from restorecli.photos.formats.extent import Extent
from restorecli.photos.giants.picture import KINDS, open_giant
from restorecli.photos.giants.source import HeldWhole
from restorecli.photos.planned import PlannedPhoto
from restorecli.pipeline.needs import Going, growth, needed_bytes
from restorecli.stages import Stage
from restorecli.tasks.base import ByRows

LARGE = 40_000_000
"""Pixels from which on a photo is not held where its file allows it, whatever the memory: so its result is
the same on all machines."""
SHARE = 0.5  # of the memory; a photo that takes more is not held either
_FIXED = 256 << 20  # tiles of a few kinds, blocks of the file, buffers of encoders


def open_large(
    planned: PlannedPhoto, extents: Sequence[Extent], length: int, going: Going, name: str
) -> tuple[Document | None, str]:
    """Open a photo that is to be restored without being held.

    Args:
        planned: the photo.
        extents: of its pages.
        length: of its file, in bytes.
        going: where it goes.
        name: how messages call it.

    Returns:
        The document, or None for a photo that is held; and why a large one is.

    Raises:
        UnreadableError: the file is damaged.
    """
    small = sum(page.pixels for page in extents) < LARGE
    if small and needed_bytes(extents, length, going) <= SHARE * total_bytes():
        return None, ""
    usual = [stage for stage in going.stages if not stage.only_raw]
    path = planned.found.path
    if not (isinstance(path, Path) and isinstance(planned.target, Path)) or planned.found.is_stream:
        return None, "it does not go from a file into a file"
    if len(extents) != 1:
        return None, f"it has {len(extents)} pages"
    if len(usual) != 1 or not isinstance(usual[0].task, ByRows):
        return None, "only one task at a time can go through it row by row"
    if planned.format not in ("keep", *KINDS):
        return None, f"{planned.format} files are encoded in one piece"
    try:
        return open_giant(path, name), ""
    except HeldWhole as reason:
        return None, str(reason)


def large_bytes(extent: Extent, stages: Sequence[Stage]) -> int:
    """Return about the most bytes that a photo takes which is not held: a few hundred of its rows."""
    rows = extent.width * LOW * min(extent.channels, 4)
    return _FIXED + int(rows * (3 * extent.sample_bytes + 6 * growth(stages)))


def explained(error: TooLargeError, reason: str) -> TooLargeError:
    """Return the refusal of a photo with the reason why it cannot be restored row by row."""
    if not reason:
        return error
    kinds = " and ".join(sorted(KINDS))
    hint = f"{error.hint}; it cannot be restored row by row, as {kinds} files can: {reason}"
    return TooLargeError(error.message, hint)
