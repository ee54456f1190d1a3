"""The catalogue of weights: one TOML file per network, read into frozen records.

Nothing here needs torch. A fact that is not known is absent (``None`` or empty), never a guess; an entry
whose file name or existence nobody has confirmed has ``verified`` false.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from restorecli.errors import UsageError, WeightsError, did_you_mean

TASKS = ("upscale", "denoise", "dejpeg", "demosaic", "deblur", "enhance")
COMMERCIAL = ("yes", "no", "unstated")
LICENSE_POLICIES = ("any", "commercial")


@dataclass(frozen=True)
class NetworkInfo:
    """What is known of a network as such: the paper, the code, the licences.

    Attributes:
        name: as `--model` takes it.
        title: of the paper.
        authors, venue, year, link: of the paper.
        summary: what the network is, in a sentence or two.
        code: the authors' repository, ``commit`` the one that was checked.
        code_license: of the authors' code; empty where none is stated.
        weights_license: of the released weights; empty where none is stated.
        commercial_use: "yes", "no" or "unstated", for the released weights.
        weights_home: the page or folder where a person finds the released weights.
        value_range: largest value of the network's own input and output.
        results_measure: what the numbers in the entries' ``results`` are, and where they were read.
        loader: "native" (a network of this package) or "spandrel" (the optional extra runs it).
        spandrel_architecture: the architecture's name there.
        notes: what a user of the weights should know.
    """

    name: str
    title: str
    summary: str
    code: str
    authors: str = ""
    venue: str = ""
    year: int | None = None
    link: str = ""
    commit: str = ""
    code_license: str = ""
    weights_license: str = ""
    commercial_use: str = "unstated"
    weights_home: str = ""
    value_range: float | None = None
    results_measure: str = ""
    loader: str = "native"
    spandrel_architecture: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelEntry:
    """One file of weights.

    Attributes:
        name: unique in the whole catalogue, such as ``nlsn-x4``.
        network: the network it belongs to.
        task: one of `TASKS`.
        file: the file's name as released (or in ``weights/light``).
        variant: "paper" (the authors'), "light" (ships with this package) or another word.
        size: the authors' name for this size of network ("tiny", "base"); also taken by `--variant`.
        degradation: what the weights undo ("bicubic", "gaussian", "real", "jpeg", "motion", …); several are
            joined by "and".
        scale: output side ÷ photo side the weights are for.
        same_size: the input must be resized to the output's size first (the network's own scale is 1).
        level: noise sigma on the 0–255 scale, or JPEG quality.
        channels: channels of the input; 1 is gray (denoise) or luma (dejpeg).
        out_channels: channels of the output.
        extra_input: what the channels beyond the image hold ("noise map"), empty where there are none.
        settings: what the tensors' shapes do not determine, for `networks.from_checkpoint`.
        shape: constructor arguments that the shapes determine, to build the network without its weights.
        urls: direct links, best first.
        drive_id, drive_folder: Google Drive file, or the folder that holds ``file``.
        sha256: of the file, where known; ``git_blob`` its git object id, where that is what is known.
        bytes: exact size, where known; ``bytes_estimate`` follows from the parameter count.
        parameters: learned values.
        gmac: billions of multiply-adds per million input pixels, where counting them takes long.
        results: data set → published numbers, as the network's ``results_measure`` explains them.
        tile: side of the tiles the authors test with, where they do.
        tile_overlap: pixels neighbouring tiles should share, where it differs from the network's own.
        rank: lower is preferred where several entries fit.
        verified: the file is known to exist under this name.
    """

    name: str
    network: str
    task: str
    file: str
    variant: str = "paper"
    size: str = ""
    degradation: str = ""
    scale: int = 1
    same_size: bool = False
    level: float | None = None
    channels: int = 3
    out_channels: int | None = None
    extra_input: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    shape: Mapping[str, Any] = field(default_factory=dict, hash=False)
    urls: tuple[str, ...] = ()
    drive_id: str = ""
    drive_folder: str = ""
    sha256: str = ""
    git_blob: str = ""
    bytes: int | None = None
    bytes_estimate: int | None = None
    parameters: int | None = None
    gmac: float | None = None
    code_license: str = ""
    weights_license: str = ""
    commercial_use: str = "unstated"
    results: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    tile: int | None = None
    tile_overlap: int | None = None
    rank: int = 100
    notes: tuple[str, ...] = ()
    verified: bool = True

    @property
    def ships(self) -> bool:
        """Whether the file is part of this package."""
        return self.variant == "light"

    @property
    def degradations(self) -> tuple[str, ...]:
        """Each of what the weights undo; none where that is not said."""
        return tuple(self.degradation.split(" and ")) if self.degradation else ()

    def undoes(self, wanted: str) -> bool:
        """Whether the weights undo ``wanted``, as far as is known."""
        return not self.degradation or wanted in self.degradations

    def allowed(self, policy: str) -> bool:
        """Whether ``policy`` ("any" or "commercial") lets these weights be used."""
        return policy == "any" or self.commercial_use == "yes"

    def is_variant(self, wanted: str) -> bool:
        """Whether `--variant` ``wanted`` means this entry."""
        return wanted in (self.variant, self.size)


@dataclass(frozen=True)
class Registry:
    """All networks and entries, in the order of their files."""

    networks: Mapping[str, NetworkInfo]
    entries: tuple[ModelEntry, ...]

    def find(self, name: str) -> ModelEntry:
        """Return the entry called ``name``.

        Raises:
            UsageError: there is none.
        """
        for entry in self.entries:
            if entry.name == name:
                return entry
        near = did_you_mean(name, [*self.networks, *(entry.name for entry in self.entries)])
        raise UsageError(
            f"no model is called {name}",
            near
            or f"the networks are {', '.join(self.networks)}; restore models list shows all files of weights",
        )

    def select(
        self, *, task: str | None = None, network: str | None = None, license_policy: str = "any"
    ) -> list[ModelEntry]:
        """Return the entries of a task, of a network, that a licence policy allows, or all of these."""
        return [
            entry
            for entry in self.entries
            if (task is None or entry.task == task)
            and (network is None or entry.network == network)
            and entry.allowed(license_policy)
        ]


def package_data(folder: str) -> Path:
    """Return the folder "registry", "light" or "recipes": in the installed package, else in the checkout.

    Raises:
        WeightsError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "_weights" / folder, package.parent / "weights" / folder):
        if candidate.is_dir():
            return candidate
    raise WeightsError(f"the package lacks its {folder} of weights", "reinstall restorecli")


@cache
def load_registry() -> Registry:
    """Return the catalogue that comes with the package (read once per process)."""
    return read_registry(sorted(package_data("registry").glob("*.toml")))


def read_registry(files: Iterable[Path]) -> Registry:
    """Read catalogue files.

    Raises:
        WeightsError: a file is not TOML, has an unknown or missing field, or repeats a name.
    """
    networks: dict[str, NetworkInfo] = {}
    entries: dict[str, ModelEntry] = {}
    for path in files:
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise WeightsError(f"{path} is not TOML: {error}") from error
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error
        try:
            network, own = _read_document(document, path.name)
        except (TypeError, AttributeError, ValueError, LookupError) as error:
            raise WeightsError(f"{path.name}: a value is of the wrong kind: {error}") from error
        if network.name in networks:
            raise WeightsError(f"{path.name}: a second file for the network {network.name}")
        networks[network.name] = network
        for entry in own:
            if entry.name in entries:
                raise WeightsError(f"{path.name}: the name {entry.name} is taken twice")
            entries[entry.name] = entry
    return Registry(networks, tuple(entries.values()))


def _read_document(document: dict[str, Any], source: str) -> tuple[NetworkInfo, list[ModelEntry]]:
    unknown = set(document) - {"network", "defaults", "file"}
    if unknown:
        raise WeightsError(f"{source}: unknown table {', '.join(sorted(unknown))}")
    network: NetworkInfo = _record(NetworkInfo, document.get("network", {}), f"{source} [network]")
    _check(network.commercial_use in COMMERCIAL, f"{source}: commercial_use {network.commercial_use}")
    licences = {
        "code_license": network.code_license,
        "weights_license": network.weights_license,
        "commercial_use": network.commercial_use,
    }
    defaults = document.get("defaults", {})
    entries = []
    for table in document.get("file", []):
        # our own light weights have their own licence and settings, and no place to fetch them from
        shared = _without_source(defaults) if table.get("variant") == "light" else {**licences, **defaults}
        settings = {**shared.get("settings", {}), **table.get("settings", {})}
        where = f"{source} {table.get('name', 'entry without a name')}"
        full = {"network": network.name, **shared, **table, "settings": settings}
        entry: ModelEntry = _record(ModelEntry, full, where)
        _check_entry(entry, where)
        entries.append(entry)
    return network, entries


def _without_source(defaults: Mapping[str, Any]) -> dict[str, Any]:
    foreign = {"settings", "urls", "drive_id", "drive_folder", "commercial_use", "weights_license"}
    return {name: value for name, value in defaults.items() if name not in foreign}


def _record(kind: Any, table: dict[str, Any], where: str) -> Any:
    known = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(table) - set(known))
    _check(not unknown, f"{where}: unknown field {', '.join(unknown)}")
    missing = [
        name
        for name, f in known.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and name not in table
    ]
    _check(not missing, f"{where}: field {', '.join(missing)} is missing")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in table.items()})


def _check_entry(entry: ModelEntry, where: str) -> None:
    _check(entry.task in TASKS, f"{where}: unknown task {entry.task}")
    _check(entry.commercial_use in COMMERCIAL, f"{where}: commercial_use {entry.commercial_use}")
    _check(entry.ships or bool(entry.urls or entry.drive_id or entry.drive_folder), f"{where}: no source")
    _check(not entry.ships or len(entry.sha256) == 64, f"{where}: shipped weights need a sha256")
    _check(not entry.ships or bool(entry.weights_license), f"{where}: shipped weights need a weights_license")
    _check(len(entry.sha256) in (0, 64) and len(entry.git_blob) in (0, 40), f"{where}: malformed digest")
    _check(Path(entry.file).name == entry.file, f"{where}: file must be a bare name")


def _check(holds: bool, complaint: str) -> None:
    if not holds:
        raise WeightsError(complaint, "the catalogue of weights is damaged; reinstall restorecli")
