"""How many photos are held at a time: as many as fit into the memory, all in flight together."""

from __future__ import annotations

import threading
from collections.abc import Callable

from restorecli.engine.order import Cancelled
from restorecli.errors import TooLargeError

SHARE = 0.95  # of what is free when nothing is held


class Gate:
    """Lets photos in one after the other, in their order, as long as their sum fits.

    Args:
        free: tells the bytes that may be taken now.
    """

    def __init__(self, free: Callable[[], int]) -> None:
        self._free = free
        self._changed = threading.Condition()
        self._held: dict[int, int] = {}
        self._passed: set[int] = set()
        self._next = 0
        self._wanted: dict[int, int] = {}
        self._room = 0
        self._closed = False

    def enter(self, number: int, needed: int, name: str) -> None:
        """Wait until photo ``number`` (from 0, each once) may take ``needed`` bytes.

        Raises:
            TooLargeError: it is more than there is, and nothing else is held.
            Cancelled: the gate was closed.
        """
        with self._changed:
            self._wanted[number] = needed
            self._changed.wait_for(lambda: self._closed or self._may_pass(number, needed))
            del self._wanted[number]
            if self._closed:
                raise Cancelled
            if not self._held:
                self._room = int(self._free() * SHARE)
                if needed > self._room:
                    raise TooLargeError(
                        f"{name}: to restore it takes about {needed / 2**20:.0f} MiB, and no more than "
                        f"{self._room / 2**20:.0f} MiB may be used",
                        "cut it into parts, close other programs, or raise the limit of memory",
                    )
            self._held[number] = needed

    def _may_pass(self, number: int, needed: int) -> bool:
        if number != self._next:
            return False
        return not self._held or sum(self._held.values()) + needed <= self._room

    @property
    def is_full(self) -> bool:
        """Whether the photo whose turn it is waits for others to leave."""
        with self._changed:
            needed = self._wanted.get(self._next)
            return needed is not None and not self._may_pass(self._next, needed)

    def passed(self, number: int) -> None:
        """Let the photos after ``number`` come up, whether it was let in or failed before."""
        with self._changed:
            if number >= self._next:
                self._passed.add(number)
            while self._next in self._passed:
                self._passed.remove(self._next)
                self._next += 1
            self._changed.notify_all()

    def leave(self, number: int) -> None:
        """Give back what photo ``number`` took, if it was let in."""
        self.passed(number)
        with self._changed:
            self._held.pop(number, None)
            self._changed.notify_all()

    def close(self) -> None:
        """Turn away whoever waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
