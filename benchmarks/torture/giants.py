"""Photos that are not held, whose runs are killed, stopped, or meet a full disk: the next run goes on there.

They are made small, and the process told to take them for large: what happens is the same, sooner.
"""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from benchmarks.torture.children import Child, Ended, command
from restorecli.models.convert import save_native
from restorecli.networks.nlsn import LAYOUT
from restorecli.photos.giants import spool
from restorecli.photos.stores.lines import FILE_NAME
from restorecli.photos.temporary import PROGRESS
from restorecli.pipeline import large

SIDES = (170, 90)
KINDS = ("strips.tif", "tiles.tif", "rows.png")
STRIPS = -(-SIDES[0] // 24)
BEYOND = 3  # strips from which on the first row of tiles need not be computed again
LONG = 5  # stopped runs of a kind from which on each kind goes through each of the scenes below
_AGES = 600.0  # seconds that a run may take, on a busy machine


class Scene:
    """One photo, the command for it, and its result as it should be."""

    def __init__(self, folder: Path, kind: str, seed: int) -> None:
        self.folder, self.source = folder, folder / kind
        self.out = folder / "out"
        self.target = self.out / kind
        self.progress = self.out / f"{kind}{PROGRESS}"
        self.environment = {"RESTORE_CACHE_DIR": str(folder / "cache"), "RESTORE_OFFLINE": "1"}
        self.weights = folder / "own.safetensors"
        save_native(LAYOUT.make(features=8, blocks=1, scale=1, hashes=1), self.weights, name="nlsn")
        self.picture(seed)

    def picture(self, seed: int) -> None:
        """Write a picture that differs by its seed."""
        noise = np.random.default_rng(seed).normal(120, 25, (*SIDES, 3))
        pixels = noise.clip(0, 255).astype(np.uint8)
        if self.source.suffix == ".png":
            Image.fromarray(pixels).save(self.source)
        else:
            how = {"tile": (64, 64), "bigtiff": True} if "tiles" in self.source.name else {"rowsperstrip": 16}
            tifffile.imwrite(self.source, pixels, photometric="rgb", compression="zlib", metadata=None, **how)

    def start(self, out: Path, *more: str, before: Callable[[], object] = lambda: None) -> Child:
        """Begin a run."""

        def prepare() -> None:
            large.LARGE, spool._STRIP_BYTES = 1, 1
            before()

        arguments = ["denoise", "--weights", self.weights, "--tile", "64", "--precision", "fp32", "--json"]
        streams = {1: self.folder / "stdout", 2: self.folder / "stderr"}
        return command(
            [*arguments, *more, self.source, "-o", out],
            environment=self.environment,
            streams=streams,  # type: ignore[arg-type]
            before=prepare,
        )

    def undisturbed(self, *more: str) -> bytes:
        """Return the bytes of a run that nothing happens to."""
        out = self.folder / "whole"
        shutil.rmtree(out, ignore_errors=True)
        ended = self.start(out, *more).wait(_AGES)
        assert ended.code == 0, (self.folder / "stderr").read_text()
        self.whole = self.tiles()
        return (out / self.source.name).read_bytes()

    def wait_for(self, strips: int) -> None:
        """Wait until so many strips are on the disk."""
        until = time.monotonic() + _AGES
        while self.strips() < strips and not self.target.exists() and time.monotonic() < until:
            time.sleep(0.002)

    def strips(self) -> int:
        """Count the strips of a result under way."""
        return max(0, self.progress.read_bytes().count(b"\n") - 1) if self.progress.exists() else 0

    def after(self, what: str, ended: Ended, expected: bytes, *, resumed: bool | None) -> list[str]:
        """Return what is not as it should be after the run that ended the work."""
        bad = []
        if ended.code != 0:
            bad.append(f"{what}: exit {ended.code}: {(self.folder / 'stderr').read_text()[-300:]}")
        elif self.target.read_bytes() != expected:
            bad.append(f"{what}: other bytes than those of an undisturbed run")
        if resumed is not None and ended.code == 0 and self.went_on() is not resumed:
            bad.append(f"{what}: {'begun anew' if resumed else 'went on with strips of another run'}")
        expected_names = {self.target.name, FILE_NAME}
        left = [path.name for path in self.out.glob("*") if path.name not in expected_names]
        return bad + [f"{what}: {name} is left" for name in left]

    def went_on(self) -> bool:
        """Whether the last run computed less than the whole photo."""
        return self.tiles() < self.whole

    def tiles(self) -> int:
        """Count the tiles that the last run computed."""
        events = [json.loads(line) for line in (self.folder / "stdout").read_text().splitlines()]
        return int([event for event in events if event["event"] == "file_done"][-1]["tiles"])


def giants(count: int, seed: int) -> tuple[str, bool]:
    """Disturb ``count`` runs of each kind, and finish each; return the summary line and if all is well."""
    rng = np.random.default_rng(seed)
    bad: list[str] = []
    disturbed = 0
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as name:
            scene = Scene(Path(name), kind, seed)
            expected = scene.undisturbed()
            for number in range(count):
                bad += _stopped(scene, expected, rng, signal.SIGTERM if number % 2 else signal.SIGKILL)
            scenes = SCENES if count >= LONG else SCENES[KINDS.index(kind) :: len(KINDS)]
            bad += [f"{kind}: {text}" for play in scenes for text in play(scene, expected)]
            disturbed += count + len(scenes)
    line = f"giants: {disturbed} runs disturbed with seed {seed} over {len(KINDS)} kinds, {len(bad)} wrong"
    return line + "".join(f"\n  {text}" for text in bad[:20]), not bad


def _stop(scene: Scene, strips: int, number: int) -> None:
    child = scene.start(scene.out)
    scene.wait_for(strips)
    with contextlib.suppress(ProcessLookupError):
        child.send(number)
    child.wait(_AGES)


def _anew(scene: Scene) -> None:
    shutil.rmtree(scene.out, ignore_errors=True)


def _stopped(scene: Scene, expected: bytes, rng: np.random.Generator, number: signal.Signals) -> list[str]:
    """Stop a run once or twice, then let it end."""
    _anew(scene)
    what = f"{scene.source.name} {number.name}"
    for strips in sorted(rng.integers(BEYOND, STRIPS - 1, rng.integers(1, 3))):
        _stop(scene, int(strips), number)
    there = scene.strips() > 0 and not scene.target.exists()
    bad = [] if there else [f"{what}: nothing was left to go on with"]
    return bad + scene.after(
        what, scene.start(scene.out).wait(_AGES), expected, resumed=True if there else None
    )


def full_disk(scene: Scene, expected: bytes) -> list[str]:
    """No file may grow beyond half of the result."""
    _anew(scene)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(expected) // 2, resource.RLIM_INFINITY))

    ended = scene.start(scene.out, before=limit).wait(_AGES)
    events = (scene.folder / "stdout").read_text()
    bad = [] if ended.code == 1 and "write_failed" in events else [f"full disk: exit {ended.code}"]
    return bad + scene.after("full disk", scene.start(scene.out).wait(_AGES), expected, resumed=True)


def changed_input(scene: Scene, expected: bytes) -> list[str]:
    """The photo is another one when the command runs again."""
    _anew(scene)
    _stop(scene, BEYOND, signal.SIGKILL)
    before = scene.source.read_bytes()
    scene.picture(4711)
    other = scene.undisturbed()
    ended = scene.start(scene.out).wait(_AGES)
    bad = scene.after("changed photo", ended, other, resumed=False)
    scene.source.write_bytes(before)
    return bad if other != expected else [*bad, "the photo is not another one"]


def changed_settings(scene: Scene, expected: bytes) -> list[str]:
    """The command is another one."""
    _anew(scene)
    _stop(scene, BEYOND, signal.SIGKILL)
    more = ("--bits", "16")
    other = scene.undisturbed(*more)
    return scene.after("changed settings", scene.start(scene.out, *more).wait(_AGES), other, resumed=False)


def two_at_once(scene: Scene, expected: bytes) -> list[str]:
    """The same command twice at the same time."""
    _anew(scene)
    runs = [scene.start(scene.out), scene.start(scene.out)]
    first, second = (run.wait(_AGES) for run in runs)
    bad = [f"two at once: exit {first.code}"] if first.code else []
    return bad + scene.after("two at once", second, expected, resumed=None)


def killed_at_the_end(scene: Scene, expected: bytes) -> list[str]:
    """A run dies after the result has its name, and before the strips are deleted."""
    _anew(scene)

    def die() -> None:
        from restorecli.photos.giants.spool import Spool

        Spool.remove = lambda self: signal.raise_signal(signal.SIGKILL)  # type: ignore[method-assign]

    scene.start(scene.out, before=die).wait(_AGES)
    bad = [] if scene.progress.exists() else ["killed at the end: nothing was left"]
    return bad + scene.after("killed at the end", scene.start(scene.out).wait(_AGES), expected, resumed=None)


SCENES = (full_disk, changed_input, changed_settings, two_at_once, killed_at_the_end)
