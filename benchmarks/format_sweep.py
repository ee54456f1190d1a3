"""Sweep folders of image files: is every one read with right colours, or refused by name, and does it end?

    python -m benchmarks.format_sweep FOLDER… [--seconds 60] [--within 0.02]

A process of its own reads the files, with a time limit for each; a file that hangs or crashes costs that
process alone. Mean colours are compared with what independent readers that are installed say
(`format_readers`): a file's own numbers where the tool leaves them as they are, else sRGB. A
file is wrong where no reader that opens it comes within the tolerance, a hang where it does not end, and
unnamed where the error is none of the tool's own.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.format_readers import MANAGED, PLAIN, mean_of
from restorecli.errors import PhotoError
from restorecli.photo import Photo
from restorecli.photos.formats.kinds import looks_like_image
from restorecli.photos.metadata.profiles import to_srgb
from restorecli.photos.read import read

Found = dict[str, Any]


def ours(path: Path) -> Found:
    """The tool's outcome for a file: its first page's mean colours, or the code of its error."""
    try:
        photo = read(path, frames="first").pages[0]
    except PhotoError as error:
        return {"refused": error.code, "message": error.message}
    except Exception as error:  # noqa: BLE001 - the very thing that is looked for
        return {"unnamed": f"{type(error).__name__}: {error}"}
    converted = _is_converted(photo)
    pixels = to_srgb(photo.pixels, photo.metadata) if converted and photo.raw is None else photo.pixels
    return {"mean": mean_of(pixels), "converted": converted, "warnings": photo.warnings}


def _is_converted(photo: Photo) -> bool:
    meta, words = photo.metadata, " ".join(photo.warnings)
    return bool(meta.profile or meta.cicp or photo.raw or "CMYK" in words or "CIELAB" in words)


def one(path: Path) -> Found:
    """What the tool and every installed reader say of a file."""
    result = ours(path)
    found: Found = {"ours": result}
    if "mean" not in result:
        return found  # others may take any time over what is refused here
    for name, reader in (MANAGED if result["converted"] else PLAIN).items():
        try:
            found[name] = reader(path)
        except Exception:  # noqa: BLE001 - a reader that does not open it has no say
            continue
    return found


class Reader:
    """A process that is told of files and answers with what `one` finds; started again where it is lost."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.format_sweep", "--answer"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def _listen(self, stream: IO[str]) -> None:
        for line in stream:
            self._answers.put(line)
        self._answers.put("")

    def ask(self, path: Path, seconds: float) -> Found | None:
        """Return what is found of a file; None where the process ended over it.

        Raises:
            queue.Empty: the time is over.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        answer = self._answers.get(timeout=seconds)
        return json.loads(answer) if answer else None

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()


def judged(paths: Iterator[Path], seconds: float, within: float) -> Iterator[tuple[Path, str, str]]:
    """Yield each file with the verdict on it and what led to it."""
    reader = Reader()
    for path in paths:
        try:
            found = reader.ask(path, seconds)
        except queue.Empty:
            verdict = "hang", f"more than {seconds:g} s"
        else:
            verdict = ("unnamed", "the process ended") if found is None else _verdict(found, within)
        if verdict[0] == "hang" or verdict[1] == "the process ended":
            reader.end()
            reader = Reader()
        yield path, *verdict
    reader.end()


def _verdict(found: Found, within: float) -> tuple[str, str]:
    result = found.pop("ours")
    if "unnamed" in result:
        return "unnamed", result["unnamed"]
    if "refused" in result:
        return f"refused ({result['refused']})", result["message"]
    gaps = {name: float(np.abs(np.subtract(mean, result["mean"])).max()) for name, mean in found.items()}
    if not gaps:
        return "alone", ", ".join(("no other reader says", *result["warnings"]))
    told = ", ".join(f"{name} {gap:.3f}" for name, gap in gaps.items())
    return ("right" if min(gaps.values()) <= within else "wrong"), told


def files(folders: list[Path]) -> Iterator[Path]:
    """The image files in folders, at any depth."""
    for folder in folders:
        yield from sorted(path for path in folder.rglob("*") if path.is_file() and looks_like_image(path))


def answer() -> None:
    """Answer for every path on standard input."""
    for line in sys.stdin:
        print(json.dumps(one(Path(line.rstrip("\n")))), flush=True)


def main() -> None:
    """Print every file that is not right, and the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--within", type=float, default=0.02, help="greatest difference of a channel's mean")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.answer:
        answer()
        return
    counts: Counter[str] = Counter()
    for path, verdict, why in judged(files(arguments.folders), arguments.seconds, arguments.within):
        counts[verdict] += 1
        if verdict != "right":
            print(f"{verdict}: {path}: {why}", flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    sys.exit(any(counts[bad] for bad in ("wrong", "hang", "unnamed")))


if __name__ == "__main__":
    main()
