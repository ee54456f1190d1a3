"""Which entry of the catalogue a request means; pure rules, no files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from restorecli.errors import UsageError, WeightsError
from restorecli.models.registry import LICENSE_POLICIES, TASKS, ModelEntry, Registry, load_registry

USUAL = {
    "upscale": "bicubic",
    "denoise": "gaussian",
    "dejpeg": "jpeg",
    "demosaic": "mosaic",
    "deblur": "motion",
    "enhance": "low-light",
}
"""Task → the degradation that is meant when none is named."""


@dataclass(frozen=True)
class ModelRequest:
    """Which model is wanted, and for what.

    Attributes:
        task: one of `registry.TASKS`.
        model: a network ("nlsn") or an entry ("grl-small-x4"); None for the task's best light model.
        variant: "light", "paper" or a size's name; None means paper where ``model`` is given.
        scale: output side ÷ photo side.
        level: noise sigma on the 0–255 scale, or JPEG quality; None for the middle of those there are.
        channels: 1 for a gray photo, 3 for a colour photo.
        degradation: None for the task's usual one; "real", "real-sharp", "motion", "realblur-j",
            "realblur-r", "defocus", "low-light", "retouch".
        weights: a checkpoint file, which overrides all rules.
        offline: use only what is in the cache.
        license_policy: "any", or "commercial" for weights that allow commercial use; None reads
            ``RESTORE_LICENSE_POLICY``.
        extra_inputs: maps that the caller can append to the image as channels.
        stand_in: whether light weights of another network may stand in for a network without its own.
    """

    task: str
    model: str | None = None
    variant: str | None = None
    scale: int | None = None
    level: float | None = None
    channels: int = 3
    degradation: str | None = None
    weights: Path | None = None
    offline: bool = False
    license_policy: str | None = None
    extra_inputs: frozenset[str] = frozenset()
    stand_in: bool = False


@dataclass(frozen=True)
class Choice:
    """The entry a request means, and the light one that may stand in for it."""

    entry: ModelEntry
    fallback: ModelEntry | None = None
    notes: tuple[str, ...] = ()
    fallback_notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def license_policy(given: str | None) -> str:
    """Return the licence policy: as given, else from ``RESTORE_LICENSE_POLICY``, else "any".

    Raises:
        UsageError: it is not one of `registry.LICENSE_POLICIES`.
    """
    policy = given or os.environ.get("RESTORE_LICENSE_POLICY") or "any"
    if policy not in LICENSE_POLICIES:
        raise UsageError(f"unknown licence policy: {policy}", f"known: {', '.join(LICENSE_POLICIES)}")
    return policy


def choose(request: ModelRequest, registry: Registry | None = None) -> Choice:
    """Apply the rules of `--model`, `--variant`, scale, level and licence.

    Raises:
        UsageError: no such task, model, variant, degradation or scale.
        WeightsError: the licence policy leaves nothing.
    """
    registry = registry or load_registry()
    if request.task not in TASKS:
        raise UsageError(f"unknown task: {request.task}", f"known: {', '.join(TASKS)}")
    if request.model and request.model not in registry.networks:
        return _named(registry.find(request.model), request)
    fitting = _fitting(request, registry)
    light = [entry for entry in fitting if entry.ships]
    if request.variant is not None:
        wanted = [entry for entry in fitting if entry.is_variant(request.variant)]
        if not wanted:
            raise _no_variant(request, fitting)
        return _choice(_allowed(wanted, request), request)
    if request.model is None:
        return _choice(_allowed(light, request, fitting), request)
    paper = [entry for entry in fitting if not entry.ships]
    allowed = [entry for entry in paper if entry.allowed(license_policy(request.license_policy))]
    alike = [entry for entry in light if _stands_in(entry, paper)]
    light = alike or _light_of_others(request, paper, registry) or light
    if not light:
        return _choice(_allowed(paper, request), request)
    fallback = _choice(_allowed(light, request), request)
    if not allowed:
        why = "the licence policy forbids the paper's weights" if paper else "no paper weights fit"
        warning = f"{fallback.entry.name} (light) is used for {request.model}: {why}"
        return Choice(fallback.entry, notes=fallback.notes, warnings=(warning,))
    best = _choice(allowed, request)
    return Choice(best.entry, fallback.entry, best.notes, fallback.notes)


def _light_of_others(
    request: ModelRequest, paper: Sequence[ModelEntry], registry: Registry
) -> list[ModelEntry]:
    """Return the light weights of any network that undo all that some of ``paper`` undo."""
    if not request.stand_in:
        return []
    known = registry.select(task=request.task)
    return [entry for entry in known if entry.ships and _stands_in(entry, paper)]


def _stands_in(entry: ModelEntry, paper: Sequence[ModelEntry]) -> bool:
    """Whether ``entry`` undoes, at the same scale, all that one of ``paper`` undoes."""
    return any(
        entry.scale == other.scale and set(other.degradations) <= set(entry.degradations) for other in paper
    )


def _named(entry: ModelEntry, request: ModelRequest) -> Choice:
    """Check an entry that was named in full."""
    if entry.task != request.task:
        raise UsageError(f"{entry.name} is a model for {entry.task}, not for {request.task}")
    if request.variant is not None and not entry.is_variant(request.variant):
        raise UsageError(f"{entry.name} is not a {request.variant} variant")
    if request.scale is not None and request.task == "upscale" and entry.scale != request.scale:
        raise UsageError(f"{entry.name} enlarges by {entry.scale}, not by {request.scale}")
    if entry.extra_input and entry.extra_input not in request.extra_inputs:
        raise UsageError(f"{entry.name} needs a {entry.extra_input} as an extra input, which is not given")
    return _choice(_allowed([entry], request), request)


def _fitting(request: ModelRequest, registry: Registry) -> list[ModelEntry]:
    """Return the entries of the task, network, degradation and scale that take a photo alone."""
    entries = registry.select(task=request.task, network=request.model)
    entries = [e for e in entries if not e.extra_input or e.extra_input in request.extra_inputs]
    if not entries:
        having = dict.fromkeys(entry.network for entry in registry.select(task=request.task))
        raise UsageError(
            f"{request.model} has no weights for {request.task}", f"these have: {', '.join(having)}"
        )
    wanted = request.degradation or USUAL[request.task]
    alike = [entry for entry in entries if entry.undoes(wanted)]
    if request.degradation is None and request.model is not None and all(e.ships for e in alike):
        alike = entries  # who names a model means its authors' weights, whatever they undo
    if not alike and request.degradation is not None:
        known = dict.fromkeys(kind for entry in entries for kind in entry.degradations)
        who = request.model or "no model"
        raise UsageError(f"{who} does not {request.task} {wanted}", f"available: {', '.join(known)}")
    entries = alike or entries
    if request.task != "upscale" or request.scale is None:
        return entries
    sized = [entry for entry in entries if entry.scale == request.scale]
    if not sized:
        scales = sorted({entry.scale for entry in entries})
        sizes = ", ".join(f"×{scale}" for scale in scales)
        raise UsageError(
            f"{request.model or 'no model'} does not enlarge by {request.scale}", f"available: {sizes}"
        )
    return sized


def _allowed(
    entries: Sequence[ModelEntry], request: ModelRequest, otherwise: Sequence[ModelEntry] = ()
) -> list[ModelEntry]:
    """Return what the licence policy allows of ``entries``, or else of ``otherwise``."""
    policy = license_policy(request.license_policy)
    for candidates in (entries, otherwise):
        allowed = [entry for entry in candidates if entry.allowed(policy)]
        if allowed:
            return allowed
    names = ", ".join(entry.name for entry in [*entries, *otherwise][:4])
    raise WeightsError(
        f"no weights for {request.task} are known to allow commercial use (found: {names})",
        "use --license-policy any if your use is not commercial",
    )


def _choice(entries: Sequence[ModelEntry], request: ModelRequest) -> Choice:
    """Pick by channels, then level, then rank."""
    entries = _by_channels(entries, request)
    levels = sorted({entry.level for entry in entries if entry.level is not None})
    if levels:
        level = nearest_level(levels, request.level, request.task)
        entries = [entry for entry in entries if entry.level in (level, None)]
    best = min(entries, key=lambda entry: entry.rank)
    if request.level is None or best.level in (request.level, None):
        return Choice(best)
    what = "JPEG quality" if request.task == "dejpeg" else "sigma"
    return Choice(best, notes=(f"weights for {what} {best.level:g} are used for {request.level:g}",))


def _by_channels(entries: Sequence[ModelEntry], request: ModelRequest) -> Sequence[ModelEntry]:
    """Prefer weights of the photo's own kind: gray for gray, colour for colour."""
    own = [entry for entry in entries if (entry.out_channels or entry.channels) == request.channels]
    return own or entries


def nearest_level(levels: Sequence[float], wanted: float | None, task: str) -> float:
    """Return the level to use: as near as can be, but no weaker than what is wanted.

    A sigma is not below the wanted one (the highest if there is none); a JPEG quality, where less is worse,
    is not above it (the lowest if there is none). Where no level is asked for, it is the middle one.

    Args:
        levels: those there are, ascending.
        wanted: sigma or quality.
        task: "dejpeg" for qualities.
    """
    if wanted is None:
        return levels[len(levels) // 2]
    if task == "dejpeg":
        return max((level for level in levels if level <= wanted), default=levels[0])
    return min((level for level in levels if level >= wanted), default=levels[-1])


def _no_variant(request: ModelRequest, fitting: Sequence[ModelEntry]) -> UsageError | WeightsError:
    known = dict.fromkeys(word for entry in fitting for word in (entry.variant, entry.size) if word)
    who = request.model or request.task
    message = f"{who} has no {request.variant} variant" + (f" for ×{request.scale}" if request.scale else "")
    kind = WeightsError if request.variant in ("light", "paper") else UsageError
    return kind(message, f"available: {', '.join(known)}")
