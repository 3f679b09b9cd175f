"""A server of canned answers on 127.0.0.1, that keeps what it was sent."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response

from ledger_client.sandbox.server import serving


@dataclass
class Canned:
    """What is answered to everything, and what came."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    paths: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)
    """Set once anything came."""


@contextmanager
def canned(answer: Canned) -> Iterator[Canned]:
    """`answer`, served until the block ends."""
    app = FastAPI(openapi_url=None)

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def anything(request: Request) -> Response:
        answer.paths.append(request.scope["raw_path"].decode())
        answer.bodies.append(await request.body())
        answer.authorizations.append(request.headers.get("Authorization", ""))
        answer.came.set()
        return Response(answer.body, status_code=answer.status, headers=dict(answer.headers))

    with serving(app) as address:
        answer.address = address
        yield answer
