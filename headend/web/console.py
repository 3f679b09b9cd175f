"""The console: server-rendered pages, no script. From any number to its signed bytes: window, blocks, batch."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Query, Request
from starlette.requests import HTTPConnection
from starlette.responses import Response

from headend.duties.holds import Hold
from headend.trading.posting import PostingState
from headend.trading.trades import Delivery
from headend.vee.rule import RuleSetError
from headend.views.duty import DutyCounts
from headend.views.evidence import ActualView, BatchView, BundleKind, PartBlocks, PostingView, RecordingView
from headend.web import attention, console_login
from headend.web.api import BUNDLE, COSE, StatusName
from headend.web.desk import AtDesk, Desk, disclosed
from headend.web.guard import CONSOLE, denied_json
from headend.web.parameters import AfterMeter, AfterRow, DigestPath, IndexPath, MeterPath
from headend.web.problems import ApiError, Problem, not_found
from headend.web.rendering import shown, shown_without_store
from signing.interval import DAY_S
from signing.statements.window_actual import Status

_PAGE = 50
_LATEST = 10
_MOST_CONCERNS = 50
_LOOK_BACK_S = 7 * DAY_S
_NOTHING = DutyCounts(alerts=0, holds=(), notices=0)
"""What stands open where this program does not show it."""


def add_routes(app: FastAPI) -> None:
    """The routes of the console; they are for people and not in the API's description."""
    console_login.add_routes(app)
    for path, handler in (
        ("/console/", overview),
        ("/console/meters", meters),
        ("/console/meters/{meter}", meter),
        ("/console/registry", registry),
        ("/console/windows", windows),
        ("/console/windows/{digest}", window),
        ("/console/windows/{digest}/blocks", blocks),
        ("/console/windows/{digest}/statement", statement),
        ("/console/windows/{digest}/bundle", bundle),
        ("/console/batches/{index}", batch),
        ("/console/batches/{index}/envelope", envelope),
        ("/console/batches/{index}/opening", opening),
        ("/console/postings", postings),
        ("/console/intake", intake),
    ):
        app.add_api_route(path, handler, methods=["GET"], include_in_schema=False, response_class=Response)


def denied(connection: HTTPConnection, status: HTTPStatus, what: Problem) -> Response:
    """A refusal: the log-in page or a page with the reason under the console, JSON elsewhere."""
    if not connection.scope["path"].startswith(CONSOLE):
        return denied_json(connection, status, what)
    desk = connection.app.state.desk
    assert isinstance(desk, Desk)
    if status is HTTPStatus.UNAUTHORIZED:
        return console_login.form(desk, None, status)
    return shown_without_store(desk, "problem.html", {"problem": what}, status)


def overview(request: Request, desk: AtDesk) -> Response:
    """What needs a look first, then the latest windows and postings."""
    reads = desk.reads
    since = desk.now() - _LOOK_BACK_S
    awaited = reads.awaited(desk.discom, since_utc=since, limit=_MOST_CONCERNS)
    watched = frozenset((*attention.STUCK, *attention.LATE))
    found = attention.concerns(
        components=desk.components(),
        postings=(
            *reads.postings(states=watched, after=None, limit=_MOST_CONCERNS),
            *reads.recordings(states=watched, after=None, limit=_MOST_CONCERNS),
        ),
        windows=reads.windows(statuses=frozenset(attention.UNDECIDED), span=None, after=None, limit=_MOST_CONCERNS),
        meters=reads.troubled_chains(limit=_MOST_CONCERNS),
        awaited=awaited,
        now_utc=desk.now(),
    )
    latest = reads.postings(states=None, after=None, limit=_LATEST)
    said = reads.recordings(states=None, after=None, limit=_LATEST)
    context = {
        "concerns": found[:_MOST_CONCERNS],
        "standing": _NOTHING if desk.duty is None else desk.duty.standing(),
        "counts": reads.counts(),
        "awaited": awaited[:_LATEST],
        "windows": reads.windows(statuses=None, span=None, after=None, limit=_LATEST),
        "postings": latest,
        "recordings": said,
        "held": _held(desk, (*latest, *said)),
    }
    return shown(request, "overview.html", context)


def meters(request: Request, desk: AtDesk, after: AfterMeter = None) -> Response:
    """Meters by name."""
    found = desk.reads.meters(after=after, limit=_PAGE + 1)
    following = found[_PAGE - 1].record.meter if len(found) > _PAGE else None
    return shown(request, "meters.html", {"meters": found[:_PAGE], "next": following})


def meter(request: Request, desk: AtDesk, meter: MeterPath) -> Response:
    """One meter: its facts, keys and chains."""
    view = desk.reads.meter(meter)
    if view is None:
        raise not_found(f"there is no meter {meter}", "see the list of meters")
    return shown(request, "meter.html", {"meter": view, "history": desk.reads.history(meter)})


def registry(
    request: Request, desk: AtDesk, search: Annotated[str, Query(max_length=128)] = "", after: AfterMeter = None
) -> Response:
    """Meters as they are registered now, all of them or those to which a number, name or id belongs."""
    wanted = search.strip()
    found = desk.reads.registered(wanted, at_utc=desk.now(), after=after, limit=_PAGE + 1)
    following = found[_PAGE - 1].meter if len(found) > _PAGE else None
    return shown(request, "registry.html", {"meters": found[:_PAGE], "next": following, "search": wanted})


def windows(
    request: Request,
    desk: AtDesk,
    status: Annotated[StatusName | None, Query()] = None,
    after: AfterRow = None,
) -> Response:
    """The newest actual of every window, latest logged first."""
    statuses = None if status is None else frozenset({Status[status.value]})
    found = desk.reads.windows(statuses=statuses, span=None, after=after, limit=_PAGE + 1)
    following = found[_PAGE - 1].index if len(found) > _PAGE else None
    context = {
        "windows": found[:_PAGE],
        "next": following,
        "status": None if status is None else status.value,
        "statuses": [known.name for known in Status],
    }
    return shown(request, "windows.html", context)


def window(request: Request, desk: AtDesk, digest: DigestPath) -> Response:
    """One actual: totals, coverage, findings, chains, revisions, postings, recordings."""
    view = _actual(desk, digest)
    actual = view.statement
    posted = desk.reads.postings_of(view.digest)
    said = desk.reads.recordings_of(view.digest)
    context = {
        "view": view,
        "actual": actual,
        "revisions": desk.reads.revisions(actual.posted_as, actual.window),
        "postings": posted,
        "recordings": said,
        "held": _held(desk, (*posted, *said)),
    }
    return shown(request, "window.html", context)


def blocks(request: Request, desk: AtDesk, digest: DigestPath) -> Response:
    """The blocks that a window was decided from, each with the batches that say so."""
    view = _actual(desk, digest)
    parts: tuple[PartBlocks, ...] = ()
    unjudged = None
    try:
        parts = desk.reads.blocks(view.digest)
    except RuleSetError as error:
        unjudged = str(error)
    disclosed(request, f"blocks of window {digest}")
    context = {"view": view, "actual": view.statement, "parts": parts, "unjudged": unjudged}
    return shown(request, "blocks.html", context)


def statement(desk: AtDesk, digest: DigestPath) -> Response:
    """The signed actual as logged, to keep."""
    view = _actual(desk, digest)
    return _download(view.sign1, f"actual-{digest[:16]}.cose", COSE)


def bundle(request: Request, desk: AtDesk, digest: DigestPath) -> Response:
    """The evidence bundle, to verify elsewhere."""
    view = desk.reads.bundle(bytes.fromhex(digest), BundleKind.WINDOW)
    if view is None:
        raise _no_actual(digest)
    disclosed(request, f"window bundle {digest}")
    return _download(view.content, f"window-{digest[:16]}.sakshi", BUNDLE)


def batch(request: Request, desk: AtDesk, index: IndexPath) -> Response:
    """One batch: header, readings, registers, envelope, and the proof that it is in the log."""
    view = _batch(desk, index)
    disclosed(request, f"batch {index}")
    return shown(request, "batch.html", {"view": view})


def envelope(desk: AtDesk, index: IndexPath) -> Response:
    """The COSE_Sign1 as it came."""
    return _download(_batch(desk, index).batch.sign1, f"batch-{index}.cose", COSE)


def opening(request: Request, desk: AtDesk, index: IndexPath) -> Response:
    """The opening as it came."""
    view = _batch(desk, index)
    if view.opening is None:
        raise not_found(f"the opening of batch {index} was erased", "its header and its place in the log remain")
    disclosed(request, f"opening of batch {index}")
    return _download(view.opening, f"opening-{index}.cbor", "application/cbor")


def postings(
    request: Request,
    desk: AtDesk,
    state: Annotated[PostingState | None, Query()] = None,
    after: AfterRow = None,
    said_after: AfterRow = None,
) -> Response:
    """Postings, and the words of a discom that allocates by itself, latest first."""
    states = None if state is None else frozenset({state})
    found = desk.reads.postings(states=states, after=after, limit=_PAGE + 1)
    said = desk.reads.recordings(states=states, after=said_after, limit=_PAGE + 1)
    context = {
        "postings": found[:_PAGE],
        "recordings": said[:_PAGE],
        "held": _held(desk, (*found[:_PAGE], *said[:_PAGE])),
        "next": found[_PAGE - 1].posting if len(found) > _PAGE else None,
        "next_said": said[_PAGE - 1].recording if len(said) > _PAGE else None,
        "state": None if state is None else state.value,
        "states": [known.value for known in PostingState],
    }
    return shown(request, "postings.html", context)


def intake(request: Request, desk: AtDesk, after: AfterRow = None) -> Response:
    """What was not admitted, and the state of the program's parts."""
    found = desk.reads.turned_away(numbers=None, after=after, limit=_PAGE + 1)
    context = {
        "counts": desk.reads.counts(),
        "samples": found[:_PAGE],
        "next": found[_PAGE - 1].sample if len(found) > _PAGE else None,
        "components": desk.components(),
    }
    return shown(request, "intake.html", context)


def _held(desk: Desk, views: Iterable[PostingView | RecordingView]) -> Mapping[Delivery, Hold]:
    """Which hold keeps each of some postings and recordings back, by delivery."""
    held = {view.record.delivery for view in views if view.record.state is PostingState.HELD}
    return {} if desk.duty is None else desk.duty.held_by(held)


def _actual(desk: Desk, digest: str) -> ActualView:
    view = desk.reads.actual(bytes.fromhex(digest))
    if view is None:
        raise _no_actual(digest)
    return view


def _no_actual(digest: str) -> ApiError:
    return not_found(f"there is no actual {digest}", "see the list of windows")


def _batch(desk: Desk, index: int) -> BatchView:
    view = desk.reads.batch(index)
    if view is None:
        raise not_found(f"log index {index} holds no published batch", "take the index from a window's blocks")
    return view


def _download(content: bytes, name: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=media_type, headers=headers)
