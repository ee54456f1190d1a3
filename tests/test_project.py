"""The files around the package: what is asked of pip, versions, and what users are told of them."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OFFERED = ["2.15.0", "2.14.1", "2.13.0+cpu", "2.13.0", "2.12.0+cpu"]

_spec = importlib.util.spec_from_file_location("choose_torch", ROOT / ".ci" / "choose_torch.py")
assert _spec is not None and _spec.loader is not None
choose_torch = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(choose_torch)


@pytest.mark.parametrize(
    ("requirement", "driver", "versions", "expected"),
    [
        ("torch", False, OFFERED, "torch==2.13.0+cpu"),
        ("torch", True, OFFERED, "torch"),
        ("torch", False, ["2.15.0"], "torch"),
        ("torch", False, [], "torch"),
        ("torch==2.12.0", False, OFFERED, "torch==2.12.0"),
    ],
)
def test_the_cpu_build_is_taken_where_no_driver_is_and_the_index_has_one(
    requirement: str, driver: bool, versions: list[str], expected: str
) -> None:
    assert choose_torch.choose(requirement, driver=driver, versions=versions) == expected


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.M) == [PROJECT["version"]]


def test_python_s_lowest_version_is_said_everywhere_alike() -> None:
    lowest = PROJECT["requires-python"].removeprefix(">=")
    for file in ("README.md", "docs/install.md"):
        assert re.findall(r"Python (3\.\d+) or newer", (ROOT / file).read_text(encoding="utf-8")) == [lowest]
    matrix = re.search(r"python: \[(.+)\]", (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert matrix is not None and matrix[1].replace('"', "").split(", ")[0] == lowest


def test_every_package_has_a_lower_bound() -> None:
    extras = PROJECT["optional-dependencies"].values()
    needed = [*PROJECT["dependencies"], *(one for extra in extras for one in extra)]
    assert [one for one in needed if ">=" not in one] == []
