"""This process as the only worker, for results that go to a store."""

from __future__ import annotations

from collections import deque
from threading import Event as Flag

from restorecli.cluster.chunks import Chunk
from restorecli.cluster.crew import Ended, Tell
from restorecli.cluster.telling import Telling
from restorecli.errors import RestoreError
from restorecli.pipeline import threads
from restorecli.pipeline.photo import Setup
from restorecli.report.events import Reporter


class Alone:
    """A `Crew` of one: this process, which does a chunk while it is waited for.

    Args:
        setup: what photos share.
        report: shows the progress of photos.
        cancelled: when set, the chunk ends at the next tile.
        jobs, writers: reader and writer threads.
        fail_fast: end a chunk at the first photo that fails.
    """

    def __init__(
        self, setup: Setup, report: Reporter, cancelled: Flag, *, jobs: int, writers: int, fail_fast: bool
    ) -> None:
        self._setup, self._report, self._cancelled = setup, report, cancelled
        self._jobs, self._writers, self._fail_fast = jobs, writers, fail_fast
        self._given: deque[Chunk] = deque()

    @property
    def size(self) -> int:
        """One."""
        return 1

    def has_room(self) -> bool:
        """Whether nothing is to be done."""
        return not self._given

    def hand_out(self, chunk: Chunk) -> None:
        """Take a chunk."""
        self._given.append(chunk)

    def wait(self, tell: Tell) -> list[Ended]:
        """Do the chunk that was given."""
        chunk = self._given.popleft()
        try:
            threads.run(
                list(chunk.photos),
                self._setup,
                Telling(lambda event: tell(chunk, event), self._report),
                self._cancelled,
                jobs=self._jobs,
                writers=self._writers,
                fail_fast=self._fail_fast,
            )
        except RestoreError as error:
            return [Ended(chunk, error=error)]
        return [Ended(chunk)]
