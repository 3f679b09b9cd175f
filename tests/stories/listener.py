"""Somebody who is told by webhook: a real HTTP server of the story, and what it got."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Listener(ThreadingHTTPServer):
    """Takes posts, and keeps the bodies of those that are signed with its secret."""

    def __init__(self, secret: str) -> None:
        self.secret = secret.encode()
        self.heard: list[dict[str, Any]] = []
        self.refused = 0
        super().__init__(("127.0.0.1", 0), _Post)

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self.server_address[1]}/sakshi"

    def told(self, what: str) -> list[dict[str, Any]]:
        """Everything that was told under one key, in order."""
        return [item for body in tuple(self.heard) for item in body[what]]

    def take(self, signature: str, body: bytes) -> bool:
        """Keeps a body if its signature fits."""
        parts = dict(part.partition("=")[::2] for part in signature.split(","))
        expected = hmac.new(self.secret, f"{parts.get('t')}.".encode() + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, parts.get("v1", "")):
            self.refused += 1
            return False
        self.heard.append(json.loads(body))
        return True


class _Post(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_ours = self.server.take(self.headers.get("Sakshi-Signature", ""), body)
        self.send_response(204 if is_ours else 401)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Says nothing."""


@contextmanager
def listening(secret: str) -> Iterator[Listener]:
    """A listener that is closed at the end of the block."""
    with Listener(secret) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
