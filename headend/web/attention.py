"""What an operator looks at first: everything that stands still or contradicts itself, worst first, with its cause.

Pure: built from views. Status words are the enums' own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from headend.duties.component import Component
from headend.trading.posting import PostingState
from headend.views.evidence import ActualView, AwaitedView, MeterView, PostingView, RecordingView
from signing.interval import ist_text
from signing.statements.window_actual import Status

STUCK = (PostingState.REFUSED, PostingState.DIFFERS, PostingState.EXPIRED, PostingState.HELD)
"""Postings and recordings that nothing but an operator moves."""

LATE = (PostingState.WAITING, PostingState.DUE)
"""Postings and recordings that are tried again; they need a look once they were tried."""

UNDECIDED = (Status.PENDING, Status.NOT_MEASURABLE)
"""Windows without totals."""

_REMEDY = {
    PostingState.REFUSED: "the ledger refused it for good: correct the trade or the alias, then `sakshi-headend post`",
    PostingState.DIFFERS: "the ledger's rows contradict its receipt: compare them with the ledger's operator",
    PostingState.EXPIRED: "no platform put this trade before the deadline: ask the platform",
    PostingState.HELD: "an operator holds it back: `sakshi-headend hold release` lets it go",
    PostingState.WAITING: "the ledger has no such trade yet: it is tried again until the deadline",
    PostingState.DUE: "no answer yet: it is tried again",
}
_WINDOW_REMEDY = {
    Status.PENDING: "blocks are missing or doubtful: see its blocks; the gateway is asked for what lacks",
    Status.NOT_MEASURABLE: "the window cannot be measured by this meter: tell the exchange",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing that needs a look."""

    word: str
    """The status word."""
    about: str
    cause: str
    remedy: str
    link: str
    """Path of the page that shows it."""


def concerns(
    *,
    components: Iterable[Component],
    postings: Iterable[PostingView | RecordingView],
    windows: Iterable[ActualView],
    meters: Iterable[MeterView],
    awaited: Iterable[AwaitedView],
    now_utc: int,
) -> tuple[Concern, ...]:
    """What needs a look, worst first.

    What does not work, stuck postings, forks, ended windows without an actual, undecided windows, gaps, late postings.
    """
    rows = tuple(postings)
    known = tuple(meters)
    return (
        *(_component(component) for component in components if not component.works),
        *(_posting(row) for state in STUCK for row in rows if row.record.state is state),
        *(concern for meter in known for concern in _forks(meter)),
        *(_awaited(row) for row in awaited if row.delivery.window.end_utc <= now_utc),
        *(_window(window) for status in UNDECIDED for window in windows if window.statement.status is status),
        *(concern for meter in known for concern in _gaps(meter)),
        *(_posting(row) for state in LATE for row in rows if row.record.state is state and row.record.attempts),
    )


def _component(component: Component) -> Concern:
    return Concern(word="DOWN", about=component.name, cause=component.note, remedy="restore it", link="/console/intake")


def _posting(view: PostingView | RecordingView) -> Concern:
    record = view.record
    said = f", {view.record.side.value} round {view.record.round}" if isinstance(view, RecordingView) else ""
    return Concern(
        word=record.state.value,
        about=f"{record.delivery.posted_as}, {ist_text(record.delivery.window.start_utc)}{said}",
        cause=record.note or "nothing was said",
        remedy=_REMEDY[record.state],
        link=f"/console/windows/{record.actual.hex()}",
    )


def _awaited(view: AwaitedView) -> Concern:
    known = view.connection_point is not None
    return Concern(
        word="NO ACTUAL",
        about=f"{view.delivery.posted_as}, {ist_text(view.delivery.window.start_utc)}",
        cause="nothing decided yet" if known else "no connection point has this id at the ledger",
        remedy="see whether its gateway is heard"
        if known
        else "give the id to its connection point, exactly as spelt here",
        link="/console/meters",
    )


def _window(view: ActualView) -> Concern:
    actual = view.statement
    return Concern(
        word=actual.status.name,
        about=f"{actual.posted_as}, {ist_text(actual.window.start_utc)}",
        cause=actual.reason or "",
        remedy=_WINDOW_REMEDY[actual.status],
        link=f"/console/windows/{view.digest.hex()}",
    )


def _forks(view: MeterView) -> tuple[Concern, ...]:
    return tuple(
        Concern(
            word="FORK",
            about=f"{view.record.meter}, key {chain.kid.hex()[:16]}",
            cause=f"two histories from sequence {fork.sequence} on ({fork.kind})",
            remedy="find out which branch holds, name it in the meter's record, revoke a cloned key",
            link=f"/console/meters/{view.record.meter}",
        )
        for chain in view.chains
        # A record that names the good branch has settled the matter.
        if (speaker := view.record.speaker(chain.kid)) is None or speaker.good is None
        for fork in chain.forks[:1]
    )


def _gaps(view: MeterView) -> tuple[Concern, ...]:
    return tuple(
        Concern(
            word="GAP",
            about=f"{view.record.meter}, key {chain.kid.hex()[:16]}",
            cause=f"{sum(last - first + 1 for first, last in chain.gaps)} sequence(s) below {chain.head_sequence} not admitted",
            remedy="the gateway is asked to send them again; if it cannot, its meter's memory fills the blocks",
            link=f"/console/meters/{view.record.meter}",
        )
        for chain in view.chains
        if chain.gaps
    )
