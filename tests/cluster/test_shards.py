"""The guide's script for Slurm, run as Slurm runs it: a job for each shard, and a failed one alone again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import Command, pictures, results

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "cluster.md"
SHARDS, COUNT = 2, 5


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script, for folders of this test and fewer shards; ``restore`` is this package."""
    (text,) = re.findall(
        r"```bash\n(#!/bin/bash\n#SBATCH.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL
    )
    for of_guide, here in (
        ("SHARDS=64", f"SHARDS={SHARDS}"),
        ("/data/photos", str(tmp_path / "in")),
        ("/data/large", str(tmp_path / "out")),
    ):
        assert text.count(of_guide) == 1
        text = text.replace(of_guide, here)
    path = tmp_path / "restore.sh"
    path.write_text(text)
    restore = tmp_path / "bin" / "restore"
    restore.parent.mkdir()
    restore.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m restorecli "$@"\n')
    restore.chmod(0o755)
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_failed_shard_alone_is_run_again(script: Path, command: Command, tmp_path: Path) -> None:
    photos = pictures(tmp_path / "in", COUNT)
    whole = (photos / "02.png").read_bytes()
    (photos / "02.png").write_bytes(whole[:40])

    def job(number: int) -> subprocess.CompletedProcess[str]:
        path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {**command.environment, "PATH": path, "SLURM_ARRAY_TASK_ID": str(number)}
        return subprocess.run(
            ["bash", str(script)], env=environment, capture_output=True, text=True, check=False
        )

    first, second = job(1), job(2)
    assert (first.returncode, second.returncode) == (1, 0), first.stderr + second.stderr
    assert "02.png" in first.stderr and sorted(results(tmp_path / "out")) == [
        "00.png",
        "01.png",
        "03.png",
        "04.png",
    ]
    (photos / "02.png").write_bytes(whole)
    again = job(1)
    assert again.returncode == 0 and "1 restored, 2 skipped" in again.stderr, again.stderr
    assert len(results(tmp_path / "out")) == COUNT
