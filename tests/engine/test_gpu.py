import pytest
import torch

from restorecli.engine.precision import photo_like, psnr
from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.selftest import self_test
from restorecli.engine.settings import RunSettings
from tests.engine.samples import Convs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.mark.parametrize(
    ("precision", "least"), [("fp32", 100.0), ("fp16", 55.0), ("bf16", 45.0), ("auto", 55.0)]
)
def test_a_gpu_gives_what_the_cpu_gives(precision: str, least: float):
    network, image = Convs(width=32).requires_grad_(False), photo_like(3, 300)
    expected = run(prepare(network, RunSettings(device="cpu", precision="fp32", tile=0)), image).output
    settings = RunSettings(device="cuda", precision=precision, tile=96, overlap=16)
    prepared = prepare(network, settings)
    result = run(prepared, image)
    assert psnr(result.output, expected) > least
    assert torch.equal(run(prepared, image).output, result.output)


def test_automatic_tiles_keep_within_the_gpus_memory():
    prepared = prepare(Convs(width=64), RunSettings(device="cuda"))
    assert prepared.curve is not None and prepared.curve.per_pixel > 0
    torch.cuda.reset_peak_memory_stats()
    run(prepared, torch.rand(1, 3, 1500, 1500))
    assert torch.cuda.max_memory_allocated() < torch.cuda.get_device_properties(0).total_memory


def test_every_precision_passes_the_self_test():
    assert all(row.ok for row in self_test(torch.device("cuda", 0)) if row.precision != "bf16")
