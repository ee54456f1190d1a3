"""What happens where memory is short, and whether the engine knows beforehand how much a pass takes."""

from __future__ import annotations

import torch

from benchmarks.gpu_check.check import CUDA, Check, light, picture, ready
from benchmarks.gpu_check.expected import read
from restorecli.engine.lane import Notes
from restorecli.engine.memory import release
from restorecli.engine.precision import psnr
from restorecli.engine.prepare import prepare
from restorecli.engine.run import run
from restorecli.engine.settings import RunSettings
from restorecli.errors import OutOfMemoryError
from restorecli.networks.network import Network

MIB = 2**20
SHARES = (0.7, 0.35, 0.02)
"""Of the memory that a picture in one tile takes beside the weights; the last one is enough for nothing."""


def shortage(check: Check) -> None:
    """Leave the process less memory than a picture in one tile takes, and restore it all the same."""
    name = next(name for name in check.extent.networks if name.startswith("nlsn"))
    network, side = light(name), 4 * check.extent.side
    whole = picture(network.in_channels, side)
    plain = run(ready(network, "cuda", "fp16", side), whole).output
    release(CUDA)
    torch.cuda.reset_peak_memory_stats(CUDA)
    before = torch.cuda.memory_reserved(CUDA)
    run(ready(network, "cuda", "fp16", side), whole)
    taken = torch.cuda.max_memory_reserved(CUDA) - before
    check.told.say(f"{name}: a picture of {side}×{side} in one tile takes {taken / MIB:.1f} MiB.")
    total = torch.cuda.get_device_properties(CUDA).total_memory

    def one(share: float) -> None:
        release(CUDA)
        held = torch.cuda.memory_reserved(CUDA)
        prepared = ready(network, "cuda", "fp16", side)
        torch.cuda.set_per_process_memory_fraction(min(1.0, (held + share * taken) / total))
        try:
            results = [run(prepared, whole) for _ in range(3)]
            told = "; ".join(results[0].warnings) or "it fitted"
            decibels = round(psnr(results[-1].output, plain), 1)
        except OutOfMemoryError as error:
            told, decibels = f"refused: {error}", None
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        check.told.row(MiB_left=share * taken / MIB, dB_from_one_tile=decibels, told=told)

    check.each(SHARES, one)
    check.attempt("a picture after that", lambda: _as_before(check, network, side, plain))


def _as_before(check: Check, network: Network, side: int, plain: torch.Tensor) -> None:
    """See that what ran out of memory left nothing behind."""
    release(CUDA)
    found = run(ready(network, "cuda", "fp16", side), picture(network.in_channels, side)).output
    same = (
        "the same bytes as before"
        if torch.equal(found, plain)
        else f"{psnr(found, plain):.1f} dB from before"
    )
    check.told.say(f"With all memory again: {same}.")


def predicted(check: Check) -> None:
    """Put the memory that the engine reckons with beside what torch says a pass took."""
    known = read()

    def one(name: str) -> None:
        network = light(name)
        prepared = prepare(network, RunSettings(device="cuda", precision="fp16", tile=check.extent.tile))
        lane, curve = prepared.lanes[0], prepared.curve
        side = prepared.tile or 2 * check.extent.side
        tiles = picture(network.in_channels, side).expand(prepared.batch, -1, -1, -1).contiguous()
        release(CUDA)
        before = torch.cuda.memory_allocated(CUDA)
        peaks = []
        for _ in range(3):  # launched, recorded, replayed
            torch.cuda.reset_peak_memory_stats(CUDA)
            lane.restore(tiles, "fp16", Notes())
            peaks.append((torch.cuda.max_memory_allocated(CUDA) - before) / MIB)
        pixels = prepared.batch * side**2
        reckoned = None if curve is None else curve.peak(pixels) / MIB
        held = known[name]
        check.told.row(
            network=name,
            tile=side,
            batch=prepared.batch,
            reckoned_MiB=reckoned,
            launched_MiB=peaks[0],
            reckoned_by_launched=None if reckoned is None else reckoned / peaks[0],
            recording_MiB=peaks[1],
            replayed_MiB=peaks[2],
            reserved_MiB=torch.cuda.memory_reserved(CUDA) / MIB,
            make_believe_bytes_a_pixel=held.held / held.batch / held.side**2,
            launched_bytes_a_pixel=peaks[0] * MIB / pixels,
        )

    check.each(check.extent.networks, one)
