"""The host's memory and cores, as far as this process may use them: limits of containers and shells count."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")

# (limit, in use, statistics with the page cache's share) of control groups, version 2 and 1
_FILES = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"),
)


def total_bytes(groups: Path = GROUPS, own: Path = OWN_GROUP) -> int:
    """Return the memory of the machine, of the container or of ``ulimit -v``, whichever is least."""
    limits = [limit for limit, _ in _groups(groups, own)]
    return min([int(psutil.virtual_memory().total), *limits, *(limit for limit, _ in _resource_limits())])


def available_bytes(groups: Path = GROUPS, own: Path = OWN_GROUP) -> int:
    """Return how much can be allocated now without swapping, being refused, or being killed for it."""
    left = [limit - used for limit, used in (*_groups(groups, own), *_resource_limits())]
    return max(0, min([int(psutil.virtual_memory().available), *left]))


def usable_cores() -> int:
    """Return how many CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _groups(root: Path, own: Path) -> Iterator[tuple[int, int]]:
    """Yield (limit, in use and not reclaimable) of the process's control groups that have a limit."""
    for folder in _folders(root, own):
        for limit, used, statistics in _FILES:
            try:
                most = int((folder / limit).read_text())
                now = int((folder / used).read_text())
                lines = (folder / statistics).read_text().splitlines()
            except (OSError, ValueError):  # not there, or "max"
                continue
            cache = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
            yield most, max(0, now - cache)


def _folders(root: Path, own: Path) -> Iterator[Path]:
    """Yield where the limits of the process's control groups stand: its own, and those around it.

    Inside a container its own group is mounted at the root, whatever path the kernel reports.
    """
    yield from (root, root / "memory")
    try:
        lines = own.read_text().splitlines()
    except (OSError, ValueError):  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            inner = (root / controllers / path.lstrip("/")) if path != "/" else root
            while inner not in (root, root / "memory"):
                yield inner
                inner = inner.parent


def _resource_limits() -> Iterator[tuple[int, int]]:
    """Yield (limit, in use) of ``ulimit -v`` and ``ulimit -d``, where they are set."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    memory = psutil.Process().memory_info()
    for name, used in (("RLIMIT_AS", memory.vms), ("RLIMIT_DATA", getattr(memory, "data", memory.rss))):
        limit = resource.getrlimit(getattr(resource, name))[0] if hasattr(resource, name) else -1
        if 0 <= limit < 1 << 60 and limit != resource.RLIM_INFINITY:
            yield limit, int(used)
