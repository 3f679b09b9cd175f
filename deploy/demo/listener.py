"""A clearing house that is told by webhook: ``python -m deploy.demo.listener SECRET-FILE HEARD-FILE``.

It keeps the body of every post that is signed with the secret, one JSON document in a line, and answers 401 to any other. It says where it listens.
"""

import hashlib
import hmac
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"
_MOST_BYTES = 1 << 20


class Listener(ThreadingHTTPServer):
    """Takes posts on a free port."""

    def __init__(self, secret: bytes, heard: Path) -> None:
        self._secret = secret
        self._heard = heard
        super().__init__((HOST, 0), _Post)

    def take(self, signature: str, body: bytes) -> bool:
        """Keeps a body if its signature fits."""
        parts = dict(part.partition("=")[::2] for part in signature.split(","))
        signed = f"{parts.get('t')}.".encode() + body
        if not hmac.compare_digest(hmac.new(self._secret, signed, hashlib.sha256).hexdigest(), parts.get("v1", "")):
            return False
        with self._heard.open("a") as file:
            file.write(json.dumps(json.loads(body)) + "\n")
        return True


class _Post(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers["Content-Length"]), _MOST_BYTES))
        is_taken = self.server.take(self.headers.get("Sakshi-Signature", ""), body)
        self.send_response(204 if is_taken else 401)
        self.end_headers()


def main(secret: Path, heard: Path) -> None:
    """Serves until it is ended."""
    with Listener(secret.read_bytes().strip(), heard) as server:
        print(f"listening {HOST}:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
