from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import pytest

from restorecli.commands.description import RunDescription, Step
from restorecli.commands.options import SharedOptions
from restorecli.commands.ready import Ready, make_ready
from restorecli.commands.table import COMMANDS, STEPS, command_options
from restorecli.errors import UsageError
from restorecli.loading import Models

CHAIN = RunDescription(
    (
        Step(command_options("dejpeg", {"quality": "30"})),
        Step(command_options("denoise"), {"model": "mirnet", "variant": "light"}),
        Step(command_options("upscale", {"scale": 2.0})),
    ),
    SharedOptions(device="cpu", precision="fp32", tile="64"),
)


def single(command: str, values: Mapping[str, Any] | None = None, **shared: Any) -> RunDescription:
    return RunDescription.of(command_options(command, values), SharedOptions(**shared))


def stages(description: RunDescription) -> list[tuple[str, str | None, float | None, bool]]:
    made = description.stages(Models(settings=None))  # type: ignore[arg-type]  # no network is asked for
    return [(stage.request.task, stage.request.model, stage.request.level, stage.only_raw) for stage in made]


@pytest.mark.parametrize("command", [name for name in STEPS if name != "demosaic"])
def test_every_command_develops_raw_first(command: str) -> None:
    assert stages(single(command))[0] == ("demosaic", None, None, True)
    assert {task for task, *_ in stages(single(command))[1:]} == {command}


def test_demosaicing_needs_no_development_before_it() -> None:
    assert stages(single("demosaic")) == [("demosaic", None, None, False)]


def test_steps_follow_one_another_with_options_of_their_own() -> None:
    assert stages(CHAIN) == [
        ("demosaic", None, None, True),
        ("dejpeg", None, 30.0, False),
        ("denoise", "mirnet", None, False),
        ("upscale", None, None, False),
    ]
    assert CHAIN.suffix == "dejpeg-denoise-upscale-x2"
    assert CHAIN.recorded() == {
        "1 dejpeg quality": "30",
        "2 denoise sigma": "auto",
        "2 denoise noise": "auto",
        "3 upscale degradation": "usual",
    }


@pytest.mark.parametrize("description", [CHAIN, *(single(command) for command in COMMANDS)])
def test_a_description_travels_to_another_process(description: RunDescription) -> None:
    there = pickle.loads(pickle.dumps(description))
    assert there == description
    assert stages(there) == stages(description)


@pytest.mark.parametrize(
    ("description", "recorded"),
    [
        (single("denoise", {"sigma": "25"}), {"sigma": "25", "noise": "gaussian"}),
        (single("denoise", {"strength": 0.5}), {"sigma": "auto", "noise": "auto", "strength": "0.5"}),
        (single("dejpeg"), {"quality": "auto"}),
        (single("upscale", {"scale": 3.0, "degradation": "real"}), {"degradation": "real"}),
        (single("deblur", {"blur": "defocus"}), {"blur": "defocus", "even_blur": "auto"}),
        (single("enhance"), {"style": "low-light"}),
        (
            single("demosaic", {"pattern": "rggb", "exposure": 0.5}),
            {
                "pattern": "RGGB",
                "white_balance": "camera",
                "color_space": "srgb",
                "highlights": "clip",
                "exposure": "0.5",
                "denoise": "auto",
                "hot_pixels": "on",
                "dng": "False",
            },
        ),
        (
            single("demosaic", format="dng"),
            {
                "pattern": "auto",
                "white_balance": "camera",
                "color_space": "srgb",
                "highlights": "clip",
                "exposure": "0",
                "denoise": "auto",
                "hot_pixels": "on",
                "dng": "True",
            },
        ),
    ],
)
def test_the_record_has_a_command_s_options(description: RunDescription, recorded: dict[str, str]) -> None:
    assert description.recorded() == recorded


@pytest.mark.parametrize(
    ("command", "values", "message"),
    [
        ("sharpen", {}, "unknown command: sharpen"),
        ("denoise", {"blur": "3"}, "denoise has no option blur"),
        ("denoise", {"strength": 2.5}, "--strength 2.5 is not between 0 and 2"),
        ("denoise", {"sigma": "much"}, "--sigma much is neither auto nor a number"),
        ("denoise", {"noise": "real", "sigma": "20"}, "--sigma has no effect with --noise real"),
        ("dejpeg", {"quality": "0"}, "--quality 0 is not between 1 and 100"),
        ("upscale", {"scale": 1.0}, "-x 1 must be above 1"),
        ("upscale", {"degradation": "jpeg"}, "--degradation jpeg"),
        ("deblur", {"blur": "zoom"}, "--blur zoom"),
        ("deblur", {"even_blur": "maybe"}, "--even-blur maybe"),
        ("enhance", {"style": "hdr"}, "--style hdr"),
    ],
)
def test_unknown_options_and_values_are_refused(command: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        command_options(command, values)


def test_what_holds_for_the_whole_run_is_no_step_s_own() -> None:
    with pytest.raises(UsageError, match="device applies to the whole run"):
        Step(command_options("denoise"), {"device": "cpu"})
    with pytest.raises(UsageError, match="one step"):
        RunDescription(())
    with pytest.raises(UsageError, match="--exposure: a DNG"):
        single("demosaic", {"exposure": 1.0}, format="dng")


def test_a_described_run_is_made_ready_with_the_weights_of_its_steps() -> None:
    ready = make_ready(CHAIN)
    assert [(resolved.entry.task, resolved.network) for resolved in ready.expected if resolved.entry][1:] == [
        ("denoise", "mirnet"),
        ("upscale", "nlsn"),
    ]
    assert [loaded.network.scale for loaded in ready.loaded] == [1, 1, 2]
    assert ready.settings["task"] == CHAIN.suffix
    assert ready.settings["precision"] == "fp32"


def test_options_that_records_of_before_lack_are_recorded_only_where_they_are_chosen() -> None:
    def recorded(**shared: Any) -> dict[str, str]:
        return Ready(single("denoise", **shared), Models(settings=None), (), (), ()).settings  # type: ignore[arg-type]

    assert "unneeded" not in recorded()
    assert recorded(unneeded="skip") == {**recorded(), "unneeded": "skip"}
