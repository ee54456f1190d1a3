"""The host's memory, as far as this process may use it: a container's limit counts too."""

from __future__ import annotations

from pathlib import Path

import psutil

# (limit, in use, statistics with the page cache's share) of control groups, version 2 and 1
_GROUPS = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)


def total_bytes(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the memory of the machine or of the container, whichever is less."""
    machine = int(psutil.virtual_memory().total)
    group = _group(groups)
    return machine if group is None else min(machine, group[0])


def available_bytes(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how much can be allocated now without swapping, or being killed for it."""
    machine = int(psutil.virtual_memory().available)
    group = _group(groups)
    return machine if group is None else max(0, min(machine, group[0] - group[1]))


def _group(root: Path) -> tuple[int, int] | None:
    """Return (limit, in use and not reclaimable) of the control group, or None where there is no limit."""
    for limit, used, statistics in _GROUPS:
        try:
            most = int((root / limit).read_text())
            now = int((root / used).read_text())
            lines = (root / statistics).read_text().splitlines()
        except (OSError, ValueError):  # not there, or "max"
            continue
        reclaimable = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
        return most, max(0, now - reclaimable)
    return None
