"""Paths held apart, and places resolved once."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorecli.photos.inputs import Found
from restorecli.photos.paths import Survey, folder_text, joined
from restorecli.photos.planned import PlannedPhoto
from restorecli.photos.stores.path import AnyPath, StorePath

PARTS = st.text("ab.é ", min_size=1, max_size=4).filter(lambda text: text not in (".", ".."))


@given(st.lists(PARTS, max_size=4), st.booleans())
def test_a_path_that_was_taken_apart_is_the_path(parts: list[str], absolute: bool) -> None:
    path = Path("/" if absolute else "", *parts)
    found = Found(path, Path())
    assert found.path == path
    assert str(found.path) == str(path)
    assert found == Found(path, Path()) and hash(found) == hash(Found(path, Path()))


@pytest.mark.parametrize("kind", [Path, StorePath])
@pytest.mark.parametrize("text", ["a", "a/b", "/", "/a", "//a", "//a/b", "memory://a", "s3://b/a", "b:/a"])
def test_the_folder_as_text_is_the_folder_s_text(kind: type[AnyPath], text: str) -> None:
    assert folder_text(kind(text)) == str(kind(text).parent)


@pytest.mark.parametrize("text", [".", "..", "/", "-", "../a"])
def test_paths_without_a_name_stay_what_they_are(text: str) -> None:
    assert Found(Path(text), Path()).path == Path(text)


def test_planned_photos_are_pickled_and_replaced_with_their_paths() -> None:
    planned = PlannedPhoto(Found(Path("a/b.jpg"), Path("a")), Path("c/b.png"), "png", copied=Path("c/b.jpg"))
    again = pickle.loads(pickle.dumps(planned))
    assert again == planned and again.copied == Path("c/b.jpg")
    assert replace(planned, target=None).target is None
    assert replace(planned, target=Path("d.png")).found.path == Path("a/b.jpg")


def test_a_survey_finds_the_real_places_that_the_system_finds(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "b.png").symlink_to("a.png")
    (tmp_path / "real" / "gone.png").symlink_to("nowhere/c.png")
    survey = Survey()
    for name in ("real/a.png", "link/a.png", "link/b.png", "real/gone.png", "new/x.png", "link/..", "link"):
        path = tmp_path / name
        assert joined(survey.real(path)) == os.path.realpath(path)
    assert survey.is_folder(tmp_path / "link")
    assert not survey.is_folder(tmp_path / "link" / "b.png")
    assert survey.lstat(tmp_path / "new" / "x.png") is None
