"""What becomes of each photo, given what there is already: done, taken, in the way, or free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from restorecli.errors import CollisionError, PhotoError
from restorecli.photos.distinct import key, portable
from restorecli.photos.inputs import Found
from restorecli.photos.paths import Real, Survey
from restorecli.photos.planned import PlannedPhoto
from restorecli.photos.read import read
from restorecli.photos.records import Records, Standing
from restorecli.photos.stores.path import AnyPath, StorePath


class Guard:
    """The files that no result may overwrite.

    Args:
        guarded: they.
        survey: of the file system.
    """

    def __init__(self, guarded: Iterable[Found], survey: Survey) -> None:
        self._survey = survey
        self._guarded = [item for item in guarded if not item.is_stream]
        self._names: dict[str, set[str]] = {}
        self._identities: set[tuple[int, int]] | None = None
        for item in self._guarded:
            folder, name = survey.real(item.path)
            self._names.setdefault(folder, set()).add(name)

    def __contains__(self, real: Real) -> bool:
        """Whether a place is that of one of them."""
        return real[1] in self._names.get(real[0], ())

    def holds(self, path: AnyPath) -> bool:
        """Whether a path leads to one of them, by whatever name."""
        if self._survey.real(path) in self:
            return True
        if isinstance(path, StorePath) or not self._survey.exists(path):
            return False
        identity = _identity(path)
        return identity is not None and identity in self._all_identities()

    def _all_identities(self) -> set[tuple[int, int]]:
        """Device and number of each: hard links and bind mounts have other paths, but not these."""
        if self._identities is None:
            paths = (item.path for item in self._guarded)
            found = (_identity(path) for path in paths if isinstance(path, Path))
            self._identities = {identity for identity in found if identity is not None and identity[1]}
        return self._identities


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


@dataclass(frozen=True)
class Settle:
    """Settles planned photos.

    Attributes:
        records: of earlier results.
        guard: what must not be overwritten.
        survey: of the file system.
        if_exists: one of `planned.IF_EXISTS`.
        settings: all that the results depend on.
        taken: the `key` of each name that is wished for; needed to "rename" only.
    """

    records: Records
    guard: Guard
    survey: Survey
    if_exists: str
    settings: Mapping[str, str]
    taken: set[str]

    def __call__(self, planned: PlannedPhoto) -> PlannedPhoto:
        """Return what becomes of a photo."""
        target, source = planned.target, planned.found.path
        assert target is not None
        if not planned.found.is_stream:
            maker = self.records.source_of(source)
            if maker is not None and maker in self.guard and maker != self.survey.real(source):
                return replace(planned, skip=f"it is itself a result, made from {Path(maker[1]).name}")
        copied = planned.copied
        if self._is_free(target) and (copied is None or self._is_free(copied)):
            return planned
        standing = self.records.standing(target, source, self.settings, planned.found.stamp)
        if standing is Standing.FOREIGN and self.records.knows(target) and _is_damaged(target):
            standing = Standing.OUTDATED
        if standing is Standing.DONE and self.if_exists == "skip":
            return replace(planned, skip=standing.value)
        if copied is not None and (self.survey.is_folder(copied) or self.guard.holds(copied)):
            copied = None
        if copied is not None and self.survey.exists(copied):
            of_copy = self.records.standing(copied, source, self.settings, planned.found.stamp)
            if of_copy is Standing.DONE and self.if_exists == "skip":
                return replace(planned, target=copied, skip=of_copy.value)
            if of_copy is Standing.FOREIGN and self.if_exists != "overwrite":
                copied = None
            elif self.if_exists == "error":
                return replace(planned, error=_exists_already(copied))
        older = self._older(planned)
        if older or copied != planned.copied:
            planned = replace(planned, copied=copied, older=older)
        return self._if_free(planned, target, standing)

    def _is_free(self, path: AnyPath) -> bool:
        """Whether nothing has this name, nor would have it if an input were there that is not."""
        return not self.survey.exists(path) and self.survey.real_of(path, False) not in self.guard

    def _older(self, planned: PlannedPhoto) -> tuple[AnyPath, ...]:
        if self.if_exists not in ("skip", "overwrite"):
            return ()
        there = [path for path in (planned.target, planned.copied) if path and self.survey.exists(path)]
        source = self.survey.real(planned.found.path) if there else None
        return tuple(path for path in there if self.records.source_of(path) == source)

    def _if_free(self, planned: PlannedPhoto, target: AnyPath, standing: Standing) -> PlannedPhoto:
        source = planned.found.path
        if self.guard.holds(target) and self.if_exists != "rename":
            if standing is not Standing.FOREIGN and self._made_from_inputs(target):
                return planned
            return replace(
                planned,
                error=CollisionError(
                    f"{source}: the result would overwrite the input {target}",
                    "give another folder with -o, or --if-exists rename",
                ),
            )
        if self.survey.is_folder(target):
            return replace(
                planned, error=CollisionError(f"{source}: a folder has the result's name {target}")
            )
        if standing is Standing.ABSENT or self.if_exists == "overwrite":
            return planned
        if self.if_exists == "rename":
            return replace(planned, target=self._free_name(target), copied=None)
        if self.if_exists == "error":
            return replace(planned, error=_exists_already(target))
        if standing is Standing.FOREIGN:
            return replace(planned, skip=f"{target.name} {standing.value}")
        return planned

    def _made_from_inputs(self, target: AnyPath) -> bool:
        """Whether a target among the inputs is an older result, which the plan leaves out as an input."""
        maker = self.records.source_of(target)
        return maker is not None and maker in self.guard and maker != self.survey.real(target)

    def _free_name(self, target: AnyPath) -> AnyPath:
        number = 2
        while True:
            candidate = target.with_name(portable(target.stem, f"-{number}{target.suffix}"))
            name = key(candidate.parent, candidate.name, self.survey)
            if name not in self.taken and not self.survey.exists(candidate):
                self.taken.add(name)
                return candidate
            number += 1


def _exists_already(path: AnyPath) -> CollisionError:
    return CollisionError(f"{path}: exists already", "see --if-exists")


def _is_damaged(target: AnyPath) -> bool:
    """Whether a file cannot be read; one that a record names and that is cut short is redone."""
    if isinstance(target, StorePath):  # an object is there as a whole or not at all
        return False
    try:
        read(target)
    except PhotoError:
        return not target.is_dir()
    return False
