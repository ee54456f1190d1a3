"""Every network through the engine's branch for GPUs, on a make-believe one (see benchmarks/fake_gpu).

A CPU build of torch shows it all but what torch's own C++ does differently for CUDA tensors; a CUDA build
without a GPU shows that too. Kernels are those of CUDA by torch's published rules.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.engine.lane import Lane
from restorecli.engine.passes import graphs
from restorecli.engine.precision import photo_like, psnr, replica
from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.models.convert import native_metadata
from restorecli.networks import from_native
from restorecli.networks.grl.network import GRL
from restorecli.networks.network import Network

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")


LIGHT = Path(__file__).parents[2] / "weights" / "light"
# Weights, side of a tile, and the most kernels a pass in fp16 may take; before, they took 222, 3572, 3149 (of
# tiles of 96), 586 and 268.
CASES = {
    "nlsn-light-x4": (32, 108),
    "grl-light-demosaic": (64, 510),
    "panet-light-x4": (16, 216),
    "mirnet-light-denoise": (32, 550),
    "rnan-light-dejpeg": (32, 151),
}
LEAST = {"fp32": 100.0, "fp16": 55.0, "bf16": 50.0}


def light(name: str) -> Network:
    path = LIGHT / f"{name}.safetensors"
    network, settings, _ = native_metadata(path)
    return from_native(network, load_file(path), settings).eval().requires_grad_(False)


def settings(device: str, precision: str, tile: int) -> RunSettings:
    return RunSettings(device=device, precision=precision, tile=tile, overlap=8, batch=1)


@pytest.fixture(autouse=True)
def _own_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_CACHE_DIR", os.fspath(tmp_path))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From the second pass on, a launch that makes the host wait fails."""
    launch, passes = Lane.launch, list[str]()

    def strictly(self: Lane, tiles: Tensor, precision: str, **options: bool) -> object:
        if self.device.type == "cpu":
            return launch(self, tiles, precision, **options)
        torch.cuda.set_sync_debug_mode("error" if passes else "default")
        passes.append(precision)
        try:
            return launch(self, tiles, precision, **options)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(Lane, "launch", strictly)
    monkeypatch.setattr(graphs, "MOST_SHAPES", 0)  # recording waits, once per shape
    return passes


@pytest.mark.parametrize("name", CASES)
def test_a_network_is_right_and_never_makes_the_host_wait(name: str, passes: list[str]):
    side, most = CASES[name]
    network = light(name)
    image = photo_like(network.in_channels, side)
    exact = run(prepare(network, settings("cpu", "fp32", side)), image).output
    for precision, least in LEAST.items():
        passes.clear()
        with FakeGpu(delay=0.002) as gpu:
            prepared = prepare(network, settings("cuda", precision, side))
            assert psnr(run(prepared, image).output, exact) >= least, precision
            gpu.record.clear()
            assert run(prepared, image).tiles == 1 and not gpu.syncs and not gpu.races
            if precision != "fp32":
                assert not [taken for taken in gpu.record.attention if taken.startswith("math")]
            if precision == "fp16":
                assert len(gpu.kernels) <= most + 12  # and the engine's own


@pytest.mark.parametrize("name", CASES)
def test_the_first_pass_of_another_size_does_not_make_the_host_wait(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(graphs, "MOST_SHAPES", 0)
    side, _ = CASES[name]
    network = light(name)
    with FakeGpu(delay=0.002) as gpu:
        prepared = prepare(network, settings("cuda", "fp16", side))
        run(prepared, photo_like(network.in_channels, side))
        gpu.record.clear()
        torch.cuda.set_sync_debug_mode("error")
        pending = prepared.lanes[0].launch(photo_like(network.in_channels, side + 32), "fp16")
        torch.cuda.set_sync_debug_mode("default")
        assert pending is not None and not gpu.record.uploads
        pending.wait()
        assert not gpu.races


@pytest.mark.parametrize("name", ["nlsn-light-denoise", "nlsn-light-demosaic-xtrans"])
@pytest.mark.parametrize(("precision", "exact"), [("fp16", 0), ("bf16", 1)])
def test_only_bf16_is_too_coarse_for_the_last_convolution(name: str, precision: str, exact: int):
    network = light(name)
    image = photo_like(network.in_channels, 48)
    wanted = run(prepare(network, settings("cpu", "fp32", 48)), image).output
    with FakeGpu() as gpu:
        prepared = prepare(network, settings("cuda", precision, 48))
        run(prepared, image)
        gpu.record.clear()
        assert psnr(run(prepared, image).output, wanted) > LEAST[precision]
        passes = [kernel for kernel in gpu.kernels if kernel.name == "pixel_unshuffle"]
        wide = [k for k in gpu.kernels if k.name == "convolution" and k.dtype == torch.float32]
        assert passes and len(wide) == exact * len(passes)


@pytest.mark.parametrize("name", ["nlsn-light-x4", "grl-light-demosaic"])
def test_a_recorded_pass_gives_the_same_bytes(name: str, monkeypatch: pytest.MonkeyPatch):
    side, _ = CASES[name]
    network = light(name)
    image = photo_like(network.in_channels, 2 * side)[..., :side, :]
    monkeypatch.setattr(graphs, "WORTHWHILE", 100.0)
    with FakeGpu(delay=0.002) as gpu:
        prepared = prepare(network, settings("cuda", "fp16", side))
        result = run(prepared, image)
        assert prepared.lanes[0]._fast["fp16"].shapes == ((1, network.in_channels, side, side),)
        before = gpu.launches
        again = run(prepared, image)
        assert torch.equal(result.output, again.output) and not again.warnings
        assert (gpu.launches - before) / again.tiles < 20
        monkeypatch.setattr(graphs, "MOST_SHAPES", 0)
        launched = run(prepare(network, settings("cuda", "fp16", side)), image)
        assert torch.equal(result.output, launched.output)


@pytest.mark.parametrize("certain", [True, False], ids=["cut proven", "cut not proven"])
@pytest.mark.parametrize("heads", [1, 3])
def test_grl_gives_on_a_gpu_what_it_gives_on_a_cpu(certain: bool, heads: int):
    """Windows that wrap around both borders, heads of sizes that need zeros, masks of both kinds."""
    torch.manual_seed(heads)
    network = GRL(
        window_size=8,
        stripe_size=[8, 16],
        anchor_window_down_factor=2,
        embed_dim=12,
        depths=(4, 4),
        num_heads_window=(heads, 1),
        num_heads_stripe=(1, heads),
        local_connection=True,
    )
    network = network.eval().requires_grad_(False)
    if not certain:
        for name, parameter in network.named_parameters():
            if name.endswith("logit_scale"):
                parameter.fill_(4.4)
    x = photo_like(3, 48).repeat(2, 1, 1, 1)
    with torch.inference_mode():
        exact = network(x)
    with FakeGpu(), torch.inference_mode():
        # Cosines times 81, as these are made where nothing is proven, are beyond half precision.
        for precision, least in {"fp32": 100.0, **({"fp16": 55.0} if certain else {})}.items():
            placed = replica(network, torch.device("cuda", 0), precision)
            assert psnr(placed(x.to("cuda:0")).float().cpu(), exact) > least


def spoilt(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what was mended, one thing at a time."""
    if name == "NLSN copies its projection in each pass":
        from restorecli.networks.nlsn import SparseAttention
        from restorecli.networks.nlsn_fused import mirrored

        monkeypatch.setattr(
            SparseAttention,
            "_mirrored_on",
            lambda self, device, buckets: mirrored(self.projection(buckets).to(device)),
        )
    elif name == "MIRNet makes its kernel in each pass":
        from restorecli.networks import mirnet

        real: Callable[..., Tensor] = mirnet.blur_pool
        line = torch.tensor(mirnet.BLUR)
        monkeypatch.setattr(
            mirnet, "blur_pool", lambda x, blur: real(x, torch.outer(line, line).to(x.device))
        )
    else:
        from restorecli.networks.grl import whole

        monkeypatch.setattr(whole, "ALIGNED", 1)


@pytest.mark.parametrize(
    ("mutant", "name"),
    [
        ("NLSN copies its projection in each pass", "nlsn-light-x4"),
        ("MIRNet makes its kernel in each pass", "mirnet-light-denoise"),
        ("GRL's heads are not filled up", "grl-light-demosaic"),
    ],
)
def test_what_was_mended_would_be_noticed(mutant: str, name: str, monkeypatch: pytest.MonkeyPatch):
    spoilt(mutant, monkeypatch)
    network = light(name)
    with FakeGpu() as gpu, torch.inference_mode():
        placed = replica(network, torch.device("cuda", 0), "fp16")
        x = (photo_like(network.in_channels, CASES[name][0]) * network.value_range).to("cuda:0")
        placed(x)
        gpu.record.clear()
        placed(x)
        assert gpu.syncs or [taken for taken in gpu.record.attention if taken.startswith("math")]
