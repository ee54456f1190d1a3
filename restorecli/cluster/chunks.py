"""Photos that are handed to a worker together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from restorecli.photos.planned import PlannedPhoto
from restorecli.photos.stores.path import AnyPath

MOST = 16
"""Photos of a chunk: what is lost of a worker's time when it dies is small beside its start."""

PER_WORKER = 4
"""Chunks that each worker gets at least, where there are enough photos: so that all end at about one time."""


@dataclass
class Claim:
    """Names of one folder that this run is to make, and what has come of them.

    Attributes:
        folder: of the results.
        number: of its beginning in a store's journal; 0 on disks.
        names: of the results.
        left: those of which nothing has come yet.
        lines: to be recorded in a store of those that are made.
    """

    folder: AnyPath
    number: int
    names: frozenset[str]
    left: set[str] = field(default_factory=set)
    lines: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = set(self.names)


@dataclass(eq=False)
class Chunk:
    """Photos on their way through a worker.

    Attributes:
        photos: those that nothing has come of yet.
        claim: under which they are made.
        tries: how often a worker died of it.
        single: whether it is one photo of a chunk that workers died of.
    """

    photos: list[PlannedPhoto]
    claim: Claim | None = None
    tries: int = 0
    single: bool = False

    def take(self, name: str) -> PlannedPhoto | None:
        """Take out the photo of that name, of which something has come."""
        for at, photo in enumerate(self.photos):
            if photo.name == name:
                return self.photos.pop(at)
        return None


def names_of(photo: PlannedPhoto) -> list[str]:
    """Return the names that a photo's result may have."""
    return [path.name for path in (photo.target, photo.copied) if path is not None]


def cut(photos: Sequence[PlannedPhoto], workers: int) -> Iterator[Chunk]:
    """Yield the photos in chunks, in their order; each chunk's results are of one folder."""
    size = max(1, min(MOST, len(photos) // (workers * PER_WORKER)))
    chunk: list[PlannedPhoto] = []
    folder: AnyPath | None = None
    for photo in photos:
        own = None if photo.target is None else photo.target.parent
        if chunk and (len(chunk) == size or own != folder):
            yield Chunk(chunk)
            chunk = []
        folder = own
        chunk.append(photo)
    if chunk:
        yield Chunk(chunk)
