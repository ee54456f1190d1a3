"""What the options of ``restore bench`` mean, as far as it can be told without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from restorecli.cli.bench.options import BenchOptions
from restorecli.commands.description import RunDescription
from restorecli.commands.options import SharedOptions
from restorecli.commands.table import command_options
from restorecli.commands.upscale import DEGRADATIONS
from restorecli.commands.values import between, number, one_of
from restorecli.engine.settings import RunSettings
from restorecli.errors import CheckpointError, UsageError, unknown_value
from restorecli.imaging.bayer import PATTERNS
from restorecli.imaging.choices import XTRANS
from restorecli.models.registry import TASKS

FROM_CLEAN = ("upscale", "denoise", "dejpeg", "demosaic")
"""Tasks that are measured where none is named."""

NOISES = {"gaussian": "gaussian", "camera": "camera", "auto": "gaussian", "real": "camera"}
"""What --noise may say, the words of RESTORE_NOISE for `restore denoise` too → what it means here."""

ALIKE = ("variant", "weights", "precision", "self_ensemble", "compile", "device", "seed")
"""Options that mean the same to a restoring command."""


@dataclass(frozen=True)
class Degradations:
    """What --data and --pairs are to undo.

    Attributes:
        tasks: those named, or those that other options speak of, or all of `FROM_CLEAN`.
        sigmas, qualities: levels asked for; empty for the protocols' own.
        isos: of a camera's noise; None where noise is white.
        pattern: of mosaics.
    """

    tasks: Sequence[str]
    sigmas: Sequence[float]
    qualities: Sequence[int]
    isos: Sequence[int] | None
    pattern: str


def degradations(options: BenchOptions) -> Degradations:
    """Return what is to be undone.

    Raises:
        UsageError: a task or value is unknown, options contradict each other, or pairs do not say what they
            are for.
    """
    if options.noise not in NOISES:
        raise unknown_value("--noise", options.noise, ("gaussian", "camera"))
    camera = NOISES[options.noise] == "camera"
    if (options.iso and not camera) or (options.sigma and camera):
        raise UsageError("--sigma is of --noise gaussian, --iso of --noise camera", "leave one of them out")
    one_of(options.degradation, "--degradation", DEGRADATIONS)
    enlarged = options.scale or options.degradation != DEGRADATIONS[0]
    spoken = {"upscale": enlarged, "denoise": options.sigma or camera, "dejpeg": options.quality}
    tasks = options.task or [task for task, given in spoken.items() if given] or FROM_CLEAN
    if options.pairs is not None and len(tasks) != 1:
        raise UsageError("--pairs does not say what is to be undone", f"add --task {'|'.join(TASKS)}")
    one_of(options.noisy, "--noisy", ("float", "8bit"))
    one_of(options.pattern.upper(), "--pattern", (*PATTERNS, XTRANS))
    isos = [int(value) for value in _numbers(options.iso, "--iso", 50, 409_600)]
    return Degradations(
        tasks,
        _numbers(options.sigma, "--sigma", 0, 255),
        [int(value) for value in _numbers(options.quality, "--quality", 1, 100)],
        isos if camera else None,
        options.pattern.upper(),
    )


def sizes(options: BenchOptions) -> list[tuple[int, int]]:
    """Return the sizes asked for as (width, height).

    Raises:
        UsageError: one is not WxH.
    """
    return [_size(text) for text in options.size or []]


def runs(options: BenchOptions) -> int | None:
    """Return the number of timed passes, None for auto.

    Raises:
        UsageError: it is neither auto nor a number from 1.
    """
    if options.runs == "auto":
        return None
    if not options.runs.isdecimal() or int(options.runs) < 1:
        raise UsageError(f"--runs {options.runs} is neither auto nor a number from 1")
    return int(options.runs)


def engine_settings(options: BenchOptions, *, self_ensemble: bool = False) -> RunSettings:
    """Return how quality is measured: whole images in float32 unless options say otherwise.

    Raises:
        RestoreError: a value is outside its range, or there is no such kind of device.
    """
    return RunSettings(
        tile=number(options.tile, "--tile") if options.tile else 0,
        precision="fp32" if options.precision == "auto" else options.precision,
        self_ensemble=self_ensemble,
        device=options.device,
        compile=options.compile,
    )


def described(options: BenchOptions) -> RunDescription:
    """Return the run that the restoring command of ``--folder`` would do.

    Raises:
        UsageError: there is no such task, a level is none, or there are several tasks or models.
    """
    tasks = options.task or ["upscale"]
    if len(tasks) > 1 or len(options.model or []) > 1:
        raise UsageError("--folder measures one task by one model", "give --task and --model once")
    (task,) = tasks
    level = {"denoise": ("sigma", options.sigma), "dejpeg": ("quality", options.quality)}.get(task)
    given: dict[str, object] = {}
    if level is not None and level[1]:
        given = {level[0]: level[1][0]}
    elif task == "upscale" and options.scale:
        given = {"scale": float(options.scale[0])}
    return RunDescription.of(command_options(task, given), shared_options(options))


def shared_options(options: BenchOptions) -> SharedOptions:
    """Return the options of a restoring command that a bench's options mean."""
    return SharedOptions(
        inputs=[str(options.folder)],
        model=next(iter(options.model or []), None),
        tile=options.tile or "auto",
        batch=str(options.batch) if options.batch > 1 else "auto",
        quiet=options.quiet or options.as_json,
        **{name: getattr(options, name) for name in ALIKE},
    )


def weights_file(path: Path | None) -> None:
    """See that the file of ``--weights`` is there.

    Raises:
        CheckpointError: it is not.
    """
    if path is not None and not path.is_file():
        raise CheckpointError(f"no such file of weights: {path}")


def _numbers(texts: Sequence[str] | None, name: str, least: float, most: float) -> list[float]:
    """Return the numbers of a repeatable option, each of which may be a list with commas.

    Raises:
        UsageError: one is no number between ``least`` and ``most``.
    """
    listed = ",".join(texts).split(",") if texts else []
    return [between(text, name, least, most) for text in listed]


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().replace("×", "x").partition("x")
    height = height if cross else width
    if not (width.isdecimal() and height.isdecimal() and int(width) > 0 and int(height) > 0):
        raise UsageError(f"--size {text} is not a size", "give width x height in pixels, such as 256x256")
    return int(width), int(height)
