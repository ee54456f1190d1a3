"""Photos that are not held give the results of those that are, and a stopped run goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event as Flag
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms
from torch import Tensor, nn

from restorecli.engine.order import Cancelled
from restorecli.engine.prepare import prepare
from restorecli.engine.settings import RunSettings
from restorecli.imaging import icc
from restorecli.loading import Loaded
from restorecli.models.choose import ModelRequest
from restorecli.models.resolved import Resolved
from restorecli.networks.network import Network
from restorecli.photos.inputs import find_inputs
from restorecli.photos.naming import plan_names
from restorecli.photos.planned import PlannedPhoto
from restorecli.photos.temporary import PROGRESS, STRIPS
from restorecli.pipeline import large
from restorecli.pipeline.photo import Setup, process
from restorecli.report.events import FileDone, FileFailed
from restorecli.results import Encoding
from restorecli.stages import Stage
from restorecli.tasks.base import Task
from restorecli.tasks.denoise import Denoise
from restorecli.tasks.same_size import SameSize
from restorecli.tasks.upscale import Upscale
from tests.pipeline.test_threads import Listener
from tests.test_rows import Brightened

HEIGHT, WIDTH = 700, 600


class Blur(Network):
    """Reaches two pixels far: a tile gives what the whole picture does."""

    tile_overlap = 24

    def __init__(self, scale: int = 1) -> None:
        super().__init__()
        self.settings = {}
        self.scale = scale
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3 * scale**2, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = nn.functional.pixel_shuffle(torch.sigmoid(self.conv(x)), self.scale)
        return out


class Networks:
    def __init__(self, scale: int = 1, **more: Any) -> None:
        self.network = Blur(scale).eval()
        settings = {"tile": 128, "precision": "fp32", "device": "cpu", **more}
        self.prepared = prepare(self.network, RunSettings(**settings))

    def get(self, request: ModelRequest, run: Mapping[str, Any]) -> Loaded:
        return Loaded(Resolved("rnan", "light", "blur", None, None), self.network, self.prepared)


class Stopping(Listener):
    """Sets a flag after some tiles."""

    def __init__(self, flag: Flag, after: int) -> None:
        super().__init__()
        self.flag, self.after = flag, after
        self.first: int | None = None

    def tiles(self, name: str, done: int, total: int) -> None:
        self.first = done if self.first is None else self.first
        if done >= self.after:
            self.flag.set()


def picture(channels: int = 3, kind: type[Any] = np.uint8) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = np.stack([np.sin(x / 30 + c) * np.cos(y / 50 - c) for c in range(channels)], axis=2)
    values = 0.5 + 0.4 * waves + rng.normal(0, 0.03, waves.shape)
    peak = np.iinfo(kind).max
    return np.rint(np.clip(values, 0, 1) * peak).astype(kind)


def tiff(path: Path, channels: int = 3, kind: type[Any] = np.uint8, **options: Any) -> None:
    samples = picture(channels, kind)
    if options.get("planarconfig") == "separate":
        samples = np.moveaxis(samples, 2, 0)
    photometric = "rgb" if channels == 3 else "minisblack"
    tifffile.imwrite(path, samples.squeeze(), photometric=photometric, metadata=None, **options)


def tiled(path: Path) -> None:
    tiff(path, tile=(64, 80), compression="zlib", predictor=True, bigtiff=True)


def deep_strips(path: Path) -> None:
    tiff(path, 1, np.uint16, rowsperstrip=37, compression="zlib")


def plain(path: Path) -> None:
    tiff(path, rowsperstrip=1000, byteorder=">")


def planes(path: Path) -> None:
    tiff(path, planarconfig="separate", rowsperstrip=30, compression="lzw")


def upside_down(path: Path) -> None:
    tiff(path, rowsperstrip=50, compression="zlib", extratags=[(274, 3, 1, 3, True)])


def mirrored(path: Path) -> None:
    tiff(path, tile=(128, 128), extratags=[(274, 3, 1, 2, True)])


def wide_gamut(path: Path) -> None:
    profile = icc.working_profile("rec2020")
    tiff(path, rowsperstrip=64, compression="zlib", iccprofile=profile)


def png(path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture()).save(path, icc_profile=srgb, dpi=(300, 300))


def deep_png(path: Path) -> None:
    Image.fromarray(picture(1, np.uint16)[:, :, 0]).save(path)


KINDS = (tiled, deep_strips, plain, planes, upside_down, mirrored, wide_gamut, png, deep_png)


def planned(source: Path, out: Path, format: str = "keep") -> PlannedPhoto:
    names = plan_names(find_inputs([str(source)]), output=str(out), task_suffix="x", format=format)
    return names.photos[0]


def setup(task: Task, networks: Networks) -> Setup:
    encoding = Encoding(provenance={"software": "restore"}, settings={"tile": "128"})
    return Setup((Stage(task, ModelRequest("denoise")),), networks, encoding)


@pytest.fixture
def restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Path, FileDone]]:
    def run(source: Path, name: str, task: Task, *, held: bool, scale: int = 1, format: str = "keep"):
        monkeypatch.setattr(large, "LARGE", 10**9 if held else 1000)
        photo = planned(source, tmp_path / name, format)
        event = process(photo, setup(task, Networks(scale)), Listener(), Flag())
        assert isinstance(event, FileDone), event
        assert photo.target is not None
        return photo.target, event

    return run


def samples(path: Path) -> np.ndarray[Any, Any]:
    found = tifffile.imread(path) if path.suffix in (".tif", ".tiff") else np.asarray(Image.open(path))
    return found.astype(np.int64)


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_results_are_those_of_photos_that_are_held(make: Any, tmp_path: Path, restored: Any) -> None:
    source = tmp_path / ("in.png" if "png" in make.__name__ else "in.tif")
    make(source)
    whole, _ = restored(source, "held", SameSize("x"), held=True)
    parts, event = restored(source, "parts", SameSize("x"), held=False)
    assert any("too large to be held" in text for text in event.notes)
    assert samples(whole).shape == samples(parts).shape
    step = 1 if samples(whole).max() < 256 else 40
    assert np.abs(samples(whole) - samples(parts)).max() <= step
    assert np.std(samples(parts)) > 1
    kept = [path.name for path in parts.parent.iterdir() if not path.name.startswith(".")]
    assert kept == [parts.name]


@pytest.mark.parametrize("profile", [None, "rec2020"])
def test_a_photo_without_colour_stays_so(profile: str | None, tmp_path: Path, restored: Any) -> None:
    source = tmp_path / "in.tif"
    tinged = {} if profile is None else {"iccprofile": icc.working_profile(profile)}
    tifffile.imwrite(source, np.repeat(picture(1), 3, axis=2), photometric="rgb", tile=(128, 128), **tinged)
    parts, event = restored(source, "parts", SameSize("x"), held=False)
    assert any("too large to be held" in text for text in event.notes)
    made = samples(parts)
    assert np.all(made == made[:, :, :1]) and np.std(made) > 1
    tiled(source)  # with colours
    colour = samples(restored(source, "colour", SameSize("x"), held=False)[0])
    assert not np.all(colour == colour[:, :, :1])


def test_what_is_no_noise_of_the_sigma_that_was_told_stays(tmp_path: Path, restored: Any) -> None:
    source = tmp_path / "in.tif"
    tiled(source)
    whole, _ = restored(source, "held", Denoise(4.0), held=True)
    parts, _ = restored(source, "parts", Denoise(4.0), held=False)
    free, _ = restored(source, "free", SameSize("x"), held=False)
    assert np.abs(samples(whole) - samples(parts)).max() <= 1
    before = samples(source)
    assert np.abs(samples(parts) - before).mean() < 0.5 * np.abs(samples(free) - before).mean()


@pytest.mark.parametrize("format", ["png", "tiff"])
def test_enlarged_and_in_another_format(format: str, tmp_path: Path, restored: Any) -> None:
    source = tmp_path / "in.tif"
    tiled(source)
    whole, _ = restored(source, "held", Upscale(2), held=True, scale=2, format=format)
    parts, _ = restored(source, "parts", Upscale(2), held=False, scale=2, format=format)
    assert samples(parts).shape == (2 * HEIGHT, 2 * WIDTH, 3)
    assert np.abs(samples(whole) - samples(parts)).max() <= 1


def test_dark_photos_are_brightened_row_by_row(tmp_path: Path, restored: Any) -> None:
    source = tmp_path / "in.tif"
    tiled(source)
    whole, _ = restored(source, "held", Brightened(), held=True)
    parts, event = restored(source, "parts", Brightened(), held=False)
    plain, _ = restored(source, "plain", SameSize("x"), held=False)
    assert any("too large to be held" in text for text in event.notes)
    assert np.abs(samples(whole) - samples(parts)).max() <= 1
    assert np.abs(samples(parts) - samples(plain)).max() > 5


def test_metadata_and_profiles_are_those_of_photos_that_are_held(tmp_path: Path, restored: Any) -> None:
    for make, name in ((png, "in.png"), (wide_gamut, "in.tif")):
        source = tmp_path / name
        make(source)
        infos = []
        for held in (True, False):
            path, _ = restored(source, f"{name}-{held}", SameSize("x"), held=held)
            with Image.open(path) as opened:
                infos.append((opened.info.get("icc_profile"), opened.info.get("dpi")))
        assert infos[0] == infos[1] and infos[0][0]


@pytest.mark.parametrize("make", [tiled, png])
@pytest.mark.parametrize("after", [7, 29])
def test_a_stopped_run_goes_on_where_it_was(
    make: Any, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "LARGE", 1000)
    monkeypatch.setattr("restorecli.photos.giants.spool._STRIP_BYTES", 1)
    source = tmp_path / ("in.png" if make is png else "in.tif")
    make(source)
    networks = Networks()
    whole = planned(source, tmp_path / "whole")
    assert isinstance(process(whole, setup(SameSize("x"), networks), Listener(), Flag()), FileDone)
    photo, flag = planned(source, tmp_path / "stopped"), Flag()
    with pytest.raises(Cancelled):
        process(photo, setup(SameSize("x"), networks), Stopping(flag, after), flag)
    assert photo.target is not None and not photo.target.exists()
    left = {path.name for path in photo.target.parent.iterdir()}
    assert left == {photo.target.name + STRIPS, photo.target.name + PROGRESS}
    strips = photo.target.with_name(photo.target.name + STRIPS)
    with strips.open("ab") as stream:  # what was being written when the process died
        stream.write(b"half of a strip")
    event = process(photo, setup(SameSize("x"), Networks()), Listener(), Flag())
    assert isinstance(event, FileDone) and whole.target is not None
    done = int(next(text for text in event.notes if "rows 1 to" in text).split()[3])
    assert 0 < done < HEIGHT
    # One row of tiles, 6, may be done again.
    assert event.tiles <= 42 - after + 12
    assert photo.target.read_bytes() == whole.target.read_bytes()


def test_strips_of_another_run_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "LARGE", 1000)
    monkeypatch.setattr("restorecli.photos.giants.spool._STRIP_BYTES", 1)
    source = tmp_path / "in.tif"
    tiled(source)
    photo, flag = planned(source, tmp_path / "out"), Flag()
    with pytest.raises(Cancelled):
        process(photo, setup(SameSize("x"), Networks()), Stopping(flag, 20), flag)
    tiff(source, tile=(64, 80), compression="zlib", software="another file")
    event = process(planned(source, tmp_path / "out"), setup(SameSize("x"), Networks()), Listener(), Flag())
    assert isinstance(event, FileDone)
    assert not any("rows 1 to" in text for text in event.notes)


def test_decisions_are_made_by_a_sample(tmp_path: Path, restored: Any) -> None:
    source = tmp_path / "in.tif"
    tiled(source)
    sigmas = [
        restored(source, str(held), Denoise(noise="gaussian"), held=held)[1].details["sigma"]
        for held in (True, False)
    ]
    assert sigmas[1] == pytest.approx(sigmas[0], rel=0.1) and sigmas[0] > 3


def test_what_cannot_be_read_row_by_row_is_held_or_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "LARGE", 1000)
    source = tmp_path / "in.png"
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    Image.fromarray(np.dstack([picture(), alpha])).save(source)
    photo = planned(source, tmp_path / "out")
    assert isinstance(process(photo, setup(SameSize("x"), Networks()), Listener(), Flag()), FileDone)
    monkeypatch.setattr("restorecli.pipeline.photo.free_bytes", lambda: 1 << 20)
    event = process(photo, setup(SameSize("x"), Networks()), Listener(), Flag())
    assert isinstance(event, FileFailed) and event.code == "too_large"
    assert "row by row" in event.message and "transparency" in event.message


def test_a_damaged_strip_fails_the_photo_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "LARGE", 1000)
    source = tmp_path / "in.tif"
    deep_strips(source)
    with tifffile.TiffFile(source) as file:
        place = file.pages.first.dataoffsets[12]
    data = bytearray(source.read_bytes())
    data[place : place + 40] = bytes(40)
    source.write_bytes(data)
    event = process(planned(source, tmp_path / "out"), setup(SameSize("x"), Networks()), Listener(), Flag())
    assert isinstance(event, FileFailed) and "in.tif" in event.message
