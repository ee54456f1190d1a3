"""Which networks `restore bench` measures, built with their weights or, for speed alone, with seeded ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from restorecli.errors import RestoreError, UsageError, WeightsError
from restorecli.models.choose import ModelRequest, choose
from restorecli.models.registry import TASKS, ModelEntry, load_registry
from restorecli.models.resolve import Resolved, resolve
from restorecli.networks import NETWORKS

if TYPE_CHECKING:
    from restorecli.networks.network import Network

SEEDED = "seeded"
SWEEPS = ("size", "batch", "precision", "tile", "threads")
"""What may be varied while a network's speed is measured."""
MAPS = frozenset({"noise map", "quality map"})
"""The maps that a measurement can append to the image."""


@dataclass(frozen=True)
class Subject:
    """A network to measure.

    Attributes:
        task: what it is for.
        name: the entry's name, or the file's.
        model: the network's name.
        variant: "light", "paper" or "file".
        weights: what it is built with: "light", "paper", "file", or "seeded" (random, from a seed) where the
            paper's file is not on this machine. Speed does not depend on it.
        request: what it was found by.
        entry: None for a file the catalogue does not know.
        resolved: the weights; None for seeded ones.
    """

    task: str
    name: str
    model: str
    variant: str
    weights: str
    request: ModelRequest
    entry: ModelEntry | None = None
    resolved: Resolved | None = None

    def build(self) -> Network:
        """Return the network in eval mode, float32, on the CPU.

        Raises:
            WeightsError: the file is damaged, or the network cannot be built without it.
        """
        import torch

        from restorecli.models.cost import skeleton
        from restorecli.models.load import load

        if self.resolved is not None:
            return load(self.resolved)
        assert self.entry is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return skeleton(self.entry, "cpu").requires_grad_(False)


@dataclass(frozen=True)
class Missing:
    """Something asked for that cannot be measured here, and why."""

    task: str
    name: str
    reason: str
    hint: str = ""


def find_subjects(
    tasks: Sequence[str],
    models: Sequence[str],
    *,
    variant: str | None = None,
    scales: Sequence[int] = (),
    weights: Path | None = None,
) -> Iterator[Subject | Missing]:
    """Yield the networks that were asked for; nothing is downloaded.

    Args:
        tasks: some of `registry.TASKS`; none for all that the models have.
        models: names as `--model` takes them, or "all" for the five networks; none for each task's light one.
        variant: see `ModelRequest`.
        scales: of upscaling; none for ×4.
        weights: a checkpoint instead of models.

    Raises:
        UsageError: no such task, model, variant or scale.
    """
    if weights is not None:
        yield _found(ModelRequest(tasks[0] if tasks else "upscale", weights=weights, scale=_only(scales)))
        return
    wanted = requests(tasks, models, variant=variant, scales=scales)
    alone = len({request.model for request in wanted}) == 1
    for request in wanted:
        yield _subject(request, strict=alone)


def requests(
    tasks: Sequence[str], models: Sequence[str], *, variant: str | None = None, scales: Sequence[int] = ()
) -> list[ModelRequest]:
    """Return what `find_subjects` looks for with these arguments; no file is opened.

    Raises:
        UsageError: no such task or model; a model has no weights for any of the tasks; the only one has no
            such variant or scale.
    """
    unknown = set(tasks) - set(TASKS)
    if unknown:
        raise UsageError(f"unknown task: {', '.join(sorted(unknown))}", f"known: {', '.join(TASKS)}")
    if "none" in models:
        raise UsageError("--model none leaves nothing to measure", "it is for quality: --data or --pairs")
    named: list[str | None] = list(NETWORKS) if "all" in models else list(models) or [None]
    found = []
    for model in named:
        having = _tasks_of(model, variant)
        wanted = [task for task in tasks or TASKS if task in having]
        if not wanted and "all" not in models:
            raise UsageError(
                f"{model} has no weights for {' or '.join(tasks)}", f"it has: {', '.join(having)}"
            )
        found += [
            ModelRequest(task, model=model, variant=variant, scale=scale, offline=True, extra_inputs=MAPS)
            for task in wanted
            for scale in _scales(task, scales)
        ]
    for request in found if len(named) == 1 else ():
        with suppress(WeightsError):  # no reason to measure nothing
            choose(request)
    return found


def _subject(request: ModelRequest, *, strict: bool) -> Subject | Missing:
    task, model, scale = request.task, request.model, request.scale
    name = " ".join(word for word in (model or task, f"×{scale}" if scale else "") if word)
    try:
        if model is None and request.variant is None and not choose(request).entry.ships:
            return Missing(task, name, "no light weights come with the package")
        return _found(request)
    except UsageError as error:
        if strict:
            raise
        return Missing(task, name, error.message)
    except RestoreError as error:
        return Missing(task, name, error.message, error.hint)


def _found(request: ModelRequest) -> Subject:
    """Find the weights ``request`` means, or be content with seeded ones of the same network.

    Raises:
        RestoreError: see `models.resolve.resolve`.
    """
    if request.weights is not None:
        resolved = resolve(request)
        return Subject(request.task, resolved.name, resolved.network, "file", "file", request, None, resolved)
    entry = choose(request).entry
    subject = Subject(request.task, entry.name, entry.network, entry.variant, SEEDED, request, entry)
    exact = ModelRequest(request.task, model=entry.name, offline=True, extra_inputs=MAPS)
    try:
        found = resolve(exact)
    except WeightsError as error:
        if entry.network in NETWORKS:
            return subject
        message = error.message.removeprefix(entry.name).lstrip(": ")
        raise WeightsError(f"{entry.name} {message}", error.hint) from error
    return Subject(
        request.task, entry.name, entry.network, entry.variant, entry.variant, request, entry, found
    )


def _tasks_of(model: str | None, variant: str | None) -> list[str]:
    registry = load_registry()
    if model is None:
        return list(TASKS)
    entries = registry.select(network=model) if model in registry.networks else [registry.find(model)]
    if variant is not None:
        entries = [entry for entry in entries if entry.is_variant(variant)] or entries
    return list(dict.fromkeys(entry.task for entry in entries))


def _scales(task: str, scales: Sequence[int]) -> list[int | None]:
    return [None] if task != "upscale" else list(scales) or [4]


def _only(scales: Sequence[int]) -> int | None:
    return scales[0] if scales else None
