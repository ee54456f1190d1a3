"""Repeats, medians and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom

from restorecli.quality import timing
from restorecli.quality.timing import Times, interval_rank, repeat

CPU = torch.device("cpu")


def test_median_and_p90_are_numpys() -> None:
    seconds = (0.5, 0.1, 0.9, 0.3, 0.7, 0.2)
    times = Times(seconds)
    assert times.median == pytest.approx(np.median(seconds))
    assert times.p90 == pytest.approx(np.quantile(seconds, 0.9))


@pytest.mark.parametrize("count", [6, 9, 20, 57, 200])
def test_the_interval_covers_the_median_and_no_narrower_one_would(count: int) -> None:
    rank = interval_rank(count)
    assert 1 - 2 * binom.cdf(rank, count, 0.5) >= 0.95
    assert 1 - 2 * binom.cdf(rank + 1, count, 0.5) < 0.95


def test_few_runs_give_all_they_have_as_the_interval() -> None:
    assert Times((0.2, 0.1, 0.4)).interval == (0.1, 0.4)


class Clock:
    """Time that passes only while the call runs."""

    def __init__(self, durations: list[float]) -> None:
        self.durations = durations
        self.now = 0.0
        self.calls = 0

    def call(self) -> None:
        self.now += self.durations[self.calls % len(self.durations)]
        self.calls += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock([0.01])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock.now)
    return clock


def test_equal_times_need_no_more_than_the_least_runs(clock: Clock) -> None:
    times = repeat(clock.call, CPU, warmup=2)
    assert len(times.seconds) == timing.LEAST_RUNS
    assert clock.calls == timing.LEAST_RUNS + 2


def test_scattered_times_are_repeated_until_the_budget_is_spent(clock: Clock) -> None:
    clock.durations = [0.01, 0.03]
    times = repeat(clock.call, CPU, warmup=0, budget=1.0)
    assert sum(times.seconds) == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize(("duration", "calls"), [(3.5, 3), (7.0, 2), (60.0, 1)])
def test_slow_calls_are_made_three_times_at_most(duration: float, calls: int, clock: Clock) -> None:
    clock.durations = [duration]
    assert len(repeat(clock.call, CPU, warmup=0, budget=3.0).seconds) == calls


def test_a_number_of_runs_is_kept_to(clock: Clock) -> None:
    clock.durations = [60.0]
    assert len(repeat(clock.call, CPU, runs=2, warmup=0).seconds) == 2
