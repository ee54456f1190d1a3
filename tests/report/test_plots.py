"""Plots are drawn as what their names say, and refused before anything is measured."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from restorecli.errors import UsageError, WriteError
from restorecli.report.plots import Axes, Series, check_plot, draw

LINES = [
    Series("first", [1, 10, 100], [0.1, 0.2, 0.9], marked=1),
    Series("second", [1, 10, 100], [0.3, 0.3, 0.3], joined=False),
]
AXES = Axes("a title", "pixels", "seconds", log_x=True, log_y=True, ticks=[(1, "one"), (100, "all of it")])


def test_an_svg_holds_titles_names_and_ticks(tmp_path: Path) -> None:
    draw(tmp_path / "a.svg", LINES, AXES)
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for word in ("a title", "pixels", "seconds", "first", "second", "all of it"):
        assert f"<!-- {word} -->" in text


def test_a_png_is_a_picture_with_something_on_it(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", LINES, AXES)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(2**24) or []) > 20


def test_unknown_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="picture format"):
        check_plot(tmp_path / "a.xyz")


def test_a_missing_matplotlib_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError) as caught:
        draw(tmp_path / "a.png", LINES, AXES)
    assert "restorecli[plot]" in caught.value.hint


def test_a_folder_that_is_not_there_is_a_write_error(tmp_path: Path) -> None:
    with pytest.raises(WriteError):
        draw(tmp_path / "no" / "a.png", LINES, AXES)


def test_a_method_without_a_time_is_a_level_and_does_not_stretch_the_axis(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda self, path, dpi: drawn.append(self))
        series = [Series("bicubic", [], [28.3]), Series("a", [4.0], [30.5]), Series("b", [160.0], [31.6])]
        draw(tmp_path / "a.png", series, Axes("t", "s", "dB", log_x=True))
    (plot,) = drawn[0].axes
    left, right = plot.get_xlim()
    assert 1 < left < 4 and 160 < right < 1000
    assert {text.get_text() for text in plot.get_legend().get_texts()} == {"bicubic", "a", "b"}
