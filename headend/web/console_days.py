"""The console's validated days: what bills and reports use of a meter, each block with its quality, method and batches."""

from typing import Annotated

from fastapi import FastAPI, Path, Query, Request
from starlette.responses import Response

from headend.series import Note, SeriesBlock
from headend.vee.declared import Channel
from headend.views.duty import BatchPlace, DayEvidence, DayView
from headend.web.desk import AtDesk, Desk, disclosed
from headend.web.parameters import AtDuty, MeterPath, instant_or
from headend.web.problems import not_found
from headend.web.rendering import shown

_PAGE = 31
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"

DayPath = Annotated[str, Path(pattern=_DATE, description="a day of Indian time, 2026-04-26")]


def add_routes(app: FastAPI) -> None:
    """The routes of this module; they are for people and not in the API's description."""
    for path, handler in (("/console/meters/{meter}/days", days), ("/console/meters/{meter}/days/{day}", day)):
        app.add_api_route(path, handler, methods=["GET"], include_in_schema=False, response_class=Response)


def days(
    request: Request,
    desk: AtDesk,
    duty: AtDuty,
    meter: MeterPath,
    after: Annotated[int | None, Query(ge=0, le=2**40)] = None,
) -> Response:
    """The validated days of a meter, latest first."""
    _require(desk, meter)
    found = duty.latest_days(meter, after=after, limit=_PAGE + 1)
    context = {
        "meter": meter,
        "days": [(view, *_totals(view)) for view in found[:_PAGE]],
        "next": found[_PAGE - 1].day.start_utc if len(found) > _PAGE else None,
    }
    return shown(request, "days.html", context)


def day(  # noqa: PLR0917 - FastAPI takes parameters by name
    request: Request,
    desk: AtDesk,
    duty: AtDuty,
    meter: MeterPath,
    day: DayPath,
    revision: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
) -> Response:
    """One validated day: blocks, what rules said of them, every version, and what is still looked for."""
    _require(desk, meter)
    evidence = duty.day(meter, instant_or(f"{day}T00:00:00+05:30", "path.day", 0))
    view = _version(evidence, revision)
    if revision is not None and view is None:
        raise not_found(f"{day} of {meter} has no revision {revision}", "see the versions of the day")
    disclosed(request, f"validated day {day} of {meter}")
    totals = (None, None) if view is None else _totals(view)
    context = {
        "meter": meter,
        "date": day,
        "view": view,
        "is_newest": view is not None and view.revision == evidence.versions[-1].revision,
        "imported": totals[0],
        "exported": totals[1],
        "blocks": [] if view is None else [_row(block, view, evidence.batches) for block in view.day.blocks],
        "notes": [] if view is None else [note for note in view.day.notes if note.block_utc is None],
        "versions": [(one, *_totals(one)) for one in evidence.versions],
        "batches": evidence.batches,
        "hunts": evidence.hunts,
    }
    return shown(request, "day.html", context)


def _require(desk: Desk, meter: str) -> None:
    if desk.reads.meter(meter) is None:
        raise not_found(f"there is no meter {meter}", "see the list of meters")


def _version(evidence: DayEvidence, revision: int | None) -> DayView | None:
    """The version that is asked for, else the newest; none where there is none."""
    if revision is None:
        return evidence.versions[-1] if evidence.versions else None
    return next((one for one in evidence.versions if one.revision == revision), None)


def _totals(view: DayView) -> tuple[int | None, int | None]:
    return view.day.total_wh(Channel.IMPORT), view.day.total_wh(Channel.EXPORT)


def _row(
    block: SeriesBlock, view: DayView, batches: tuple[BatchPlace, ...]
) -> tuple[SeriesBlock, list[Note], list[BatchPlace]]:
    """A block with what was said of it and the batches that speak of its time."""
    notes = [note for note in view.day.notes if note.block_utc == block.start_utc]
    return block, notes, [place for place in batches if place.span.overlaps(block.span)]
