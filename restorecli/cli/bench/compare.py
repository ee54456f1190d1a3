"""``restore bench --compare A.json B.json``: is the second faster than the first?"""

from __future__ import annotations

from dataclasses import asdict

from restorecli.cli.bench.layout import Table
from restorecli.cli.bench.options import BenchOptions
from restorecli.cli.bench.show import say, show, significant
from restorecli.quality.compare import COVERAGE, RESAMPLES, Ratio, compare


def compare_files(options: BenchOptions) -> None:
    """Print the ratios.

    Raises:
        UsageError: the files cannot be compared.
    """
    assert options.compare is not None
    first, second = options.compare
    ratios, alone = compare(first, second)
    if alone:
        say(options, f"in one file only: {', '.join(alone)}")
    titles = ("model", "input", "A ms", "B ms", "A ÷ B", f"{COVERAGE:.0%} interval", "B is", "precision")
    note = (
        f"A is {first}, B is {second}. Intervals: percentile bootstrap of the medians, {RESAMPLES} "
        "resamples; they cover the passes within the two runs, not how the machine differs from day to day."
    )
    records = [{**_who(ratio), **_numbers(ratio)} for ratio in ratios]
    lines = [Table(titles, [_cells(ratio) for ratio in ratios], keys=2).markdown(), "", note]
    show(options, "comparison", lines, records, files=[str(first), str(second)], alone=alone)


def _who(ratio: Ratio) -> dict[str, object]:
    return {name: ratio.row[name] for name in ("task", "name", "width", "height", "batch", "precision")}


def _numbers(ratio: Ratio) -> dict[str, object]:
    return {name: value for name, value in asdict(ratio).items() if name != "row"} | {
        "verdict": ratio.verdict
    }


def _cells(ratio: Ratio) -> list[str]:
    row = ratio.row
    return [
        str(row["name"]),
        f"{row['width']}×{row['height']}",
        significant(ratio.before * 1e3),
        significant(ratio.after * 1e3),
        f"{ratio.ratio:.2f}",
        f"{ratio.low:.2f} to {ratio.high:.2f}",
        ratio.verdict,
        str(row["precision"]),
    ]
