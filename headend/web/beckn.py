"""Where the exchange's questions come in: bounded, off the event loop, answered at once by an ACK or a NACK.

Source: EXCHANGE §4: ACK first, compute later; the answer goes out by itself.
"""

from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from headend.web.access import RECEIVER
from headend.web.bodies import bounded
from headend.web.desk import of
from headend.web.problems import ApiError, problem
from ledger_client.beckn.fields import MAX_BODY_BYTES


def add_routes(app: FastAPI, path: str = RECEIVER) -> None:
    """The route of this module, at its registered path."""
    app.add_api_route(path, status, methods=["POST"], response_class=Response, name="status")


async def status(request: Request) -> Response:
    """A question, `status` of Beckn 2.0.0, signed by its ledger provider. The answer, `on_status`, goes to its `bapUri`."""
    desk = of(request)
    door = desk.door
    if door is None:
        raise ApiError(
            HTTPStatus.NOT_FOUND,
            problem(
                "not_configured", "this head-end takes no questions", "the operator adds [beckn] to its configuration"
            ),
        )
    authorization = request.headers.get("Authorization")
    body = await bounded(request, MAX_BODY_BYTES)
    if body is None:
        reply = door.too_long(authorization, MAX_BODY_BYTES, desk.now())
    else:
        # In a thread: a directory is asked and the question is written to the disk.
        reply = await run_in_threadpool(door.status, authorization, body, desk.now())
    return Response(reply.body, status_code=reply.status, headers=dict(reply.headers))
