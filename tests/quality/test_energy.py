"""Energy from counters that a test writes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from restorecli.quality import energy
from restorecli.quality.energy import EnergyMeter

CPU = torch.device("cpu")


def package(folder: Path, number: int, microjoules: int) -> Path:
    zone = folder / f"intel-rapl:{number}"
    zone.mkdir(exist_ok=True)
    (zone / "energy_uj").write_text(f"{microjoules}\n")
    (zone / "max_energy_range_uj").write_text("1000000\n")
    return zone


@pytest.fixture(autouse=True)
def any_stretch_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "LEAST_SECONDS", 0.0)


def test_packages_are_added_and_counters_that_began_again_are_understood(tmp_path: Path) -> None:
    package(tmp_path, 0, 200_000)
    package(tmp_path, 1, 900_000)
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of package 0, counted in it already
    with EnergyMeter(CPU, tmp_path) as meter:
        package(tmp_path, 0, 700_000)
        package(tmp_path, 1, 100_000)
    assert meter.joules == pytest.approx(0.5 + 0.2)
    assert meter.source == "RAPL"


@pytest.mark.parametrize("broken", ["missing", "unreadable"])
def test_a_machine_that_does_not_tell_gives_none(broken: str, tmp_path: Path) -> None:
    if broken == "unreadable":
        zone = package(tmp_path, 0, 1)
        (zone / "energy_uj").write_text("")
    with EnergyMeter(CPU, tmp_path) as meter:
        pass
    assert meter.joules is None


def test_a_stretch_too_short_for_the_sensor_gives_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "LEAST_SECONDS", 60.0)
    package(tmp_path, 0, 1)
    with EnergyMeter(CPU, tmp_path) as meter:
        package(tmp_path, 0, 5)
    assert meter.joules is None


class NvmlError(Exception):
    """What NVML raises."""


def nvml(readings: list[int], *, knows: bool = True) -> SimpleNamespace:
    """A stand-in for NVML whose GPU has these readings, one after the other, in millijoules."""

    def energy(handle: object) -> int:
        if not knows:
            raise NvmlError("not supported")
        assert handle == ("uuid", b"GPU-7")
        return readings.pop(0)

    return SimpleNamespace(
        NVMLError=NvmlError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda name: ("uuid", name),
        nvmlDeviceGetHandleByIndex=lambda index: ("index", index),
        nvmlDeviceGetTotalEnergyConsumption=energy,
    )


def test_a_gpus_own_counter_is_read_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml([12_000, 52_500]))
    monkeypatch.setattr(energy, "gpu_id", lambda device: "GPU-7")
    with EnergyMeter(torch.device("cuda", 0)) as meter:
        pass
    assert (meter.joules, meter.source) == (40.5, "NVML")


def test_a_gpu_without_a_counter_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml([], knows=False))
    monkeypatch.setattr(energy, "gpu_id", lambda device: "GPU-7")
    with EnergyMeter(torch.device("cuda", 0)) as meter:
        pass
    assert meter.joules is None


def test_without_a_driver_the_real_library_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "gpu_id", lambda device: "9999")
    with EnergyMeter(torch.device("cuda", 0)) as meter:
        pass
    assert meter.joules is None
