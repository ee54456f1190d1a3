"""What is wrong with the options of ``restore bench``, found before torch is imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from restorecli.cli.bench.asked import (
    degradations,
    described,
    engine_settings,
    runs,
    sizes,
    weights_file,
)
from restorecli.cli.bench.options import BenchOptions
from restorecli.commands.early import begin
from restorecli.commands.values import one_of
from restorecli.engine.settings import PRECISIONS, device_names
from restorecli.errors import UsageError
from restorecli.models.registry import TASKS
from restorecli.quality.papers import reported
from restorecli.quality.sets import known_sets, open_set
from restorecli.quality.subjects import SWEEPS, requests
from restorecli.report.plots import check_plot


def check(options: BenchOptions, mode: str) -> None:
    """Refuse what can be seen to be wrong without torch.

    Args:
        options: what was asked for.
        mode: the measurement, a key of `command.APPLIES`.

    Raises:
        RestoreError: a value, path or name is wrong.
    """
    one_of(options.precision, "--precision", PRECISIONS)
    device_names(options.device)
    for task in options.task or []:
        one_of(task, "--task", TASKS)
    if options.plot is not None:
        check_plot(options.plot)
    for name, file in (("--csv", options.csv), ("--plot", options.plot)):
        _writable(name, file)
    weights_file(options.weights)
    if mode in ("times", "sweep"):
        _speed(options)
    elif mode == "folder":
        begin(described(options))
    elif mode == "table":
        _table(options)
    elif mode != "compare":
        _quality(options)


def _speed(options: BenchOptions) -> None:
    if options.sweep is not None:
        one_of(options.sweep, "--sweep", SWEEPS)
    runs(options)
    sizes(options)
    devices = device_names(options.device)
    if len(devices) > 1:
        raise UsageError("restore bench measures one device", f"choose one: --device {devices[0]}")
    _models(options, options.task or [])


def _table(options: BenchOptions) -> None:
    if options.data_root is None:
        raise UsageError("--table needs test sets", "add --data-root FOLDER, which holds set5, set14, …")
    reported(options.table or "", options.task or [], options.scale or [])
    list(known_sets(options.data_root))
    engine_settings(options)


def _quality(options: BenchOptions) -> None:
    asked = degradations(options)
    engine_settings(options)
    for path in [*(options.data or []), *(options.pairs or [])]:
        open_set(path)
    if "none" not in (options.model or []):
        _models(options, asked.tasks)


def _models(options: BenchOptions, tasks: Sequence[str]) -> None:
    if options.weights is None:
        requests(tasks, options.model or [], variant=options.variant, scales=options.scale or [])


def _writable(name: str, file: Path | None) -> None:
    if file is None:
        return
    if file.is_dir():
        raise UsageError(f"{name} {file} is a folder", "give the name of a file")
    if not file.parent.is_dir():
        raise UsageError(f"{name} {file}: there is no folder {file.parent}")
