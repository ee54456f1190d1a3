"""Names of files and other words, made fit for a page whatever is in them."""

from __future__ import annotations

import html
import json
import os
import unicodedata
from typing import Any

from restorecli.report.words import TURNING


def readable(name: str) -> str:
    """Return a name of a file as text: bytes that are no text, control characters and marks are replaced."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(
        "\ufffd" if each in TURNING or unicodedata.category(each)[0] == "C" else each for each in text
    )


def escaped(text: str) -> str:
    """Return text for HTML, between tags or in a quoted attribute."""
    return html.escape(text, quote=True)


def script_data(value: Any) -> str:
    """Return JSON that can stand in a script element: nothing in it ends the element."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
