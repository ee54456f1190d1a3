"""Frames written as an animation again: PNG (APNG) and WebP by Pillow, with what stands beside them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image

from restorecli.photos.formats import encode as still
from restorecli.photos.formats import png
from restorecli.photos.formats.page import Page

_USUAL_DURATION = 100.0  # milliseconds, as browsers show frames without any


def encode(pages: Sequence[Page], name: str, stream: BinaryIO) -> None:
    """Write frames as a PNG or a WebP that repeats for ever; both lose nothing.

    Raises:
        OSError, ValueError: the stream or the encoder fails.
    """
    alike = len({page.samples.shape[2] for page in pages}) == 1
    frames = [
        Image.fromarray(_with_alpha(page) if not alike else still.coloured(page.samples)) for page in pages
    ]
    durations = [round(page.duration or _USUAL_DURATION) for page in pages]
    first = pages[0]
    options = {"save_all": True, "append_images": frames[1:], "duration": durations, "loop": 0}
    if name == "webp":
        extra = {key: value for key, value in (("exif", first.exif), ("xmp", first.xmp)) if value}
        frames[0].save(stream, "WEBP", lossless=True, exact=True, icc_profile=first.icc, **options, **extra)
        return
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", blend=0, disposal=0, **options)
    for part in png.insert_chunks(buffer.getvalue(), still.png_chunks(first)):
        stream.write(part)


def _with_alpha(page: Page) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    samples = still.coloured(page.samples)
    if samples.shape[2] == 4:
        return samples
    opaque = np.full((*samples.shape[:2], 1), 255, samples.dtype)
    return np.concatenate([samples, opaque], axis=2)
