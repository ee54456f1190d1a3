"""Weights, run records and measurements that an earlier version left behind are still accepted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from restorecli.engine import memory, precision
from restorecli.engine.facts import read_facts
from restorecli.models.convert import native_metadata
from restorecli.networks import NETWORKS, from_native
from restorecli.networks.network import Network

BEFORE = Path(__file__).parent / "data" / "fe4287d"
MEASURED = json.loads((BEFORE / "planner.json").read_text())


def stored(name: str) -> Network:
    file = BEFORE / f"{name}.safetensors"
    known = native_metadata(file)
    assert known is not None
    network, settings, _ = known
    assert network == name
    return from_native(network, load_file(file), settings).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_load_and_give_the_same_pixels(name: str) -> None:
    outputs = np.load(BEFORE / "outputs.npz")
    network = stored(name)
    with torch.inference_mode():
        given = torch.from_numpy(outputs["input"]) * network.value_range
        output = network(given).numpy() / network.value_range
    assert np.abs(output - outputs[name]).max() < 1e-4


def again(restore: Callable[..., Any], folder: Path, *more: str) -> list[dict[str, Any]]:
    """Run the command of the record again, in a copy whose times are not those of the record."""
    weights = folder / "nlsn.safetensors"
    options = ["--tile", "32", "--tile-overlap", "8", "--precision", "fp32", "-d", "cpu", "--json"]
    done = restore(
        "upscale", "-x2", "--weights", weights, *options, folder / "photos", "-o", folder / "results", *more
    )
    return [json.loads(line) for line in done.out.splitlines()]


def test_results_in_the_run_record_are_not_made_again(restore: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(BEFORE, folder, copy_function=shutil.copyfile)
    events = again(restore, folder)
    skipped = {Path(event["output"]).name: event.get("reason") for event in events if "output" in event}
    assert skipped == dict.fromkeys(["a.png", "b.png", "c.tif"], "already done with the same settings")
    assert [event["done"] for event in events if event["event"] == "summary"] == [0]


def test_with_other_settings_they_are(restore: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(BEFORE, folder, copy_function=shutil.copyfile)
    assert [
        event["done"] for event in again(restore, folder, "--seed", "1") if event["event"] == "summary"
    ] == [3]


@pytest.fixture
def same_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Take this machine, and its torch, for those of the measurements."""
    shutil.copyfile(BEFORE / "planner.json", tmp_path / "planner.json")
    monkeypatch.setenv("RESTORE_CACHE_DIR", str(tmp_path))
    _, _, device, version = next(key for key in MEASURED if key.startswith("precision")).split("|")
    monkeypatch.setattr(torch, "__version__", version)
    monkeypatch.setattr(precision, "candidates", lambda device: ("bf16",))
    for module in (precision, memory):
        monkeypatch.setattr(module, "device_key", lambda _: device)
    return torch.device("cpu")


@pytest.mark.parametrize("name", ["nlsn", "rnan"])
def test_what_was_measured_is_not_measured_again(
    name: str, same_machine: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(precision, "_measure", never)
    monkeypatch.setattr(memory, "_peak_of", never)
    network = stored(name)
    facts = read_facts(network)
    known = {key: value for key, value in MEASURED.items() if f"|{facts.identity}|" in key}
    choice = precision.choose(network, same_machine, "auto")
    curve = memory.measure_curve(network, facts, same_machine, choice.precision)
    assert {"precision": choice.precision, "reason": choice.reason} in known.values()
    assert {"fixed": curve.fixed, "per_pixel": curve.per_pixel} in known.values()
