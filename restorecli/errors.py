"""Every error a user can cause, with its exit code, its event code and the way out.

Raise the most specific class; `cli.app` turns it into ``error: …`` and ``hint: …`` on standard error and
the process's exit code, `pipeline` turns a `PhotoError` into a ``file_failed`` event and goes on.
"""

from __future__ import annotations

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

    Args:
        message: what is wrong, and with which file.
        hint: what the user can do about it; empty when there is nothing to say.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.SOME_FAILED
    code: ClassVar[str] = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class PhotoError(RestoreError):
    """One photo cannot be restored; the others go on."""

    code = "unreadable"


class UnreadableError(PhotoError):
    """The file is not an image, is cut short or is damaged."""

    code = "unreadable"


class UnsupportedError(PhotoError):
    """The file is an image, of a kind that is refused."""

    code = "unsupported"


class TooLargeError(PhotoError):
    """The image has more pixels than can be held or written."""

    code = "too_large"


class OutOfMemoryError(PhotoError):
    """Even the smallest tile does not fit in the device's memory."""

    code = "out_of_memory"
    exit_code = ExitCode.DEVICE


class NonFiniteError(PhotoError):
    """The network gave NaN or infinity in every precision."""

    code = "non_finite"


class WriteError(PhotoError):
    """The result cannot be written where it should go."""

    code = "write_failed"


class CollisionError(PhotoError):
    """Two inputs want one output name, or an output would overwrite an input."""

    code = "collision"


class UsageError(RestoreError):
    """The command line asks for something that does not exist or does not go together."""

    exit_code = ExitCode.USAGE
    code = "usage"


class NothingToDoError(RestoreError):
    """No input matched."""

    exit_code = ExitCode.NOTHING_TO_DO
    code = "nothing_to_do"


class WeightsError(RestoreError):
    """Weights are unknown, cannot be fetched, or do not fit the network."""

    exit_code = ExitCode.WEIGHTS
    code = "weights"


class DownloadError(WeightsError):
    """A weights file could not be fetched."""

    code = "download"


class ChecksumError(DownloadError):
    """A fetched file is not the one the registry knows."""

    code = "checksum"


class CheckpointError(WeightsError):
    """A checkpoint is damaged, unsafe to load, or not of the network it is said to be."""

    code = "checkpoint"


class DeviceError(RestoreError):
    """The device is missing or cannot run the network."""

    exit_code = ExitCode.DEVICE
    code = "device"


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its class's name where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
