"""What a worker does, without a cluster around it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restorecli.cluster.worker import Fixed, Order, Sent, Worker, kept
from restorecli.commands.description import RunDescription
from restorecli.commands.options import SharedOptions
from restorecli.commands.ready import make_ready
from restorecli.commands.upscale import UpscaleOptions
from restorecli.engine.memory import SHARE_OF_GPU
from restorecli.errors import UsageError
from restorecli.loading import Facts
from restorecli.models import cache
from restorecli.photos.inputs import find_inputs
from restorecli.photos.naming import plan_names
from restorecli.report.events import FileDone, FileFailed

DESCRIPTION = RunDescription.of(UpscaleOptions(scale=2), SharedOptions(tile="64", device="cpu"))


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> Order:
    monkeypatch.setenv(SHARE_OF_GPU, "1")  # what the worker sets is set back
    ready = make_ready(DESCRIPTION, load=False)
    return Order(DESCRIPTION, [Sent(key, found) for key, found in ready.models.found.items()], {})


def test_a_chunk_gives_the_bytes_and_records_of_a_run_on_one_machine(restore, order: Order, tmp_path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"cut short")
    worker = Worker(order)
    about = worker.about()
    ready = replace(make_ready(DESCRIPTION, load=False), given=tuple(about.facts.values()))
    plan = plan_names(
        find_inputs([str(tmp_path / "in")]), output=str(tmp_path / "out"), task_suffix="upscale-x2"
    )
    events, error = worker.run(1, plan.photos, Fixed(about.facts, ready.settings))
    assert error is None and worker.since(1, 0) == []
    assert len([event for event in events if isinstance(event, FileDone)]) == 3
    assert [event.code for event in events if isinstance(event, FileFailed)] == ["unreadable"]
    run = ("upscale", "-x2", "--tile", "64", "--device", "cpu", tmp_path / "in", "-o")
    restore(*run, tmp_path / "alone")
    for path in sorted((tmp_path / "alone").glob("*.png")):
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()
    again = restore(*run, tmp_path / "out", "--json")
    assert again.out.count("already done with the same settings") == 3


def test_a_worker_runs_networks_as_the_first_one_does(order: Order) -> None:
    worker = Worker(order)
    (name,) = worker.about().facts
    facts = {name: Facts(32, 8, "fp32")}
    worker.run(1, [], Fixed(facts, {}))
    assert worker.about().facts == facts


def test_weights_that_were_sent_are_kept_by_their_digest(order: Order, tmp_path: Path) -> None:
    (sent,) = order.weights
    content = b"weights"
    digest = hashlib.sha256(content).hexdigest()
    theirs = replace(sent.resolved, path=Path("/of/the/driver/own.safetensors"))
    fetched: list[bytes] = []

    def fetch(data: bytes) -> bytes:
        fetched.append(data)
        return data

    for _ in range(2):
        here = kept(Sent("own", theirs, digest, content), fetch)
        assert here.path == cache.root() / "sent" / digest / "own.safetensors"
        assert here.path.read_bytes() == content
    assert fetched == [content]
    assert kept(sent, fetch).path == sent.resolved.path  # those of the package are on every machine


def test_a_folder_that_a_machine_does_not_have_is_named(order: Order) -> None:
    with pytest.raises(UsageError, match="/no/such/folder is not there"):
        Worker(replace(order, folder="/no/such/folder"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-", "--cluster", "auto", "-o", "out.png"), "do not go together"),
        (("--workers", "2"), "--workers does nothing without --cluster"),
        (("--gpus-per-worker", "0.5"), "--gpus-per-worker does nothing without --cluster"),
        (("--cluster", "auto", "--workers", "0"), "nobody would restore anything"),
        (("--cluster", "auto", "--gpus-per-worker", "x"), "neither auto nor a number"),
        (("-o", "memory://out", "--cluster", "auto"), "no worker of a cluster sees it"),
        (("-o", "memory://out", "--keep-dates"), "an object's time is when it was put"),
    ],
)
def test_options_that_mean_nothing_are_refused(restore, tmp_path: Path, arguments, said: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    inputs = () if "-" in arguments else (tmp_path / "a.png",)
    done = restore("upscale", "-x2", *inputs, *arguments)
    assert done.code == 2 and said in done.err
