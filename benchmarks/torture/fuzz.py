"""Changed files, by count and seed, through the readers or the loaders of weights: read, or refused."""

from __future__ import annotations

import os
import select
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from benchmarks.torture.children import Child
from benchmarks.torture.mutate import mutated
from benchmarks.torture.pictures import all_formats
from restorecli.errors import PhotoError, RestoreError
from restorecli.models.choose import ModelRequest
from restorecli.models.convert import save_native
from restorecli.models.from_file import identify, resolve_file
from restorecli.models.load import load
from restorecli.models.registry import load_registry
from restorecli.networks.rnan import LAYOUT
from restorecli.photos.read import read, size

SECONDS = 60.0  # for one file of a few kilobytes, on a busy machine
SWELL = 1 << 30  # bytes beyond what the process took before
BATCH = 100  # files per process

NAMED, READ, UNNAMED = b"n", b"r", b"u"

Try = Callable[[bytes, str], bytes]


def files(count: int, seed: int) -> tuple[str, bool]:
    """Fuzz the readers; return the summary line and whether all went well."""
    return _fuzz("files", all_formats(), _read, count, seed)


def weights(count: int, seed: int) -> tuple[str, bool]:
    """Fuzz the loaders of weights."""
    folder = tempfile.mkdtemp()
    os.environ |= {"RESTORE_WEIGHTS_DIR": folder, "RESTORE_OFFLINE": "1"}
    try:
        return _fuzz("weights", _checkpoints(Path(folder)), _load, count, seed)
    finally:
        shutil.rmtree(folder)


def _checkpoints(folder: Path) -> dict[str, bytes]:
    network = LAYOUT.make(channels=3, features=8, groups=2)
    found = {}
    for name, zipped in (("zip.pt", True), ("legacy.pth", False)):
        state = {"state_dict": network.state_dict()}
        torch.save(state, folder / name, _use_new_zipfile_serialization=zipped)
        found[name] = (folder / name).read_bytes()
    save_native(network, folder / "native.safetensors", name="rnan")
    found["native.safetensors"] = (folder / "native.safetensors").read_bytes()
    return found


def _read(data: bytes, name: str) -> bytes:
    outcome = READ
    for function in (size, read):
        try:
            function(data, name=name)  # type: ignore[operator]
        except PhotoError as error:
            outcome = NAMED if error.message.startswith(name) else UNNAMED
        except Exception:  # noqa: BLE001 - this is what is looked for
            return UNNAMED
    return outcome


def _load(data: bytes, name: str) -> bytes:
    path = Path(os.environ["RESTORE_WEIGHTS_DIR"]) / name
    path.write_bytes(data)
    outcome = NAMED
    for attempt in (
        lambda: load(resolve_file(ModelRequest("denoise"), path, load_registry(), may_write=False)),
        lambda: identify(path, None, load_registry()),
    ):
        try:
            attempt()
            outcome = READ
        except RestoreError as error:
            if name not in error.message:
                return UNNAMED
        except Exception:  # noqa: BLE001 - this is what is looked for
            return UNNAMED
    return outcome


def _fuzz(what: str, samples: Mapping[str, bytes], attempt: Try, count: int, seed: int) -> tuple[str, bool]:
    names = list(samples)
    tally: Counter[str] = Counter()
    bad: list[str] = []
    start = 0
    while start < count:
        end = min(count, start + BATCH)
        start = _batch(range(start, end), names, samples, attempt, seed, tally, bad)
    line = (
        f"{what}: {count} with seed {seed} over {len(names)} kinds: {tally['r']} read, {tally['n']} refused "
        f"by name, {tally['crash']} crashes, {tally['hang']} hangs, {tally['swell']} swells, "
        f"{tally['u']} unnamed errors"
    )
    return line + "".join(f"\n  {text}" for text in bad[:20]), not bad


def _batch(
    numbers: range,
    names: list[str],
    samples: Mapping[str, bytes],
    attempt: Try,
    seed: int,
    tally: Counter[str],
    bad: list[str],
) -> int:
    """Try files in one process; return the number to go on with, behind one that ended it."""
    reading, writing = os.pipe()

    def work() -> None:
        os.close(reading)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 2)  # some decoders talk
        for number in numbers:
            name = names[number % len(names)]
            os.write(writing, attempt(mutated(samples[name], seed * 1_000_003 + number), name))

    child = Child(work)
    os.close(writing)
    at, hung = numbers.start, False
    while select.select([reading], [], [], SECONDS)[0] or not (hung := True):
        outcomes = os.read(reading, 4096)
        if not outcomes:
            break
        for outcome in outcomes.decode():
            tally[outcome] += 1
            if outcome == "u":
                bad.append(f"unnamed: {names[at % len(names)]}, number {at}")
            at += 1
    os.close(reading)
    if hung:
        child.send(signal.SIGKILL)
    ended = child.wait()
    if at < numbers.stop:
        kind = "hang" if hung else "crash"
        tally[kind] += 1
        bad.append(f"{kind}: {names[at % len(names)]}, number {at}, exit {ended.code}")
        at += 1
    if ended.peak > SWELL + _own_peak():
        tally["swell"] += 1
        bad.append(f"swell: {ended.peak >> 20} MiB among the numbers {numbers.start} to {numbers.stop}")
    return at


def _own_peak() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        return 1 << 40
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
