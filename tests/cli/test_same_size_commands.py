from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from restorecli.networks import from_checkpoint
from tests.conftest import Done
from tests.networks.seeded import SMALL, seeded_state_dict

Run = Callable[..., Done]
Bytes = npt.NDArray[np.uint8]
NETWORKS = {"rnan": "rnan-tiny-batch", "panet": "panet-tiny-batch", "mirnet": "mirnet-tiny-batch"}
ENGINE = ("--fp32", "-d", "cpu", "--tile", "0")
TILED = ("--fp32", "-d", "cpu", "--tile", "64")


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Seeded weights as their authors' code would have saved them, of small networks."""
    folder = tmp_path_factory.mktemp("released")
    for network, fixture in NETWORKS.items():
        torch.save(seeded_state_dict(SMALL / f"{fixture}.json"), folder / f"{network}.pt")
    return {network: folder / f"{network}.pt" for network in NETWORKS}


def scene(height: int = 30, width: int = 40) -> Bytes:
    """A smooth picture with a few edges: clean, and no multiple of anything in its values."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [128 + 80 * np.sin(rows / (9 + k) + k) * np.cos(columns / (13 - k)) for k in range(3)]
    picture = np.stack(waves, axis=-1)
    picture[height // 3 : height // 2, width // 4 : width // 2] = (200, 60, 90)
    return picture.round().clip(0, 255).astype(np.uint8)


def events(done: Done, name: str) -> list[dict[str, object]]:
    return [event for event in map(json.loads, done.out.splitlines()) if event["event"] == name]


def through(network: str, pixels: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Run a released network on H×W×3 values of 0–1 by hand."""
    model = from_checkpoint(network, seeded_state_dict(SMALL / f"{NETWORKS[network]}.json")).eval()
    tensor = torch.from_numpy(np.transpose(pixels, (2, 0, 1))[None].astype(np.float32))
    with torch.inference_mode():
        output: npt.NDArray[np.float32] = model(tensor * model.value_range)[0].numpy() / model.value_range
    return np.transpose(output, (1, 2, 0)).clip(0, 1)


@pytest.mark.parametrize(
    ("command", "network"),
    [
        (("denoise", "--sigma", "25"), "rnan"),
        (
            ("denoise", "--sigma", "100"),
            "panet",
        ),  # random weights take out much, which weaker noise cannot be
        (("denoise", "--noise", "real"), "mirnet"),
        (("dejpeg", "--quality", "20"), "panet"),
        (("deblur", "--blur", "defocus"), "mirnet"),
        (("enhance", "--style", "retouch"), "mirnet"),
    ],
)
def test_the_result_is_what_the_released_network_makes_of_the_photo(
    command: tuple[str, ...], network: str, released: dict[str, Path], restore: Run, tmp_path: Path
) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.png")
    done = restore(*command, "--model", network, "--weights", released[network], *ENGINE, tmp_path / "a.png")
    assert done.code == 0, done.err
    (made,) = tmp_path.glob(f"a_{command[0]}.png")
    expected = through(network, scene() / 255) * 255
    difference = np.abs(np.asarray(Image.open(made)) - expected)
    assert difference.max() <= 0.51  # rounding to 8 bit


def test_sixteen_bits_stay_sixteen_bits(released: dict[str, Path], restore: Run, tmp_path: Path) -> None:
    values = (scene().astype(np.uint16) * 257) + np.arange(40, dtype=np.uint16)[:, None]
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    arguments = ("--weights", released["rnan"], "--model", "rnan", *ENGINE)
    done = restore("denoise", "--sigma", "25", *arguments, tmp_path / "a.tif", "-o", tmp_path / "b.tif")
    assert done.code == 0, done.err
    made = tifffile.imread(tmp_path / "b.tif")
    assert made.dtype == np.uint16
    assert np.abs(made - through("rnan", values / 65535) * 65535).max() <= 2


def test_gray_and_transparent_photos_keep_their_kind(
    released: dict[str, Path], restore: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    alpha = np.full((30, 40, 1), 255, dtype=np.uint8)
    alpha[:10], alpha[10:20] = 0, 100
    Image.fromarray(scene()[:, :, 0]).save(folder / "gray.png")
    Image.fromarray(np.concatenate([scene(), alpha], axis=2)).save(folder / "clear.png")
    arguments = ("--weights", released["rnan"], "--model", "rnan", *ENGINE)
    done = restore("denoise", "--sigma", "25", *arguments, folder, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    gray, clear = (np.asarray(Image.open(tmp_path / "out" / f"{name}.png")) for name in ("gray", "clear"))
    three = through("rnan", np.repeat(scene()[:, :, :1], 3, axis=2) / 255)
    assert gray.shape == (30, 40)
    assert np.abs(gray - three @ np.array([0.299, 0.587, 0.114]) * 255).max() <= 0.51
    assert np.array_equal(clear[:, :, 3:], alpha)
    assert np.array_equal(clear[:10, :, :3], scene()[:10])
    assert not np.array_equal(clear[10:, :, :3], scene()[10:])


def noisy(sigma: float, seed: int = 0) -> Bytes:
    noise = np.random.default_rng(seed).normal(0, sigma, (128, 128, 3))
    return (scene(128, 128) + noise).round().clip(0, 255).astype(np.uint8)


def test_auto_finds_the_noise_of_each_photo_and_leaves_clean_ones_alone(
    released: dict[str, Path], restore: Run, tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    Image.fromarray(scene(128, 128)).save(folder / "clean.png")
    for sigma in (10, 40):
        Image.fromarray(noisy(sigma)).save(folder / f"s{sigma}.png")
    arguments = ("denoise", "--weights", released["rnan"], "--model", "rnan", *TILED, folder, "-o", out)
    done = restore(*arguments, "--json")
    assert done.code == 0, done.err
    details = {Path(str(e["input"])).stem: e["details"] for e in events(done, "file_done")}
    for sigma in (10, 40):
        found = details[f"s{sigma}"]
        assert isinstance(found, dict)
        assert found["sigma"] == pytest.approx(sigma, rel=0.15)
        assert found["sigma_source"] == "estimated"
    assert "left_as_it_is" in details["clean"]  # type: ignore[operator]
    assert (out / "clean.png").read_bytes() == (folder / "clean.png").read_bytes()
    assert len(events(restore(*arguments, "--json"), "file_skipped")) == 3
    assert len(events(restore(*arguments, "--json", "--sigma", "20"), "file_done")) == 3
    assert (out / "clean.png").read_bytes() != (folder / "clean.png").read_bytes()


def test_strength_is_done_and_recorded_wherever_a_result_is_described(
    released: dict[str, Path], restore: Run, tmp_path: Path
) -> None:
    Image.fromarray(noisy(20)).save(tmp_path / "a.png")
    arguments = ("denoise", "--weights", released["rnan"], "--model", "rnan", *TILED, tmp_path / "a.png")
    made = {}
    for strength in ("0", "0.5", "1"):
        out = tmp_path / f"s{strength}.png"
        done = restore(*arguments, "-o", out, "--strength", strength, "--json")
        assert done.code == 0, done.err
        made[strength] = np.asarray(Image.open(out)).astype(float)
        details = events(done, "file_done")[0]["details"]
        assert isinstance(details, dict)
        assert details.get("strength", 1.0) == float(strength)
    assert np.array_equal(made["0"], noisy(20))
    assert np.abs(made["0.5"] - (made["0"] + made["1"]) / 2).max() <= 1
    records = [json.loads(line) for line in (tmp_path / ".restore.jsonl").read_text().splitlines()]
    assert [record["settings"].get("strength", "1.0") for record in records] == ["0.0", "0.5", "1.0"]
    assert b"strength" in (tmp_path / "s0.5.png").read_bytes()


def test_auto_reads_the_quality_of_each_file_and_leaves_clean_ones_alone(
    released: dict[str, Path], restore: Run, tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    picture = Image.fromarray(noisy(4))
    for quality in (10, 75, 99):
        picture.save(folder / f"q{quality}.jpg", quality=quality)
    picture.save(folder / "clean.png")
    stored = io.BytesIO()
    picture.save(stored, format="jpeg", quality=15)
    Image.open(stored).save(folder / "decoded.png")
    arguments = ("dejpeg", "--weights", released["rnan"], "--model", "rnan", *TILED, folder, "-o", out)
    done = restore(*arguments, "--json", "-f", "keep")
    assert done.code == 0, done.err
    details = {Path(str(e["input"])).stem: dict(e["details"]) for e in events(done, "file_done")}  # type: ignore[call-overload]
    assert [details[name]["quality"] for name in ("q10", "q75", "q99")] == [10, 75, 99]
    assert details["q10"]["quality_source"] == "tables"
    assert details["decoded"]["quality_source"] == "pixels"
    assert details["decoded"]["quality"] == pytest.approx(15, abs=4)
    left = {name for name in details if "left_as_it_is" in details[name]}
    assert left == {"clean", "q99"}
    assert (out / "clean.png").read_bytes() == (folder / "clean.png").read_bytes()
    assert (out / "q99.jpg").read_bytes() == (folder / "q99.jpg").read_bytes()
    assert not (out / "q99.png").exists()


def test_a_clean_jpeg_that_stays_a_jpeg_keeps_its_bytes(
    released: dict[str, Path], restore: Run, tmp_path: Path
) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.jpg", quality=99)
    arguments = ("--weights", released["rnan"], "--model", "rnan", *TILED)
    done = restore("dejpeg", *arguments, tmp_path / "a.jpg", "-o", tmp_path / "b.jpg")
    assert done.code == 0, done.err
    assert (tmp_path / "b.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()
    raw = (tmp_path / "a.jpg").read_bytes()
    piped = restore("dejpeg", *arguments, "-", "-o", "-", "-f", "jpg", stdin=raw)
    assert piped.raw == raw


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["denoise", "--sigma", "loud"], "--sigma loud"),
        (["denoise", "--sigma", "-3"], "--sigma -3"),
        (["denoise", "--sigma", "nan"], "--sigma nan"),
        (["denoise", "--noise", "rain"], "--noise rain"),
        (["denoise", "--noise", "real", "--sigma", "20"], "--sigma"),
        (["denoise", "--strength", "2.5"], "--strength 2.5"),
        (["denoise", "--strength", "-1"], "--strength -1"),
        (["denoise", "--model", "rnan", "--noise", "real"], "rnan does not denoise real"),
        (["dejpeg", "--quality", "0"], "--quality 0"),
        (["dejpeg", "--quality", "101"], "--quality 101"),
        (["deblur", "--blur", "wind"], "--blur wind"),
        (["enhance", "--style", "baroque"], "--style baroque"),
        (["enhance", "--model", "rnan"], "rnan has no weights for enhance"),
    ],
)
def test_usage_errors_exit_with_two_and_say_what_is_wrong(
    arguments: list[str], said: str, restore: Run, tmp_path: Path
) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.png")
    done = restore(*arguments, tmp_path / "a.png")
    assert done.code == 2, done.err
    assert done.err.startswith("error: ") and said in done.err


def test_weights_that_do_something_else_are_refused(
    restore: Run, tmp_path: Path, released: dict[str, Path]
) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.png")
    from restorecli.models.registry import package_data

    enlarging = package_data("light") / "nlsn-light-x2.safetensors"
    done = restore("denoise", "--sigma", "20", "--weights", enlarging, *ENGINE, tmp_path / "a.png")
    assert done.code == 4, done.err
    assert "enlarge by 2" in done.err


@pytest.mark.parametrize(
    ("arguments", "weights"),
    [
        (["denoise", "--model", "rnan", "--sigma", "25"], "rnan-denoise-color-s30"),
        (["denoise", "--model", "grl", "--sigma", "25"], "grl-small-denoise-color-s25"),
        (["denoise"], "nlsn-light-denoise"),
        (["denoise", "--noise", "real"], "nlsn-light-denoise"),
        (["denoise", "--noise", "gaussian"], "nlsn-light-denoise"),
        (["denoise", "--model", "mirnet", "--noise", "real"], "mirnet-denoise-real"),
        (["denoise", "--model", "mirnet"], "mirnet-denoise-real"),
        (["denoise", "--model", "mirnet", "--noise", "gaussian"], "mirnet-light-denoise"),
        (["denoise", "--model", "mirnet", "--variant", "light"], "mirnet-light-denoise"),
        (["dejpeg", "--model", "panet", "--quality", "35"], "panet-dejpeg-q30"),
        (["dejpeg", "--model", "grl", "--quality", "10"], "grl-small-dejpeg-color-q10"),
        (["deblur"], "nlsn-light-deblur"),
        (["deblur", "--variant", "paper"], "grl-base-deblur-gopro"),
        (["deblur", "--model", "grl"], "grl-base-deblur-gopro"),
        (["deblur", "--blur", "realblur-j"], "grl-base-deblur-realblur-j"),
        (["deblur", "--blur", "defocus"], "nlsn-light-deblur"),
        (["deblur", "--blur", "defocus", "--variant", "paper"], "grl-base-deblur-defocus"),
        (["enhance"], "nlsn-light-enhance"),
        (["enhance", "--style", "light"], "nlsn-light-enhance"),
        (["enhance", "--variant", "paper"], "mirnet-enhance-lol"),
        (["enhance", "--model", "mirnet"], "mirnet-enhance-lol"),
        (["enhance", "--style", "retouch"], "mirnet-enhance-fivek"),
    ],
)
def test_which_weights_are_taken(arguments: list[str], weights: str, restore: Run, tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.png")
    done = restore(*arguments, tmp_path / "a.png", "-n", "--json")
    assert done.code == 0, done.err
    assert events(done, "plan")[0]["weights"] == weights
