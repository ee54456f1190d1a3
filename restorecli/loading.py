"""The networks of a run: found, loaded and prepared when a photo first needs them, once each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from restorecli.engine.prepare import Prepared, prepare
from restorecli.engine.settings import RunSettings
from restorecli.models.choose import Choice, ModelRequest, choose
from restorecli.models.download import Progress
from restorecli.models.load import load
from restorecli.models.resolve import Resolved, resolve
from restorecli.models.tiling import tiling
from restorecli.networks.network import Network

Fixed = Mapping[str, Any] | Callable[[Network], Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A network that is ready.

    Attributes:
        resolved: which weights it has.
        network: in float32 on the CPU; for its facts.
        prepared: on its devices.
    """

    resolved: Resolved
    network: Network
    prepared: Prepared

    @property
    def facts(self) -> Facts:
        """How it is run."""
        return Facts(self.prepared.tile, self.prepared.overlap, self.prepared.precision)


@dataclass(frozen=True)
class Facts:
    """What results depend on of how a network is run: as `Prepared` has it."""

    tile: int
    overlap: int
    precision: str


class Models:
    """Gives a run its networks; a network that several photos need is prepared once, for the first of them.

    Args:
        settings: how the engine runs them; where tile or overlap is None, the catalogue's is taken.
        seed: of anything random in a network.
        progress: called with the bytes of downloads.
        fetch: whether weights may be downloaded and converted.
        say: called, once per message, with what the user should know about weights and devices.
        warn: called, once per message, with how weights differ from those asked for; default ``say``.
        found: weights that are found already, by entry name or file.
        facts: how networks are run, by the names of their weights, where another machine has decided it.
    """

    def __init__(
        self,
        settings: RunSettings,
        *,
        seed: int = 0,
        progress: Progress | None = None,
        fetch: bool = True,
        say: Callable[[str], None] = lambda _: None,
        warn: Callable[[str], None] | None = None,
        found: Mapping[str | Path, Resolved] | None = None,
        facts: Mapping[str, Facts] | None = None,
    ) -> None:
        self.settings = settings
        self.seed = seed
        self.progress = progress
        self.fetch = fetch
        self.say = say
        self.warn = warn or say
        self.found: dict[str | Path, Resolved] = dict(found or {})
        self._facts = dict(facts or {})
        self._loaded: dict[tuple[Any, ...], Loaded] = {}

    def resolve(self, request: ModelRequest) -> Resolved:
        """Find the weights for ``request``; its ``notes`` are about this request only.

        An entry that could not be had once, so that light weights stand in for it, is not tried again.

        Raises:
            RestoreError: see `models.resolve.resolve`.
        """
        if request.weights is not None:
            return self._once(request.weights, request, ())
        choice = choose(request)
        found = self._once(choice.entry.name, request, (*choice.notes, *choice.fallback_notes))
        return replace(found, notes=_level_notes(choice, found))

    def _once(self, key: str | Path, request: ModelRequest, unsaid: tuple[str, ...]) -> Resolved:
        if key not in self.found:
            found = resolve(request, progress=self.progress, fetch=self.fetch)
            self.found[key] = found
            for text in found.warnings:
                self.warn(text)
            for text in found.notes:
                if text not in unsaid:
                    self.say(text)
        return self.found[key]

    def get(self, request: ModelRequest, run: Fixed | None = None) -> Loaded:
        """Return the network for ``request``, ready.

        Args:
            request: which weights.
            run: fields of `RunSettings` that the caller fixes, such as ``{"alignment": 2}``, or a function
                from the network to them.

        Raises:
            RestoreError: the weights are not available or cannot be read, or the device cannot run them.
        """
        resolved = self.resolve(request)
        run = run or {}
        fixed = (run,) if callable(run) else tuple(sorted(run.items()))
        key = (resolved.network, resolved.path, resolved.digest, *fixed)
        if key not in self._loaded:
            network = load(resolved)
            network.reseed(self.seed)
            own = run(network) if callable(run) else run
            prepared = prepare(network, replace(self._with_defaults(resolved), **own))
            for text in prepared.warnings:
                self.say(text)
            self._loaded[key] = Loaded(resolved, network, prepared)
        return replace(self._loaded[key], resolved=resolved)

    def _with_defaults(self, resolved: Resolved) -> RunSettings:
        entry, settings = resolved.entry, self.settings
        if (facts := self._facts.get(resolved.name)) is not None:
            return replace(settings, tile=facts.tile, overlap=facts.overlap, precision=facts.precision)
        if entry is None:
            return settings
        tile = entry.tile if settings.tile is None else settings.tile
        overlap = entry.tile_overlap if settings.overlap is None else settings.overlap
        known = tiling(entry)
        if known is None:
            return replace(settings, tile=tile, overlap=overlap)
        overlap = known.overlap if overlap is None else overlap
        return replace(settings, tile=tile, overlap=overlap, paces=known.paces)


def _level_notes(choice: Choice, found: Resolved) -> tuple[str, ...]:
    """Return what the choice says of how the weights differ from what was asked for."""
    stand_in = choice.fallback is not None and found.entry == choice.fallback
    return choice.fallback_notes if stand_in else choice.notes
