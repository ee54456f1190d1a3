"""How much energy a device takes while something runs, where it can be read."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

import torch

from restorecli.quality.machine import gpu_id

RAPL = Path("/sys/class/powercap")
LEAST_SECONDS = 0.5  # sensors are read about ten times a second; a shorter stretch is not measurable


class EnergyMeter:
    """Measures between `__enter__` and `__exit__`; `joules` then has the result, or None.

    A CPU: the package counters of Intel's and AMD's RAPL, where they may be read (all of the machine's work
    counts). An NVIDIA GPU from Volta on: its own counter, by NVML. Others: none.

    Args:
        device: whose energy.
        rapl: where Linux shows the counters.
    """

    def __init__(self, device: torch.device, rapl: Path = RAPL) -> None:
        self.joules: float | None = None
        self.source = ""
        self._device = device
        self._rapl = rapl
        self._before: dict[Path, int] = {}
        self._before_on_gpu: int | None = None
        self._began = 0.0

    def __enter__(self) -> EnergyMeter:
        if self._device.type == "cpu":
            self._before = self._counters()
        elif self._device.type == "cuda" and not torch.version.hip:
            self._before_on_gpu = _millijoules(self._device)
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._began
        if seconds < LEAST_SECONDS:
            return
        if self._before_on_gpu is not None:
            now = _millijoules(self._device)
            if now is not None:
                self.joules, self.source = (now - self._before_on_gpu) / 1000, "NVML"
        elif self._before:
            after = self._counters()
            spent = [_difference(self._before[zone], after[zone], zone) for zone in after]
            if len(after) == len(self._before):
                self.joules, self.source = sum(spent) / 1e6, "RAPL"

    def _counters(self) -> dict[Path, int]:
        """Return each CPU package's counter in microjoules; empty where one cannot be read."""
        try:
            return {zone: _number(zone / "energy_uj") for zone in sorted(self._rapl.glob("intel-rapl:[0-9]"))}
        except (OSError, ValueError):  # readable by root only on most systems
            return {}


def _difference(before: int, after: int, zone: Path) -> int:
    """Return how far a counter has moved; it starts again at its end."""
    return after - before if after >= before else after - before + _number(zone / "max_energy_range_uj")


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


def _millijoules(device: torch.device) -> int | None:
    """Return what a GPU has taken since its driver was loaded; None where it tells nothing (before Volta)."""
    import pynvml  # type: ignore[import-untyped]  # only here: most runs ask no GPU

    try:
        pynvml.nvmlInit()
        try:
            name = gpu_id(device)
            by_index = name.isdigit()
            find = pynvml.nvmlDeviceGetHandleByIndex if by_index else pynvml.nvmlDeviceGetHandleByUUID
            return int(
                pynvml.nvmlDeviceGetTotalEnergyConsumption(find(int(name) if by_index else name.encode()))
            )
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return None
