"""From what was asked for to the weights to use: the rules of `--model`, `--variant` and `--weights`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec

from restorecli.errors import CheckpointError, WeightsError
from restorecli.models.cache import Record, cached, entry_path, native_path
from restorecli.models.choose import Choice, ModelRequest, choose
from restorecli.models.download import Progress, offline
from restorecli.models.fetch import by_hand
from restorecli.models.fetch import fetch as fetch_entry
from restorecli.models.registry import ModelEntry, Registry, load_registry
from restorecli.models.resolved import SPANDREL, Resolved

__all__ = ["Choice", "ModelRequest", "Resolved", "choose", "resolve"]


def resolve(
    request: ModelRequest,
    *,
    progress: Progress | None = None,
    fetch: bool = True,
    registry: Registry | None = None,
) -> Resolved:
    """Find the weights for ``request``, fetching and converting them where needed.

    Where a paper model was asked for only by its network's name and is not available, the light weights that
    `choose` names are used, and ``warnings`` says so.

    Args:
        request: what is wanted.
        progress: called with the bytes of a download.
        fetch: whether files may be fetched and converted; if not (a dry run), ``path`` may be None.
        registry: the catalogue, if not the package's own.

    Raises:
        UsageError: no such model, variant or scale for this task.
        WeightsError: the weights are not available, or a file does not fit; the hint says what to do.
    """
    registry = registry or load_registry()
    if request.weights is not None:
        from restorecli.models.from_file import resolve_file

        return resolve_file(request, request.weights, registry, may_write=fetch)
    choice = choose(request, registry)
    source = _Source(not (request.offline or offline()), fetch, progress, registry)
    try:
        if source.allow_network and not fetch:
            return _foresee(choice, registry)
        return _obtain(choice.entry, source, choice.notes, choice.warnings)
    except CheckpointError:
        raise
    except WeightsError as error:
        fallback = choice.fallback
        if fallback is None:
            raise
        hint = f" ({error.hint})" if error.hint == SPANDREL else ""
        warning = (
            f"{choice.entry.name} (paper) is not available, so the light {fallback.name} is used: "
            f"{error.message}{hint}"
        )
        return _obtain(fallback, source, choice.fallback_notes, (*choice.warnings, warning))


@dataclass(frozen=True)
class _Source:
    """How files may be got."""

    allow_network: bool
    may_convert: bool
    progress: Progress | None
    registry: Registry


def _obtain(
    entry: ModelEntry, source: _Source, notes: tuple[str, ...], warnings: tuple[str, ...]
) -> Resolved:
    _see_that_it_can_be_run(entry, source.registry)
    record, fresh = fetch_entry(entry, allow_network=source.allow_network, progress=source.progress)
    if fresh:
        notes = (*notes, *_first_time(entry, record))
    found = _resolved(entry, record, source.registry, notes, warnings)
    if entry.ships or found.network == "spandrel" or not source.may_convert:
        return found
    from restorecli.models.convert import convert_entry  # torch is needed from here on

    try:
        path = convert_entry(entry, record.sha256)
    except CheckpointError as error:
        raise CheckpointError(f"{entry.name}: {error.message}", error.hint or by_hand(entry)) from error
    except WeightsError:  # a read-only cache: the file is converted in memory at each run
        path = entry_path(entry)
    return replace(found, path=path)


def _see_that_it_can_be_run(entry: ModelEntry, registry: Registry) -> None:
    if registry.networks[entry.network].loader == "spandrel" and find_spec("spandrel") is None:
        raise WeightsError(f"{entry.name} needs the optional package spandrel", SPANDREL)


def _first_time(entry: ModelEntry, record: Record) -> list[str]:
    """Say, at a first download, how far the file is known and what its licence is."""
    notes = []
    if record.trust == "first use":
        notes.append(
            f"{entry.file} has no published digest: its sha256 {record.sha256[:16]}… was recorded, and later "
            "downloads are checked against it"
        )
    licence = entry.weights_license or "none stated"
    if entry.commercial_use != "yes":
        notes.append(f"licence of the weights: {licence}; commercial use: {entry.commercial_use}")
    return notes


def _foresee(choice: Choice, registry: Registry) -> Resolved:
    """Say what `resolve` would use, without touching the network."""
    entry = choice.entry
    _see_that_it_can_be_run(entry, registry)
    record = cached(entry)
    if record is not None:
        return _resolved(entry, record, registry, choice.notes, choice.warnings)
    note = f"{entry.name} is not in the cache yet and would be downloaded"
    size = entry.bytes or entry.bytes_estimate
    note += f" ({'' if entry.bytes else 'about '}{size / 1e6:.0f} MB)" if size else ""
    if choice.fallback is not None:
        note += f"; {choice.fallback.name} would be used if that fails"
    missing = Record("", 0, "", "", "")
    found = _resolved(entry, missing, registry, (*choice.notes, note), choice.warnings)
    return replace(found, path=None)


def _resolved(
    entry: ModelEntry,
    record: Record,
    registry: Registry,
    notes: tuple[str, ...],
    warnings: tuple[str, ...],
) -> Resolved:
    path = entry_path(entry)
    native = native_path(entry.network, record.sha256, entry.settings)
    return Resolved(
        network="spandrel" if registry.networks[entry.network].loader == "spandrel" else entry.network,
        variant=entry.variant,
        name=entry.name,
        entry=entry,
        path=native if not entry.ships and native.is_file() else path,
        settings=dict(entry.settings),
        digest=record.sha256,
        level=entry.level,
        notes=notes,
        warnings=warnings,
    )
