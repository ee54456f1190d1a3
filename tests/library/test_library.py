from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import restorecli
from restorecli.commands.denoise import DenoiseOptions
from restorecli.commands.description import RunDescription, Step
from restorecli.commands.options import SharedOptions
from restorecli.commands.upscale import UpscaleOptions
from restorecli.errors import UnreadableError, UnsupportedError, UsageError
from restorecli.imaging import cfa, icc
from tests.comparison.scenes import noisy, scene
from tests.conftest import Done
from tests.dng_maker import cfa_dng

Run = Callable[..., Done]
ON = {"device": "cpu", "precision": "fp32"}
OPTIONS = ("-d", "cpu", "--fp32", "-q")
NOISY = noisy(scene(48, 64), 20)
ALPHA = np.broadcast_to(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], (48, 64, 1))
PICTURES = {
    "rgb-8": NOISY,
    "gray-8": NOISY[..., 1],
    "rgba-8": np.dstack([NOISY, ALPHA]),
    "rgb-16": NOISY.astype(np.uint16) * 257 + 5,
    "gray-16": NOISY[..., 1].astype(np.uint16) * 257 + 5,
    "rgba-16": np.dstack([NOISY, ALPHA]).astype(np.uint16) * 257,
}


def write(picture: np.ndarray[Any, Any], path: Path) -> Path:
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(picture)))
    return path


def pixels_of(path: Path) -> np.ndarray[Any, Any]:
    if path.suffix == ".png":
        return imagecodecs.png_decode(path.read_bytes())
    return tifffile.imread(path)


@pytest.fixture(scope="module")
def denoiser() -> restorecli.Restorer:
    return restorecli.Restorer("denoise", **ON)


@pytest.mark.parametrize("kind", PICTURES)
def test_an_array_and_a_path_give_what_the_command_writes(
    restore: Run, tmp_path: Path, kind: str, denoiser: restorecli.Restorer
) -> None:
    source = write(PICTURES[kind], tmp_path / "a.png")
    restore("denoise", source, *OPTIONS, "-o", tmp_path / "out.png")
    expected = pixels_of(tmp_path / "out.png")
    assert not np.array_equal(expected, PICTURES[kind])
    for given in (PICTURES[kind], source):
        result = denoiser(given)
        assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
        assert np.array_equal(result, expected)


@pytest.mark.parametrize("kind", ["rgb-8", "gray-16", "rgba-8"])
def test_an_enlargement_is_that_of_the_command(restore: Run, tmp_path: Path, kind: str) -> None:
    source = write(PICTURES[kind], tmp_path / "a.png")
    restore("upscale", "-x2", source, *OPTIONS, "-o", tmp_path / "out.png")
    assert np.array_equal(restorecli.upscale(PICTURES[kind], 2, **ON), pixels_of(tmp_path / "out.png"))


def test_a_jpeg_file_s_own_tables_count(restore: Run, tmp_path: Path) -> None:
    Image.fromarray(scene(48, 64)).save(tmp_path / "a.jpg", quality=15)
    restore("dejpeg", tmp_path / "a.jpg", *OPTIONS, "-o", tmp_path / "out.png")
    assert np.array_equal(restorecli.dejpeg(tmp_path / "a.jpg", **ON), pixels_of(tmp_path / "out.png"))


def test_float_files_and_arrays(restore: Run, tmp_path: Path, denoiser: restorecli.Restorer) -> None:
    picture = NOISY.astype(np.float32) / 255
    tifffile.imwrite(tmp_path / "a.tif", picture, photometric="rgb")
    restore("denoise", tmp_path / "a.tif", *OPTIONS, "-o", tmp_path / "out.tif")
    expected = pixels_of(tmp_path / "out.tif")
    assert np.array_equal(denoiser(tmp_path / "a.tif"), expected)
    assert denoiser(picture.astype(np.float64)).dtype == np.float64
    assert np.abs(denoiser(picture) - expected).max() < 1e-4  # a float TIFF without a profile is linear


def test_camera_raw_is_developed(restore: Run, tmp_path: Path) -> None:
    mosaic = cfa.sample((scene(64, 96) / np.float32(255)).astype(np.float32), "RGGB")
    (tmp_path / "a.dng").write_bytes(cfa_dng(np.rint(mosaic * 16000).astype(np.uint16), white=16000))
    restore("demosaic", tmp_path / "a.dng", *OPTIONS, "-o", tmp_path / "out.tif")
    result = restorecli.demosaic(tmp_path / "a.dng", **ON)
    assert result.dtype == np.uint16
    assert np.array_equal(result, pixels_of(tmp_path / "out.tif"))


def test_a_mosaic_as_an_array_becomes_colour(restore: Run, tmp_path: Path) -> None:
    mosaic = np.rint(cfa.sample(scene(48, 64).astype(np.float32), "GRBG")).astype(np.uint8)
    source = write(mosaic, tmp_path / "a.png")
    restore("demosaic", "--pattern", "GRBG", source, *OPTIONS, "-o", tmp_path / "out.png")
    result = restorecli.demosaic(mosaic, pattern="GRBG", **ON)
    assert np.array_equal(result, pixels_of(tmp_path / "out.png"))


def test_auto_is_the_command_auto(restore: Run, tmp_path: Path) -> None:
    source = write(NOISY, tmp_path / "a.png")
    restore("auto", source, *OPTIONS, "-o", tmp_path / "out.png")
    assert np.array_equal(restorecli.auto(NOISY, **ON), pixels_of(tmp_path / "out.png"))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_pillow_images_come_back_as_such(mode: str, denoiser: restorecli.Restorer) -> None:
    image = Image.fromarray(PICTURES["rgba-8"]).convert(mode)
    profile = icc.rgb_profile(icc.SPACES["srgb"], icc.srgb_curve(), "sRGB")
    image.info.update({"dpi": (300, 300), "icc_profile": profile} if mode == "RGB" else {"dpi": (300, 300)})
    result = denoiser(image)
    assert (result.mode, result.size, result.info["dpi"]) == (mode, image.size, (300, 300))
    assert result.info.get("icc_profile") == image.info.get("icc_profile")
    assert np.array_equal(np.asarray(result), denoiser(np.asarray(image)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_equal_channels_stay_equal(dtype: type, denoiser: restorecli.Restorer) -> None:
    peak = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    gray = (NOISY[..., :1] / 255 * peak).astype(dtype).repeat(3, axis=2)
    made = denoiser(gray)
    assert np.all(made == made[..., :1]) and not np.array_equal(made, gray)


def test_palettes_and_bits_are_opened(denoiser: restorecli.Restorer) -> None:
    palette = Image.fromarray(NOISY).quantize(64)
    assert denoiser(palette).mode == "RGB"
    assert denoiser(Image.fromarray(NOISY).convert("1")).mode == "L"


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16, torch.float64])
def test_tensors_come_back_as_such(dtype: torch.dtype, denoiser: restorecli.Restorer) -> None:
    tensor = torch.from_numpy(NOISY.transpose(2, 0, 1).copy())
    tensor = tensor if dtype == torch.uint8 else (tensor / 255).to(dtype)
    result = denoiser(tensor)
    assert (result.dtype, result.shape, result.device) == (tensor.dtype, tensor.shape, tensor.device)
    levels = result.numpy() if dtype == torch.uint8 else np.rint(result.double().numpy() * 255).clip(0, 255)
    assert np.abs(levels - denoiser(NOISY).transpose(2, 0, 1).astype(float)).max() <= 1


def test_a_batch_is_its_pictures_one_by_one(denoiser: restorecli.Restorer) -> None:
    batch = torch.from_numpy(np.stack([NOISY, NOISY[::-1]]).transpose(0, 3, 1, 2).copy())
    result = denoiser.restore(batch)
    assert torch.equal(result.image, torch.stack([denoiser(one) for one in batch]))
    assert result.notes[0].startswith("picture 1: ")


def test_flat_and_single_channel_gray_keep_their_shape(denoiser: restorecli.Restorer) -> None:
    gray = PICTURES["gray-8"]
    assert np.array_equal(denoiser(gray[:, :, None])[:, :, 0], denoiser(gray))
    assert denoiser(torch.from_numpy(gray.copy())).shape == gray.shape


def test_what_is_clean_is_left_and_said(denoiser: restorecli.Restorer) -> None:
    picture = scene(96, 128) / 255
    found = denoiser.restore(picture)
    assert found.left and "no visible noise" in found.details["left_as_it_is"]
    assert found.image is not picture and np.array_equal(found.image, picture)


def test_what_was_found_is_told(denoiser: restorecli.Restorer) -> None:
    found = denoiser.restore(NOISY)
    assert not found.left and found.details["weights"] == "nlsn-light-denoise"
    assert any("sigma" in note for note in found.notes)


def test_a_run_of_several_steps(denoiser: restorecli.Restorer) -> None:
    shared = SharedOptions(device="cpu", precision="fp32")
    both = restorecli.Restorer.of(RunDescription((Step(DenoiseOptions()), Step(UpscaleOptions(2))), shared))
    result = both(NOISY)
    assert result.shape == (96, 128, 3)
    apart = restorecli.upscale(denoiser(NOISY.astype(np.float32) / 255), 2, **ON)
    assert np.abs(result - apart.clip(0, 1) * 255).max() <= 1.01


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (NOISY.astype(np.int32), "an array of int32"),
        (np.zeros((4, 4, 7), np.uint8), "an array of 4×4×7"),
        (np.zeros((0, 4, 3), np.uint8), "an array of 0×4×3"),
        ([1, 2, 3], "list is no picture"),
        (Image.new("CMYK", (4, 4)), "mode CMYK"),
        (torch.zeros(0, 3, 4, 4), "batch of no pictures"),
        (torch.zeros(1, 1, 3, 4, 4), "a tensor of 1×1×3×4×4 is no picture"),
        (torch.zeros(48, 64, 3), "a tensor of 48×64×3 is no picture"),
        (torch.zeros(3, 4, 4).to_sparse(), "without its samples"),
        (torch.zeros(3, 4, 4, device="meta"), "without its samples"),
        (NOISY.astype(np.float32), "most of which lies above 1"),
        (NOISY[None], "an array of 1×48×64×3"),
        (NOISY[0, 0], "an array of 3 "),
    ],
)
def test_what_is_no_picture_is_refused(picture: Any, message: str, denoiser: restorecli.Restorer) -> None:
    with pytest.raises(UnsupportedError, match=message):
        denoiser(picture)


def test_a_closed_pillow_image_is_refused(tmp_path: Path, denoiser: restorecli.Restorer) -> None:
    Image.fromarray(NOISY).save(tmp_path / "a.png")
    opened = Image.open(tmp_path / "a.png")
    opened.close()
    with pytest.raises(UnreadableError, match="an image cannot be read"):
        denoiser(opened)


@pytest.mark.parametrize(
    "view",
    [
        np.asfortranarray(NOISY),
        np.pad(NOISY, ((0, 0), (0, 0), (2, 2)))[..., 2:5],
        NOISY[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
        np.dstack([NOISY, NOISY]).reshape(48, 64, 2, 3)[:, :, 0],
    ],
    ids=["fortran", "strided", "negative strides", "every second"],
)
def test_how_an_array_lies_in_memory_makes_no_difference(
    view: np.ndarray[Any, Any], denoiser: restorecli.Restorer
) -> None:
    view.setflags(write=False)
    assert np.array_equal(view, NOISY)
    result = denoiser(view)
    assert np.array_equal(result, denoiser(NOISY))
    assert result.flags.c_contiguous and result.flags.writeable


def test_the_order_of_bytes_comes_back(denoiser: restorecli.Restorer) -> None:
    deep = NOISY.astype(np.uint16) * 257
    swapped = denoiser(deep.astype(">u2"))
    assert swapped.dtype == np.dtype(">u2") and np.array_equal(swapped, denoiser(deep))


def test_samples_that_are_no_numbers_are_replaced_and_said(denoiser: restorecli.Restorer) -> None:
    picture = NOISY.astype(np.float32) / 255
    picture[3, 3] = np.nan
    with pytest.warns(restorecli.RestoreWarning, match="not-a-number"):
        assert np.isfinite(denoiser(picture)).all()


def test_gradients_stay_outside(denoiser: restorecli.Restorer) -> None:
    picture = torch.from_numpy(NOISY).permute(2, 0, 1).float().div(255).requires_grad_()
    assert not denoiser(picture).requires_grad and picture.grad is None


def test_a_missing_file_and_several_pages_are_refused(tmp_path: Path, denoiser: restorecli.Restorer) -> None:
    with pytest.raises(UnreadableError, match=r"gone\.png"):
        denoiser(tmp_path / "gone.png")
    tifffile.imwrite(tmp_path / "two.tif", np.stack([NOISY, NOISY]), photometric="rgb")
    with pytest.raises(UnsupportedError, match="has 2 pages"):
        denoiser(tmp_path / "two.tif")


@pytest.mark.parametrize(
    ("command", "options", "error"),
    [
        ("sharpen", {}, UsageError),
        ("denoise", {"sigma": 200}, UsageError),
        ("denoise", {"radius": 2}, UsageError),
        ("denoise", {"output": "x"}, UsageError),
        ("denoise", {"precision": "fp8"}, UsageError),
        ("denoise", {"model": "nobody"}, UsageError),
        ("auto", {"model": "nlsn"}, UsageError),
        ("upscale", {"scale": 1}, UsageError),
        ("upscale", {"scale": "2"}, UsageError),
        ("upscale", {"scale": float("nan")}, UsageError),
        ("denoise", {"sigma": None}, UsageError),
        ("denoise", {"strength": "0.5"}, UsageError),
        ("denoise", {"strength": True}, UsageError),
        ("denoise", {"seed": "x"}, UsageError),
        ("denoise", {"seed": 1.5}, UsageError),
        ("denoise", {"model": 3}, UsageError),
        ("denoise", {"self_ensemble": "yes"}, UsageError),
    ],
)
def test_bad_options_are_errors_of_the_package(command: str, options: dict[str, Any], error: type) -> None:
    with pytest.raises(error):
        restorecli.Restorer(command, **options)


def test_numbers_and_switches_are_taken_as_such(tmp_path: Path) -> None:
    made = restorecli.Restorer("denoise", sigma=25, tile=64, **ON)
    assert made.description.recorded()["sigma"] == "25" and made.description.shared.tile == "64"
    assert np.array_equal(made(NOISY), restorecli.denoise(NOISY, sigma=25.0, tile=64, **ON))


def test_numbers_of_numpy_and_devices_of_torch_are_taken() -> None:
    options = {"sigma": np.float32(25), "tile": np.int64(64), "seed": np.int8(3), "strength": np.float64(0.5)}
    made = restorecli.Restorer("denoise", **options, device=torch.device("cpu"), precision="fp32")
    shared = made.description.shared
    assert (shared.tile, shared.seed, shared.device) == ("64", 3, "cpu")
    assert made.description.recorded()["sigma"] == "25"


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, restorecli\nassert 'denoise' in dir(restorecli)\n"
        "print(sorted({'torch', 'numpy', 'PIL', 'scipy', 'typer'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_stub_names_what_the_package_offers() -> None:
    stub = (Path(restorecli.__file__).parent / "__init__.pyi").read_text(encoding="utf-8")
    assert all(f" as {name}\n" in stub for name in restorecli.__all__)
    assert all(callable(getattr(restorecli, name)) for name in restorecli.__all__)


def test_a_stream_of_bytes_is_opened_by_pillow_first(denoiser: restorecli.Restorer) -> None:
    stream = io.BytesIO()
    Image.fromarray(NOISY).save(stream, "PNG")
    assert denoiser(Image.open(stream)).size == (64, 48)
