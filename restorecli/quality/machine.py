"""What a measurement was made on: device, driver, torch, threads, clocks."""

from __future__ import annotations

import platform
import shutil
import subprocess
from typing import Any

import psutil
import torch

from restorecli import __version__
from restorecli.engine.device import describe
from restorecli.engine.memory import total_memory
from restorecli.host import total_bytes, usable_cores


def machine(device: torch.device) -> dict[str, Any]:
    """Return facts about ``device`` and what drives it; what cannot be found out is left out.

    Sizes are in bytes, clocks in MHz as they are at the moment of the call.
    """
    facts: dict[str, Any] = {
        "device": str(device),
        "device_name": describe(device),
        "device_memory": total_memory(device),
        "host": f"{platform.system()} {platform.machine()}",
        "host_memory": total_bytes(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "restore": __version__,
    }
    if device.type == "cuda":
        facts.update(_gpu_facts(device))
    elif device.type == "cpu":
        facts["capability"] = torch.backends.cpu.get_cpu_capability()
        facts.update(_cpu_clock())
    return facts


def header(facts: dict[str, Any]) -> str:
    """Return ``machine``'s facts in one line for people."""
    words = [facts["device_name"]]
    if facts["device"] == "cpu":
        words.append(f"{facts['threads']} threads on {facts['cores']} cores")
    words.append(f"{facts['device_memory'] / 2**30:.0f} GiB")
    if facts.get("clock_mhz"):
        of = f" of {facts['clock_most_mhz']:.0f}" if facts.get("clock_most_mhz") else ""
        words.append(f"{facts['clock_mhz']:.0f}{of} MHz")
    if facts.get("driver"):
        words.append(f"driver {facts['driver']}")
    words.append(f"torch {facts['torch']}")
    if facts.get("runtime"):
        words.append(facts["runtime"])
    return ", ".join(words)


def _cpu_clock() -> dict[str, float]:
    try:
        clock = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):  # not available everywhere
        return {}
    if clock is None or not clock.current:
        return {}
    return {"clock_mhz": clock.current, **({"clock_most_mhz": clock.max} if clock.max else {})}


def _gpu_facts(device: torch.device) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(device)
    facts: dict[str, Any] = {
        "capability": f"{properties.major}.{properties.minor}",
        "runtime": f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}",
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
    }
    answers = ask_nvidia_smi(device, "driver_version", "clocks.sm", "clocks.max.sm", "power.limit")
    for name, value in zip(
        ("driver", "clock_mhz", "clock_most_mhz", "power_limit_watts"), answers, strict=False
    ):
        number = name != "driver"
        if value and (not number or _is_number(value)):
            facts[name] = float(value) if number else value
    return facts


def ask_nvidia_smi(device: torch.device, *fields: str) -> list[str]:
    """Return the values of ``fields`` of `nvidia-smi --query-gpu`; empty where it is not there or fails."""
    program = shutil.which("nvidia-smi")
    if program is None or torch.version.hip:
        return []
    command = [
        program,
        "-i",
        gpu_id(device),
        f"--query-gpu={','.join(fields)}",
        "--format=csv,noheader,nounits",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return []
    return [word.strip() for word in done.stdout.strip().split(",")]


def gpu_id(device: torch.device) -> str:
    """Return what NVIDIA's tools call ``device``; torch's numbers follow CUDA_VISIBLE_DEVICES."""
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    return f"GPU-{uuid}" if uuid is not None else str(device.index or 0)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
