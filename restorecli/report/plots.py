"""Curves and scatter plots as PNG or SVG; matplotlib is imported only here, and only when one is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restorecli.errors import UsageError, WriteError

KINDS = (".png", ".svg", ".pdf")
# Okabe and Ito's colours, distinct for people with any colour vision; the marks distinguish them in print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Series:
    """One line of a plot.

    Attributes:
        name: for the legend.
        x, y: the points; without x, y is a level that is drawn all the way across.
        joined: whether a line joins them.
        marked: index of a point to ring, such as the best.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    joined: bool = True
    marked: int | None = None


@dataclass(frozen=True)
class Axes:
    """What a plot's axes say.

    Attributes:
        title, x, y: texts, units included.
        log_x, log_y: logarithmic scales.
        ticks: places of the x axis with their texts, where numbers do not do.
    """

    title: str
    x: str
    y: str
    log_x: bool = False
    log_y: bool = False
    ticks: Sequence[tuple[float, str]] = ()


def check_plot(path: Path) -> None:
    """Refuse, before anything is measured, a plot that could not be drawn.

    Raises:
        UsageError: matplotlib is missing, or the file's ending is none of `KINDS`.
    """
    if path.suffix.lower() not in KINDS:
        raise UsageError(f"--plot {path}: not a known picture format", f"use {', '.join(KINDS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "--plot needs the optional package matplotlib", "pip install 'restorecli[plot]'"
        ) from error


def draw(path: Path, series: Sequence[Series], axes: Axes) -> None:
    """Draw ``series`` to ``path``.

    Raises:
        UsageError: see `check_plot`.
        WriteError: the file cannot be written.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    plot = figure.add_subplot()
    for index, line in enumerate(series):
        colour, mark = COLOURS[index % len(COLOURS)], MARKS[index % len(MARKS)]
        style = "-" if line.joined else "none"
        if not line.x:
            plot.axhline(line.y[0], color=colour, linestyle="--", linewidth=1, label=line.name)
            continue
        plot.plot(line.x, line.y, color=colour, marker=mark, linestyle=style, label=line.name)
        if line.marked is not None:
            place = line.x[line.marked], line.y[line.marked]
            plot.plot(*place, marker="o", markersize=14, fillstyle="none", color=colour, linestyle="none")
    plot.set_title(axes.title, fontsize="medium")
    plot.set_xlabel(axes.x)
    plot.set_ylabel(axes.y)
    if axes.log_x:
        plot.set_xscale("log")
    if axes.log_y:
        plot.set_yscale("log")
    else:
        plot.margins(y=0.1)
    for axis in (plot.xaxis, plot.yaxis):
        _plain_numbers(axis)
    if axes.ticks:
        plot.set_xticks([place for place, _ in axes.ticks], [text for _, text in axes.ticks], minor=False)
        plot.set_xticks([], minor=True)
    plot.grid(alpha=0.3)
    plot.spines[["top", "right"]].set_visible(False)
    if any(line.name for line in series):
        plot.legend(fontsize="small", frameon=False)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise WriteError(f"{path}: {error.strerror}") from error


def _plain_numbers(axis: Any) -> None:
    """Write 0.04 where a logarithmic axis would write 4×10⁻²."""
    from matplotlib.ticker import LogFormatter

    if axis.get_scale() == "log":
        axis.set_major_formatter(LogFormatter(labelOnlyBase=False))
        axis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.4)))
