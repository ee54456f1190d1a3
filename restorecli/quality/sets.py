"""Test sets: finding their images, knowing them by name, reading them as 8 bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from restorecli.errors import NothingToDoError, UnreadableError, UsageError
from restorecli.photos.lists import names_in
from restorecli.quality.degrade import Bytes

NOISY, CLEAN = "_real", "_mean"
"""What the names of a pair end in, as in CC15."""
KINDS = (".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".ppm", ".pgm", ".webp")


@dataclass(frozen=True)
class KnownSet:
    """A set that papers report on.

    Attributes:
        name: as the catalogue of weights calls it.
        folders: names of its folder, lower case.
        images: how many it has; a part of it is not compared with published numbers.
        also: other names it has in the catalogue.
        names: a file in the folder that lists the images, where the folder holds more.
    """

    name: str
    folders: tuple[str, ...]
    images: int
    also: tuple[str, ...] = ()
    names: str = ""


KNOWN = (
    KnownSet("Set5", ("set5",), 5),
    KnownSet("Set14", ("set14",), 14),
    KnownSet("B100", ("b100", "bsd100"), 100),
    KnownSet("Urban100", ("urban100",), 100),
    KnownSet("Manga109", ("manga109",), 109),
    KnownSet("Kodak24", ("kodak24", "kodak"), 24),
    KnownSet("McMaster", ("mcm18", "mcmaster", "mcmaster18"), 18, ("McM18",)),
    KnownSet("CBSD68", ("cbsd68", "bsd68"), 68, ("BSD68",)),
    KnownSet("CBSD68", ("b100", "bsd100"), 68, ("BSD68",), names="cbsd68.txt"),
    KnownSet("Set12", ("set12",), 12),
    KnownSet("Classic5", ("classic5",), 5),
    KnownSet("LIVE1", ("live1",), 29),
    KnownSet("CC15", ("cc15",), 15),
)


@dataclass(frozen=True)
class ImageSet:
    """Images on this machine.

    Attributes:
        name: the known set's, or the folder's.
        files: the clean images, in order of their names.
        known: the set papers report on, if these are all of its images.
        noisy: what belongs to each of ``files`` in a set of pairs; none elsewhere.
    """

    name: str
    files: tuple[Path, ...]
    known: KnownSet | None = None
    noisy: tuple[Path, ...] = ()

    def published(self, results: Mapping[str, tuple[float, ...]]) -> tuple[float, ...]:
        """Return what ``results`` of the catalogue state for this set; empty where there are none."""
        if self.known is None:
            return ()
        names = (self.known.name, *self.known.also)
        return next((results[name] for name in names if name in results), ())

    def first(self, count: int | None) -> ImageSet:
        """Return the set cut to its first ``count`` images, which is no longer comparable."""
        if count is None or count >= len(self.files):
            return self
        return ImageSet(f"{self.name}, first {count}", self.files[:count], noisy=self.noisy[:count])


def open_set(path: Path) -> ImageSet:
    """Return the images of a folder, of its subfolder HR, or those that a text file beside them names.

    A folder of which every image is called ``…_real`` or ``…_mean`` is one of pairs: noisy, and the mean of
    many shots.

    Raises:
        UsageError: there is no such folder or file.
        NothingToDoError: it holds no image.
    """
    if path.is_file() and path.suffix == ".txt":
        names = [name.strip() for name in names_in(path.read_bytes(), source=str(path))]
        folder = _images_folder(path.parent)
        files = tuple(folder / name for name in names if name)
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            raise UsageError(f"{path} names {missing[0]}, which is not in {folder}")
    elif path.is_dir():
        folder = _images_folder(path)
        files = tuple(sorted(file for file in folder.iterdir() if file.suffix.lower() in KINDS))
    else:
        raise UsageError(f"there is no folder {path}", "give a folder of clean images")
    if not files:
        raise NothingToDoError(f"no images in {path}", f"known endings: {', '.join(KINDS)}")
    noisy, files = _apart(files)
    known = next((known for known in KNOWN if _is(known, path, len(files))), None)
    return ImageSet(known.name if known else _name(path), files, known, noisy)


def known_sets(root: Path) -> Iterator[ImageSet]:
    """Yield the complete known sets under ``root``, in the order of `KNOWN`.

    Raises:
        UsageError: there is no such folder.
    """
    if not root.is_dir():
        raise UsageError(
            f"there is no folder {root}", "give the folder that holds the test sets: --data-root"
        )
    places = {folder.name.lower(): folder for folder in sorted(root.iterdir()) if folder.is_dir()}
    for known in KNOWN:
        for name in known.folders:
            if name not in places:
                continue
            path = places[name] / known.names
            if path.exists():
                found = open_set(path)
                if found.known == known:
                    yield found


def read_bytes(file: Path) -> Bytes:
    """Return an image as H×W×C uint8, C = 1 for gray files, else 3 (RGB; transparency is left out).

    Raises:
        UnreadableError: it is no image.
    """
    try:
        with Image.open(file) as image:
            gray = image.mode in ("1", "L", "I;16", "I", "F", "LA")
            pixels = np.asarray(image.convert("L" if gray else "RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise UnreadableError(f"{file}: {error}") from error
    return pixels.reshape(*pixels.shape[:2], -1)


def _apart(files: tuple[Path, ...]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the noisy and the clean images of a set of pairs; none and all of them elsewhere.

    Raises:
        UsageError: one of a pair is missing.
    """
    noisy = {file.stem.removesuffix(NOISY): file for file in files if file.stem.endswith(NOISY)}
    clean = {file.stem.removesuffix(CLEAN): file for file in files if file.stem.endswith(CLEAN)}
    if not noisy or len(noisy) + len(clean) < len(files):
        return (), files
    if alone := sorted(noisy.keys() ^ clean.keys()):
        raise UsageError(
            f"{alone[0]} has no partner in {files[0].parent}", f"pairs end in {NOISY} and {CLEAN}"
        )
    return tuple(noisy[name] for name in clean), tuple(clean.values())


def _images_folder(path: Path) -> Path:
    return path / "HR" if (path / "HR").is_dir() else path


def _is(known: KnownSet, path: Path, count: int) -> bool:
    place = path.parent if known.names else path
    if known.names and path.name != known.names:
        return False
    names = {place.name.lower()} | ({place.parent.name.lower()} if place.name == "HR" else set())
    return bool(names & set(known.folders)) and count == known.images


def _name(path: Path) -> str:
    return path.stem if path.is_file() else f"{path.parent.name}/HR" if path.name == "HR" else path.name
