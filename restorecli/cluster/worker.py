"""What works in a process of a cluster: it holds the networks and takes chunks of planned photos."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from restorecli import __version__
from restorecli.cluster.telling import Telling
from restorecli.commands.description import RunDescription
from restorecli.commands.ready import make_ready
from restorecli.commands.values import number
from restorecli.engine.memory import SHARE_OF_GPU
from restorecli.errors import RestoreError, UsageError
from restorecli.loading import Facts
from restorecli.models.cache import entry_path, make_folder, root, write_whole
from restorecli.models.resolved import Resolved
from restorecli.photos.planned import PlannedPhoto
from restorecli.pipeline import threads
from restorecli.report.events import Event


@dataclass(frozen=True)
class Sent:
    """Weights that the driver has found, for workers.

    Attributes:
        key: under which `loading.Models` looks for them.
        resolved: what they are; its path is the driver's.
        sha256: of the file's bytes; empty for weights that come with the package.
        data: the bytes, or what `Order.fetch` makes them of.
    """

    key: str | Path
    resolved: Resolved
    sha256: str = ""
    data: Any = None


@dataclass(frozen=True)
class Order:
    """What a worker is for.

    Attributes:
        description: what was asked for.
        weights: what the driver has found for it.
        environment: variables of the driver that mean something to this tool.
        share: of a GPU's memory that the worker may take.
        fetch: returns the bytes that a `Sent` stands for.
        folder: that relative paths start from; empty where there are none.
    """

    description: RunDescription
    weights: Sequence[Sent]
    environment: Mapping[str, str]
    share: float = 1.0
    fetch: Callable[[Any], bytes] = bytes
    folder: str = ""


@dataclass(frozen=True)
class About:
    """What a worker is, and how it runs the networks.

    Attributes:
        version: of this package on its machine.
        devices: as ``--device`` spells them.
        facts: by the weights' names.
    """

    version: str
    devices: tuple[str, ...]
    facts: Mapping[str, Facts]


@dataclass(frozen=True)
class Fixed:
    """What is the same for all workers of a run, by the first of them.

    Attributes:
        facts: how networks are run, by the weights' names.
        settings: what is recorded.
    """

    facts: Mapping[str, Facts]
    settings: Mapping[str, str]


class Worker:
    """Takes chunks, one at a time.

    Args:
        order: what it is for.

    Raises:
        RestoreError: weights or device are not available.
    """

    def __init__(self, order: Order) -> None:
        os.environ.update(order.environment)
        os.environ[SHARE_OF_GPU] = str(order.share)
        if order.folder:
            _go_to(order.folder)
        self._order = order
        self._found = {sent.key: kept(sent, order.fetch) for sent in order.weights}
        self._ready = make_ready(order.description, found=self._found)
        self._fixed: Fixed | None = None
        self._busy = threading.Lock()
        self._events: dict[int, list[Event]] = {}

    def about(self) -> About:
        """Return what it is."""
        loaded = self._ready.loaded
        devices = loaded[0].prepared.devices if loaded else ()
        return About(__version__, devices, {each.resolved.name: each.facts for each in loaded})

    def _fix(self, fixed: Fixed) -> None:
        if fixed != self._fixed and fixed.facts != self.about().facts:
            self._ready = make_ready(self._order.description, found=self._found, facts=fixed.facts)
        self._fixed = fixed

    def run(
        self, chunk: int, photos: Sequence[PlannedPhoto], fixed: Fixed
    ) -> tuple[list[Event], RestoreError | None]:
        """Restore photos.

        Args:
            chunk: its number, for `since`.
            photos: what to do, names decided.
            fixed: how, for all workers alike.

        Returns:
            What has come of them, and what ended the run early, if anything did.
        """
        events = self._events.setdefault(chunk, [])
        shared = self._order.description.shared
        jobs = number(shared.jobs, "--jobs") or 1
        with self._busy:
            try:
                self._fix(fixed)
                threads.run(
                    photos,
                    self._ready.setup(fixed.settings),
                    Telling(events.append),
                    threading.Event(),
                    jobs=jobs,
                    fail_fast=shared.fail_fast,
                )
            except RestoreError as error:
                return events, error
            finally:
                del self._events[chunk]
        return events, None

    def since(self, chunk: int, count: int) -> list[Event]:
        """Return what has come of a chunk's photos after the first ``count`` events."""
        return self._events.get(chunk, [])[count:]


def _go_to(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise UsageError(
            f"{folder} is not there on {platform.node()}: {error.strerror}",
            "photos on disks must be where all machines of the cluster see them; object stores are",
        ) from error


def kept(sent: Sent, fetch: Callable[[Any], bytes]) -> Resolved:
    """Return weights as this machine has them; bytes that were sent are kept by their digest.

    Raises:
        WeightsError: they cannot be kept.
    """
    if not sent.sha256:
        entry = sent.resolved.entry
        return sent.resolved if entry is None else replace(sent.resolved, path=entry_path(entry))
    assert sent.resolved.path is not None  # the driver has read it
    path = root() / "sent" / sent.sha256 / sent.resolved.path.name
    if not path.is_file():
        make_folder(path.parent)
        write_whole(path, fetch(sent.data))
    return replace(sent.resolved, path=path)
