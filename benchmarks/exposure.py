"""Fit how much too dark a photo is to the light in it: ``python -m benchmarks.exposure --photos FOLDER``.

Every photo is darkened by drawn stops as in `degradations.darkness`; least squares (with a small penalty)
find the weights of `tasks.estimate.exposure`. Every fourth photo is kept back; the error there is printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restorecli.quality.degradations.darkness import SHOT, darkened
from restorecli.tasks.estimate.exposure import light_levels
from restorecli.training.patches import load_pair, photo_files
from restorecli.training.recipe import find_recipe, read_recipe

DRAWS, MOST = 6, 5.0  # per photo; stops
PENALTY = 1e-2

Array = NDArray[np.float64]


def examples(photos: Path) -> tuple[Array, Array, Array]:
    """Return the light levels of every example with a one behind them, its stops, and the photo's number."""
    recipe = read_recipe(find_recipe("nlsn-light-enhance"))
    rng = np.random.default_rng(0)
    rows, stops, numbers = [], [], []
    for number, file in enumerate(photo_files(photos, recipe)):
        clean = np.asarray(load_pair(file, recipe).clean, np.uint8)
        for draw in range(DRAWS):
            amount = float(rng.uniform(0, MOST)) if draw else 0.0
            dark = darkened(clean, amount, SHOT, rng).astype(np.float32) / np.float32(255)
            rows.append([*light_levels(dark), 1.0])
            stops.append(amount)
            numbers.append(number)
    return np.array(rows), np.array(stops), np.array(numbers)


def main() -> None:
    """Print the weights, and the error on the photos kept back."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--photos", type=Path, required=True)
    rows, stops, numbers = examples(options.parse_args().photos)
    kept = numbers % 4 == 0
    seen = rows[~kept]
    penalty = PENALTY * len(seen) * np.diag([1.0] * (rows.shape[1] - 1) + [0.0])
    weights = np.linalg.solve(seen.T @ seen + penalty, seen.T @ stops[~kept])
    wrong = rows[kept] @ weights - stops[kept]
    print("weights:", ", ".join(f"{value:.3f}" for value in weights))
    for low, high in ((0, 0.01), (0.01, 1), (1, 2), (2, 3), (3, 4), (4, MOST)):
        inside = (stops[kept] >= low) & (stops[kept] < high)
        print(
            f"{low} to {high} stops: off by {wrong[inside].mean():+.2f}, deviation {wrong[inside].std():.2f}"
        )


if __name__ == "__main__":
    main()
