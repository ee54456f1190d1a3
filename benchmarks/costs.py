"""Write the table of what the catalogue's networks cost: ``python -m benchmarks.costs`` (half a minute)."""

from __future__ import annotations

import json
from dataclasses import asdict

from restorecli.models.cost import cost_of
from restorecli.models.costs import FILE, alike
from restorecli.models.registry import load_registry, package_data
from restorecli.networks import NETWORKS


def main() -> None:
    entries = [entry for entry in load_registry().entries if entry.network in NETWORKS]
    rows = [asdict(cost_of(group)) for group in alike(entries)]
    lines = ",\n".join(json.dumps(row) for row in rows)
    (package_data("registry") / FILE).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
