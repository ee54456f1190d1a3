"""Sweep folders of image files: is every one read with right colours, or refused by name, and does it end?

    python -m benchmarks.format_sweep FOLDER… [--seconds 60] [--within 0.02]

Each file is read in a process of its own, with a time limit, and its mean colours are compared with what
independent readers that are installed (Pillow, tifffile, pyvips, OpenImageIO) say. A file is wrong where no
reader that opens it comes within the tolerance, a hang where it does not end, and unnamed where the error is
none of the tool's own. Readers give a file's own numbers; files whose colours the tool converts (profiles,
code points, HDR, CMYK, CIELAB) are therefore listed apart and not judged.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from restorecli.errors import PhotoError
from restorecli.photos.formats.kinds import looks_like_image
from restorecli.photos.read import read


def ours(path: Path) -> dict[str, object]:
    """The tool's outcome for a file: its first page's mean colours, or the code of its error."""
    try:
        photo = read(path, frames="first").pages[0]
    except PhotoError as error:
        return {"refused": error.code, "message": error.message}
    except Exception as error:  # noqa: BLE001 - the very thing that is looked for
        return {"unnamed": f"{type(error).__name__}: {error}"}
    meta, words = photo.metadata, " ".join(photo.warnings)
    converted = bool(meta.profile or meta.cicp or photo.raw or "CMYK" in words or "CIELAB" in words)
    return {"mean": _mean(photo.pixels), "converted": converted, "warnings": photo.warnings}


def _mean(pixels: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> list[float]:
    means = pixels.reshape(-1, pixels.shape[-1]).mean(axis=0, dtype=np.float64)
    return [float(value) for value in (means[:3] if len(means) >= 3 else np.repeat(means[:1], 3))]


def _pillow(path: Path) -> list[float]:
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        if image.mode.startswith(("I", "F")):
            values = np.asarray(image, np.float64)[..., None]
            return _mean(values / (1 if image.mode == "F" else 65535))
        return _mean(np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.float64) / 255)


def _tifffile(path: Path) -> list[float]:
    import tifffile

    values = tifffile.imread(path, key=0)
    peak = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1
    return _mean((values if values.ndim == 3 else values[..., None]).astype(np.float64) / peak)


def _vips(path: Path) -> list[float]:
    import pyvips

    image = pyvips.Image.new_from_file(str(path))
    peak = {"uchar": 255, "ushort": 65535}.get(image.format, 1)
    values = image.numpy().astype(np.float64) / peak
    return _mean(values if values.ndim == 3 else values[..., None])


def _openimageio(path: Path) -> list[float]:
    import OpenImageIO

    config = OpenImageIO.ImageSpec()
    config["oiio:UnassociatedAlpha"] = 1
    opened = OpenImageIO.ImageInput.open(str(path), config)
    if opened is None:
        raise ValueError(OpenImageIO.geterror())
    return _mean(opened.read_image("float").reshape(-1, opened.spec().nchannels))


READERS: dict[str, Callable[[Path], list[float]]] = {
    "Pillow": _pillow,
    "tifffile": _tifffile,
    "pyvips": _vips,
    "OpenImageIO": _openimageio,
}


def one(path: Path) -> dict[str, object]:
    """What the tool and every installed reader say of a file."""
    result = ours(path)
    found: dict[str, object] = {"ours": result}
    if "mean" not in result:
        return found  # others may take any time over what is refused here
    for name, reader in READERS.items():
        try:
            found[name] = reader(path)
        except Exception:  # noqa: BLE001 - a reader that does not open it has no say
            continue
    return found


def judged(path: Path, seconds: float, within: float) -> tuple[str, str]:
    """The verdict on a file, and what led to it."""
    command = [sys.executable, "-m", "benchmarks.format_sweep", "--one", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)
        found = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return "hang", f"more than {seconds:g} s"
    except (ValueError, IndexError):
        return "unnamed", done.stderr.decode(errors="replace").strip()[
            -200:
        ] or f"exit code {done.returncode}"
    result = found.pop("ours")
    if "unnamed" in result:
        return "unnamed", result["unnamed"]
    if "refused" in result:
        return f"refused ({result['refused']})", result["message"]
    if result["converted"]:
        return "converted", ", ".join(result["warnings"])
    gaps = {name: float(np.abs(np.subtract(mean, result["mean"])).max()) for name, mean in found.items()}
    if not gaps:
        return "alone", "no other reader opens it"
    told = ", ".join(f"{name} {gap:.3f}" for name, gap in gaps.items())
    return ("right" if min(gaps.values()) <= within else "wrong"), told


def files(folders: list[Path]) -> Iterator[Path]:
    """The image files in folders, at any depth."""
    for folder in folders:
        yield from sorted(path for path in folder.rglob("*") if path.is_file() and looks_like_image(path))


def main() -> None:
    """Print every file that is not right, and the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--within", type=float, default=0.02, help="greatest difference of a channel's mean")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        buffer = io.StringIO()
        json.dump(one(arguments.one), buffer)
        print(buffer.getvalue())
        return
    counts: Counter[str] = Counter()
    for path in files(arguments.folders):
        verdict, why = judged(path, arguments.seconds, arguments.within)
        counts[verdict] += 1
        if verdict != "right":
            print(f"{verdict}: {path}: {why}", flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    sys.exit(any(counts[bad] for bad in ("wrong", "hang", "unnamed")))


if __name__ == "__main__":
    main()
