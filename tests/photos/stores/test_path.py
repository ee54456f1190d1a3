"""Names in stores, taken apart and put together."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from restorecli.photos.stores.path import StorePath, is_store, path_of


def test_a_name_is_taken_apart_like_a_path() -> None:
    path = StorePath("s3://bucket/photos/a.b.jpg")
    assert (path.name, path.stem, path.suffix, path.scheme) == ("a.b.jpg", "a.b", ".jpg", "s3")
    assert str(path.parent) == os.fspath(path.parent) == "s3://bucket/photos"
    assert str(path.parent / "sub" / "x.png") == "s3://bucket/photos/sub/x.png"
    assert str(path.with_name("y.png")) == "s3://bucket/photos/y.png"
    assert path.relative_to(StorePath("s3://bucket")).parts == ("photos", "a.b.jpg")
    assert pickle.loads(pickle.dumps(path)) == path and hash(StorePath(str(path))) == hash(path)


def test_an_address_on_the_web_keeps_its_query_and_is_called_without_it() -> None:
    path = StorePath("https://host/a%20b.jpg?size=2&x=1/2")
    assert str(path) == "https://host/a%20b.jpg?size=2&x=1/2"
    plain = StorePath("https://host/photos/a%20b.jpg?v=2")
    assert (plain.name, plain.suffix) == ("a b.jpg", ".jpg")


@pytest.mark.parametrize(
    ("text", "store"),
    [("s3://b/a", True), ("GS://b/a", True), ("file:///a", False), ("/a/b", False), ("C:/a", False)],
)
def test_what_is_a_store(text: str, store: bool) -> None:
    assert is_store(text) is store
    assert isinstance(path_of(text), StorePath) is store


def test_files_of_this_machine_may_be_written_as_addresses() -> None:
    assert path_of("file:///photos/a.png") == Path("/photos/a.png")
