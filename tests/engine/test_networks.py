"""The engine with the five networks themselves, small and with seeded weights."""

import pytest
import torch

from restorecli.engine.precision import photo_like, psnr, replica
from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.networks import NETWORKS, from_checkpoint
from restorecli.networks.network import Network
from tests.networks.seeded import SMALL, load_fixture

CPU = torch.device("cpu")


@pytest.fixture(params=sorted(NETWORKS))
def network(request: pytest.FixtureRequest) -> Network:
    found = sorted(SMALL.glob(f"{request.param}-*.json"))
    if not found:
        pytest.skip(f"no small fixture of {request.param}")
    parity = load_fixture(found[0])
    return from_checkpoint(parity.config["arch"], parity.state_dict, **parity.settings)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_converted_network_gives_what_the_network_gives(network: Network, precision: str):
    image = photo_like(network.in_channels, 48) * network.value_range
    with torch.inference_mode():
        expected = network(image) / network.value_range
        result = replica(network, CPU, precision)(image) / network.value_range
    assert psnr(result.float(), expected) > {"fp32": 90, "fp16": 50, "bf16": 35}[precision]


def test_a_picture_is_restored_in_tiles(network: Network):
    image = photo_like(network.in_channels, 80)[..., :53]
    whole = run(prepare(network, RunSettings(device="cpu", precision="fp32", tile=128)), image).output
    tiled = run(prepare(network, RunSettings(device="cpu", precision="fp32", tile=64, overlap=32)), image)
    scale = network.scale
    assert tiled.tiles == 2 and tiled.output.shape == (1, network.out_channels, 80 * scale, 53 * scale)
    assert bool(tiled.output.isfinite().all())
    assert psnr(tiled.output, whole) > 20  # attention sees another neighbourhood
