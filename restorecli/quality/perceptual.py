"""LPIPS, a learned distance that follows the eye better than PSNR; only where the extra `lpips` is installed.

The package brings what was learnt on top of AlexNet's features; AlexNet itself torchvision fetches at first.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch.nn.functional import pad

from restorecli.errors import first_line
from restorecli.quality.degrade import Bytes

_LEAST = 32  # pixels a side that AlexNet's features take


class Lpips:
    """The learned distance of Zhang et al., CVPR 2018, with AlexNet's features; 0 for equal pictures."""

    def __init__(self) -> None:
        import lpips

        self._network: Any = lpips.LPIPS(net="alex", verbose=False)

    @torch.inference_mode()
    def __call__(self, result: Bytes, truth: Bytes) -> dict[str, float]:
        """Return {"lpips": distance} of two H×W×C uint8 images; small ones are continued by their edges."""
        return {"lpips": float(self._network(_tensor(result), _tensor(truth)))}


def open_lpips() -> tuple[Lpips | None, str]:
    """Return LPIPS, or None where it cannot be had, and why not; nothing to say where it is not installed."""
    if find_spec("lpips") is None:
        return None, ""
    try:
        return Lpips(), ""
    except OSError as error:  # those of urllib among them
        folder = f"{torch.hub.get_dir()}/checkpoints"
        return None, (
            "LPIPS is left out: torchvision could not fetch AlexNet's weights, which it needs once"
            f" ({first_line(error)});"
            f" put alexnet-owt-7be5be79.pth from download.pytorch.org/models into {folder}"
        )
    except (ImportError, RuntimeError, AttributeError, LookupError, TypeError, ValueError) as error:
        return None, (
            f"LPIPS is left out: its package does not work here ({first_line(error)});"
            f" it needs the torchvision that fits torch {torch.__version__}"
        )


def _tensor(image: Bytes) -> torch.Tensor:
    """Return 1×3×H×W in −1 … 1, as LPIPS takes it."""
    tensor = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    lacking = [max(0, _LEAST - side) for side in tensor.shape[2:]]
    return pad(tensor.expand(-1, 3, -1, -1), (0, lacking[1], 0, lacking[0]), mode="replicate")
