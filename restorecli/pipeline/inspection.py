"""What is in a photo, and what a run would do to it."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import ImageCms

from restorecli.imaging.colour import luma
from restorecli.photo import Document, FloatArray, Photo
from restorecli.pipeline.foresight import Step, done_along, foresee
from restorecli.stages import Networks, Stage
from restorecli.tasks.demosaic import MosaicNeed
from restorecli.tasks.estimate.sharpness import sharpness

MIDDLE_GRAY = 0.18
_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError)


@dataclass(frozen=True)
class Inspection:
    """What is in a photo; numbers that are not known are None.

    Attributes:
        kind: of the file, by its content.
        width, height: of the first page, upright.
        pages: how many.
        bits: of a sample: "8", "16" or "32f".
        channels: 1 for gray.
        profile: name of its ICC profile; "sRGB" where it has none, "camera" for camera RAW.
        sigma, sigma_coarse: of its noise, see `estimate.noise`; of camera RAW in middle gray, as it would be
            in the finished picture.
        quality: of JPEG compression.
        sharpness: see `estimate.sharpness`.
        needs: the tasks, in order.
        found: what was found and decided, in words.
        details: the same for machines.
    """

    kind: str
    width: int
    height: int
    pages: int
    bits: str
    channels: int
    profile: str
    sigma: float | None
    sigma_coarse: float | None
    quality: float | None
    sharpness: float | None
    needs: tuple[str, ...]
    found: tuple[str, ...]
    details: Mapping[str, str | float] = field(default_factory=dict)


def inspect(document: Document, stages: Sequence[Stage], networks: Networks) -> tuple[Inspection, list[Step]]:
    """Look at a photo; numbers are of the first page, needs of all.

    Args:
        document: as read.
        stages: of the run.
        networks: where the stages get theirs.

    Returns:
        What is in it, and the steps whose networks it would be given to.

    Raises:
        PhotoError: it cannot be restored.
        RestoreError: weights for it are missing.
    """
    first = document.pages[0]
    steps = [step for page in document.pages for step in foresee(page, stages, networks)]
    known: dict[str, str | float] = {}
    for step in reversed(steps):
        known |= step.need.details
    wanted: dict[str, None] = {}
    for step in steps:
        if not step.need.leave:
            wanted |= dict.fromkeys((step.task, *done_along(step, networks)))
    raw = _raw_sigma(steps)
    seen = Inspection(
        kind=document.format,
        width=first.width,
        height=first.height,
        pages=len(document.pages),
        bits=first.depth.value,
        channels=first.pixels.shape[2] if first.raw is None else 3,
        profile=profile_name(first),
        sigma=_number(known.get("sigma")) if raw is None else raw,
        sigma_coarse=_number(known.get("sigma_coarse")),
        quality=_number(known.get("quality")),
        sharpness=sharpness(_plane(first)),
        needs=tuple(wanted),
        found=tuple(dict.fromkeys(text for step in steps for text in in_words(step))),
        details=known,
    )
    return seen, [step for step in steps if step.pixels]


def in_words(step: Step) -> list[str]:
    """Return what a step found, and why it leaves the photo alone where it does."""
    said = [f"{step.task}: {note}" for note in step.need.notes] or ([] if step.need.leave else [step.task])
    return [*said, f"no {step.task}: {step.need.leave}"] if step.need.leave else said


def profile_name(photo: Photo) -> str:
    """Return what a photo's ICC profile calls itself, in ASCII without control characters."""
    if photo.raw is not None:
        return "camera"
    if photo.metadata.profile is None:
        return "gray" if photo.is_gray else "sRGB"
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(photo.metadata.profile))
        name = ImageCms.getProfileDescription(opened)
    except _ERRORS:
        return "unreadable"
    return "".join(letter for letter in name if " " <= letter <= "~").strip() or "unnamed"


def _number(value: str | float | None) -> float | None:
    return None if value is None or isinstance(value, str) else float(value)


def _raw_sigma(steps: Sequence[Step]) -> float | None:
    """Return the noise of green in middle gray, on the 0–255 scale, with sRGB's curve; None for no RAW."""
    for step in steps:
        if isinstance(step.need, MosaicNeed) and step.need.noise is not None:
            noise = step.need.noise
            linear = math.sqrt(noise.shot[1] * MIDDLE_GRAY + noise.read[1])
            slope = 1.055 / 2.4 * MIDDLE_GRAY ** (1 / 2.4 - 1)  # of the curve of IEC 61966-2-1
            return round(float(255 * slope * linear), 1)
    return None


def _plane(photo: Photo) -> FloatArray:
    """Return H×W luma; of a mosaic the means of 2×2 samples with sRGB's curve, roughly."""
    if photo.raw is None:
        return luma(photo.pixels)[:, :, 0] if photo.pixels.shape[2] == 3 else photo.pixels[:, :, 0]
    height, width = (side - side % 2 for side in photo.pixels.shape[:2])
    cells = photo.pixels[:height, :width].mean(axis=2).reshape(height // 2, 2, width // 2, 2)
    means: FloatArray = np.sqrt(cells.mean(axis=(1, 3)).clip(0, 1))
    return means
