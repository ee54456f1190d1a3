"""A result that is rounded row by row is, byte for byte, the one that is rounded at the end."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from benchmarks.fake_gpu.tensors import DeviceTensor
from restorecli.engine import strips
from restorecli.engine.passes import graphs
from restorecli.engine.prepare import prepare
from restorecli.engine.settings import RunSettings
from restorecli.engine.transfer import to_samples
from restorecli.loading import Loaded
from restorecli.models.choose import ModelRequest
from restorecli.models.resolved import Resolved
from restorecli.networks.network import Network
from restorecli.photo import Depth, FloatArray, Metadata, Photo
from restorecli.photos.inputs import Found
from restorecli.photos.planned import PlannedPhoto
from restorecli.photos.write import write
from restorecli.results import Encoding, rounding_for
from restorecli.stages import Stage, pass_through
from restorecli.tasks.base import Task
from restorecli.tasks.brighten import Brighten, Darkness
from restorecli.tasks.dejpeg import Dejpeg
from restorecli.tasks.denoise import Denoise
from restorecli.tasks.same_size import SameSize
from restorecli.tasks.upscale import Upscale


@dataclass(frozen=True)
class One:
    """The same network for everybody."""

    network: Network
    device: str = "cpu"

    def get(self, request: ModelRequest, run: object) -> Loaded:
        options = {"precision": "fp32", "tile": 24, "overlap": 8}
        prepared = prepare(self.network, RunSettings(device=self.device, **options))
        return Loaded(Resolved("convs", "test", "convs", None, None), self.network, prepared)


class Convs(Network):
    """Two convolutions and a pixel shuffle."""

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.in_channels = self.out_channels = channels
        self.scale, self.tile_overlap, self.settings = scale, 8, {}
        self.first = nn.Conv2d(channels, 8, 3, padding=1)
        self.last = nn.Conv2d(8, channels * scale**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_shuffle(self.last(functional.relu(self.first(x))), self.scale)


def network(channels: int, scale: int, border: int) -> Network:
    torch.manual_seed(5)
    made = Convs(channels, scale).requires_grad_(False)
    made.border = border
    return made


def photo(channels: int, beyond: bool, profile: bytes | None) -> Photo:
    pixels = np.random.default_rng(2).random((61, 47, channels), dtype=np.float32)
    if beyond:
        pixels[3:9] += 1
    return Photo(pixels, metadata=Metadata(profile=profile, working="srgb"), warnings=("a warning",))


class Brightened(Brighten):
    """Takes every photo for a dark one."""

    def examine(self, photo: Photo) -> Darkness:
        return Darkness(channels=photo.pixels.shape[2], stops=1.5)


P3 = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
TASKS: dict[str, tuple[Task, int]] = {
    "same size": (SameSize("x"), 1),
    "brighten": (Brightened(), 1),
    "luma": (Dejpeg(40.0), 1),
    "white noise": (Denoise(25.0), 1),
    "upscale": (Upscale(2), 2),
    "upscale by a network of the same size": (Upscale(2), 1),
}


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("depth", [Depth.UINT8, Depth.UINT16])
@pytest.mark.parametrize(("channels", "beyond", "border"), [(3, False, 4), (1, False, 0), (3, True, 0)])
def test_rows_give_the_same_file(
    tmp_path: Path, name: str, depth: Depth, channels: int, beyond: bool, border: int
) -> None:
    task, scale = TASKS[name]
    stages = (Stage(task, ModelRequest("denoise")),)
    source = replace(photo(channels, beyond, P3 if channels == 3 else None), depth=depth)
    planned = PlannedPhoto(Found(tmp_path / "a.png", tmp_path), tmp_path / "b.png", "png")
    networks = One(network(1 if name == "luma" else 3, scale, border))
    results = []
    for rounding in (None, rounding_for(source, planned, Encoding())):
        passed = pass_through(source, stages, networks, rounding=rounding)
        path = tmp_path / f"{len(results)}.png"
        write([passed.photo], path, format="png")
        results.append((path.read_bytes(), passed.photo.warnings, passed.photo.pixels.dtype))
    assert results[0][:2] == results[1][:2]
    rounded = (beyond and task is TASKS["upscale"][0]) or None
    assert results[1][2] == (np.float32 if rounded or (beyond and "upscale" in name) else depth_type(depth))


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_rows_of_a_photo_without_colour_are_without_colour(tmp_path: Path, name: str, device: str) -> None:
    if device == "cuda" and not POSSIBLE:
        pytest.skip("this CUDA build of torch insists on a real device")
    task, scale = TASKS[name]
    gray = np.repeat(photo(1, False, None).pixels, 3, axis=2)
    source = replace(photo(3, False, None), pixels=gray, colourless=True)
    planned = PlannedPhoto(Found(tmp_path / "a.png", tmp_path), tmp_path / "b.png", "png")
    with FakeGpu() if device == "cuda" else contextlib.nullcontext():
        networks = One(network(1 if name == "luma" else 3, scale, 0), device)
        for number, rounding in enumerate((None, rounding_for(source, planned, Encoding()))):
            passed = pass_through(
                source, (Stage(task, ModelRequest("denoise")),), networks, rounding=rounding
            )
            write([passed.photo], tmp_path / f"{number}.png", format="png")
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()
    samples = np.asarray(Image.open(tmp_path / "0.png"))
    assert samples.shape[2] == 3 and np.all(samples == samples[:, :, :1])


@pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")
@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(("depth", "profile"), [(Depth.UINT8, None), (Depth.UINT16, P3)])
def test_a_gpu_rounds_to_the_same_file(
    tmp_path: Path, name: str, depth: Depth, profile: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "MOST_SHAPES", 0)
    rounded = []
    monkeypatch.setattr(
        strips, "to_samples", lambda *given: rounded.append(to_samples(*given)) or rounded[-1]
    )
    task, scale = TASKS[name]
    source = replace(photo(3, False, profile), depth=depth)
    planned = PlannedPhoto(Found(tmp_path / "a.png", tmp_path), tmp_path / "b.png", "png")
    with FakeGpu():
        networks = One(network(1 if name == "luma" else 3, scale, 0), "cuda")
        for number, rounding in enumerate((None, rounding_for(source, planned, Encoding()))):
            stages = (Stage(task, ModelRequest("denoise")),)
            passed = pass_through(source, stages, networks, rounding=rounding)
            write([passed.photo], tmp_path / f"{number}.png", format="png")
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()
    assert bool(rounded) == (name not in ("luma", "white noise"))
    assert all(isinstance(each, DeviceTensor) for each in rounded)


def depth_type(depth: Depth) -> type:
    return np.uint8 if depth is Depth.UINT8 else np.uint16


def varying() -> FloatArray:
    alpha = np.random.default_rng(4).random((61, 47), dtype=np.float32)
    alpha[10:30, 5:30] = 0  # hidden colours, over several tiles
    alpha[40:, :20] = 1
    return alpha


ALPHAS = {"varying": varying(), "constant": np.full((61, 47), 0.3, np.float32)}


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(
    ("format", "depth"), [("png", Depth.UINT8), ("tiff", Depth.UINT16), ("jpg", Depth.UINT8)]
)
@pytest.mark.parametrize(("kind", "channels"), [("varying", 3), ("constant", 3), ("varying", 1)])
def test_transparent_rows_give_the_same_file(
    tmp_path: Path, name: str, format: str, depth: Depth, kind: str, channels: int
) -> None:
    task, scale = TASKS[name]
    source = replace(photo(channels, False, None), depth=depth, alpha=ALPHAS[kind])
    first, second = both_ways(
        source, task, network(1 if name == "luma" else 3, scale, 4), tmp_path / f"b.{format}", format
    )
    assert first == second


def test_colours_enlarged_before_their_alpha_are_put_on_white_at_the_end(tmp_path: Path) -> None:
    source = replace(photo(3, False, None), alpha=ALPHAS["varying"])
    planned = PlannedPhoto(Found(tmp_path / "a.png", tmp_path), tmp_path / "b.jpg", "jpg")
    make = rounding_for(source, planned, Encoding())
    assert make is not None
    assert make(source, 122, 94) is None and make(source, 61, 47) is not None


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("format", ["tiff", "exr"])
@pytest.mark.parametrize(("channels", "beyond"), [(3, False), (1, False), (3, True)])
@pytest.mark.parametrize("alpha", [None, ALPHAS["varying"]])
def test_floating_rows_give_the_same_file(
    tmp_path: Path, name: str, format: str, channels: int, beyond: bool, alpha: FloatArray | None
) -> None:
    task, scale = TASKS[name]
    source = replace(photo(channels, beyond, None), depth=Depth.FLOAT32, alpha=alpha)
    made = network(1 if name == "luma" else 3, scale, 4)
    first, second = both_ways(source, task, made, tmp_path / f"b.{format}", format)
    assert first == second


@pytest.mark.parametrize("share", [0.3, 1.6])
def test_a_part_of_the_change_gives_the_same_file(tmp_path: Path, share: float) -> None:
    source = replace(photo(3, False, None), alpha=ALPHAS["varying"])
    given = source.pixels.copy()
    first, second = both_ways(
        source, Denoise(15.0, strength=share), network(3, 1, 4), tmp_path / "b.png", "png"
    )
    assert first == second
    assert np.array_equal(source.pixels, given)


def test_hdr_rows_keep_the_depth_of_an_avif(tmp_path: Path) -> None:
    kept = Metadata(cicp=(9, 16, 0, True), hdr_peak=20.0, working="rec2020")
    source = replace(photo(3, False, None), depth=Depth.UINT16, metadata=kept)
    first, second = both_ways(source, SameSize("x"), network(3, 1, 4), tmp_path / "b.avif", "avif")
    assert first == second


def both_ways(
    source: Photo, task: Task, made: Network, target: Path, format: str
) -> list[tuple[bytes, tuple[str, ...]]]:
    """Write a result that was rounded at the end, and one that was rounded row by row."""
    planned = PlannedPhoto(Found(target.parent / "a.png", target.parent), target, format)
    results = []
    for rounding in (None, rounding_for(source, planned, Encoding())):
        stages = (Stage(task, ModelRequest("denoise")),)
        passed = pass_through(source, stages, One(made), rounding=rounding)
        info = write([passed.photo], target, format=format)
        results.append((target.read_bytes(), (*passed.photo.warnings, *info.warnings)))
    return results
