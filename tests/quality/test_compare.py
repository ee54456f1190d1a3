"""Two files of measurements: what is compared, and how surely."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import bootstrap

from restorecli.errors import UsageError
from restorecli.quality.compare import SAME, compare, ratio_interval


def row(seconds: list[float], **changed: Any) -> dict[str, Any]:
    usual = {"name": "nlsn-x2", "width": 64, "height": 64, "precision": "fp32"}
    return {**dict.fromkeys(SAME, 1), **usual, "seconds": seconds, **changed}


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"restore_bench": 1, "rows": rows}))
    return path


def test_twice_as_fast_is_a_ratio_of_two(tmp_path: Path) -> None:
    times = [0.100, 0.101, 0.099, 0.102, 0.098, 0.100]
    first = written(tmp_path / "a.json", row(times))
    second = written(tmp_path / "b.json", row([time / 2 for time in times]))
    (ratio,), alone = compare(first, second)
    assert ratio.ratio == pytest.approx(2)
    assert ratio.low <= 2 <= ratio.high
    assert ratio.verdict == "faster"
    assert not alone
    assert compare(second, first)[0][0].verdict == "slower"


def test_overlapping_times_are_no_clear_difference(tmp_path: Path) -> None:
    first = written(tmp_path / "a.json", row([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    second = written(tmp_path / "b.json", row([0.15, 0.25, 0.3, 0.35, 0.5, 0.55]))
    assert compare(first, second)[0][0].verdict == "no clear difference"


def test_the_interval_is_scipys_percentile_bootstrap() -> None:
    generator = np.random.default_rng(5)
    before, after = generator.gamma(9, 0.01, 25), generator.gamma(9, 0.008, 30)
    reference = bootstrap(
        (before, after),
        lambda a, b, axis: np.median(a, axis=axis) / np.median(b, axis=axis),
        method="percentile",
        n_resamples=5000,
        rng=1,
    ).confidence_interval
    low, high = ratio_interval(before.tolist(), after.tolist())
    assert low == pytest.approx(reference.low, rel=0.02)
    assert high == pytest.approx(reference.high, rel=0.02)


def test_rows_of_one_file_alone_are_named(tmp_path: Path) -> None:
    first = written(tmp_path / "a.json", row([0.1]), row([0.1], width=128))
    second = written(tmp_path / "b.json", row([0.1]), row([0.1], precision="bf16"))
    _, alone = compare(first, second)
    assert alone == ["nlsn-x2 128×64 fp32", "nlsn-x2 64×64 bf16"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": [{"seconds": [1]}]}', '{"rows": 3}'])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UsageError, match=r"a\.json"):
        compare(tmp_path / "a.json", tmp_path / "a.json")


def test_nothing_in_common_is_an_error(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a.json", row([0.1])), written(tmp_path / "b.json")
    with pytest.raises(UsageError, match="in common"):
        compare(first, second)
