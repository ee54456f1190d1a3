"""Pictures that the tests of the page share, and what a page holds."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Bytes = npt.NDArray[np.uint8]


def scene(height: int = 120, width: int = 160) -> Bytes:
    """A smooth picture with a sharp patch."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [128 + 80 * np.sin(rows / (19 + k) + k) * np.cos(columns / (23 - k)) for k in range(3)]
    return np.stack(waves, axis=-1).round().clip(0, 255).astype(np.uint8)


def noisy(picture: Bytes, sigma: float = 12, seed: int = 0) -> Bytes:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def save(picture: npt.NDArray[Any], path: Path, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, **more)
    return path


def data_of(page: Path) -> list[dict[str, Any]]:
    """What the page's script gets of each photo, in the page's order."""
    text = page.read_text(encoding="utf-8")
    return [
        json.loads(found)
        for found in re.findall(r'<script type="application/json" id="photo-\d+">(.*?)</script>', text)
    ]


def decoded(url: str) -> Bytes:
    """The pixels of a picture that stands in the page."""
    data = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
