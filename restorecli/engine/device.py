"""Which devices there are, which were asked for, and whether this build of torch can use them."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch

from restorecli.engine.settings import DEVICE, device_names
from restorecli.errors import DeviceError

ACCELERATORS = ("cuda", "xpu", "mps")


def available_devices() -> list[torch.device]:
    """Return every device of this machine that torch sees, the CPU last."""
    found = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    found += [torch.device("xpu", index) for index in range(torch.xpu.device_count())]
    if torch.backends.mps.is_available():
        found.append(torch.device("mps"))
    return [*found, torch.device("cpu")]


def parse_devices(spec: str) -> tuple[list[torch.device], list[str]]:
    """Turn ``--device`` into devices.

    Args:
        spec: "auto" (the best one), "all" (every accelerator, else the CPU), "cpu", "cuda", "mps", "xpu", a
            numbered one ("cuda:1"), or several with commas.

    Returns:
        The devices, and warnings to show.

    Raises:
        DeviceError: one is unknown, missing, or beyond this build of torch.
    """
    names = device_names(spec)
    if names in (["auto"], ["all"]):
        usable, warnings = _usable_accelerators()
        if not usable:
            return [torch.device("cpu")], warnings
        return (usable if names == ["all"] else [max(usable, key=_rank)]), warnings
    return [_parse(name) for name in names], []


def describe(device: torch.device) -> str:
    """Return the device's name for people, such as "NVIDIA H200"."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type == "xpu":
        return str(torch.xpu.get_device_name(device))
    if device.type == "mps":
        return f"Apple GPU ({platform.machine()})"
    return _cpu_name()


def unusable_reason(device: torch.device) -> str | None:
    """Return why this build of torch cannot run on ``device``, or None where it can."""
    if device.type != "cuda" or torch.version.hip:
        return None
    major, minor = torch.cuda.get_device_capability(device)
    if capability_supported((major, minor), torch.cuda.get_arch_list()):
        return None
    return (
        f"{describe(device)} has compute capability {major}.{minor}, "
        f"and this build of torch is made for {', '.join(torch.cuda.get_arch_list()) or 'no GPU'}"
    )


def capability_supported(capability: tuple[int, int], architectures: list[str]) -> bool:
    """Tell whether code for ``architectures`` ("sm_80", "compute_90", …) runs on a GPU of ``capability``.

    Binary code (sm) runs on the same major version and an equal or later minor one; portable code (compute)
    on anything not older. A letter at the end (sm_90a) ties code to that very capability.
    """
    for architecture in architectures:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", architecture)
        if match is None:
            continue
        kind, built, letter = match[1], (int(match[2]), int(match[3])), match[4]
        if built == capability:
            return True
        if letter:
            continue
        if kind == "compute" and capability >= built:
            return True
        if kind == "sm" and capability[0] == built[0] and capability >= built:
            return True
    return False


def _usable_accelerators() -> tuple[list[torch.device], list[str]]:
    usable, warnings = [], []
    for device in available_devices()[:-1]:
        reason = unusable_reason(device)
        if reason is None:
            usable.append(device)
        else:
            warnings.append(f"{device} is not used: {reason}")
    kinds = [kind for kind in ACCELERATORS if any(device.type == kind for device in usable)]
    return [device for device in usable if device.type == kinds[0]], warnings


def _rank(device: torch.device) -> tuple[int, ...]:
    if device.type != "cuda":
        return (0,)
    properties = torch.cuda.get_device_properties(device)
    return (properties.major, properties.minor, properties.total_memory, -(device.index or 0))


def _parse(name: str) -> torch.device:
    known = available_devices()
    there = ", ".join(str(device) for device in known)
    match = DEVICE.fullmatch(name)
    assert match is not None  # by `device_names`
    kind, index = match[1], match[2]
    wanted = torch.device(kind) if kind in ("cpu", "mps") else torch.device(kind, int(index or 0))
    if wanted not in known or (kind in ("cpu", "mps") and int(index or 0) > 0):
        raise DeviceError(f"there is no device {name}", f"there is {there}")
    reason = unusable_reason(wanted)
    if reason is not None:
        raise DeviceError(
            f"{name} cannot be used: {reason}", "install a build of torch for it, or use --device cpu"
        )
    return wanted


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine() or "CPU"
