"""What the `models` commands show: tables to standard output, messages and bars to standard error."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from restorecli.models.costs import Cost
from restorecli.models.registry import ModelEntry, NetworkInfo
from restorecli.report.columns import GAP, Column, lines, terminal_width

if TYPE_CHECKING:
    from restorecli.models.download import Progress


@dataclasses.dataclass(frozen=True)
class Grid:
    """A table: its columns, and rows of texts."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


Part = Grid | list[tuple[str, str]]
"""A table, or titles with their texts."""


def license_of(entry: ModelEntry) -> str:
    """Return the weights' licence in words."""
    return entry.weights_license or "none stated"


def facts(entry: ModelEntry, here: bool) -> dict[str, Any]:
    """Return everything the catalogue knows of an entry, what is unknown left out."""
    known = {
        key: value for key, value in dataclasses.asdict(entry).items() if value not in (None, "", (), {})
    }
    known.pop("gmac", None)  # listed with the costs
    return {**known, "cached": here}


LISTING = (
    Column("model"),
    Column("task", 2),
    Column("for"),
    Column("channels", 4, right=True),
    Column("size", 1, right=True),
    Column("here"),
    Column("commercial use", 1),
    Column("licence of the weights", 3),
)


def listing(rows: Sequence[tuple[ModelEntry, bool]]) -> Grid:
    """Return the table of `models list`."""
    cells = [
        (
            entry.name,
            entry.task,
            made_for(entry),
            str(entry.out_channels or entry.channels),
            megabytes(entry),
            "yes" if here else "no",
            entry.commercial_use,
            license_of(entry),
        )
        for entry, here in rows
    ]
    return Grid(LISTING, cells)


def made_for(entry: ModelEntry) -> str:
    """Return what the weights undo, in a few words."""
    words = [entry.degradation]
    if entry.task == "upscale":
        words.append(f"×{entry.scale}")
    if entry.level is not None:
        words.append(f"{'quality' if entry.task == 'dejpeg' else 'sigma'} {entry.level:g}")
    if entry.extra_input:
        words.append(f"with a {entry.extra_input}")
    return " ".join(word for word in words if word)


def megabytes(entry: ModelEntry) -> str:
    """Return the file's size, marked where it is an estimate."""
    size = entry.bytes or entry.bytes_estimate
    return "" if not size else f"{'' if entry.bytes else '~'}{size / 1e6:.1f} MB"


def verification(rows: Sequence[tuple[ModelEntry, str]]) -> Grid:
    """Return the table of `models verify`."""
    columns = (Column("model"), Column("file", 1), Column("result"))
    return Grid(columns, [(entry.name, entry.file, wrong or "right") for entry, wrong in rows])


def info_facts(
    network: NetworkInfo, entries: Sequence[ModelEntry], counted: Sequence[Cost]
) -> dict[str, Any]:
    """Return `models info` as plain data."""
    from restorecli.models.cache import cached

    about = {key: value for key, value in dataclasses.asdict(network).items() if value not in (None, "", ())}
    return {
        "network": about,
        "models": [facts(entry, cached(entry) is not None) for entry in entries],
        "costs": [dataclasses.asdict(cost) for cost in counted],
    }


def info(network: NetworkInfo, entries: Sequence[ModelEntry], counted: Sequence[Cost]) -> list[Part]:
    """Return the parts of `models info`: the network, what it costs, its weights."""
    about = [
        (title, value)
        for title, value in (
            ("network", network.name),
            ("what", network.summary),
            ("paper", _paper(network)),
            ("link", network.link),
            ("code", f"{network.code} @ {network.commit[:10]}" if network.commit else network.code),
            ("code licence", network.code_license or "none stated"),
            ("weights licence", network.weights_license or "none stated"),
            ("commercial use", network.commercial_use),
            ("weights from", network.weights_home),
            ("results are", network.results_measure),
            *(("note", note) for note in network.notes),
        )
        if value
    ]
    notes = dict.fromkeys(note for entry in entries for note in entry.notes)
    about_weights = [("note", note) for note in notes]
    parts = [about, _cost_table(counted) if counted else None, _weights_table(entries), about_weights]
    return [part for part in parts if part]


def _paper(network: NetworkInfo) -> str:
    place = " ".join(word for word in (network.venue, str(network.year or "")) if word)
    origin = "; ".join(part for part in (network.authors, place) if part)
    return f"{network.title} ({origin})" if origin else network.title


def _cost_table(counted: Sequence[Cost]) -> Grid:
    columns = (
        Column("parameters", right=True),
        Column("GMAC per MP of input", right=True),
        Column("overlap", 1, right=True),
        Column("side multiple", 3, right=True),
        Column("range", 2, right=True),
        Column("precisions", 2),
        Column("models"),
    )
    rows = [
        (
            f"{cost.parameters:,}",
            f"{cost.gmac_per_megapixel:,.0f}",
            str(cost.tile_overlap),
            str(cost.side_multiple),
            f"0–{cost.value_range:g}",
            cost.precisions,
            f"{cost.models[0]} …" if len(cost.models) > 2 else ", ".join(cost.models),
        )
        for cost in counted
    ]
    return Grid(columns, rows)


def _weights_table(entries: Sequence[ModelEntry]) -> Grid:
    from restorecli.models.cache import cached

    columns = (
        Column("model"),
        Column("for"),
        Column("file", 2),
        Column("here"),
        Column("published results", 1),
    )
    rows = []
    for entry in entries:
        results = ", ".join(
            f"{name} {'/'.join(f'{value:g}' for value in values)}" for name, values in entry.results.items()
        )
        file = entry.file if entry.verified else f"{entry.file} (name not confirmed)"
        rows.append((entry.name, made_for(entry), file, "yes" if cached(entry) else "no", results))
    return Grid(columns, rows)


def show(*parts: Part) -> None:
    """Print tables, and titles with texts, to standard output; nothing is cut where that is no terminal."""
    from rich.console import Console

    from restorecli.report.words import labelled

    console = Console(highlight=False)
    for index, part in enumerate(parts):
        if index:
            sys.stdout.write("\n")
        if isinstance(part, Grid):
            width = terminal_width(console.is_terminal)
            sys.stdout.writelines(line + "\n" for line in lines(part.columns, part.rows, width))
            continue
        room = max(len(title) for title, _ in part) + GAP
        for title, text in part:
            console.print(labelled(console, title.ljust(room), text), soft_wrap=True)


def say(*lines: str) -> None:
    """Print a message to standard error."""
    from rich.console import Console

    console = Console(stderr=True)
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def bar(title: str) -> Iterator[Progress]:
    """Show a bar for one download on a terminal; give the callable that moves it."""
    from tqdm import tqdm

    with tqdm(desc=title, unit="B", unit_scale=True, disable=None, leave=False) as line:

        def moved(done: int, total: int | None) -> None:
            line.total = total
            line.update(done - line.n)

        yield moved
