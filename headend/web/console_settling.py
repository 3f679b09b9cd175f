"""The console's outcomes, notices and look-up of trades: what money rests on."""

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from headend.web.api import COSE
from headend.web.desk import AtDesk
from headend.web.parameters import AfterIndex, AfterRow, AtDuty, IndexPath, bounded_window
from headend.web.problems import invalid, not_found
from headend.web.rendering import shown
from signing.interval import DAY_S, IST, ist_day_start, utc_text

_PAGE = 50
_LATEST = 10
_CLOCK = "%Y-%m-%dT%H:%M"


def add_routes(app: FastAPI) -> None:
    """The routes of this module; they are for people and not in the API's description."""
    for path, handler in (
        ("/console/outcomes", outcomes),
        ("/console/outcomes/{index}/statement", statement),
        ("/console/notices", notices),
        ("/console/p2p", p2p),
    ):
        app.add_api_route(path, handler, methods=["GET"], include_in_schema=False, response_class=Response)


def outcomes(request: Request, duty: AtDuty, after: AfterIndex = None) -> Response:
    """What came of trades, latest first, with the latest notices."""
    found = duty.latest_outcomes(after=after, limit=_PAGE + 1)
    context = {
        "outcomes": found[:_PAGE],
        "next": found[_PAGE - 1].index if len(found) > _PAGE else None,
        "notices": duty.notices(after=None, limit=_LATEST),
    }
    return shown(request, "outcomes.html", context)


def statement(duty: AtDuty, index: IndexPath) -> Response:
    """The signed outcome as logged, to keep."""
    view = duty.outcome(index)
    if view is None:
        raise not_found(f"log index {index} holds no published outcome", "see the list of outcomes")
    headers = {"Content-Disposition": f'attachment; filename="outcome-{index}.cose"', "Cache-Control": "no-store"}
    return Response(view.signed.envelope.encoded(), media_type=COSE, headers=headers)


def notices(request: Request, duty: AtDuty, after: AfterRow = None) -> Response:
    """Notices of default and enforcement, latest first."""
    found = duty.notices(after=after, limit=_PAGE + 1)
    context = {"notices": found[:_PAGE], "next": found[_PAGE - 1].number if len(found) > _PAGE else None}
    return shown(request, "notices.html", context)


def p2p(  # noqa: PLR0917 - FastAPI takes parameters by name
    request: Request,
    desk: AtDesk,
    duty: AtDuty,
    posted_as: Annotated[str, Query(max_length=128)] = "",
    start: Annotated[str, Query(max_length=16)] = "",
    end: Annotated[str, Query(max_length=16)] = "",
) -> Response:
    """Whether a meter's energy at a time is billed by a trade; the form's times are IST."""
    today = ist_day_start(desk.now())
    first, last = start or _clock(today), end or _clock(today + DAY_S)
    span = bounded_window(_instant(first, "query.start"), _instant(last, "query.end"))
    slots = duty.slots(posted_as, span) if posted_as else None
    is_known = bool(slots) or not posted_as or duty.names_a_place(posted_as)
    context = {"posted_as": posted_as, "start": first, "end": last, "span": span, "slots": slots, "is_known": is_known}
    return shown(request, "p2p.html", context)


def _clock(at_utc: int) -> str:
    """An instant as a form's field has it: IST, without its zone."""
    return datetime.fromtimestamp(at_utc, IST).strftime(_CLOCK)


def _instant(text: str, name: str) -> str:
    """A form's time with its zone.

    Raises:
        ApiError: it is none.
    """
    try:
        local = datetime.strptime(text, _CLOCK).replace(tzinfo=IST)
        return utc_text(int(local.timestamp()))
    except (ValueError, OverflowError) as error:
        raise invalid(f"expected a time of India such as 2026-04-26T10:00 in '{name}'", "correct the form") from error
