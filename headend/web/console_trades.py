"""The console's forward view: what trades ask of each feeder, slot by slot."""

from typing import Annotated

from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from headend.views.exchange import SlotsView
from headend.web.desk import AtDesk
from headend.web.rendering import shown
from signing.interval import DAY_S, Interval, ist_day_start

_MOST_TRADES = 500
_MOST_DAYS = 8


def add_routes(app: FastAPI) -> None:
    """The route of this module; it is for people and not in the API's description."""
    app.add_api_route("/console/trades", trades, methods=["GET"], include_in_schema=False, response_class=Response)


def trades(
    request: Request,
    desk: AtDesk,
    day: Annotated[int, Query(ge=-_MOST_DAYS, le=_MOST_DAYS)] = 0,
    feeder: Annotated[str, Query(max_length=128)] = "",
    after: Annotated[int | None, Query(ge=0, le=2**40)] = None,
) -> Response:
    """The trades of one day, IST, `day` days from today, by slot and feeder; `after` is where the page before ended."""
    now = desk.now()
    start = ist_day_start(now) + day * DAY_S
    wanted = feeder.strip() or None
    first = start if after is None else max(start, min(after, start + DAY_S - 1))
    view = SlotsView(slots=(), next_utc=None)
    if desk.market is not None:
        view = desk.market.slots(Interval(first, start + DAY_S), wanted, now, _MOST_TRADES)
    context = {
        "slots": view.slots,
        "first": first,
        "next": view.next_utc,
        "day": day,
        "start": start,
        "feeder": feeder.strip(),
        "most_days": _MOST_DAYS,
        "has_apart": any(slot.apart for slot in view.slots),
    }
    return shown(request, "trades.html", context)
