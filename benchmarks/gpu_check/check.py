"""What every part needs: how much is to be done, for how long, and what becomes of failures."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.gpu_check.told import Told
from restorecli.engine.precision import photo_like
from restorecli.engine.prepare import Prepared, prepare
from restorecli.engine.settings import RunSettings
from restorecli.models.convert import native_metadata
from restorecli.networks import from_native
from restorecli.networks.network import Network

LIGHT = Path(__file__).parents[2] / "weights" / "light"
NAMES = tuple(sorted(path.stem for path in LIGHT.glob("*.safetensors")))
CUDA = torch.device("cuda", 0)
QUOTED = 6  # last lines of a traceback
Item = TypeVar("Item")


class ContextLostError(Exception):
    """The device can do nothing more in this process."""


@dataclass(frozen=True)
class Extent:
    """How much is done.

    Attributes:
        networks: names of light files.
        side: of the pictures that parity is seen on.
        photos: of the folder that is restored twice, and of crops of one size.
        photo_side: the longest side of its photos.
        crop_side: the side of the crops.
        timed: whether networks of the published sizes are timed, too.
        shrink: what sides of timed tiles are divided by.
        tiles, batches: what is swept.
        tile: side of the tiles that memory is reckoned for; None for those that the engine chooses.
        picture: the side of the picture whose tiles the device should not wait for.
        bench: arguments of `restore bench`; None leaves it out.
        steps: of training.
    """

    networks: tuple[str, ...] = NAMES
    side: int = 256
    photos: int = 100
    photo_side: int = 768
    crop_side: int = 128
    timed: bool = True
    shrink: int = 1
    tiles: tuple[int, ...] = (96, 128, 192, 256, 384, 512, 768, 1024)
    batches: tuple[int, ...] = (1, 2, 4, 8, 16)
    tile: int | None = None
    picture: int = 3072
    bench: tuple[str, ...] | None = ("--size", "512")
    steps: int = 50


EXTENTS = {
    "whole": Extent(),
    "short": Extent(
        side=144,
        photos=32,
        photo_side=640,
        tiles=(128, 256, 512, 1024),
        batches=(1, 4, 16),
        picture=2048,
        bench=None,
        steps=20,
    ),
    "fake": Extent(
        networks=("nlsn-light-x2",),
        side=32,
        photos=3,
        photo_side=40,
        crop_side=24,
        timed=False,
        shrink=16,
        tiles=(16, 32),
        batches=(1, 2),
        tile=48,
        picture=192,
        bench=("--size", "16", "--runs", "1", "--task", "denoise", "--variant", "light"),
        steps=2,
    ),
}


@dataclass
class Check:
    """One part under way.

    Attributes:
        told: where it writes.
        place: a folder for files.
        fake: whether the device is the make-believe one.
        until: `time.monotonic` at which it is to end.
        begun: items that a process before this one has begun.
    """

    extent: Extent
    told: Told
    place: Path
    fake: bool
    until: float
    begun: frozenset[str] = frozenset()

    def each(self, items: Iterable[Item], work: Callable[[Item], None]) -> None:
        """Do ``work`` for each item while there is time; a failure is told, and the next one goes on.

        Raises:
            ContextLostError: a failure took the device with it.
        """
        waiting = [item for item in items if str(item) not in self.begun]
        while waiting:
            if time.monotonic() > self.until:
                self.told.say(f"Time was up: {len(waiting)} left out ({waiting[0]} … {waiting[-1]}).")
                return
            item = waiting.pop(0)
            self.told.item(str(item))
            self.attempt(str(item), lambda item=item: work(item))

    def attempt(self, what: str, work: Callable[[], None]) -> None:
        """Do ``work``; a failure is told.

        Raises:
            ContextLostError: it took the device with it.
        """
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest is to be seen
            lines = "".join(traceback.format_exception(error)).rstrip().splitlines()[-QUOTED:]
            quoted = "\n".join(f"    {line}" for line in lines)
            self.told.say(f"**{what} failed: {type(error).__name__}**\n\n{quoted}")
            del error
            if not context_lives():
                raise ContextLostError(what) from None


def context_lives() -> bool:
    """Tell whether the device still does what it is asked."""
    try:
        torch.cuda.set_sync_debug_mode("default")
        torch.cuda.synchronize(CUDA)
        return float(torch.ones(2, device=CUDA).sum()) == 2.0
    except RuntimeError:
        return False


def light(name: str) -> Network:
    """Return the shipped network called ``name``."""
    path = LIGHT / f"{name}.safetensors"
    network, settings, _ = native_metadata(path)
    return from_native(network, load_file(path), settings).eval().requires_grad_(False)


picture = lru_cache(maxsize=16)(photo_like)
"""`photo_like`, kept: large ones take the host a second. Not to be changed."""


def batch_of(network: Network, batch: int, side: int) -> Tensor:
    """Return ``batch`` tiles of ``side`` on the device as ``network`` takes them."""
    tile = picture(network.in_channels, side).to(CUDA) * network.value_range
    return tile.expand(batch, -1, -1, -1).contiguous()


def ready(network: Network, device: str, precision: str, tile: int, *, batch: int = 1) -> Prepared:
    """Return ``network`` on ``device``, in tiles of ``tile``."""
    options = {"overlap": min(16, tile // 4), "batch": batch}
    return prepare(network, RunSettings(device=device, precision=precision, tile=tile, **options))
