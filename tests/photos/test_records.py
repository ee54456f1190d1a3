"""The run record under full disks, other writers and people who edit it."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.errors import UnreadableError, WriteError
from restorecli.photos import temporary
from restorecli.photos.read import read
from restorecli.photos.records import FILE_NAME, Record, Records, Standing
from restorecli.photos.write import write, write_copy

SETTINGS = {"task": "denoise"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "a.png"
    path.parent.mkdir()
    picture(1, path)
    return path


def picture(seed: int, path: Path) -> None:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)).save(path)


def restored(source: Path, target: Path, between: object = None) -> None:
    document = read(source)
    if callable(between):
        between()
    record = Record(source, document.fingerprint, document.stamp, SETTINGS)
    write(document, target, format="png", record=record)


def standing(source: Path, target: Path) -> Standing:
    return Records().standing(target, source, SETTINGS)


def test_an_input_that_is_replaced_before_the_result_is_written_is_not_done(
    source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "a.png"
    length = source.stat().st_size

    def replace() -> None:
        seed = 2
        while True:
            picture(seed, source)
            if source.stat().st_size == length:
                return
            seed += 1

    restored(source, target, between=replace)
    assert source.stat().st_size == length
    assert standing(source, target) is Standing.OUTDATED
    restored(source, target)
    assert standing(source, target) is Standing.DONE


def test_a_copy_is_of_what_was_read_or_none(source: Path, tmp_path: Path) -> None:
    document = read(source)
    picture(2, source)
    with pytest.raises(UnreadableError, match="changed while it was restored"):
        write_copy(source, document, tmp_path / "copy.png")
    assert not (tmp_path / "copy.png").exists()


def test_a_line_that_is_cut_is_ended_before_the_next(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    restored(source, out / "a.png")
    path = out / FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    restored(source, out / "b.png")
    assert standing(source, out / "a.png") is Standing.DONE
    assert standing(source, out / "b.png") is Standing.DONE
    assert len(path.read_bytes().splitlines()) == 3


def test_a_full_disk_leaves_no_part_of_a_line(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    restored(source, out / "a.png")
    before = (out / FILE_NAME).read_bytes()

    class Full(io.FileIO):
        def write(self, data: object) -> int:
            if os.fstat(self.fileno()).st_size > len(before):
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(bytes(data)[:20])  # type: ignore[arg-type]

    real = Path.open

    def opened(self: Path, *arguments: object, **more: object) -> object:
        return Full(self, "ab+") if self.name == FILE_NAME else real(self, *arguments, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        with pytest.raises(WriteError, match="No space left"):
            restored(source, out / "b.png")
    assert (out / FILE_NAME).read_bytes() == before
    assert sorted(path.name for path in out.iterdir()) == [FILE_NAME, "a.png"]
    restored(source, out / "b.png")
    assert standing(source, out / "b.png") is Standing.DONE


def test_lines_of_many_writers_stay_whole(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: restored(source, out / f"{number}.png"), range(40)))
    lines = [json.loads(line) for line in (out / FILE_NAME).read_text().splitlines()]
    assert sorted(line["output"] for line in lines) == sorted(f"{number}.png" for number in range(40))


def good_line(source: Path, tmp_path: Path) -> dict[str, object]:
    restored(source, tmp_path / "made" / "a.png")
    line: dict[str, object] = json.loads((tmp_path / "made" / FILE_NAME).read_text())
    return line


@pytest.mark.parametrize(
    "changes",
    [
        {"input": "\0"},
        {"output": "a\0.png"},
        {"input": "\ud800"},
        {"output": "\udfff.png"},
        {"size": True},
        {"size": 1.5},
        {"mtime_ns": None},
        {"settings_hash": ["x"]},
    ],
    ids=str,
)
def test_lines_with_values_that_cannot_be_count_for_nothing_and_are_told(
    source: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    line = {**good_line(source, tmp_path), **changes}
    target = tmp_path / "out" / "a.png"
    target.parent.mkdir()
    (target.parent / FILE_NAME).write_text(json.dumps(line) + "\n")
    known = Records()
    assert known.standing(target, source, SETTINGS) is Standing.ABSENT
    assert known.source_of(target) is None
    assert not known.knows(target)
    assert known.warnings == [f"{target.parent / FILE_NAME}: 1 line cannot be read and are ignored"]


@pytest.mark.parametrize(
    "row",
    ["[" * 100_000, '{"a":' * 100_000, '{"size": 1e999}', "Infinity", "\0" * 50, "1" * 6000, "\ufeff"],
    ids=["deep list", "deep table", "infinite", "Infinity", "NUL", "digits", "mark"],
)
def test_rows_of_any_content_do_not_hide_the_others(source: Path, tmp_path: Path, row: str) -> None:
    target = tmp_path / "out" / "a.png"
    restored(source, target)
    path = target.parent / FILE_NAME
    path.write_text(row + "\n" + path.read_text())
    known = Records()
    assert known.standing(target, source, SETTINGS) is Standing.DONE
    assert len(known.warnings) == 1


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_record_that_is_no_file_is_told_and_not_waited_for(source: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out" / "a.png"
    target.parent.mkdir()
    picture(1, target)
    path = target.parent / FILE_NAME
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    known = Records()
    assert known.standing(target, source, SETTINGS) is Standing.FOREIGN
    assert "is not a file" in known.warnings[0]


def test_what_dead_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    own, machine = os.getpid(), temporary.machine()
    doomed = [
        f".restore-{dead.pid}{rest}"
        for rest in ("-abc.part", f"-{machine}-abc.part", f"-{machine}-ab.claims")
    ]
    kept = [
        f".restore-{own}-{machine}-abc.part",
        f".restore-{own}-abc.part",
        f".restore-{dead.pid}-00000000-abc.part",  # of another machine
        ".restore-x-abc.part",
        f"restore-{dead.pid}-abc.part",
        FILE_NAME,
    ]
    for name in (*doomed, *kept):
        (tmp_path / name).write_bytes(b"x")
    assert sorted(path.name for path in temporary.remove_leftovers([tmp_path])) == sorted(doomed)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    assert temporary.remove_leftovers([tmp_path / "absent"]) == []


def test_old_leftovers_of_other_machines_and_of_numbers_given_anew_are_removed(tmp_path: Path) -> None:
    old = [tmp_path / ".restore-1-00000000-abc.part", tmp_path / f".restore-{os.getppid()}-abc.part"]
    for path in old:
        path.write_bytes(b"x")
        os.utime(path, (1e9, 1e9))
    assert sorted(temporary.remove_leftovers([tmp_path])) == sorted(old)
