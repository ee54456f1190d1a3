"""Rows in another order are the same rows, by whatever kernel."""

from __future__ import annotations

import pytest
import torch

from benchmarks.fake_gpu import POSSIBLE, FakeGpu
from restorecli.networks.byte_cache import ByteCache
from restorecli.networks.gathered import LONGEST, rows_at

ROWS = 50


@pytest.mark.skipif(not POSSIBLE, reason="this CUDA build of torch insists on a real device")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    ("width", "start", "by_words"),
    [(8, 0, True), (32, 8, True), (33, 0, False), (36, 4, None), (32, 1, False), (LONGEST, 0, False)],
)
def test_rows_are_those_that_were_asked_for(
    dtype: torch.dtype, width: int, start: int, by_words: bool | None
):
    torch.manual_seed(width)
    numbers = torch.randn(start + ROWS * width).to(dtype)
    numbers[start] = torch.nan
    places = torch.randint(0, ROWS, (3 * ROWS,))
    wanted = numbers[start:].view(ROWS, width)[places]
    cache = ByteCache(1 << 20)
    if by_words is None:
        by_words = dtype == torch.float32
    with FakeGpu() as gpu, torch.inference_mode():
        tokens = numbers.to("cuda")[start:].view(ROWS, width)
        indices = places.to("cuda")
        for _ in range(2):
            gpu.record.clear()
            found = rows_at(tokens, indices, cache)
        assert [kernel.name for kernel in gpu.kernels] == ["index" if by_words else "index_select"]
        assert found.dtype == dtype and torch.equal(found.cpu().view(torch.uint8), wanted.view(torch.uint8))


@pytest.mark.parametrize("grad", [True, False])
def test_on_a_cpu_and_in_training_it_is_index_select(grad: bool):
    tokens, places = torch.randn(ROWS, 8, requires_grad=grad), torch.randint(0, ROWS, (20,))
    with torch.set_grad_enabled(grad):
        found = rows_at(tokens, places, ByteCache(100))
    assert torch.equal(found, tokens[places]) and found.requires_grad == grad
