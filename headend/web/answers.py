"""The JSON answers of the API, as OpenAPI describes them. Energies are whole Wh and kWh text; times are RFC 3339 in UTC."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from headend.views.evidence import ActualView, BatchView, ChainView, MeterView, PostingView, RecordingView, TurnedAway
from ledger_client.recording import record_reference
from signing.energy import kwh_text
from signing.interval import Interval, utc_text
from signing.statements.window_actual import Totals

T = TypeVar("T")


class Answer(BaseModel):
    """What every answer has in common: no field comes or goes unannounced."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(Answer, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None
    """Give it as `after` for the next page; null on the last one."""


class Span(Answer):
    """A half-open span of time."""

    start: str
    end: str


class Energies(Answer):
    """Import and export of a window; export is null where no meter has such a register."""

    import_wh: int
    import_kwh: str
    export_wh: int | None
    export_kwh: str | None
    net_wh: int
    """Import minus export: + drawn from the grid."""
    net_kwh: str


class Chain(Answer):
    """What one key said about a meter so far."""

    kid: str
    gateway: str
    state: str | None
    """ACTIVE, RETIRED or REVOKED; null when the newest record no longer lists the key."""
    head_sequence: int | None
    head_index: int | None
    heard_until: str | None
    gaps: list[tuple[int, int]]
    forks: list[tuple[int, str]]
    """Sequence of the fork point, and what showed it."""


class Meter(Answer):
    """A meter as its newest record states it."""

    meter: str
    connection_point: str
    posted_as: list[str]
    role: str
    period_s: int
    record_number: int
    record_digest: str
    record_index: int
    chains: list[Chain]


class Window(Answer):
    """The newest actual of a window, in short."""

    evidence_digest: str
    index: int
    logged_at: str
    connection_point: str
    posted_as: str
    window: Span
    revision: int
    cause: str
    status: str
    reason: str | None
    basis: str
    totals: Energies | None


class Actual(Answer):
    """One actual: the claims of the statement, and the same claims as a compact JWS."""

    index: int
    newest: bool
    claims: dict[str, Any]
    jws: str


class Batch(Answer):
    """An admitted batch with its proof. The bytes are hexadecimal."""

    index: int
    digest: str
    kid: str
    meter: str
    sequence: int
    sign1: str
    opening: str | None
    """Null once it was erased."""
    path: list[str]
    checkpoint: str


class Posting(Answer):
    """One actual addressed to a ledger, and how far it got."""

    posting: int
    posted_as: str
    delivery_start: str
    delivery_end: str
    evidence_digest: str
    revision: int
    net_wh: int
    net_kwh: str
    state: str
    attempts: int
    next_try: str
    note: str
    allocated_wh: int | None
    status: str | None
    """What was said of the delivery with it."""


class Recording(Answer):
    """One word on one side of one trade, and how far it got."""

    recording: int
    record_id: str
    transaction_id: str
    order_item_id: str
    side: str
    round: int
    posted_as: str
    delivery_start: str
    delivery_end: str
    evidence_digest: str
    reference: str
    """Under which the ledger holds it: the evidence digest and the round."""
    allocated_wh: int
    allocated_kwh: str
    status: str
    """What was said of the delivery with it."""
    state: str
    attempts: int
    next_try: str
    note: str
    """What the ledger, or the way there, said last: of REFUSED its reason, of DIFFERS what it shows."""


class Sample(Answer):
    """One message that was not admitted; what it carried is not shown."""

    sample: int
    check: int
    seen_at: str
    topic: str
    reason: str


class Intake(Answer):
    """What intake did not admit."""

    turned_away: dict[int, int]
    """Messages by check of docs/wire-format.md §5."""
    open_gaps: int
    forks: int
    samples: list[Sample]


class ComponentHealth(Answer):
    """One part of the running program."""

    name: str
    works: bool
    note: str


class Health(Answer):
    """Whether the head-end works."""

    discom: str
    works: bool
    now: str
    origin: str | None
    tree_size: int
    components: list[ComponentHealth]


def page(items: list[T], limit: int, place: str | None) -> Page[T]:
    """One page of at most `limit` items out of up to ``limit + 1`` that were asked for; `place` is that of the last one shown."""
    more = len(items) > limit
    return Page[T](items=items[:limit], next=place if more else None)


def span(interval: Interval) -> Span:
    """A span as RFC 3339."""
    return Span(start=utc_text(interval.start_utc), end=utc_text(interval.end_utc))


def energies(totals: Totals) -> Energies:
    """Totals with their exact decimal forms."""
    return Energies(
        import_wh=totals.import_wh,
        import_kwh=kwh_text(totals.import_wh),
        export_wh=totals.export_wh,
        export_kwh=None if totals.export_wh is None else kwh_text(totals.export_wh),
        net_wh=totals.net_wh,
        net_kwh=kwh_text(totals.net_wh),
    )


def chain(view: ChainView) -> Chain:
    """A chain."""
    return Chain(
        kid=view.kid.hex(),
        gateway=view.gateway,
        state=None if view.state is None else view.state.name,
        head_sequence=view.head_sequence,
        head_index=view.head_index,
        heard_until=None if view.heard_until_utc is None else utc_text(view.heard_until_utc),
        gaps=list(view.gaps),
        forks=[(fork.sequence, fork.kind) for fork in view.forks],
    )


def meter(view: MeterView) -> Meter:
    """A meter; what holds is its newest fact."""
    fact = view.record.facts[-1]
    return Meter(
        meter=view.record.meter,
        connection_point=fact.connection_point,
        posted_as=list(view.posted_as),
        role=fact.role.name,
        period_s=fact.period_s,
        record_number=view.record.number,
        record_digest=view.record_digest.hex(),
        record_index=view.record_index,
        chains=[chain(one) for one in view.chains],
    )


def window(view: ActualView) -> Window:
    """An actual in short."""
    actual = view.statement
    return Window(
        evidence_digest=view.digest.hex(),
        index=view.index,
        logged_at=utc_text(view.logged_utc),
        connection_point=actual.connection_point,
        posted_as=actual.posted_as,
        window=span(actual.window),
        revision=actual.revision,
        cause=actual.cause.name,
        status=actual.status.name,
        reason=actual.reason,
        basis=actual.basis.name.lower(),
        totals=None if actual.totals is None else energies(actual.totals),
    )


def batch(view: BatchView) -> Batch:
    """A batch with its proof."""
    return Batch(
        index=view.index,
        digest=view.batch.digest.hex(),
        kid=view.batch.kid.hex(),
        meter=view.batch.meter,
        sequence=view.batch.sequence,
        sign1=view.batch.sign1.hex(),
        opening=None if view.opening is None else view.opening.hex(),
        path=[node.hex() for node in view.path],
        checkpoint=view.tree.note.decode("utf-8"),
    )


def posting(view: PostingView) -> Posting:
    """A posting."""
    record = view.record
    return Posting(
        posting=view.posting,
        posted_as=record.delivery.posted_as,
        delivery_start=record.delivery.delivery_start,
        delivery_end=record.delivery.delivery_end,
        evidence_digest=record.actual.hex(),
        revision=record.revision,
        net_wh=record.net_wh,
        net_kwh=kwh_text(record.net_wh),
        state=record.state.value,
        attempts=record.attempts,
        next_try=utc_text(record.next_try_utc),
        note=record.note,
        allocated_wh=record.allocated_wh,
        status=None if record.status is None else record.status.value,
    )


def recording(view: RecordingView) -> Recording:
    """A recording."""
    record = view.record
    return Recording(
        recording=view.recording,
        record_id=record.record_id,
        transaction_id=record.transaction_id,
        order_item_id=record.order_item_id,
        side=record.side.value,
        round=record.round,
        posted_as=record.delivery.posted_as,
        delivery_start=record.delivery.delivery_start,
        delivery_end=record.delivery.delivery_end,
        evidence_digest=record.actual.hex(),
        reference=record_reference(record.actual, record.round),
        allocated_wh=record.allocated_wh,
        allocated_kwh=kwh_text(record.allocated_wh),
        status=record.status.value,
        state=record.state.value,
        attempts=record.attempts,
        next_try=utc_text(record.next_try_utc),
        note=record.note,
    )


def sample(view: TurnedAway) -> Sample:
    """A sample of what was not admitted."""
    return Sample(
        sample=view.sample, check=view.number, seen_at=utc_text(view.seen_utc), topic=view.topic, reason=view.reason
    )
