from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from restorecli.comparison import page as pages
from restorecli.comparison.entry import Entry, Told, make_entry
from restorecli.comparison.page import Page
from restorecli.comparison.target import check_target
from restorecli.errors import UsageError, WriteError
from tests.comparison.scenes import data_of, decoded, noisy, save, scene

MARKUP = "</script><script>alert(1)</script>\"'&<b>.png"


def entry(change: float = 1.0, name: str = "a.png", data: str = "{}") -> Entry:
    return Entry(change, name, "1 × 1", "data:image/webp;base64,", data)


def test_the_most_changed_photo_comes_first(tmp_path: Path) -> None:
    page = Page(tmp_path / "p.html", 3, "title")
    for change in (1.0, 3.0, 2.0):
        page.add(entry(change, f"{change}.png", f'{{"change":{change}}}'))
    page.write("three")
    assert [photo["change"] for photo in data_of(tmp_path / "p.html")] == [3.0, 2.0, 1.0]
    text = (tmp_path / "p.html").read_text()
    assert text.index("3.0.png") < text.index("2.0.png") < text.index("1.0.png")


def test_what_stands_in_names_and_reasons_stays_text(tmp_path: Path) -> None:
    page = Page(tmp_path / "p.html", 1, MARKUP)
    page.add(entry(name=MARKUP))
    page.name(Told(MARKUP, ""), MARKUP, failed=True)
    page.write(MARKUP)
    text = (tmp_path / "p.html").read_text()
    assert "alert(1)</script>" not in text and "<b>" not in text
    assert text.count("<script") == 2


def test_words_that_look_like_places_of_the_page_stay_words(tmp_path: Path) -> None:
    words = "{{list}} {{style}} {{title}} \\1"
    page = Page(tmp_path / "p.html", 1, words)
    page.add(entry(name=words))
    page.write(words)
    text = (tmp_path / "p.html").read_text()
    assert (
        text.count(words) == 5
    )  # in the title twice, in the summary, as the photo's name and what it is titled
    assert text.count("<style>") == 1 and text.count("<ol>") == 1


def test_the_page_needs_nothing_from_elsewhere_and_runs_its_own_script_only(tmp_path: Path) -> None:
    page = Page(tmp_path / "p.html", 1, "title")
    page.add(entry())
    page.write("")
    text = (tmp_path / "p.html").read_text()
    assert not re.search(r"(?:src|href)=\"(?!data:)|https?://|@import|url\(", text)
    policy = re.search(r'Policy" content="([^"]+)"', text)
    assert policy is not None and "default-src 'none'" in policy[1]
    for tag in ("style", "script"):
        content = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        assert len(content) == 1
        digest = base64.b64encode(hashlib.sha256(content[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]


def test_a_pair_s_pictures_are_those_of_its_files(tmp_path: Path) -> None:
    picture = scene()
    before, after = save(noisy(picture), tmp_path / "a.png"), save(picture, tmp_path / "b.png")
    page = Page(tmp_path / "p.html", 1, "title")
    page.add(make_entry(before, after, Told(str(before), str(after), ("sigma 12",)), page.share))
    page.write("")
    (photo,) = data_of(tmp_path / "p.html")
    assert photo["whole"] and photo["notes"] == ["sigma 12"]
    place = photo["places"][0]
    assert abs(decoded(place["after"]).astype(int) - picture).mean() < 1
    assert abs(decoded(place["before"]).astype(int) - noisy(picture)).mean() < 4


def test_of_very_many_photos_those_that_changed_most_have_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_WITH_PICTURES", 3)
    page = Page(tmp_path / "p.html", 5, "title")
    for number in range(5):
        page.add(entry(number, f"photo{number}.png"))
    assert page.write("").photos == 3
    assert len(data_of(tmp_path / "p.html")) == 3
    assert "photo0.png" in (tmp_path / "p.html").read_text()


@pytest.mark.parametrize("count", [1, 2, 12, 100, 500, 5000])
def test_pictures_of_any_number_of_photos_stay_below_the_limit(tmp_path: Path, count: int) -> None:
    page = Page(tmp_path / "p.html", count, "")
    page.close()
    share = page.share
    assert share * min(count, pages.MOST_WITH_PICTURES) <= pages.MOST
    assert share >= pages.LEAST_OF_A_PHOTO


def test_an_earlier_page_is_replaced_and_anything_else_refused(tmp_path: Path) -> None:
    target = tmp_path / "p.html"
    Page(target, 1, "title").write("")
    check_target(target, "--compare")
    target.write_text("<html>my own page</html>")
    with pytest.raises(UsageError, match="no page of this tool"):
        check_target(target, "--compare")
    for name, message in (("photo.png", "no name of a page"), ("folder.html", "is a folder")):
        (tmp_path / "folder.html").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match=message):
            check_target(tmp_path / name, "--compare")


def test_a_page_that_cannot_be_written_leaves_the_earlier_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "p.html"
    Page(target, 1, "first").write("")
    page = Page(target, 1, "second")

    def full(self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(WriteError, match="No space left"):
            page.write("")
    assert "first" in target.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["p.html"]


def test_a_folder_that_is_a_file_is_said_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be written"):
        Page(tmp_path / "file" / "p.html", 1, "title")
