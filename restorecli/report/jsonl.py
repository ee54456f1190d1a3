"""One JSON object per line on standard output."""

from __future__ import annotations

import json
from typing import TextIO

from restorecli.report.events import Event


class JsonLines:
    """A `Reporter` for machines."""

    def __init__(self, stream: TextIO, messages: TextIO | None = None) -> None:
        self.stream = stream
        self.messages = messages
        self.said: set[str] = set()

    def event(self, event: Event) -> None:
        """Write the event and flush, so that a reader of the pipe sees it at once."""
        self.stream.write(json.dumps(event.fields(), ensure_ascii=False) + "\n")
        self.stream.flush()

    def tiles(self, name: str, done: int, total: int) -> None:
        """Tiles are no events."""

    def note(self, text: str) -> None:
        """Write it to the message stream, if there is one."""
        if self.messages is not None and text not in self.said:
            self.said.add(text)
            self.messages.write(text + "\n")

    def close(self) -> None:
        """Nothing is held open."""
