"""Lists of names, as programs of different systems save them."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorecli.errors import UsageError
from restorecli.photos.inputs import find_inputs
from restorecli.photos.lists import names_in

SAVED = {
    "UTF-8": (b"", "utf-8"),
    "UTF-8 with mark": (codecs.BOM_UTF8, "utf-8"),
    "UTF-16 LE": (codecs.BOM_UTF16_LE, "utf-16-le"),
    "UTF-16 BE": (codecs.BOM_UTF16_BE, "utf-16-be"),
    "UTF-32 LE": (codecs.BOM_UTF32_LE, "utf-32-le"),
    "UTF-32 BE": (codecs.BOM_UTF32_BE, "utf-32-be"),
}
LETTERS = st.characters(exclude_characters="\0\r\n\ufeff", exclude_categories=("Cs",))
NAMES = st.lists(st.text(LETTERS, min_size=1), min_size=1)


@pytest.mark.parametrize("saved", SAVED)
@given(names=NAMES, null=st.booleans(), windows=st.booleans())
def test_every_way_of_saving_a_list_gives_its_names(saved: str, names: list[str], null: bool, windows: bool):
    mark, codec = SAVED[saved]
    end = "\0" if null else "\r\n" if windows else "\n"
    data = mark + end.join([*names, ""]).encode(codec)
    assert names_in(data, null=null) == names


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_utf8_can_be_listed_with_and_without_a_mark():
    for mark in (b"", codecs.BOM_UTF8):
        assert [os.fsencode(name) for name in names_in(mark + b"caf\xe9.png\n")] == [b"caf\xe9.png"]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (codecs.BOM_UTF16_LE + b"a\0b", "encoding"),
        ("a.png\nb.png\n".encode("utf-16-le"), "NUL"),
        (b"a.png\0b.png\0", "NUL"),
    ],
)
def test_a_list_that_cannot_be_read_is_named_with_the_reason(data: bytes, match: str):
    with pytest.raises(UsageError, match=f"the list names.txt .*{match}"):
        names_in(data, source="the list names.txt")


@pytest.mark.parametrize("saved", SAVED)
def test_listed_photos_are_found(saved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names = ["first é.png", "second 写真.png"]
    for name in names:
        Path(name).touch()
    mark, codec = SAVED[saved]
    Path("list.txt").write_bytes(mark + "\r\n".join(names).encode(codec))
    assert [str(item.path) for item in find_inputs([], files_from="list.txt")] == names
