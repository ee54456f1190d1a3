"""Write measured quality into a weights file: ``python -m restorecli.training.record FILE bench.json…``.

The tables come from ``restore bench --data … --json``; only rows measured with this very file count. Its
parity (see `models.parity`) is written again as well.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from safetensors.torch import load_file

from restorecli.errors import UsageError
from restorecli.models.cache import sha256_of
from restorecli.models.convert import native_metadata
from restorecli.models.parity import parity_of, to_text
from restorecli.networks import from_native
from restorecli.training.export import write
from restorecli.training.say import errors_shown, say


def rows_of(tables: list[Path], digest: str) -> list[dict[str, Any]]:
    """Return the means measured with the file of this sha256: set, protocol, PSNR (dB), SSIM, gain (dB).

    The gain is that over the degraded input; for upscaling over bicubic, for demosaicing over bilinear.

    Raises:
        UsageError: a table cannot be read, or none of its rows was measured with this file.
    """
    found = []
    for table in tables:
        try:
            means = json.loads(table.read_text(encoding="utf-8"))["means"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{table} is not a result of restore bench --data --json: {error!r}") from error
        rows = [row for row in means if row["digest"] == digest]
        if not rows:
            raise UsageError(f"nothing in {table} was measured with these weights", "measure again")
        found += rows
    return [
        {
            "set": row["set"],
            "protocol": row["protocol"],
            "psnr": round(row["psnr"], 3),
            "ssim": round(row["ssim"], 4),
            "gain": round(row["gain_over_input"], 3),
        }
        for row in found
    ]


def record(file: Path, tables: list[Path]) -> str:
    """Set the metadata's ``parity`` and, where there are tables, ``results``; return the file's new sha256.

    Raises:
        UsageError: the file is none of ours, or see `rows_of`.
    """
    native = native_metadata(file)
    if native is None:
        raise UsageError(f"{file} is not a weights file of this tool")
    network, settings, metadata = native
    if tables:
        metadata["results"] = json.dumps(rows_of(tables, sha256_of(file)))
    tensors = load_file(file)
    metadata["parity"] = to_text(parity_of(from_native(network, tensors, settings)))
    write(tensors, metadata, file)
    return sha256_of(file)


def main(
    file: Annotated[Path, typer.Argument(help="The weights, safetensors.")],
    tables: Annotated[
        list[Path] | None, typer.Argument(help="Results of restore bench --data --json.")
    ] = None,
) -> None:
    """Write measured quality and parity into a weights file's metadata."""
    with errors_shown():
        digest = record(file, tables or [])
        say(f'{file}\nbytes = {file.stat().st_size:_}\nsha256 = "{digest}"')


if __name__ == "__main__":
    typer.run(main)
