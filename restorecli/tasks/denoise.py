"""Take out Gaussian noise: of a strength that is given, or estimated for each photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from restorecli.networks.network import Network
from restorecli.photo import Photo
from restorecli.tasks.base import Job, Need
from restorecli.tasks.estimate.noise import noise_sigma
from restorecli.tasks.same_size import picture_inputs, put_back


@dataclass(frozen=True)
class Denoise:
    """Undo noise.

    Attributes:
        sigma: standard deviation of the noise on the 0–255 scale; None to estimate it for each photo.
    """

    sigma: float | None = None
    suffix: str = "denoise"

    def examine(self, photo: Photo) -> Need:
        """Ask for weights of the photo's noise, and leave it alone where there is none."""
        channels = 1 if photo.is_gray else 3
        if self.sigma is not None:
            return Need(channels, self.sigma, details={"sigma": self.sigma, "sigma_source": "given"})
        estimate = noise_sigma(photo.pixels)
        if estimate is None:
            return Need(channels, leave="it is too small to measure its noise; give it with --sigma N")
        sigma = round(estimate.sigma, 1)
        details: dict[str, str | float] = {"sigma": sigma, "sigma_source": "estimated"}
        notes = (f"sigma {sigma:g}, estimated from the pixels",)
        leave = "it has no more noise than a clean photo" if estimate.is_clean else ""
        return Need(channels, sigma, leave, notes, details)

    def prepare(self, photo: Photo, need: Need, network: Network) -> Job:
        """Give the network the colours, or gray in as many channels as it takes, and the noise level."""
        maps = {} if need.level is None else {"noise map": need.level / 255}
        return Job(photo, picture_inputs(photo, network, maps))

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        """Put gray, transparency and what lay beyond 0–1 back."""
        return put_back(job.photo, outputs)
