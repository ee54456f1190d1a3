"""Near-duplicates, found by correlating thumbnails: no training photo may show what a test picture shows."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from restorecli.errors import UsageError

SIDE = 24  # pixels of a thumbnail
ALIKE = 0.97
"""Correlation of two thumbnails from which on they are of one picture; different photos reach about 0.9."""

Thumbnail = NDArray[np.float64]
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def thumbnail(file: Path) -> Thumbnail:
    """Return a picture's gray thumbnail, 24×24, of mean 0 and length 1."""
    with Image.open(file) as image:
        small = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64)
    centred: Thumbnail = small - small.mean()
    centred /= max(float(np.linalg.norm(centred)), 1e-9)
    return centred


def likeness(first: Sequence[Thumbnail], second: Sequence[Thumbnail]) -> NDArray[np.float64]:
    """Return the correlation of every thumbnail with every other, the best over turns and mirrorings."""
    turned = [np.rot90(other, turns) for other in second for turns in range(4)]
    ways = [way.ravel() for turn in turned for way in (turn, turn[:, ::-1])]
    scores = np.stack([one.ravel() for one in first]) @ np.stack(ways).T
    best: NDArray[np.float64] = scores.reshape(len(first), len(second), 8).max(axis=2)
    return best


def pictures(folder: Path) -> list[Path]:
    """List the pictures in ``folder`` and below, sorted."""
    return [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES]


def check_none_alike(photos: Sequence[Path], folders: Sequence[Path]) -> None:
    """See that no training photo shows what a picture in ``folders`` shows, of those that can be read.

    Raises:
        UsageError: one does, or a folder holds no picture.
    """
    seen = _thumbnails(photos) if folders else {}
    for folder in folders:
        tests = _thumbnails(pictures(folder))
        if not tests:
            raise UsageError(f"no picture in {folder}")
        scores = likeness(list(seen.values()), list(tests.values()))
        for photo, test in np.argwhere(scores > ALIKE):
            shown = f"{list(seen)[photo]} shows the same as {list(tests)[test]}"
            raise UsageError(shown, "take it out of the photos")


def _thumbnails(files: Sequence[Path]) -> dict[Path, Thumbnail]:
    found = {}
    for file in files:
        with contextlib.suppress(OSError):
            found[file] = thumbnail(file)
    return found
