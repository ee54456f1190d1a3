"""What the documents say of the command line is true of it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from benchmarks.documents.cli_reference import PAGE, page, walk
from restorecli.cli.app import app
from restorecli.errors import ExitCode

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "weights" / "README.md", *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


COMMANDS = dict(walk(typer.main.get_command(app)))


def restore_lines(document: Path) -> list[str]:
    """Return the command lines of the document's code that call `restore`."""
    lines = re.findall(
        r"^(?:\$ |    |\| )?.*?\b(restore [a-z].*)$", document.read_text(encoding="utf-8"), re.M
    )
    code = [line for line in lines if re.match(r"restore (upscale|models|doctor)\b", line)]
    return [re.split(r" #|`| \| ", line)[0].strip() for line in code]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_commands_in_documents_exist_with_their_options(document: Path) -> None:
    for line in restore_lines(document):
        words = shlex.split(line, posix=True)
        names: tuple[str, ...] = ()
        while len(names) + 1 < len(words) and (*names, words[len(names) + 1]) in COMMANDS:
            names = (*names, words[len(names) + 1])
        known = {option for p in COMMANDS[names].params for option in (*p.opts, *p.secondary_opts)}
        for word in words:
            if word.startswith("--") and word != "--":
                assert word.split("=")[0] in known | {"--help"}, line


def test_the_reference_of_the_command_line_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()  # else: python -m benchmarks.documents.cli_reference


def test_the_reference_names_every_command_and_option() -> None:
    reference = PAGE.read_text(encoding="utf-8")
    for names, command in COMMANDS.items():
        assert f"`restore {' '.join(names)}".rstrip() in reference
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("-") and "completion" not in option:
                    assert option in reference, option


def test_every_page_is_in_the_table_of_contents_of_the_site() -> None:
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert pages - set(re.findall(r"[\w/-]+\.md", contents)) == {"samples/README.md"}


def test_the_page_of_exit_codes_has_them_all() -> None:
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.M)} == {int(code) for code in ExitCode}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), target
