"""One input and one set of settings give the same bytes, however the work is divided."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine.passes import graphs
from restorecli.engine.precision import candidates, photo_like
from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import TRANSFORMS, RunSettings
from restorecli.models.load import load
from restorecli.models.registry import load_registry
from restorecli.models.resolve import ModelRequest, resolve
from restorecli.networks.layers import channel_means
from restorecli.networks.network import Network
from tests.engine.samples import Convs

PRECISIONS = ("fp32", *candidates(torch.device("cpu")))
sides = st.tuples(st.integers(1, 80), st.integers(1, 80))


@dataclass(frozen=True)
class Way:
    """How the same work is divided."""

    threads: int
    batch: int
    devices: int


ways = st.builds(Way, st.integers(1, 4), st.integers(1, 5), st.integers(1, 3))


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def restored(network: nn.Module, image: Tensor, way: Way, device: str = "cpu", **options: object) -> Tensor:
    names = ",".join(
        [device] * way.devices if device == "cpu" else [f"{device}:{n}" for n in range(way.devices)]
    )
    with threads(way.threads):
        given_ = RunSettings(device=names, batch=way.batch, **options)  # type: ignore[arg-type]
        return run(prepare(network, given_), image).output


@given(
    size=sides,
    tile=st.sampled_from([0, 16, 33, 48]),
    overlap=st.integers(0, 20),
    precision=st.sampled_from(PRECISIONS),
    ensemble=st.booleans(),
    one=ways,
    other=ways,
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_do_not_depend_on_threads_batch_and_devices(
    size: tuple[int, int], tile: int, overlap: int, precision: str, ensemble: bool, one: Way, other: Way
) -> None:
    torch.manual_seed(0)
    network, image = Convs(depth=2).eval(), torch.rand(1, 3, *size)
    common = {"tile": tile, "overlap": overlap, "precision": precision, "self_ensemble": ensemble}
    assert torch.equal(*(restored(network, image, way, **common) for way in (one, other)))


LIGHT = {
    "nlsn-light-denoise": 48,
    "nlsn-light-x2": 40,
    "nlsn-light-demosaic-xtrans": 48,
    "mirnet-light-denoise": 48,
    "grl-light-demosaic": 32,
    "rnan-light-dejpeg": 40,
    "panet-light-x4": 20,
}
"""One file of each network and kind of input, and the side of tiles."""
IN_HALF = ("nlsn-light-denoise", "mirnet-light-denoise") if "bf16" in PRECISIONS else ()


def light(name: str) -> Network:
    entry = load_registry().find(name)
    return load(resolve(ModelRequest(entry.task, model=name, scale=entry.scale)))


@pytest.mark.parametrize(
    ("name", "precision"), [*((name, "fp32") for name in LIGHT), *((name, "bf16") for name in IN_HALF)]
)
def test_the_networks_give_the_same_bytes_however_the_work_is_divided(name: str, precision: str) -> None:
    rng = np.random.default_rng(len(name))
    network, tile = light(name), LIGHT[name]
    height, width = (int(side) for side in rng.integers(tile + 4, 1.8 * tile, 2))
    image = photo_like(network.in_channels, max(height, width))[..., :height, :width]
    common = {"tile": tile, "overlap": 8, "precision": precision, "alignment": 6}
    alone, shared = Way(1, 1, 1), Way(int(rng.integers(2, 5)), int(rng.integers(2, 4)), 2)
    assert torch.equal(*(restored(network, image, way, **common) for way in (alone, shared)))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_means_of_channels_are_the_same_for_any_number_of_threads(
    layout: torch.memory_format, dtype: torch.dtype
) -> None:
    for channels, height, width in ((3, 5, 7), (16, 48, 52), (17, 130, 97), (48, 216, 216)):
        x = torch.randn(1, channels, height, width).to(dtype).contiguous(memory_format=layout)
        made = []
        for count in (1, 2, 3, 4):
            with threads(count):
                made.append(channel_means(x))
        assert all(torch.equal(made[0], other) for other in made[1:])
        expected = x.double().mean((2, 3), keepdim=True)
        torch.testing.assert_close(made[0].double(), expected, rtol=4e-3, atol=1e-6)


@pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")
@given(
    size=sides,
    tile=st.sampled_from([16, 33, 48]),
    batch=st.integers(1, 4),
    precision=st.sampled_from(["fp32", "fp16"]),
    devices=st.integers(2, 3),
)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_several_gpus_give_the_bytes_of_one(
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    tile: int,
    batch: int,
    precision: str,
    devices: int,
) -> None:
    """One GPU puts tiles together itself; several leave that to the host."""
    monkeypatch.setattr(graphs, "MOST_SHAPES", 0)
    torch.manual_seed(0)
    network, image = Convs(depth=2).eval().requires_grad_(False), torch.rand(1, 3, *size)
    common = {"device": "cuda", "tile": tile, "overlap": 8, "precision": precision}
    with FakeGpu(devices=devices) as gpu:
        alone, shared = (restored(network, image, Way(1, batch, count), **common) for count in (1, devices))
        assert torch.equal(alone, shared) and not gpu.races


def under_symmetries(pixels: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.float32], bool, int]]:
    """The eight views of C×H×W, with how they were made."""
    for mirrored in (False, True):
        for turns in range(4):
            view = pixels[:, :, ::-1] if mirrored else pixels
            yield np.rot90(view, turns, (1, 2)).copy(), mirrored, turns


def turned_back(pixels: NDArray[np.float32], mirrored: bool, turns: int) -> NDArray[np.float32]:
    back = np.rot90(pixels, -turns, (1, 2))
    return back[:, :, ::-1] if mirrored else back


def mean_of_eight(network: nn.Module, image: Tensor, **options: object) -> NDArray[np.float64]:
    """The mean of the eight restored views, each turned back, by numpy."""
    made = [
        turned_back(restored(network, torch.from_numpy(view)[None], Way(1, 1, 1), **options)[0].numpy(), *how)
        for view, *how in under_symmetries(image[0].numpy())
    ]
    return np.mean(np.asarray(made, np.float64), axis=0)


@given(size=sides, seed=st.integers(0, 9), way=ways)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_self_ensemble_is_the_mean_of_the_eight_views(size: tuple[int, int], seed: int, way: Way) -> None:
    torch.manual_seed(seed)
    network, image = Convs(depth=2).eval(), torch.rand(1, 3, *size)
    common = {"tile": 0, "precision": "fp32"}
    ours = restored(network, image, way, self_ensemble=True, **common)[0].numpy()
    assert np.abs(ours - mean_of_eight(network, image, **common)).max() < 1e-6


@pytest.mark.parametrize("name", ["nlsn-light-x2", "mirnet-light-denoise"])
def test_self_ensemble_of_the_networks_is_the_mean_of_the_eight_views(name: str) -> None:
    network = light(name)
    network.border = 0  # a border is added before the views are made
    image = photo_like(network.in_channels, 28)[..., :24]
    common = {"tile": 0, "precision": "fp32"}
    ours = restored(network, image, Way(1, 1, 1), self_ensemble=True, **common)[0].numpy()
    assert np.abs(ours - mean_of_eight(network, image, **common)).max() < 2e-5


class OneView(nn.Module):
    """The network as it sees one of the eight views of what it is given, turned back."""

    scale, in_channels, out_channels = 2, 3, 3

    def __init__(self, network: nn.Module, mirrored: bool, turns: int) -> None:
        super().__init__()
        self.network, self.mirrored, self.turns = network, mirrored, turns

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.rot90(x.flip(-1) if self.mirrored else x, self.turns, (-2, -1))
        back = torch.rot90(self.network(seen.contiguous()), -self.turns, (-2, -1))
        return back.flip(-1) if self.mirrored else back


def test_in_tiles_self_ensemble_is_the_mean_of_eight_tiled_pictures() -> None:
    network, image = Convs(depth=2).eval(), torch.rand(1, 3, 61, 50)
    common = {"tile": 24, "overlap": 8, "precision": "fp32"}
    ours = restored(network, image, Way(1, 1, 1), self_ensemble=True, **common)
    views = [
        restored(OneView(network, mirrored, turns), image, Way(1, 1, 1), **common)
        for mirrored in (False, True)
        for turns in range(4)
    ]
    assert len(views) == len(TRANSFORMS)
    assert (ours - torch.stack(views).double().mean(0)).abs().max() < 1e-6


class CountingPasses(Convs):
    """Rounds by how many tiles there are in a pass, as half precision on a GPU does."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (1 - x.shape[0] / 64)


@pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")
@pytest.mark.parametrize("done_rows", [40, 140, 220])
def test_a_run_that_goes_on_where_another_stopped_gives_the_same_bytes(done_rows: int):
    image, rows = torch.rand(1, 3, 130, 70), {}
    network = CountingPasses().eval().requires_grad_(False)
    with FakeGpu():
        options = {"precision": "fp32", "tile": 32, "overlap": 4, "batch": 4}
        prepared = prepare(network, RunSettings(device="cuda", **options))
        for done in (0, done_rows):

            def deliver(top: int, part: Tensor, done: int = done) -> None:
                rows.setdefault(done, torch.empty(3, 260, 140))[:, top : top + part.shape[1]] = part

            run(prepared, image, deliver=deliver, done_rows=done)
    assert torch.equal(rows[0][:, done_rows:], rows[done_rows][:, done_rows:])
