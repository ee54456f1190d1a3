"""The options that all restoring commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from restorecli.commands.declare import (
    ENGINE,
    INPUTS,
    MODEL,
    OUTPUT,
    RUN,
    beginning_of,
    format_names,
    model_names,
    option,
)

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
    cluster: Annotated[
        str | None,
        option(
            "--cluster",
            help="Restore on the machines of a Ray cluster: the one this process is in or else this machine "
            "(auto), or the one at an address (ray://head:10001).",
            panel=RUN,
            metavar="auto|ADDRESS",
            complete=beginning_of(("auto",)),
        ),
    ] = None
    workers: Annotated[
        str,
        option(
            "--workers",
            help="Processes of the cluster that restore. auto: one for each GPU, or else for each core.",
            panel=RUN,
            metavar="auto|N",
        ),
    ] = "auto"
    gpus_per_worker: Annotated[
        str,
        option(
            "--gpus-per-worker",
            help="GPUs for each of them; 0.5: two share a card and its memory.",
            panel=RUN,
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
