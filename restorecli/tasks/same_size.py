"""Restore at the same size: what denoising, deblurring, enhancing and removing JPEG artifacts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from restorecli.errors import WeightsError
from restorecli.networks.network import Network
from restorecli.photo import FloatArray, Photo
from restorecli.tasks.base import Job, Need, one_of_rows
from restorecli.tasks.channels import bleed_colour, fit, is_beyond, merge
from restorecli.tasks.not_noise import put_back_what_is_not_noise

BEYOND = "values outside 0–1 were kept as they are; the network restored the rest"
BY_CHANNEL = "the weights are for gray: each colour channel was restored by itself"


@dataclass(frozen=True)
class SameSize:
    """Put the colours through a network that keeps the size; nothing is estimated first.

    Attributes:
        suffix: what output names end in.
    """

    suffix: str

    def examine(self, photo: Photo) -> Need:
        """Ask for gray weights for gray photos."""
        return Need(channels=1 if photo.is_gray else 3)

    def row_jobs(self, job: Job) -> tuple[Job, ...]:
        """Every row of the result can be finished by itself."""
        return one_of_rows(job)

    def only_clips(self, job: Job) -> bool:
        """Whether the network's output is the result: where no value lay beyond 0–1."""
        return not is_beyond(job.photo.pixels)

    def prepare(self, photo: Photo, need: Need, network: Network) -> Job:
        """Give the network the colours, or gray in as many channels as it takes."""
        return Job(photo, picture_inputs(photo, network))

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        """Put gray, transparency and what lay beyond 0–1 back."""
        return put_back(job.photo, outputs)


def picture_inputs(
    photo: Photo, network: Network, maps: Mapping[str, float] | None = None
) -> tuple[Tensor, ...]:
    """Return what a network that keeps the size is run on: see `channels.fit`.

    Raises:
        WeightsError: the network enlarges, or takes something else than this picture.
    """
    check_size_kept(network)
    return fit(visible(photo), network, maps)


def check_size_kept(network: Network) -> None:
    """Raise WeightsError where the network enlarges."""
    if network.scale != 1:
        raise WeightsError(
            f"the weights enlarge by {network.scale}, and the photo is to keep its size",
            "choose another --model or --weights",
        )


def visible(photo: Photo) -> FloatArray:
    """Return the pixels as a network may see them: 0–1, and no colours that transparency hides."""
    pixels = photo.pixels if photo.alpha is None else bleed_colour(photo.pixels, photo.alpha)
    return np.clip(pixels, 0, 1) if is_beyond(pixels) else pixels


def put_back(photo: Photo, outputs: Sequence[Tensor], white: float | None = None) -> Photo:
    """Return ``photo`` with a network's outputs for its colours; alpha and hidden colours stay.

    Args:
        photo: what the outputs came from.
        outputs: see `channels.merge`.
        white: sigma of white noise, 0–255, that alone was to be taken out: what cannot be such noise stays.
    """
    warnings = photo.warnings
    if len(outputs) > 1:
        warnings = (*warnings, BY_CHANNEL)
    pixels = merge(outputs, photo.is_gray)
    if white is not None:
        hidden = None if photo.alpha is None else photo.alpha <= 0
        pixels = put_back_what_is_not_noise(visible(photo), pixels, white, hidden)
    return with_pixels(replace(photo, warnings=warnings), pixels)


def with_pixels(photo: Photo, pixels: FloatArray) -> Photo:
    """Return ``photo`` with restored ``pixels`` (0–1), what lay beyond 0–1 and what is hidden kept."""
    warnings = photo.warnings
    if is_beyond(photo.pixels):
        pixels = pixels + (photo.pixels - np.clip(photo.pixels, 0, 1))
        warnings = (*warnings, BEYOND)
    if photo.alpha is not None:
        pixels = np.where((photo.alpha <= 0)[:, :, None], photo.pixels, pixels)
    return replace(photo, pixels=pixels, warnings=warnings)
