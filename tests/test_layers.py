"""Imports only point to lower floors, and what must start fast imports nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "restorecli"
FLOORS = (
    {"__init__", "errors", "photo"},
    {"colour", "bayer", "resample", "orientation", "icc"},
    {"develop"},
    {"photos", "networks", "engine", "report"},
    {"tasks", "models"},
    {"loading"},
    {"stages"},
    {"results"},
    {"pipeline"},
    {"quality"},
    {"cli", "training"},
    {"__main__"},
)
FLOOR = {name: index for index, names in enumerate(FLOORS) for name in names}
MODULES = sorted(PACKAGE.rglob("*.py"))


def part(module: Path) -> str:
    relative = module.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imported(module: Path) -> set[str]:
    """Return the parts of the package that ``module`` imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    inside = [name.split(".") for name in names if name.split(".")[0] == "restorecli" and "." in name]
    return {words[1] if words[1] in FLOOR else "__init__" for words in inside}


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_imports_point_to_lower_floors_only(module: Path) -> None:
    own = part(module)
    allowed = {own} | {name for name, floor in FLOOR.items() if floor < FLOOR[own]}
    assert imported(module) <= allowed


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_modules_are_short_and_say_what_they_are(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 350
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("network", sorted((PACKAGE / "networks").glob("*.py")), ids=lambda m: m.stem)
def test_networks_cite_their_paper(network: Path) -> None:
    text = network.read_text(encoding="utf-8")
    if "LAYOUT = Layout(" not in text:
        pytest.skip("holds no network")
    head = ast.get_docstring(ast.parse(text)) or ""
    assert all(heading in head for heading in ("Paper:", "Source:", "Shape:", "Range:"))


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["upscale", "--help"], ["models", "--help"]]
)
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom restorecli.cli.app import main\n"
        f"sys.argv = ['restore', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'scipy', 'PIL', 'tifffile', 'imageio', 'imagecodecs', 'rawpy', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip().splitlines()[-1] == "[]"
