"""What stands before its gate, what is held, what alerts tell of, what operators did by hand; and the validated days of a meter."""

import hashlib
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from starlette.responses import JSONResponse, Response

from headend.duties.alerts import Alert
from headend.duties.holds import Hold
from headend.series import SeriesBlock
from headend.trading.forecast import Prospect
from headend.vee.declared import Channel
from headend.views.duty import DayView, OutlookView
from headend.web import answers, conditional
from headend.web.answers import Answer, Page, Span
from headend.web.desk import AtDesk, disclosed
from headend.web.parameters import (
    DEFAULT_LIMIT,
    AfterRow,
    AtDuty,
    Instant,
    Limit,
    MeterPath,
    bounded_window,
)
from headend.web.problems import Problem, not_found
from signing.energy import kwh_text
from signing.interval import Interval, ist_day_start, utc_text


class Gate(Answer):
    """A gate that is coming, and how many windows stand how before it."""

    at: str
    windows: dict[str, int]
    """By prospect: READY, PROVISIONAL, AT_RISK, IMPOSSIBLE."""


class OutlookAnswer(Answer):
    """One window that is not ready for its gate."""

    gate: str
    posted_as: str
    delivery_start: str
    delivery_end: str
    prospect: str
    valid: int
    expected: int
    cause: str
    evidence: str | None
    """Evidence digest of its newest actual."""


class Forecast(Answer):
    """How complete the windows are whose gates are coming."""

    gates: list[Gate]
    windows: Page[OutlookAnswer]
    """Those that are not READY, by gate. `next` is a place in this forecast."""


class AlertAnswer(Answer):
    """A trouble, told once when it begins and once when it is over."""

    alert: int
    kind: str
    about: str
    text: str
    opened_at: str
    closed_at: str | None


class HoldAnswer(Answer):
    """What an operator stopped from being posted."""

    hold: int
    kind: str
    connection_point: str | None
    """Null: everything."""
    window: Span | None
    """Null: every window."""
    party: str | None
    by: str
    reason: str
    opened_at: str
    closed_at: str | None
    closed_by: str | None
    outcome: str | None


class ActAnswer(Answer):
    """What an operator did by hand."""

    act: int
    verb: str
    about: str
    by: str
    reason: str
    done_at: str


class DayBlock(Answer):
    """One validated block. Energies as the meter states them, before factors; absent ones are null, never 0."""

    start: str
    end: str
    quality: str
    import_wh: int | None
    import_kwh: str | None
    import_method: str | None
    """Of an estimate; null for what was measured."""
    export_wh: int | None
    export_kwh: str | None
    export_method: str | None
    flags: int
    origin: str | None


class DayNote(Answer):
    """What a rule said of the day, or of one of its blocks."""

    rule: str
    version: int
    block: str | None
    verdict: str
    code: str
    because: str


class Day(Answer):
    """The newest version of a validated day."""

    day: Span
    revision: int
    decided_at: str
    rule_set: str
    quality: str
    """The worst of its blocks."""
    import_kwh: str | None
    export_kwh: str | None
    blocks: list[DayBlock]
    notes: list[DayNote]


def add_routes(app: FastAPI) -> None:
    """The routes of this module."""
    refusals: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (401, 403, 404, 422, 503)}
    for path, handler in (
        ("/v1/forecast", forecast),
        ("/v1/alerts", alerts),
        ("/v1/holds", holds),
        ("/v1/acts", acts),
    ):
        app.add_api_route(path, handler, methods=["GET"], responses=refusals)
    app.add_api_route("/v1/days/{meter}", days, methods=["GET"], responses=refusals, response_model=list[Day])


def forecast(
    desk: AtDesk,
    duty: AtDuty,
    after: Annotated[int, Query(ge=0, le=10**9, description="`windows.next` of the page before")] = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Forecast:
    """How complete the windows are that have ended and whose gates are coming, and why the others are not."""
    view = duty.forecast(desk.now())
    counts: dict[int, dict[Prospect, int]] = {gate: {Prospect.READY: number} for gate, number in view.ready.items()}
    for one in view.outlooks:
        counted = counts.setdefault(one.outlook.gate_utc, {})
        counted[one.outlook.prospect] = counted.get(one.outlook.prospect, 0) + 1
    rows = [_outlook(one) for one in view.outlooks[after : after + limit + 1]]
    return Forecast(
        gates=[
            Gate(at=utc_text(at), windows={prospect.value: counted.get(prospect, 0) for prospect in Prospect})
            for at, counted in sorted(counts.items())
        ],
        windows=answers.page(rows, limit, str(after + limit)),
    )


def alerts(duty: AtDuty, after: AfterRow = None, limit: Limit = DEFAULT_LIMIT) -> Page[AlertAnswer]:
    """Alerts, latest first; `closed_at` is null while the trouble is there."""
    found = [_alert(one) for one in duty.alerts(after=after, limit=limit + 1)]
    return answers.page(found, limit, str(found[:limit][-1].alert) if found else None)


def holds(duty: AtDuty, after: AfterRow = None, limit: Limit = DEFAULT_LIMIT) -> Page[HoldAnswer]:
    """Holds, disputes and stand-downs, latest first; `closed_at` is null while they hold."""
    found = [_hold(one) for one in duty.holds(after=after, limit=limit + 1)]
    return answers.page(found, limit, str(found[:limit][-1].hold) if found else None)


def acts(duty: AtDuty, after: AfterRow = None, limit: Limit = DEFAULT_LIMIT) -> Page[ActAnswer]:
    """What operators did by hand and why, latest first."""
    found = [
        ActAnswer(
            act=view.number,
            verb=view.verb,
            about=view.about,
            by=view.by,
            reason=view.reason,
            done_at=utc_text(view.done_utc),
        )
        for view in duty.acts(after=after, limit=limit + 1)
    ]
    return answers.page(found, limit, str(found[:limit][-1].act) if found else None)


def days(  # noqa: PLR0917 - FastAPI takes parameters by name
    request: Request, desk: AtDesk, duty: AtDuty, meter: MeterPath, start: Instant, end: Instant
) -> Response:
    """The validated days, IST, that share an instant with a span of at most 31 days: each block with its quality and method."""
    span = bounded_window(start, end)
    if desk.reads.meter(meter) is None:
        raise not_found(f"there is no meter {meter}", "list the meters at /v1/meters")
    views = duty.days(meter, Interval(ist_day_start(span.start_utc), span.end_utc))
    tag = hashlib.sha256(",".join(str(view.row) for view in views).encode()).hexdigest()

    def build() -> Response:
        disclosed(request, f"validated days of {meter}")
        return JSONResponse([_day(view).model_dump(mode="json") for view in views])

    return conditional.answer(request, tag=f'"{tag}"', vary=None, build=build)


def _outlook(view: OutlookView) -> OutlookAnswer:
    one = view.outlook
    return OutlookAnswer(
        gate=utc_text(one.gate_utc),
        posted_as=one.delivery.posted_as,
        delivery_start=one.delivery.delivery_start,
        delivery_end=one.delivery.delivery_end,
        prospect=one.prospect.value,
        valid=one.valid,
        expected=one.expected,
        cause=one.cause,
        evidence=None if view.actual is None else view.actual.hex(),
    )


def _alert(one: Alert) -> AlertAnswer:
    return AlertAnswer(
        alert=one.number,
        kind=one.trouble.kind.value,
        about=one.trouble.about,
        text=one.trouble.text,
        opened_at=utc_text(one.opened_utc),
        closed_at=_at(one.closed_utc),
    )


def _hold(one: Hold) -> HoldAnswer:
    order = one.order
    return HoldAnswer(
        hold=one.number,
        kind=order.kind.value,
        connection_point=order.connection_point,
        window=None if order.window is None else answers.span(order.window),
        party=order.party,
        by=order.by,
        reason=order.reason,
        opened_at=utc_text(one.opened_utc),
        closed_at=_at(one.closed_utc),
        closed_by=one.closed_by,
        outcome=one.outcome,
    )


def _day(view: DayView) -> Day:
    day = view.day
    return Day(
        day=answers.span(day.span),
        revision=view.revision,
        decided_at=utc_text(view.decided_utc),
        rule_set=day.rule_set.hex(),
        quality=day.quality.name,
        import_kwh=_kwh(day.total_wh(Channel.IMPORT)),
        export_kwh=_kwh(day.total_wh(Channel.EXPORT)),
        blocks=[_block(block) for block in day.blocks],
        notes=[
            DayNote(
                rule=note.rule,
                version=note.version,
                block=_at(note.block_utc),
                verdict=note.verdict.name,
                code=note.code,
                because=note.because,
            )
            for note in day.notes
        ],
    )


def _block(block: SeriesBlock) -> DayBlock:
    return DayBlock(
        start=utc_text(block.span.start_utc),
        end=utc_text(block.span.end_utc),
        quality=block.quality.name,
        import_wh=block.import_wh,
        import_kwh=_kwh(block.import_wh),
        import_method=block.import_method,
        export_wh=block.export_wh,
        export_kwh=_kwh(block.export_wh),
        export_method=block.export_method,
        flags=block.flags,
        origin=None if block.origin is None else block.origin.name,
    )


def _kwh(wh: int | None) -> str | None:
    return None if wh is None else kwh_text(wh)


def _at(at_utc: int | None) -> str | None:
    return None if at_utc is None else utc_text(at_utc)
