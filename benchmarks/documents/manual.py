"""Run the manual's examples: ``python -m benchmarks.documents.manual`` writes what they print into the pages.

An example is a block of code marked ``console`` in a page of `docs/guides` that holds output: a line that
begins with "$ " is a command, what follows is what it prints, on both streams. The examples of a page run one
after the other in an empty folder that holds copies of the sample photos. What differs between machines
and between runs is masked when they are compared: see `MASKS`. What calls other programs is not run.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "guides").glob("*.md"))
SAMPLES = ("docs/samples", "docs/camera")
BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.M | re.S)
NOT_RUN = "<!-- not run again: "
"""Before a block: what it prints is of one machine."""

MASKS = (
    (r"· cpu · (bf16|fp16|fp32) · (tiles of \d+|whole images)", "· DEVICE"),
    (r"^(tile|precision) +\w+$", r"\1 CHOSEN"),
    (r"\b\d+ tiles?\b", "TILES"),
    (r"\(\d+\.\d megapixels(, [\d.]+ MP/s)?\)", "(RATE)"),
    (r"\b\d+(\.\d+)? (ms|s|min)\b", "TIME"),
    (r"\b\d+(\.\d+)? MB\b", "LENGTH"),
    (r"^times: .*$", "times: RATES"),
    (r" [\d.,]+ \|$", " RATE |"),  # seconds for a megapixel
    (r"-{2,}", "--"),
    (r" +", " "),  # the widths of columns follow the times
)
"""Pattern and what stands for it: the device and its precision, rates, durations, lengths of files."""


def masked(text: str) -> str:
    """Return what a command printed without what differs from machine to machine."""
    for pattern, word in MASKS:
        text = re.sub(pattern, word, text, flags=re.M)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def blocks(page: str) -> Iterator[str]:
    """Yield the examples of a page that are run."""
    for found in BLOCK.finditer(page):
        before = page[: found.start()].removesuffix("```console\n").rstrip().rpartition("\n")[2]
        lines = found[0].splitlines()
        commands = [line for line in lines if line.startswith("$ ")]
        ours = all(re.match(r"\$ ([A-Z_]+=\S+ )*restore ", line) for line in commands)
        if ours and len(commands) < len(lines) and not before.startswith(NOT_RUN):
            yield found[0]


def run_again(block: str) -> str:
    """Run the commands of an example in the current folder; return them with what they print."""
    printed = []
    for line in block.splitlines():
        if line.startswith("$ "):
            printed.append(line + "\n" + _run(line.removeprefix("$ ")))
    return "".join(printed)


def _run(command: str) -> str:
    """Run ``restore …`` in this process, or any other command; return both streams as one."""
    from restorecli.cli.app import main

    words = shlex.split(command, comments=True)
    variables = dict(word.split("=", 1) for word in itertools.takewhile(_is_variable, words))
    words = words[len(variables) :]
    if words[0] != "restore":
        raise ValueError(f"the manual runs restore only: {command}")
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    before = sys.argv, sys.stdout, sys.stderr, sys.stdin
    os.environ.update(variables)
    try:
        sys.argv, sys.stdout, sys.stderr = words, stream, stream
        sys.stdin = io.TextIOWrapper(io.BytesIO())
        with contextlib.suppress(SystemExit):
            main()
    finally:
        sys.argv, sys.stdout, sys.stderr, sys.stdin = before
        for name in variables:
            del os.environ[name]
    text = raw.getvalue().decode("utf-8")
    return text if text.endswith("\n") or not text else text + "\n"


def _is_variable(word: str) -> bool:
    return re.match(r"[A-Z_]+=", word) is not None


@contextlib.contextmanager
def workplace(measured: Path | None = None) -> Iterator[Path]:
    """Be in an empty folder with the sample photos, and with an environment that changes no output.

    Args:
        measured: a folder with measurements of this machine, which are used and added to; None: none yet.
    """
    here = Path.cwd()
    environment = {"COLUMNS": "80", "NO_COLOR": "1", "RESTORE_OFFLINE": "1", "RESTORE_DEVICE": "cpu"}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
        environment |= {"RESTORE_WEIGHTS_DIR": cache, "RESTORE_CACHE_DIR": str(measured or cache)}
        before = {name: os.environ.get(name) for name in environment}
        for name in SAMPLES:
            shutil.copytree(ROOT / name, Path(folder) / name, ignore=shutil.ignore_patterns("*.md"))
        os.chdir(folder)
        os.environ.update(environment)
        try:
            yield Path(folder)
        finally:
            os.chdir(here)
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def main() -> None:
    """Write into every page what its examples print now, where it differs beyond the masks."""
    wanted = [Path(name).resolve() for name in sys.argv[1:]] or PAGES
    for page in wanted:
        text = page.read_text(encoding="utf-8")
        new = text
        with workplace():
            for block in blocks(text):
                printed = run_again(block)
                if masked(printed) != masked(block):
                    new = new.replace(block, printed)
        print(f"{page.name}: {'written' if new != text else 'as it was'}")
        page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
