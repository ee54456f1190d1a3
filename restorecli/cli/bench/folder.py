"""``restore bench --folder``: the whole tool on a user's photos, and where the time goes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

from restorecli.cli.bench.asked import described
from restorecli.cli.bench.layout import Table
from restorecli.cli.bench.options import BenchOptions
from restorecli.cli.bench.show import percent, say, show, significant
from restorecli.cli.restoring import reporter, run_interruptibly
from restorecli.commands.description import RunDescription
from restorecli.commands.ready import make_ready
from restorecli.errors import NothingToDoError
from restorecli.photos.inputs import find_inputs
from restorecli.photos.naming import plan_names
from restorecli.quality.machine import header, machine
from restorecli.report.stopwatch import Stopwatch

MEANING = {
    "decode": "reading files, in their own threads",
    "restore": "all between, the network included",
    "device": "of that, copies, network and blending",
    "encode": "writing files, in their own threads",
    "wait for decoding": "the device idle: nothing decoded yet",
    "wait for encoding": "the device idle: results not written",
}


BOTTLENECKS = {
    "decoding": "more --jobs, more cores or a faster disk would help",
    "encoding": "more cores, more --jobs, or a format that is quicker to write (PNG, TIFF, JPEG) would help",
    "the device": "a faster one, a lighter model or a lower precision would help",
    "the main thread": "what is done to a photo before and after the network takes longer than the network",
}
"""What can hold a folder back, and what helps."""


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

    @property
    def bottleneck(self) -> str:
        """What the rest waited for most: one of `BOTTLENECKS`."""
        spent = {kind: self.spent.get(kind, 0.0) for kind in MEANING}
        shares = {
            "decoding": spent["wait for decoding"],
            "encoding": spent["wait for encoding"],
            "the device": spent["device"],
            "the main thread": spent["restore"] - spent["device"],
        }
        return max(shares, key=lambda name: shares[name])


def measure_folder(options: BenchOptions) -> None:
    """Restore the folder to a temporary place, print and write what it took.

    Raises:
        RestoreError: nothing could be restored, or the options are wrong.
    """
    row, device = run_folder(described(options), say=lambda text: say(options, text))
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
        Table(("what", "seconds", "share", ""), _spent(row)).markdown(),
        "",
        f"Bottleneck: {row.bottleneck}: {BOTTLENECKS[row.bottleneck]}.",
    ]
    told = {**asdict(row), "files_per_minute": row.files_per_minute, "bottleneck": row.bottleneck}
    show(options, "folder", lines, [told], machine=facts)


def run_folder(description: RunDescription, say: Callable[[str], None]) -> tuple[FolderRow, str]:
    """Return what came of the folder, and the device it was done on."""
    shared, task = description.shared, description.steps[0].own.command
    report = reporter(shared)
    ready = make_ready(description, say=say)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(prefix="restore-bench-") as folder:
        plan = plan_names(find_inputs(shared.inputs or []), output=folder, task_suffix=task)
        setup = ready.setup({}, watch=watch)
        began = time.perf_counter()
        tally = run_interruptibly(plan, setup, report)
        seconds = time.perf_counter() - began
    weights = ", ".join(resolved.name for resolved in ready.expected)
    row = FolderRow(task, weights, tally.done, tally.failed, seconds, tally.megapixels, watch.seconds)
    return row, ready.loaded[0].prepared.devices[0] if ready.loaded else "cpu"


def _spent(row: FolderRow) -> list[list[str]]:
    return [
        [kind, significant(row.spent[kind]), percent(row.spent[kind] / row.seconds), meaning]
        for kind, meaning in MEANING.items()
        if kind in row.spent
    ]
