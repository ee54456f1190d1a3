"""Imports only point to lower layers and never in cycles; what must start fast imports nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "restorecli"
TESTS = Path(__file__).parent
LAYERS = (
    {"", "errors", "photo", "host"},
    {"imaging"},
    {"photos.raster"},
    {"photos.metadata"},
    {"photos.formats"},
    {"photos.raw"},
    {"photos.stores"},
    {"photos", "networks", "engine", "report"},
    {"networks.grl", "networks.panet", "tasks.estimate"},
    {"tasks", "models"},
    {"loading", "rows", "trial"},
    {"giants"},
    {"running"},
    {"stages"},
    {"results"},
    {"pipeline"},
    {"comparison"},
    {"commands"},
    {"configuration"},
    {"library"},
    {"cluster"},
    {"quality"},
    {"quality.protocols"},
    {"quality.evaluate"},
    {"quality.papers"},
    {"cli", "training"},
    {"cli.bench"},
    {"cli.app"},
    {"__main__"},
)
"""Packages and modules, lowest first; a module that is not named belongs to the layer of its package."""
LAYER = {name: index for index, names in enumerate(LAYERS) for name in names}


def dotted(file: Path) -> str:
    """Return a file's name as a module inside the package, "" for the package itself."""
    words = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(words[:-1] if words[-1] == "__init__" else words)


MODULES = {dotted(file): file for file in sorted(PACKAGE.rglob("*.py"))}
TEXTS = {module: file.read_text(encoding="utf-8") for module, file in MODULES.items()}


def part(module: str) -> str:
    """Return the longest name of `LAYERS` that ``module`` is or lies in."""
    words = module.split(".")
    names = (".".join(words[:count]) for count in range(len(words), 0, -1))
    return next((name for name in names if name in LAYER), "")


def is_type_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def statements(tree: ast.AST, *, types_too: bool) -> list[ast.Import | ast.ImportFrom]:
    """Return the imports anywhere in ``tree``, those inside functions among them."""
    found: list[ast.Import | ast.ImportFrom] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append(node)
        elif types_too or not is_type_only(node):
            found += statements(node, types_too=types_too)
    return found


def imported(source: str, *, types_too: bool = True) -> set[str]:
    """Return the modules of the package that ``source`` imports, anywhere in it."""
    names: set[str] = set()
    for node in statements(ast.parse(source), types_too=types_too):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.module:
            modules = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if inside(name) in MODULES else node.module for name in modules}
    return {inside(name) for name in names if name.split(".")[0] == "restorecli"}


def inside(name: str) -> str:
    return name.removeprefix("restorecli").removeprefix(".")


def test_imports_point_to_lower_layers_only() -> None:
    against: dict[str, set[str]] = {}
    for module, text in TEXTS.items():
        own = part(module)
        allowed = {own} | {name for name, layer in LAYER.items() if layer < LAYER[own]}
        against[module] = {part(name) for name in imported(text)} - allowed
    assert {module: names for module, names in against.items() if names} == {}


def test_there_is_no_import_cycle() -> None:
    graph = {module: imported(text, types_too=False) - {""} for module, text in TEXTS.items()}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the cycle
    assert set(order) >= set(MODULES) - {""}


def test_imports_inside_functions_count_and_those_for_types_do_not() -> None:
    source = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from restorecli.photo import Photo\n"
        "def f():\n    from restorecli.imaging import bayer\n    import restorecli.errors\n"
    )
    assert imported(source, types_too=False) == {"imaging.bayer", "errors"}
    assert imported(source) == {"imaging.bayer", "errors", "photo"}


def test_every_name_of_the_layers_is_one_of_the_package() -> None:
    assert set(LAYER) <= set(MODULES)


def test_the_drawing_in_the_documentation_is_the_tree() -> None:
    flow = (TESTS.parent / "docs" / "concepts" / "flow.md").read_text(encoding="utf-8")
    drawing = flow.partition("restorecli/\n")[2].partition("```")[0]
    drawn: list[str] = []
    above: list[str] = []
    for line in drawing.splitlines():
        depth, name = (line.index("─") - 1) // 3, line[line.index("─") + 1 :].split()[0]
        above[depth:] = [name.rstrip("/").removesuffix(".py")]
        drawn.append(".".join(above))
    packages = {module for module, file in MODULES.items() if file.name == "__init__.py"} - {""}
    loose = {module for module in MODULES if module and "." not in module}
    assert set(drawn) == packages | loose
    assert len(drawn) == len(set(drawn))


def test_folders_are_small() -> None:
    folders = [PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir())]
    assert {folder: count for folder in folders if (count := len(list(folder.glob("*.py")))) > 20} == {}


def test_tests_stand_in_the_folders_of_the_package() -> None:
    folders = {test.parent.relative_to(TESTS) for test in TESTS.rglob("test_*.py")}
    assert len(folders) > 20
    assert [folder for folder in folders if not (PACKAGE / folder).is_dir()] == []


def test_modules_are_short_and_say_what_they_are() -> None:
    lengths = {module: len(text.splitlines()) for module, text in TEXTS.items()}
    assert {module: length for module, length in lengths.items() if length > 350} == {}
    assert [module for module, text in TEXTS.items() if not ast.get_docstring(ast.parse(text))] == []


def test_networks_cite_their_paper() -> None:
    networks = {
        module: ast.get_docstring(ast.parse(text)) or ""
        for module, text in TEXTS.items()
        if module.startswith("networks") and "LAYOUT = Layout(" in text
    }
    assert len(networks) >= 5
    headings = ("Paper:", "Source:", "Shape:", "Range:")
    assert [name for name, head in networks.items() if not all(word in head for word in headings)] == []


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
