"""Draw the before/after pictures from the sample photos: ``python -m benchmarks.documents.gallery``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from restorecli.quality.baselines import plain_non_local_means

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
CROPS = {"motocross.png": (70, 0, 156, 72), "coast/lighthouse.png": (120, 60, 206, 132)}
SCALE = 4
NOISY_CROPS = {"fir.png": (30, 70, 250, 290), "papaya.png": (10, 70, 230, 290)}
COMPRESSED = "box.jpg"
COMPRESSED_CROPS = ((395, 150, 535, 230), (250, 90, 390, 170))
CAMERA = Path(__file__).parents[2] / "docs" / "camera"
NOISY_SIGMA = 12  # what non-local means is given


def label(panel: Image.Image, text: str) -> Image.Image:
    """Write a line below a picture."""
    font = ImageFont.load_default(size=18)
    framed = Image.new("RGB", (panel.width, panel.height + 28), "white")
    framed.paste(panel, (0, 0))
    ImageDraw.Draw(framed).text((6, panel.height + 4), text, fill="black", font=font)
    return framed


def side_by_side(panels: list[Image.Image]) -> Image.Image:
    """Put pictures of one height in a row."""
    gap = 8
    row = Image.new("RGB", (sum(p.width + gap for p in panels) - gap, panels[0].height), "white")
    left = 0
    for panel in panels:
        row.paste(panel, (left, 0))
        left += panel.width + gap
    return row


def stacked(rows: list[Image.Image]) -> Image.Image:
    """Put rows of pictures one below the other."""
    sheet = Image.new(
        "RGB", (max(row.width for row in rows), sum(row.height + 8 for row in rows) - 8), "white"
    )
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height + 8
    return sheet


def enlarged(folder: Path) -> Image.Image:
    """Enlarge the samples and draw each crop: the photo's pixels, bicubic, the tool."""
    command = [sys.executable, "-m", "restorecli", "upscale", f"-x{SCALE}", "--variant", "light"]
    subprocess.run([*command, *(str(SAMPLES / name) for name in CROPS), "-o", str(folder)], check=True)
    rows = []
    for name, box in CROPS.items():
        with Image.open(SAMPLES / name) as photo, Image.open(folder / Path(name).name) as restored:
            size = (SCALE * (box[2] - box[0]), SCALE * (box[3] - box[1]))
            crop = photo.convert("RGB").crop(box)
            larger = photo.convert("RGB").resize(restored.size, Image.Resampling.BICUBIC)
            scaled = tuple(SCALE * side for side in box)
            panels = [
                label(crop.resize(size, Image.Resampling.NEAREST), "the photo's pixels"),
                label(larger.crop(scaled), "bicubic x4"),
                label(restored.convert("RGB").crop(scaled), "restore upscale -x4"),
            ]
            rows.append(side_by_side(panels))
    return stacked(rows)


def denoised(folder: Path) -> Image.Image:
    """Denoise the noisy samples and draw a crop of each: the photo, non-local means, the tool."""
    command = [sys.executable, "-m", "restorecli", "denoise", str(SAMPLES / "noisy"), "-o", str(folder)]
    subprocess.run(command, check=True)
    rows = []
    for name, box in NOISY_CROPS.items():
        with Image.open(SAMPLES / "noisy" / name) as photo, Image.open(folder / name) as restored:
            given = photo.convert("RGB")
            light = np.asarray(given, np.float32) / 255
            classical = Image.fromarray(plain_non_local_means(light, NOISY_SIGMA))
            size = (2 * (box[2] - box[0]), 2 * (box[3] - box[1]))
            named = {
                "a real photo": given,
                "non-local means": classical,
                "restore denoise": restored.convert("RGB"),
            }
            rows.append(
                side_by_side(
                    [
                        label(picture.crop(box).resize(size, Image.Resampling.NEAREST), text)
                        for text, picture in named.items()
                    ]
                )
            )
    return stacked(rows)


def decompressed(folder: Path) -> Image.Image:
    """Take the artifacts out of a camera's JPEG and draw crops of it: the file, the tool."""
    target = folder / "box.png"
    command = [sys.executable, "-m", "restorecli", "dejpeg", str(CAMERA / COMPRESSED), "-o", str(target)]
    subprocess.run(command, check=True)
    rows = []
    with Image.open(CAMERA / COMPRESSED) as photo, Image.open(target) as restored:
        for box in COMPRESSED_CROPS:
            size = (3 * (box[2] - box[0]), 3 * (box[3] - box[1]))
            named = {"a camera's JPEG": photo, "restore dejpeg": restored}
            panels = [
                label(picture.convert("RGB").crop(box).resize(size, Image.Resampling.NEAREST), text)
                for text, picture in named.items()
            ]
            rows.append(side_by_side(panels))
    return stacked(rows)


def main() -> None:
    """Run the tool on the samples and draw the sheets, or those that are named."""
    GALLERY.mkdir(exist_ok=True)
    sheets = {"upscale-x4": enlarged, "denoise": denoised, "dejpeg": decompressed}
    for name in sys.argv[1:] or sheets:
        draw = sheets[name]
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder)).save(GALLERY / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
