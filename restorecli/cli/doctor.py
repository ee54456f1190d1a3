"""``restore doctor``: check torch, devices, precision, caches and weights; report what is wrong."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from restorecli.cli.loading_line import loading
from restorecli.errors import ExitCode, RestoreError


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: what, its state, whether that is right, and the fix if not."""

    what: str
    state: str
    well: bool = True
    fix: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this installation: torch, devices, precision, cache, weights.

    Example: restore doctor

    Example: restore doctor --json
    """
    with loading(quiet=as_json):
        findings = [*check_torch(), *check_devices(), *check_caches(), *check_weights()]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        _print(findings)
    if not all(finding.well for finding in findings):
        raise typer.Exit(ExitCode.SOME_FAILED)


def check_torch() -> list[Finding]:
    """Report the versions of Python, the tool and torch, and the CPU threads torch uses."""
    import platform

    import torch

    from restorecli import __version__

    threads = f"{torch.get_num_threads()} CPU threads"
    return [
        Finding("restore", __version__),
        Finding("python", f"{platform.python_version()} on {platform.platform()}"),
        Finding("torch", f"{torch.__version__}, {threads}"),
    ]


def check_devices() -> list[Finding]:
    """Run the precision self-test on every device."""
    from restorecli.engine.device import available_devices, describe
    from restorecli.engine.selftest import self_test

    findings = []
    for device in available_devices():
        findings.append(Finding(f"device {device}", describe(device)))
        for row in self_test(device):
            state = f"{row.psnr:.1f} dB of float32, {row.seconds * 1000:.0f} ms" if row.ok else row.message
            fix = "" if row.ok else f"--precision auto avoids {row.precision} here"
            # Half precision is optional; without float32 nothing works.
            findings.append(Finding(f"  {row.precision}", state, row.ok or row.precision != "fp32", fix))
    return findings


def check_caches() -> list[Finding]:
    """Report where weights and measurements are kept, and whether the folders can be written."""
    from restorecli.engine.cache import cache_dir
    from restorecli.models.cache import root as weights_folder

    findings = []
    for what, variable, folder in (
        ("weights", "RESTORE_WEIGHTS_DIR", weights_folder()),
        ("measurements", "RESTORE_CACHE_DIR", cache_dir()),
    ):
        wrong = _not_writable(folder)
        there = str(folder) if folder.is_dir() else f"{folder}, made when it is needed"
        state = f"{folder}: {wrong}" if wrong else there
        findings.append(Finding(f"{what} folder", state, not wrong, f"set {variable}" if wrong else ""))
    return findings


def _not_writable(folder: Path) -> str:
    """Return why no file can be put into a folder, or into the one it would be made in; empty if one can."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def check_weights() -> list[Finding]:
    """Load every light model that comes with the tool, and see whether it gives its pixels."""
    from restorecli.models.convert import native_metadata
    from restorecli.models.load import load
    from restorecli.models.parity import complaint
    from restorecli.models.registry import load_registry
    from restorecli.models.resolve import ModelRequest, resolve

    findings = []
    for entry in (entry for entry in load_registry().entries if entry.ships):
        try:
            request = ModelRequest(entry.task, model=entry.name, scale=entry.scale, level=entry.level)
            resolved = resolve(request)
            native = native_metadata(resolved.path) if resolved.path else None
            parity = native[2].get("parity", "") if native else ""
            wrong = complaint(load(resolved), parity) if parity else "it does not say which pixels it gives"
            fix = "reinstall restorecli" if wrong else ""
            findings.append(Finding(entry.name, wrong or "gives its pixels", not wrong, fix))
        except RestoreError as error:
            findings.append(Finding(entry.name, error.message, False, error.hint or "reinstall restorecli"))
    return findings


def _print(findings: list[Finding]) -> None:
    from rich.console import Console

    from restorecli.report.words import labelled

    console = Console(highlight=False)
    room = max(len(finding.what) for finding in findings) + 2
    for finding in findings:
        text = finding.state if finding.well else f"WRONG: {finding.state}"
        style = "" if finding.well else "red"
        console.print(labelled(console, finding.what.ljust(room), text, style), soft_wrap=True)
        if finding.fix:
            console.print(labelled(console, " " * room, f"→ {finding.fix}", style), soft_wrap=True)
