"""GRL's released keys under our names, and the settings that a checkpoint's shapes determine."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from restorecli.networks.layers import upsampler_scale

_BLOCK = r"layers\.(\d+)\.blocks\.(\d+)\."
_OURS = r"stages.\1.blocks.\2."
_PARAMETER = r"\.(weight|bias)"
_BLOCK_LAYERS = (
    (r"attn\.qkv\.body", "attention.qkv"),
    (r"attn\.anchor\.body\.0\.reduction", "attention.anchors"),
    (r"attn\.window_attn\.attn_transform\.cpb_mlp\.0", "attention.within_window.hidden"),
    (r"attn\.window_attn\.attn_transform\.cpb_mlp\.2", "attention.within_window.heads"),
    (r"attn\.stripe_attn\.attn_transform1\.cpb_mlp\.0", "attention.anchors_to_pixels.hidden"),
    (r"attn\.stripe_attn\.attn_transform1\.cpb_mlp\.2", "attention.anchors_to_pixels.heads"),
    (r"attn\.stripe_attn\.attn_transform2\.cpb_mlp\.0", "attention.pixels_to_anchors.hidden"),
    (r"attn\.stripe_attn\.attn_transform2\.cpb_mlp\.2", "attention.pixels_to_anchors.heads"),
    (r"attn\.proj", "attention.project"),
    (r"norm1", "norm_attention"),
    (r"norm2", "norm_mlp"),
    (r"mlp\.fc1", "widen"),
    (r"mlp\.fc2", "narrow"),
    (r"conv\.cab\.0", "local.squeeze"),
    (r"conv\.cab\.2", "local.expand"),
    (r"conv\.cab\.3\.attention\.1", "local.gate_in"),
    (r"conv\.cab\.3\.attention\.3", "local.gate_out"),
)
_SCALES = (
    ("window_attn.attn_transform", "within_window"),
    ("stripe_attn.attn_transform1", "anchors_to_pixels"),
    ("stripe_attn.attn_transform2", "pixels_to_anchors"),
)
_LAYERS = (
    (r"conv_first", "shallow"),
    (r"norm_start", "norm_in"),
    (r"norm_end", "norm_out"),
    (r"conv_after_body", "deep"),
    (r"conv_before_upsample\.0", "reconstruction.features"),
    (r"conv_up1", "reconstruction.up1"),
    (r"conv_up2", "reconstruction.up2"),
    (r"conv_hr", "reconstruction.refine"),
    (r"conv_last", "reconstruction.last"),
)
TABLES = ("table_w", "table_sh", "table_sv")
"""Released tables of relative coordinates: derived, but their shapes betray wrong settings."""

RENAMES: tuple[tuple[str, str], ...] = (
    *((_BLOCK + theirs + _PARAMETER, f"{_OURS}{ours}.\\3") for theirs, ours in _BLOCK_LAYERS),
    *(
        (rf"{_BLOCK}attn\.{re.escape(theirs)}\.logit_scale", f"{_OURS}attention.{ours}.logit_scale")
        for theirs, ours in _SCALES
    ),
    (rf"layers\.(\d+)\.conv{_PARAMETER}", r"stages.\1.conv.\2"),
    (rf"upsample\.up\.(\d+){_PARAMETER}", r"reconstruction.upsample.\1.\2"),
    *((theirs + _PARAMETER, rf"{ours}.\1") for theirs, ours in _LAYERS),
    (r"(table_(?:w|sh|sv))", r"\1"),
)
DROPPED = (
    r"(index|mask)_(w|sh|sv).*",
    r".*\.(relative_coords_table|relative_position_index|attn_mask)",
)


def infer_settings(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the settings that shapes determine: all but window, stripe and anchor factor.

    Raises:
        KeyError: a key that every GRL checkpoint has is missing.
    """
    channels, inputs = state["shallow.weight"].shape[:2]
    stages = _count(state, r"stages\.(\d+)\.")
    block = "stages.{}.blocks.0.attention.{}.logit_scale"
    return {
        "embed_dim": channels,
        "depths": [_count(state, rf"stages\.{stage}\.blocks\.(\d+)\.") for stage in range(stages)],
        "num_heads_window": [len(state[block.format(stage, "within_window")]) for stage in range(stages)],
        "num_heads_stripe": [len(state[block.format(stage, "anchors_to_pixels")]) for stage in range(stages)],
        "in_channels": inputs,
        "local_connection": any(".local." in key for key in state),
        "mlp_ratio": len(state["stages.0.blocks.0.widen.weight"]) / channels,
        **_infer_head(state, inputs),
    }


def _infer_head(state: Mapping[str, Tensor], inputs: int) -> dict[str, Any]:
    if "reconstruction.features.weight" not in state and "reconstruction.upsample.0.weight" in state:
        rows = len(state["reconstruction.upsample.0.weight"])  # scale² · outputs
        outputs = next(
            (n for n in (inputs, 3, 1) if rows % n == 0 and math.isqrt(rows // n) ** 2 == rows // n), 1
        )
        return {
            "upsampler": "pixelshuffledirect",
            "out_channels": outputs,
            "upscale": math.isqrt(rows // outputs),
        }
    outputs = len(state["reconstruction.last.weight"])
    if "reconstruction.up1.weight" in state:
        return {"upsampler": "nearest+conv", "out_channels": outputs, "upscale": 4}
    if "reconstruction.features.weight" in state:
        scale = upsampler_scale(state, "reconstruction.upsample.")
        return {"upsampler": "pixelshuffle", "out_channels": outputs, "upscale": scale}
    return {"upsampler": "", "out_channels": outputs, "upscale": 1}


def check_tables(tables: Mapping[str, Tensor], settings: Mapping[str, Any]) -> list[str]:
    """Return what the shapes of a released file's coordinate tables say against the given settings.

    A table of a window side w with anchor side a has w + a − 1 entries on that axis.
    """
    factor, stripe = settings["anchor_window_down_factor"], settings["stripe_size"]
    stripes = tuple(side + side // factor - 1 for side in stripe)
    wanted = (2 * (2 * settings["window_size"] - 1,), stripes, stripes[::-1])
    return [
        f"the file's own {name} is {found[0]}×{found[1]}, and not {expected[0]}×{expected[1]} as the given "
        "window, stripe and anchor settings make it"
        for name, expected in zip(TABLES, wanted, strict=True)
        if name in tables and (found := tuple(tables[name].shape[-3:-1])) != expected
    ]


def _count(keys: Iterable[str], pattern: str) -> int:
    """Return one more than the largest number that ``pattern``'s group takes at the start of a key."""
    return 1 + max((int(match[1]) for key in keys if (match := re.match(pattern, key))), default=-1)
