"""What ``--dry-run`` prints: what is going to happen to each file, as far as its headers tell."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console

from restorecli.errors import PhotoError, UnreadableError, UnsupportedError
from restorecli.loading import Loaded
from restorecli.photos.outlook import Outlook, outlook
from restorecli.photos.planned import Plan, PlannedPhoto
from restorecli.photos.read import read
from restorecli.photos.stores import store
from restorecli.pipeline.foresight import foresee
from restorecli.pipeline.inspection import in_words
from restorecli.report.events import PlanMade
from restorecli.report.jsonl import as_line
from restorecli.report.words import labelled
from restorecli.stages import Networks, Stage
from restorecli.tasks.estimate.jpeg import quality_from_tables

STYLES = {"restore": "green", "leave": "cyan", "skip": "yellow", "fail": "red"}


@dataclass(frozen=True)
class Row:
    """What is going to happen to a file.

    Attributes:
        input, output: paths, or "-".
        does: "restore", "leave", "skip" or "fail".
        what: the same with the reason.
        code: why it will fail, as in ``file_failed``.
        size: width and height, or empty.
        tiles: how many, where known.
        index, of: the photo's number in the run.
        needs: the tasks, where they are decided by the photo.
    """

    input: str
    output: str
    does: str
    what: str
    code: str = ""
    size: str = ""
    tiles: int | str = ""
    index: int | None = None
    of: int | None = None
    needs: tuple[str, ...] | None = None

    @property
    def line(self) -> str:
        """The row for people, without what it does."""
        if self.does != "restore":
            return f"{self.input}: {self.what.partition(': ')[2].removeprefix(f'{self.input}: ')}"
        tiles = f"{self.tiles} tile{'s' * (self.tiles != 1)}" if self.tiles else ""
        reason = self.what.removeprefix("restore").removeprefix(", ")
        facts = ", ".join(part for part in (self.size, tiles, reason) if part)
        return f"{self.input} → {self.output}" + (f" ({facts})" if facts else "")


def print_plan(
    event: PlanMade,
    plan: Plan,
    stages: Sequence[Stage],
    loaded: Sequence[Loaded],
    networks: Networks,
    *,
    as_json: bool,
) -> bool:
    """Print to standard output what would be done to each file.

    Args:
        event: the plan as a whole.
        plan: its files.
        stages: what they go through.
        loaded: the networks of the stages that all of them go through; none where they are not here yet.
        networks: where the stages get theirs, where they are here.
        as_json: a JSON object per line.

    Returns:
        Whether all would go well.
    """
    rows = []
    console = Console(highlight=False)
    if as_json:
        sys.stdout.write(as_line(event.fields()))
    else:
        for name, value in asdict(event).items():
            if name != "warnings":  # they are said on standard error
                value = "not known before the weights are here" if value == "" else value
                console.print(labelled(console, f"{name:10}", str(value)), soft_wrap=True)
    for photo in plan.photos:
        row = foreseen(photo, stages, loaded, networks)
        rows.append(row.does)
        if as_json:
            fields = {name: value for name, value in asdict(row).items() if value is not None}
            sys.stdout.write(as_line({"event": "planned", **fields}))
        else:
            console.print(labelled(console, f"{row.does:10}", row.line, STYLES[row.does]), soft_wrap=True)
    if not as_json:
        counts = (f"{rows.count(does)} to {does}" for does in STYLES if does in rows)
        console.print(f"{len(rows)} file{'s' * (len(rows) != 1)}: {', '.join(counts)}")
    return "fail" not in rows


def foreseen(
    photo: PlannedPhoto, stages: Sequence[Stage], loaded: Sequence[Loaded], networks: Networks
) -> Row:
    """Return what is going to happen to a file."""
    row = Row(photo.name, str(photo.target or "-"), "restore", "restore", index=photo.index, of=photo.of)
    if photo.skip:
        return replace(row, does="skip", what=f"skip: {photo.skip}")
    try:
        if photo.error is not None:
            raise photo.error
        if photo.found.is_stream:
            return row
        source = _source(photo)
        seen = outlook(source, photo.name)
        if any(stage.judges_input for stage in stages):
            row = _judged(row, source, photo.name, stages, networks if loaded else None)
            what = row.what
        else:
            what = _expected(photo, source, seen, stages)
    except PhotoError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return replace(row, does="fail", what=f"fail: {error.message}{hint}", code=error.code)
    size = f"{seen.width}×{seen.height}" if seen.width else ""
    usual = [stage for stage in stages if not stage.only_raw]
    told = size and loaded and row.needs is None
    tiles = _tiles(seen.height, seen.width, usual, loaded) * seen.pages if told else ""
    return replace(row, what=what, size=size, tiles=tiles)


def _source(photo: PlannedPhoto) -> Path | bytes:
    """Return a photo's file, or the bytes of what lies in a store.

    Raises:
        UnreadableError: it cannot be had.
    """
    path = photo.found.path
    if isinstance(path, Path):
        return path
    try:
        return store.read(path)
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror or error}") from error


def _expected(photo: PlannedPhoto, source: Path | bytes, seen: Outlook, stages: Sequence[Stage]) -> str:
    """Return what is going to be done.

    Raises:
        PhotoError: nothing can be.
    """
    if seen.pages > 1 and photo.format not in ("tiff", "keep"):
        what = f"{photo.target or 'standard output'}: {photo.format} cannot hold {seen.pages} pages"
        raise UnsupportedError(what, "use --format tiff")
    tasks = {stage.request.task for stage in stages if not stage.only_raw}
    if "demosaic" in tasks and seen.kind != "raw":
        _see_a_mosaic(source, photo.name, stages)
    if all(getattr(stage.task, "judges", False) for stage in stages if not stage.only_raw):
        if "dejpeg" in tasks and seen.quantisation is not None:
            quality = quality_from_tables(seen.quantisation).quality
            return f"restore, unless it needs nothing (quality {quality} by the file's tables)"
        return "restore, unless it needs nothing"
    return "restore"


def _judged(
    row: Row, source: Path | bytes, name: str, stages: Sequence[Stage], networks: Networks | None
) -> Row:
    """Return what the pixels say that the photo needs.

    Raises:
        PhotoError: it cannot be read.
    """
    steps = [step for page in read(source, name=name).pages for step in foresee(page, stages, networks)]
    wanted = list(dict.fromkeys(step.task for step in steps if not step.need.leave))
    said = list(dict.fromkeys(text for step in steps for text in in_words(step)))
    if wanted:
        return replace(row, what=f"restore, {'; '.join(said)}", needs=tuple(wanted))
    return replace(row, does="leave", what=f"leave: {'; '.join(said)}", needs=())


def _see_a_mosaic(source: Path | bytes, name: str, stages: Sequence[Stage]) -> None:
    """Look at the pixels: a mosaic that is stored as a picture is known by nothing else.

    Raises:
        PhotoError: it is none.
    """
    for page in read(source, name=name).pages:
        for stage in stages:
            if stage.request.task == "demosaic" and not stage.only_raw:
                stage.task.examine(page)


def _tiles(height: int, width: int, stages: Sequence[Stage], loaded: Sequence[Loaded]) -> int:
    """Count the tiles of all stages, each of which may enlarge the photo for the next."""
    count = 0
    for stage, each in zip(stages, loaded, strict=False):
        scale = int(getattr(stage.task, "scale", 1))
        before = scale // each.network.scale  # a network that keeps the size is fed the enlarged photo
        count += each.prepared.tile_count(height * before, width * before)
        height, width = height * scale, width * scale
    return count
