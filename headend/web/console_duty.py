"""The console's gates, alerts and holds: what is coming, what is wrong, what an operator stopped and did."""

from collections import Counter
from typing import Annotated

from fastapi import FastAPI, Path, Query, Request
from starlette.responses import Response

from headend.duties.alerts import AlertKind
from headend.trading.forecast import Prospect
from headend.trading.posting import PostingState
from headend.web.desk import AtDesk
from headend.web.parameters import AfterRow, AtDuty
from headend.web.problems import not_found
from headend.web.rendering import shown

_PAGE = 50
_MOST_HELD = 500
_WHERE = {
    AlertKind.WINDOW_AT_RISK: "/console/gates",
    AlertKind.SILENT_GATEWAY: "/console/meters",
    AlertKind.ORIGIN_DIFFERENCE: "/console/meters",
    AlertKind.LEDGER_DIFFERENCE: "/console/postings",
    AlertKind.LATE_TERMS: "/console/trades",
}
"""Where a trouble is seen; all others are the program's own and stand with its parts."""

HoldPath = Annotated[int, Path(ge=0, le=2**63 - 1, description="number of a hold")]


def add_routes(app: FastAPI) -> None:
    """The routes of this module; they are for people and not in the API's description."""
    for path, handler in (
        ("/console/gates", gates),
        ("/console/alerts", alerts),
        ("/console/holds", holds),
        ("/console/holds/{hold}", hold),
    ):
        app.add_api_route(path, handler, methods=["GET"], include_in_schema=False, response_class=Response)


def gates(request: Request, desk: AtDesk, duty: AtDuty, after: Annotated[int, Query(ge=0, le=10**9)] = 0) -> Response:
    """How complete the windows are whose gates are coming, and why the others are not."""
    view = duty.forecast(desk.now())
    counts = {gate: Counter({Prospect.READY: number}) for gate, number in view.ready.items()}
    for one in view.outlooks:
        counts.setdefault(one.outlook.gate_utc, Counter())[one.outlook.prospect] += 1
    following = after + _PAGE
    context = {
        "gates": view.gates,
        "counts": sorted(counts.items()),
        "prospects": tuple(Prospect),
        "outlooks": view.outlooks[after:following],
        "next": following if len(view.outlooks) > following else None,
    }
    return shown(request, "gates.html", context)


def alerts(request: Request, duty: AtDuty, after: AfterRow = None) -> Response:
    """Troubles, latest first."""
    found = duty.alerts(after=after, limit=_PAGE + 1)
    context = {
        "alerts": [(one, _WHERE.get(one.trouble.kind, "/console/intake")) for one in found[:_PAGE]],
        "next": found[_PAGE - 1].number if len(found) > _PAGE else None,
    }
    return shown(request, "alerts.html", context)


def holds(request: Request, duty: AtDuty, after: AfterRow = None, acts_after: AfterRow = None) -> Response:
    """What is held and was, and what operators did by hand."""
    found = duty.holds(after=after, limit=_PAGE + 1)
    done = duty.acts(after=acts_after, limit=_PAGE + 1)
    context = {
        "open": duty.standing().holds,
        "holds": found[:_PAGE],
        "next": found[_PAGE - 1].number if len(found) > _PAGE else None,
        "acts": done[:_PAGE],
        "next_act": done[_PAGE - 1].number if len(done) > _PAGE else None,
    }
    return shown(request, "holds.html", context)


def hold(request: Request, desk: AtDesk, duty: AtDuty, hold: HoldPath) -> Response:
    """One hold, and the postings and recordings that wait for its end."""
    found = duty.hold(hold)
    if found is None:
        raise not_found(f"there is no hold {hold}", "see the list of holds")
    states = frozenset({PostingState.HELD})
    held = desk.reads.postings(states=states, after=None, limit=_MOST_HELD)
    said = desk.reads.recordings(states=states, after=None, limit=_MOST_HELD)
    deliveries = {view.record.delivery for view in held} | {view.record.delivery for view in said}
    by = {delivery: one for delivery, one in duty.held_by(deliveries).items() if one.number == hold}
    context = {
        "hold": found,
        "refusal": duty.refusal(hold),
        "postings": [view for view in held if view.record.delivery in by],
        "recordings": [view for view in said if view.record.delivery in by],
        "held": by,
    }
    return shown(request, "hold.html", context)
