"""``restore bench --data``, ``--pairs`` and ``--table``: how good restored images are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from restorecli.cli.bench.asked import degradations, engine_settings
from restorecli.cli.bench.options import BenchOptions
from restorecli.cli.bench.paper import show_paper
from restorecli.cli.bench.scores import show_scores
from restorecli.cli.bench.show import say
from restorecli.errors import RestoreError, UsageError, WriteError
from restorecli.loading import Models
from restorecli.models.choose import ModelRequest
from restorecli.networks import NETWORKS
from restorecli.photo import Photo
from restorecli.photos.write import write
from restorecli.quality.degrade import Bytes
from restorecli.quality.evaluate import Contender, Extra, Saver, Score, Scores, evaluate
from restorecli.quality.papers import repeat_paper, reported
from restorecli.quality.perceptual import open_lpips
from restorecli.quality.protocols import Protocol, protocols
from restorecli.quality.protocols.base import as_float
from restorecli.quality.protocols.real_noise import RealPairs
from restorecli.quality.protocols.same_size import DeblurProtocol, EnhanceProtocol
from restorecli.quality.sets import ImageSet, known_sets, open_set
from restorecli.quality.subjects import MAPS

PAIRS: dict[str, type[Protocol]] = {"deblur": DeblurProtocol, "enhance": EnhanceProtocol}
"""Task → how pairs of photos are measured."""


def measure_quality(options: BenchOptions) -> None:
    """Measure, print, write and draw.

    Raises:
        RestoreError: nothing could be measured, or the options are wrong.
    """
    if options.table is not None:
        assert options.data_root is not None
        models = networks(options)
        rows = repeat_paper(
            reported(options.table, options.task or [], options.scale or []),
            list(known_sets(options.data_root)),
            models,
            limit=options.limit,
            seed=options.seed,
            progress=lambda text: say(options, text),
        )
        show_paper(options, list(rows))
        return
    show_scores(options, measured(options))


def measured(options: BenchOptions) -> list[Scores]:
    """Return the scores of every protocol that was asked for, on every set.

    Raises:
        RestoreError: see `quality.evaluate.evaluate`.
    """
    asked = wanted(options)
    clean = options.data if options.pairs is None else [options.pairs[1]]
    degraded = None if options.pairs is None else open_set(options.pairs[0])
    sets = [open_set(path).first(options.limit) for path in clean or []]
    if degraded is None and any(images.noisy for images in sets):
        asked = with_pairs(asked, sets, options)
    sources = [networks(options)]
    if options.self_ensemble:
        sources.append(networks(options, self_ensemble=True))
    lpips, why_not = open_lpips()
    extra: Extra = lpips or (lambda result, truth: {})
    if why_not:
        say(options, why_not)
    results = []
    for protocol in asked:
        named = requests(options, protocol)
        strict = len(asked) == len(named) == 1
        contenders = [each for request in named for each in _of(request, sources, options, strict=strict)]
        if protocol.two_steps() is not None:
            contenders += [_in_two_steps(contender) for contender in contenders]
        for images in sets:
            if degraded is None and bool(images.noisy) != isinstance(protocol, RealPairs):
                continue
            say(options, f"{images.name}, {len(images.files)} images: {protocol.title}")
            scores = evaluate(
                protocol,
                images,
                contenders,
                degraded=degraded,
                seed=options.seed,
                extra=extra,
                save=saver(options.save_images, protocol) if options.save_images else None,
                progress=lambda score: _report(options, score),
            )
            results.append(scores)
    return results


def wanted(options: BenchOptions) -> list[Protocol]:
    """Return the protocols: of the tasks named, or those that -x, --sigma and --quality speak of, or all.

    Raises:
        UsageError: see `asked.degradations`.
    """
    asked = degradations(options)
    if options.pairs is not None and list(asked.tasks) == ["denoise"] and not (options.sigma or options.gray):
        return [RealPairs()]
    if options.pairs is not None and asked.tasks[0] in PAIRS:
        return [PAIRS[asked.tasks[0]]()]
    return [
        protocol
        for task in asked.tasks
        for protocol in protocols(
            task,
            scales=options.scale or [],
            sigmas=asked.sigmas,
            isos=asked.isos,
            qualities=asked.qualities,
            rounded=options.noisy == "8bit" or options.pairs is not None,
            gray=options.gray,
            pattern=asked.pattern,
            degradation=options.degradation,
        )
    ]


def with_pairs(asked: list[Protocol], sets: Sequence[ImageSet], options: BenchOptions) -> list[Protocol]:
    """Return what is measured where some sets bring noisy pictures of their own: those by their own protocol.

    Raises:
        UsageError: something else was asked for, and there are no other sets.
    """
    if set(options.task or ["denoise"]) != {"denoise"}:
        raise UsageError("pairs of noisy and clean pictures are for --task denoise", "leave --task out")
    if not all(images.noisy for images in sets):
        return [RealPairs(), *asked]
    if options.sigma or options.iso or options.gray:
        raise UsageError("the set brings its own noise, in colour", "leave --sigma, --iso and --gray out")
    return [RealPairs()]


def requests(options: BenchOptions, protocol: Protocol) -> list[ModelRequest]:
    """Return which models are to do a protocol's task."""
    named: Sequence[str | None] = options.model or [None]
    if "all" in named:
        named = list(NETWORKS)
    if "none" in named:
        named = []
    asked = [
        ModelRequest(
            protocol.task,
            model=model,
            variant=options.variant,
            scale=protocol.factor,
            degradation=protocol.degradation,
            weights=options.weights,
            extra_inputs=MAPS,
        )
        for model in named
    ]
    if options.model or options.variant:
        return asked
    return [*asked, *(replace(asked[0], degradation=kind, weights=None) for kind in protocol.rivals)]


def networks(options: BenchOptions, *, self_ensemble: bool = False) -> Models:
    """Return where networks come from: whole images in float32 unless options say otherwise."""
    settings = engine_settings(options, self_ensemble=self_ensemble)
    return Models(settings, seed=options.seed, say=lambda text: say(options, text))


def saver(folder: Path, protocol: Protocol) -> Saver:
    """Return what writes an image's pictures side by side, one PNG each, in the order of the table."""

    def save(name: str, pictures: Sequence[tuple[str, Bytes]]) -> None:
        height = max(picture.shape[0] for _, picture in pictures)
        gap = np.full((height, 8, 3), 255, np.uint8)
        row: list[Bytes] = []
        for _, picture in pictures:
            colour = picture if picture.shape[2] == 3 else np.repeat(picture, 3, axis=2)
            row += [colour, gap]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"{folder}: {error.strerror}") from error
        write([Photo(as_float(np.concatenate(row[:-1], axis=1)))], folder / f"{name}_{protocol.name}.png")

    return save


def _of(
    request: ModelRequest, models: Sequence[Models], options: BenchOptions, *, strict: bool
) -> list[Contender]:
    """Return the contenders for one model, with and without self-ensemble.

    Where it has no weights there are none, or an error if it was the only one asked for.
    """
    try:
        models[0].resolve(request)
    except RestoreError as error:
        if strict:
            raise
        say(options, f"not measured: {request.model or request.task}: {error.message}")
        return []
    return [
        Contender(request, source, " + ensemble" if source.settings.self_ensemble else "")
        for source in models
    ]


def _in_two_steps(contender: Contender) -> Contender:
    """Return a contender that denoises with the usual light weights what it has demosaicked."""
    label = f"{contender.label}, noise left in, then denoise"
    return replace(contender, label=label, then=ModelRequest("denoise", extra_inputs=MAPS))


def _report(options: BenchOptions, score: Score) -> None:
    if score.resolved is not None:
        say(options, f"  {score.image} {score.method}: {score.values['psnr']:.2f} dB")
