"""LPIPS, a learned distance that follows the eye better than PSNR; only where its package is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch

from restorecli.quality.degrade import Bytes


class Lpips:
    """The learned distance of Zhang et al., CVPR 2018, with AlexNet's features; 0 for equal pictures."""

    def __init__(self) -> None:
        import lpips

        self._network: Any = lpips.LPIPS(net="alex", verbose=False)

    @torch.inference_mode()
    def __call__(self, result: Bytes, truth: Bytes) -> dict[str, float]:
        """Return {"lpips": distance} of two H×W×C uint8 images."""
        return {"lpips": float(self._network(_tensor(result), _tensor(truth)))}


def has_lpips() -> bool:
    """Tell whether the optional package lpips is installed."""
    return find_spec("lpips") is not None


def _tensor(image: Bytes) -> torch.Tensor:
    """Return 1×3×H×W in −1 … 1, as LPIPS takes it."""
    tensor = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    return tensor.expand(-1, 3, -1, -1)
