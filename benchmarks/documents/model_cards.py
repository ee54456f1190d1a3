"""Write the light weights' cards into weights/README.md: ``python -m benchmarks.documents.model_cards``.

All that a card says stands in the metadata of the weights file; a test sees that the two agree.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from restorecli.models.cache import entry_path
from restorecli.models.convert import native_metadata
from restorecli.models.registry import ModelEntry, load_registry
from restorecli.training.recipe import find_recipe

README = Path(__file__).parents[2] / "weights" / "README.md"
BEGIN, END = "<!-- model cards -->\n", "<!-- end of the model cards -->\n"
NETWORKS = {"nlsn": "NLSN", "rnan": "RNAN", "panet": "PANet", "grl": "GRL", "mirnet": "MIRNet"}


def history(metadata: dict[str, Any]) -> str:
    """Say in one sentence what the weights started from, back to random ones."""
    stages = []
    while "start" in metadata:
        metadata = json.loads(metadata["start"])
        stages.append(
            f"`{metadata['name']}` ({int(metadata['steps']):,} steps)"
            if "steps" in metadata
            else metadata["name"]
        )
    return f"Started from {', which started from '.join(stages) or 'random weights'}."


def card(entry: ModelEntry) -> str:
    """Return the card of one light file."""
    native = native_metadata(entry_path(entry))
    assert native is not None
    network, _, metadata = native
    minutes, device = int(metadata["seconds"]) / 60, metadata.get("device", "a CPU thread")
    recipe = find_recipe(entry.name).relative_to(README.parent).as_posix()
    lines = [
        f"### {entry.name}",
        "",
        f"![given, restored, truth](../docs/gallery/light/{entry.name}.png)",
        "",
        f"{NETWORKS[network]} with {entry.parameters:,} parameters ([recipe]({recipe})), "
        f"{int(metadata['steps']):,} steps in {minutes:.0f} minutes of {device} "
        f"on {metadata['photos']} photos. "
        f"{history(metadata)} Licence: {metadata['licence']}.",
        "",
        "| set | protocol | PSNR dB | SSIM | gain dB |",
        "|---|---|---|---|---|",
    ]
    for row in json.loads(metadata["results"]):
        scores = f"{row['psnr']:.2f} | {row['ssim']:.4f} | {row['gain']:+.2f}"
        lines.append(f"| {row['set']} | {row['protocol']} | {scores} |")
    return "\n".join([*lines, "", ""])


def cards() -> str:
    """Return all cards, as they stand between the README's two marks."""
    return "\n" + "".join(card(entry) for entry in load_registry().entries if entry.ships)


def main() -> None:
    """Replace the cards in the README."""
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    README.write_text(before + BEGIN + cards() + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
