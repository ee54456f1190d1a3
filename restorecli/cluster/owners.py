"""Who makes a result: a run, which may be of this machine or another, alive or dead."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from typing import Any

import psutil

from restorecli.photos.temporary import machine

BEAT = 10.0
"""Seconds between signs of life."""
SILENCE = 35.0
"""Seconds without one after which a run of another machine is dead."""
_CLOCKS = 2.0  # seconds by which a process may seem to have begun after it said so


def this_run() -> dict[str, Any]:
    """Return who this run is, as other runs are told."""
    return {
        "machine": machine(),
        "process": os.getpid(),
        "token": secrets.token_hex(6),
        "began": psutil.Process().create_time(),
    }


class Pulse:
    """Tells whether other runs live: of this machine by their process, of others by their signs of life.

    A sign is only compared with the one before it, never with a clock: those of machines differ.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[object, float]] = {}

    def beats(self, owner: Mapping[str, Any], sign: object) -> bool:
        """Whether a run lives.

        Args:
            owner: as `this_run` of it says.
            sign: what changes with each sign of life it gives; None where there is none.
        """
        if owner.get("machine") == machine():
            return _runs(owner)
        if sign is None:
            return False
        token, now = str(owner.get("token")), time.monotonic()
        known, since = self._last.get(token, (None, now))
        if known != sign:
            self._last[token] = sign, now
            return True
        return now - since < SILENCE


def _runs(owner: Mapping[str, Any]) -> bool:
    try:
        if int(owner["process"]) == os.getpid():  # an earlier run of this process: one at a time
            return False
        began = psutil.Process(int(owner["process"])).create_time()
        return abs(began - float(owner["began"])) < _CLOCKS
    except (psutil.NoSuchProcess, KeyError, ValueError, TypeError, OverflowError):
        return False
    except psutil.Error:  # it is there, and says no more
        return True
