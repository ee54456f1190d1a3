"""JSON on standard output: one object per line, in ASCII, which every encoding can hold."""

from __future__ import annotations

import json
from typing import Any, TextIO

from restorecli.report.events import Event
from restorecli.report.words import printable


def as_line(fields: Any) -> str:
    """Return an object as one line of JSON; other letters, and bytes of names that are none, are escaped."""
    return json.dumps(fields, ensure_ascii=True) + "\n"


class JsonLines:
    """A `Reporter` for machines.

    Args:
        stream: takes the objects.
        messages: takes what is for people, a line each; None for silence.
    """

    def __init__(self, stream: TextIO, messages: TextIO | None = None) -> None:
        self.stream = stream
        self.messages = messages
        self.said: set[str] = set()

    def event(self, event: Event) -> None:
        """Write the event and flush, so that a reader of the pipe sees it at once."""
        self.stream.write(as_line(event.fields()))
        self.stream.flush()

    def tiles(self, name: str, done: int, total: int) -> None:
        """Tiles are no events."""

    def note(self, text: str) -> None:
        """Write it to the message stream, if there is one."""
        if self.messages is not None and text not in self.said:
            self.said.add(text)
            self.messages.write(printable(text) + "\n")

    def warn(self, text: str) -> None:
        """Write it to the message stream; events have it too."""
        self.note(f"warning: {text}")

    def close(self) -> None:
        """Nothing is held open."""
