"""A make-believe accelerator, so that the branches for GPUs run with real numbers where there is none.

    with FakeGpu(devices=2, capacity=8 << 30) as gpu:
        prepared = prepare(network, RunSettings(device="cuda:1", precision="fp16"))
        run(prepared, image)
    gpu.syncs, gpu.kernels, gpu.races, gpu.peak[1] ...

`tensors` are subclasses that say they lie on a device and compute on the host; `operators` checks, counts and
computes what is done with them; `copies` makes copies between pinned memory and the device late, so that a
missing wait shows; `attention` knows which fused kernel CUDA would take; `graphs` records and replays; `gpu`
puts it all in the place of ``torch.cuda``, ``torch.xpu`` or ``torch.mps``.

It works with every build of torch but older ones with CUDA (`POSSIBLE`). What only a CUDA build shows
(torch's own C++ that asks whether a tensor is on CUDA, autocast's rules for CUDA) is shown there, since the
subclasses are CUDA tensors to it. What no build shows without a GPU: the kernels' own rounding, failures of
cuDNN, fragmentation of memory, and speed.
"""

from benchmarks.fake_gpu.gpu import FakeGpu
from benchmarks.fake_gpu.record import Kernel
from benchmarks.fake_gpu.stand_in import POSSIBLE

__all__ = ["POSSIBLE", "FakeGpu", "Kernel"]
