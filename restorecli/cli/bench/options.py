"""The options of ``restore bench``; those it shares with restoring commands are declared with theirs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from restorecli.commands.declare import ENGINE, MODEL, OUTPUT, RUN, beginning_of, model_names, option
from restorecli.commands.options import Compile, Precision, Seed, SelfEnsemble, Weights
from restorecli.models.registry import TASKS

WHAT, QUALITY = "What to measure", "Quality"


def _names_to_measure(incomplete: str) -> list[str]:
    return [*model_names(incomplete), *beginning_of(("all", "none"))(incomplete)]


@dataclass(frozen=True)
class BenchOptions:
    """Everything ``restore bench`` can be asked; see its help."""

    task: Annotated[
        list[str] | None,
        option(
            "--task",
            help="upscale, denoise, dejpeg, demosaic, deblur or enhance; repeatable. Default: all.",
            panel=WHAT,
            metavar="TASK",
            complete=beginning_of(TASKS),
        ),
    ] = None
    model: Annotated[
        list[str] | None,
        option(
            "--model",
            "-m",
            help="A model, or all for the five networks; repeatable. Default: each task's light one. Quality "
            "takes none, too: classical methods alone.",
            panel=MODEL,
            metavar="NAME|all|none",
            complete=_names_to_measure,
        ),
    ] = None
    variant: Annotated[
        str | None,
        option(
            "--variant",
            help="light or paper, or a size such as small. Speed is measured with random weights where the "
            "paper's are not on this machine.",
            panel=MODEL,
            metavar="light|paper|NAME",
        ),
    ] = None
    weights: Weights = None
    scale: Annotated[
        list[int] | None,
        option("--scale", "-x", help="Of upscaling; repeatable. Default: 4.", panel=MODEL, metavar="N"),
    ] = None
    size: Annotated[
        list[str] | None,
        option(
            "--size",
            help="Of the input in pixels, one number for a square; repeatable. Default: 256x256.",
            panel=WHAT,
            metavar="WxH",
        ),
    ] = None
    sweep: Annotated[
        str | None,
        option(
            "--sweep",
            help="Vary one setting and name its best value.",
            panel=WHAT,
            metavar="size|batch|precision|tile|threads",
        ),
    ] = None
    tune: Annotated[
        bool, option("--tune", help="Keep what --sweep found best for later runs.", panel=WHAT)
    ] = False
    compare: Annotated[
        tuple[Path, Path] | None,
        option(
            "--compare",
            help="Compare two files of restore bench --json; nothing is measured.",
            panel=WHAT,
            metavar="A.json B.json",
        ),
    ] = None
    folder: Annotated[
        Path | None,
        option(
            "--folder",
            help="Restore the photos there, end to end, and report where the time goes. No result is kept.",
            panel=WHAT,
            metavar="PHOTOS",
        ),
    ] = None
    data: Annotated[
        list[Path] | None,
        option(
            "--data",
            help="Clean images: degrade them as the papers do, restore, score. Repeatable.",
            panel=QUALITY,
            metavar="FOLDER",
        ),
    ] = None
    pairs: Annotated[
        tuple[Path, Path] | None,
        option(
            "--pairs",
            help="Degraded and clean images of the same names: restore, score.",
            panel=QUALITY,
            metavar="LQ HQ",
        ),
    ] = None
    table: Annotated[
        str | None,
        option(
            "--table",
            help="What a network's paper reports, for the sets under --data-root.",
            panel=QUALITY,
            metavar="NETWORK",
        ),
    ] = None
    data_root: Annotated[
        Path | None,
        option(
            "--data-root",
            help="Folder of test sets (set5, set14, b100, kodak24, …) for --table.",
            panel=QUALITY,
            metavar="FOLDER",
        ),
    ] = None
    sigma: Annotated[
        list[str] | None,
        option(
            "--sigma", help="Noise on the 0–255 scale; repeatable, or 15,25,50.", panel=QUALITY, metavar="N"
        ),
    ] = None
    noise: Annotated[
        str,
        option(
            "--noise",
            help="gaussian: white noise of --sigma, and mosaics without any; camera: a synthetic camera's, "
            "of --iso, for mosaics before anything is done to it.",
            panel=QUALITY,
            metavar="gaussian|camera",
        ),
    ] = "gaussian"
    iso: Annotated[
        list[str] | None,
        option(
            "--iso",
            help="Of --noise camera; repeatable, or 1600,3200,6400. Default: these; mosaics: 800,3200,12800.",
            panel=QUALITY,
            metavar="N",
        ),
    ] = None
    quality: Annotated[
        list[str] | None,
        option("--quality", help="JPEG quality; repeatable, or 10,20,30,40.", panel=QUALITY, metavar="N"),
    ] = None
    noisy: Annotated[
        str,
        option(
            "--noisy",
            help="float: noise is not clipped (KAIR, SwinIR, GRL); 8bit: clipped and rounded (RNAN, PANet).",
            panel=QUALITY,
            metavar="float|8bit",
        ),
    ] = "float"
    gray: Annotated[
        bool, option("--gray", help="Measure on luma: gray noise, or the Y of a JPEG.", panel=QUALITY)
    ] = False
    degradation: Annotated[
        str,
        option(
            "--degradation",
            help="Of upscaling. bicubic: shrunk with care, as papers do; real: blurred, resized, noisy and "
            "compressed by a seeded draw.",
            panel=QUALITY,
            metavar="bicubic|real",
        ),
    ] = "bicubic"
    pattern: Annotated[
        str,
        option(
            "--pattern",
            help="Of mosaics to demosaic.",
            panel=QUALITY,
            metavar="RGGB|GRBG|GBRG|BGGR|XTRANS",
        ),
    ] = "RGGB"
    limit: Annotated[
        int | None, option("--limit", help="Only the first N images of a set.", panel=QUALITY, metavar="N")
    ] = None
    save_images: Annotated[
        Path | None,
        option(
            "--save-images",
            help="Keep degraded, baseline, restored and clean images side by side.",
            panel=QUALITY,
            metavar="FOLDER",
        ),
    ] = None
    device: Annotated[
        str, option("--device", "-d", help="auto, cpu, cuda, cuda:1, mps or xpu.", panel=ENGINE)
    ] = "auto"
    precision: Precision = "auto"
    batch: Annotated[int, option("--batch", help="Images per pass.", panel=ENGINE, min=1)] = 1
    tile: Annotated[
        str,
        option(
            "--tile",
            help="Tile side for quality and --folder; quality takes whole images by default.",
            panel=ENGINE,
            metavar="auto|N|0",
        ),
    ] = ""
    self_ensemble: SelfEnsemble = False
    compile: Compile = False
    runs: Annotated[
        str,
        option(
            "--runs",
            help="Timed passes. auto: until the median is known to ±2 %, for about 3 seconds.",
            panel=RUN,
            metavar="auto|N",
        ),
    ] = "auto"
    warmup: Annotated[int, option("--warmup", help="Passes before that do not count.", panel=RUN, min=0)] = 1
    seed: Seed = 0
    as_json: Annotated[bool, option("--json", help="One JSON document on standard output.", panel=OUTPUT)] = (
        False
    )
    csv: Annotated[
        Path | None, option("--csv", help="Write the rows to a CSV file too.", panel=OUTPUT, metavar="FILE")
    ] = None
    plot: Annotated[
        Path | None,
        option(
            "--plot",
            help="Draw time against pixels, a sweep, or quality against time; .png or .svg.",
            panel=OUTPUT,
            metavar="FILE",
        ),
    ] = None
    quiet: Annotated[bool, option("--quiet", "-q", help="No messages on standard error.", panel=OUTPUT)] = (
        False
    )
