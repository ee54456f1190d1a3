"""How much energy a device takes while something runs, where it can be read."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType

import torch

from restorecli.quality.machine import gpu_id

RAPL = Path("/sys/class/powercap")
LONGEST_START = 3.0  # seconds that nvidia-smi may take to its first reading
LEAST_SECONDS = 0.5  # sensors are read about ten times a second; a shorter stretch is not measurable


class EnergyMeter:
    """Measures between `__enter__` and `__exit__`; `joules` then has the result, or None.

    A CPU: the package counters of Intel's and AMD's RAPL, where they may be read (all of the machine's work
    counts). An NVIDIA GPU: the mean of nvidia-smi's power readings times the seconds. Others: none.

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
        self._readings: _Readings | None = None
        self._began = 0.0

    def __enter__(self) -> EnergyMeter:
        if self._device.type == "cpu":
            self._before = self._counters()
        elif self._device.type == "cuda" and not torch.version.hip:
            self._readings = _Readings.start(self._device)
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._began
        if self._readings is not None:
            watts = self._readings.since(self._began)
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


class _Readings:
    """nvidia-smi's readings of a GPU's power, each with the time it came."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program
        self._watts: list[tuple[float, float]] = []
        self._came = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @classmethod
    def start(cls, device: torch.device) -> _Readings | None:
        """Start reading and wait for the first, which takes up to a second; None where there are none."""
        program = shutil.which("nvidia-smi")
        if program is None:
            return None
        command = [program, "-i", gpu_id(device), "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
        try:
            readings = cls(
                subprocess.Popen(
                    [*command, "-lms", "100"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
            )
        except OSError:
            return None
        readings._came.wait(LONGEST_START)
        return readings

    def since(self, began: float) -> list[float]:
        """Stop, and return the watts read from ``began`` (`time.perf_counter`) on."""
        self._program.terminate()
        self._reader.join()
        self._program.wait()
        if self._program.stdout is not None:
            self._program.stdout.close()
        return [watts for at, watts in self._watts if at >= began]

    def _read(self) -> None:
        assert self._program.stdout is not None
        for line in self._program.stdout:
            with contextlib.suppress(ValueError):  # "[N/A]", or a line cut short
                self._watts.append((time.perf_counter(), float(line)))
            self._came.set()
        self._came.set()
