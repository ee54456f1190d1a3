"""What ``--dry-run`` prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from restorecli.errors import RestoreError
from restorecli.loading import Loaded
from restorecli.photos.planned import Plan, PlannedPhoto
from restorecli.photos.read import size
from restorecli.report.events import PlanMade
from restorecli.report.jsonl import as_line
from restorecli.stages import Stage

Ready = Sequence[tuple[Stage, Loaded]]


def print_plan(event: PlanMade, plan: Plan, ready: Ready, *, as_json: bool) -> None:
    """Print to standard output what would be done to each file."""
    rows = [_row(photo, ready) for photo in plan.photos]
    if as_json:
        sys.stdout.write(as_line(event.fields()))
        for row in rows:
            sys.stdout.write(as_line({"event": "planned", **row}))
        return
    console = Console(highlight=False)
    for name, value in asdict(event).items():
        console.print(f"{name:9} {value if value != '' else 'not known before the weights are here'}")
    table = Table("input", "size", "tiles", "output", "what")
    for row in rows:
        table.add_row(*(escape(str(row[name])) for name in ("input", "size", "tiles", "output", "what")))
    console.print(table)


def _row(photo: PlannedPhoto, ready: Ready) -> dict[str, object]:
    what = (
        f"failed: {photo.error.message}"
        if photo.error
        else f"skip: {photo.skip}"
        if photo.skip
        else "restore"
    )
    row: dict[str, object] = {
        "input": photo.name,
        "size": "",
        "tiles": "",
        "output": str(photo.target or "-"),
        "what": what,
    }
    if photo.found.is_stream or photo.error:
        return row
    try:
        sides = size(photo.found.path)
    except RestoreError as error:
        return {**row, "what": f"will fail: {error.message}"}
    if sides is None:
        return row
    tiles = _tiles(sides[1], sides[0], ready) if ready else ""
    return {**row, "size": f"{sides[0]}×{sides[1]}", "tiles": tiles}


def _tiles(height: int, width: int, ready: Ready) -> int:
    """Count the tiles of all stages, each of which may enlarge the photo for the next."""
    count = 0
    for stage, loaded in ready:
        scale = int(getattr(stage.task, "scale", 1))
        before = scale // loaded.network.scale  # a network that keeps the size is fed the enlarged photo
        count += loaded.prepared.tile_count(height * before, width * before)
        height, width = height * scale, width * scale
    return count
