"""Messages of the exchange: a body read no further than it may be long, and the door that it is for asked off the event loop."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from headend.web.problems import ApiError, problem
from ledger_client.beckn.receiver import Reply


async def bounded(request: Request, most_bytes: int) -> bytes | None:
    """The raw body, or none where it is longer: then the rest is not read."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most_bytes:
            return None
    return bytes(content)


class Door(Protocol):
    """Where messages are verified."""

    def too_long(self, authorization: str | None, most_bytes: int, now_utc: int) -> Reply:
        """The reply to a body that was not read to its end."""


def closed(what: str) -> ApiError:
    """That messages of a kind are taken only where `[beckn]` is configured."""
    remedy = "the operator adds [beckn] to its configuration"
    return ApiError(HTTPStatus.NOT_FOUND, problem("not_configured", f"this head-end takes no {what}", remedy))


async def answered(
    request: Request, door: Door, take: Callable[[str | None, bytes, int], Reply], most_bytes: int, now_utc: int
) -> Response:
    """What the door says to a signed message, which `take` of it verifies and keeps."""
    authorization = request.headers.get("Authorization")
    body = await bounded(request, most_bytes)
    if body is None:
        reply = door.too_long(authorization, most_bytes, now_utc)
    else:
        # In a thread: a directory is asked and what is taken is written to the disk.
        reply = await run_in_threadpool(take, authorization, body, now_utc)
    return Response(reply.body, status_code=reply.status, headers=dict(reply.headers))
