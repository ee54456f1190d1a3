"""The examples of the manual print what the manual says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.documents.manual import PAGES, ROOT, blocks, masked, run_again, workplace
from restorecli.commands.table import COMMANDS

WITH_EXAMPLES = [page for page in PAGES if any(blocks(page.read_text(encoding="utf-8")))]
PAGE_OF = {"demosaic": "raw"}
"""Commands whose page has another name."""


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_examples_print_what_the_page_says(page: Path, cache_folders: dict[str, str]) -> None:
    with workplace(Path(cache_folders["RESTORE_CACHE_DIR"])):
        for block in blocks(page.read_text(encoding="utf-8")):
            assert masked(run_again(block)) == masked(block)  # else: make docs-run


@pytest.mark.parametrize("command", [*COMMANDS, "compare", "run", "bench"])
def test_every_command_has_a_page_with_an_example(command: str) -> None:
    page = ROOT / "docs" / "guides" / f"{PAGE_OF.get(command, command)}.md"
    assert f"$ restore {command} " in page.read_text(encoding="utf-8")


def test_masks_hide_machines_and_times_and_nothing_else() -> None:
    line = "1 file · nlsn-light-denoise (light) · cpu · bf16 · tiles of 256"
    assert masked(line) == "1 file · nlsn-light-denoise (light) · DEVICE"
    end = "2 restored, 1 skipped, 0 failed in 11.2 s (0.1 megapixels, 0.01 MP/s)"
    assert masked(end) == "2 restored, 1 skipped, 0 failed in TIME (RATE)"
    assert masked("sigma 2 pixel by pixel, 5 at half size") == "sigma 2 pixel by pixel, 5 at half size"
    assert masked("quality 25") != masked("quality 26")
