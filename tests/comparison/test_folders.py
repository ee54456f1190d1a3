from __future__ import annotations

from pathlib import Path

import pytest

from restorecli.comparison.folders import match
from restorecli.errors import NothingToDoError, UsageError


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    return root


def pairs(before: Path, after: Path) -> dict[str, str]:
    found = match(before, after).pairs
    return {str(one.relative_to(before)): str(two.relative_to(after)) for one, two in found}


def test_names_count_without_their_suffixes_folder_by_folder(tmp_path: Path) -> None:
    before = tree(tmp_path / "a", "x.jpg", "sub/x.jpg", "y.200.png")
    after = tree(tmp_path / "b", "x.png", "sub/x.png", "y.200.tif")
    assert pairs(before, after) == {"x.jpg": "x.png", "sub/x.jpg": "sub/x.png", "y.200.png": "y.200.tif"}


def test_photos_of_one_name_are_told_apart_as_results_are_named(tmp_path: Path) -> None:
    before = tree(tmp_path / "a", "x.jpg", "x.png")
    assert pairs(before, tree(tmp_path / "b", "x.jpg.png", "x.png.png")) == {
        "x.jpg": "x.jpg.png",
        "x.png": "x.png.png",
    }
    assert pairs(before, tree(tmp_path / "c", "x.png")) == {"x.png": "x.png"}


def test_what_has_no_partner_or_several_is_told(tmp_path: Path) -> None:
    before = tree(tmp_path / "a", "x.jpg", "x.png", "y.png", "only.png")
    matched = match(before, tree(tmp_path / "b", "x.tif", "y.png", "other.png"))
    assert len(matched.pairs) == 1
    told = {path.name: why for path, why in matched.alone}
    assert "several photos" in told["x.tif"]
    assert told["other.png"] == f"not in {before}"
    assert told["only.png"] == f"not in {tmp_path / 'b'}"


def test_two_files_are_a_pair(tmp_path: Path) -> None:
    tree(tmp_path, "one.png", "two.png")
    assert len(match(tmp_path / "one.png", tmp_path / "two.png").pairs) == 1


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    tree(tmp_path, "a/one.png")
    with pytest.raises(UsageError, match="nowhere: there is no such file or folder"):
        match(tmp_path / "a", tmp_path / "nowhere")


def test_a_file_and_a_folder_are_none(tmp_path: Path) -> None:
    tree(tmp_path, "one.png", "a/two.png")
    with pytest.raises(UsageError, match="one is a folder"):
        match(tmp_path / "one.png", tmp_path / "a")
    with pytest.raises(UsageError, match="no such file"):
        match(tmp_path / "one.png", tmp_path / "gone.png")


def test_folders_without_a_common_name_are_nothing_to_do(tmp_path: Path) -> None:
    with pytest.raises(NothingToDoError):
        match(tree(tmp_path / "a", "x.png"), tree(tmp_path / "b", "y.png"))
