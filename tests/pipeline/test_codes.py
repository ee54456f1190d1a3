"""Which code an error has: of the table in `docs/reliability.md`."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from restorecli.errors import (
    DeviceError,
    NonFiniteError,
    OutOfMemoryError,
    TimedOutError,
    TooLargeError,
    WeightsError,
    WriteError,
)
from restorecli.photos.inputs import Found
from restorecli.photos.planned import PlannedPhoto
from restorecli.pipeline import photo as steps
from restorecli.pipeline.photo import failure

PLANNED = PlannedPhoto(Found(Path("a.png"), Path()), Path("b.png"), "png")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "out_of_memory"),
        (OutOfMemoryError("x"), "out_of_memory"),
        (TooLargeError("x"), "too_large"),
        (TimedOutError("x"), "timed_out"),
        (NonFiniteError("x"), "non_finite"),
        (WriteError("x"), "write_failed"),
        (ZeroDivisionError("a bug"), "unreadable"),
        (OSError(errno.EIO, "Input/output error"), "unreadable"),
        (ConnectionResetError("a bug"), "unreadable"),
    ],
    ids=repr,
)
def test_a_photo_s_errors_have_codes(error: Exception, code: str) -> None:
    event = failure(PLANNED, error)
    assert event is not None and event.code == code


@pytest.mark.parametrize("error", [WeightsError("x"), DeviceError("x")], ids=repr)
def test_what_concerns_all_photos_is_no_photo_s_failure(error: Exception) -> None:
    assert failure(PLANNED, error) is None


def test_a_disk_that_fails_while_reading_is_no_fault_of_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(steps, "identify", broken)
    with pytest.raises(steps.UnreadableError, match=r"a\.png: cannot be read: Input/output error"):
        steps.read_photo(PLANNED, steps.Setup((), None))  # type: ignore[arg-type]
