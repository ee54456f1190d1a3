"""Denoising: white Gaussian noise of a known strength, scores over all channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from restorecli.imaging import colour
from restorecli.networks.network import Network
from restorecli.photo import FloatArray, Photo
from restorecli.quality import baselines
from restorecli.quality.degrade import Bytes, add_noise, to_bytes
from restorecli.quality.protocols.base import Method, Protocol, as_float
from restorecli.tasks.base import Job, Need, Task
from restorecli.tasks.channels import fit, merge
from restorecli.tasks.denoise import Denoise, NoiseJob, white_of
from restorecli.tasks.not_noise import put_back_what_is_not_noise


@dataclass(frozen=True)
class _Unclipped(Denoise):
    """Denoising as the papers measure it: values beyond 0–1 are noise like the rest, and go to the network.

    The command keeps them out of the network and puts them back, since in a user's float file they are light.
    """

    def prepare(self, photo: Photo, need: Need, network: Network) -> Job:
        """Give the network the pixels as they are."""
        maps = {"noise map": (need.level or 0) / 255}
        return NoiseJob(photo, fit(photo.pixels, network, maps), white=self.white(need))

    def finish(self, job: Job, outputs: Sequence[Tensor]) -> Photo:
        """Take the network's pixels, and of the photo's what is no noise of this sigma."""
        pixels, white = merge(outputs, job.photo.is_gray), white_of(job)
        if white is not None:
            pixels = put_back_what_is_not_noise(job.photo.pixels, pixels, white)
        return Photo(pixels)


@dataclass(frozen=True)
class DenoiseProtocol(Protocol):
    """White Gaussian noise; scores over all channels.

    Attributes:
        sigma: on the 0–255 scale; None only for pairs, where it is estimated.
        rounded: the noisy image is clipped and rounded to 8 bit (RNAN, PANet), not kept in float.
        gray: colour images are measured on their luma.
    """

    sigma: float | None
    rounded: bool = False
    gray: bool = False
    task: ClassVar[str] = "denoise"

    @property
    def level(self) -> float | None:
        """The noise."""
        return self.sigma

    @property
    def name(self) -> str:
        """Short."""
        sigma = "auto" if self.sigma is None else f"{self.sigma:g}"
        return f"denoise-s{sigma}{'-8bit' * self.rounded}{'-gray' * self.gray}"

    @property
    def title(self) -> str:
        """In a sentence."""
        noisy = "clipped and rounded to 8 bit" if self.rounded else "kept in float and not clipped"
        sigma = "estimated" if self.sigma is None else f"{self.sigma:g}"
        of = "luma" if self.gray else "all channels"
        return f"σ {sigma}: white Gaussian noise on the 0–255 scale, {noisy}; PSNR and SSIM over {of}, 8 bit"

    def truth(self, image: Bytes) -> Bytes:
        """Take luma (0.299 R + 0.587 G + 0.114 B) where gray is measured."""
        return full_luma(image) if self.gray else image

    def degrade(self, truth: Bytes, seed: int) -> FloatArray:
        """Add the noise."""
        assert self.sigma is not None
        noisy = add_noise(truth, self.sigma, seed)
        return as_float(to_bytes(noisy)) if self.rounded else noisy

    def undo(self) -> Task:
        """Denoise."""
        return Denoise(self.sigma) if self.rounded else _Unclipped(self.sigma)

    def methods(self) -> Sequence[Method]:
        """The noisy image, non-local means."""
        methods: list[Method] = [("noisy", to_bytes)]
        sigma = self.sigma
        if sigma is not None:
            methods.append(("non-local means", lambda noisy: baselines.non_local_means(noisy, sigma)))
        return methods


def full_luma(image: Bytes) -> Bytes:
    """Return full-range BT.601 luma of H×W×3 uint8, rounded, as H×W×1; gray comes back as it is."""
    return image if image.shape[2] == 1 else to_bytes(colour.luma(as_float(image)))
