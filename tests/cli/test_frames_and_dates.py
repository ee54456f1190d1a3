"""`--frames` and `--keep-dates`, as a user gives them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)


def animation(path: Path) -> Path:
    frames = [Image.fromarray(RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8)) for _ in range(2)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=90, loop=0)
    return path


def test_an_animation_is_refused_cut_down_or_restored_frame_by_frame(tmp_path, restore):
    source = animation(tmp_path / "a.gif")
    common = ("upscale", "-x2", source, "--device", "cpu", "--if-exists", "overwrite", "-o", tmp_path / "out")
    refused = restore(*common)
    assert refused.code == 1
    assert "--frames" in refused.err
    assert restore(*common, "--frames", "first").code == 0
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert (image.size, getattr(image, "n_frames", 1)) == ((32, 24), 1)
    assert restore(*common, "--frames", "each").code == 0
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert (image.size, image.n_frames) == ((32, 24), 2)
    assert restore(*common, "--frames", "some").code == 2


def test_frames_keep_their_times(tmp_path, restore):
    times = [100, 250, 400]
    for name in ("a.webp", "b.png"):
        frames = [Image.fromarray(RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8)) for _ in times]
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=times)
        for task in (("denoise", "--sigma", "5"), ("upscale", "-x2")):
            result = tmp_path / task[0] / name
            options = ("--device", "cpu", "--frames", "each")
            assert restore(*task, tmp_path / name, *options, "-o", result).code == 0
            with Image.open(result) as image:
                assert [shown(image, number) for number in range(image.n_frames)] == times


def shown(image: Image.Image, number: int) -> float:
    image.seek(number)
    image.load()
    return image.info["duration"]


def test_results_get_the_date_of_their_photo_where_asked_for(tmp_path, restore):
    source = tmp_path / "a.png"
    Image.fromarray(RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8)).save(source)
    os.utime(source, (1_000_000_000, 1_000_000_000))
    for name, options in (("kept", ("--keep-dates",)), ("now", ())):
        done = restore("upscale", "-x2", source, "--device", "cpu", "-o", tmp_path / name / "a.png", *options)
        assert done.code == 0
        changed = (tmp_path / name / "a.png").stat().st_mtime
        assert (changed == 1_000_000_000) is (name == "kept")
    again = restore(
        "upscale", "-x2", source, "--device", "cpu", "-o", tmp_path / "kept" / "a.png", "--keep-dates"
    )
    assert "already done" in again.out + again.err
