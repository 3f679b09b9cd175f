"""The exchange over HTTP: signature first, then faults, then the rules of `exchange`; and the ledger provider beside it."""

from collections.abc import Callable

from fastapi import FastAPI, Request, Response

from ledger_client import deg
from ledger_client.exact_json import dumps
from ledger_client.sandbox.dated import Dated
from ledger_client.sandbox.desk import JSON, Desk
from ledger_client.sandbox.exchange import Exchange
from ledger_client.sandbox.faults import DEFAULT_SLOW_S, Faults
from ledger_client.sandbox.forwarding import Forwarding
from ledger_client.sandbox.forwarding_app import add_forwarding
from ledger_client.sandbox.participants import Participants
from ledger_client.sandbox.provider import Provider
from ledger_client.sandbox.provider_app import add_provider


async def _broken(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the framework's signature
    """The error object of a fault in the exchange itself; the server logs the error."""
    body = dumps({"code": "SRV_INTERNAL_ERROR", "message": "the exchange failed; its log says how"})
    return Response(body, status_code=500, media_type=JSON)


def create_app(
    *,
    exchange: Exchange,
    participants: Participants,
    now: Callable[[], int],
    faults: Faults | None = None,
    slow_s: float = DEFAULT_SLOW_S,
    provider: Provider | None = None,
    forwarding: Forwarding | None = None,
) -> FastAPI:
    """The exchange's ASGI application; `now` gives UTC seconds. The caller owns the store behind `exchange`, `provider` and `forwarding`."""
    app = FastAPI(title="Sakshi sandbox exchange", openapi_url=None, exception_handlers={Exception: _broken})
    app.add_middleware(Dated, now=now)
    switched = Faults() if faults is None else faults
    desk = Desk(participants, now, switched, slow_s)

    @app.post(deg.PUT)
    async def put(request: Request) -> Response:
        header = request.headers.get("Authorization")
        return await desk.serve(request, lambda caller, body, at: exchange.put(caller, body, at, header))

    @app.post(deg.GET)
    async def get(request: Request) -> Response:
        return await desk.serve(request, lambda caller, body, _: exchange.get(caller, body))

    @app.post(deg.ALLOCATE)
    async def allocate(request: Request) -> Response:
        return await desk.serve(request, exchange.allocate)

    @app.post(deg.RECORD)
    async def record(request: Request) -> Response:
        return await desk.serve(request, lambda caller, body, _: exchange.record(caller, body))

    @app.get("/sandbox/trades")
    async def trades() -> Response:
        return Response(exchange.settlement(), media_type=JSON)

    if provider is not None:
        add_provider(app, provider=provider, participants=participants, desk=desk, now=now, faults=switched)
    if forwarding is not None:
        add_forwarding(app, forwarding, now)
    return app
