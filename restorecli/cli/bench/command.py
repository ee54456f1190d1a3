"""``restore bench``: how fast networks are, how good, and how fast the whole tool is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields

from restorecli.cli.bench.options import BenchOptions
from restorecli.cli.loading_line import loading
from restorecli.cli.signature import with_options
from restorecli.commands.declare import variable_of
from restorecli.errors import UsageError

MODES = ("compare", "folder", "table", "data", "pairs", "sweep")
"""Options that each ask for another measurement than run times; at most one may be given."""

_SHOWN = {"as_json", "csv", "quiet"}
_RUN = {"device", "precision", "compile", *_SHOWN}
_MODEL = {"task", "model", "variant", "weights", "scale", "self_ensemble"}
_TIMES = {*_RUN, *_MODEL, "size", "batch", "runs", "warmup", "plot"}
_SCORES = {
    *_RUN,
    *_MODEL,
    "sigma",
    "quality",
    "gray",
    "pattern",
    "degradation",
    "limit",
    "save_images",
    "tile",
    "seed",
    "plot",
}
APPLIES = {
    "times": _TIMES,
    "sweep": {*_TIMES, "sweep", "tune"},
    "compare": {*_SHOWN, "compare"},
    "data": {*_SCORES, "data", "noisy", "noise", "iso"},
    "pairs": {*_SCORES, "pairs"},
    "table": {*_RUN, "table", "data_root", "task", "scale", "limit", "tile", "seed"},
    "folder": {*_RUN, *_MODEL, "folder", "sigma", "quality", "batch", "tile", "seed"},
}
"""Measurement → the options that mean something to it."""


@with_options(BenchOptions)
def bench(options: BenchOptions) -> None:
    """Measure networks on this machine: run times, or with --data, --pairs or --table, quality.

    Example: restore bench

    Example: restore bench --model all --variant paper --size 128 --json > times.json

    Example: restore bench --sweep tile --task upscale --tune

    Example: restore bench --data set5/ -x 2 -x 4 --save-images compared/
    """
    asked = [name for name in MODES if getattr(options, name)]
    if len(asked) > 1:
        raise UsageError(f"--{asked[0]} and --{asked[1]} are two measurements", "run restore bench twice")
    from restorecli.cli.bench.early import check

    if options.tune and options.sweep is None:
        raise UsageError("--tune keeps what a sweep finds", "add --sweep tile, batch, precision or threads")
    mode = asked[0] if asked else "times"
    check_applies(options, mode)
    check(options, mode)
    with loading(quiet=options.quiet):
        measure = _measurement(mode)
    measure(options)


def _measurement(mode: str) -> Callable[[BenchOptions], None]:
    """Return what measures; most import torch."""
    if mode == "compare":
        from restorecli.cli.bench.compare import compare_files

        return compare_files
    if mode == "folder":
        from restorecli.cli.bench.folder import measure_folder

        return measure_folder
    if mode in ("data", "pairs", "table"):
        from restorecli.cli.bench.quality import measure_quality

        return measure_quality
    if mode == "sweep":
        from restorecli.cli.bench.sweep import measure_sweep

        return measure_sweep
    from restorecli.cli.bench.times import measure_times

    return measure_times


def check_applies(options: BenchOptions, mode: str) -> None:
    """Refuse options that the measurement would ignore; variables may be meant for other commands.

    Raises:
        UsageError: naming them.
    """
    changed = [field.name for field in fields(options) if getattr(options, field.name) != field.default]
    names = [
        f"--{name.removeprefix('as_').replace('_', '-')}" for name in changed if name not in APPLIES[mode]
    ]
    useless = [name for name in names if variable_of(name) not in os.environ]
    if useless:
        where = "run times" if mode == "times" else f"--{mode}"
        hint = "quality is measured with --data, --pairs or --table" if mode == "times" else "leave it out"
        raise UsageError(f"{', '.join(useless)}: nothing to do with {where}", hint)
