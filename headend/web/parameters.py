"""Parameters of requests: their patterns, bounds and how text becomes a value."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Path, Query, Request

from headend.tokens import Token
from headend.views.duty import DutyReads
from headend.web.bodies import bounded
from headend.web.desk import DataDesk, Desk, of
from headend.web.problems import ApiError, invalid, problem
from signing.errors import DecodeError
from signing.interval import Interval, parse_instant

MAX_LIMIT = 500
DEFAULT_LIMIT = 100
MAX_SPAN_S = 31 * 86_400
"""Longest span that a list is asked for."""

_INDEX_MAX = 2**40 - 1
_ROW_MAX = 2**63 - 1
_ID = r"^[A-Za-z0-9][A-Za-z0-9._:%-]{0,63}$"

DigestPath = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="evidence digest, 64 hexadecimal digits")]
IndexPath = Annotated[int, Path(ge=0, le=_INDEX_MAX, description="log index")]
MeterPath = Annotated[str, Path(pattern=_ID, description="the discom's id of the meter")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="items on a page")]
AfterMeter = Annotated[str | None, Query(pattern=_ID, description="`next` of the page before")]
AfterRow = Annotated[int | None, Query(ge=0, le=_ROW_MAX, description="`next` of the page before")]
AfterIndex = Annotated[int | None, Query(ge=0, le=_INDEX_MAX, description="log index of the last one taken")]
Instant = Annotated[str, Query(max_length=40, description="RFC 3339 with an offset; write + as %2B")]
OptionalInstant = Annotated[str | None, Query(max_length=40, description="RFC 3339 with an offset; write + as %2B")]
PostedAs = Annotated[str, Query(min_length=1, max_length=128, description="meter id exactly as the ledger spells it")]


def require_in_log(desk: Desk, after: int) -> None:
    """Refuses a cursor of another log, or a mistaken one: it would skip in silence what comes until the log has grown beyond it.

    Raises:
        ApiError: 422.
    """
    tree = desk.reads.tree()
    size = 0 if tree is None else tree.checkpoint.size
    if after > size:
        text = f"expected 'query.after' of at most {size}, the size of the log, got {after}"
        raise invalid(text, "go on at the cursor of the last answer, or begin without one")


def duty_of(request: Request) -> DutyReads:
    """What stands open at the head-end that answers `request`.

    Raises:
        ApiError: this program does not show it.
    """
    duty = of(request).duty
    if duty is None:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            problem("not_ready", "this head-end does not show it here", "use the commands of `sakshi-headend`"),
        )
    return duty


AtDuty = Annotated[DutyReads, Depends(duty_of)]
"""A route's parameter that receives what stands open."""


def data_of(desk: Desk) -> DataDesk:
    """Where files of readings go and meter data come from.

    Raises:
        ApiError: 503, this program takes and gives none.
    """
    if desk.data is None:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            problem("not_ready", "this head-end takes and gives no meter data here", "use the command line"),
        )
    return desk.data


def window(start: str, end: str) -> Interval:
    """The window that two query parameters name.

    Raises:
        ApiError: naming the parameter.
    """
    try:
        return Interval(parse_instant(start, "query.start"), parse_instant(end, "query.end"))
    except DecodeError as error:
        raise invalid(
            str(error), "send RFC 3339 times such as 2026-04-26T04:30:00Z; a + must be sent as %2B"
        ) from error


def instant_or(text: str | None, path: str, otherwise: int) -> int:
    """The instant that a parameter names, or another where it is left out.

    Raises:
        ApiError: naming the parameter.
    """
    try:
        return otherwise if text is None else parse_instant(text, path)
    except DecodeError as error:
        raise invalid(
            str(error), "send an RFC 3339 time such as 2026-04-26T04:30:00Z; a + must be sent as %2B"
        ) from error


def optional_window(start: str | None, end: str | None) -> Interval | None:
    """The window that two query parameters name, or none without both.

    Raises:
        ApiError: only one is given, or one is wrong.
    """
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise invalid("expected both 'query.start' and 'query.end', or neither", "give both ends of the span")
    return bounded_window(start, end)


def bounded_window(start: str, end: str) -> Interval:
    """The window that two query parameters name, no longer than a list is asked for.

    Raises:
        ApiError: one is wrong, or they are too far apart.
    """
    span = window(start, end)
    if span.length_s > MAX_SPAN_S:
        raise invalid(
            f"expected at most {MAX_SPAN_S // 86_400} days between 'query.start' and 'query.end', got {span.length_s} s",
            "ask for several shorter spans",
        )
    return span


async def body_of(request: Request, most_bytes: int, remedy: str) -> bytes:
    """The raw body of `request`.

    Raises:
        ApiError: 413, it is longer than `most_bytes`, with the remedy; the rest of it is not read.
    """
    content = await bounded(request, most_bytes)
    if content is None:
        raise ApiError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, problem("too_large", f"expected at most {most_bytes} bytes", remedy)
        )
    return content


def holder_of(request: Request) -> str:
    """Name of the token that `request` came with, or nobody."""
    token = getattr(request.state, "token", None)
    return token.name if isinstance(token, Token) else "nobody"
