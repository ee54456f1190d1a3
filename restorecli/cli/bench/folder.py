"""``restore bench --folder``: the whole tool on a user's photos, and where the time goes."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass

import torch

from restorecli.cli.bench.options import BenchOptions
from restorecli.cli.bench.show import Table, percent, say, show, significant
from restorecli.cli.checked import engine_settings
from restorecli.cli.options import SharedOptions
from restorecli.cli.requests import request
from restorecli.cli.restoring import encoding, expect, reporter, run_interruptibly, with_raw
from restorecli.cli.upscale_stages import upscale_stages
from restorecli.errors import NothingToDoError, UsageError
from restorecli.loading import Models
from restorecli.models.registry import TASKS
from restorecli.photos.inputs import find_inputs
from restorecli.photos.naming import plan_names
from restorecli.pipeline.photo import Setup
from restorecli.quality.machine import header, machine
from restorecli.report.stopwatch import Stopwatch
from restorecli.stages import Stage
from restorecli.tasks.base import Task
from restorecli.tasks.dejpeg import Dejpeg
from restorecli.tasks.demosaic import Demosaic, mosaic_run
from restorecli.tasks.denoise import Denoise
from restorecli.tasks.same_size import SameSize

MAPS = frozenset({"noise map", "quality map"})
MEANING = {
    "decode": "reading files, in their own threads",
    "restore": "everything between: estimating, turning to tensors and back, the network",
    "device": "of that, in the engine: copies, network, blending",
    "encode": "writing files, in their own threads",
    "wait for decoding": "the device stood still: no photo was decoded yet",
    "wait for encoding": "the device stood still: results waited to be written",
}


@dataclass(frozen=True)
class FolderRow:
    """What came of a folder.

    Attributes:
        task: what was done.
        weights: with which weights.
        files: restored; ``failed`` others could not be.
        seconds: from the first photo to the last file, networks loaded before.
        megapixels: of the results.
        spent: seconds by kind of work, of all threads together.
    """

    task: str
    weights: str
    files: int
    failed: int
    seconds: float
    megapixels: float
    spent: dict[str, float]

    @property
    def files_per_minute(self) -> float:
        """Restored files per minute."""
        return 60 * self.files / self.seconds


def measure_folder(options: BenchOptions) -> None:
    """Restore the folder to a temporary place, print and write what it took.

    Raises:
        RestoreError: nothing could be restored, or the options are wrong.
    """
    tasks = options.task or ["upscale"]
    if len(tasks) > 1 or len(options.model or []) > 1:
        raise UsageError("--folder measures one task by one model", "give --task and --model once")
    shared = shared_options(options)
    models = Models(engine_settings(shared), seed=options.seed, say=lambda text: say(options, text))
    row, device = run_folder(tasks[0], options, shared, models)
    if not row.files:
        raise NothingToDoError(f"no photo in {options.folder} could be restored", "see the reasons above")
    facts = machine(torch.device(device))
    rate = f"{row.megapixels / row.seconds:.2f} MP/s of results"
    lines = [
        header(facts),
        "",
        f"{row.task} by {row.weights}: {row.files} files in {significant(row.seconds)} s, "
        f"{significant(row.files_per_minute)} files per minute, {rate}"
        + (f"; {row.failed} failed" if row.failed else ""),
        "",
        Table(("what", "seconds", "of the run", ""), _spent(row)).markdown(),
    ]
    show(options, "folder", lines, [{**asdict(row), "files_per_minute": row.files_per_minute}], machine=facts)


def run_folder(
    task: str, options: BenchOptions, shared: SharedOptions, models: Models
) -> tuple[FolderRow, str]:
    """Return what came of the folder, and the device it was done on."""
    report = reporter(shared)
    stages = tuple(task_stages(task, options, shared, models))
    expected, ready = expect(stages, models, report)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="restore-bench-") as folder:
        plan = plan_names(find_inputs(shared.inputs or []), output=folder, task_suffix=task)
        setup = Setup(stages, models, encoding(task, shared, {}), watch=watch)
        began = time.perf_counter()
        tally = run_interruptibly(plan.photos, setup, report)
        seconds = time.perf_counter() - began
    weights = ", ".join(resolved.name for resolved in expected)
    row = FolderRow(task, weights, tally.done, tally.failed, seconds, tally.megapixels, watch.seconds)
    return row, ready[0].prepared.devices[0] if ready else "cpu"


def task_stages(task: str, options: BenchOptions, shared: SharedOptions, models: Models) -> list[Stage]:
    """Return the stages that the command of ``task`` would take.

    Raises:
        UsageError: there is no such task.
    """
    if task not in TASKS:
        raise UsageError(f"unknown task: {task}", f"known: {', '.join(TASKS)}")
    if task == "upscale":
        scale = float(next(iter(options.scale or []), 4))
        return with_raw(upscale_stages(scale, None, models, shared), shared)
    if task == "demosaic":
        return [Stage(Demosaic(), request(task, shared), run=mosaic_run)]
    level = _level(task, options)
    undo: Task = SameSize(task)
    if task in ("denoise", "dejpeg"):
        undo = Denoise(level) if task == "denoise" else Dejpeg(level)
    return with_raw([Stage(undo, request(task, shared, level=level, extra_inputs=MAPS))], shared)


def _level(task: str, options: BenchOptions) -> float | None:
    """Return the sigma or quality given; None has each photo's estimated, as the commands do.

    Raises:
        UsageError: it is no number.
    """
    given = {"denoise": options.sigma, "dejpeg": options.quality}.get(task)
    try:
        return float(given[0]) if given else None
    except ValueError:
        raise UsageError(f"{given} is no number") from None


def shared_options(options: BenchOptions) -> SharedOptions:
    """Return the options of a restoring command that a bench's options mean."""
    return SharedOptions(
        inputs=[str(options.folder)],
        model=next(iter(options.model or []), None),
        variant=options.variant,
        weights=options.weights,
        tile=options.tile or "auto",
        precision=options.precision,
        self_ensemble=options.self_ensemble,
        compile=options.compile,
        device=options.device,
        batch=str(options.batch) if options.batch > 1 else "auto",
        seed=options.seed,
        quiet=options.quiet or options.as_json,
    )


def _spent(row: FolderRow) -> list[list[str]]:
    return [
        [kind, significant(row.spent[kind]), percent(row.spent[kind] / row.seconds), meaning]
        for kind, meaning in MEANING.items()
        if kind in row.spent
    ]
