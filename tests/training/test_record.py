from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from restorecli.errors import UsageError
from restorecli.models.cache import sha256_of
from restorecli.models.convert import native_metadata, save_native
from restorecli.networks import layout
from restorecli.training.record import record


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    file = tmp_path / "tiny.safetensors"
    settings = {"features": 8, "blocks": 1, "chunk_size": 16, "hashes": 1, "blocks_per_attention": 1}
    save_native(layout("nlsn").make(**settings, scale=2), file, name="nlsn", extra={"steps": "5"})
    return file


def table(folder: Path, digest: str) -> Path:
    same = {"set": "Set5", "protocol": "upscale-x2"}
    rows = [
        {**same, "digest": "", "psnr": 33.67, "ssim": 0.93, "gain_over_input": 0.0},
        {**same, "digest": digest, "psnr": 37.123456, "ssim": 0.95, "gain_over_input": 3.45678},
    ]
    file = folder / "bench.json"
    file.write_text(json.dumps({"means": rows}), encoding="utf-8")
    return file


def test_what_was_measured_with_the_file_is_written_into_it(weights: Path, tmp_path: Path) -> None:
    before = load_file(weights)
    digest = record(weights, [table(tmp_path, sha256_of(weights))])
    assert digest == sha256_of(weights)
    native = native_metadata(weights)
    assert native is not None and native[0] == "nlsn" and native[2]["steps"] == "5"
    assert json.loads(native[2]["results"]) == [
        {"set": "Set5", "protocol": "upscale-x2", "psnr": 37.123, "ssim": 0.95, "gain": 3.457}
    ]
    assert len(json.loads(native[2]["parity"])["values"]) == 3 * 4 * 4
    after = load_file(weights)
    assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)


def test_numbers_of_another_file_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="measured with these weights"):
        record(weights, [table(tmp_path, "0" * 64)])


def test_a_file_that_is_no_table_is_refused(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError, match="restore bench"):
        record(weights, [tmp_path / "x.json"])
