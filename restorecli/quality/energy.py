"""How much energy a device takes while something runs, where it tells."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from pathlib import Path
from types import TracebackType

import torch

from restorecli.quality.machine import gpu_id

RAPL = Path("/sys/class/powercap")
LEAST_SECONDS = 0.5  # sensors are read about ten times a second; a shorter stretch says nothing


class EnergyMeter:
    """Measures between `__enter__` and `__exit__`; `joules` then tells, or is None.

    A CPU: the package counters of Intel's and AMD's RAPL, where they may be read (all of the machine's work
    counts). An NVIDIA GPU: the mean of nvidia-smi's power readings times the seconds. Others do not tell.

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
        self._readings: subprocess.Popen[str] | None = None
        self._began = 0.0

    def __enter__(self) -> EnergyMeter:
        if self._device.type == "cpu":
            self._before = self._counters()
        elif self._device.type == "cuda" and not torch.version.hip:
            self._readings = _start_readings(self._device)
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._began
        if self._readings is not None:
            watts = _end_readings(self._readings)
            if watts and seconds >= LEAST_SECONDS:
                self.joules, self.source = statistics.fmean(watts) * seconds, "nvidia-smi"
        elif self._before and seconds >= LEAST_SECONDS:
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


def _start_readings(device: torch.device) -> subprocess.Popen[str] | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "-i", gpu_id(device), "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
    try:
        return subprocess.Popen(
            [*command, "-lms", "100"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        return None


def _end_readings(readings: subprocess.Popen[str]) -> list[float]:
    readings.terminate()
    text, _ = readings.communicate()
    watts = []
    for line in text.splitlines():
        try:
            watts.append(float(line))
        except ValueError:  # "[N/A]", or a line cut short
            continue
    return watts
