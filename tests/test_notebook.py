"""The notebook runs, and gives what it shows."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.documents.notebook import NOTEBOOK, run_cells, texts


def test_every_cell_gives_what_the_notebook_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(NOTEBOOK.parent)
    for number, (cell, outputs) in enumerate(run_cells(json.loads(NOTEBOOK.read_text("utf-8"))), 1):
        assert cell["execution_count"] == number
        assert texts(outputs) == texts(cell["outputs"])  # else: python -m benchmarks.documents.notebook
        for now, shown in zip(outputs, cell["outputs"], strict=True):
            if "image/png" in now.get("data", {}):
                # Half precision differs a little from processor to processor.
                difference = np.abs(pixels(now) - pixels(shown))
                assert difference.mean() < 1


def pixels(output: dict[str, dict[str, str]]) -> np.ndarray:
    data = base64.b64decode(output["data"]["image/png"])
    return np.asarray(Image.open(io.BytesIO(data))).astype(float)


def test_the_notebook_is_small_and_names_no_other_place() -> None:
    assert NOTEBOOK.stat().st_size < 600_000
    assert "http" not in NOTEBOOK.read_text("utf-8") and str(Path.home()) not in NOTEBOOK.read_text("utf-8")
