"""From the shared options to a request for a model."""

from __future__ import annotations

from typing import Any

from restorecli.commands.options import SharedOptions
from restorecli.models.choose import ModelRequest


def request(task: str, options: SharedOptions, **more: Any) -> ModelRequest:
    """Return the request for what --model, --variant, --weights and --license-policy say."""
    return ModelRequest(
        task=task,
        model=options.model,
        variant=options.variant,
        weights=options.weights,
        license_policy=options.license_policy,
        stand_in=True,
        **more,
    )
