"""Every error a user can cause, with its exit code, its event code and the way out.

Raise the most specific class; `cli.app` turns it into ``error: …`` and ``hint: …`` on standard error and
the process's exit code, `pipeline` turns a `PhotoError` into a ``file_failed`` event and continues.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process returns; scripts depend on these numbers."""

    DONE = 0
    SOME_FAILED = 1
    USAGE = 2
    NOTHING_TO_DO = 3
    WEIGHTS = 4
    DEVICE = 5
    INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class RestoreError(Exception):
    """Base of every error that is shown to the user without a traceback.

    A subclass names its code and its exit code, or has those of its base.

    Args:
        message: what is wrong, and with which file.
        hint: what the user can do about it; empty when there is nothing to say.

    Attributes:
        code: what events call the error.
        exit_code: of the process that ends with it.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[ExitCode] = ExitCode.SOME_FAILED

    def __init_subclass__(cls, code: str | None = None, exit_code: ExitCode | None = None) -> None:
        cls.code = cls.code if code is None else code
        cls.exit_code = cls.exit_code if exit_code is None else exit_code

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class PhotoError(RestoreError, code="unreadable"):
    """One photo cannot be restored; the others go on."""


class UnreadableError(PhotoError, code="unreadable"):
    """The file is not an image, is cut short or is damaged."""


class UnsupportedError(PhotoError, code="unsupported"):
    """The file is an image, of a kind that is refused."""


class TooLargeError(PhotoError, code="too_large"):
    """The image has more pixels than can be held or written."""


class OutOfMemoryError(PhotoError, code="out_of_memory", exit_code=ExitCode.DEVICE):
    """Even the smallest tile does not fit in the device's memory."""


class NonFiniteError(PhotoError, code="non_finite"):
    """The network gave NaN or infinity in every precision."""


class WriteError(PhotoError, code="write_failed"):
    """The result cannot be written where it should go."""


class TimedOutError(PhotoError, code="timed_out"):
    """The photo took longer than `--file-timeout` allows."""


class WorkerLostError(PhotoError, code="worker_lost"):
    """The process that restored the photo died, more than once."""


class CollisionError(PhotoError, code="collision"):
    """Two inputs want one output name, or an output would overwrite an input."""


class UsageError(RestoreError, code="usage", exit_code=ExitCode.USAGE):
    """The command line asks for something that does not exist or does not go together."""


class NothingToDoError(RestoreError, code="nothing_to_do", exit_code=ExitCode.NOTHING_TO_DO):
    """No input matched."""


class WeightsError(RestoreError, code="weights", exit_code=ExitCode.WEIGHTS):
    """Weights are unknown, cannot be fetched, or do not fit the network."""


class DownloadError(WeightsError, code="download"):
    """A weights file could not be fetched."""


class ChecksumError(DownloadError, code="checksum"):
    """A fetched file is not the one the registry knows."""


class CheckpointError(WeightsError, code="checkpoint"):
    """A checkpoint is damaged, unsafe to load, or not of the network it is said to be."""


class DeviceError(RestoreError, code="device", exit_code=ExitCode.DEVICE):
    """The device is missing or cannot run the network."""


def unknown_value(name: str, value: str, known: Sequence[str]) -> UsageError:
    """Return the error of an option ``name`` whose ``value`` is none of those ``known``."""
    last = known[-1] if len(known) > 1 else ""
    choices = f"{', '.join(known[:-1])} or {last}" if last else ", ".join(known)
    near = did_you_mean(value, known)
    return UsageError(
        f"{name} {value}: there is no such choice",
        f"{near} There are {choices}" if near else f"choose {choices}",
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question for the known word that ``word`` is likely meant to be; empty where none is near."""
    by_core = {name.lower().lstrip("-"): name for name in known}
    near = difflib.get_close_matches(word.lower().lstrip("-"), by_core, n=1, cutoff=0.6)
    return f"did you mean {by_core[near[0]]}?" if near else ""


def all_known(word: str, known: Sequence[str]) -> str:
    """Return a hint: which of the ``known`` words ``word`` is likely meant to be, and which there are."""
    near = did_you_mean(word, known)
    return f"{near + ' ' if near else ''}There are {', '.join(known)}"


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its class's name where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
