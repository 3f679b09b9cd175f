"""The reading API: meters, windows, actuals, evidence, batches."""

from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, TypeAlias

from fastapi import FastAPI, Query, Request
from starlette.responses import JSONResponse, Response

from headend.views.evidence import ActualView, BundleKind
from headend.web import answers, conditional
from headend.web.claims import signed_claims
from headend.web.desk import AtDesk, Desk, are_blocks_shown, disclosed, is_shown
from headend.web.parameters import (
    DEFAULT_LIMIT,
    AfterMeter,
    AfterRow,
    DigestPath,
    IndexPath,
    Limit,
    MeterPath,
    OptionalInstant,
    optional_window,
)
from headend.web.problems import ApiError, Problem, not_found, problem
from signing.errors import SigningError
from signing.statements.window_actual import Status

COSE = "application/cose"
JSON = "application/json"
BUNDLE = "application/vnd.sakshi.bundle+cbor;v=1"
_Described: TypeAlias = dict[int | str, dict[str, Any]]
_BYTES = {"type": "string", "format": "binary"}
_NO_ACTUAL = "take the evidence digest from a posting's clientReference or from /v1/windows"


class StatusName(StrEnum):
    """The statuses of an actual, by name."""

    PROVISIONAL = "PROVISIONAL"
    FINAL = "FINAL"
    TRUE_UP = "TRUE_UP"
    PENDING = "PENDING"
    NOT_MEASURABLE = "NOT_MEASURABLE"
    WITHDRAWN = "WITHDRAWN"


def add_routes(app: FastAPI) -> None:
    """The routes of this module."""
    refusals: _Described = {code: {"model": Problem} for code in (401, 403, 404, 422, 503)}
    for path, handler in (
        ("/v1/meters", meters),
        ("/v1/meters/{meter}", meter),
        ("/v1/windows", windows),
        ("/v1/batches/{index}", batch),
    ):
        app.add_api_route(path, handler, methods=["GET"], responses=refusals)
    cose: _Described = {**refusals, 200: {"model": answers.Actual, "content": {COSE: {"schema": _BYTES}}}}
    app.add_api_route("/v1/actuals/{digest}", actual, methods=["GET"], responses=cose)
    bundles: _Described = {**refusals, 200: {"content": {BUNDLE: {"schema": _BYTES}}}}
    app.add_api_route("/v1/evidence/{digest}", evidence, methods=["GET"], responses=bundles, response_class=Response)


def meters(desk: AtDesk, after: AfterMeter = None, limit: Limit = DEFAULT_LIMIT) -> answers.Page[answers.Meter]:
    """Meters by name."""
    found = [answers.meter(view) for view in desk.reads.meters(after=after, limit=limit + 1)]
    return answers.page(found, limit, found[:limit][-1].meter if found else None)


def meter(desk: AtDesk, meter: MeterPath) -> answers.Meter:
    """One meter."""
    view = desk.reads.meter(meter)
    if view is None:
        raise not_found(f"there is no meter {meter}", "list the meters at /v1/meters")
    return answers.meter(view)


def windows(  # noqa: PLR0917 - FastAPI takes parameters by name
    desk: AtDesk,
    status: Annotated[list[StatusName] | None, Query(max_length=len(Status))] = None,
    start: OptionalInstant = None,
    end: OptionalInstant = None,
    after: AfterRow = None,
    limit: Limit = DEFAULT_LIMIT,
) -> answers.Page[answers.Window]:
    """The newest actual of every window, latest logged first; `start` and `end` keep windows that begin between them."""
    statuses = None if status is None else frozenset(Status[name.value] for name in status)
    views = desk.reads.windows(statuses=statuses, span=optional_window(start, end), after=after, limit=limit + 1)
    found = [answers.window(view) for view in views]
    return answers.page(found, limit, str(found[:limit][-1].index) if found else None)


def actual(request: Request, desk: AtDesk, digest: DigestPath) -> Response:
    """One actual: `application/cose` is the COSE_Sign1 as logged, `application/json` its claims and their compact JWS."""
    kind = conditional.wanted(request, (JSON, COSE))
    view = desk.reads.actual(bytes.fromhex(digest))
    if view is None or not is_shown(request, view):
        raise not_found(f"there is no actual {digest}", _NO_ACTUAL)
    if kind == COSE:
        tag = f'"{digest}-cose"'
        return conditional.answer(
            request,
            tag=tag,
            vary="Accept",
            build=lambda: Response(view.sign1, media_type=f'{COSE}; cose-type="cose-sign1"'),
        )
    # Weak: a signer with random nonces signs the same claims with other bytes; a later revision makes it no longer the newest.
    tag = f'W/"{digest}-json-{"newest" if view.newest else "superseded"}"'
    return conditional.answer(
        request, tag=tag, vary="Accept", build=lambda: JSONResponse(signed_actual(desk, view).model_dump(mode="json"))
    )


def evidence(request: Request, desk: AtDesk, digest: DigestPath, kind: BundleKind = BundleKind.WINDOW) -> Response:
    """The evidence bundle of an actual, for `sakshi-verify`: kind `window` recomputes, kind `actual` only attests."""
    found = desk.reads.actual(bytes.fromhex(digest))
    if found is None or not is_shown(request, found, with_blocks=kind is BundleKind.WINDOW):
        raise not_found(f"there is no actual {digest}", _NO_ACTUAL)
    view = desk.reads.bundle(bytes.fromhex(digest), kind)
    # Its batches are of whole days: whoever lived there earlier that day has a say too.
    if view is None or not (view.blocks is None or are_blocks_shown(request, found, view.blocks)):
        raise not_found(f"there is no actual {digest}", _NO_ACTUAL)
    # A later checkpoint anchors the same evidence in other bytes.
    tag = f'"{digest}-{kind.value}-{view.tree_size}"'

    def build() -> Response:
        if kind is BundleKind.WINDOW:
            disclosed(request, f"window bundle {digest}")
        return Response(view.content, media_type=BUNDLE)

    return conditional.answer(request, tag=tag, vary=None, build=build)


def batch(request: Request, desk: AtDesk, index: IndexPath) -> answers.Batch:
    """An admitted batch: its signed bytes, its opening, and its inclusion path."""
    view = desk.reads.batch(index)
    if view is None:
        raise not_found(
            f"log index {index} holds no batch", "take the index from a meter's chains or a window's blocks"
        )
    disclosed(request, f"batch {index}")
    return answers.batch(view)


def signed_actual(desk: Desk, view: ActualView) -> answers.Actual:
    """An actual with its claims and their JWS."""
    try:
        stated, signature = signed_claims(view, desk.signer)
    except SigningError as error:
        raise ApiError(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            problem(
                "not_verifiable",
                f"the stored actual {view.digest.hex()} does not verify with the statement key",
                "the operator runs `sakshi-headend fsck` and checks keys.statements",
            ),
        ) from error
    return answers.Actual(index=view.index, newest=view.newest, claims=stated, jws=signature)
