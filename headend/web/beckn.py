"""Where the exchange's questions come in: bounded, off the event loop, answered at once by an ACK or a NACK.

Source: EXCHANGE §4: ACK first, compute later; the answer goes out by itself.
"""

from fastapi import FastAPI, Request
from starlette.responses import Response

from headend.web.access import RECEIVER
from headend.web.bodies import answered, closed
from headend.web.desk import of
from ledger_client.beckn.fields import MAX_BODY_BYTES


def add_routes(app: FastAPI, path: str = RECEIVER) -> None:
    """The route of this module, at its registered path."""
    app.add_api_route(path, status, methods=["POST"], response_class=Response, name="status")


async def status(request: Request) -> Response:
    """A question, `status` of Beckn 2.0.0, signed by its ledger provider. The answer, `on_status`, goes to its `bapUri`."""
    desk = of(request)
    if desk.door is None:
        raise closed("questions")
    return await answered(request, desk.door, desk.door.status, MAX_BODY_BYTES, desk.now())
