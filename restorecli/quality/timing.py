"""Timing a call often enough for a median that can be trusted, and not longer."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

PRECISE = 0.02  # the median is known well enough when its 95 % interval is within ±2 %
LEAST_RUNS = 6  # fewer give no such interval
MOST_RUNS = 200
COVERAGE = 0.95


@dataclass(frozen=True)
class Times:
    """The seconds of each timed call, in order."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median in seconds."""
        return statistics.median(self.seconds)

    @property
    def p90(self) -> float:
        """The 90th percentile in seconds, linear between the two nearest calls."""
        return quantile(self.seconds, 0.9)

    @property
    def interval(self) -> tuple[float, float]:
        """An interval that holds the true median in 95 of 100 cases or more, from 6 calls on.

        Its ends are the k-th smallest and k-th largest call, with k from the binomial distribution (Conover,
        Practical Nonparametric Statistics, section 3.2): no shape of the distribution is assumed.
        """
        ordered = sorted(self.seconds)
        rank = interval_rank(len(ordered))
        return ordered[rank], ordered[-1 - rank]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of ``values`` lie, linear between the two nearest."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def interval_rank(count: int) -> int:
    """Return how many values may be cut at each end so that what is left holds the median with 95 %."""
    rank, tail = 0, 0.0
    while rank < (count - 1) // 2:
        tail += math.comb(count, rank) / 2**count
        if 2 * tail > 1 - COVERAGE:
            break
        rank += 1
    return max(0, rank - 1)


def repeat(
    call: Callable[[], object],
    device: torch.device,
    *,
    runs: int | None = None,
    warmup: int = 1,
    budget: float = 3.0,
) -> Times:
    """Time ``call``.

    Args:
        call: what to time; all its work is on ``device`` or the host.
        device: waited for before the clock is read.
        runs: how many calls; None continues until the median is known to ±2 %, between `LEAST_RUNS` and
            `MOST_RUNS`, for about ``budget`` seconds at most, but 3 calls at least if those take no longer
            than four times the budget.
        warmup: calls before that do not count.
        budget: seconds; see ``runs``.
    """
    for _ in range(warmup):
        call()
    synchronise(device)
    seconds: list[float] = []
    while not _enough(seconds, runs, budget):
        began = time.perf_counter()
        call()
        synchronise(device)
        seconds.append(time.perf_counter() - began)
    return Times(tuple(seconds))


def _enough(seconds: Sequence[float], runs: int | None, budget: float) -> bool:
    done = len(seconds)
    if runs is not None:
        return done >= runs
    if done and sum(seconds) >= (budget if done >= 3 else 4 * budget):
        return True
    if done >= MOST_RUNS:
        return True
    if done < LEAST_RUNS:
        return False
    times = Times(tuple(seconds))
    low, high = times.interval
    return max(high - times.median, times.median - low) <= PRECISE * times.median


def synchronise(device: torch.device) -> None:
    """Wait until ``device`` has done all it was given."""
    if device.type == "mps":
        torch.mps.synchronize()
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize(device)
