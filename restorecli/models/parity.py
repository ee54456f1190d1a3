"""Whether light weights give the pixels they gave when they were made: a few of them stand in the file.

A digest of the output would differ on every processor, by rounding. So a weights file holds, in its metadata,
the digest of its tensors, which must agree to the bit, and some values of what the network makes of a picture
that is computed from integers, which must agree within `TOLERANCE`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from restorecli.networks.network import Network

SIDE = 32  # pixels of the test picture
STEP = 8  # between the pixels that are kept
TOLERANCE = 2e-3  # half of one step of 8 bit; float32 on other processors differs by less than 1e-5


@dataclass(frozen=True)
class Parity:
    """What a file's metadata says under ``parity``.

    Attributes:
        tensors: see `tensors_digest`.
        values: the output for `picture`, in 0–1, at every 8th input pixel from the 4th, by channel.
    """

    tensors: str
    values: list[float]


def picture(channels: int) -> Tensor:
    """Return the test picture, 1×C×32×32 in 0–1: coarse tiles, fine texture and a ramp, from integers."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    planes = []
    for plane in range(channels):
        tiles = (rows // 7 + columns // 5 + plane) % 3 * 60
        texture = (rows * rows * 3 + columns * 7 + rows * columns * (5 + plane)) * 37 % 64
        planes.append(tiles + texture + 2 * columns)
    return torch.stack(planes)[None].float() / 255


def tensors_digest(state: Mapping[str, Tensor]) -> str:
    """Return the sha256 (hexadecimal) over names, shapes and float32 values of all tensors, by name."""
    digest = hashlib.sha256()
    for name in sorted(state):
        values = state[name].detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{name} {tuple(values.shape)}\n".encode())
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()


def parity_of(network: Network) -> Parity:
    """Run ``network`` (float32, on the CPU, in eval mode) on the test picture."""
    with torch.inference_mode():
        output = network(picture(network.in_channels) * network.value_range) / network.value_range
    step, first = STEP * network.scale, STEP * network.scale // 2
    kept = output[0, :, first::step, first::step].flatten()
    return Parity(tensors_digest(network.state_dict()), [round(float(value), 6) for value in kept])


def to_text(parity: Parity) -> str:
    """Return the JSON for a file's metadata."""
    return json.dumps(asdict(parity))


def complaint(network: Network, text: str) -> str:
    """Say in what ``network`` differs from the metadata's ``parity``; "" if in nothing."""
    wanted, found = Parity(**json.loads(text)), parity_of(network)
    if found.tensors != wanted.tensors:
        return "its tensors are not those that were trained"
    if len(found.values) != len(wanted.values):
        return f"it gives {len(found.values)} values of the test picture, not {len(wanted.values)}"
    apart = max(abs(a - b) for a, b in zip(found.values, wanted.values, strict=True))
    return "" if apart <= TOLERANCE else f"its pixels are up to {apart:.4f} from those it gave when made"
