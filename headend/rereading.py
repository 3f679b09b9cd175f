"""Blocks that a window lacks, and asking their gateway to read them again from the meter's memory.

What lacks is noted when a window is decided, by whichever thread decides; asking belongs to the thread that speaks to gateways. A
block that comes by itself ends the search like one that was asked for. Source: VEE §B E0; docs/wire-format.md §4.6 (REREAD).
"""

from headend.attest import Attestor, Subject
from headend.duties.hunting import missing_spans, next_utc
from headend.onboarding.known import Registry
from headend.store.sqlite import command_rows, hunt_rows
from headend.store.sqlite.database import Database
from headend.store.sqlite.hunt_rows import Hunt
from headend.transport.transport import Transport
from headend.windows import validated
from signing.envelope import Signed, sign
from signing.interval import DAY_S, Interval, ist_day_start
from signing.keys import Signer
from signing.messages import DownKind, SignedAnswer, encode_down
from signing.statements.answers import Command, CommandKind
from signing.statements.meter_record import Role, SpeakerState
from signing.statements.window_actual import Status, WindowActual
from signing.topics import GatewayAddress

MOST = 256
"""Commands of one round."""

_WHOLE = frozenset({Status.FINAL, Status.TRUE_UP})


def note(database: Database, attestor: Attestor, subject: Subject) -> int:
    """Notes what a window lacks, in it and in the days that its balance needs; how many spans.

    Raises:
        FatalError, RuleSetError: as `Attestor.case`.
        StoreUnavailableError: nothing was noted.
    """
    parts = validated(attestor.case(subject))
    found = [
        (part.case.record.meter, part.validation.context, missing_spans(part.validation.intervals)) for part in parts
    ]
    with database.transaction() as connection:
        for meter, within, spans in found:
            hunt_rows.replace(connection, meter, within, [(span, next_utc(span, 0, 0)) for span in spans])
    return sum(len(spans) for _, _, spans in found)


def note_said(database: Database, attestor: Attestor, actual: WindowActual) -> None:
    """As `note`, of what was just said: nothing of a final window is looked for, its balance spans its days.

    Raises:
        FatalError, RuleSetError, StoreUnavailableError: as `note`.
    """
    if actual.status in _WHOLE:
        with database.transaction() as connection:
            for part in actual.parts:
                hunt_rows.replace(connection, part.meter, _days(part.span), ())
    else:
        note(database, attestor, _subject(actual))


def look_again(database: Database, registry: Registry, connection_point: str, window: Interval, *, now_utc: int) -> int:
    """Has a window read again, whatever is known of it: asked for now or when it has ended, then daily until it is decided; how many spans.

    Raises:
        StoreUnavailableError: nothing is asked for.
    """
    meters = [
        meter.record.meter
        for meter in registry.meters_at(connection_point)
        if any(fact.role is Role.REVENUE and fact.connection_point == connection_point for fact in meter.record.facts)
    ]
    spans = [(meter, day) for meter in meters for day in window.ist_days()]
    with database.transaction() as connection:
        for meter, day in spans:
            hunt_rows.put(connection, meter, day, max(now_utc, day.end_utc))
    return len(spans)


def _subject(actual: WindowActual) -> Subject:
    return Subject(connection_point=actual.connection_point, posted_as=actual.posted_as, window=actual.window)


def _days(span: Interval) -> Interval:
    return Interval(ist_day_start(span.start_utc), ist_day_start(span.end_utc - 1) + DAY_S)


class Rereader:
    """Asks for blocks that lack. Owned by the thread that owns the database's connection."""

    __slots__ = ("_database", "_registry", "_signer", "_transport")

    def __init__(self, *, database: Database, registry: Registry, signer: Signer, transport: Transport) -> None:
        """`signer` is the discom's statement key."""
        self._database = database
        self._registry = registry
        self._signer = signer
        self._transport = transport

    def ask(self, now_utc: int, *, most: int = MOST) -> tuple[Signed[Command], ...]:
        """Publishes a REREAD for everything that is due; what was asked for.

        Raises:
            StoreUnavailableError: nothing was asked for.
            TransportUnavailableError: some commands may be lost; they are given again when they are next due.
        """
        if not hunt_rows.due(self._database.connection, now_utc, most=1):
            return ()
        asked: list[tuple[GatewayAddress, Signed[Command]]] = []
        with self._database.transaction() as connection:
            for hunt in hunt_rows.due(connection, now_utc, most=most):
                # Noted for all, or those that nobody can be asked for would stand in the way of the others.
                hunt_rows.asked(connection, hunt, next_utc(hunt.span, hunt.asked + 1, now_utc))
                for address, kid in self._speakers(hunt.meter).items():
                    number = command_rows.next_number(connection, address.gateway)
                    command = sign(_reread(hunt, address.gateway, kid, number), self._signer)
                    command_rows.put(connection, address.gateway, number, command.envelope.encoded(), at_utc=now_utc)
                    asked.append((address, command))
        # Published after the commit: a number is never given twice.
        for address, command in asked:
            message = SignedAnswer(kind=DownKind.COMMAND, envelope=command.envelope)
            self._transport.publish(address.down, encode_down(message))
        return tuple(command for _, command in asked)

    def _speakers(self, meter: str) -> dict[GatewayAddress, bytes]:
        """Where the keys are spoken to that speak for a meter now, each place once."""
        found = self._registry.meter(meter)
        speakers = {} if found is None else found.speakers
        active = [kid for kid in sorted(speakers) if speakers[kid].state is SpeakerState.ACTIVE]
        keys = [(self._registry.key(kid), kid) for kid in active]
        return {key.address: kid for key, kid in keys if key is not None}


def _reread(hunt: Hunt, gateway: str, kid: bytes, number: int) -> Command:
    return Command(
        kind=CommandKind.REREAD,
        number=number,
        gateway=gateway,
        meter=hunt.meter,
        kid=kid,
        first=hunt.span.start_utc,
        last=hunt.span.end_utc,
    )
