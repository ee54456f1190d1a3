"""Is what the device gives right, launched without a wait, and always the same?"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.gpu_check.check import CUDA, Check, light, picture, ready
from restorecli.engine.lane import Notes
from restorecli.engine.passes.graphs import Graphed
from restorecli.engine.precision import psnr
from restorecli.engine.prepare import Prepared
from restorecli.engine.run import run

LEAST = {"fp32": 90.0, "fp16": 55.0, "bf16": 45.0}
SAME = "same bytes"


def parity(check: Check) -> None:
    """Compare each network and precision with the CPU, and forbid waits while passes are launched."""

    def one(name: str) -> None:
        network = light(name)
        side = check.extent.side if not name.startswith("panet") else min(64, check.extent.side)
        image = picture(network.in_channels, side)
        exact = run(ready(network, "cpu", "fp32", side), image).output
        for precision in LEAST:
            check.attempt(
                f"{name} in {precision}", lambda p=precision: _compared(check, name, p, image, exact)
            )

    check.each(check.extent.networks, one)


def _compared(check: Check, name: str, precision: str, image: Tensor, exact: Tensor) -> None:
    prepared = ready(light(name), "cuda", precision, image.shape[-1])
    first = run(prepared, image).output
    runs = [run(prepared, image) for _ in range(2)]  # recorded, replayed
    found = runs[-1].output
    decibels = psnr(found, exact)
    warnings = [warning for result in runs for warning in result.warnings]
    check.told.row(
        network=name,
        precision=precision,
        dB_from_CPU_fp32=round(decibels, 1),
        verdict="right" if decibels >= LEAST[precision] else f"**below {LEAST[precision]:.0f}**",
        pass_is=passes_are(prepared),
        replayed_against_launched=difference(found, first),
        waits_in_a_launch=launches_wait(prepared, image),
        warnings="; ".join(warnings) or "none",
    )


def passes_are(prepared: Prepared) -> str:
    """Return "recorded", or "launched" where recording was no gain or failed."""
    fast = prepared.lanes[0]._fast.get(prepared.precision)
    return "recorded" if isinstance(fast, Graphed) and fast.shapes else "launched"


def launches_wait(prepared: Prepared, image: Tensor) -> str:
    """Launch a pass with waits forbidden; return "none" or what waited."""
    lane = prepared.lanes[0]
    torch.cuda.set_sync_debug_mode("error")
    try:
        pending = lane.launch(image, prepared.precision)
    except RuntimeError as error:
        return f"**{str(error).splitlines()[0]}**"
    finally:
        torch.cuda.set_sync_debug_mode("default")
    if pending is not None:
        pending.wait()
    return "none"


def difference(found: Tensor, wanted: Tensor) -> str:
    """Return that two results are the same, or the most they differ by, in 1/65535, and where."""
    if torch.equal(found, wanted):
        return SAME
    gap = (found - wanted).abs() * 65535
    return f"{float((gap > 0).float().mean()):.1%} differ, by {float(gap.max()):.3g}/65535 at most"


def exactness(check: Check) -> None:
    """See whether a tile's bytes depend on its neighbours in a pass, or on how many there are."""
    side = min(96, check.extent.side)

    def one(case: tuple[str, str]) -> None:
        name, precision = case
        network = light(name)
        whole = picture(network.in_channels, 4 * side)
        tiles = torch.cat([part for rows in whole.split(side, 2) for part in rows.split(side, 3)])
        prepared = ready(network, "cuda", precision, side, batch=4)
        lane = prepared.lanes[0]

        def passed(given: Tensor) -> Tensor:
            return lane.restore(given, precision, Notes()).clone()

        together, alone = passed(tiles[:4]), passed(tiles[:1])
        others = passed(torch.cat([tiles[:1], tiles[-3:]]))
        check.told.row(
            network=name,
            precision=precision,
            side=side,
            pass_repeated=difference(passed(tiles[:4]), together),
            other_neighbours=difference(others[:1], together[:1]),
            alone_against_in_four=difference(alone, together[:1]),
            picture_in_tiles_batch_1_against_4=_batches(name, precision, whole, side),
        )

    check.each([(name, p) for p in ("fp16", "fp32") for name in check.extent.networks], one)


def _batches(name: str, precision: str, whole: Tensor, side: int) -> str:
    results = [
        run(ready(light(name), str(CUDA), precision, side, batch=batch), whole).output for batch in (1, 4)
    ]
    return difference(*results)
