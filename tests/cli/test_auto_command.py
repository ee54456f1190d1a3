from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from restorecli.cli.inspecting import USUAL_WIDTH
from restorecli.commands.auto import AutoOptions
from restorecli.commands.description import RunDescription
from restorecli.commands.options import SharedOptions
from restorecli.errors import UsageError
from restorecli.imaging.icc import working_profile
from tests.conftest import Done
from tests.dng_maker import cfa_dng

Run = Callable[..., Done]
SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
CPU = ("-d", "cpu", "--fp32")


def pixels(path: Path) -> npt.NDArray[np.float64]:
    return np.asarray(Image.open(path).convert("RGB")).astype(float)


CLEAN = pixels(SAMPLES / "parrots.png")[:96, 100:228]
NOISE = np.random.default_rng(7).normal(0, 15, CLEAN.shape)


def psnr(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    return float(10 * np.log10(255**2 / np.mean((one - other) ** 2)))


def events(done: Done, name: str) -> dict[str, dict[str, object]]:
    found = [event for event in map(json.loads, done.out.splitlines()) if event["event"] == name]
    return {Path(event["input"]).name: event for event in found}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """One photo that needs nothing, one with artifacts, one with noise, one with both, and a broken one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    clean, noisy = (
        Image.fromarray(values.round().clip(0, 255).astype(np.uint8)) for values in (CLEAN, CLEAN + NOISE)
    )
    clean.save(folder / "clean.png")
    clean.save(folder / "web.jpg", quality=15)
    noisy.save(folder / "night.jpg", quality=95)
    noisy.save(folder / "both.jpg", quality=50)
    (folder / "broken.png").write_bytes((folder / "clean.png").read_bytes()[:500])
    return folder


NEEDS = {
    "clean.png": [],
    "web.jpg": ["dejpeg"],
    "night.jpg": ["denoise"],
    "both.jpg": ["dejpeg", "denoise"],
}


def test_each_photo_gets_what_it_needs_and_is_better_for_it(photos: Path, restore: Run) -> None:
    done = restore("auto", photos, *CPU, "--json")
    assert done.code == 1
    assert set(events(done, "file_failed")) == {"broken.png"}
    made = events(done, "file_done")
    details = {name: dict(event["details"]) for name, event in made.items()}  # type: ignore[call-overload]
    assert {name: each.get("done", "") for name, each in details.items()} == {
        name: ", ".join(tasks) for name, tasks in NEEDS.items()
    }
    assert made["clean.png"]["left"] is True
    assert "left_as_it_is" in details["clean.png"]
    out = photos.parent / "photos_auto"
    assert (out / "clean.png").read_bytes() == (photos / "clean.png").read_bytes()
    gains = {
        name: psnr(pixels(out / Path(name).with_suffix(".png")), CLEAN) for name in NEEDS if "jpg" in name
    }
    gains = {name: gain - psnr(pixels(photos / name), CLEAN) for name, gain in gains.items()}
    assert gains["web.jpg"] > 0.8
    assert gains["night.jpg"] > 4
    assert gains["both.jpg"] > 1


def test_what_is_foretold_is_what_is_done(photos: Path, restore: Run) -> None:
    seen = events(restore("inspect", photos, *CPU, "--json"), "inspected")
    assert {name: event["needs"] for name, event in seen.items()} == NEEDS
    planned = events(restore("auto", photos, *CPU, "--json", "-n"), "planned")
    assert {name: event["needs"] for name, event in planned.items() if "needs" in event} == NEEDS
    assert {name: event["does"] for name, event in planned.items()} == {
        **{name: "restore" if tasks else "leave" for name, tasks in NEEDS.items()},
        "broken.png": "fail",
    }
    assert sorted(path.name for path in photos.parent.iterdir()) == ["photos"]


def test_what_the_network_will_leave_is_foretold_to_be_left(
    photos: Path, restore: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restorecli.tasks.denoise.HARDLY_ANY", 30.0)  # nothing here has so much noise
    monkeypatch.setattr("restorecli.tasks.denoise.PLAIN", 60.0)
    seen = events(restore("inspect", photos, *CPU, "--json"), "inspected")
    left = {"clean.png": [], "web.jpg": ["dejpeg"], "night.jpg": [], "both.jpg": ["dejpeg"]}
    assert {name: event["needs"] for name, event in seen.items()} == left
    assert "texture or too faint" in " ".join(seen["night.jpg"]["found"])  # type: ignore[arg-type]
    assert seen["night.jpg"]["seconds"] == 0
    planned = events(restore("auto", photos, *CPU, "--json", "-n"), "planned")
    assert planned["night.jpg"]["does"] == "leave"
    made = events(restore("auto", photos, *CPU, "--json"), "file_done")
    done = {name: dict(event["details"]).get("done", "") for name, event in made.items()}  # type: ignore[call-overload]
    assert done == {name: ", ".join(tasks) for name, tasks in left.items()}


def test_what_was_found_and_done_is_said_of_every_photo(photos: Path, restore: Run) -> None:
    (photos / "broken.png").unlink()
    done = restore("auto", photos, *CPU)
    assert done.code == 0, done.err
    lines = [line for line in done.err.splitlines() if "web.jpg" in line]
    assert any("quality 15, from the file's quantisation tables" in line for line in lines)
    assert any("no denoise:" in line for line in lines)
    assert any("clean.png" in line and "no dejpeg:" in line for line in done.err.splitlines())
    again = restore("auto", photos, *CPU, "--json")
    assert len(events(again, "file_skipped")) == 4


def test_every_photo_is_enlarged_where_that_is_asked_for(photos: Path, restore: Run) -> None:
    done = restore("auto", photos / "clean.png", photos / "web.jpg", "--upscale", "2", *CPU, "--json")
    assert done.code == 0, done.err
    made = events(done, "file_done")
    assert [made[name]["details"]["done"] for name in ("clean.png", "web.jpg")] == [  # type: ignore[index]
        "upscale",
        "dejpeg, upscale",
    ]
    for name in ("clean", "web"):
        with Image.open(photos / f"{name}_auto-upscale-x2.png") as result:
            assert result.size == (256, 192)


def test_camera_raw_is_developed_and_denoised_by_one_network(restore: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    light = np.clip(CLEAN / 255, 0, 1) ** 2.2
    mosaic = np.empty(light.shape[:2])
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[row::2, column::2] = light[row::2, column::2, channel]
    samples = (mosaic + rng.normal(0, 0.02, mosaic.shape)).clip(0, 1) * 60000 + 2000
    profile = (
        51041,
        12,
        2,
        (1e-5, 4e-4),
        True,
    )  # NoiseProfile: shot and read variance
    dng = cfa_dng(samples.astype(np.uint16), black=2000, white=62000, tags=[profile])
    (tmp_path / "a.dng").write_bytes(dng)
    seen = events(restore("inspect", tmp_path, *CPU, "--json"), "inspected")["a.dng"]
    assert (seen["kind"], seen["needs"], seen["bits"]) == ("raw", ["demosaic", "denoise"], "16")
    assert isinstance(seen["sigma"], float)
    done = restore("auto", tmp_path, *CPU, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    details = events(done, "file_done")["a.dng"]["details"]
    assert details["done"] == "demosaic, denoise"  # type: ignore[index]
    assert (tmp_path / "out" / "a.tiff").is_file()


def test_the_table_fits_eighty_columns_and_says_how_times_came_about(photos: Path, restore: Run) -> None:
    deep = photos / ("a folder with a long name " * 3)
    deep.mkdir()
    (photos / "web.jpg").rename(deep / "web.jpg")
    done = restore("inspect", photos, *CPU)
    assert done.code == 1
    assert "broken.png" in done.err
    heading, *rows = done.out.split("\n\n")[0].splitlines()
    assert heading.split() == [
        "photo",
        "size",
        "kind",
        "profile",
        "noise",
        "jpeg",
        "sharp",
        "needs",
        "time",
    ] or (heading.split()[:3] == ["photo", "size", "kind"])
    assert max(map(len, [heading, *rows])) <= USUAL_WIDTH
    assert len(rows) == 4
    assert "4 photos: 3 would be restored" in done.out
    assert "MP/s: " in done.out.splitlines()[-1]
    speed = json.loads(restore("inspect", photos, *CPU, "--json").out.splitlines()[-1])
    assert speed["event"] == "speed"
    assert min(speed["megapixels_per_second"].values()) > 0


def test_inspect_offers_nothing_that_it_would_ignore(photos: Path, restore: Run) -> None:
    for option in ("--cluster", "--workers", "--output", "--model"):
        done = restore("inspect", photos, option, "auto")
        assert done.code == 2 and f"restore inspect has no option {option}" in done.err


def test_photos_of_several_places_and_profiles_stand_in_one_table(
    photos: Path, restore: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    profile = working_profile("display-p3")
    Image.open("clean.png").save("other.png", icc_profile=profile)
    done = restore("inspect", "clean.png", photos / "web.jpg", "other.png", *CPU)
    assert done.code == 0, done.err
    assert "profile" in done.out.splitlines()[0]
    assert "3 photos: 1 would be restored" in done.out


@pytest.mark.parametrize("value", ["1", "0.5", "-2", "17", "two", "nan"])
def test_an_enlargement_that_is_none_is_refused(value: str, photos: Path, restore: Run) -> None:
    done = restore("auto", photos, f"--upscale={value}")
    assert done.code == 2
    assert "--upscale" in done.err


@pytest.mark.parametrize("option", ["model", "variant", "weights"])
def test_the_network_of_one_task_is_not_asked_for(option: str, photos: Path, restore: Run) -> None:
    done = restore("auto", photos, f"--{option}", "nlsn")
    assert done.code == 2
    assert f"restore auto has no option --{option}" in done.err
    with pytest.raises(UsageError, match=f"--{option} is about one"):
        RunDescription.of(AutoOptions(), SharedOptions(**{option: "nlsn"}))
