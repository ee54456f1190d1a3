"""One function per restoring command; each loads its networks anew, which `restorer.Restorer` does once.

They take a path, a NumPy array, a Pillow image or a tensor, and give back the same kind and type, for a path
an array; `Restorer.restore` says what that means exactly. Errors are those of `restorecli.errors`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypedDict, Unpack, cast, overload

from restorecli.library.pictures import Array, Picture
from restorecli.library.restorer import Restorer

PathLike = str | os.PathLike[str]
Auto = Literal["auto"]
Own = ParamSpec("Own")


class Function(Protocol[Own]):
    """What every function here takes and gives: an array for a path, else what it was given."""

    @overload
    def __call__(self, image: PathLike, /, *args: Own.args, **options: Own.kwargs) -> Array: ...

    @overload
    def __call__(self, image: Picture, /, *args: Own.args, **options: Own.kwargs) -> Picture: ...


def for_pictures(function: Callable[Concatenate[Any, Own], Any]) -> Function[Own]:
    """Give a function the types of `Function`; it stays as it is."""
    return cast(Function[Own], function)


class Machine(TypedDict, total=False):
    """Which licences, where and how networks run: options of all commands, as on the command line."""

    license_policy: Literal["any", "commercial"] | None
    tile: int | Auto
    tile_overlap: int | Auto
    precision: Literal["auto", "fp32", "fp16", "bf16"]
    self_ensemble: bool
    compile: bool
    device: str
    batch: int | Auto
    seed: int


class Options(Machine, total=False):
    """Those, and which weights: None stands for the light ones that come with the package."""

    model: str | None
    variant: str | None
    weights: PathLike | None


@for_pictures
def upscale(
    image: Any,
    /,
    scale: float = 4,
    *,
    degradation: Literal["bicubic", "real"] | None = None,
    style: Literal["clean", "sharp"] = "clean",
    **options: Unpack[Options],
) -> Any:
    """Enlarge a picture.

    Args:
        image: a path, an array, a Pillow image or a tensor.
        scale: above 1, at most 16.
        degradation: what made it small: careful shrinking, or "real": cameras, scanners, JPEG, blur.
        style: "sharp" for stronger edges and texture, some of it guessed; means "real".
        options: see `Options`.

    Raises:
        RestoreError: the picture, an option, the weights or the device.
    """
    restorer = Restorer("upscale", scale=scale, degradation=degradation, style=style, **options)
    return restorer(image)


@for_pictures
def denoise(
    image: Any,
    /,
    *,
    strength: float = 1.0,
    noise: Literal["auto", "gaussian", "real"] = "auto",
    sigma: float | Auto = "auto",
    **options: Unpack[Options],
) -> Any:
    """Take noise out of a picture; a clean one is left as it is.

    Args:
        image: a path, an array, a Pillow image or a tensor.
        strength: 0 to 2: 1 takes all of the noise out.
        noise: white noise, or noise as cameras make it.
        sigma: the standard deviation of white noise for values of 0–255, where it is known.
        options: see `Options`.

    Raises:
        RestoreError: the picture, an option, the weights or the device.
    """
    restorer = Restorer("denoise", strength=strength, noise=noise, sigma=sigma, **options)
    return restorer(image)


@for_pictures
def dejpeg(
    image: Any,
    /,
    *,
    quality: float | Auto = "auto",
    **options: Unpack[Options],
) -> Any:
    """Take the artifacts of JPEG compression out of a picture; one without is left as it is.

    Args:
        image: a path, an array, a Pillow image or a tensor.
        quality: of the compression, 1–100; read from a file's tables, or estimated from the pixels.
        options: see `Options`.

    Raises:
        RestoreError: the picture, an option, the weights or the device.
    """
    restorer = Restorer("dejpeg", quality=quality, **options)
    return restorer(image)


@for_pictures
def demosaic(
    image: Any,
    /,
    *,
    pattern: str = "auto",
    white_balance: Literal["camera", "auto", "daylight", "none"] = "camera",
    color_space: Literal["srgb", "display-p3", "prophoto", "camera", "linear"] = "srgb",
    highlights: Literal["clip", "blend"] = "clip",
    exposure: float = 0.0,
    denoise: float | Literal["auto", "off"] = "auto",
    hot_pixels: bool = True,
    **options: Unpack[Options],
) -> Any:
    """Make a picture of camera RAW, or of a mosaic that is given as an array.

    Args:
        image: a path, an array, a Pillow image or a tensor.
        pattern: colours of the first 2×2 pixels of an array ("RGGB"), or "XTRANS".
        white_balance: of camera RAW.
        color_space: of the result.
        highlights: clip to white, or keep what other channels hold.
        exposure: stops by which the result is brighter.
        denoise: how much of the mosaic's noise is taken out.
        hot_pixels: replace hot and dead pixels.
        options: see `Options`.

    Raises:
        RestoreError: the picture, an option, the weights or the device.
    """
    restorer = Restorer(
        "demosaic",
        pattern=pattern,
        white_balance=white_balance,
        color_space=color_space,
        highlights=highlights,
        exposure=exposure,
        denoise=denoise,
        hot_pixels=hot_pixels,
        **options,
    )
    return restorer(image)


@for_pictures
def auto(
    image: Any,
    /,
    *,
    upscale: float | Literal["off"] = "off",
    **options: Unpack[Machine],
) -> Any:
    """Look at a picture and do what it needs: develop, take out JPEG artifacts and noise where they are.

    Args:
        image: a path, an array, a Pillow image or a tensor.
        upscale: enlarge it at the end.
        options: see `Machine`.

    Raises:
        RestoreError: the picture, an option, the weights or the device.
    """
    restorer = Restorer("auto", upscale=upscale, **options)
    return restorer(image)


@for_pictures
def deblur(
    image: Any,
    /,
    *,
    blur: Literal["motion", "realblur-j", "realblur-r", "defocus"] = "motion",
    even_blur: Literal["auto", "off"] = "auto",
    **options: Unpack[Options],
) -> Any:
    """Take blur out of a picture.

    Args:
        image: a path, an array, a Pillow image or a tensor.
        blur: what blurred it.
        even_blur: "auto" divides a blur that lies evenly over the picture out before the light weights.
        options: see `Options`.

    Raises:
        RestoreError: the picture, an option, the weights or the device.
    """
    restorer = Restorer("deblur", blur=blur, even_blur=even_blur, **options)
    return restorer(image)


@for_pictures
def enhance(
    image: Any,
    /,
    *,
    style: Literal["low-light", "light", "retouch"] = "low-light",
    **options: Unpack[Options],
) -> Any:
    """Brighten a dark picture, or retouch tones.

    Args:
        image: a path, an array, a Pillow image or a tensor.
        style: what is done.
        options: see `Options`.

    Raises:
        RestoreError: the picture, an option, the weights or the device.
    """
    restorer = Restorer("enhance", style=style, **options)
    return restorer(image)
