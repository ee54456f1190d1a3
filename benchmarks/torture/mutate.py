"""A file with a few of its bytes changed, the same for the same seed."""

from __future__ import annotations

import numpy as np

EXTREMES = (b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\xff" * 4, b"\x80\0\0\0", b"\0\0\0\x01", b"\xff" * 8)


def mutated(data: bytes, seed: int) -> bytes:
    """Return ``data`` after one to four changes."""
    rng = np.random.default_rng(seed)
    changed = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        length = max(1, len(changed))
        # Headers and tables are worth more than pixels.
        at = int(rng.integers(min(length, 256) if rng.random() < 0.5 else length))
        size = int(rng.integers(1, 64))
        kind = rng.integers(7)
        if kind == 0:
            changed[at : at + 1] = bytes([rng.integers(256)])
        elif kind == 1:
            extreme = EXTREMES[rng.integers(len(EXTREMES))]
            changed[at : at + len(extreme)] = extreme
        elif kind == 2:
            del changed[at:]
        elif kind == 3:
            del changed[at : at + size]
        elif kind == 4:
            changed[at:at] = changed[at : at + size] * int(rng.integers(1, 9))
        elif kind == 5:
            changed[at : at + size] = rng.bytes(size)
        else:
            other = int(rng.integers(length))
            changed[at : at + size], changed[other : other + size] = (
                changed[other : other + size],
                changed[at : at + size],
            )
    return bytes(changed)
