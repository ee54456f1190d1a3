"""What the shared options mean: checked, and turned into settings."""

from __future__ import annotations

from restorecli.commands.options import SharedOptions
from restorecli.commands.values import level, number, one_of
from restorecli.comparison.target import check_target
from restorecli.engine.settings import PRECISIONS, RunSettings
from restorecli.errors import UsageError
from restorecli.models.registry import LICENSE_POLICIES
from restorecli.photo import Depth
from restorecli.photos.formats.table import check_format
from restorecli.photos.planned import FRAMES, IF_EXISTS, UNNEEDED

LONGEST_TIMEOUT = 1e9  # seconds
MOST_GPUS = 64  # of a worker


def check(options: SharedOptions) -> None:
    """Refuse options that do not go together.

    Raises:
        UsageError: with what to do instead.
    """
    if options.fp16 and options.fp32:
        raise UsageError("--fp16 and --fp32 contradict each other", "give one of them")
    if (options.fp16 or options.fp32) and options.precision not in ("auto", precision(options)):
        raise UsageError(
            f"--precision {options.precision} contradicts --{precision(options)}", "give one of them"
        )
    if options.json_lines and options.output == "-":
        raise UsageError(
            "--json and -o - both write to standard output", "write the picture to a file with -o FILE"
        )
    one_of(options.if_exists, "--if-exists", IF_EXISTS)
    one_of(options.unneeded, "--unneeded", UNNEEDED)
    one_of(options.precision, "--precision", PRECISIONS)
    one_of(options.license_policy or "any", "--license-policy", LICENSE_POLICIES)
    if options.bits is not None:
        one_of(options.bits, "--bits", [depth.value for depth in Depth])
    if options.frames is not None:
        one_of(options.frames, "--frames", FRAMES)
    if options.null and options.files_from is None:
        raise UsageError(
            "--null does nothing without --files-from", "add --files-from FILE, or - for standard input"
        )
    if options.compare is not None:
        check_target(options.compare, "--compare")
    if options.cluster is None and (options.workers != "auto" or options.gpus_per_worker != "auto"):
        what = "--workers" if options.workers != "auto" else "--gpus-per-worker"
        raise UsageError(f"{what} does nothing without --cluster", "add --cluster auto")
    if number(options.workers, "--workers") == 0:
        raise UsageError("--workers 0: nobody would restore anything", "give 1 or more")
    level(options.gpus_per_worker, "--gpus-per-worker", 0, MOST_GPUS)
    level(options.file_timeout, "--file-timeout", 0, LONGEST_TIMEOUT)
    if options.format != "keep":
        check_format(options.format)


def precision(options: SharedOptions) -> str:
    """Return the precision wanted by --precision, --fp16 or --fp32."""
    return "fp16" if options.fp16 else "fp32" if options.fp32 else options.precision


def engine_settings(options: SharedOptions) -> RunSettings:
    """Return how the engine is to run networks; None where options say auto."""
    return RunSettings(
        tile=number(options.tile, "--tile"),
        overlap=number(options.tile_overlap, "--tile-overlap"),
        precision=precision(options),
        self_ensemble=options.self_ensemble,
        device=options.device,
        batch=number(options.batch, "--batch"),
        compile=options.compile,
    )
