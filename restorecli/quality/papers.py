"""What a paper reports of its network, measured here again on the sets that are at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from restorecli.errors import RestoreError, UsageError, WeightsError
from restorecli.models.choose import ModelRequest, choose
from restorecli.models.registry import ModelEntry, load_registry
from restorecli.models.resolved import Resolved
from restorecli.quality.sets import ImageSet
from restorecli.quality.subjects import MAPS

if TYPE_CHECKING:
    from restorecli.loading import Models
    from restorecli.quality.evaluate import Scores
    from restorecli.quality.protocols import Protocol

AS_AUTHORS_DID = {"rnan": True, "panet": True}
"""Networks whose noisy test images were clipped and rounded to 8 bit."""


@dataclass(frozen=True)
class PaperRow:
    """One published number and ours.

    Attributes:
        entry: the weights it was published for.
        set_name: the test set.
        protocol: how it was measured here.
        published: PSNR, and SSIM where it was reported.
        weights: what was used here; empty where nothing could be.
        is_papers: whether these are the paper's own weights.
        ours: mean PSNR and SSIM; None where nothing could be measured.
        input_psnr: mean PSNR of the degraded images.
        note: why other weights were used, or none.
    """

    entry: ModelEntry
    set_name: str
    protocol: Protocol
    published: tuple[float, ...]
    weights: str = ""
    is_papers: bool = False
    ours: tuple[float, float] | None = None
    input_psnr: float | None = None
    note: str = ""

    @property
    def difference(self) -> float | None:
        """Ours − published PSNR in dB; None where other weights were used: that is no comparison."""
        return None if self.ours is None or not self.is_papers else self.ours[0] - self.published[0]


def reported(network: str, tasks: Sequence[str] = (), scales: Sequence[int] = ()) -> list[ModelEntry]:
    """Return the entries of ``network`` whose results are published and can be measured from clean images.

    Args:
        network: whose paper.
        tasks: only these; empty for all.
        scales: of upscaling, only these (and no other task); empty for all.

    Raises:
        UsageError: there is no such network, or nothing of the kind is known of it.
    """
    registry = load_registry()
    having = dict.fromkeys(e.network for e in registry.entries if e.results and _measured(e))
    entries = [
        entry
        for entry in registry.select(network=network)
        if entry.results
        and _measured(entry)
        and (not tasks or entry.task in tasks)
        and (not scales or (entry.task == "upscale" and entry.scale in scales))
    ]
    if not entries:
        raise UsageError(f"no published results to repeat for {network}", f"known: {', '.join(having)}")
    return entries


def _measured(entry: ModelEntry) -> dict[str, Any]:
    """Return how the results of ``entry`` were measured, as arguments of `protocols.protocols`.

    Empty where clean images alone do not do.
    """
    shared = {"task": entry.task}
    gray = (entry.out_channels or entry.channels) == 1
    level = entry.level
    if entry.task == "upscale" and entry.degradation == "bicubic":
        return {**shared, "scales": [entry.scale]}
    if entry.task == "denoise" and level is not None and entry.degradation == "gaussian":
        rounded = AS_AUTHORS_DID.get(entry.network, False)
        return {**shared, "sigmas": [level], "rounded": rounded, "gray": gray}
    if entry.task == "dejpeg" and level is not None:
        return {**shared, "qualities": [int(level)], "gray": gray}
    return shared if entry.task == "demosaic" else {}


def repeat_paper(
    entries: Sequence[ModelEntry],
    sets: Sequence[ImageSet],
    models: Models,
    *,
    limit: int | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[PaperRow]:
    """Measure every published number of ``entries`` whose set is among ``sets``.

    Where the paper's weights are not available, its light ones are measured instead, and the row
    says so.

    Args:
        entries: of `reported`.
        sets: complete known sets.
        models: where networks come from.
        limit: only so many images of each set.
        seed: of noise.
        progress: called with what is being measured.
    """
    from restorecli.quality.evaluate import Contender, evaluate
    from restorecli.quality.protocols import protocols

    for entry in entries:
        (protocol,) = protocols(**_measured(entry))
        fitting = [(images, images.published(entry.results)) for images in sets]
        fitting = [(images, published) for images, published in fitting if published]
        if not fitting:
            continue
        found, note = _available(entry, models)
        for images, published in fitting:
            row = PaperRow(entry, images.name, protocol, published, note=note)
            if found is None:
                yield row
                continue
            progress(f"{entry.name} on {images.name} by {found[1].name} …")
            request, resolved = found
            scores = evaluate(protocol, images.first(limit), [Contender(request, models)], seed=seed)
            yield _row(row, scores, resolved, limit)


def _row(row: PaperRow, scores: Scores, resolved: Resolved, limit: int | None) -> PaperRow:
    own = scores.methods[-1]
    return PaperRow(
        row.entry,
        row.set_name if limit is None else scores.images.name,
        row.protocol,
        row.published,
        own,
        resolved.entry == row.entry and scores.images.known is not None,
        (scores.mean(own, "psnr"), scores.mean(own, "ssim")),
        scores.mean(scores.methods[0], "psnr"),
        row.note,
    )


def _available(entry: ModelEntry, models: Models) -> tuple[tuple[ModelRequest, Resolved] | None, str]:
    """Return the entry's weights, or else the task's light ones, and why."""
    own = ModelRequest(entry.task, model=entry.name, extra_inputs=MAPS)
    try:
        return (own, models.resolve(own)), ""
    except WeightsError as error:
        why = error.message
    scale = entry.scale if entry.task == "upscale" else None
    channels = entry.out_channels or entry.channels
    light = ModelRequest(
        entry.task, scale=scale, level=entry.level, channels=channels, extra_inputs=MAPS, variant="light"
    )
    try:
        choose(light)
        return (light, models.resolve(light)), f"light weights in place of the paper's: {why}"
    except RestoreError:
        return None, why
