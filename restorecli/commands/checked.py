"""What the shared options mean: checked, and turned into settings."""

from __future__ import annotations

from restorecli.commands.options import SharedOptions
from restorecli.commands.values import level, number
from restorecli.engine.settings import RunSettings
from restorecli.errors import UsageError
from restorecli.photo import Depth
from restorecli.photos.formats.table import check_format

LONGEST_TIMEOUT = 1e9  # seconds


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
    if options.if_exists not in ("skip", "overwrite", "rename", "error"):
        raise UsageError(f"--if-exists {options.if_exists}", "choose skip, overwrite, rename or error")
    if options.bits is not None and options.bits not in {depth.value for depth in Depth}:
        raise UsageError(f"--bits {options.bits}", "choose 8, 16 or 32f")
    if options.null and options.files_from is None:
        raise UsageError(
            "--null does nothing without --files-from", "add --files-from FILE, or - for standard input"
        )
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
