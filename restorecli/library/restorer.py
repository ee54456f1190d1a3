"""A command whose networks are kept, for many pictures."""

from __future__ import annotations

import logging
import numbers
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from restorecli.commands.description import RunDescription
from restorecli.commands.options import SharedOptions
from restorecli.commands.table import command_options
from restorecli.errors import UnsupportedError, UsageError
from restorecli.library.pictures import Array, Picture, as_given, given, samples_of
from restorecli.photo import Photo
from restorecli.photos.read import read

if TYPE_CHECKING:  # torch is imported when networks are
    from restorecli.commands.ready import Ready
    from restorecli.stages import Passed

SHARED = (
    "model",
    "variant",
    "weights",
    "license_policy",
    "tile",
    "tile_overlap",
    "precision",
    "self_ensemble",
    "compile",
    "device",
    "batch",
    "seed",
)
"""The options of all commands that mean something without files."""

log = logging.getLogger("restorecli")
Result = TypeVar("Result")


class RestoreWarning(UserWarning):
    """Something is not as it was asked for: other weights, or what a picture could not keep."""


@dataclass(frozen=True)
class Restored(Generic[Result]):
    """A result, and what was found and done.

    Attributes:
        image: of the kind and type that was given; an array for a path.
        left: whether nothing was to be done: the picture is as it was.
        notes: what was found and chosen, in words.
        details: the same for programs: "sigma", "quality", "weights", …
        warnings: what did not go as asked.
    """

    image: Result
    left: bool = False
    notes: tuple[str, ...] = ()
    details: Mapping[str, str | float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Restorer:
    """Restores pictures one after the other by the same networks, which are loaded once.

    What it gives is what the command writes, sample for sample.

    Args:
        command: "denoise", "dejpeg", "demosaic", "upscale", "auto", "deblur" or "enhance".
        options: the command's own, by the names of the command line with underscores (``scale=2``,
            ``sigma=25``), and those of `SHARED`.

    Raises:
        UsageError: there is no such command or option, or options do not go together.
        WeightsError: the weights are not available.
        DeviceError: the device is not.
    """

    def __init__(self, command: str, **options: Any) -> None:
        shared = {name: options.pop(name) for name in SHARED if name in options}
        own = _like(vars(command_options(command)), options)
        self._start(RunDescription.of(command_options(command, own), _shared(shared)))

    @classmethod
    def of(cls, description: RunDescription) -> Restorer:
        """Return one for a run of several steps.

        Raises:
            RestoreError: see the class.
        """
        made = cls.__new__(cls)
        made._start(description)
        return made

    def _start(self, description: RunDescription) -> None:
        from restorecli.commands.checked import check
        from restorecli.commands.ready import make_ready

        check(description.shared)
        self.description = description
        self._ready: Ready = make_ready(description, say=log.info, warn=_warn)

    @overload
    def __call__(self, image: str | os.PathLike[str]) -> Array: ...

    @overload
    def __call__(self, image: Picture) -> Picture: ...

    def __call__(self, image: Any) -> Any:
        """Restore a picture: `restore` without what was found; its warnings are `RestoreWarning`."""
        found = self.restore(image)
        for text in found.warnings:
            _warn(text)
        return found.image

    @overload
    def restore(self, image: str | os.PathLike[str]) -> Restored[Array]: ...

    @overload
    def restore(self, image: Picture) -> Restored[Picture]: ...

    def restore(self, image: Any) -> Restored[Any]:
        """Restore a picture and say what was found.

        Args:
            image: a path, or a picture: see `library.pictures.given`. A file's depth, profile, orientation
                and JPEG tables count; an array is taken for sRGB, upright.

        Returns:
            For a path the samples that the result's file would have, upright, in the file's own colours: H×W
            for gray, else H×W×C. Else the same kind and type as given, of a batch of tensors a batch; floats
            are not clipped.

        Raises:
            PhotoError: the picture cannot be read or restored.
            RestoreError: none can.
        """
        if isinstance(image, (str, os.PathLike)):
            return self._of_file(Path(image))
        pictures = given(image)
        made = []
        for one in pictures:
            passed = self._through(one.photo)
            made.append(_restored(as_given(one, passed.photo), passed, passed.photo is one.photo))
        if len(made) == 1 and getattr(image, "ndim", 0) != 4:
            return made[0]
        return _batch(made)

    def _of_file(self, path: Path) -> Restored[Array]:
        document = read(path)
        if len(document.pages) > 1:
            raise UnsupportedError(
                f"{path}: has {len(document.pages)} pages", "use the command, or give the pages as arrays"
            )
        (page,) = document.pages
        passed = self._through(page)
        return _restored(samples_of(passed.photo), passed, passed.photo is page)

    def _through(self, photo: Photo) -> Passed:
        from restorecli.stages import pass_through

        return pass_through(photo, self._ready.stages, self._ready.models)


def _restored(image: Result, passed: Passed, left: bool) -> Restored[Result]:
    weights = {"weights": ", ".join(each.name for each in passed.used)} if passed.used else {}
    told = tuple(dict.fromkeys((*passed.photo.warnings, *passed.warnings)))
    return Restored(image, left, passed.notes, {**passed.details, **weights}, told)


def _batch(made: list[Restored[Any]]) -> Restored[Any]:
    import torch

    if not made:
        raise UnsupportedError("a batch of no pictures", "give at least one")
    notes = tuple(f"picture {number}: {text}" for number, one in enumerate(made, 1) for text in one.notes)
    return Restored(
        torch.stack([one.image for one in made]),
        all(one.left for one in made),
        notes,
        {
            f"{name} {number}": value
            for number, one in enumerate(made, 1)
            for name, value in one.details.items()
        },
        tuple(dict.fromkeys(text for one in made for text in one.warnings)),
    )


def _shared(values: Mapping[str, Any]) -> SharedOptions:
    checked = _like(vars(SharedOptions()), values)
    if checked.get("weights") is not None:
        checked["weights"] = Path(checked["weights"])
    return SharedOptions(**checked)


def _like(usual: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as options have them, by what they usually are; others refuse names that are none.

    Raises:
        UsageError: a value is of another kind.
    """
    return {name: _alike(name, usual.get(name), value) for name, value in values.items()}


def _alike(name: str, usual: object, value: Any) -> object:
    if isinstance(usual, bool):
        return _of_kind(name, value, isinstance(value, bool), "True or False")
    if isinstance(usual, str):
        text = str(value) if name == "device" and value is not None else _as_text(value)
        return _of_kind(name, text, isinstance(text, str), "a text or a number")
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if isinstance(usual, int):
        whole = _of_kind(name, value, is_number and float(value).is_integer(), "a whole number")
        return int(whole)
    if isinstance(usual, float):
        return float(_of_kind(name, value, is_number, "a number"))
    return _of_kind(name, value, value is None or isinstance(value, str | os.PathLike), "a text")


def _of_kind(name: str, value: Any, fits: bool, wanted: str) -> Any:
    if not fits:
        raise UsageError(f"{name}={value!r} is not {wanted}", "the names and values are those of the command")
    return value


def _as_text(value: object) -> object:
    """A number or a switch as the command line has it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{float(value):.12g}" if isinstance(value, numbers.Real) else value


def _warn(text: str) -> None:
    warnings.warn(text, RestoreWarning, stacklevel=3)
