"""Workers as actors of Ray: started, given chunks, watched, and replaced when they die."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Event as Flag
from typing import Any

from restorecli import __version__
from restorecli.cluster.chunks import Chunk
from restorecli.cluster.crew import Ended, Tell
from restorecli.cluster.worker import About, Fixed, Order, Sent, Worker
from restorecli.errors import DeviceError, RestoreError, UsageError, first_line
from restorecli.host import usable_cores
from restorecli.models.cache import sha256_of
from restorecli.models.resolved import Resolved
from restorecli.report.events import Event

EXTRA = "pip install 'restorecli[cluster]'"
IN_FLIGHT = 2
"""Chunks that a worker is given at a time: one to do, one that waits, so that it is never idle."""
_LOOK = 0.5  # seconds between looks at what workers have done
_THREADS = 4  # of an actor: two chunks, of which one waits, and questions about them
_STARTS = 3  # for each worker, those that may die one after the other before they can do anything


@dataclass(frozen=True)
class Wanted:
    """The workers that were asked for.

    Attributes:
        address: "auto" or that of a cluster's head.
        workers: how many; None for as many as the cluster has room for.
        gpus: share of a GPU for each; None for a whole one where there are any.
    """

    address: str
    workers: int | None = None
    gpus: float | None = None


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UsageError("--cluster needs packages that are not installed", EXTRA) from error
    return ray


def join(wanted: Wanted) -> None:
    """Join the cluster; for "auto" the one that this process is in, or a new one on this machine.

    Raises:
        UsageError: Ray is missing, or there is no cluster at that address.
    """
    ray = _ray()
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    # Its daemons' messages go to standard output, where the events are, whatever `log_to_driver` says.
    ray._private.worker._worker_logs_enabled = False
    try:
        if wanted.address != "auto":
            ray.init(address=wanted.address, **quiet)
            return
        try:
            ray.init(address="auto", **quiet)
        except ConnectionError:
            if os.environ.get("RAY_ADDRESS"):  # a cluster was named: another one is not what is meant
                raise
            os.environ.setdefault("RAY_worker_niceness", "0")  # they are the run itself
            ray.init(address="local", include_dashboard=False, num_cpus=_cores(wanted), **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise UsageError(
            f"--cluster {wanted.address}: there is no cluster to join: {first_line(error)}",
            "give auto, or the address of its head, such as ray://head:10001",
        ) from error


def _cores(wanted: Wanted) -> int:
    return max(usable_cores(), wanted.workers or 1)


def leave() -> None:
    """Leave the cluster; one that was started for this run ends."""
    with suppress(Exception):
        _ray().shutdown()


def sent(found: Mapping[Any, Resolved]) -> list[Sent]:
    """Return weights that the driver has found, their bytes put where all workers can have them."""
    result = []
    for key, resolved in found.items():
        if resolved.path is None or (resolved.entry is not None and resolved.entry.ships):
            result.append(Sent(key, resolved))
            continue
        # In a list: a reference alone would be fetched by each worker, whether it has the file or not.
        data = [_ray().put(resolved.path.read_bytes())]
        result.append(Sent(key, resolved, sha256_of(resolved.path), data))
    return result


def fetch(data: list[Any]) -> bytes:
    """Return the bytes that `sent` has put."""
    return bytes(_ray().get(data[0]))


@dataclass(eq=False)
class _Actor:
    """A worker and what it was given, the chunk that it does first; it answers ``asked`` once begun."""

    handle: Any
    asked: Any
    given: deque[_Given] = field(default_factory=deque)

    def has_begun(self) -> bool:
        """Whether it has ever been ready for chunks."""
        ray = _ray()
        try:
            ray.get(self.asked, timeout=0)
        except (ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
            return False
        return True


@dataclass(eq=False)
class _Given:
    """A chunk in flight."""

    chunk: Chunk
    number: int
    result: Any
    heard: int = 0


class Actors:
    """A `Crew` of Ray's actors.

    Args:
        order: what they are for.
        wanted: how many, and with what.
        cancelled: when set, the first of them is not waited for any more.

    Raises:
        RestoreError: the first of them cannot do what it is for.
        KeyboardInterrupt: ``cancelled`` was set.
    """

    def __init__(self, order: Order, wanted: Wanted, cancelled: Flag) -> None:
        self._cancelled = cancelled
        self._order, self._numbers, self._deaths = order, count(), 0
        self.size, self._options = _shares(wanted)
        first = self._start()
        self.about = self._answer(first.asked)
        self._fixed = Fixed(self.about.facts, {})
        self._actors = [first]

    def _start(self) -> _Actor:
        handle = _ray().remote(Worker).options(**self._options).remote(self._order)
        return _Actor(handle, handle.about.remote())

    def _answer(self, asked: Any) -> About:
        ray = _ray()
        while not ray.wait([asked], timeout=_LOOK)[0]:
            if self._cancelled.is_set():
                raise KeyboardInterrupt
        try:
            about: About = ray.get(asked)
        except ray.exceptions.RayActorError as error:
            raise DeviceError(f"the workers cannot be started: {_cause(error)}", "see Ray's logs") from error
        except ray.exceptions.RayTaskError as error:
            raise _cause_of_ours(error) from error
        if about.version != __version__:
            raise UsageError(
                f"the cluster has version {about.version} of this tool, and this machine {__version__}",
                "install the same one on all machines",
            )
        return about

    def begin(self, settings: Mapping[str, str]) -> None:
        """Fix how the first worker runs the networks for all, and start the others."""
        self._fixed = Fixed(self.about.facts, settings)
        self._actors += [self._start() for _ in range(self.size - 1)]

    def has_room(self) -> bool:
        """Whether one has fewer chunks than it may have."""
        return any(len(actor.given) < IN_FLIGHT for actor in self._actors)

    def hand_out(self, chunk: Chunk) -> None:
        """Give a chunk to the one that has the fewest."""
        actor = min(self._actors, key=lambda actor: len(actor.given))
        number = next(self._numbers)
        result = actor.handle.run.remote(number, list(chunk.photos), self._fixed)
        actor.given.append(_Given(chunk, number, result))

    def wait(self, tell: Tell) -> list[Ended]:
        """Pass on what the actors have done within half a second, and return the chunks that ended."""
        ray = _ray()
        results = [given.result for actor in self._actors for given in actor.given]
        ready, _ = ray.wait(results, num_returns=1, timeout=_LOOK)
        if not ready:
            self._look(tell)
            return []
        ended = []
        for actor in list(self._actors):
            if any(given.result in ready for given in actor.given):
                ended += self._after(actor, ready, tell)
        return ended

    def _after(self, actor: _Actor, ready: Sequence[Any], tell: Tell) -> list[Ended]:
        ray = _ray()
        given = next(given for given in actor.given if given.result in ready)
        try:
            events, error = ray.get(given.result)
        except ray.exceptions.RayTaskError as failed:
            actor.given.remove(given)
            return [Ended(given.chunk, error=_cause_of_ours(failed))]
        except ray.exceptions.RayError:
            return self._replaced(actor)
        actor.given.remove(given)
        self._deaths = 0
        self._pass_on(given, events[given.heard :], tell)
        return [Ended(given.chunk, error=error)]

    def _replaced(self, actor: _Actor) -> list[Ended]:
        """Put another actor in a dead one's place, and give back its chunks; it died of the first."""
        first, *others = actor.given
        self._deaths += 0 if actor.has_begun() else 1
        with suppress(Exception):  # it may only be out of reach: then two would do one photo
            _ray().kill(actor.handle)
        error = None
        if self._deaths >= _STARTS * self.size:
            error = DeviceError("workers die before they can do anything", "see Ray's logs")
        self._actors[self._actors.index(actor)] = self._start()
        return [Ended(first.chunk, died=True, error=error), *(Ended(given.chunk) for given in others)]

    def _look(self, tell: Tell) -> None:
        """Pass on what is done of chunks that are not finished."""
        ray = _ray()
        asked = [
            (actor.given[0], actor.handle.since.remote(actor.given[0].number, actor.given[0].heard))
            for actor in self._actors
            if actor.given
        ]
        ray.wait([answer for _, answer in asked], num_returns=len(asked), timeout=_LOOK)
        for given, answer in asked:
            with suppress(ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
                events = ray.get(answer, timeout=0.01)
                self._pass_on(given, events, tell)

    def _pass_on(self, given: _Given, events: Sequence[Event], tell: Tell) -> None:
        given.heard += len(events)
        for event in events:
            tell(given.chunk, event)

    def close(self) -> None:
        """Let the actors end."""
        for actor in self._actors:
            with suppress(Exception):
                _ray().kill(actor.handle)


def _shares(wanted: Wanted) -> tuple[int, dict[str, Any]]:
    """Return how many workers there are, and what of the cluster each one has.

    Raises:
        UsageError: the cluster has no GPU, and shares of some were asked for.
    """
    there = _ray().cluster_resources()
    cores, cards = there.get("CPU", 1.0), there.get("GPU", 0.0)
    gpus = wanted.gpus if wanted.gpus is not None else float(cards > 0)
    if gpus > cards:
        raise UsageError(
            f"--gpus-per-worker {gpus:g}: the cluster has {cards:g} GPUs",
            "leave it out to restore on CPUs" if not cards else "give less",
        )
    most = int(cards / gpus + 1e-6) if gpus else int(cores)
    size = wanted.workers or max(1, most)
    if gpus and size > most:
        raise UsageError(
            f"--workers {size}: there are GPUs for {most} with {gpus:g} each", "see --gpus-per-worker"
        )
    share = min(1.0, int(cores / size * 100) / 100)
    return size, {"num_cpus": share, "num_gpus": gpus, "max_concurrency": _THREADS}


def share_of_memory(wanted: Wanted) -> float:
    """Return what share of a card's memory a worker may take."""
    return min(1.0, wanted.gpus) if wanted.gpus else 1.0


def _cause_of_ours(error: Any) -> RestoreError:
    """Return the error of ours that a worker has met."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, RestoreError):
        return cause
    return DeviceError(f"a worker failed: {_cause(error)}", "see Ray's logs")


def _cause(error: BaseException) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
