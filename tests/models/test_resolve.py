from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from restorecli.errors import CheckpointError, UsageError, WeightsError
from restorecli.models import cache, convert, fetch, from_file
from restorecli.models.load import load
from restorecli.models.resolve import ModelRequest, resolve
from tests.models.conftest import TINY_SETTINGS, catalogue, light_table, paper
from tests.models.server import Web
from tests.networks.seeded import find_fixture, seeded_state_dict

GONE = "http://127.0.0.1:9/model_x2.pt"
UPSCALE = ModelRequest("upscale", model="nlsn", scale=2)


def test_paper_weights_are_fetched_converted_and_loaded(web: Web, released: Path, tmp_path: Path) -> None:
    known = catalogue(tmp_path, paper(web.add("/w.pt", released.read_bytes())))
    found = resolve(UPSCALE, registry=known)
    assert (found.network, found.variant, found.name) == ("nlsn", "paper", "tiny-x2")
    assert found.digest == cache.sha256_of(released)
    assert found.path is not None and found.path.parent.name == "native"
    assert any("no published digest" in note for note in found.notes) and not found.warnings
    network = load(found)
    assert network.scale == 2 and network.settings["chunk_size"] == 32


def test_a_second_run_neither_downloads_nor_converts(
    web: Web, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = catalogue(tmp_path, paper(web.add("/w.pt", released.read_bytes())))
    first = resolve(UPSCALE, registry=known)
    monkeypatch.setattr(convert, "read_checkpoint", lambda path: pytest.fail("read the pickle again"))
    again = resolve(UPSCALE, registry=known)
    assert again.path == first.path and again.notes == () and len(web.requests) == 1


def test_out_of_reach_means_light_with_one_warning(light: Path, tmp_path: Path) -> None:
    known = catalogue(tmp_path, paper(GONE), light_table(light))
    found = resolve(UPSCALE, registry=known)
    assert found.variant == "light" and found.path == light and len(found.warnings) == 1
    assert "tiny-x2 (paper) is not available, so the light tiny-light-x2 is used" in found.warnings[0]
    assert load(found).scale == 2


def test_offline_means_light_too_and_no_request(web: Web, light: Path, tmp_path: Path) -> None:
    known = catalogue(tmp_path, paper(web.add("/w.pt", b"x")), light_table(light))
    request = ModelRequest("upscale", model="nlsn", scale=2, offline=True)
    assert resolve(request, registry=known).variant == "light" and web.requests == []


def test_variant_paper_out_of_reach_is_an_error_with_the_way_by_hand(light: Path, tmp_path: Path) -> None:
    known = catalogue(tmp_path, {**paper(""), "urls": [], "drive_folder": "FOLDER"}, light_table(light))
    request = ModelRequest("upscale", model="nlsn", variant="paper", scale=2, offline=True)
    with pytest.raises(WeightsError, match="tiny-x2") as caught:
        resolve(request, registry=known)
    assert caught.value.exit_code == 4
    assert "https://drive.google.com/drive/folders/FOLDER" in caught.value.hint
    assert "restore models add model_x2.pt --as tiny-x2" in caught.value.hint


def test_without_a_light_variant_out_of_reach_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="could not be fetched"):
        resolve(UPSCALE, registry=catalogue(tmp_path, paper(GONE)))


def test_a_network_tells_what_its_entry_says_of_maps(released: Path, tmp_path: Path) -> None:
    known = catalogue(tmp_path, paper(GONE, extra_input="noise map"))
    fetch.add(known.find("tiny-x2"), released)
    able = ModelRequest("upscale", model="nlsn", extra_inputs=frozenset({"noise map"}))
    found = resolve(able, registry=known)
    assert load(found).extra_input == "noise map"
    copy = resolve(ModelRequest("upscale", weights=found.path), registry=known)
    assert copy.entry is None and load(copy).extra_input == "noise map"


def test_paper_weights_in_the_cache_go_before_light(released: Path, light: Path, tmp_path: Path) -> None:
    known = catalogue(tmp_path, paper(GONE), light_table(light))
    fetch.add(known.find("tiny-x2"), released)
    found = resolve(UPSCALE, registry=known)
    assert found.variant == "paper" and found.warnings == ()


def test_a_dry_run_touches_no_network(web: Web, light: Path, released: Path, tmp_path: Path) -> None:
    table = paper(web.add("/w.pt", released.read_bytes()), bytes_estimate=167_200_000)
    known = catalogue(tmp_path, table, light_table(light))
    found = resolve(UPSCALE, registry=known, fetch=False)
    assert found.path is None and found.digest == "" and web.requests == []
    assert "would be downloaded (about 167 MB); tiny-light-x2 would be used" in found.notes[0]


def test_a_dry_run_offline_says_what_a_run_would_use(
    web: Web, light: Path, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_OFFLINE", "1")
    table = paper(web.add("/w.pt", released.read_bytes()))
    found = resolve(UPSCALE, registry=catalogue(tmp_path, table, light_table(light)), fetch=False)
    assert found.name == "tiny-light-x2" and "downloads are switched off" in found.warnings[0]
    with pytest.raises(WeightsError, match="switched off"):
        resolve(UPSCALE, registry=catalogue(tmp_path, table), fetch=False)


def test_downloaded_weights_of_another_network_are_no_reason_for_light(
    web: Web, light: Path, tmp_path: Path
) -> None:
    file = tmp_path / "other.pt"
    torch.save({"conv.weight": torch.zeros(1)}, file)
    known = catalogue(tmp_path, paper(web.add("/w.pt", file.read_bytes())), light_table(light))
    with pytest.raises(CheckpointError, match="tiny-x2"):
        resolve(UPSCALE, registry=known)


def test_a_cache_without_room_for_copies_still_serves(
    released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = catalogue(tmp_path, paper(GONE))
    fetch.add(known.find("tiny-x2"), released)
    (cache.root() / "native").write_bytes(b"")  # a file where the folder should be
    found = resolve(UPSCALE, registry=known)
    assert found.path == cache.entry_path(known.find("tiny-x2"))
    assert load(found).settings["chunk_size"] == 32


class TestWeightsFile:
    """`--weights FILE`."""

    def test_our_own_file_needs_nothing_else(self, light: Path, tmp_path: Path) -> None:
        found = resolve(ModelRequest("upscale", weights=light), registry=catalogue(tmp_path, paper(GONE)))
        assert (found.network, found.variant, found.path) == ("nlsn", "file", light)
        assert load(found).settings["chunk_size"] == 32

    def test_our_own_file_under_another_model_is_refused(self, light: Path, tmp_path: Path) -> None:
        request = ModelRequest("upscale", model="rnan", weights=light)
        with pytest.raises(CheckpointError, match="of nlsn, not of rnan"):
            known = catalogue(tmp_path, paper(GONE))
            networks = {**known.networks, "rnan": known.networks["nlsn"]}
            resolve(request, registry=type(known)(networks, known.entries))

    def test_a_known_file_name_tells_the_settings(self, released: Path, tmp_path: Path) -> None:
        known = catalogue(tmp_path, paper(GONE))
        found = resolve(ModelRequest("upscale", weights=released), registry=known)
        assert found.name == "model_x2.pt" and found.notes == ("model_x2.pt is recognised as tiny-x2",)
        assert load(found).settings["chunk_size"] == 32 and load(found).extra_input == ""

    def test_an_entry_name_tells_the_settings(self, released: Path, tmp_path: Path) -> None:
        file = released.rename(tmp_path / "mine.pth")
        known = catalogue(tmp_path, paper(GONE))
        found = resolve(ModelRequest("upscale", model="tiny-x2", weights=file), registry=known)
        assert found.settings == TINY_SETTINGS and load(found).settings["chunk_size"] == 32

    def test_the_shapes_of_one_entry_tell_the_settings(self, released: Path, tmp_path: Path) -> None:
        file = released.rename(tmp_path / "mine.pth")
        known = catalogue(tmp_path, paper(GONE, parameters=TINY_PARAMETERS))
        assert resolve(ModelRequest("upscale", weights=file), registry=known).settings == TINY_SETTINGS

    def test_a_grl_file_without_known_settings_is_an_error_that_names_them(self, tmp_path: Path) -> None:
        reference = find_fixture("grl-mini-batch")
        if reference is None:
            pytest.skip("the key list of a GRL checkpoint is not beside the checkout")
        file = tmp_path / "mine.ckpt"
        torch.save({f"model.{key}": value for key, value in seeded_state_dict(reference).items()}, file)
        for request in (ModelRequest("denoise", weights=file), ModelRequest("denoise", "grl", weights=file)):
            with pytest.raises(CheckpointError, match=r"window_size, stripe_size, anchor_window_down_factor"):
                resolve(request)

    def test_an_unwritable_cache_only_costs_time(
        self, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv("RESTORE_WEIGHTS_DIR", str(tmp_path / "file"))
        known = catalogue(tmp_path, paper(GONE))
        found = resolve(ModelRequest("upscale", weights=released), registry=known)
        assert found.path == released and load(found).scale == 2

    def test_a_missing_file_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="no such file"):
            resolve(ModelRequest("upscale", weights=tmp_path / "none.pt"))


class TestIdentify:
    """`models add FILE`."""

    def test_by_git_blob(self, released: Path, tmp_path: Path) -> None:
        blob = cache.git_blob_of(released)
        other = paper(GONE, name="other", file="o.pt")
        known = catalogue(tmp_path, other, paper(GONE, git_blob=blob))
        file = released.rename(tmp_path / "renamed")
        assert from_file.identify(file, None, known).name == "tiny-x2"

    def test_by_file_name(self, released: Path, tmp_path: Path) -> None:
        known = catalogue(tmp_path, paper(GONE, name="other", file="o.pt"), paper(GONE))
        assert from_file.identify(released, None, known).name == "tiny-x2"

    def test_by_shape_where_one_entry_fits(self, released: Path, tmp_path: Path) -> None:
        known = catalogue(
            tmp_path, paper(GONE, parameters=TINY_PARAMETERS), paper(GONE, name="big", parameters=1, file="b")
        )
        file = shutil.copy(released, tmp_path / "renamed")
        assert from_file.identify(Path(file), None, known).name == "tiny-x2"

    def test_several_that_fit_are_named(self, released: Path, tmp_path: Path) -> None:
        one = paper(GONE, parameters=TINY_PARAMETERS)
        known = catalogue(tmp_path, one, {**one, "name": "twin", "file": "t.pt"})
        file = released.rename(tmp_path / "renamed")
        with pytest.raises(CheckpointError, match="cannot be determined") as caught:
            from_file.identify(file, None, known)
        assert "--as NAME" in caught.value.hint and "tiny-x2, twin" in caught.value.hint

    def test_a_name_that_does_not_fit_is_refused(self, released: Path, tmp_path: Path) -> None:
        known = catalogue(tmp_path, paper(GONE))
        with pytest.raises(UsageError, match="no model is called"):
            from_file.identify(released, "none", known)
        torch.save({"conv.weight": torch.zeros(1)}, released)
        with pytest.raises(CheckpointError):
            from_file.identify(released, "tiny-x2", known)


TINY_PARAMETERS = 202_707  # learned values of the reference nlsn-tiny-batch
