"""The catalogue against what the authors published, written down here a second time."""

from __future__ import annotations

import pytest

from restorecli.models.registry import ModelEntry, load_registry

ENTRIES = {entry.name: entry for entry in load_registry().entries}
MODELZOO = (
    "https://raw.githubusercontent.com/yulunzhang/modelzoo/24b1bad791e493a99140dfe3723f7d47644918cd/RNAN/"
)
RNAN = """
CAR RNAN_CAR_Y_F64G10P48L2N10.pt dejpeg 10 1 b7993e512ab4f115e6770a602a6250a686a60b31
CAR RNAN_CAR_Y_F64G10P48L2N20.pt dejpeg 20 1 80e962a0b5ae82bc347d3dc7906875f7da383f89
CAR RNAN_CAR_Y_F64G10P48L2N30.pt dejpeg 30 1 8415425b4dc0cb8bea3ce3ba264bbbe80f922de1
CAR RNAN_CAR_Y_F64G10P48L2N40.pt dejpeg 40 1 56e99d4e2a3ab494e7332e32fdcf28e164c06da7
DN_Gray RNAN_Gray_F64G10P48L2N10.pt denoise 10 1 d71ab52fd6f86f2097a264f8050e39c2b7fcc313
DN_Gray RNAN_Gray_F64G10P48L2N30.pt denoise 30 1 651de0eb3cdabb0b8f863413c4e055c0c3c53613
DN_Gray RNAN_Gray_F64G10P48L2N50.pt denoise 50 1 ed8e2052ba5b83ce6c10300b5a777730fc565fff
DN_Gray RNAN_Gray_F64G10P48L2N70.pt denoise 70 1 bc1a4024d15f8b4aef13619cd7643b623125fa15
DN_RGB RNAN_F64G10P48L2N10.pt denoise 10 3 b2c617ca4bd52a8e4306206829c403655e78144f
DN_RGB RNAN_F64G10P48L2N30.pt denoise 30 3 4d482013be230ea94e1adf4bfac1d605b4c1e7dd
DN_RGB RNAN_F64G10P48L2N50.pt denoise 50 3 64308c4e7ce6c08ec99794b421bd0cd0ea8d2ae9
DN_RGB RNAN_F64G10P48L2N70.pt denoise 70 3 72a3f7c006fd119c17eb79a22ad0408fe3b99231
Demosaic RNAN_Demosaic_RGB_F64G10P48L2N1.pt demosaic None 3 409a5af0888cbaf47ce0661c544bc69108e0eeed
SR RNAN_SR_F64G10P48BIX2.pt upscale 2 3 bcbd786263f86e20a567f346f5eb10a697f219a0
SR RNAN_SR_F64G10P48BIX3.pt upscale 3 3 73f062e37f4741950590a3dbfa7ed79308577b2d
SR RNAN_SR_F64G10P48BIX4.pt upscale 4 3 76660d18ae0877510e380e132e21866c45b59804
"""
"""Folder, file, task, level (upscale: scale), channels, git blob."""

GRL = "https://github.com/ofsoundof/GRL-Image-Restoration/releases/download/v1.0.0/"
SIZES = ("tiny", "small", "base")
GRL_FILES = {
    *(f"dn_grl_{size}_c{c}s{level}" for size in SIZES for c in (1, 3) for level in (15, 25, 50)),
    *(f"sr_grl_{size}_c3x{scale}" for size in SIZES for scale in (2, 3, 4)),
    *(f"jpeg_grl_small_c{c}q{quality}" for c in (1, 3) for quality in (10, 20, 30, 40)),
    *("dn_grl_tiny_c1", "jpeg_grl_small_c3", "dm_grl_small"),
    *(f"db_motion_grl_base_{data}" for data in ("gopro", "realblur_j", "realblur_r")),
    *(f"db_defocus_{views}_pixel_grl_base" for views in ("single", "dual")),
}
GRL_SEEN_ELSEWHERE = {  # run by other projects, or named by users of the authors' repository
    *("dn_grl_tiny_c1", "dn_grl_base_c1s25", "dn_grl_small_c3s15", "dn_grl_base_c3s50"),
    *("jpeg_grl_small_c1q30",),
    *("jpeg_grl_small_c3q20", "jpeg_grl_small_c3", "db_motion_grl_base_gopro", "sr_grl_tiny_c3x3"),
    *("sr_grl_tiny_c3x4", "dn_grl_base_c3s15", "dn_grl_base_c1s15", "db_defocus_single_pixel_grl_base"),
    *("db_motion_grl_base_realblur_j", "db_motion_grl_base_realblur_r", "dm_grl_small", "dn_grl_small_c3s25"),
    *("dn_grl_small_c3s50", "jpeg_grl_small_c3q10", "jpeg_grl_small_c3q30", "jpeg_grl_small_c3q40"),
    *("sr_grl_small_c3x2", "sr_grl_small_c3x3", "sr_grl_small_c3x4", "sr_grl_base_c3x4"),
}  # fmt: skip
GRL_WINDOWS = {  # what the authors' test commands set: window, stripe, anchor factor
    "dn_grl_tiny": (16, (64, 128), 4),
    "dn_grl_small": (16, (64, 128), 4),
    "dn_grl_base": (32, (64, 128), 2),
    "sr_grl_tiny": (32, (64, 64), 4),
    "sr_grl_small": (32, (64, 64), 4),
    "sr_grl_base": (32, (64, 64), 2),
    "jpeg_grl_small": (36, (72, 144), 4),
    "dm_grl_small": (8, (32, 32), 4),
    "db_motion": (12, (48, 96), 4),
    "db_defocus": (16, (48, 96), 4),
}


def of(network: str) -> list[ModelEntry]:
    return [entry for entry in ENTRIES.values() if entry.network == network and not entry.ships]


def test_rnan_files_have_the_authors_paths_levels_channels_and_git_blobs() -> None:
    found = set()
    for entry in of("rnan"):
        level = entry.scale if entry.task == "upscale" else entry.level
        folder, rest = entry.urls[0].removeprefix(MODELZOO).split("/", 1)
        assert rest == f"experiment/model/{entry.file}"
        found.add(f"{folder} {entry.file} {entry.task} {level} {entry.channels} {entry.git_blob}")
    assert found == set(RNAN.split("\n")) - {""}


def test_grl_files_are_all_those_whose_names_are_known() -> None:
    found = {entry.file.removesuffix(".ckpt"): entry for entry in of("grl") if entry.file.endswith(".ckpt")}
    assert set(found) == GRL_FILES
    assert {name for name, entry in found.items() if entry.verified} == GRL_SEEN_ELSEWHERE
    assert all(entry.urls[0] == GRL + entry.file for entry in found.values())


@pytest.mark.parametrize("prefix", GRL_WINDOWS)
def test_grl_files_have_the_windows_of_the_authors_test_commands(prefix: str) -> None:
    entries = [entry for entry in of("grl") if entry.file.startswith(prefix)]
    assert entries
    for entry in entries:
        settings = entry.settings
        window = (
            settings["window_size"],
            tuple(settings["stripe_size"]),
            settings["anchor_window_down_factor"],
        )
        assert window == GRL_WINDOWS[prefix], entry.name


def test_grl_files_that_take_a_map_have_one_channel_more() -> None:
    gray, color = ENTRIES["grl-tiny-denoise-gray-map"], ENTRIES["grl-small-dejpeg-color-map"]
    assert (gray.channels, gray.out_channels, gray.extra_input) == (2, 1, "noise map")
    assert (color.channels, color.out_channels, color.extra_input) == (4, 3, "quality map")


def test_grl_real_world_weights_come_from_drive_with_tensors_alone() -> None:
    (entry,) = (entry for entry in of("grl") if entry.degradation == "real")
    assert entry.drive_id == "1O79Drqj5SOExn-34eI72F2Ox1mCcRi78" and entry.scale == 4
    assert entry.settings["window_size"] == 16 and tuple(entry.settings["stripe_size"]) == (32, 64)


def test_nlsn_and_panet_lie_in_one_folder_each() -> None:
    assert {entry.drive_folder for entry in of("nlsn")} == {"1zz2a1ih3euzuH3HvWDN-uSki3USym9Cq"}
    assert {entry.drive_folder for entry in of("panet")} == {"1q9iUzqYX0fVRzDu4J6fvSPRosgOZoJJE"}
    assert {entry.file for entry in of("nlsn")} == {"model_x2.pt", "model_x3.pt", "model_x4.pt"}
    settings = {"res_scale": 0.1, "chunk_size": 144, "n_hashes": 4}
    assert all(settings.items() <= dict(entry.settings).items() for entry in of("nlsn"))


def test_panet_has_four_denoisers_four_deblockers_a_demosaicer_and_three_enlargers() -> None:
    found = sorted((e.task, e.level or 0, e.scale, e.channels, e.file) for e in of("panet"))
    assert found == [
        ("dejpeg", 10, 1, 1, "Q10.pt"),
        ("dejpeg", 20, 1, 1, "Q20.pt"),
        ("dejpeg", 30, 1, 1, "Q30.pt"),
        ("dejpeg", 40, 1, 1, "Q40.pt"),
        ("demosaic", 0, 1, 3, "model_best.pt"),
        ("denoise", 10, 1, 3, "model_N10.pt"),
        ("denoise", 30, 1, 3, "model_N30.pt"),
        ("denoise", 50, 1, 3, "model_N50.pt"),
        ("denoise", 70, 1, 3, "model_N70.pt"),
        ("upscale", 0, 2, 3, "model_x2.pt"),
        ("upscale", 0, 3, 3, "model_x3.pt"),
        ("upscale", 0, 4, 3, "model_x4.pt"),
    ]


def test_mirnet_files_and_what_is_known_of_their_places() -> None:
    assert {entry.file: entry.drive_id or entry.drive_folder for entry in of("mirnet")} == {
        "model_denoising.pth": "13PGkg3yaFQCvz6ytN99Heh_yyvfxRCdG",
        "model_SR_x3.pth": "1yMtXbk6RXoFfmeRRGu1XfNFSHH6bSUoR",
        "model_SR_x4.pth": "1yMtXbk6RXoFfmeRRGu1XfNFSHH6bSUoR",
        "model_lol.pth": "1t_FcBuMZD5th2KWVVNXYGJ7bMz5ZAWvF",
        "model_fivek.pth": "1BsXOvhMz2z80E_V93dgD6QaEspZE0w-u",
    }
    assert all(entry.same_size == (entry.task == "upscale") for entry in of("mirnet"))


@pytest.mark.parametrize(
    ("network", "commercial"),
    [("rnan", "unstated"), ("nlsn", "unstated"), ("panet", "unstated"), ("grl", "yes"), ("mirnet", "no")],
)
def test_commercial_use_is_what_the_licences_say(network: str, commercial: str) -> None:
    assert {entry.commercial_use for entry in of(network)} == {commercial}


@pytest.mark.parametrize(
    ("name", "results"),
    [
        ("rnan-denoise-color-s50", {"Kodak24": (29.58,), "BSD68": (28.27,), "Urban100": (29.08,)}),
        ("rnan-x2", {"Set5": (38.17, 0.9611), "Manga109": (39.23, 0.9785)}),
        ("nlsn-x4", {"Set5": (32.59, 0.9), "Urban100": (26.96, 0.8109)}),
        ("panet-dejpeg-q10", {"LIVE1": (29.69, 0.825), "Classic5": (30.03, 0.8195)}),
        ("grl-base-denoise-gray-s25", {"Set12": (31.12,), "BSD68": (29.54,), "Urban100": (31.8,)}),
        ("grl-small-demosaic", {"Kodak24": (43.57,), "McMaster": (40.22,)}),
        ("drunet-denoise-color", {"CBSD68-s25": (31.69,)}),
        ("fbcnn-color", {"LIVE1-q10": (27.77,), "LIVE1-q40": (32.34,)}),
        ("nafnet-deblur-gopro", {"GoPro": (33.7103, 0.9668)}),
    ],
)
def test_published_results_are_those_of_the_papers(name: str, results: dict[str, tuple[float, ...]]) -> None:
    found = {data: tuple(values) for data, values in ENTRIES[name].results.items()}
    assert results.items() <= found.items()


@pytest.mark.parametrize(
    ("name", "size", "digest"),
    [
        ("fbcnn-color", 287_755_111, "8b0e4ef23d59cf7ac934a342"),
        ("scunet-denoise-color-s25", 71_982_761, "6b4e572fe69b1530aade8b78"),
        ("drunet-denoise-color", 130_579_305, "479abe3c5327dfd10ff54a80"),
        ("bsrgan-x4", 67_046_751, "5d505a0766160921e0388d76"),
        ("realesrgan-x4", 67_040_989, "4fa0d38905f75ac06eb49a79"),
        ("swinir-x4", 67_869_037, "4e78e33f22c1aa8a773db0cf"),
        ("swinir-div2k-x4", 59_611_499, "129dc773ba2d4c07f3eb0bb1"),
        ("nafnet-denoise-real", 464_154_961, "cd685efaae01f7c4e9951f2d"),
    ],
)
def test_companions_have_the_sizes_and_digests_that_public_code_agrees_on(
    name: str, size: int, digest: str
) -> None:
    assert ENTRIES[name].bytes == size and ENTRIES[name].sha256.startswith(digest)


def test_companions_that_are_told_a_level_take_it_as_a_channel() -> None:
    maps = {entry.name: entry.extra_input for entry in ENTRIES.values() if entry.sha256 and entry.extra_input}
    assert maps == {
        "drunet-denoise-color": "noise map",
        "fbcnn-color": "quality map",
        "fbcnn-gray-double": "quality map",
    }
