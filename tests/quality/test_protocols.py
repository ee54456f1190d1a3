"""Each task's protocol, step by step, against other programs' arithmetic."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from restorecli.errors import UsageError
from restorecli.networks.network import Network
from restorecli.photo import Photo
from restorecli.quality.baselines import lanczos, malvar, menon, non_local_means, shifted_jpeg
from restorecli.quality.degrade import Bytes
from restorecli.quality.evaluate import evaluate
from restorecli.quality.protocols import Protocol, protocols
from restorecli.quality.protocols.real_noise import RealPairs
from restorecli.quality.protocols.same_size import DeblurProtocol, EnhanceProtocol
from restorecli.quality.sets import ImageSet, known_sets, open_set, read_bytes
from restorecli.tasks.base import to_pixels

RNG = np.random.default_rng(11)


def picture(height: int = 48, width: int = 56) -> Bytes:
    """A smooth colour picture with edges."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (5 + c)) + np.cos(y / (7 - c)) + 2 * (x > width // 2) for c in range(3)]
    stack = np.stack(waves, axis=2)
    return np.uint8(np.rint(255 * (stack - stack.min()) / np.ptp(stack)))


def only(task: str, **options: object) -> Protocol:
    (protocol,) = protocols(task, **options)  # type: ignore[arg-type]
    return protocol


def score(protocol: Protocol, truth: Bytes, method: int = 0) -> tuple[Bytes, dict[str, float]]:
    clean = protocol.truth(truth)
    result = protocol.methods()[method][1](protocol.degrade(clean, 0))
    return result, protocol.scores(result, clean)


def test_upscaling_is_scored_on_luma_with_the_border_cut() -> None:
    protocol, truth = only("upscale", scales=[3]), picture(49, 56)
    result, values = score(protocol, truth)
    clean = truth[:48, :54]
    assert result.shape == clean.shape
    weights = np.array([65.481, 128.553, 24.966]) / 255
    found, wanted = (16 + (image @ weights)[3:-3, 3:-3] for image in (result, clean))
    assert values["psnr"] == pytest.approx(peak_signal_noise_ratio(wanted, found, data_range=255))
    _, whole = structural_similarity(
        wanted,
        found,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    assert values["ssim"] == pytest.approx(whole[5:-5, 5:-5].mean(), abs=1e-6)


def test_noise_is_white_of_the_strength_asked_for_and_not_clipped() -> None:
    protocol = only("denoise", sigmas=[25])
    truth = np.full((200, 200, 3), 250, np.uint8)
    noisy = protocol.degrade(truth, 0)
    noise = noisy * 255 - 250.0
    assert noise.std() == pytest.approx(25, rel=0.01)
    assert abs(noise.mean()) < 0.3
    assert noisy.max() > 1.2
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.02
    assert np.array_equal(noisy, protocol.degrade(truth, 0))
    assert not np.array_equal(noisy, protocol.degrade(truth, 1))


def test_eight_bit_noise_is_the_same_clipped_and_rounded() -> None:
    truth = picture()
    noisy = only("denoise", sigmas=[25]).degrade(truth, 3) * 255
    rounded = only("denoise", sigmas=[25], rounded=True).degrade(truth, 3) * 255
    np.testing.assert_allclose(rounded, np.rint(np.clip(noisy, 0, 255)), atol=1e-4)


class Echo(Network):
    """Gives back what it is given."""

    def __init__(self, channels: int = 3, extra: str = "") -> None:
        super().__init__()
        self.out_channels, self.in_channels, self.extra_input = channels, channels + bool(extra), extra


def test_a_network_sees_unclipped_noise_and_its_level() -> None:
    task = only("denoise", sigmas=[51]).undo()
    photo = Photo(np.array([[[-0.5, 0.5, 1.5]]], np.float32))
    (given,) = task.prepare(photo, task.examine(photo), Echo(3, "noise map")).inputs
    np.testing.assert_allclose(to_pixels(given), [[[-0.5, 0.5, 1.5, 0.2]]], atol=1e-6)


def test_camera_noise_is_seeded_grows_with_the_iso_and_is_of_8_bit() -> None:
    three = protocols("denoise", isos=[])
    assert [protocol.name for protocol in three] == ["denoise-iso1600", "denoise-iso3200", "denoise-iso6400"]
    truth = picture()
    means = []
    for protocol in three:
        noisy = [protocol.degrade(truth, seed) for seed in (*range(12), 0)]
        assert np.array_equal(noisy[0], noisy[-1]) and not np.array_equal(noisy[0], noisy[1])
        np.testing.assert_allclose(noisy[0] * 255, np.rint(noisy[0] * 255), atol=1e-3)
        means.append(np.mean([(shot * 255 - truth).std() for shot in noisy]))
        assert protocol.level is None and protocol.task == "denoise"
    assert means[0] < 0.9 * means[1] < 0.8 * means[2]


def test_gray_is_shot_as_colour_and_measured_as_luma() -> None:
    protocol = only("denoise", isos=[3200], gray=True)
    truth = protocol.truth(picture())
    assert truth.shape == protocol.degrade(truth, 0).shape == (48, 56, 1)


def test_non_local_means_of_several_strengths_stands_beside_real_noise() -> None:
    protocol = only("denoise", isos=[6400])
    names = [name for name, _ in protocol.methods()]
    assert names == ["noisy", "non-local means, σ 4", "non-local means, σ 8", "non-local means, σ 12"]
    (_, noisy), *restored = (score(protocol, picture(), method) for method in range(4))
    assert max(values["psnr"] for _, values in restored) > noisy["psnr"]


def test_jpeg_is_libjpegs_with_half_the_chroma() -> None:
    truth = picture(64, 64)
    degraded = only("dejpeg", qualities=[20]).degrade(truth, 0)
    packed = io.BytesIO()
    Image.fromarray(truth).save(packed, "jpeg", quality=20, subsampling=2)
    np.testing.assert_allclose(degraded * 255, np.asarray(Image.open(packed)), atol=1e-3)


def test_gray_jpeg_is_the_compressed_luma() -> None:
    protocol, truth = only("dejpeg", qualities=[20], gray=True), picture(64, 64)
    clean = protocol.truth(truth)
    exact = 16 + truth.astype(float) @ (np.array([65.481, 128.553, 24.966]) / 255)
    assert clean.shape == (64, 64, 1)
    assert np.abs(clean[:, :, 0] - exact).max() <= 0.5
    assert protocol.degrade(clean, 0).shape == (64, 64, 1)


def test_a_mosaic_holds_the_picture_at_its_pattern() -> None:
    protocol, truth = only("demosaic"), picture()
    mosaic = protocol.degrade(truth, 0)[:, :, 0] * 255
    np.testing.assert_allclose(mosaic[0::2, 0::2], truth[0::2, 0::2, 0], atol=1e-4)
    np.testing.assert_allclose(mosaic[0::2, 1::2], truth[0::2, 1::2, 1], atol=1e-4)
    np.testing.assert_allclose(mosaic[1::2, 1::2], truth[1::2, 1::2, 2], atol=1e-4)


@pytest.mark.parametrize(
    ("task", "options", "baseline"),
    [
        ("upscale", {"scales": [2]}, 1),
        ("denoise", {"sigmas": [25]}, 1),
        ("denoise", {"sigmas": [25], "gray": True}, 1),
        ("dejpeg", {"qualities": [10]}, 1),
        ("dejpeg", {"qualities": [10], "gray": True}, 1),
        ("demosaic", {}, 1),
        ("demosaic", {}, 2),
    ],
)
def test_classical_methods_are_better_than_what_they_are_given(
    task: str, options: dict[str, object], baseline: int
) -> None:
    protocol = only(task, **options)
    (_, degraded), (_, restored) = score(protocol, picture()), score(protocol, picture(), baseline)
    assert restored["psnr"] > degraded["psnr"] + 0.2


def test_baselines_keep_the_shape_of_gray_and_colour() -> None:
    gray, colour = picture()[:, :, :1], picture()
    assert lanczos(gray, 2).shape == (96, 112, 1)
    assert shifted_jpeg(gray, 10).shape == gray.shape
    assert non_local_means(gray / np.float32(255), 10).shape == gray.shape
    mosaic = np.float32(colour[:, :, 1] / 255)
    assert menon(mosaic, "RGGB").shape == malvar(mosaic, "RGGB").shape == colour.shape


@pytest.mark.parametrize(
    ("task", "options"), [("upscale", {"degradation": "real"}), ("deblur", {}), ("enhance", {})]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_drawn_for_an_image_follows_from_the_seed(
    task: str, options: dict[str, str], channels: int
) -> None:
    for protocol in protocols(task, **options):  # type: ignore[arg-type]
        truth = protocol.truth(picture(64, 56)[..., :channels])
        first, again, other = (protocol.degrade(truth, seed) for seed in (0, 0, 1))
        assert np.array_equal(first, again) and not np.array_equal(first, other)
        assert np.array_equal(first * 255, np.rint(first * 255))
        factor = protocol.factor or 1
        assert first.shape == (truth.shape[0] // factor, truth.shape[1] // factor, truth.shape[2])
        for _, method in protocol.methods():
            assert method(first).shape == truth.shape


def test_real_photos_are_asked_for_with_their_weights_beside_the_usual_ones() -> None:
    real, usual = only("upscale", degradation="real"), only("upscale")
    assert (real.degradation, list(real.rivals)) == ("real", ["bicubic"])
    assert (usual.degradation, list(usual.rivals)) == (None, [])
    assert [protocol.name for protocol in protocols("deblur")] == ["deblur-motion", "deblur-defocus"]


def test_a_curve_is_a_fair_baseline_for_dark_pictures() -> None:
    protocol, truth = only("enhance"), picture(64, 56)
    (_, dark), (curved, bright) = score(protocol, truth), score(protocol, truth, 1)
    assert bright["psnr"] > dark["psnr"] + 3
    assert curved.mean() / 255 == pytest.approx(0.45, abs=0.02)


@pytest.mark.parametrize("kind", [DeblurProtocol, EnhanceProtocol])
def test_pairs_bring_their_own_blur_and_darkness(kind: type[Protocol]) -> None:
    with pytest.raises(UsageError, match="pairs to"):
        kind().degrade(picture(), 0)


def save(folder: Path, **pictures: Bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in pictures.items():
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(folder / f"{name}.png")
    return folder


def test_means_count_each_image_alike(tmp_path: Path) -> None:
    images = open_set(save(tmp_path / "mine", a=picture(), b=picture(64, 32)))
    scores = evaluate(only("upscale", scales=[2]), images, [])
    values = [row.values["psnr"] for row in scores.of("bicubic")]
    assert len(values) == 2
    assert scores.mean("bicubic", "psnr") == pytest.approx(sum(values) / 2)


def test_a_part_of_a_set_has_the_noise_of_the_whole(tmp_path: Path) -> None:
    images = open_set(save(tmp_path / "mine", a=picture(), b=picture(), c=picture()))
    whole = evaluate(only("denoise", sigmas=[30]), images, [])
    part = evaluate(only("denoise", sigmas=[30]), images.first(2), [])
    noisy = [row.values["psnr"] for row in whole.of("noisy")]
    assert [row.values["psnr"] for row in part.of("noisy")] == noisy[:2]
    assert len(set(noisy)) == 3


def test_pairs_are_matched_by_name_with_or_without_the_scale(tmp_path: Path) -> None:
    protocol, truth = only("upscale", scales=[2]), picture()
    small = np.uint8(np.rint(protocol.degrade(truth, 0) * 255))
    clean = open_set(save(tmp_path / "clean", one=truth, two=truth))
    ready = open_set(save(tmp_path / "small", onex2=small, two=small))
    made, given = (evaluate(protocol, clean, [], degraded=degraded) for degraded in (None, ready))
    assert [row.values for row in made.rows] == [row.values for row in given.rows]
    with pytest.raises(UsageError, match="counterpart"):
        evaluate(protocol, clean, [], degraded=open_set(save(tmp_path / "other", other=small)))


def test_a_folder_of_real_and_mean_pictures_is_a_set_of_pairs(tmp_path: Path) -> None:
    clean, noisy = (
        picture(),
        np.uint8(np.clip(picture().astype(int) + RNG.integers(-9, 9, (48, 56, 3)), 0, 255)),
    )
    pairs = {"a_mean": clean, "a_real": noisy, "b_mean": noisy, "b_real": noisy}
    images = open_set(save(tmp_path / "cc15", **pairs))
    assert [file.stem for file in images.files] == ["a_mean", "b_mean"]
    assert [file.stem for file in images.noisy] == ["a_real", "b_real"]
    assert images.first(1).noisy == images.noisy[:1]
    values = [row.values["psnr"] for row in evaluate(RealPairs(), images, []).of("noisy")]
    assert values[0] == pytest.approx(peak_signal_noise_ratio(clean, noisy))
    assert values[1] > 99
    save(tmp_path / "cc15", c_mean=clean)
    with pytest.raises(UsageError, match="partner"):
        open_set(tmp_path / "cc15")
    assert open_set(save(tmp_path / "cc15", other=clean)).noisy == ()


def test_sets_are_known_by_name_and_number(tmp_path: Path) -> None:
    five = {f"i{number}": picture(16, 16) for number in range(5)}
    save(tmp_path / "set5" / "HR", **five)
    save(tmp_path / "set14" / "HR", **five)
    (found,) = known_sets(tmp_path)
    assert found.name == "Set5"
    assert found.published({"Set5": (30.0,)}) == (30.0,)
    assert open_set(tmp_path / "set14").published({"Set14": (30.0,)}) == ()
    assert found.first(2).published({"Set5": (30.0,)}) == ()
    assert found.first(5) is found


def test_a_text_file_names_the_images_of_a_set(tmp_path: Path) -> None:
    save(tmp_path / "HR", a=picture(), b=picture(), c=picture())
    (tmp_path / "two.txt").write_text("a.png\nc.png\n")
    assert [file.name for file in open_set(tmp_path / "two.txt").files] == ["a.png", "c.png"]
    (tmp_path / "two.txt").write_text("gone.png\n")
    with pytest.raises(UsageError, match=r"gone\.png"):
        open_set(tmp_path / "two.txt")


def test_gray_files_have_one_channel_and_others_three(tmp_path: Path) -> None:
    folder = save(tmp_path, gray=picture()[:, :, :1], colour=picture())
    Image.fromarray(picture()).convert("P").save(folder / "palette.png")
    Image.fromarray(picture()).convert("RGBA").save(folder / "alpha.png")
    channels = {file.name: read_bytes(file).shape[2] for file in ImageSet("", tuple(folder.iterdir())).files}
    assert channels == {"gray.png": 1, "colour.png": 3, "palette.png": 3, "alpha.png": 3}


@pytest.mark.shared
@pytest.mark.parametrize(("scale", "published"), [(2, 33.66), (3, 30.39), (4, 28.42)])
def test_bicubic_on_set5_is_the_published_one_also_from_matlabs_files(
    shared_data: Path, scale: int, published: float
) -> None:
    protocol, images = only("upscale", scales=[scale]), open_set(shared_data / "set5")
    ready = open_set(shared_data / "set5" / f"LR_bicubic_x{scale}")
    for degraded in (None, ready):
        scores = evaluate(protocol, images, [], degraded=degraded)
        assert scores.mean("bicubic", "psnr") == pytest.approx(published, abs=0.02)


@pytest.mark.shared
@pytest.mark.parametrize(("quality", "psnr", "psnr_b"), [(10, 27.82, 25.21), (40, 32.43, 29.92)])
def test_jpeg_on_classic5_is_the_published_one(
    shared_data: Path, quality: int, psnr: float, psnr_b: float
) -> None:
    scores = evaluate(only("dejpeg", qualities=[quality], gray=True), open_set(shared_data / "classic5"), [])
    assert scores.mean("JPEG", "psnr") == pytest.approx(psnr, abs=0.01)
    assert scores.mean("JPEG", "psnr_b") == pytest.approx(psnr_b, abs=0.01)
