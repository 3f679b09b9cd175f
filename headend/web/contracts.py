"""Where platforms' signed contracts come in, and where they are given again with everything that verifies them."""

from base64 import b64encode
from http import HTTPStatus
from typing import Annotated, Any, TypeAlias

from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from headend.trading.contracts import KeptContract
from headend.views.exchange import Market
from headend.web import trade_answers
from headend.web.bodies import answered, closed
from headend.web.desk import AtDesk, Desk, of
from headend.web.problems import ApiError, Problem, problem
from ledger_client.contract_body import MAX_CONTRACT_BYTES
from signing.interval import utc_text

PATH = "/v1/contracts"
_MOST = 500
_Described: TypeAlias = dict[int | str, dict[str, Any]]
Name = Annotated[str, Query(min_length=1, max_length=512)]


def add_routes(app: FastAPI) -> None:
    """The routes of this module."""
    refusals: _Described = {code: {"model": Problem} for code in (401, 403, 422, 503)}
    app.add_api_route(PATH, take, methods=["POST"], response_class=Response, name="contract", openapi_extra=_POSTED)
    app.add_api_route(PATH, contracts, methods=["GET"], responses=refusals)


_POSTED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "the exact bytes of the platform's `/ledger/put`",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


async def take(request: Request) -> Response:
    """A trading platform's signed contract: the exact bytes of its `/ledger/put` under its own Beckn signature, whoever carries them.

    ACK once it is kept; the same again is the same contract. Before the delivery begins a later one supersedes, afterwards it is
    refused with `PRC_CONFLICT`. Every refusal is a signed NACK with the network's code.
    """
    desk = of(request)
    if desk.contracts is None:
        raise closed("contracts")
    return await answered(request, desk.contracts, desk.contracts.take, MAX_CONTRACT_BYTES, desk.now())


def contracts(desk: AtDesk, transactionId: Name, orderItemId: Name) -> list[trade_answers.Contract]:  # noqa: N803 - the exchange's own words
    """The contracts kept of one trade, in the order received, each with what anybody needs to verify it again."""
    return [_contract(one) for one in _market(desk).contracts(transactionId, orderItemId, _MOST)]


def _contract(one: KeptContract) -> trade_answers.Contract:
    verified = one.verified
    return trade_answers.Contract(
        contract=one.number,
        platform=one.terms.platform,
        role=one.terms.role.value,
        is_late=one.late is not None,
        would_have_changed=one.late,
        signed=utc_text(verified.created_utc),
        received=utc_text(verified.received_utc),
        body=b64encode(verified.body).decode("ascii"),
        authorization=verified.authorization,
        key_id=verified.key_id,
        public_key=verified.public_key,
    )


def _market(desk: Desk) -> Market:
    if desk.market is None:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            problem("not_ready", "this program shows no trades", "ask the head-end that serves"),
        )
    return desk.market
