"""Draw the documentation's before/after pictures from the sample photos: ``python -m benchmarks.gallery``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SAMPLES = Path(__file__).parents[1] / "docs" / "samples"
GALLERY = Path(__file__).parents[1] / "docs" / "gallery"
CROPS = {"motocross.png": (70, 0, 156, 72), "coast/lighthouse.png": (120, 60, 206, 132)}
SCALE = 4


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


def main() -> None:
    """Run the tool on the samples and draw each crop: the photo's pixels, bicubic, the tool."""
    GALLERY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "restorecli", "upscale", f"-x{SCALE}", "--variant", "light"]
        subprocess.run([*command, str(SAMPLES), "-o", folder], check=True)
        rows = []
        for name, box in CROPS.items():
            with Image.open(SAMPLES / name) as photo, Image.open(Path(folder) / name) as restored:
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
    sheet = Image.new("RGB", (rows[0].width, sum(row.height + 8 for row in rows) - 8), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height + 8
    sheet.save(GALLERY / "upscale-x4.png", optimize=True)


if __name__ == "__main__":
    main()
