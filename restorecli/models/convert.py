"""From any checkpoint file to one of ours: read safely, fit the network, store as safetensors once."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from restorecli.errors import CheckpointError, WeightsError, first_line
from restorecli.models.cache import entry_path, is_cut_off, lock, make_folder, native_path
from restorecli.models.registry import ModelEntry
from restorecli.networks import NETWORKS, from_checkpoint
from restorecli.networks.checkpoint import DEEPEST
from restorecli.networks.network import EXTRA_INPUTS, Network

FORMAT = "restorecli"
MOST_UNPACKED = 4
"""So many times its own size a file's tensors may claim: some share their values."""
ROOM = 1 << 20


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
    size = path.stat().st_size
    try:
        refuse_bomb(path, size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's advice to authors is nothing the user can follow
            # only the zip form (torch 1.6 on) can be mapped
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from error
    except Exception as error:  # a made-up pickle has torch stumble in any way
        raise CheckpointError(f"{path} is damaged or not a checkpoint: {first_line(error)}") from error
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path} holds a {type(state).__name__}, not a mapping of tensors")
    return _within(path, dict(state), size)


def refuse_bomb(path: Path, size: int) -> None:
    """Refuse a pickle that would fill the memory while it is read: packed zeros, or an array out of a number.

    Raises:
        CheckpointError: with the reason.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            whole = sum(member.file_size for member in archive.infolist())
            if whole > MOST_UNPACKED * size + ROOM:
                raise CheckpointError(f"{path} is not a checkpoint: {size} bytes that unpack to {whole}")
            pickles = [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
        found = any(b"bytearray" in data for data in pickles)
    else:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = data.find(b"bytearray", 0, ROOM) >= 0
    if found:
        raise CheckpointError(f"{path} was refused: it asks for a bytearray, and weights are tensors only")


def _within(path: Path, state: dict[str, Any], size: int) -> dict[str, Any]:
    """Return ``state``; refuse tensors that claim more values than the file has bytes for."""
    claimed, pending = 0, [iter([state])]
    while pending:
        found = next(pending[-1], None)
        if found is None:
            pending.pop()
        elif isinstance(found, torch.Tensor):
            claimed += found.numel() * found.element_size()
        elif isinstance(found, Mapping) and len(pending) <= DEEPEST:
            pending.append(iter(list(found.values())))
    if claimed > MOST_UNPACKED * size + ROOM:
        raise CheckpointError(f"{path} is not a checkpoint: {size} bytes whose tensors claim {claimed}")
    return state


def native_metadata(path: Path) -> tuple[str, dict[str, Any], dict[str, str]] | None:
    """Return (network, settings, all metadata) of one of our own safetensors, None for any other file.

    Raises:
        CheckpointError: the file says it is ours but its settings cannot be read.
    """
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = dict(opened.metadata() or {})
        if metadata.get("format") != FORMAT:
            return None
        settings = json.loads(metadata["settings"])
        check_facts(metadata, settings)
        return metadata["network"], settings, metadata
    except (SafetensorError, KeyError, ValueError, OSError, RecursionError, MemoryError) as error:
        raise CheckpointError(f"{path} is damaged: {first_line(error)}") from error


def check_facts(metadata: Mapping[str, str], settings: object) -> None:
    """Check what one of our own files says of itself.

    Args:
        metadata: its metadata.
        settings: the network's arguments in it.

    Raises:
        ValueError: the network is none of ours, or a fact is of the wrong kind or beyond reason.
    """
    if metadata["network"] not in NETWORKS:
        raise ValueError(f"it is said to be of the network {metadata['network']}, which is not known")
    if not isinstance(settings, dict):
        raise ValueError("its settings are not a mapping")
    border = metadata.get("border", "0")
    if not (border.isascii() and border.isdigit() and len(border) < 4):
        raise ValueError(f"its border is {border!r}, not a number of pixels from 0 to 999")
    if metadata.get("extra_input", "") not in EXTRA_INPUTS:
        raise ValueError(f"it wants {metadata['extra_input']!r} as an extra input, which is not known")


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
        with contextlib.suppress(OSError):
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
        settings: what its shapes do not determine.
        sha256: of ``released``.
        license: of the weights, kept in the copy's metadata.
        extra_input: what the network takes beside the picture, kept there too.

    Raises:
        CheckpointError: unsafe, damaged, or not of that network.
        WeightsError: the cache cannot be written.
    """
    target = native_path(network, sha256, settings)
    if target.is_file() and not is_cut_off(target):
        return target
    with lock(target):
        if not target.is_file() or is_cut_off(target):
            built = build(released, network, settings)
            metadata = {"source_file": released.name, "source_sha256": sha256, "license": license}
            if extra_input:
                metadata["extra_input"] = extra_input
            save_native(built, target, name=network, extra=metadata)
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
    with naming(released):
        return from_checkpoint(network, read_checkpoint(released), **settings)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have a `CheckpointError` that is raised in here name the file."""
    try:
        yield
    except CheckpointError as error:
        if str(path) in error.message:
            raise
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        return dict(load_file(path))
    except Exception as error:  # sample types that this torch lacks, memory, what the parser stumbles over
        raise CheckpointError(f"{path} is damaged or not a safetensors file: {first_line(error)}") from error


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
        return CheckpointError(f"{path} is damaged or not a checkpoint")
    what = f"asks for {found[1]}" if found else "contains more than tensors"
    return CheckpointError(
        f"{path} was refused: the pickle {what}, and loading that could run code hidden in the file",
        "get the weights as .safetensors, or as a plain state dict from someone you trust",
    )
