from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from restorecli.cli.app import app
from restorecli.cli.doctor import check_caches
from restorecli.commands.options import SharedOptions
from restorecli.errors import ExitCode, RestoreError
from tests.conftest import Done

SHARED_IN_CONTRACT = set(
    """
    --output -o --recursive -r --files-from --null -0 --model -m --variant --weights --tile
    --tile-overlap --precision --fp16 --fp32 --self-ensemble --device -d --batch --jobs -j --format -f
    --jpeg-quality --bits --if-exists --strip --dry-run -n --json --quiet -q --verbose -v --shard --seed
    --fail-fast
    --file-timeout
    """.split()  # noqa: SIM905 - a list of forty quoted words reads worse
)


def commands() -> Iterator[tuple[str, Any]]:
    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        children = getattr(command, "commands", None)
        if children is None:
            yield name, command
        else:
            for child_name, child in children.items():
                yield from walk(f"{name} {child_name}".strip(), child)

    yield from walk("", typer.main.get_command(app))


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help_and_every_command_an_example(name: str) -> None:
    command = COMMANDS[name]
    assert "Example" in (command.help or "")
    for parameter in command.params:
        assert getattr(parameter, "help", None), parameter.name


def test_the_shared_options_are_those_of_the_contract() -> None:
    names = {
        name
        for parameter in COMMANDS["upscale"].params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    assert names >= SHARED_IN_CONTRACT | {"-x", "--scale"}


def test_every_shared_option_has_an_environment_variable() -> None:
    by_name = {parameter.name: parameter for parameter in COMMANDS["upscale"].params}
    for entry in fields(SharedOptions)[1:]:
        variable = by_name[entry.name].envvar
        assert isinstance(variable, str) and variable.startswith("RESTORE_")


def test_an_environment_variable_sets_an_option(
    restore: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_BITS", "12")
    assert "RESTORE_BITS=12" in restore("upscale", "x.png").err


def test_version_and_help_go_to_standard_output(restore: Callable[..., Done]) -> None:
    version = restore("--version")
    assert (version.code, version.err) == (0, "")
    assert version.out.startswith("restore ")
    assert "upscale" in restore("--help").out


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["upscale", "--nonsense"], ["upscale", "-x", "two", "a.png"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], restore: Callable[..., Done]) -> None:
    done = restore(*arguments)
    assert done.code == 2
    assert done.out == ""


def test_no_input_is_exit_code_3(
    restore: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert restore("upscale", "-x2", tmp_path_factory.mktemp("empty")).code == ExitCode.NOTHING_TO_DO


def test_every_error_has_an_exit_code_and_an_event_code() -> None:
    def below(kind: type[RestoreError]) -> Iterator[type[RestoreError]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    for kind in below(RestoreError):
        assert isinstance(kind.exit_code, ExitCode)
        assert kind.code.isidentifier()


@pytest.mark.slow
def test_doctor_finds_this_installation_well(restore: Callable[..., Done]) -> None:
    done = restore("doctor", "--json")
    findings = {finding["what"]: finding for finding in json.loads(done.out)}
    assert findings["torch"]["well"]
    assert findings["  fp32"]["well"]
    assert findings["nlsn-light-x2"]["state"] == "gives its pixels"
    assert done.code == 0


def test_doctor_names_a_folder_that_cannot_be_written(
    restore: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    blocked = tmp_path_factory.mktemp("x") / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("RESTORE_WEIGHTS_DIR", str(blocked / "weights"))
    done = restore("doctor")
    assert done.code == 1
    assert "RESTORE_WEIGHTS_DIR" in done.out


def test_a_cache_folder_that_is_not_there_yet_is_no_fault_and_is_not_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("RESTORE_WEIGHTS_DIR", "RESTORE_CACHE_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / "not" / "yet"))
    findings = check_caches()
    assert all(finding.well and "made when it is needed" in finding.state for finding in findings)
    assert list(tmp_path.iterdir()) == []
