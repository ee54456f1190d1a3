"""Strips of a large result: whose they are, what of them counts, and what becomes of them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from restorecli.errors import WriteError
from restorecli.photo import Depth
from restorecli.photos.giants import spool
from restorecli.photos.giants.owned import own
from restorecli.photos.giants.spool import Shape, Spool
from restorecli.photos.temporary import PROGRESS, STRIPS, remove_leftovers

SHAPE = Shape("png", Depth.UINT8, 96, 8, 3)
ROWS = np.random.default_rng(0).integers(0, 256, (96, 8, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def low_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_STRIP_BYTES", 1)


@contextmanager
def begun(target: Path, run: str = "b") -> Iterator[Spool]:
    """A spool that is let go of at the end, as a photo's is."""
    made = Spool(target, SHAPE, {"a": run})
    try:
        yield made
    finally:
        made.close()


def stopped(target: Path, rows: int = 72) -> bytes:
    """Leave what a run that was stopped leaves; return its strips."""
    with begun(target) as half:
        half.add(ROWS[:rows])
    return target.with_name(target.name + STRIPS).read_bytes()


def test_a_run_goes_on_behind_the_strips_that_are_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    strips = stopped(target)
    with begun(target) as again, begun(tmp_path / "whole.png") as whole:
        assert again.done_rows == 72
        again.add(ROWS[72:])
        whole.add(ROWS)
        assert b"".join(again.strips()).startswith(strips)
        assert list(again.strips()) == list(whole.strips()) and again.check == whole.check
        again.remove()
    assert {path.name.partition(".restore")[0] for path in tmp_path.iterdir()} == {"whole.png"}


@pytest.mark.parametrize("harm", ["cut line", "zeros", "cut strips"])
def test_only_strips_that_reached_the_disk_as_a_whole_count(harm: str, tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    strips = stopped(target)
    progress = target.with_name(target.name + PROGRESS)
    if harm == "cut line":
        progress.write_bytes(progress.read_bytes()[:-3])
    elif harm == "zeros":  # as a file system may leave them after a power cut
        progress.write_bytes(progress.read_bytes() + bytes(50))
    else:
        target.with_name(target.name + STRIPS).write_bytes(strips[:-1])
    with begun(target) as again:
        assert again.done_rows == (72 if harm == "zeros" else 48)
        again.add(ROWS[again.done_rows :])
        assert b"".join(again.strips()).startswith(strips)


def test_strips_of_other_settings_are_dropped(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    stopped(target)
    with begun(target, "c") as other:
        assert other.done_rows == 0


def test_two_at_once_do_not_write_into_each_others_strips(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    first, second = (Spool(target, SHAPE, {"a": "b"}) for _ in range(2))
    for top in range(0, 96, 24):
        first.add(ROWS[top : top + 24])
        second.add(ROWS[top : top + 24])
    assert list(first.strips()) == list(second.strips())
    first.remove()
    second.close()  # it was not finished: nobody could go on with strips of its own
    assert not list(tmp_path.iterdir())


def test_a_run_loses_nothing_by_another_that_clears_up(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    with begun(target) as slow, begun(tmp_path / "whole.png") as whole:
        whole.add(ROWS)
        slow.add(ROWS[:48])
        target.write_bytes(b"the result of a faster run")
        assert remove_leftovers([tmp_path])
        slow.add(ROWS[48:])
        assert list(slow.strips()) == list(whole.strips())


def test_who_waited_for_a_deleted_file_gets_the_one_that_bears_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a"
    held = own(path)
    assert held is not None and own(path) is None
    path.unlink()
    new = own(path)
    assert new is not None and os.fstat(new.fileno()).st_ino == path.stat().st_ino
    held.close()
    assert own(path) is None
    new.close()


def test_a_full_disk_is_named_and_the_run_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.png"

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with begun(target) as full:
        full.add(ROWS[:24])
        with monkeypatch.context() as context, pytest.raises(WriteError, match="No space left") as said:
            context.setattr(os, "fsync", refuse)
            full.add(ROWS[24:48])
    assert "a.png" in said.value.message and "same command" in said.value.hint
    with begun(target) as later:
        assert later.done_rows == 24


def test_a_disk_that_stays_full_is_named_once_and_the_files_are_let_go(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    target = tmp_path / "a.png"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    full = Spool(target, SHAPE, {"a": "b"})
    full.add(ROWS[:24])
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (800, before[1]))
        with pytest.raises(WriteError, match=r"a\.png"):
            full.add(ROWS[24:])
        full.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with begun(target) as later:
        assert later.done_rows == 24
        later.add(ROWS[24:])
        with begun(tmp_path / "whole.png") as whole:
            whole.add(ROWS)
            assert list(later.strips()) == list(whole.strips())


def test_strips_are_removed_once_there_is_a_later_result(tmp_path: Path) -> None:
    for name in ("done.png", "begun.png"):
        stopped(tmp_path / name)
    names = {path.name for path in tmp_path.iterdir()}
    (tmp_path / "done.png").write_bytes(b"result")
    os.utime(tmp_path / "done.png", (1, 1))  # as --keep-dates sets it
    removed = {path.name for path in remove_leftovers([tmp_path])}
    assert removed == {f"done.png{STRIPS}", f"done.png{PROGRESS}"} and removed < names
    stopped(tmp_path / "done.png")  # a run that makes it anew
    assert not remove_leftovers([tmp_path])
