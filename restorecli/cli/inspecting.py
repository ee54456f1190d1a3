"""What `restore inspect` shows: a table for people, an event per photo for scripts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import typer

from restorecli.cli.downloads import download_bar
from restorecli.cli.restoring import reporter
from restorecli.commands.description import RunDescription
from restorecli.commands.ready import Ready, make_ready
from restorecli.errors import ExitCode, UnreadableError
from restorecli.photos.inputs import Found, shard
from restorecli.photos.planned import PlannedPhoto
from restorecli.pipeline.foresight import Step
from restorecli.pipeline.inspection import Inspection, inspect
from restorecli.pipeline.photo import Setup, failure, read_photo
from restorecli.pipeline.speed import megapixels_per_second
from restorecli.report.columns import GAP, Column, lines, terminal_width
from restorecli.report.events import Event, FileFailed
from restorecli.report.jsonl import as_line
from restorecli.report.words import printable
from restorecli.stages import request_for

COLUMNS = (
    Column("photo"),
    Column("size", right=True),
    Column("kind"),
    Column("profile", 3),
    Column("noise", right=True),
    Column("jpeg", right=True),
    Column("sharp", 2, right=True),
    Column("needs"),
    Column("time", 1, right=True),
)
USUAL_WIDTH = 80
SHORTEST_NAME = 12
LEAST_WIDTH = 5
"""Of a column, when it is foretold: "4.5 s" and "13 s" are then as wide."""
USUAL_PROFILES = ("sRGB", "gray", "camera")


@dataclass(frozen=True)
class Inspected(Event, name="inspected"):
    """What is in the photo ``input``, and how many seconds it would take."""

    input: str
    seen: Inspection
    seconds: float

    def fields(self) -> dict[str, Any]:
        """Return what was seen as fields of the event, without what is not known."""
        known = {name: value for name, value in asdict(self.seen).items() if value is not None}
        return {"event": self.name, "input": self.input, **known, "seconds": self.seconds}


@dataclass
class _Speeds:
    """Megapixels a second by the name of the weights, measured when first wanted; and where that was."""

    ready: Ready
    by_weights: dict[str, float] = field(default_factory=dict)
    where: str = ""

    def seconds(self, work: Sequence[Step]) -> float:
        """Return how long the networks take for what a photo needs."""
        total = 0.0
        for step in work:
            loaded = self.ready.models.get(request_for(step.stage.request, step.need), step.stage.run)
            name = loaded.resolved.name
            if name not in self.by_weights:
                self.by_weights[name] = megapixels_per_second(loaded)
                prepared = loaded.prepared
                self.where = f"{', '.join(prepared.device_names)} in {prepared.precision}"
            total += step.pixels / 1e6 / self.by_weights[name]
        return total

    @property
    def told(self) -> str:
        """How the times came about."""
        each = ", ".join(f"{name} {speed:.2g}" for name, speed in self.by_weights.items())
        return f"times: of the networks alone, by a tile through each just now on {self.where}, MP/s: {each}"


def show(description: RunDescription, found: Sequence[Found]) -> None:
    """Inspect the photos, show what was found, and leave by the exit code.

    Raises:
        RestoreError: weights or device are not available.
        typer.Exit: always.
    """
    options = description.shared
    report = reporter(options)
    if options.shard:
        found = shard(found, options.shard)
    with download_bar(wanted=not (options.quiet or options.json_lines)) as progress:
        ready = make_ready(description, progress=progress, say=lambda _: None, warn=report.warn)
    speeds = _Speeds(ready)
    rows: list[Inspected] = []
    failed = 0
    for event in _events(found, ready.setup({}), speeds):
        failed += isinstance(event, FileFailed)
        if options.json_lines:
            sys.stdout.write(as_line(event.fields()))
            sys.stdout.flush()
        elif isinstance(event, Inspected):
            rows.append(event)
        else:
            report.event(event)
    if options.json_lines and speeds.by_weights:
        measured = {"event": "speed", "megapixels_per_second": speeds.by_weights, "device": speeds.where}
        sys.stdout.write(as_line(measured))
    elif rows:
        told = [speeds.told] if speeds.by_weights else []
        sys.stdout.write("\n".join([*table(rows), *_reasons(rows, options.verbose), "", *told]) + "\n")
    raise typer.Exit(ExitCode.SOME_FAILED if failed else ExitCode.DONE)


def _events(found: Sequence[Found], setup: Setup, speeds: _Speeds) -> Iterator[Inspected | FileFailed]:
    """Give what is in each photo, or why it cannot be said."""
    for item in found:
        planned = PlannedPhoto(item, None, "keep")
        try:
            if item.refusal:
                raise UnreadableError(item.refusal)
            document = read_photo(planned, setup).document
            seen, work = inspect(document, setup.stages, setup.networks)
            yield Inspected(planned.name, seen, round(speeds.seconds(work), 2))
        except Exception as error:
            event = failure(planned, error)
            if event is None:
                raise
            yield event


def table(rows: Sequence[Inspected]) -> list[str]:
    """Return the table, of at most 80 columns where it is no terminal, and what it comes to."""
    folder = _common([row.input for row in rows])
    cells = [_cells(row) for row in rows]
    width = terminal_width(sys.stdout.isatty()) or USUAL_WIDTH
    room = _room(cells, width)
    whole = [(_short(row.input, folder, room), *cell) for row, cell in zip(rows, cells, strict=True)]
    needy = [row for row in rows if row.seen.needs]
    photos = f"{len(rows)} photo{'s' * (len(rows) != 1)}"
    time = spoken(sum(row.seconds for row in needy))
    left = len(rows) - len(needy)
    told = f"{photos}: {len(needy)} would be restored, in {time}, and {left} left as they are"
    return [*lines(COLUMNS, whole, width), "", told]


def _common(names: Sequence[str]) -> str:
    """Return the folder that all photos are in; "" for none, as for paths of several drives."""
    try:
        return os.path.commonpath([Path(name).parent for name in names])
    except ValueError:
        return ""


def _cells(row: Inspected) -> tuple[str, ...]:
    """Return what stands behind a photo's name."""
    seen = row.seen
    return (
        f"{seen.width}×{seen.height}" + (f"×{seen.pages}" if seen.pages > 1 else ""),
        f"{seen.kind} {seen.bits}" + (" gray" if seen.channels == 1 else ""),
        "" if seen.profile in USUAL_PROFILES else seen.profile[:12],
        "" if seen.sigma is None else f"{max(seen.sigma, seen.sigma_coarse or 0):.1f}",
        "" if seen.quality is None else f"{seen.quality:.0f}",
        "" if seen.sharpness is None else f"{seen.sharpness:.2f}",
        " ".join(seen.needs) or "nothing",
        spoken(row.seconds) if seen.needs else "",
    )


def _room(cells: Sequence[tuple[str, ...]], width: int) -> int:
    """Return how long names may be so that all other columns fit, within reason; whatever the times are."""
    widths = [
        max(LEAST_WIDTH, len(column.title), *map(len, texts)) + GAP
        for column, texts in zip(COLUMNS[1:], zip(*cells, strict=True), strict=True)
        if any(texts)
    ]
    return max(SHORTEST_NAME, width - sum(widths))


def _short(name: str, folder: str, room: int) -> str:
    """Return the end of a path below ``folder``, as much of it as there is room for."""
    name = os.path.relpath(name, folder) if folder else name
    return name if len(name) <= room else "…" + name[-room + 1 :]


def spoken(seconds: float) -> str:
    """Return a time for people."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _reasons(rows: Sequence[Inspected], verbose: int) -> list[str]:
    """Return what was found and decided for each photo, where that was asked for."""
    if not verbose:
        return []
    return ["", *(printable(f"{row.input}: {', '.join(row.seen.found)}") for row in rows)]
