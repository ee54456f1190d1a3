"""Restore degraded images whose clean originals are known, and score the results."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from restorecli.errors import UnsupportedError, UsageError
from restorecli.loading import Models
from restorecli.models.choose import ModelRequest
from restorecli.models.resolved import Resolved
from restorecli.photo import FloatArray
from restorecli.quality.degrade import Bytes, to_bytes
from restorecli.quality.protocols import Protocol
from restorecli.quality.protocols.base import as_float
from restorecli.quality.sets import ImageSet, read_bytes
from restorecli.stages import Stage, pass_through


@dataclass(frozen=True)
class Contender:
    """A network that is to restore.

    Attributes:
        label: what its rows are called; empty for the weights' own name.
        request: which weights; channels and level follow from the protocol.
        models: where networks come from, with how they are run (self-ensemble is another one).
        then: in two steps: the weights of the second; None for the protocol's own way.
    """

    request: ModelRequest
    models: Models
    label: str = ""
    then: ModelRequest | None = None

    def restore(self, degraded: FloatArray, protocol: Protocol) -> tuple[Bytes, Resolved]:
        """Return H×W×C uint8, and the weights it was restored with.

        Raises:
            RestoreError: the weights are not available, or do not fit the task.
        """
        tasks = protocol.two_steps() if self.then is not None else None
        first, *rest = tasks or (protocol.undo(),)
        stages = [Stage(first, self.request, run=protocol.run)]
        stages += [Stage(task, self.then) for task in rest if self.then is not None]
        passed = pass_through(protocol.photo(degraded), stages, self.models)
        return to_bytes(passed.photo.pixels), passed.used[0]


@dataclass(frozen=True)
class Score:
    """One method on one image.

    Attributes:
        method: name of the weights or of the classical method.
        image: the file's name.
        values: "psnr" in dB, "ssim", perhaps "psnr_b" and "lpips".
        seconds: it took, reading and degrading left out.
        pixels: of the clean image.
        resolved: the weights; None for classical methods.
    """

    method: str
    image: str
    values: dict[str, float]
    seconds: float
    pixels: int
    resolved: Resolved | None = None


@dataclass
class Scores:
    """All scores of one protocol on one set, in the order of images and methods."""

    protocol: Protocol
    images: ImageSet
    rows: list[Score] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        """Names of the methods: degraded input, classical ones, networks."""
        return list(dict.fromkeys(row.method for row in self.rows))

    def of(self, method: str) -> list[Score]:
        """Return the rows of ``method``, one per image."""
        return [row for row in self.rows if row.method == method]

    def mean(self, method: str, value: str) -> float:
        """Return the mean over the images, each counting alike, as papers do."""
        return statistics.fmean(row.values[value] for row in self.of(method))

    def seconds_per_megapixel(self, method: str) -> float:
        """Return the median over the images; the first one's also loads the network."""
        return statistics.median(row.seconds / (row.pixels / 1e6) for row in self.of(method))


Extra = Callable[[Bytes, Bytes], dict[str, float]]
"""Given a result and the clean image; returns further scores by name."""

Saver = Callable[[str, Sequence[tuple[str, Bytes]]], None]
"""Given an image's name, and (method, picture) of all methods and the clean image last."""


def evaluate(
    protocol: Protocol,
    images: ImageSet,
    contenders: Sequence[Contender],
    *,
    degraded: ImageSet | None = None,
    seed: int = 0,
    extra: Extra = lambda result, truth: {},
    save: Saver | None = None,
    progress: Callable[[Score], None] = lambda score: None,
) -> Scores:
    """Score classical methods and networks on ``images``.

    Args:
        protocol: how.
        images: the clean ones.
        contenders: the networks.
        degraded: ready-made inputs of the same names, instead of the protocol's formula.
        seed: of noise; image number n gets its own, so that a part of a set has the same noise as the whole.
        extra: further scores of a result.
        save: given every image's pictures.
        progress: called with every score as it comes.

    Raises:
        RestoreError: an image cannot be read, weights are not available, or pairs do not fit.
    """
    scores = Scores(protocol, images)
    for number, (file, ready) in enumerate(_pairs(images, degraded)):
        truth = protocol.truth(read_bytes(file))
        given = protocol.degrade(truth, seed + number) if ready is None else as_float(read_bytes(ready))
        pictures: list[tuple[str, Bytes]] = []
        for method, result, seconds, resolved in _results(protocol, given, contenders):
            if result.shape != truth.shape:
                result = _fitted(result, truth, method, file)
            values = {**protocol.scores(result, truth), **extra(result, truth)}
            pixels = truth.shape[0] * truth.shape[1]
            score = Score(method, file.name, values, seconds, pixels, resolved)
            scores.rows.append(score)
            progress(score)
            pictures.append((method, result))
        if save is not None:
            save(file.stem, [*pictures, ("clean", truth)])
    return scores


def _results(
    protocol: Protocol, given: FloatArray, contenders: Sequence[Contender]
) -> Iterator[tuple[str, Bytes, float, Resolved | None]]:
    for name, method in protocol.methods():
        began = time.perf_counter()
        yield name, method(given), time.perf_counter() - began, None
    for contender in contenders:
        began = time.perf_counter()
        result, resolved = contender.restore(given, protocol)
        seconds = time.perf_counter() - began
        yield f"{resolved.name}{contender.label}", result, seconds, resolved


def _pairs(images: ImageSet, degraded: ImageSet | None) -> Iterator[tuple[Path, Path | None]]:
    """Yield each clean file with its degraded one; names agree up to a mark of the scale, as in "babyx4".

    Raises:
        UsageError: one has no partner.
    """
    if images.noisy and degraded is None:
        yield from zip(images.files, images.noisy, strict=True)
        return
    if degraded is None:
        yield from ((file, None) for file in images.files)
        return
    by_name = {file.stem: file for file in degraded.files}
    for file in images.files:
        marks = ("", *(f"x{scale}" for scale in range(2, 9)))
        partner = next((by_name[file.stem + mark] for mark in marks if file.stem + mark in by_name), None)
        if partner is None:
            raise UsageError(f"{file.name} has no counterpart in {degraded.name}", "pairs have equal names")
        yield file, partner


def _fitted(result: Bytes, truth: Bytes, method: str, file: Path) -> Bytes:
    """Return a result of other channels as the truth has them.

    Raises:
        UnsupportedError: the sizes differ.
    """
    if result.shape[:2] == truth.shape[:2] and result.shape[2] == 1:
        return np.repeat(result, truth.shape[2], axis=2)
    raise UnsupportedError(
        f"{file.name}: {method} gives {result.shape[1]}×{result.shape[0]}, the clean image has "
        f"{truth.shape[1]}×{truth.shape[0]} pixels",
        "the pairs are of another scale: give it with -x",
    )
