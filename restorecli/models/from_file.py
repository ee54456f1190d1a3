"""`--weights FILE` and `models add FILE`: any checkpoint, recognised."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from restorecli.errors import CheckpointError, UsageError, WeightsError
from restorecli.models.cache import git_blob_of, sha256_of
from restorecli.models.choose import ModelRequest
from restorecli.models.convert import build, convert, naming, native_metadata, read_checkpoint
from restorecli.models.detect import detect_network, entries_of_shape
from restorecli.models.registry import ModelEntry, Registry
from restorecli.models.resolved import Resolved
from restorecli.networks import from_checkpoint, layout


def resolve_file(
    request: ModelRequest, file: Path, registry: Registry, *, may_write: bool = True
) -> Resolved:
    """Recognise a checkpoint file: ours, the authors', or one that the spandrel extra knows.

    Args:
        request: its ``model`` may name the network, or the entry whose settings the file has.
        file: the checkpoint.
        registry: the catalogue.
        may_write: whether a converted copy may be put in the cache.

    Raises:
        CheckpointError: missing, unsafe, damaged, of another network, or its settings are not known.
        WeightsError: spandrel is needed and missing.
    """
    native = native_metadata(file)
    if native is not None:
        network, settings, _ = native
        _check_model(request, network, file, registry)
        return Resolved(network, "file", file.name, None, file, settings, sha256_of(file))
    checkpoint = read_checkpoint(file)
    named = _named_entry(request.model, registry)
    network_name = named.network if named else request.model
    if network_name is None or registry_loader(registry, network_name) == "spandrel":
        with naming(file):
            network_name = detect_network(checkpoint)
    if network_name is None:
        from restorecli.models.spandrel_network import recognise

        recognise(file)
        digest = sha256_of(file)
        entry = next((entry for entry in registry.entries if entry.sha256 == digest), None)
        _check_task(request, entry, file)
        level = entry.level if entry else None
        return Resolved("spandrel", "file", file.name, entry, file, {}, digest, level)
    digest = sha256_of(file)
    entry = named or known_file(file, digest, network_name, registry, request.task)
    _check_task(request, entry, file)
    notes: tuple[str, ...] = ()
    if entry is not None:
        settings = dict(entry.settings)
        if not named:
            notes = (f"{file.name} is recognised as {entry.name}",)
    else:
        settings = _settings_by_shape(checkpoint, network_name, file, registry)
    path = _converted(file, network_name, settings, digest, may_write=may_write)
    level = entry.level if entry else None
    return Resolved(network_name, "file", file.name, entry, path, settings, digest, level, notes)


def known_file(
    file: Path, digest: str, network: str, registry: Registry, task: str | None = None
) -> ModelEntry | None:
    """Return the network's entry that ``file`` is by its digest, else by its name.

    Args:
        file: the checkpoint.
        digest: its sha256.
        network: its network.
        registry: the catalogue.
        task: where given, entries that only share the file's name must be for it.
    """
    entries = [entry for entry in registry.select(network=network) if not entry.ships]
    by_digest = [entry for entry in entries if entry.sha256 == digest]
    if not by_digest and any(entry.git_blob for entry in entries):
        blob = git_blob_of(file)
        by_digest = [entry for entry in entries if entry.git_blob == blob]
    by_name = [entry for entry in entries if entry.file == file.name and task in (None, entry.task)]
    return next(iter([*by_digest, *by_name]), None)


def identify(file: Path, name: str | None, registry: Registry) -> ModelEntry:
    """Return the entry that a file downloaded by hand is: by digest, else by name, else by its shapes.

    The file is built into a network on the way, so that it is known to load.

    Args:
        file: the checkpoint.
        name: the entry's name where the user gives it.
        registry: the catalogue.

    Raises:
        UsageError: no entry has that name.
        CheckpointError: the file does not load, or could be several entries.
    """
    if not file.is_file():
        raise CheckpointError(f"no such file of weights: {file}")
    if name is not None:
        entry = registry.find(name)
        if registry_loader(registry, entry.network) == "spandrel":
            from restorecli.models.spandrel_network import recognise

            recognise(file)
        else:
            build(file, entry.network, entry.settings)
        return entry
    digest = sha256_of(file)
    for entry in registry.entries:
        if entry.sha256 == digest and not entry.ships:
            return identify(file, entry.name, registry)
    checkpoint = read_checkpoint(file)
    with naming(file):
        network = detect_network(checkpoint)
    if network is None:
        raise CheckpointError(
            f"{file} belongs to none of the networks of the catalogue",
            f"to use it through spandrel: --weights {file}",
        )
    known = known_file(file, digest, network, registry)
    if known is not None:
        return identify(file, known.name, registry)
    candidates = _candidates(checkpoint, network, registry)
    if len(candidates) != 1:
        names = [entry.name for entry in candidates] or [e.name for e in registry.select(network=network)]
        raise CheckpointError(
            f"{file} is of the network {network}, but which of its files it is cannot be determined",
            f"name it: restore models add {file} --as NAME, with NAME one of {', '.join(names)}",
        )
    return identify(file, candidates[0].name, registry)


def registry_loader(registry: Registry, network: str) -> str:
    """Return "native" or "spandrel"."""
    return registry.networks[network].loader if network in registry.networks else "native"


def _check_model(request: ModelRequest, network: str, file: Path, registry: Registry) -> None:
    named = _named_entry(request.model, registry)
    wanted = named.network if named else request.model
    if wanted is not None and wanted != network:
        raise CheckpointError(f"{file} holds weights of {network}, not of {wanted}", f"use --model {network}")


def _check_task(request: ModelRequest, entry: ModelEntry | None, file: Path) -> None:
    if entry is not None and entry.task != request.task:
        raise CheckpointError(
            f"{file} is {entry.name}, a model for {entry.task}, not for {request.task}",
            f"use restore {entry.task}",
        )


def _named_entry(model: str | None, registry: Registry) -> ModelEntry | None:
    if model is None or model in registry.networks:
        return None
    return registry.find(model)


def _settings_by_shape(
    checkpoint: Mapping[str, Any], network: str, file: Path, registry: Registry
) -> dict[str, Any]:
    """Return the settings that all entries of the file's shapes share; never a guess between several.

    Raises:
        CheckpointError: the network needs settings that only an entry states.
    """
    if layout(network).required:
        names = ", ".join(entry.name for entry in _candidates(checkpoint, network, registry))
        needed = ", ".join(layout(network).required)
        raise CheckpointError(
            f"{file}: a checkpoint of {network} does not store its {needed}, and wrong ones spoil pictures",
            "name the model whose settings it has with --model NAME"
            + (f"; of its size are: {names}" if names else ""),
        )
    known = [dict(entry.settings) for entry in _candidates(checkpoint, network, registry)]
    return known[0] if known and all(one == known[0] for one in known) else {}


def _candidates(checkpoint: Mapping[str, Any], network: str, registry: Registry) -> list[ModelEntry]:
    """Return the entries whose size, channels and scale are those of the checkpoint."""
    for entry in registry.select(network=network):
        if entry.ships:
            continue
        try:
            built = from_checkpoint(network, checkpoint, **entry.settings)
        except CheckpointError:
            continue
        return entries_of_shape(built, network, registry)
    return []


def _converted(file: Path, network: str, settings: dict[str, Any], digest: str, *, may_write: bool) -> Path:
    from restorecli.models.cache import native_path

    if not may_write:
        native = native_path(network, digest, settings)
        return native if native.is_file() else file
    try:
        return convert(file, network, settings, sha256=digest)
    except CheckpointError:
        raise
    except WeightsError:  # a cache that cannot be written
        return file


__all__ = ["UsageError", "identify", "known_file", "resolve_file"]
