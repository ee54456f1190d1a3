"""Blur as lenses, missed focus and moving cameras make it: kernels, and pictures blurred by them.

Sources: G. Boracchi and A. Foi, "Modeling the performance of image restoration from motion blur", IEEE TIP
2012, section II (random trajectories: inertia, Gaussian perturbation, pull to the start, sudden shakes).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from restorecli.imaging.blur.disc import disc_kernel
from restorecli.imaging.colour import linear_to_srgb, srgb_to_linear

Float = NDArray[np.float32]
LONGEST = 25.0
"""Pixels: the longest motion that is drawn."""
RADII = (1.0, 5.0)
"""Pixels: radii of the discs of missed focus that are drawn."""
_POINTS = 400  # of a trajectory; several to a pixel


def gaussian_kernel(long: float, short: float, angle: float) -> Float:
    """Return a Gaussian of two standard deviations (pixels), the ``long`` one at ``angle`` (radians).

    Returns:
        k×k float32 with odd k, which sums to one.
    """
    reach = max(1, int(np.ceil(3 * max(long, short))))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return _of_sum_one(np.exp(-0.5 * ((along / max(long, 0.05)) ** 2 + (across / max(short, 0.05)) ** 2)))


def motion_kernel(rng: np.random.Generator, extent: float) -> Float:
    """Return the trace of a shaken camera, ``extent`` pixels long at most in width or height.

    Its centre of mass lies in the middle, so that what is blurred stays where it was.

    Returns:
        k×k float32 with odd k, which sums to one.
    """
    path = _trajectory(rng)
    path -= path.mean(0)
    path *= max(extent - 1, 0) / max(float(np.ptp(path, axis=0).max()), 1e-9)
    reach = int(np.ceil(np.abs(path).max())) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    place = path + reach
    low = np.floor(place).astype(int)
    share = place - low
    for down in (0, 1):
        for right in (0, 1):
            weight = np.abs(1 - down - share[:, 0]) * np.abs(1 - right - share[:, 1])
            np.add.at(kernel, (low[:, 0] + down, low[:, 1] + right), weight)
    return _of_sum_one(kernel)


def draw_motion(rng: np.random.Generator) -> Float:
    """Draw a motion of 3 pixels up to `LONGEST`."""
    return motion_kernel(rng, rng.uniform(3, LONGEST))


def draw_disc(rng: np.random.Generator) -> Float:
    """Draw a disc of `RADII`."""
    return disc_kernel(rng.uniform(*RADII))


def convolved(image: Float, kernel: Float) -> Float:
    """Convolve H×W×C with a kernel of odd sides; the picture is continued by reflection."""
    reach = kernel.shape[0] // 2
    pad = [(reach, reach), (reach, reach), (0, 0)]
    # a picture smaller than the kernel is reflected at its edges, pixels included
    fits = min(image.shape[:2]) > reach
    wide = np.pad(image, pad, mode="reflect") if fits else np.pad(image, pad, mode="symmetric")
    planes = [fftconvolve(wide[..., c], kernel, mode="valid") for c in range(image.shape[2])]
    return np.stack(planes, axis=2).astype(np.float32)


def blurred(image: NDArray[np.uint8], kernel: Float) -> Float:
    """Blur in linear light, as it happens in a camera.

    Args:
        image: H×W×C sRGB, uint8.
        kernel: odd sides, sum one.

    Returns:
        H×W×C float32, 0–1, sRGB's curve.
    """
    light = srgb_to_linear(image.astype(np.float32) / np.float32(255))
    return linear_to_srgb(np.clip(convolved(light, kernel), 0, 1))


def _trajectory(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return `_POINTS` places of a moving camera, of no certain size: a velocity that is perturbed."""
    anxiety = rng.uniform(0, 0.15)
    pull = rng.uniform(0, 0.35) / _POINTS
    shake = 0.2 * rng.uniform(0, 1) * 60 / _POINTS / 30
    angle = rng.uniform(0, 2 * np.pi)
    velocity = np.array([np.cos(angle), np.sin(angle)])
    place, places = np.zeros(2), []
    for _ in range(_POINTS):
        if rng.random() < shake:  # a sudden shake: nearly backwards
            turn = np.pi + rng.uniform(-0.5, 0.5)
            velocity = 2 * np.array(
                [
                    velocity[0] * np.cos(turn) - velocity[1] * np.sin(turn),
                    velocity[0] * np.sin(turn) + velocity[1] * np.cos(turn),
                ]
            )
        velocity = velocity + anxiety * rng.standard_normal(2) - pull * place
        velocity = velocity / max(float(np.hypot(*velocity)), 1e-9)
        place = place + velocity
        places.append(place)
    return np.array(places)


def _of_sum_one(kernel: NDArray[np.float64]) -> Float:
    summed: Float = (kernel / kernel.sum()).astype(np.float32)
    return summed
