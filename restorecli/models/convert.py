"""From any checkpoint file to one of ours: read safely, fit the network, store as safetensors once."""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from restorecli.errors import CheckpointError, WeightsError, first_line
from restorecli.models.cache import entry_path, lock, make_folder, native_path
from restorecli.models.registry import ModelEntry
from restorecli.networks import from_checkpoint
from restorecli.networks.network import Network

FORMAT = "restorecli"


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a ``.pt``, ``.pth``, ``.ckpt`` or ``.safetensors`` file without running any code in it.

    Returns:
        The file's mapping, still wrapped and prefixed as its authors left it.

    Raises:
        CheckpointError: missing, damaged, no mapping, or a pickle that holds more than tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"no such file of weights: {path}")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        # only the zip form (torch 1.6 on) can be mapped
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, AssertionError) as error:
        raise CheckpointError(f"{path} is damaged or no checkpoint: {first_line(error)}") from error
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path} holds a {type(state).__name__}, not a table of tensors")
    return dict(state)


def native_metadata(path: Path) -> tuple[str, dict[str, Any], dict[str, str]] | None:
    """Return (network, settings, all metadata) of one of our own safetensors, None for any other file.

    Raises:
        CheckpointError: the file says it is ours but its settings cannot be read.
    """
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as opened:
            told = dict(opened.metadata() or {})
        if told.get("format") != FORMAT:
            return None
        return told["network"], json.loads(told["settings"]), told
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise CheckpointError(f"{path} is damaged: {first_line(error)}") from error


def save_native(network: Network, path: Path, *, name: str, extra: Mapping[str, str] | None = None) -> None:
    """Store a network as safetensors under our own keys, whole or not at all.

    Args:
        network: any of ours.
        path: the file to write; its folder is created.
        name: the network's name, as `networks.NETWORKS` spells it.
        extra: more metadata (``source_file``, ``source_sha256``, ``license``, …).

    Raises:
        WeightsError: the folder cannot be written.
    """
    make_folder(path.parent)
    metadata = {
        **(extra or {}),
        "format": FORMAT,
        "network": name,
        "settings": json.dumps(network.settings, sort_keys=True),
    }
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.safetensors")
    try:
        save_file(_own_storage(network.state_dict()), temporary, metadata)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def convert(
    released: Path,
    network: str,
    settings: Mapping[str, Any],
    *,
    sha256: str,
    license: str = "",
    extra_input: str = "",
) -> Path:
    """Return our copy of a released checkpoint, made now if it is not there yet.

    Args:
        released: the authors' file.
        network: its network.
        settings: what its shapes do not tell.
        sha256: of ``released``.
        license: of the weights, kept in the copy's metadata.
        extra_input: what the network takes beside the picture, kept there too.

    Raises:
        CheckpointError: unsafe, damaged, or not of that network.
        WeightsError: the cache cannot be written.
    """
    target = native_path(network, sha256, settings)
    if target.is_file():
        return target
    with lock(target):
        if not target.is_file():
            built = build(released, network, settings)
            told = {"source_file": released.name, "source_sha256": sha256, "license": license}
            if extra_input:
                told["extra_input"] = extra_input
            save_native(built, target, name=network, extra=told)
    return target


def convert_entry(entry: ModelEntry, sha256: str) -> Path:
    """Return our copy of the cached file of ``entry``, made now if it is not there yet.

    Raises:
        CheckpointError: unsafe, damaged, or not of the entry's network.
        WeightsError: the cache cannot be written.
    """
    licence = entry.weights_license or "none stated"
    return convert(
        entry_path(entry),
        entry.network,
        entry.settings,
        sha256=sha256,
        license=licence,
        extra_input=entry.extra_input,
    )


def build(released: Path, network: str, settings: Mapping[str, Any]) -> Network:
    """Build the network of a released checkpoint file.

    Raises:
        CheckpointError: as `read_checkpoint` and `networks.from_checkpoint`, with the file named.
    """
    try:
        return from_checkpoint(network, read_checkpoint(released), **settings)
    except CheckpointError as error:
        if str(released) in error.message:
            raise
        raise CheckpointError(f"{released}: {error.message}", error.hint) from error


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {first_line(error)}") from error


def _own_storage(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors contiguous, and none sharing memory with another, as safetensors wants them."""
    seen: set[int] = set()
    owned = {}
    for key, tensor in state.items():
        tensor = tensor.detach().contiguous()
        pointer = tensor.untyped_storage().data_ptr()
        owned[key] = tensor.clone() if pointer in seen else tensor
        seen.add(pointer)
    return owned


def _refusal(path: Path, complaint: str) -> CheckpointError:
    found = re.search(r"GLOBAL ([\w.]+)", complaint)
    if found is None and not re.search(r"Trying to|Can only|not allowed", complaint):
        return CheckpointError(f"{path} is damaged or no checkpoint")
    what = f"asks for {found[1]}" if found else "asks for more than tensors"
    return CheckpointError(
        f"{path} was refused: the pickle {what}, and loading that could run code hidden in the file",
        "get the weights as .safetensors, or as a plain state dict from someone you trust",
    )
