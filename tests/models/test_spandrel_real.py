"""Foreign networks through spandrel itself, where it is installed; seeded weights in the authors' layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from restorecli.models.load import load
from restorecli.models.resolve import ModelRequest, resolve

pytestmark = pytest.mark.filterwarnings("ignore")  # of code that is not ours


@pytest.fixture
def architectures() -> Any:
    """The module of spandrel's architectures; the test is skipped where it is not installed."""
    try:
        from spandrel import architectures
        from spandrel.architectures import FBCNN, DRUNet, NAFNet, SCUNet, SwinIR  # noqa: F401
    except (ImportError, RuntimeError, OSError):
        pytest.skip("spandrel is not installed")
    return architectures


def seeded(network: nn.Module) -> nn.Module:
    """Give every matrix of a network values that keep signals alive, the same at each run."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                spread = 0.6 / parameter[0].numel() ** 0.5
                parameter.copy_(spread * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def loaded(network: nn.Module, file: Path, *, wrapper: str = "") -> Any:
    """Store a network as its authors would, and load it as `--weights` does."""
    state = network.state_dict()
    torch.save({wrapper: state} if wrapper else state, file)
    return load(resolve(ModelRequest("denoise", weights=file)))


def photo(height: int, width: int, count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_drunet_is_told_the_noise_level(architectures: Any, tmp_path: Path) -> None:
    drunet = seeded(architectures.DRUNet.DRUNet(in_nc=4, out_nc=3, nc=[8, 8, 8, 8], nb=2))
    network = loaded(drunet, tmp_path / "drunet_color.pth")
    assert network.extra_input == "noise map" and network.in_channels == 4
    image = photo(16, 24)
    outputs = []
    for sigma in (15.0, 40.0):
        given = torch.cat([image, torch.full((1, 1, 16, 24), sigma / 255)], dim=1)
        with torch.no_grad():
            outputs.append(network(given))
            assert torch.allclose(outputs[-1], drunet(given).clamp(0, 1), atol=1e-6)
    assert not torch.allclose(outputs[0], outputs[1], atol=1e-3)


def test_fbcnn_is_told_the_quality_of_each_photo(architectures: Any, tmp_path: Path) -> None:
    fbcnn = seeded(architectures.FBCNN.FBCNN(in_nc=3, out_nc=3, nc=[8, 8, 8, 512], nb=2))
    network = loaded(fbcnn, tmp_path / "fbcnn_color.pth")
    assert network.extra_input == "quality map" and network.in_channels == 4
    images, qualities = photo(11, 17, 2), (10.0, 80.0)
    maps = torch.tensor([1 - quality / 100 for quality in qualities]).view(2, 1, 1, 1).expand(2, 1, 11, 17)
    with torch.no_grad():
        outputs = network(torch.cat([images, maps], dim=1))
        for image, quality, output in zip(images, qualities, outputs, strict=True):
            expected = fbcnn(image[None], torch.tensor([[1 - quality / 100]]))[0]
            assert torch.allclose(output, expected[0].clamp(0, 1), atol=1e-6)


@pytest.mark.parametrize("size", [(5, 3), (40, 41), (64, 72)])
def test_scunet_takes_any_size_and_asks_for_whole_photos(
    architectures: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    scunet = seeded(architectures.SCUNet.SCUNet(in_nc=3, config=[1] * 7, dim=64))
    network = loaded(scunet, tmp_path / "scunet.pth")
    with torch.no_grad():
        assert network(photo(*size, 2)).shape == (2, 3, *size)
    assert network.prefers_whole and network.tiling == "discouraged" and network.extra_input == ""


def test_swinir_enlarges_by_its_own_scale_and_is_not_for_float16(architectures: Any, tmp_path: Path) -> None:
    swinir = architectures.SwinIR.SwinIR(
        upscale=2, img_size=16, window_size=8, depths=[2], embed_dim=12, num_heads=[2], mlp_ratio=2,
        upsampler="pixelshuffledirect",
    )  # fmt: skip
    network = loaded(seeded(swinir), tmp_path / "swinir.pth", wrapper="params")
    assert (network.scale, network.supports_half, network.supports_bfloat16) == (2, False, True)
    with torch.no_grad():
        assert network(photo(19, 21)).shape == (1, 3, 38, 42)


def test_nafnet_in_its_authors_wrapping_is_the_network_itself(architectures: Any, tmp_path: Path) -> None:
    nafnet = architectures.NAFNet.NAFNet(
        img_channel=3, width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]
    )
    network = loaded(seeded(nafnet), tmp_path / "NAFNet.pth", wrapper="params")
    image = photo(16, 20)
    with torch.no_grad():
        assert torch.allclose(network(image), nafnet(image).clamp(0, 1), atol=1e-6)
