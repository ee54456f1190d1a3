"""A progress bar for weights that are being fetched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from tqdm import tqdm


@contextmanager
def download_bar(*, wanted: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """Give a progress callback that draws one bar per file once its bytes arrive, on a terminal only."""
    if not wanted or not Console(stderr=True).is_terminal:
        yield None
        return
    bars: list[tqdm[Any]] = []

    def advance(done: int, total: int | None) -> None:
        if bars and done < bars[0].n:  # the next file has begun
            bars.pop().close()
        if not bars:
            bars.append(
                tqdm(total=total, unit="B", unit_scale=True, desc="weights", leave=False, file=sys.stderr)
            )
        bars[0].update(done - bars[0].n)
        if done == total:
            bars.pop().close()

    try:
        yield advance
    finally:
        for bar in bars:
            bar.close()
