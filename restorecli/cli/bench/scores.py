"""Tables and plots of scores: per image, means, gains, and the published numbers beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from restorecli.cli.bench.layout import Table
from restorecli.cli.bench.options import BenchOptions
from restorecli.cli.bench.show import show, significant
from restorecli.quality.evaluate import Scores
from restorecli.report.plots import Axes, Series, draw

NAMES = {"psnr": "PSNR", "ssim": "SSIM", "psnr_b": "PSNR-B", "lpips": "LPIPS"}
PLACES = {"psnr": 2, "ssim": 4, "psnr_b": 2, "lpips": 4}


def show_scores(options: BenchOptions, results: Sequence[Scores]) -> None:
    """Print scores and write them.

    Raises:
        RestoreError: a file cannot be written.
    """
    lines: list[str] = []
    for scores in results:
        lines += [
            f"{scores.images.name}: {scores.protocol.title}",
            "",
            per_image(scores),
            "",
            means(scores),
            "",
        ]
    if len(results) > 1:
        lines += [overview(results), ""]
    show(
        options,
        "quality",
        lines[:-1],
        [record for scores in results for record in image_records(scores)],
        means=[record for scores in results for record in mean_records(scores)],
        protocols={scores.protocol.name: scores.protocol.title for scores in results},
    )
    if options.plot is not None:
        draw(options.plot, _points(results), _axes(results))


def per_image(scores: Scores) -> str:
    """Return the Markdown table of every image's PSNR / SSIM (/ PSNR-B …) by every method."""
    values = [name for name in NAMES if name in scores.rows[0].values]
    rows = []
    for image in dict.fromkeys(row.image for row in scores.rows):
        cells = [
            " / ".join(f"{row.values[v]:.{PLACES[v]}f}" for v in values)
            for row in scores.rows
            if row.image == image
        ]
        rows.append([image, *cells])
    table = Table(["image", *scores.methods], rows)
    if table.fits():
        return table.markdown()
    numbered = Table(["image", *(f"({n})" for n in range(1, len(scores.methods) + 1))], rows)
    named = [f"({n}) {method}" for n, method in enumerate(scores.methods, 1)]
    return "\n\n".join(["; ".join(named), numbered.markdown()])


def overview(results: Sequence[Scores]) -> str:
    """Return the Markdown table of all means: a line per protocol and method, a column per set."""
    sets = list(dict.fromkeys(scores.images.name for scores in results))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for scores in results:
        values = [name for name in NAMES if name in scores.rows[0].values]
        for method in scores.methods:
            text = " / ".join(f"{scores.mean(method, name):.{PLACES[name]}f}" for name in values)
            cells.setdefault((scores.protocol.name, method), {})[scores.images.name] = text
    rows = [[*line, *(own.get(name, "–") for name in sets)] for line, own in cells.items()]
    return Table(["protocol", "method", *sets], rows, keys=2).markdown()


def means(scores: Scores) -> str:
    """Return the Markdown table of means, gains and published numbers."""
    records = mean_records(scores)
    values = [name for name in NAMES if name in scores.rows[0].values]
    first, baseline = scores.methods[0], _baseline(scores)
    titles = [
        "mean of " + str(len(scores.images.files)),
        *(NAMES[name] for name in values),
        f"dB over {first}",
        "dB over best" if baseline else "",
        "published",
        "difference",
        "s per MP",
    ]
    rows = [
        [
            record["method"],
            *(f"{record[name]:.{PLACES[name]}f}" for name in values),
            _signed(record["gain_over_input"]) if record["method"] != first else "–",
            _signed(record["gain_over_baseline"]) if record["weights"] else "–",
            " / ".join(f"{value:g}" for value in record["published"]) or "–",
            _signed(record["difference"]),
            significant(record["seconds_per_megapixel"], 2),
        ]
        for record in records
    ]
    table = Table(titles, rows).markdown()
    return f"{table}\n\nbest: {baseline}, of the classical methods" if baseline else table


def mean_records(scores: Scores) -> list[dict[str, Any]]:
    """Return one record per method: means, gains in dB, the published numbers of the same weights."""
    first, baseline = scores.methods[0], _baseline(scores)
    records = []
    for method in scores.methods:
        own = scores.of(method)
        psnr = scores.mean(method, "psnr")
        published = _published(scores, method)
        records.append(
            {
                "protocol": scores.protocol.name,
                "set": scores.images.name,
                "images": len(own),
                "method": method,
                "weights": own[0].resolved.name if own[0].resolved else "",
                "digest": own[0].resolved.digest if own[0].resolved else "",
                **{name: scores.mean(method, name) for name in own[0].values},
                "gain_over_input": psnr - scores.mean(first, "psnr"),
                "gain_over_baseline": psnr - scores.mean(baseline, "psnr") if baseline else None,
                "published": list(published),
                "difference": psnr - published[0] if published else None,
                "seconds_per_megapixel": scores.seconds_per_megapixel(method),
            }
        )
    return records


def image_records(scores: Scores) -> list[dict[str, Any]]:
    """Return one record per image and method."""
    return [
        {
            "protocol": scores.protocol.name,
            "set": scores.images.name,
            "image": row.image,
            "method": row.method,
            "weights": row.resolved.name if row.resolved else "",
            **row.values,
            "seconds": row.seconds,
        }
        for row in scores.rows
    ]


def _baseline(scores: Scores) -> str:
    """Return the best classical method by PSNR, the degraded image left out; empty where there is none."""
    names = list(dict.fromkeys(row.method for row in scores.rows if row.resolved is None))
    return max(names[1:], key=lambda name: scores.mean(name, "psnr"), default="")


def _published(scores: Scores, method: str) -> tuple[float, ...]:
    """Return the published numbers of the very weights of ``method``; empty where there are none."""
    resolved, protocol = scores.of(method)[0].resolved, scores.protocol
    entry = resolved.entry if resolved else None
    if entry is None or entry.level != protocol.level or method != entry.name:
        return ()
    return scores.images.published(entry.results)


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _points(results: Sequence[Scores]) -> list[Series]:
    """Return quality against time, one point per method and protocol; classical methods as levels."""
    several = len({scores.images.name for scores in results}) > 1
    drawn = []
    for scores in results:
        for method in scores.methods[1:]:
            name = ", ".join([method, scores.protocol.name, *([scores.images.name] if several else [])])
            timed = scores.of(method)[0].resolved is not None
            seconds = [scores.seconds_per_megapixel(method)] if timed else []
            drawn.append(Series(name, seconds, [scores.mean(method, "psnr")], joined=False))
    return drawn


def _axes(results: Sequence[Scores]) -> Axes:
    sets = {scores.images.name: len(scores.images.files) for scores in results}
    title = "; ".join(f"{name}, {count} images" for name, count in sets.items())
    return Axes(title, "seconds per megapixel of the clean image", "mean PSNR, dB", log_x=True)
