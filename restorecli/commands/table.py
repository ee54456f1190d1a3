"""The restoring commands by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from restorecli.commands.auto import AutoOptions
from restorecli.commands.base import CommandOptions
from restorecli.commands.dejpeg import DejpegOptions
from restorecli.commands.demosaic import DemosaicOptions
from restorecli.commands.denoise import DenoiseOptions
from restorecli.commands.same_size import DeblurOptions, EnhanceOptions
from restorecli.commands.upscale import UpscaleOptions
from restorecli.errors import UsageError

COMMANDS: dict[str, type[CommandOptions]] = {
    kind.command: kind
    for kind in (
        AutoOptions,
        DenoiseOptions,
        DemosaicOptions,
        DejpegOptions,
        UpscaleOptions,
        DeblurOptions,
        EnhanceOptions,
    )
}
"""Name → its options, in the order of the help."""
STEPS = tuple(name for name in COMMANDS if name != "auto")
"""What a run may be made of; ``auto`` is a whole run."""


def command_options(command: str, values: Mapping[str, Any] | None = None) -> CommandOptions:
    """Return the own options of ``command``, those in ``values`` set, the others usual.

    Args:
        command: a name of `COMMANDS`.
        values: field → value.

    Raises:
        UsageError: there is no such command or option, or a value is none of its choices.
    """
    if command not in COMMANDS:
        raise UsageError(f"unknown command: {command}", f"known: {', '.join(COMMANDS)}")
    kind, values = COMMANDS[command], values or {}
    known = [field.name for field in fields(kind)]
    for name in values:
        if name not in known:
            raise UsageError(f"{command} has no option {name}", f"it has {', '.join(known)}")
    return kind(**values)
