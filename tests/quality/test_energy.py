"""Energy from counters that a test writes."""

from __future__ import annotations

import sys
import time
from pathlib import Path

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


def test_a_gpus_mean_power_is_of_the_stretch_and_not_of_what_was_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nvidia-smi takes a while to its first reading; then this one says 10 W until told that work began."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, time\n"
        "time.sleep(0.3)\n"
        "while True:\n"
        f"    print(100 if os.path.exists({str(tmp_path / 'busy')!r}) else 10, flush=True)\n"
        "    time.sleep(0.02)\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(energy.shutil, "which", lambda name: str(program))
    monkeypatch.setattr(energy, "gpu_id", lambda device: "0")
    with EnergyMeter(torch.device("cuda", 0)) as meter:
        (tmp_path / "busy").touch()
        time.sleep(0.4)
    assert meter.joules is not None and meter.source == "nvidia-smi"
    assert 100 * 0.4 * 0.7 < meter.joules < 100 * 0.4 * 3
