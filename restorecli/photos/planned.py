"""What is going to become of each input: the plan of a run, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from restorecli.errors import PhotoError
from restorecli.photos.inputs import STDIN, Found
from restorecli.photos.paths import Apart
from restorecli.photos.stores.lines import Seen
from restorecli.photos.stores.path import AnyPath, StorePath

IF_EXISTS = ("skip", "overwrite", "rename", "error")
"""What to do where a result's name is taken."""
FRAMES = ("each", "first")
"""Which frames of an animation are restored, where it is not refused."""
UNNEEDED = ("copy", "skip", "convert")
"""What becomes of a photo that needs nothing: its own bytes, no file, or a file of the results' format."""


@dataclass(frozen=True)
class PlannedPhoto:
    """One input and what is to become of it.

    Attributes:
        found: the input.
        target: the result's path; None for standard output.
        format: of the result, for `write`; "keep" where the input's kind is not known yet.
        skip: why nothing is to be done; empty where something is.
        error: why it cannot be done.
        warnings: what the user should know about the name.
        copied: where the input's own bytes go if nothing is to be done to it and ``target`` is a name of
            another format; None where they may not.
        older: an earlier result of the same input under the other of the two names; the new one replaces it.
        index, of: the photo's number in the run, from 1, and how many there are; None where not known.
        kind: of the input, as its name was planned with; "" where not known.
    """

    found: Found
    target: Apart[AnyPath | None] = Apart()  # noqa: RUF009 - a field without default, see `Apart`
    format: str = "keep"
    skip: str = ""
    error: PhotoError | None = None
    warnings: tuple[str, ...] = ()
    copied: Apart[AnyPath | None] = Apart(optional=True)  # noqa: RUF009
    older: tuple[AnyPath, ...] = ()
    index: int | None = None
    of: int | None = None
    kind: str = ""

    @property
    def name(self) -> str:
        """What messages and events call the photo: its path, or "-"."""
        return STDIN if self.found.is_stdin else str(self.found.path)

    @property
    def in_store(self) -> bool:
        """Whether its result goes to an object store."""
        return isinstance(self.target, StorePath)


@dataclass(frozen=True)
class Plan:
    """All inputs in order, what to say once about them, and how far each folder's records were read."""

    photos: tuple[PlannedPhoto, ...]
    notes: tuple[str, ...] = ()
    seen: Mapping[AnyPath, Seen] = field(default_factory=dict)
