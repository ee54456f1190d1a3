from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorecli.comparison.text import escaped, readable, script_data


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", "a.jpg"),
        ("Grüße 写真.jpg", "Grüße 写真.jpg"),
        ("\udcff\udcfe.jpg", "��.jpg"),
        ("a\nb\x1b[31m.jpg", "a�b�[31m.jpg"),
        ("\u202egpj.exe", "�gpj.exe"),
        ("صورة.jpg", "صورة.jpg"),
    ],
)
def test_names_are_readable(name: str, expected: str) -> None:
    assert readable(name) == expected


@given(st.text())
def test_nothing_in_a_text_ends_its_element(text: str) -> None:
    data = script_data({"name": text})
    assert "<" not in data and "&" not in data and data.isascii()
    assert json.loads(data) == {"name": text}
    assert not set('<>"') & set(escaped(text))
