"""A small web server on 127.0.0.1 whose misbehaviour is scripted per path."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Page:
    """How one path answers.

    Attributes:
        body: the whole file.
        ranges: whether Range is honoured.
        etag: sent with the file, and asked back in If-Range.
        cut: for each of the first requests, the bytes after which the connection is closed.
        failures: status codes of the first requests.
        location: where a redirect leads.
        kind: the Content-Type.
        length: whether Content-Length is sent.
        delay: seconds before answering.
    """

    body: bytes = b""
    ranges: bool = True
    etag: str = '"v1"'
    cut: list[int] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    location: str = ""
    kind: str = "application/octet-stream"
    length: bool = True
    delay: float = 0.0


@dataclass
class Web:
    """A running server: pages by path (without the query), and the requests it saw."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    answer: Callable[[str], Page | None] | None = None

    def add(self, path: str, page: Page | bytes) -> str:
        """Serve a page and return its address."""
        self.pages[path] = page if isinstance(page, Page) else Page(page)
        return self.url + path

    def seen(self, path: str) -> list[dict[str, str]]:
        """Return the headers of every request for ``path``."""
        return [headers for seen, headers in self.requests if seen.partition("?")[0] == path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    web: Web

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients of these tests hang up on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        web = self.server.web
        web.requests.append((self.path, dict(self.headers.items())))
        page = web.answer(self.path) if web.answer else None
        page = page or web.pages.get(self.path.partition("?")[0])
        if page is None:
            self.send_error(404)
            return
        if page.delay:
            threading.Event().wait(page.delay)
        if page.failures:
            self.send_error(page.failures.pop(0))
            return
        if page.location:
            self.send_response(302)
            self.send_header("Location", page.location)
            self.end_headers()
            return
        self._send(page)

    def _send(self, page: Page) -> None:
        start, size = 0, len(page.body)
        asked = self.headers.get("Range", "")
        fresh = self.headers.get("If-Range", page.etag) == page.etag
        if asked and page.ranges and fresh:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", page.kind)
        if page.etag:
            self.send_header("ETag", page.etag)
        if page.length:
            self.send_header("Content-Length", str(size - start))
        self.end_headers()
        body = page.body[start:]
        if page.cut:
            body = body[: page.cut.pop(0)]
        self.wfile.write(body)


@contextmanager
def serve() -> Iterator[Web]:
    """Run a server until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.web = Web(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
