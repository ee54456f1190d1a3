"""Half precision: converting a network, and choosing what is both fast and right on a device.

A network in half precision has its weights converted, not its calls autocast: on the CPU autocast converts
the weights again at each call. Layers with weights cast their input, and the image itself stays float32, so
that what a network adds to its input or to its last layer's output (a global skip, a mean) is added in
float32.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from restorecli.engine.cache import recall, remember
from restorecli.engine.device import describe
from restorecli.engine.facts import Facts, read_facts
from restorecli.engine.faults import device_lost, is_device_lost
from restorecli.errors import DeviceError, first_line

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
HALF = ("fp16", "bf16")

RIGHT_PSNR = 55.0  # dB against float32: then a picture restored to 36 dB loses about 0.05 dB
WORTHWHILE = 1.15  # a gain below this is within what timing on a busy machine gets wrong
SECONDS_PER_PROBE = 0.5


@dataclass(frozen=True)
class Choice:
    """A precision, and why."""

    precision: str
    reason: str
    warnings: tuple[str, ...] = ()


def replica(network: nn.Module, device: torch.device, precision: str) -> Callable[[Tensor], Tensor]:
    """Return a copy of ``network`` on ``device`` that takes B×C×H×W float32 and computes in ``precision``.

    Where the network's own code mixes types, so that its converted copy fails, the copy runs in autocast.
    """
    facts = read_facts(network)
    placed = _placed(copy.deepcopy(network), facts, device, precision)
    if precision == "fp32":
        return placed
    dtype = DTYPES[precision]
    converted = convert(placed, dtype, facts.half_unsafe)
    side = max(16, facts.side_multiple)
    try:
        with torch.inference_mode():
            converted(torch.zeros(1, facts.in_channels, side, side, device=device))
    except (RuntimeError, TypeError) as error:  # TypeError: MPS has no bf16 before macOS 14
        if isinstance(error, TypeError) or ("dtype" not in str(error) and "type" not in str(error)):
            raise
        return _Autocast(_placed(copy.deepcopy(network), facts, device, precision), device, dtype)
    return converted


def convert(network: nn.Module, dtype: torch.dtype, exact: tuple[str, ...] = ()) -> nn.Module:
    """Convert ``network`` in place to ``dtype``, except the submodules named in ``exact``.

    An exact submodule keeps float32 weights and buffers, gets float32 inputs and gives back ``dtype``.
    """
    for name, module in network.named_modules():
        if _within(name, exact):
            if name in exact:
                module.register_forward_pre_hook(_to_float32, with_kwargs=True)
                module.register_forward_hook(_giving(dtype))
        else:
            _convert_own(module, dtype)
        weight = getattr(module, "weight", None)
        if not list(module.children()) and isinstance(weight, Tensor) and weight.is_floating_point():
            module.register_forward_pre_hook(_to_weight_type)
    return network


def choose(network: nn.Module, device: torch.device, asked: str) -> Choice:
    """Decide the precision to run ``network`` in on ``device``; what is measured is kept for the next run.

    Raises:
        DeviceError: fp16 was asked for on a CPU that cannot compute in it.
    """
    if asked == "fp16" and device.type == "cpu" and not _cpu_computes("fp16"):
        raise DeviceError(
            "fp16 needs half-precision arithmetic, which this CPU does not have",
            "use --precision bf16 or fp32 (auto measures which is faster)",
        )
    facts = read_facts(network)
    if asked in HALF and asked not in facts.half_right:
        warning = f"the network is not made for {asked}: fp32 is used"
        return Choice("fp32", f"the network is not made for {asked}", (warning,))
    if asked == "bf16" and device.type == "cpu" and not _cpu_computes("bf16"):
        return Choice("bf16", "asked for", ("this CPU only imitates bf16: fp32 is likely to be faster",))
    if asked != "auto":
        return Choice(asked, "asked for")
    if not candidates(device):
        return Choice("fp32", f"{device.type} has no faster precision here")
    known = recall(_choice_key(facts, device))
    if known is None or known.get("precision") not in list(DTYPES):  # in a list even what has no hash
        choice = _measure(network, device)
        remember_choice(facts, device, choice)
        return choice
    return Choice(known["precision"], str(known.get("reason", "measured before")))


def remember_choice(facts: Facts, device: torch.device, choice: Choice) -> None:
    """Keep ``choice`` for later runs with ``--precision auto``."""
    remember(_choice_key(facts, device), {"precision": choice.precision, "reason": choice.reason})


def candidates(device: torch.device) -> tuple[str, ...]:
    """Return the half precisions worth trying on ``device``, the preferred one first."""
    if device.type == "cpu":
        return ("bf16",) if _cpu_computes("bf16") else ()
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return () if (major, minor) < (5, 3) else ("fp16", "bf16") if major >= 8 else ("fp16",)
    return ("fp16", "bf16")


def device_key(device: torch.device) -> str:
    """Return what identifies a device in caches: kind, name and (CPU) threads."""
    threads = f"/{torch.get_num_threads()}" if device.type == "cpu" else ""
    return f"{device.type}:{describe(device)}{threads}"


def photo_like(channels: int, side: int) -> Tensor:
    """Return a 1×channels×side×side float32 picture in 0–1 with a photo's falling spectrum and some edges.

    Channels after the third (maps of noise or quality) are constant.
    """
    generator = torch.Generator().manual_seed(0)
    picture = torch.zeros(1, channels, side, side)
    cells = 2
    while cells <= side:
        noise = torch.randn(1, channels, cells, cells, generator=generator)
        picture += nn.functional.interpolate(noise, size=(side, side), mode="bilinear") / cells
        cells *= 2
    picture = (picture * 0.4 + 0.5).clamp(0, 1)
    quarter = side // 4
    picture[..., quarter : 2 * quarter, quarter:] *= 0.5
    picture[:, 3:] = 0.1
    return picture


def psnr(result: Tensor, reference: Tensor) -> float:
    """Return dB between two tensors, for a peak of 1 or the reference's own range where that is larger."""
    if not bool(torch.isfinite(result).all()):
        return -math.inf
    error = float((result.double() - reference.double()).square().mean())
    peak = max(1.0, float(reference.max() - reference.min()))
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)


def probe_side(call: Callable[[Tensor], Tensor], facts: Facts, device: torch.device) -> int:
    """Return a tile side that takes about half a second or less, in 48 … 128, rounded to the multiple."""
    small = _rounded(48, facts.side_multiple)
    picture = photo_like(facts.in_channels, small) * facts.value_range
    timed(call, picture, device)
    seconds = timed(call, picture, device)
    affordable = small * math.sqrt(SECONDS_PER_PROBE / max(seconds, 1e-6))
    return _rounded(int(min(128, max(48, affordable))), facts.side_multiple)


def timed(call: Callable[[Tensor], Tensor], x: Tensor, device: torch.device) -> float:
    """Return the seconds of one call on ``x`` (host), copies included."""
    start = time.perf_counter()
    with torch.inference_mode():
        call(x.to(device)).cpu()
    return time.perf_counter() - start


def exact_arithmetic() -> None:
    """Have NVIDIA GPUs convolve float32 in float32, and the same each time.

    Else torch rounds to 10 bits (TF32), and cuDNN adds up some transposed convolutions in any order: MIRNet's
    float32 passes differed by 6e-8.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True


def _choice_key(facts: Facts, device: torch.device) -> str:
    return "|".join(["precision", facts.identity, device_key(device), torch.__version__])


def _measure(network: nn.Module, device: torch.device) -> Choice:
    facts = read_facts(network)
    exact = replica(network, device, "fp32")
    picture = photo_like(facts.in_channels, probe_side(exact, facts, device)) * facts.value_range
    with torch.inference_mode():
        reference = exact(picture.to(device)).float().cpu()
    rejected = []
    for precision in candidates(device):
        if precision not in facts.half_right:
            rejected.append(f"the network is not made for {precision}")
            continue
        try:
            half = replica(network, device, precision)
            with torch.inference_mode():
                result = half(picture.to(device)).float().cpu()
        except (RuntimeError, TypeError) as error:
            if is_device_lost(error):
                raise device_lost(device, error) from error
            rejected.append(f"{precision} fails ({first_line(error)})")
            continue
        decibels = psnr(result / facts.value_range, reference / facts.value_range)
        if decibels < RIGHT_PSNR:
            rejected.append(f"{precision} is only {decibels:.1f} dB from fp32")
            continue
        if device.type != "cpu":
            return Choice(precision, f"measured {decibels:.1f} dB from fp32")
        # In turns, so that a machine that is busy for a while slows both.
        times = [(timed(exact, picture, device), timed(half, picture, device)) for _ in range(3)]
        gain = min(pair[0] for pair in times) / min(pair[1] for pair in times)
        if gain >= WORTHWHILE:
            return Choice(precision, f"measured {gain:.1f} times as fast as fp32, {decibels:.1f} dB from it")
        rejected.append(f"{precision} is {gain:.1f} times as fast as fp32")
    return Choice("fp32", "; ".join(rejected))


def _cpu_computes(precision: str) -> bool:
    """Tell whether oneDNN, which does torch's convolutions on CPUs, takes the precision on this one."""
    with contextlib.suppress(AttributeError, RuntimeError):
        if precision == "bf16":
            return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
        return bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())
    return False


class _Autocast(nn.Module):
    def __init__(self, network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.kind = device.type
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(self.kind, self.dtype):
            result: Tensor = self.network(x)
        return result


def _placed(network: nn.Module, facts: Facts, device: torch.device, precision: str) -> nn.Module:
    network = network.eval().requires_grad_(False).to(device)
    # On GPUs channels-last pays with tensor cores, which float32 does not use; on CPUs always.
    if facts.channels_last and (device.type == "cpu" or (device.type == "cuda" and precision != "fp32")):
        for parameter in network.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def _within(name: str, exact: tuple[str, ...]) -> bool:
    return any(name == other or name.startswith(f"{other}.") for other in exact)


def _convert_own(module: nn.Module, dtype: torch.dtype) -> None:
    for parameter in module.parameters(recurse=False):
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)
    for name, buffer in list(module.named_buffers(recurse=False)):
        if buffer.is_floating_point():
            setattr(module, name, buffer.to(dtype))


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.to(dtype)
    if isinstance(value, (tuple, list)):
        return type(value)(_cast(item, dtype) for item in value)
    return value


def _to_float32(module: nn.Module, args: Any, kwargs: Any) -> Any:
    return _cast(args, torch.float32), {name: _cast(value, torch.float32) for name, value in kwargs.items()}


def _to_weight_type(module: nn.Module, args: Any) -> Any:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return _cast(args, weight.dtype)


def _giving(dtype: torch.dtype) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, args: Any, result: Any) -> Any:
        return _cast(result, dtype)

    return hook


def _rounded(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple
