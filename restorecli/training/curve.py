"""A picture of how a training run went, from its log."""

from __future__ import annotations

import json
from pathlib import Path

from restorecli.errors import UsageError


def draw_curve(log: Path, picture: Path, title: str) -> None:
    """Draw loss and validation PSNR over the steps of ``log`` (JSON lines) as a PNG.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            "the training curve needs matplotlib", "pip install 'restorecli[train]', then run it again"
        ) from error
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    steps = [row["step"] for row in rows]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    scores = figure.subplots()
    scores.plot(steps, [row["psnr"] for row in rows], color="tab:blue")
    scores.set(title=title, xlabel="step", ylabel="validation PSNR (dB)")
    scores.yaxis.label.set_color("tab:blue")
    losses = scores.twinx()
    losses.plot(steps, [row["loss"] for row in rows], color="tab:orange")
    losses.set_ylabel("training loss", color="tab:orange")
    figure.savefig(picture, dpi=100)
