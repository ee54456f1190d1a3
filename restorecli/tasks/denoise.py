"""Take out noise: white noise of a strength that is given or estimated, or whatever noise a camera made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from restorecli.networks.network import Network
from restorecli.photo import Photo
from restorecli.tasks.base import Job, Need, Weighed, one_of_rows
from restorecli.tasks.channels import is_beyond
from restorecli.tasks.estimate.jpeg import quality_from_tables
from restorecli.tasks.estimate.noise import NoiseEstimate, noise_sigma
from restorecli.tasks.same_size import picture_inputs, put_back

Details = dict[str, str | float]
STRONG_QUALITY = 60
"""Up to this JPEG quality of the file's tables, `dejpeg` is recommended before `denoise`."""
HARDLY_ANY = 1.0
"""A network that takes out no more than this (root mean square, 0–255) has found no noise: in clean photos
and in fine texture it takes out 0.7 to 1.9."""
PLAIN = 2.0
"""From this on it has: of photos of ISO 1600 and more it takes out at least 2.3."""


def weighed(taken: float) -> Weighed:
    """Say how much of what a network takes out was noise: nothing up to `HARDLY_ANY`, all from `PLAIN` on.

    What the pixels tell alone cannot part a camera's noise from fine texture; a network that knows both can.
    """
    share = min(1.0, max(0.0, (taken - HARDLY_ANY) / (PLAIN - HARDLY_ANY)))
    details: Details = {"taken_out": round(taken, 2)}
    if share == 1:
        return Weighed(details=details)
    if share == 0:
        return Weighed(0.0, (), details, "what looks like noise in it is texture or too faint to see")
    note = f"faint, or partly texture: {100 * share:.0f} % of what was found is taken out"
    return Weighed(share, (note,), {**details, "effect": round(share, 2)})


@dataclass(frozen=True)
class NoiseJob(Job):
    """A photo whose noise is known.

    Attributes:
        white: sigma of its white noise, 0–255; None for noise of a camera, which is no one number.
    """

    white: float | None = None


@dataclass(frozen=True)
class Denoise:
    """Undo noise.

    Attributes:
        sigma: standard deviation of the noise on the 0–255 scale; None to estimate it for each photo.
        noise: "gaussian": only white noise counts, for weights that know no other and harm what has none;
            "real": any noise that could be seen counts, for weights that leave clean photos alone; what is
            barely seen is taken out in part, see `weighed`.
        strength: 1 takes the noise out; below, so much of what the network changes is kept; above, a second
            run changes what the first left, and so much of that is kept.
    """

    sigma: float | None = None
    noise: str = "real"
    strength: float = 1.0
    suffix: str = "denoise"

    @property
    def judges(self) -> bool:
        """Whether a photo may turn out to need nothing."""
        return self.sigma is None or self.strength == 0

    def examine(self, photo: Photo) -> Need:
        """Ask for weights of the photo's noise, and leave it alone where there is none.

        A strongly compressed JPEG is said to be one: blocks and ringing are another command's matter.
        """
        need = self.examined(photo)
        tables = photo.quantisation
        if tables is None or tables.undone:
            return need
        quality = quality_from_tables(tables).quality
        if quality > STRONG_QUALITY:
            return need
        note = f"a JPEG of quality {quality}: blocks and ringing are taken out by restore dejpeg, before this"
        return replace(need, notes=(*need.notes, note), details={**need.details, "jpeg_quality": quality})

    def examined(self, photo: Photo) -> Need:
        """Do the same, without a word about JPEG."""
        channels = 1 if photo.is_gray else 3
        strength: Details = {} if self.strength == 1 else {"strength": self.strength}
        if self.strength == 0:
            return Need(channels, leave="strength 0 changes nothing", details=strength)
        shares = (1.0, self.strength - 1) if self.strength > 1 else (self.strength,)
        if self.sigma is not None:
            details = {"sigma": self.sigma, "sigma_source": "given", **strength}
            return Need(channels, self.sigma, details=details, shares=shares)
        hidden = None if photo.alpha is None else photo.alpha <= 0
        estimate = noise_sigma(photo.pixels, hidden)
        if estimate is None and self.noise == "gaussian":
            return Need(channels, leave="it is too small to measure its noise; give it with --sigma N")
        if estimate is None:  # nothing is known, and nothing can be harmed
            return Need(channels, details=strength, shares=shares)
        return self._found(estimate, photo, channels, strength, shares)

    def _found(
        self,
        estimate: NoiseEstimate,
        photo: Photo,
        channels: int,
        details: Details,
        shares: tuple[float, ...],
    ) -> Need:
        """Say what was found; of real noise as much of the change is kept as `weighed` says."""
        sigma, coarse = round(estimate.sigma, 1), round(estimate.coarse, 1)
        details = {"sigma": sigma, "sigma_coarse": coarse, "sigma_source": "estimated", **details}
        notes = [f"sigma {sigma:g} pixel by pixel, {coarse:g} at half size, estimated from the pixels"]
        leave = self.leave(estimate, photo)
        if self.noise == "gaussian":
            return Need(channels, sigma, leave, tuple(notes), details, shares=shares)
        level = round(estimate.strongest, 1)
        return Need(channels, level, leave, tuple(notes), details, shares=shares, weigh=weighed)

    def leave(self, estimate: NoiseEstimate, photo: Photo) -> str:
        """Return why a photo with this noise is best left as it is; empty where it is not."""
        if self.noise == "real":
            return "it has no visible noise" if estimate.is_faint else ""
        if not estimate.is_clean:
            return ""
        if estimate.coarse > 1.5 * max(estimate.sigma, 1):
            return "it shows no white noise; that of a camera, or texture, is left: --noise real takes it out"
        return "it has no more noise than a clean photo"

    def row_jobs(self, job: Job) -> tuple[Job, ...]:
        """Every row of the result can be finished by itself."""
        return one_of_rows(job)

    def only_clips(self, job: Job) -> bool:
        """Whether the network's output is the result: no sigma limits it, and no value lay beyond 0–1."""
        return white_of(job) is None and not is_beyond(job.photo.pixels)

    def prepare(self, photo: Photo, need: Need, network: Network) -> Job:
        """Give the network the colours, or gray in as many channels as it takes, and the noise level."""
        maps = {} if need.level is None else {"noise map": need.level / 255}
        return NoiseJob(photo, picture_inputs(photo, network, maps), white=self.white(need))

    def white(self, need: Need) -> float | None:
        """Return the sigma of white noise, where that is what is taken out; see `not_noise`."""
        return need.level if self.sigma is not None or self.noise == "gaussian" else None

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        """Put gray, transparency, what lay beyond 0–1 and what is no noise of its sigma back."""
        return put_back(job.photo, outputs, white_of(job))


def white_of(job: Job) -> float | None:
    """Return the sigma of the white noise that ``job`` takes out; None where that is not known."""
    return job.white if isinstance(job, NoiseJob) else None
