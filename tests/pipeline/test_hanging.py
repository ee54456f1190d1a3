"""Photos that hang, threads that cannot be had, and the sum of what photos take."""

from __future__ import annotations

import threading
import time
from threading import Event as Flag

import pytest

from restorecli.engine.order import Cancelled
from restorecli.errors import TimedOutError, TooLargeError
from restorecli.pipeline.gate import SHARE, Gate
from restorecli.pipeline.workers import Job, Workers


def double(_job: Job[int], number: int) -> int:
    return 2 * number


def test_jobs_are_done_and_errors_come_back() -> None:
    def broken(_job: Job[int]) -> int:
        raise ValueError("broken")

    workers = Workers(2, "test")
    assert [job.result() for job in [workers.submit(double, number) for number in range(20)]] == list(
        range(0, 40, 2)
    )
    with pytest.raises(ValueError, match="broken"):
        workers.submit(broken).result()
    workers.close()


def test_a_job_that_hangs_is_given_up_and_another_thread_goes_on() -> None:
    released = Flag()

    def hangs(_job: Job[int]) -> int:
        released.wait()
        return 1

    workers = Workers(1, "test")
    with pytest.raises(TimedOutError, match="too long"):
        workers.submit(hangs).result(0.05, None, ("too long", "wait"))
    workers.replace_one()
    assert workers.submit(double, 4).result() == 8
    released.set()
    workers.close()


def test_waiting_ends_when_the_run_is_cancelled() -> None:
    released, cancelled = Flag(), Flag()
    workers = Workers(1, "test")
    job = workers.submit(lambda _job: released.wait())
    threading.Timer(0.05, cancelled.set).start()
    with pytest.raises(Cancelled):
        job.result(None, cancelled)
    released.set()
    workers.close()


def test_waiting_for_others_does_not_count() -> None:
    def waits(job: Job[int]) -> int:
        with job.waiting():
            time.sleep(0.3)
        return 1

    workers = Workers(1, "test")
    job = workers.submit(waits)
    assert job.result(0.15) == 1
    assert job.seconds < 0.3
    workers.close()


def test_without_threads_jobs_are_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    workers = Workers(3, "test")
    job = workers.submit(double, 5)
    assert job.done and job.result() == 10
    workers.close()


def test_photos_are_let_in_as_long_as_their_sum_fits_and_in_their_order() -> None:
    gate = Gate(lambda: round(100 / SHARE))
    inside: list[int] = []

    def enter(number: int, needed: int) -> None:
        gate.enter(number, needed, "photo")
        inside.append(number)
        gate.passed(number)

    threads = [threading.Thread(target=enter, args=(number, 40), daemon=True) for number in range(4)]
    for thread in reversed(threads):
        thread.start()
    deadline = time.monotonic() + 10
    while len(inside) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert inside == [0, 1]
    gate.leave(0)
    threads[2].join(10)
    assert inside == [0, 1, 2]
    gate.leave(1)
    threads[3].join(10)
    assert inside == [0, 1, 2, 3]


def test_a_photo_that_never_fits_is_refused_with_the_numbers() -> None:
    gate = Gate(lambda: 100 << 20)
    with pytest.raises(TooLargeError, match=r"a\.png: to restore it takes about 200 MiB, .* 95 MiB"):
        gate.enter(0, 200 << 20, "a.png")


def test_whoever_waits_is_turned_away_when_the_run_ends() -> None:
    gate = Gate(lambda: 100)
    gate.enter(0, 80, "a")
    gate.passed(0)
    threading.Timer(0.05, gate.close).start()
    with pytest.raises(Cancelled):
        gate.enter(1, 80, "b")
