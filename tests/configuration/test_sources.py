from __future__ import annotations

from pathlib import Path

import pytest

from restorecli.configuration.files import parse, user_file
from restorecli.configuration.sources import Sources, sources_for
from restorecli.errors import UsageError

NEAR = parse(
    "[denoise]\nstrength = 0.1\n[all]\njobs = 1\n"
    "[presets.own.denoise]\nstrength = 0.2\n[presets.own.all]\nbits = 16\n",
    "near",
)
OWN = parse(
    "[denoise]\nstrength = 0.3\nnoise = 'real'\n"
    "[all]\njobs = 2\nformat = 'png'\n[presets.web.denoise]\nstrength = 0.4\n",
    "own",
)


def values(sources: Sources, command: str = "denoise") -> dict[str, object]:
    return {name: entry.value for name, entry in sources.of(command).items()}


def test_the_nearer_file_goes_before_and_the_command_before_what_holds_for_all() -> None:
    assert values(Sources((NEAR, OWN))) == {"strength": 0.1, "noise": "real", "jobs": 1, "format": "png"}
    assert values(Sources((OWN,))) == {"strength": 0.3, "noise": "real", "jobs": 2, "format": "png"}
    assert values(Sources((parse("[all]\njobs = 1\n[denoise]\njobs = 2\n", "f"),))) == {"jobs": 2}


def test_a_preset_goes_before_both_files() -> None:
    chosen = Sources((NEAR, OWN), "own").of("denoise")
    assert (chosen["strength"].value, chosen["bits"].value, chosen["noise"].value) == (0.2, 16, "real")
    assert chosen["strength"].place == "preset own (near, line 6)"


def test_a_preset_of_the_users_replaces_one_that_ships() -> None:
    assert values(Sources((OWN,), "web"))["strength"] == 0.4
    assert "strength" not in values(Sources((), "web"))


def test_a_file_may_name_the_preset() -> None:
    file = parse("[all]\npreset = 'scans'\n", "f")
    assert values(Sources((file,)))["strength"] == values(Sources((), "scans"))["strength"]


def test_a_preset_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no preset scnas") as refused:
        Sources((), "scnas").of("denoise")
    assert "did you mean scans?" in refused.value.hint


def test_files_are_read_unless_another_or_none_is_asked_for(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "restore.toml").write_text("[denoise]\nstrength = 0.1\n")
    user_file().parent.mkdir(parents=True, exist_ok=True)
    user_file().write_text("[denoise]\nstrength = 0.3\nnoise = 'real'\n")
    try:
        assert values(sources_for([str(photos)])) == {"strength": 0.1, "noise": "real"}
        assert values(sources_for([])) == {"strength": 0.3, "noise": "real"}
        assert values(sources_for([str(photos)], config="none")) == {}
        other = tmp_path / "other.toml"
        other.write_text("[denoise]\nstrength = 0.9\n")
        assert values(sources_for([str(photos)], config=str(other))) == {"strength": 0.9}
        with pytest.raises(UsageError, match="cannot be read"):
            sources_for([], config=str(tmp_path / "missing"))
    finally:
        user_file().unlink()
