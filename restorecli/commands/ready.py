"""From the description of a run to what the pipeline needs: stages, networks, and how results are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from restorecli import __version__
from restorecli.commands.checked import LONGEST_TIMEOUT, engine_settings, precision
from restorecli.commands.description import RunDescription
from restorecli.commands.options import SharedOptions
from restorecli.commands.values import level
from restorecli.loading import Facts, Loaded, Models
from restorecli.models.download import Progress
from restorecli.models.resolved import Resolved
from restorecli.photo import Depth
from restorecli.pipeline.photo import Setup
from restorecli.results import Encoding
from restorecli.stages import Stage

USUAL = SharedOptions()
ADDED = ("unneeded", "frames")
"""Shared options that came after the first records, and change results."""


@dataclass(frozen=True)
class Ready:
    """A run whose networks are found.

    Attributes:
        description: what was asked for.
        models: where further networks come from.
        stages: what every photo goes through.
        expected: the weights of every stage that all photos go through, as a photo of no special kind needs
            them.
        loaded: their networks; empty where weights are not here yet and may not be fetched (a dry run).
        given: how the networks are run elsewhere, where they are not loaded here.
    """

    description: RunDescription
    models: Models
    stages: tuple[Stage, ...]
    expected: tuple[Resolved, ...]
    loaded: tuple[Loaded, ...]
    given: tuple[Facts, ...] = ()

    @property
    def facts(self) -> Facts | None:
        """How the first network is run, where that is known."""
        return next(iter((*self.given, *(each.facts for each in self.loaded))), None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say of the expected weights, each once."""
        return tuple(dict.fromkeys(text for resolved in self.expected for text in resolved.notes))

    @property
    def settings(self) -> dict[str, str]:
        """Everything that changes the output's bytes: what a second run compares to know what is done.

        Weights that a photo makes the run choose follow from these and from the photo itself.
        """
        shared = self.description.shared
        facts = self.facts
        settings: dict[str, Any] = {
            "task": self.description.suffix,
            **self.description.recorded(),
            "model": ", ".join(dict.fromkeys(resolved.network for resolved in self.expected)),
            "weights": ", ".join(
                dict.fromkeys(resolved.digest or resolved.name for resolved in self.expected)
            ),
            "variant": shared.variant or "usual",
            "tile": facts.tile if facts else shared.tile,
            "overlap": facts.overlap if facts else shared.tile_overlap,
            "precision": facts.precision if facts else precision(shared),
            "self_ensemble": shared.self_ensemble,
            "compile": shared.compile,
            "seed": shared.seed,
            "format": shared.format,
            "bits": shared.bits or "keep",
            "jpeg_quality": shared.jpeg_quality,
            "strip": shared.strip,
            # Earlier records lack what follows: only other values than the usual ones are recorded.
            **{name: value for name in ADDED if (value := getattr(shared, name)) != getattr(USUAL, name)},
        }
        return {name: str(value) for name, value in settings.items()}

    def setup(self, settings: Mapping[str, str] | None = None, **more: Any) -> Setup:
        """Return what the photos of the run share.

        Args:
            settings: those of the record, where they are not this machine's own `settings`.
            more: further fields of `Setup`.
        """
        shared = self.description.shared
        encoding = Encoding(
            depth=Depth(shared.bits) if shared.bits else None,
            jpeg_quality=shared.jpeg_quality,
            strip=shared.strip,
            unneeded=shared.unneeded,
            keep_dates=shared.keep_dates,
            provenance={"software": f"restore {__version__}", "task": self.description.suffix},
            settings=self.settings if settings is None else settings,
        )
        timeout = level(shared.file_timeout, "--file-timeout", 0, LONGEST_TIMEOUT)
        more.setdefault("file_timeout", inf if timeout == 0 else timeout)
        on_a_gpu = bool(self.loaded) and all(each.prepared.shares_passes for each in self.loaded)
        more.setdefault("together", on_a_gpu and shared.batch != "1")
        return Setup(self.stages, self.models, encoding, frames=shared.frames or "", **more)


def usual(stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages that every photo goes through."""
    return [stage for stage in stages if not stage.only_raw]


def make_ready(
    description: RunDescription,
    *,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda _: None,
    warn: Callable[[str], None] | None = None,
    load: bool = True,
    found: Mapping[str | Path, Resolved] | None = None,
    facts: Mapping[str, Facts] | None = None,
) -> Ready:
    """Find the networks that most photos will need, and prepare them unless it is a dry run.

    Args:
        description: what is asked for.
        progress: gets the bytes of downloads.
        say: gets, once each, what the user should know of weights and devices.
        warn: gets, once each, how weights are others than were asked for; ``say`` where none is given.
        load: whether networks are prepared here.
        found: weights that another process has found.
        facts: how networks are run, by the names of their weights, where another machine has decided it.

    Raises:
        RestoreError: weights or device are not available.
    """
    shared = description.shared
    models = Models(
        engine_settings(shared),
        seed=shared.seed,
        progress=progress,
        fetch=not shared.dry_run,
        say=say,
        warn=warn,
        found=found,
        facts=facts,
    )
    stages = tuple(description.stages(models))
    expected = tuple(models.resolve(stage.request) for stage in usual(stages))
    ready = Ready(description, models, stages, expected, ())
    for text in ready.notes:
        say(text)
    if not load or any(resolved.path is None for resolved in expected):
        return ready
    loaded = tuple(models.get(stage.request, stage.run) for stage in usual(stages))
    return Ready(description, models, stages, expected, loaded)
