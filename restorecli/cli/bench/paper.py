"""The table of ``restore bench --table``: a paper's numbers and ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from restorecli.cli.bench.layout import Table
from restorecli.cli.bench.options import BenchOptions
from restorecli.cli.bench.show import show
from restorecli.errors import NothingToDoError
from restorecli.models.registry import load_registry
from restorecli.quality.papers import PaperRow

TITLES = ("published for", "set", "degraded", "ours", "published", "difference", "weights used")
KEYS = 2


def show_paper(options: BenchOptions, rows: Sequence[PaperRow]) -> None:
    """Print the table and write it.

    Raises:
        NothingToDoError: none of the paper's sets is there.
        RestoreError: a file cannot be written.
    """
    network = options.table or ""
    if not rows:
        raise NothingToDoError(
            f"no complete set that {network} reports on is in {options.data_root}",
            "folders are called set5, set14, b100, urban100, kodak24, mcm18, set12, classic5, live1",
        )
    info = load_registry().networks[network]
    notes = [f"Published: {info.results_measure}." if info.results_measure else ""]
    if any(row.ours is not None and not row.is_papers for row in rows):
        notes.append("A difference stands only where the paper's own weights were measured on the whole set.")
    notes += list(dict.fromkeys(f"{row.entry.name}: {row.note}" for row in rows if row.note))
    protocols = dict.fromkeys(f"{row.protocol.name}: {row.protocol.title}" for row in rows)
    lines = [Table(TITLES, [_cells(row) for row in rows], KEYS).markdown(), "", *notes, "", *protocols]
    show(options, "paper", lines, [_record(row) for row in rows], network=network, notes=notes)


def _cells(row: PaperRow) -> list[str]:
    return [
        row.entry.name,
        row.set_name,
        "–" if row.input_psnr is None else f"{row.input_psnr:.2f}",
        "–" if row.ours is None else f"{row.ours[0]:.2f} / {row.ours[1]:.4f}",
        " / ".join(f"{value:g}" for value in row.published),
        "–" if row.difference is None else f"{row.difference:+.2f}",
        row.weights or "not measured",
    ]


def _record(row: PaperRow) -> dict[str, Any]:
    return {
        "entry": row.entry.name,
        "task": row.entry.task,
        "set": row.set_name,
        "protocol": row.protocol.name,
        "input_psnr": row.input_psnr,
        "psnr": None if row.ours is None else row.ours[0],
        "ssim": None if row.ours is None else row.ours[1],
        "published": list(row.published),
        "difference": row.difference,
        "weights": row.weights,
        "papers_weights": row.is_papers,
        "note": row.note,
    }
