"""From a checkpoint's keys to ours: unwrap, drop, rename, fold aliases, build, load strictly."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from restorecli.errors import CheckpointError, first_line
from restorecli.networks.network import Network
from restorecli.networks.packed import Packed
from restorecli.networks.plausible import check_size

WRAPPERS = ("state_dict", "model_state_dict", "params_ema", "params-ema", "params", "model", "net")
DESCRIPTIVE = frozenset({"arch", "task", "value_range", "h", "w", "n"})
"""Entries of a checkpoint's configuration that say what it is or was tried on, and build nothing."""

DEEPEST = 8
"""So many wrappers inside one another a file may have; a mapping that holds itself has no end of them."""

PREFIXES = ("module.", "model_g.", "model.", "netG.", "net_g.", "generator.")


@dataclass(frozen=True)
class Layout:
    """How a network's released checkpoints are laid out, and how to build the network for one.

    Attributes:
        build: the network's class.
        renames: ordered (pattern, replacement) pairs for `re.fullmatch` on a released key; the first that
            matches gives our key. Two released keys may give one of ours only when they hold the same values.
        dropped: patterns of released keys that are constants or derived tables here.
        infer: our state dict → the constructor arguments inferred from its shapes.
        required: settings that must be given, since nothing in the file determines them.
        aliases: old spelling of a setting → the constructor's argument (the papers' code's names).
    """

    build: Callable[..., Network]
    renames: tuple[tuple[str, str], ...]
    dropped: tuple[str, ...]
    infer: Callable[[Mapping[str, Tensor]], dict[str, Any]]
    required: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()

    def make(self, **settings: Any) -> Network:
        """Build the network by its constructor's arguments, inside a `Packed` where ``packing`` is one.

        Raises:
            TypeError: an argument is unknown.
            ValueError: an argument's value is not possible.
        """
        around = {
            name: settings.pop(name)
            for name in ("packing", "demosaic_input", "extra_input")
            if name in settings
        }
        inner = self.build(**settings)
        return Packed(inner, **around) if around else inner


def unwrap(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the bare state dict inside ``checkpoint``: known wrappers and prefixes taken off.

    Where a file holds several modules (a GAN's generator and discriminator), the keys under the first
    known prefix are the network's and the others are left out.

    Raises:
        CheckpointError: there are no tensors in it.
    """
    state: Mapping[Any, Any] = checkpoint
    for _ in range(DEEPEST):
        inner = next((state[w] for w in WRAPPERS if isinstance(state.get(w), Mapping)), None)
        if inner is None:
            break
        state = inner
    else:
        raise CheckpointError("the checkpoint is a table inside a table without end")
    tensors = {
        key: value for key, value in state.items() if isinstance(key, str) and isinstance(value, Tensor)
    }
    if not tensors:
        raise CheckpointError("the checkpoint holds no tensors", "is it a file of network weights?")
    for _ in range(2):  # a wrapper inside a wrapper: model.module.…
        for prefix in PREFIXES:
            under = {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
            if under:
                tensors = under
                break
    return tensors


def rename(state: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """Return ``state`` under our keys, by ``layout``'s table.

    Raises:
        CheckpointError: a key is in no rule, or two different tensors get one name.
    """
    renamed: dict[str, Tensor] = {}
    rules = [(re.compile(pattern), replacement) for pattern, replacement in layout.renames]
    dropped = [re.compile(pattern) for pattern in layout.dropped]
    unknown: list[str] = []
    for key, value in state.items():
        if any(pattern.fullmatch(key) for pattern in dropped):
            continue
        match = next(((m, new) for pattern, new in rules if (m := pattern.fullmatch(key))), None)
        if match is None:
            unknown.append(key)
            continue
        ours = match[0].expand(match[1])
        if ours in renamed and not torch.equal(renamed[ours], value):
            raise CheckpointError(f"the checkpoint holds two different tensors for {ours} (second: {key})")
        renamed[ours] = value
    if unknown:
        raise CheckpointError(
            f"{len(unknown)} keys are not of this network, the first: {unknown[0]}",
            "check --model: the weights seem to belong to another network",
        )
    return renamed


def build_from_released(
    layout: Layout, checkpoint: Mapping[str, Any], settings: Mapping[str, Any]
) -> Network:
    """Build the network of ``layout`` and load a released checkpoint into it, every key matched.

    Raises:
        CheckpointError: see `rename`, `merge_settings` and `build_from_native`.
    """
    state = rename(unwrap(checkpoint), layout)
    try:
        inferred = layout.infer(state)
    except KeyError as missing:
        raise CheckpointError(f"the checkpoint lacks {missing.args[0]}") from missing
    except (ValueError, TypeError, IndexError, ArithmeticError, RuntimeError) as error:
        raise CheckpointError(
            f"the checkpoint's shapes are not the network's: {first_line(error)}"
        ) from error
    return build_from_native(layout, state, merge_settings(layout, inferred, settings))


def merge_settings(layout: Layout, inferred: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the settings inferred from shapes with those given by the caller.

    Raises:
        CheckpointError: the two contradict each other, or a required setting is missing.
    """
    spelling = dict(layout.aliases)
    named = {
        spelling.get(name, name): value
        for name, value in given.items()
        if name in spelling or name not in DESCRIPTIVE
    }
    for name, value in named.items():
        if name in inferred and _plain(inferred[name]) != _plain(value):
            raise CheckpointError(f"{name} is {inferred[name]} by the checkpoint's shapes, not {value}")
    missing = [name for name in layout.required if name not in named and name not in inferred]
    if missing:
        raise CheckpointError(
            f"the weights do not determine {', '.join(missing)}, which must be given",
            "use a registry entry, or pass the settings the weights were trained with",
        )
    return {**inferred, **named}


def build_from_native(layout: Layout, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Network:
    """Build the network of ``layout`` with ``settings`` and load ``state`` (our keys) strictly.

    Raises:
        CheckpointError: unknown settings, or keys or shapes that are not the network's.
    """
    try:
        check_size(layout.make, state, settings)
        network = layout.make(**settings)
        network.load_state_dict(dict(state), strict=True)
    except (TypeError, ValueError, RuntimeError, LookupError, ArithmeticError, AttributeError) as error:
        raise CheckpointError(f"the checkpoint does not fit the network: {error}") from error
    return network.eval().requires_grad_(False)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, list)) else value
