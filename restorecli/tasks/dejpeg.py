"""Take out JPEG artifacts: colour networks see the colours, luma networks see luma and chroma is kept.

Kept chroma is as the decoder gives it: in a 4:2:0 file every pixel's is interpolated from the four nearest
samples (libjpeg's triangle filter), so it is smooth, not blocky, though not sharper than it was stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
from torch import Tensor

from restorecli.imaging.colour import luma
from restorecli.networks.network import Network
from restorecli.photo import FloatArray, Photo
from restorecli.tasks.base import Job, Need, Weighed, one_of_rows
from restorecli.tasks.channels import fit, is_beyond, merge
from restorecli.tasks.estimate.jpeg import (
    CHROMINANCE,
    LUMINANCE,
    Integers,
    JpegEstimate,
    quality_from_pixels,
    quality_from_tables,
    scaled_table,
)
from restorecli.tasks.estimate.jpeg_loss import likely_loss
from restorecli.tasks.same_size import check_size_kept, picture_inputs, put_back, visible, with_pixels

STUDIO = (16 / 255, 219 / 255)
"""Offset and gain from full-range Y to that of ITU-R BT.601 in 16–235, both on the 0–1 scale."""


CLEAN_QUALITY = 98
"""From this JPEG quality on a photo is left alone: what is lost is about the rounding to 8 bit."""
GENTLE_QUALITY = 85
"""From this JPEG quality on a network may change more than was lost, and only a part of it is kept."""
RIGHT = 0.35
"""How much of a change as large as the (estimated) loss brings photos closest to their originals: the
correlation of what the light network changes with what was lost, 0.29 to 0.51 on average over sets of photos
(``docs/guides/dejpeg.md``)."""
RIGHT_HALVED = 0.45
"""The same where chroma was halved: more was lost then than is estimated."""
FINE_QUALITY = 75
"""From this quality of the file's tables on, an earlier compression can be seen behind it."""
MUCH_COARSER = 8
"""How far below the tables' quality that of the pixels must lie to count."""
FOUND_IN = {"tables": "the file's quantisation tables", "pixels": "the blocks in the pixels"}


def weighed(taken: float, lost: float, right: float = RIGHT) -> Weighed:
    """Say how much of a network's change is kept: less, the more it goes beyond what compression has lost.

    Of a photo of high quality a network takes out fine detail along with what little there is to take out.

    Args:
        taken: root mean square of the change, 0–255.
        lost: root mean square of the loss, see `jpeg_loss.likely_loss`.
        right: how much of a change as large as the loss is kept.
    """
    # Of a photo without a whole block nothing is known.
    share = min(1.0, right * lost / taken) if lost > 0 and taken > 0 else 1.0
    if share == 1:
        return Weighed()
    note = f"{100 * share:.0f} % of what was found is taken out: hardly more was lost"
    return Weighed(share, (note,), {"dejpeg_effect": round(share, 2)})


@dataclass(frozen=True)
class LumaJob(Job):
    """A colour photo of which only luma goes through the network.

    Attributes:
        levels: offset and gain from the photo's luma to what the network sees.
    """

    levels: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Dejpeg:
    """Undo JPEG compression.

    Attributes:
        quality: libjpeg's quality, 1–100, that the photo was saved with; None to estimate it for each photo.
        clean: from this estimated quality on a photo is left alone.
    """

    clean: ClassVar[int] = CLEAN_QUALITY

    quality: float | None = None
    suffix: str = "dejpeg"

    @property
    def judges(self) -> bool:
        """Whether a photo may turn out to need nothing."""
        return self.quality is None

    def examine(self, photo: Photo) -> Need:
        """Ask for weights of the photo's quality, and leave it alone where it is clean already."""
        channels = 1 if photo.is_gray else 3
        if self.quality is not None:
            return Need(channels, self.quality, details={"quality": self.quality, "quality_source": "given"})
        if photo.format == "raw":
            return Need(channels, leave="it comes from camera RAW, not from a JPEG")
        if photo.quantisation is not None and photo.quantisation.undone:
            return Need(channels, leave="its artifacts are out already")
        estimate = _estimate(photo)
        if estimate is None:
            return Need(channels, leave="its pixels show no JPEG compression")
        quality = estimate.quality
        details: dict[str, str | float] = {"quality": quality, "quality_source": estimate.source}
        if estimate.offset != (0, 0):
            details["grid_offset"] = f"{estimate.offset[0]},{estimate.offset[1]}"
        about = "" if estimate.exact else "about "
        notes = (f"quality {about}{quality}, from {FOUND_IN[estimate.source]}",)
        if quality >= self.clean:
            return Need(channels, quality, "hardly anything was lost", notes, details)
        weigh = None
        if quality >= GENTLE_QUALITY:
            loss = likely_loss(photo.pixels, _tables(photo, estimate), estimate.offset)
            weigh = partial(weighed, lost=loss, right=RIGHT_HALVED if _has_halved_chroma(photo) else RIGHT)
        return Need(channels, quality, "", notes, details, weigh=weigh)

    def row_jobs(self, job: Job) -> tuple[Job, ...]:
        """Every row of the result can be finished by itself."""
        return one_of_rows(job)

    def only_clips(self, job: Job) -> bool:
        """Whether the network's output is the result: not its luma alone, and no value lay beyond 0–1."""
        return not (isinstance(job, LumaJob) or is_beyond(job.photo.pixels))

    def prepare(self, photo: Photo, need: Need, network: Network) -> Job:
        """Give a colour network the colours; give a luma network what it was trained to see of them.

        The luma is Y of ITU-R BT.601: JPEG's own in 0–255, or the one in 16–235 (MATLAB's and scikit-image's
        ``rgb2ycbcr``) for networks trained on that. Gray photos go in as they are.
        """
        maps = {} if need.level is None else {"quality map": 1 - need.level / 100}
        if photo.is_gray or network.out_channels != 1:
            return Job(photo, picture_inputs(photo, network, maps))
        check_size_kept(network)
        offset, gain = STUDIO if network.luma == "studio" else (0.0, 1.0)
        seen = luma(visible(photo)) * np.float32(gain) + np.float32(offset)
        return LumaJob(photo, fit(seen, network, maps), levels=(offset, gain))

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        """Put the colours back, or the restored luma under the photo's own chroma."""
        made = _put_together(job, outputs)
        tables = made.quantisation
        return made if tables is None else replace(made, quantisation=replace(tables, undone=True))


def _put_together(job: Job, outputs: Sequence[Tensor]) -> Photo:
    if not isinstance(job, LumaJob):
        return put_back(job.photo, outputs)
    offset, gain = job.levels
    restored = (merge(outputs, True) - np.float32(offset)) / np.float32(gain)
    return with_pixels(job.photo, with_luma(visible(job.photo), restored))


def _estimate(photo: Photo) -> JpegEstimate | None:
    """Return the quality by the file's own tables, or by what a decoded file's pixels still show.

    Fine tables do not show an earlier, coarser compression; then the pixels are examined too.
    """
    stated = None if photo.quantisation is None else quality_from_tables(photo.quantisation)
    if stated is not None and stated.quality < FINE_QUALITY:
        return stated
    seen = quality_from_pixels(photo.pixels)
    return stated if stated and (seen is None or seen.quality > stated.quality - MUCH_COARSER) else seen


def _has_halved_chroma(photo: Photo) -> bool:
    """Whether the file says that it holds chroma at less than full resolution."""
    return photo.quantisation is not None and len(set(photo.quantisation.subsampling)) > 1


def _tables(photo: Photo, estimate: JpegEstimate) -> Sequence[Integers]:
    """Return the file's tables, or the standard ones of the quality that its pixels show."""
    if estimate.source == "tables" and photo.quantisation is not None:
        return [table.astype(np.int64) for table in photo.quantisation.tables]
    return [scaled_table(kind, estimate.quality) for kind in (LUMINANCE, CHROMINANCE)]


def with_luma(rgb: FloatArray, wanted: FloatArray) -> FloatArray:
    """Give colours another luma and leave their chroma.

    With Cb and Cr unchanged, R, G and B all change by what Y changes by (the rows of the inverse of BT.601's
    matrix begin with 1).

    Args:
        rgb: H×W×3, 0–1.
        wanted: H×W×1, full-range Y, 0–1.

    Returns:
        H×W×3, clipped to 0–1.
    """
    return np.clip(rgb + (wanted - luma(rgb)), 0, 1)
