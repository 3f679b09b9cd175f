"""What the exchange pulls by itself: figures of a trade or a window, and everything new in the order of the log; and the forward view.

A subscriber signs the digest of the empty body and sees what it is a party to; the holder of a token sees all. Whatever is answered is
signed, a "not yet" and a "nothing here" too. Source: EXCHANGE §4, §7.
"""

from http import HTTPStatus
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlencode

from fastapi import FastAPI, Query, Request
from starlette.responses import JSONResponse, Response

from headend.trading.contracts import SideContract
from headend.views.exchange import Market, SlotView, StandingView, TradeView
from headend.web import answers, conditional, standings, trade_answers
from headend.web.api import signed_actual
from headend.web.claims import Json, jws
from headend.web.desk import AtDesk, Desk, disclosed_figure, subscriber
from headend.web.parameters import DEFAULT_LIMIT, Limit, OptionalInstant, instant_or, require_in_log, window
from headend.web.problems import ApiError, Problem, invalid, problem
from signing.canonical import encode
from signing.energy import kwh_text
from signing.errors import SigningError
from signing.interval import DAY_S, Interval, utc_text

CBOR = "application/cbor"
JSON = "application/json"
_MAX_TRADES = 2000
_MAX_SPAN_S = 31 * DAY_S
_INDEX_MAX = 2**40 - 1
_Described: TypeAlias = dict[int | str, dict[str, Any]]
_BYTES = {"type": "string", "format": "binary"}

OptionalName = Annotated[str | None, Query(min_length=1, max_length=512)]
Meter = Annotated[
    str | None, Query(min_length=1, max_length=128, description="meter id exactly as the ledger spells it")
]
Cursor = Annotated[int, Query(ge=0, le=_INDEX_MAX, description="`next` of the page before; 0 begins with the log")]


def add_routes(app: FastAPI) -> None:
    """The routes of this module."""
    refusals: _Described = {code: {"model": Problem} for code in (401, 403, 404, 406, 422, 503)}
    described: _Described = {**refusals, 200: {"content": {CBOR: {"schema": _BYTES}}}}
    app.add_api_route("/v1/actuals", actuals, methods=["GET"], responses=described, response_model=None)
    app.add_api_route("/v1/changes", changes, methods=["GET"], responses=described, response_model=None)
    app.add_api_route("/v1/trades", trades, methods=["GET"], responses=refusals)


def actuals(  # noqa: PLR0917 - FastAPI takes parameters by name
    request: Request,
    desk: AtDesk,
    transactionId: OptionalName = None,  # noqa: N803 - the exchange's own word
    orderItemId: OptionalName = None,  # noqa: N803 - the exchange's own word
    meter: Meter = None,
    posted_as: Meter = None,
    start: OptionalInstant = None,
    end: OptionalInstant = None,
) -> Response | list[answers.Actual]:
    """Every revision of the figures of one trade (`transactionId`, `orderItemId`) or of one meter and window (`meter`, `start`, `end`).

    The answer says how each figure stands, signed as a JWS; `application/cbor` gives the statements as logged. `posted_as` instead of
    `meter` gives the holder of a token the bare list.
    """
    asker = subscriber(request)
    by_trade = transactionId is not None and orderItemId is not None
    by_meter = (meter or posted_as) is not None and start is not None and end is not None
    if by_trade == by_meter or (meter is not None and posted_as is not None):
        raise invalid(
            "expected 'query.transactionId' and 'query.orderItemId', or 'query.meter', 'query.start' and 'query.end'",
            "ask for one trade or for one window",
        )
    if posted_as is not None and asker is None:
        found = desk.reads.revisions(posted_as, window(start or "", end or ""))
        return [signed_actual(desk, view) for view in found]
    market, now = _market(desk), desk.now()
    asked: dict[str, Json]
    if by_trade:
        assert transactionId is not None
        assert orderItemId is not None
        views = market.of_item(asker, transactionId, orderItemId, now)
        asked = {"transactionId": transactionId, "orderItemId": orderItemId}
    else:
        name, span = meter or posted_as or "", window(start or "", end or "")
        one = market.of_window(asker, name, span, now)
        views = () if one is None else (one,)
        asked = {"meter": name, "window": {"start": utc_text(span.start_utc), "end": utc_text(span.end_utc)}}
    if not views:
        return _nothing(desk, asked, now)
    return _standing_answer(request, desk, views, now)


def _standing_answer(request: Request, desk: Desk, views: tuple[StandingView, ...], now: int) -> Response:
    stated = [standings.standing(desk.domain, view, now) for view in views]
    kind = conditional.wanted(request, (JSON, CBOR))
    for view in views:
        if view.revisions:
            disclosed_figure(request, view.revisions[-1], view.sight)

    def build() -> Response:
        words = [_signed(desk, one) for one in stated]
        if kind == CBOR:
            logged = [[[one.index, one.sign1] for one in view.revisions] for view in views]
            return Response(encode({"jws": words, "actuals": logged}), media_type=CBOR)
        windows = [
            {
                **one,
                "revisions": [signed_actual(desk, actual).model_dump(mode="json") for actual in view.revisions],
                "jws": word,
            }
            for one, view, word in zip(stated, views, words, strict=True)
        ]
        return JSONResponse({"windows": windows})

    return conditional.answer(request, tag=standings.tag(stated), vary="Accept", build=build)


def changes(request: Request, desk: AtDesk, after: Cursor = 0, limit: Limit = DEFAULT_LIMIT) -> Response:
    """What was attested from a place in the log on, in its order and without a gap; `next` is where to go on.

    A figure that is kept back stands in its place as HELD: ask for its window later.
    """
    now = desk.now()
    kind = conditional.wanted(request, (JSON, CBOR))
    require_in_log(desk, after)
    view = _market(desk).changes(subscriber(request), after, limit, now)
    stated = standings.changed(desk.domain, view, after, now)

    def build() -> Response:
        word = _signed(desk, stated)
        for one in view.items:
            if not one.is_held:
                disclosed_figure(request, one.actual, one.sight)
        if kind == CBOR:
            items = [[one.actual.index, None if one.is_held else one.actual.sign1] for one in view.items]
            return Response(encode({"jws": word, "next": view.next_index, "actuals": items}), media_type=CBOR)
        items_json = [
            {
                **standings.change(one),
                "actual": None if one.is_held else signed_actual(desk, one.actual).model_dump(mode="json"),
            }
            for one in view.items
        ]
        return JSONResponse({"items": items_json, "next": view.next_index, "is_end": view.is_end, "jws": word})

    return conditional.answer(request, tag=standings.tag(stated), vary="Accept", build=build)


def trades(
    desk: AtDesk,
    response: Response,
    start: OptionalInstant = None,
    end: OptionalInstant = None,
    feeder: OptionalName = None,
) -> list[trade_answers.Slot]:
    """Our side of trades by slot and feeder, from now for a day unless told otherwise. The header `Link` names the rest beyond 2000 trades.

    Each says whether its platforms' verified contracts bear it out. With `ledger.contracts = "required"` a slot counts only trades that both
    platforms signed so; the others stand in `apart`.
    """
    now = desk.now()
    since = instant_or(start, "query.start", now)
    until = instant_or(end, "query.end", since + DAY_S)
    if not 0 < until - since <= _MAX_SPAN_S:
        raise invalid("expected 'query.end' 1 second to 31 days after 'query.start'", "ask for a shorter span")
    view = _market(desk).slots(Interval(since, until), feeder, now, _MAX_TRADES)
    if view.next_utc is not None:
        rest = {"start": utc_text(view.next_utc), "end": utc_text(until)} | (
            {} if feeder is None else {"feeder": feeder}
        )
        response.headers["Link"] = f'</v1/trades?{urlencode(rest)}>; rel="next"'
    return [_slot(one) for one in view.slots]


def _slot(view: SlotView) -> trade_answers.Slot:
    return trade_answers.Slot(
        feeder=view.feeder,
        window=answers.span(view.window),
        sold_kwh=kwh_text(view.sold_wh),
        bought_kwh=kwh_text(view.bought_wh),
        trades=[_trade(one) for one in view.trades],
        apart=[_trade(one) for one in view.apart],
    )


def _trade(view: TradeView) -> trade_answers.ForwardTrade:
    trade = view.trade
    return trade_answers.ForwardTrade(
        record_id=trade.record_id,
        transaction_id=trade.transaction_id,
        order_item_id=trade.order_item_id,
        side=view.side.value,
        meter=view.posted_as,
        connection_point=view.connection_point,
        quantity_kwh=kwh_text(trade.quantity_wh),
        phase=view.phase.value,
        basis=view.basis,
        listing=view.listing.value,
        contracts=[_side_contract(one) for one in view.contracts],
        row_digest=trade.row_digest,
        first_seen=utc_text(view.first_seen_utc),
        amendments=[f"{one.amending.value}: {one.changes}" for one in view.amendments],
    )


def _side_contract(side: SideContract) -> trade_answers.SideContract:
    kept = side.contract
    return trade_answers.SideContract(
        side=side.side.value,
        platform=side.platform,
        signing=side.signing.value,
        contract=None if kept is None else kept.number,
        signed=None if kept is None else utc_text(kept.verified.created_utc),
        received=None if kept is None else utc_text(kept.verified.received_utc),
        is_after_start=kept is not None and kept.is_after_start,
        contradiction=side.contradiction,
    )


def _signed(desk: Desk, stated: dict[str, Json]) -> str:
    try:
        return jws(stated, desk.signer, standings.STANDING_TYPE)
    except SigningError as error:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            problem("not_signed", "the statement key cannot be used now", "the operator checks keys.statements"),
        ) from error


def _nothing(desk: Desk, asked: dict[str, Json], now: int) -> Response:
    stated = standings.unknown(desk.domain, asked, now)
    content = {**stated, "jws": _signed(desk, stated)}
    return JSONResponse(content, status_code=HTTPStatus.NOT_FOUND, headers={"Cache-Control": "no-store"})


def _market(desk: Desk) -> Market:
    if desk.market is None:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            problem("not_ready", "this program shows no trades", "ask the head-end that serves"),
        )
    return desk.market
