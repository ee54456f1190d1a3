"""How large a file may be: by its stated pixels, and by the memory that reading it takes."""

from __future__ import annotations

from collections.abc import Sequence

from restorecli import host
from restorecli.errors import TooLargeError
from restorecli.photos.formats.extent import Extent

MOST_PIXELS = 1_000_000_000
SHARE_OF_MEMORY = 0.8


def reading_bytes(extents: Sequence[Extent], length: int) -> int:
    """The memory that a file of `length` bytes with pages of these sizes takes to be read.

    Pages that are decoded before are held in float32 meanwhile; one that is to be turned is held twice.
    """
    floats = sum(page.float_bytes for page in extents)
    decoding = (
        page.decoded_bytes + page.pixels * page.beside + (page.float_bytes if page.orientation > 1 else 0)
        for page in extents
    )
    return length + floats + sum(decoding)


def check_extents(extents: Sequence[Extent], length: int, name: str, max_pixels: int = MOST_PIXELS) -> None:
    """Refuse a file whose pages are too large to be decoded.

    Args:
        extents: its pages.
        length: its own bytes.
        name: how messages call it.
        max_pixels: the most pixels, all pages together.

    Raises:
        TooLargeError: with how much it is.
    """
    pixels = sum(page.pixels for page in extents)
    first = extents[0] if extents else Extent(0, 0)
    what = f"{first.width}×{first.height} pixels" + f" of {first.channels} samples" * (first.channels > 4)
    what = what if len(extents) == 1 else f"{pixels} pixels on {len(extents)} pages"
    if pixels > max_pixels:
        raise TooLargeError(
            f"{name}: {what} are more than the limit of {max_pixels}", "cut it into parts first"
        )
    check_memory(reading_bytes(extents, length), what, name)


def check_memory(needed: int, what: str, name: str) -> None:
    """Refuse what takes more than the share of memory that is to be used. Raises `TooLargeError`."""
    usable = int(host.total_bytes() * SHARE_OF_MEMORY)
    if needed > usable:
        raise TooLargeError(
            f"{name}: {what} take {needed / 2**20:.0f} MiB to be read, and no more than "
            f"{usable / 2**20:.0f} MiB are to be used",
            "cut it into parts first, or use a machine with more memory",
        )
