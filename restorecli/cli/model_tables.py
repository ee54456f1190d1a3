"""What the `models` commands show: tables to standard output, messages and bars to standard error."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.table import Table

from restorecli.models.costs import Cost
from restorecli.models.registry import ModelEntry, NetworkInfo

if TYPE_CHECKING:
    from restorecli.models.download import Progress


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


def listing(rows: Sequence[tuple[ModelEntry, bool]]) -> Table:
    """Return the table of `models list`."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("model", "task", "for", "channels"):
        table.add_column(title, no_wrap=title == "model")
    table.add_column("size", justify="right")
    for title in ("here", "commercial use", "licence of the weights"):
        table.add_column(title)
    for entry, here in rows:
        table.add_row(
            entry.name,
            entry.task,
            made_for(entry),
            str(entry.out_channels or entry.channels),
            megabytes(entry),
            "yes" if here else "no",
            entry.commercial_use,
            license_of(entry),
        )
    return table


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


def verification(rows: Sequence[tuple[ModelEntry, str]]) -> Table:
    """Return the table of `models verify`."""
    table = Table("model", "file", "result", box=None, pad_edge=False, header_style="bold")
    for entry, wrong in rows:
        table.add_row(entry.name, entry.file, wrong or "right")
    return table


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


def info(
    network: NetworkInfo, entries: Sequence[ModelEntry], counted: Sequence[Cost]
) -> list[RenderableType]:
    """Return the parts of `models info`: the network, what it costs, its weights."""
    about = Table.grid(padding=(0, 2))
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
    ):
        if value:
            about.add_row(title, value)
    parts: list[RenderableType] = [about]
    if counted:
        parts.append(_cost_table(counted))
    parts.append(_weights_table(entries))
    return [Group(*_spaced(parts))]


def _paper(network: NetworkInfo) -> str:
    place = " ".join(word for word in (network.venue, str(network.year or "")) if word)
    origin = "; ".join(part for part in (network.authors, place) if part)
    return f"{network.title} ({origin})" if origin else network.title


def _cost_table(counted: Sequence[Cost]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("parameters", "GMAC per MP of input", "overlap", "side multiple", "range"):
        table.add_column(title, justify="right")
    table.add_column("precisions")
    table.add_column("models")
    for cost in counted:
        names = f"{cost.models[0]} …" if len(cost.models) > 2 else ", ".join(cost.models)
        table.add_row(
            f"{cost.parameters:,}",
            f"{cost.gmac_per_megapixel:,.0f}",
            str(cost.tile_overlap),
            str(cost.side_multiple),
            f"0–{cost.value_range:g}",
            cost.precisions,
            names,
        )
    return table


def _weights_table(entries: Sequence[ModelEntry]) -> Table:
    from restorecli.models.cache import cached

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("model", "for", "file", "here", "published results"):
        table.add_column(title)
    for entry in entries:
        results = ", ".join(
            f"{name} {'/'.join(f'{value:g}' for value in values)}" for name, values in entry.results.items()
        )
        file = entry.file if entry.verified else f"{entry.file} (name not confirmed)"
        here = "yes" if cached(entry) else "no"
        table.add_row(entry.name, made_for(entry), file, here, results)
        for note in entry.notes:
            table.add_row("", f"[dim]{note}[/dim]")
    return table


def _spaced(parts: Sequence[RenderableType]) -> Iterator[RenderableType]:
    for index, part in enumerate(parts):
        if index:
            yield ""
        yield part


def show(*parts: RenderableType) -> None:
    """Print tables to standard output; where that is no terminal, lines are not folded."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=400)
    for part in parts:
        console.print(part)


def say(*lines: str) -> None:
    """Print a message to standard error."""
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
