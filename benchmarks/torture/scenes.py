"""Full disks, signals, closed streams, odd names, pipes, limits: each a scene that must end well."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.torture import pictures
from benchmarks.torture.children import Child, Ended, command
from benchmarks.torture.kill import lines, results, whole

PHOTOS = 3
DENOISE = ("denoise", "--sigma", "15", "--tile", "64", "--precision", "fp32")
EARLY = (0.02, 0.1, 0.3, 0.8)


class Stage:
    """A folder with pictures in it, and runs over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = pictures.folder(folder / "in", PHOTOS)
        self.environment = {"RESTORE_CACHE_DIR": str(folder / "cache"), "RESTORE_OFFLINE": "1"}
        self.out = folder / "out"

    def start(self, *more: object, **options: object) -> Child:
        """Begin a run over the pictures."""
        options.setdefault("streams", {1: self.folder / "stdout", 2: self.folder / "stderr"})
        environment = {**self.environment, **options.pop("environment", {})}  # type: ignore[dict-item]
        arguments = [*DENOISE, self.source, "-o", self.out, *more]
        return command(arguments, environment=environment, **options)  # type: ignore[arg-type]

    def run(self, *more: object, **options: object) -> Ended:
        """Run to the end."""
        return self.start(*more, **options).wait()

    def said(self, name: str = "stderr") -> str:
        """Return what was written."""
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    def made(self) -> int:
        """Count the results."""
        return len(results(self.out))


Scene = Callable[[Stage], str]


def expect(ended: Ended, code: int, stage: Stage, made: int = PHOTOS) -> str:
    """Return what is not as it should be."""
    if ended.hung:
        return "it hangs"
    if "Traceback" in stage.said():
        return "a traceback"
    if ended.code != code:
        return f"exit {ended.code} instead of {code}"
    return "" if stage.made() == made else f"{stage.made()} results instead of {made}"


def closed_output(stage: Stage) -> str:
    """`>&-`."""
    return expect(stage.run(streams={1: None, 2: stage.folder / "stderr"}), 0, stage)


def closed_error(stage: Stage) -> str:
    """`2>&-`."""
    return expect(stage.run(streams={2: None}), 0, stage)


def closed_input(stage: Stage) -> str:
    """`<&-`."""
    return expect(stage.run(streams={0: None, 2: stage.folder / "stderr"}), 0, stage)


def full_output(stage: Stage) -> str:
    """`--json >/dev/full`: every photo is made, and exit 1 says that the events were lost."""
    streams = {1: Path("/dev/full"), 2: stage.folder / "stderr"}
    return expect(stage.run("--json", streams=streams), 1, stage)


def full_error(stage: Stage) -> str:
    """`2>/dev/full`."""
    return expect(stage.run(streams={2: Path("/dev/full")}), 0, stage)


def odd_names(stage: Stage) -> str:
    """Names that are not UTF-8, with --json."""
    odd = stage.source / os.fsdecode(b"\xff\xfe.png")
    odd.write_bytes((stage.source / "00.png").read_bytes())
    complaint = expect(stage.run("--json"), 0, stage, PHOTOS + 1)
    events = [json.loads(line) for line in stage.said("stdout").splitlines()]
    named = any(event.get("input") == str(odd) for event in events)
    return complaint or ("" if named else "the name does not come back from the events")


def odd_names_in_ascii(stage: Stage) -> str:
    """The same in a plan, on a terminal that knows ASCII only."""
    (stage.source / os.fsdecode(b"\xff\xfe.png")).write_bytes((stage.source / "00.png").read_bytes())
    code = subprocess.run(
        [sys.executable, "-m", "restorecli", *DENOISE, stage.source, "-o", stage.out, "-n"],
        env={**os.environ, **stage.environment, "PYTHONIOENCODING": "ascii"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    ).returncode
    return "" if code == 0 else f"exit {code}"


def pipe(stage: Stage) -> str:
    """A named pipe is read as a stream."""
    path = stage.source / "pipe.png"
    os.mkfifo(path)
    data = (stage.source / "00.png").read_bytes()
    feeder = Child(lambda: path.write_bytes(data))
    ended = stage.run(path)
    feeder.wait(5)
    return expect(ended, 0, stage, PHOTOS + 1)


def silent_pipe(stage: Stage) -> str:
    """A pipe into which nobody writes is given up by --file-timeout, and the others are done."""
    path = stage.source / "pipe.png"
    os.mkfifo(path)
    ended = stage.run(path, "--file-timeout", "2", "--json")
    return expect(ended, 1, stage) or ("" if "timed_out" in stage.said("stdout") else "not told")


def interrupted_while_reading(stage: Stage) -> str:
    """Ctrl-C while a reader hangs."""
    path = stage.source / "pipe.png"
    os.mkfifo(path)
    child = stage.start(path)
    while stage.made() < PHOTOS and time.monotonic() - child.began < 60:
        time.sleep(0.05)
    time.sleep(0.5)
    child.send(signal.SIGINT)
    return expect(child.wait(), 130, stage)


def devices(stage: Stage) -> str:
    """A device in a list is refused, and the others are done."""
    listed = stage.folder / "list"
    listed.write_text("/dev/zero\n")
    return expect(stage.run("--files-from", listed), 1, stage)


def no_threads(stage: Stage) -> str:
    """The system gives no thread."""

    def refuse() -> None:
        def start(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        threading.Thread.start = start  # type: ignore[method-assign]

    return expect(stage.run(before=refuse), 0, stage)


def cache_that_cannot_be_written(stage: Stage) -> str:
    """Both caches lie where nothing can be written."""
    nowhere = {"RESTORE_CACHE_DIR": "/proc/none", "RESTORE_WEIGHTS_DIR": "/proc/none"}
    return expect(stage.run(environment=nowhere), 0, stage)


def odd_records(stage: Stage) -> str:
    """A record of nonsense is told and does not come back as an error."""
    stage.out.mkdir()
    rows = ['{"output": "00.png", "input": "\\u0000"}', "[" * 50_000, "\0\0", '{"size": 1e999}', "half a li"]
    (stage.out / ".restore.jsonl").write_text("\n".join(rows))
    first = expect(stage.run(), 0, stage)
    (stage.folder / "stderr").unlink()
    return first or expect(stage.run(), 0, stage)


def odd_measurements(stage: Stage) -> str:
    """A cache of nonsense."""
    cache = stage.folder / "cache" / "planner.json"
    cache.parent.mkdir()
    cache.write_text("[" * 100_000)
    return expect(stage.run(), 0, stage)


def small_files_only(stage: Stage) -> str:
    """No file may grow beyond 2 kB, as on a full disk; once there is room, the run is finished."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))

    ended = stage.run(before=limit, streams={})
    if ended.code != 1 or stage.made() or list(stage.out.glob(".restore-*.part")):
        return f"exit {ended.code}, {stage.made()} results"
    return expect(stage.run(), 0, stage)


def full_disk(stage: Stage) -> str:
    """A disk of 256 kB that fills up while records are written (needs the right to mount)."""
    stage.out.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", stage.out],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        return "skipped: not allowed to mount"
    try:
        filler = stage.out / "filler"
        with filler.open("wb", buffering=0) as stream:
            try:
                while stream.write(bytes(4096)):
                    pass
            except OSError:
                stream.truncate(stream.tell() - 8192)
        ended = stage.run()
        if ended.code != 1 or "Traceback" in stage.said():
            return f"exit {ended.code} on a full disk"
        if list(stage.out.glob(".restore-*.part")) or not all(map(whole, lines(stage.out))):
            return "something half-made is left"
        filler.unlink()
        return expect(stage.run(), 0, stage)
    finally:
        subprocess.run(["umount", stage.out], check=False)


def signals_before_the_first_photo(stage: Stage) -> str:
    """SIGINT, SIGTERM and SIGHUP while the command starts."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        for moment in EARLY:
            process = subprocess.Popen(
                [sys.executable, "-m", "restorecli", *DENOISE, stage.source, "-o", stage.out],
                env={**os.environ, **stage.environment},
                stderr=subprocess.PIPE,
            )
            _wait_until_python_runs(process.pid)
            time.sleep(moment)
            process.send_signal(getattr(signal, name))
            said = process.communicate(timeout=60)[1]
            if process.returncode not in (0, 130) or b"Traceback" in said:
                return f"{name} after {moment} s: exit {process.returncode}"
    return ""


def _wait_until_python_runs(pid: int) -> None:
    """The interpreter itself takes a moment, in which no program can have said what a signal means."""
    maps = Path(f"/proc/{pid}/maps")
    deadline = time.monotonic() + 10
    while maps.exists() and time.monotonic() < deadline:
        if "typing" in maps.read_text() or _catches(pid, signal.SIGTERM):
            return
        time.sleep(0.01)


def _catches(pid: int, number: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    line = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


SCENES: tuple[Scene, ...] = (
    closed_output,
    closed_error,
    closed_input,
    full_output,
    full_error,
    odd_names,
    odd_names_in_ascii,
    pipe,
    silent_pipe,
    interrupted_while_reading,
    devices,
    no_threads,
    cache_that_cannot_be_written,
    odd_records,
    odd_measurements,
    small_files_only,
    full_disk,
    signals_before_the_first_photo,
)


def play(scene: Scene) -> str:
    """Play one scene in a folder of its own; return what went wrong, or ""."""
    with tempfile.TemporaryDirectory() as folder:
        return scene(Stage(Path(folder)))


def scenes(count: int, seed: int) -> tuple[str, bool]:
    """Play the first ``count`` scenes; return the summary line and whether all ended well."""
    told = {scene.__name__: play(scene) for scene in SCENES[:count]}
    skipped = [name for name, text in told.items() if text.startswith("skipped")]
    bad = {name: text for name, text in told.items() if text and name not in skipped}
    line = f"scenes: {len(told) - len(bad) - len(skipped)} of {len(told)} end well, {len(skipped)} skipped"
    return line + "".join(f"\n  {name}: {text}" for name, text in bad.items()), not bad
