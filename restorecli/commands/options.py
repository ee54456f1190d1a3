"""How an option is declared, and the options that all restoring commands share.

An option is a field of a dataclass, annotated as Typer wants it: the command line, presets and the record of
settings all read it there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

INPUTS, MODEL, ENGINE, OUTPUT, RUN = "Inputs", "Model", "Speed and memory", "Output", "Run"


PREFIX = "RESTORE_"
"""Of the variables that set options."""
_PLACEHOLDERS = frozenset({"N", "NAME", "FILE", "FOLDER", "PHOTOS", "NETWORK", "TASK", "PATH", "EV"})


def option(
    *names: str,
    help: str,
    panel: str,
    metavar: str | None = None,
    complete: Callable[[str], list[str]] | None = None,
    **more: Any,
) -> Any:
    """Return a Typer option that can also be set by ``RESTORE_…``, named after its first long name.

    Args:
        names: as typed: "--tile", "-o".
        help: what it does.
        panel: the heading it stands under in the help.
        metavar: what stands for its value, choices with ``|`` between them.
        complete: gives the values that begin with what was typed; default: the choices of ``metavar``.
        more: further arguments of `typer.Option`.
    """
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    if complete is None and metavar is not None and "|" in metavar:
        complete = beginning_of([word for word in metavar.split("|") if word not in _PLACEHOLDERS])
    return typer.Option(
        *names,
        help=help,
        rich_help_panel=panel,
        metavar=metavar,
        envvar=variable_of(long),
        autocompletion=complete,
        **more,
    )


def beginning_of(words: Sequence[str]) -> Callable[[str], list[str]]:
    """Return what gives those of ``words`` that begin with what was typed."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def model_names(incomplete: str) -> list[str]:
    """Return the networks, and the files of weights, whose names begin with ``incomplete``."""
    from restorecli.models.registry import load_registry

    registry = load_registry()
    known = [*registry.networks, *(entry.name for entry in registry.entries)]
    begun = [name for name in known if name.startswith(incomplete)]
    return begun if incomplete else list(registry.networks)


def format_names(incomplete: str) -> list[str]:
    """Return the formats that can be written whose names begin with ``incomplete``."""
    from restorecli.photos.formats.table import WRITABLE

    return beginning_of(("keep", *WRITABLE))(incomplete)


def variable_of(option: str) -> str:
    """Return the environment variable of a long option's name: ``RESTORE_TILE`` of ``--tile``."""
    return PREFIX + option.removeprefix("--").upper().replace("-", "_")


Weights = Annotated[
    Path | None, option("--weights", help="Use this checkpoint.", panel=MODEL, metavar="FILE")
]
Precision = Annotated[
    str,
    option("--precision", help="Number format of the network.", panel=ENGINE, metavar="auto|fp32|fp16|bf16"),
]
SelfEnsemble = Annotated[
    bool,
    option("--self-ensemble", help="Average over 8 flips and turns (8 × slower).", panel=ENGINE),
]
Compile = Annotated[
    bool,
    option(
        "--compile",
        help="Compile the network first: faster tiles, after a wait of half a minute to some minutes.",
        panel=ENGINE,
    ),
]
Seed = Annotated[
    int,
    option("--seed", help="Seed of anything random: NLSN's hashing, the noise of benchmarks.", panel=RUN),
]
"""Options that `restore bench` has too."""


@dataclass(frozen=True)
class SharedOptions:
    """What the commands that restore photos have in common."""

    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, globs; - reads standard input.", metavar="INPUTS…", show_default=False
        ),
    ] = None
    recursive: Annotated[
        bool,
        option("--recursive/--no-recursive", "-r/-R", help="Descend into folders.", panel=INPUTS),
    ] = True
    files_from: Annotated[
        str | None,
        option(
            "--files-from",
            help="Read paths from a file, or - for standard input.",
            panel=INPUTS,
            metavar="FILE",
        ),
    ] = None
    null: Annotated[
        bool, option("--null", "-0", help="The paths of --files-from end in NUL, not newline.", panel=INPUTS)
    ] = False
    shard: Annotated[
        str | None,
        option(
            "--shard",
            help="Take every N-th file from the I-th, for arrays of jobs.",
            panel=INPUTS,
            metavar="I/N",
        ),
    ] = None
    output: Annotated[
        str | None,
        option(
            "--output",
            "-o",
            help="A folder (trees are mirrored), a file, a template of names, or - for standard output.",
            panel=OUTPUT,
            metavar="PATH",
        ),
    ] = None
    format: Annotated[
        str,
        option(
            "--format",
            "-f",
            help="keep, png, jpg, webp, tiff, …; keep turns a JPEG into PNG.",
            panel=OUTPUT,
            metavar="keep|NAME",
            complete=format_names,
        ),
    ] = "keep"
    jpeg_quality: Annotated[
        int,
        option(
            "--jpeg-quality",
            help="Of JPEG and AVIF output, 1–100.",
            panel=OUTPUT,
            metavar="N",
            min=1,
            max=100,
        ),
    ] = 95
    bits: Annotated[
        str | None,
        option(
            "--bits",
            help="Per sample. Default: as the input.",
            panel=OUTPUT,
            metavar="8|16|32f",
        ),
    ] = None
    if_exists: Annotated[
        str,
        option(
            "--if-exists",
            help="Where a result's name is taken. skip redoes what was made with other settings.",
            panel=OUTPUT,
            metavar="skip|overwrite|rename|error",
        ),
    ] = "skip"
    unneeded: Annotated[
        str,
        option(
            "--unneeded",
            help="What becomes of a photo that needs nothing. copy: its own file, byte for byte; skip: no "
            "file; convert: a file of the format that results have.",
            panel=OUTPUT,
            metavar="copy|skip|convert",
        ),
    ] = "copy"
    strip: Annotated[bool, option("--strip", help="Leave metadata out.", panel=OUTPUT)] = False
    keep_dates: Annotated[
        bool,
        option("--keep-dates", help="Keep the modification times of the photos.", panel=OUTPUT),
    ] = False
    compare: Annotated[
        Path | None,
        option(
            "--compare",
            help="Write a page that shows photos beside their results, with a slider, for any browser.",
            panel=OUTPUT,
            metavar="FILE.html",
        ),
    ] = None
    frames: Annotated[
        str | None,
        option(
            "--frames",
            help="Of an animation (GIF, WebP, APNG), restore each frame and write an animation again (PNG, "
            "WebP; pages of a TIFF), or the first one only. Default: animations are refused.",
            panel=INPUTS,
            metavar="each|first",
        ),
    ] = None
    model: Annotated[
        str | None,
        option(
            "--model",
            "-m",
            help="nlsn, rnan, panet, grl, mirnet. Default: the best light model.",
            panel=MODEL,
            metavar="NAME",
            complete=model_names,
        ),
    ] = None
    variant: Annotated[
        str | None,
        option(
            "--variant",
            help="light: small weights that come with the tool; paper: the authors' released weights. "
            "Default: paper where --model is given.",
            panel=MODEL,
            metavar="light|paper|NAME",
        ),
    ] = None
    weights: Weights = None
    license_policy: Annotated[
        str | None,
        option(
            "--license-policy",
            help="commercial: only weights whose licence allows commercial use. Default: any.",
            panel=MODEL,
            metavar="any|commercial",
        ),
    ] = None
    tile: Annotated[
        str,
        option(
            "--tile", help="Tile side in input pixels; 0: the whole image.", panel=ENGINE, metavar="auto|N|0"
        ),
    ] = "auto"
    tile_overlap: Annotated[
        str,
        option("--tile-overlap", help="Overlap of tiles in input pixels.", panel=ENGINE, metavar="auto|N"),
    ] = "auto"
    precision: Precision = "auto"
    fp16: Annotated[bool, option("--fp16", help="The same as --precision fp16.", panel=ENGINE)] = False
    fp32: Annotated[bool, option("--fp32", help="The same as --precision fp32.", panel=ENGINE)] = False
    self_ensemble: SelfEnsemble = False
    compile: Compile = False
    device: Annotated[
        str,
        option(
            "--device",
            "-d",
            help="cpu, cuda, cuda:1, cuda:0,cuda:1, all, mps or xpu.",
            panel=ENGINE,
            metavar="auto|NAME",
            complete=beginning_of(("auto", "cpu", "cuda", "all", "mps", "xpu")),
        ),
    ] = "auto"
    batch: Annotated[
        str, option("--batch", help="Tiles per forward pass.", panel=ENGINE, metavar="auto|N")
    ] = "auto"
    jobs: Annotated[
        str,
        option(
            "--jobs",
            "-j",
            help="Reader and writer threads; auto: up to 4 readers, and a writer for each core but one.",
            panel=ENGINE,
            metavar="auto|N",
        ),
    ] = "auto"
    seed: Seed = 0
    preset: Annotated[
        str | None,
        option(
            "--preset",
            help="Defaults for a kind of photo, such as scans.",
            panel=RUN,
            metavar="NAME",
        ),
    ] = None
    config: Annotated[
        str | None,
        option(
            "--config",
            help="Of defaults, instead of any restore.toml.",
            panel=RUN,
            metavar="FILE|none",
        ),
    ] = None
    dry_run: Annotated[
        bool, option("--dry-run", "-n", help="Print what would be done, and do nothing.", panel=RUN)
    ] = False
    json_lines: Annotated[
        bool, option("--json", help="One JSON event per line on standard output.", panel=RUN)
    ] = False
    fail_fast: Annotated[bool, option("--fail-fast", help="Stop at the first bad file.", panel=RUN)] = False
    file_timeout: Annotated[
        str,
        option(
            "--file-timeout",
            help="Give a photo up that takes longer to read, restore and write. auto: 10 minutes to be read, "
            "any time for the rest; 0: any time.",
            panel=RUN,
            metavar="auto|SECONDS",
        ),
    ] = "auto"
    quiet: Annotated[bool, option("--quiet", "-q", help="Errors only.", panel=RUN)] = False
    verbose: Annotated[
        int, option("--verbose", "-v", help="Say more; twice: with tracebacks.", panel=RUN, count=True)
    ] = 0
