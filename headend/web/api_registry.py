"""The registry by API: sheets in, dry first; the sheet of everything out; look-ups by consumer, feeder and transformer."""

from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from headend.registry import report as registry_report
from headend.registry.plan import Rejected
from headend.registry.sheet import MAX_BYTES, Sheet, SheetError, parse_csv, parse_json
from headend.registry.supply import By
from headend.web.desk import AtDesk, Desk, disclosed
from headend.web.parameters import MeterPath, OptionalInstant, body_of, holder_of, instant_or
from headend.web.problems import ApiError, Problem, invalid, not_found, problem

CSV = "text/csv"
_JSON = "application/json"
_PARSERS = {CSV: parse_csv, _JSON: parse_json}


class Mode(StrEnum):
    """Whether a sheet is only looked at."""

    DRY_RUN = "dry-run"
    APPLY = "apply"


class RegistryFault(BaseModel):
    """Why a row is rejected."""

    line: int
    column: str
    expected: str
    got: str
    remedy: str


class RegistryChange(BaseModel):
    """One thing that a row changes."""

    line: int
    meter: str
    since: Annotated[str, Field(alias="from")]
    column: str
    before: str
    after: str


class RegistryOutcome(BaseModel):
    """What a sheet came to."""

    applied: bool
    rows: int
    records: int
    """MeterRecords that it makes, or made."""
    faults: list[RegistryFault]
    changes: list[RegistryChange]
    warnings: list[str]
    windows: list[str]
    """Attested windows that may get a revision."""


class History(BaseModel):
    """What is recorded of one meter, through time."""

    meter: str
    rows: list[dict[str, str]]
    """The rows of its sheet, by time."""
    exchanges: list[dict[str, Any]]
    changes: list[dict[str, Any]]
    """Who changed what, latest first."""


def add_routes(app: FastAPI) -> None:
    """The routes of this module."""
    refusals: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (401, 403, 413, 415, 503)}
    app.add_api_route(
        "/v1/registry",
        put_sheet,
        methods=["POST"],
        response_model=RegistryOutcome,
        responses={**refusals, 422: {"model": RegistryOutcome}},
        openapi_extra={"requestBody": {"required": True, "content": _BODIES}},
    )
    app.add_api_route("/v1/registry", sheet, methods=["GET"], response_class=Response)
    app.add_api_route("/v1/registry/{meter}", history, methods=["GET"])
    app.add_api_route("/v1/connection-points", connection_points, methods=["GET"])


_BODIES = {
    CSV: {"schema": {"type": "string", "description": "a registry sheet, as docs/operating.md describes it"}},
    _JSON: {
        "schema": {
            "type": "object",
            "required": ["rows"],
            "properties": {
                "rows": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "string"}}}
            },
        }
    },
}


async def put_sheet(
    request: Request, desk: AtDesk, mode: Mode = Mode.DRY_RUN, rejected: Rejected = Rejected.REFUSES_ALL
) -> Response:
    """Takes a registry sheet, `text/csv` or `application/json`: dry unless `mode=apply`. 422 when nothing was applied for its faults."""
    parse = _PARSERS.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
    if parse is None:
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            problem("unsupported_media_type", f"expected {CSV} or {_JSON}", "name the sheet's Content-Type"),
        )
    content = await body_of(request, MAX_BYTES, "split the sheet")
    return await run_in_threadpool(_put, request, desk, lambda: parse(content), mode, rejected)


def sheet(request: Request, desk: AtDesk) -> Response:
    """The whole registry as a sheet in CSV: importing it changes nothing."""
    disclosed(request, "the registry")
    return Response(desk.reads.registry_sheet(), media_type=f"{CSV}; charset=utf-8; header=present")


def history(request: Request, desk: AtDesk, meter: MeterPath) -> History:
    """What is recorded of one meter, through time."""
    view = desk.reads.history(meter)
    if view is None:
        raise not_found(f"there is no meter {meter}", "list the meters at /v1/meters")
    disclosed(request, f"the registry of {meter}")
    return History(
        meter=meter,
        rows=[dict(cells) for cells in view.cells],
        exchanges=[registry_report.exchange_document(one) for one in view.exchanges],
        changes=[registry_report.change_document(one) for one in view.changes],
    )


def connection_points(
    desk: AtDesk,
    what: By,
    value: Annotated[str, Query(min_length=1, max_length=128)],
    at: OptionalInstant = None,
) -> list[str]:
    """The connection points of a consumer, a feeder or a transformer at an instant, now unless it is given."""
    return list(desk.reads.points(what, value, instant_or(at, "query.at", desk.now())))


def _put(request: Request, desk: Desk, parse: Callable[[], Sheet], mode: Mode, rejected: Rejected) -> Response:
    registry = desk.registry
    if registry is None:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            problem("not_ready", "this head-end takes no sheets here", "use `sakshi-headend registry import`"),
        )
    try:
        parsed = parse()
    except SheetError as error:
        raise invalid(str(error), "correct the sheet; docs/operating.md describes it") from error
    if mode is Mode.DRY_RUN:
        outcome = registry.preview(parsed, rejected)
    else:
        outcome = registry.apply(parsed, rejected, by=holder_of(request), at_utc=desk.now())
    is_refused = mode is Mode.APPLY and not outcome.is_applied
    status = HTTPStatus.UNPROCESSABLE_ENTITY if is_refused else HTTPStatus.OK
    return JSONResponse(registry_report.document(outcome), status_code=status)
