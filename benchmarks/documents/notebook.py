"""Run the notebook again and keep its outputs: ``python -m benchmarks.documents.notebook``.

It needs no Jupyter: cells are run one after the other in one namespace, as a kernel does; what they print and
the value of a last expression (text, or a Pillow image) become their outputs.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "restore.ipynb"
Output = dict[str, Any]


def run_cells(notebook: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[Output]]]:
    """Yield each code cell with what it gives now, in the notebook's format (nbformat 4)."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            yield cell, _outputs("".join(cell["source"]), namespace, count)


def _outputs(source: str, namespace: dict[str, Any], count: int) -> list[Output]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {count}", "exec"), namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), f"cell {count}", "eval"), namespace)
    outputs: list[Output] = []
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"name": "stdout", "output_type": "stream", "text": text})
    if value is not None:
        result = {"execution_count": count, "metadata": {}, "output_type": "execute_result"}
        outputs.append({"data": _data(value), **result})
    return outputs


def _data(value: object) -> dict[str, Any]:
    if not isinstance(value, Image.Image):
        return {"text/plain": [repr(value)]}
    stream = io.BytesIO()
    value.save(stream, "PNG", optimize=True)
    said = f"<image {value.mode} {value.width}×{value.height}>"
    return {"image/png": base64.b64encode(stream.getvalue()).decode("ascii"), "text/plain": [said]}


def texts(outputs: list[Output]) -> list[str]:
    """What outputs say, pictures by their size."""
    return ["".join(one["text"] if "text" in one else one["data"]["text/plain"]) for one in outputs]


def main() -> None:
    """Write the notebook with what its cells give now."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    os.chdir(NOTEBOOK.parent)
    for number, (cell, outputs) in enumerate(run_cells(notebook), 1):
        cell["outputs"], cell["execution_count"] = outputs, number
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
