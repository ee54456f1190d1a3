"""How much a network takes out of a photo, where there is anything to take out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from restorecli.photo import Photo

SIZE = 8
FLAT = 0.5 / 255
"""Standard deviation of a block without noise that could be seen: bars, paper, clipped blacks and whites."""


def taken_out(pairs: Sequence[tuple[Photo, Photo]]) -> float:
    """Return the root mean square of what a network changed, on the 0–255 scale.

    Blocks of 8×8 pixels that are flat, or have a pixel under full transparency, do not count, so that a photo
    with bars or a frame gives what it gives without.

    Args:
        pairs: a photo, or parts of one, before and after the network.

    Returns:
        0 where nothing counts.
    """
    squares = [_block_errors(before, after) for before, after in pairs]
    counted = np.concatenate(squares) if squares else np.empty(0)
    return 255 * float(np.sqrt(counted.mean())) if len(counted) else 0.0


def _block_errors(before: Photo, after: Photo) -> NDArray[np.float64]:
    """Return the mean squared change of each block that counts."""
    clipped = np.clip(before.pixels, 0, 1)
    deviation = _blocks(clipped).std(axis=(1, 3)).max(axis=-1)
    # What lay beyond 0–1 is carried over by the task and cancels out.
    changes = np.square(_blocks(after.pixels - before.pixels), dtype=np.float64).mean(axis=(1, 3, 4))
    counts = deviation >= FLAT
    if before.alpha is not None:
        counts &= (_blocks(before.alpha[:, :, None]) > 0).all(axis=(1, 3, 4))
    return np.asarray(changes[counts], np.float64)


def _blocks(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows×8×columns×8×C, without what is left over at the right and below; of tiny pictures all."""
    high, wide = (min(SIZE, side) for side in pixels.shape[:2])
    rows, columns = pixels.shape[0] // high, pixels.shape[1] // wide
    return pixels[: rows * high, : columns * wide].reshape(rows, high, columns, wide, -1)
