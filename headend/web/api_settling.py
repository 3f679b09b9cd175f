"""For whoever settles money: what came of trades, notices, whether a slot was traded, and what bills rest on."""

import hashlib
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from headend.errors import RefusedError
from headend.trading.outcomes import MAX_NOTICE, Notice, NoticeKind, Taken, fields_of
from headend.web import answers, conditional
from headend.web.answers import Answer, Page, Span
from headend.web.desk import AtDesk, Desk
from headend.web.parameters import (
    DEFAULT_LIMIT,
    AfterIndex,
    AfterRow,
    AtDuty,
    Instant,
    Limit,
    PostedAs,
    body_of,
    bounded_window,
    holder_of,
    require_in_log,
)
from headend.web.problems import ApiError, Problem, invalid, not_found, problem, unreadable
from signing.energy import kwh_text
from signing.errors import DecodeError
from signing.interval import Interval, utc_text

_JSON = "application/json"
_MAX_NOTICE_BYTES = 16_384
_POINTS = 20
_MOST_POINTS = 100
_MONTH = r"^[0-9]{4}-(0[1-9]|1[0-2])$"


class Outcome(Answer):
    """A logged outcome of one side of one trade; the signed bytes stand beside what they say."""

    cursor: int
    """Its log index: the `after` of whoever took it."""
    digest: str
    record_id: str
    transaction_id: str
    order_item_id: str
    posted_as: str
    side: str
    delivery_start: str
    delivery_end: str
    revision: int
    supersedes: str | None
    contracted_kwh: str
    own_kwh: str
    other_kwh: str
    settled_kwh: str
    evidence: str | None
    """Evidence digest of the actual behind it: `/v1/actuals/{digest}`."""
    statement: str
    """The COSE_Sign1 as logged, base64."""


class NoticeBody(BaseModel):
    """A notice as its sender states it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Annotated[NoticeKind, Field(strict=False)]
    reference: str
    """The sender's own; the same one twice is one notice."""
    record_id: str | None = None
    """The ledger's id of the trade that it is about."""
    posted_as: str | None = None
    """The meter that it is about, as the ledger spells it."""
    text: Annotated[str, Field(min_length=1, max_length=MAX_NOTICE)]


class NoticeTaken(Answer):
    """What taking a notice came to."""

    new: bool
    """False: it was there already."""


class NoticeAnswer(Answer):
    """A notice as it came."""

    notice: int
    kind: str
    reference: str
    sender: str
    """Name of the token that brought it."""
    record_id: str | None
    posted_as: str | None
    text: str
    received_at: str


class Slot(Answer):
    """One trade that a meter takes part in at a time: its energy there is billed by the trade."""

    record_id: str
    side: str
    window: Span
    quantity_kwh: str
    evidence: str | None
    """Evidence digest of the newest actual of its window."""


class Slots(Answer):
    """Whether there is a P2P trade for a meter and time."""

    traded: bool
    trades: list[Slot]


class BillLine(Answer):
    """One charge on one trade, or the trade's own price. Positive is paid by the connection point."""

    trade: str
    name: str
    kwh: str
    inr_per_kwh: str
    amount_inr: str


class Bill(Answer):
    """What one connection point's bill of a month rests on. Absent energies are null, never 0."""

    connection_point: str
    month: str
    meters: list[str]
    completeness: str
    blocks: dict[str, int]
    """Blocks by quality."""
    import_kwh: str | None
    export_kwh: str | None
    p2p_bought_kwh: str
    p2p_sold_kwh: str
    residual_import_kwh: str | None
    """What the retailer bills."""
    residual_export_kwh: str | None
    p2p_amount_inr: str
    charges_inr: str
    lines: list[BillLine]
    open_trades: list[str]
    final: bool
    faults: list[str]


def add_routes(app: FastAPI) -> None:
    """The routes of this module."""
    refusals: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (401, 403, 422, 503)}
    app.add_api_route("/v1/outcomes", outcomes, methods=["GET"], responses=refusals, response_model=Page[Outcome])
    app.add_api_route(
        "/v1/notices",
        put_notice,
        methods=["POST"],
        response_model=NoticeTaken,
        responses={**refusals, **{code: {"model": Problem} for code in (409, 413, 415)}, 201: {"model": NoticeTaken}},
        openapi_extra={"requestBody": {"required": True, "content": {_JSON: {"schema": _body_schema()}}}},
    )
    app.add_api_route("/v1/notices", notices, methods=["GET"], responses=refusals)
    app.add_api_route("/v1/p2p", p2p, methods=["GET"], responses=refusals)
    app.add_api_route("/v1/billing/{month}", bills, methods=["GET"], responses=refusals)


def outcomes(
    request: Request, desk: AtDesk, duty: AtDuty, after: AfterIndex = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """What came of trades, in the order of the log: ask again with the `cursor` of the last one taken, and nothing is missed."""
    if after is not None:
        require_in_log(desk, after)
    views = duty.outcomes(after=after, limit=limit + 1)
    place = str(views[:limit][-1].index) if views else None
    tag = hashlib.sha256(b"".join(view.signed.digest for view in views)).hexdigest()

    def build() -> Response:
        found = [Outcome.model_validate(fields_of(view.index, view.signed)) for view in views]
        return JSONResponse(answers.page(found, limit, place).model_dump(mode="json"))

    return conditional.answer(request, tag=f'"{tag}"', vary=None, build=build)


async def put_notice(request: Request, desk: AtDesk) -> Response:
    """Takes a notice of default or enforcement. 201 when it is new, 200 when its sender sent it before, 409 when that said something else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            problem("unsupported_media_type", f"expected {_JSON}", "name the notice's Content-Type"),
        )
    content = await body_of(request, _MAX_NOTICE_BYTES, "shorten the text")
    return await run_in_threadpool(_taken, desk, _notice(request, content, desk.now()))


def notices(duty: AtDuty, after: AfterRow = None, limit: Limit = DEFAULT_LIMIT) -> Page[NoticeAnswer]:
    """Notices of default and enforcement, latest first."""
    found = [
        NoticeAnswer(
            notice=view.number,
            kind=view.notice.kind.value,
            reference=view.notice.reference,
            sender=view.notice.sender,
            record_id=view.notice.record_id,
            posted_as=view.notice.posted_as,
            text=view.notice.text,
            received_at=utc_text(view.notice.received_utc),
        )
        for view in duty.notices(after=after, limit=limit + 1)
    ]
    return answers.page(found, limit, str(found[:limit][-1].notice) if found else None)


def p2p(duty: AtDuty, posted_as: PostedAs, start: Instant, end: Instant) -> Slots:
    """Whether there is a P2P trade for a meter and time, and which: their energy is billed by the trade and not again.

    404 where no connection point is posted so, and no trade names it.
    """
    span: Interval = bounded_window(start, end)
    found = [
        Slot(
            record_id=slot.record_id,
            side=slot.side,
            window=answers.span(slot.window),
            quantity_kwh=kwh_text(slot.quantity_wh),
            evidence=None if slot.actual is None else slot.actual.hex(),
        )
        for slot in duty.slots(posted_as, span)
    ]
    if not found and not duty.names_a_place(posted_as):
        # An id that is spelled otherwise must not read as "bill it in full".
        raise not_found(
            f"no connection point is posted as {posted_as}",
            "spell the id exactly as the ledger does; /v1/registry has all",
        )
    return Slots(traded=bool(found), trades=found)


def bills(
    duty: AtDuty,
    month: Annotated[str, Path(pattern=_MONTH, description="a month of Indian time, 2026-04")],
    after: Annotated[str | None, Query(min_length=1, max_length=128, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST_POINTS, description="connection points on a page")] = _POINTS,
) -> Page[Bill]:
    """What the bills of a month rest on, by connection point, with charges by the tariff of `[billing]`."""
    try:
        rows = duty.bills(month, after=after, limit=limit + 1)
    except DecodeError as error:
        raise invalid(str(error), "ask for a month such as 2026-04; the operator completes the tariff") from error
    found = [Bill.model_validate(row) for row in rows]
    return answers.page(found, limit, found[:limit][-1].connection_point if found else None)


def _notice(request: Request, content: bytes, now_utc: int) -> Notice:
    try:
        body = NoticeBody.model_validate_json(content)
        return Notice(
            kind=body.kind,
            reference=body.reference,
            sender=holder_of(request),
            record_id=body.record_id,
            posted_as=body.posted_as,
            text=body.text,
            received_utc=now_utc,
        )
    except ValidationError as error:
        raise unreadable(error) from error
    except RefusedError as error:
        raise invalid(str(error), "correct the named field; /openapi.json describes it") from error


def _taken(desk: Desk, notice: Notice) -> Response:
    if desk.notices is None:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            problem("not_ready", "this head-end takes no notices", "ask the operator"),
        )
    taken = desk.notices.take(notice)
    if taken is Taken.OTHER:
        raise ApiError(
            HTTPStatus.CONFLICT,
            problem(
                "conflict",
                "expected the notice that stands under this 'reference' already, got another one",
                "give a new notice its own reference",
            ),
        )
    status = HTTPStatus.CREATED if taken is Taken.NEW else HTTPStatus.OK
    return JSONResponse(NoticeTaken(new=taken is Taken.NEW).model_dump(), status_code=status)


def _body_schema() -> dict[str, Any]:
    schema = NoticeBody.model_json_schema(ref_template="#/components/schemas/{model}")
    # The one enumeration is written out: what is referred to would have to stand among the components.
    for name, definition in schema.pop("$defs", {}).items():
        properties = schema["properties"]
        for key, value in properties.items():
            if value.get("$ref", "").endswith(f"/{name}"):
                properties[key] = definition
    return schema
