"""Arrays, Pillow's images and tensors as photos, and results in the kind and type that came in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from restorecli.errors import UnreadableError, UnsupportedError
from restorecli.photo import Photo
from restorecli.photos.formats.encode import prepare
from restorecli.photos.formats.table import kept_format, nearest_depth
from restorecli.photos.raster import from_interleaved
from restorecli.photos.read import photo_of

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from torch import Tensor

Array = NDArray[Any]
Picture = TypeVar("Picture", Array, "PillowImage", "Tensor")
"""What a picture may be beside a path; the result is of the same kind."""

ARRAY = "an array"
_PEAKS = {"uint8": 255.0, "uint16": 65535.0}
_PILLOW = {"1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA", "I;16": "I;16"}
_MOSTLY_BEYOND = 1.5
"""Median of floats from which on they are taken for samples of 0–255: a network would see white alone."""
_KEPT = ("icc_profile", "dpi", "exif")
HINT = "give uint8, uint16 or floating-point numbers in 0–1"


@dataclass(frozen=True)
class Given:
    """A picture that was given, as a photo.

    Attributes:
        photo: the picture.
        back: makes of a result's samples (H×W×C, of the photo's depth) what was given.
        same: gives a copy of the picture.
    """

    photo: Photo
    back: Callable[[Array], Any]
    same: Callable[[], Any]


def given(picture: Any) -> list[Given]:
    """Return a picture as a photo; a batch of tensors as several.

    Args:
        picture: NumPy H×W or H×W×C; torch H×W, C×H×W or N×C×H×W; or Pillow's. C is 1 for gray, 2 for gray
            and alpha, 3 for RGB, 4 for RGB and alpha (not premultiplied); uint8, uint16 or floats in 0–1.

    Raises:
        UnsupportedError: it is none of these.
    """
    if isinstance(picture, np.ndarray):
        return [_of_array(picture, lambda samples: samples.astype(picture.dtype, copy=False), picture.copy)]
    # Whoever gives one of these has imported its package.
    pillow, torch = sys.modules.get("PIL.Image"), sys.modules.get("torch")
    if pillow is not None and isinstance(picture, pillow.Image):
        return [_of_pillow(picture)]
    if torch is not None and isinstance(picture, torch.Tensor):
        return [_of_tensor(one) for one in picture] if picture.ndim == 4 else [_of_tensor(picture)]
    raise UnsupportedError(
        f"{type(picture).__name__} is no picture", "give a path, a NumPy array, a Pillow image or a tensor"
    )


def samples_of(photo: Photo) -> Array:
    """Return a result's samples as the command would write them: H×W for gray, else H×W×C.

    Args:
        photo: after the stages; of the depth that its file would have.
    """
    wanted = photo.depth
    name = kept_format(photo.format, wanted)
    depth = nearest_depth(wanted, name, photo.metadata.hdr_peak is not None)
    return prepare(photo, name, depth, True, {}).plain


def _of_array(
    array: Array, back: Callable[[Array], Any], same: Callable[[], Any], *, icc: bytes | None = None
) -> Given:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)) or not array.size:
        shape = "×".join(map(str, array.shape))
        raise UnsupportedError(f"{ARRAY} of {shape} is no picture", "give H×W or H×W×C of 1 to 4 channels")
    kind = array.dtype
    if kind.name not in _PEAKS and kind.kind != "f":
        raise UnsupportedError(f"{ARRAY} of {kind.name} is no picture", HINT)
    samples = array.astype(np.float32) if kind.kind == "f" else array
    if kind.kind == "f" and np.median(samples) > _MOSTLY_BEYOND:
        raise UnsupportedError(f"{ARRAY} of {kind.name} most of which lies above 1", f"divide it: {HINT}")
    raster = from_interleaved(samples, _PEAKS.get(kind.name, 1.0), icc=icc)
    # A TIFF holds every depth, gray and transparency.
    photo = photo_of(raster, "tiff", ARRAY)
    flat = array.ndim == 2

    def finished(result: Array) -> Any:
        return back(result[:, :, 0] if flat and result.shape[2] == 1 else result)

    return Given(photo, finished, same)


def _of_pillow(image: PillowImage) -> Given:
    from PIL import Image

    mode = _PILLOW.get(image.mode)
    if mode is None and image.mode in ("P", "PA"):
        mode = "RGBA" if image.has_transparency_data else "RGB"
    if mode is None:
        raise UnsupportedError(f"an image of mode {image.mode}", "convert it to L, RGB, RGBA or I;16")

    def back(samples: Array) -> PillowImage:
        if samples.dtype != np.uint8 and samples.ndim == 3:
            raise UnsupportedError("Pillow has no colour of 16 bits", "give a NumPy array")
        made = Image.fromarray(samples)
        made.info.update({name: image.info[name] for name in _KEPT if name in image.info})
        return made

    try:
        pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    except (OSError, ValueError, SyntaxError) as error:
        # It was opened only, and its file is closed or damaged.
        raise UnreadableError(f"an image cannot be read: {error}") from error
    return _of_array(pixels, back, image.copy, icc=image.info.get("icc_profile"))


def _of_tensor(tensor: Tensor) -> Given:
    import torch

    shape = "×".join(map(str, tensor.shape))
    if tensor.ndim not in (2, 3) or (tensor.ndim == 3 and tensor.shape[0] not in (1, 2, 3, 4)):
        raise UnsupportedError(
            f"a tensor of {shape} is no picture", "give H×W, C×H×W or N×C×H×W; permute(2, 0, 1) of H×W×C"
        )
    if tensor.layout != torch.strided or tensor.is_meta:
        raise UnsupportedError(f"a tensor of {shape} without its samples", "give a dense one: to_dense()")
    held = tensor.detach().cpu()
    held = held.float() if held.is_floating_point() else held
    array = held.numpy()

    def back(samples: Array) -> Tensor:
        planes = samples if samples.ndim == 2 else samples.transpose(2, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(planes)).to(tensor.device, tensor.dtype)

    return _of_array(array if array.ndim < 3 else array.transpose(1, 2, 0), back, tensor.clone)


def as_given(one: Given, photo: Photo) -> Any:
    """Return a result in the kind and type of the picture that was given."""
    if photo is one.photo:
        return one.same()
    return one.back(prepare(photo, photo.format, one.photo.depth, True, {}).samples)
