"""``restore upscale --style``: which weights it means, and what it cannot be asked with."""

from __future__ import annotations

import pytest

from restorecli.commands.options import SharedOptions
from restorecli.commands.upscale import UpscaleOptions
from restorecli.errors import UsageError
from restorecli.models.choose import choose

SHARED = SharedOptions()


def names(options: UpscaleOptions) -> list[str]:
    return [choose(request).entry.name for request in options.requests(SHARED)]


@pytest.mark.parametrize("degradation", [None, "real"])
def test_sharp_means_the_weights_that_sharpen_real_photos(degradation: str | None) -> None:
    assert names(UpscaleOptions(degradation=degradation, style="sharp")) == ["nlsn-light-real-x4-sharp"]
    assert names(UpscaleOptions(degradation="real")) == ["nlsn-light-real-x4"]


@pytest.mark.parametrize("scale", [1.5, 2, 3])
def test_other_scales_are_made_by_the_one_there_is(scale: float) -> None:
    assert names(UpscaleOptions(scale=scale, style="sharp")) == ["nlsn-light-real-x4-sharp"]


def test_results_of_another_style_are_made_anew() -> None:
    recorded = [
        UpscaleOptions(**given).recorded(SHARED) for given in ({"degradation": "real"}, {"style": "sharp"})
    ]
    assert recorded == [{"degradation": "real"}, {"degradation": "real-sharp"}]


def test_careful_shrinking_has_no_sharp_style() -> None:
    with pytest.raises(UsageError, match="--style sharp"):
        UpscaleOptions(degradation="bicubic", style="sharp")
    with pytest.raises(UsageError, match="--style"):
        UpscaleOptions(style="crisp")


def test_a_model_without_sharp_weights_says_so() -> None:
    with pytest.raises(UsageError, match="panet does not upscale real-sharp"):
        UpscaleOptions(style="sharp").requests(SharedOptions(model="panet"))
