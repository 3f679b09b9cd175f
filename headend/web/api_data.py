"""Meter data in and out: files of other systems' readings, IES requests, credentials."""

from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from headend.consent import ConsentRefusedError
from headend.errors import RefusedError
from headend.ies.credential import CredentialRefusedError
from headend.ies.page import Answer
from headend.ies.rendering import Form
from headend.ies.request import NotAuthorisedError
from headend.imports.file import MAX_BYTES
from headend.imports.report import Verdict, receipt
from headend.registry.plan import Rejected
from headend.web.desk import AtDesk, DataDesk, Desk
from headend.web.parameters import body_of, data_of, holder_of
from headend.web.problems import ApiError, Problem, invalid, problem
from signing.errors import DecodeError

_CSV, _JSON = "text/csv", "application/json"
_MAX_REQUEST = 256 * 1024
_FORBIDDEN = (NotAuthorisedError, ConsentRefusedError)
_Giving = Callable[[DataDesk], Answer]


class ImportMode(StrEnum):
    """Whether a file is only looked at."""

    DRY_RUN = "dry-run"
    APPLY = "apply"


def add_routes(app: FastAPI) -> None:
    """The routes of this module."""
    refusals: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (401, 403, 413, 415, 422, 503)}
    for path, handler, kinds in (
        ("/v1/imports", put_file, (_CSV, _JSON)),
        ("/v1/ies/meter-data", meter_data, (_JSON,)),
        ("/v1/ies/credentials", credential, (_JSON,)),
    ):
        body = {"required": True, "content": {kind: {"schema": {}} for kind in kinds}}
        app.add_api_route(
            path,
            handler,
            methods=["POST"],
            responses=refusals,
            response_class=Response,
            openapi_extra={"requestBody": body},
        )


async def put_file(
    request: Request,
    desk: AtDesk,
    mode: ImportMode = ImportMode.DRY_RUN,
    rejected: Rejected = Rejected.REFUSES_ALL,
    source: Annotated[str | None, Query(min_length=1, max_length=128)] = None,
) -> Response:
    """Takes readings of another system, `text/csv` or MeterData v0.6 as `application/json`: dry unless `mode=apply`.

    422 with the rejected rows when nothing was taken for them.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {_CSV, _JSON}:
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            problem("unsupported_media_type", f"expected {_CSV} or {_JSON}", "name the file's Content-Type"),
        )
    content = await body_of(request, MAX_BYTES, "split it")

    def put() -> Response:
        data = data_of(desk)
        try:
            if mode is ImportMode.DRY_RUN:
                outcome = data.looked_at(content, kind)
            else:
                outcome = data.taken(content, kind, rejected, source=source, by=holder_of(request), at_utc=desk.now())
        except (RefusedError, DecodeError) as error:
            raise invalid(str(error), "correct the file; docs/operating.md describes it") from error
        is_refused = mode is ImportMode.APPLY and outcome.verdict is Verdict.REFUSED
        status = HTTPStatus.UNPROCESSABLE_ENTITY if is_refused else HTTPStatus.OK
        return JSONResponse(receipt(outcome), status_code=status)

    return await run_in_threadpool(put)


async def meter_data(
    request: Request,
    desk: AtDesk,
    form: Form = Form.COMPACT,
    cursor: Annotated[str | None, Query(min_length=1, max_length=128)] = None,
) -> Response:
    """Answers a MeterDataRequest v0.6 with a page of MeterData v0.6; the header `Link` names the next page, if there is one."""
    asked = await body_of(request, _MAX_REQUEST, "split it")

    def give() -> Response:
        answer = _given(
            lambda data: data.meter_data(asked, form, cursor, holder=holder_of(request), at_utc=desk.now()), desk
        )
        headers = {}
        if answer.next is not None:
            headers["Link"] = f'</v1/ies/meter-data?form={form.value}&cursor={quote(answer.next)}>; rel="next"'
        return Response(answer.content, media_type=_JSON, headers=headers)

    return await run_in_threadpool(give)


async def credential(request: Request, desk: AtDesk, form: Form = Form.COMPACT) -> Response:
    """Answers a MeterDataRequest for one meter with a MeterDataCredential v0.6."""
    asked = await body_of(request, _MAX_REQUEST, "split it")

    def give() -> Response:
        answer = _given(lambda data: data.credential(asked, form, holder=holder_of(request), at_utc=desk.now()), desk)
        return Response(answer.content, media_type=_JSON, status_code=HTTPStatus.CREATED)

    return await run_in_threadpool(give)


def _given(give: _Giving, desk: Desk) -> Answer:
    try:
        return give(data_of(desk))
    except _FORBIDDEN as error:
        raise ApiError(HTTPStatus.FORBIDDEN, problem("not_authorised", str(error), "see docs/operating.md")) from error
    except CredentialRefusedError as error:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE, problem("no_credentials", str(error), "tell the operator")
        ) from error
    except RefusedError as error:
        raise invalid(str(error), "send a MeterDataRequest v0.6; docs/operating.md says what is offered") from error
