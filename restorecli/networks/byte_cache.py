"""What a network makes of sizes and weights alone, kept from pass to pass within a bound of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class ByteCache:
    """A thread-safe cache that forgets what was used least recently when its tensors exceed a bound.

    A copy of it, and one that was pickled, starts empty: what it holds can be made again.

    Args:
        limit: bytes; a single value larger than that is made but not kept.

    Attributes:
        untraced: as of `derived.Derived`, for its lock.
    """

    untraced = ("get",)

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return the value of ``key``, made by ``make`` unless it is held; ``size`` gives its bytes."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                held: T = self._values[key][0]
                return held
        made = make()  # outside the lock: two threads may both make it, and either result is right
        needed = size(made)
        with self._lock:
            if key not in self._values and needed <= self.limit:
                self._values[key] = (made, needed)
                self.used += needed
            while self.used > self.limit:
                self.used -= self._values.popitem(last=False)[1][1]
        return made

    def values(self) -> list[Any]:
        """Return all that is held."""
        with self._lock:
            return [value for value, _ in self._values.values()]

    def __len__(self) -> int:
        return len(self._values)

    def __deepcopy__(self, memo: dict[int, Any]) -> ByteCache:
        return ByteCache(self.limit)

    def __reduce__(self) -> tuple[type[ByteCache], tuple[int]]:
        return ByteCache, (self.limit,)
