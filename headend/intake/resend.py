"""Asking gateways for the batches that are missing. Source: EVIDENCE §3; docs/wire-format.md §4.6."""

from typing import NamedTuple

from headend.onboarding.known import Registry
from headend.store.sqlite import command_rows, lost_rows
from headend.store.sqlite.batch_rows import SqliteBatches
from headend.store.sqlite.database import Database
from headend.transport.transport import Transport
from signing.envelope import Signed, sign
from signing.fields import MAX_UINT
from signing.keys import Signer
from signing.messages import DownKind, SignedAnswer, encode_down
from signing.statements.answers import Command, CommandKind
from signing.statements.meter_record import SpeakerState
from signing.topics import GatewayAddress

AGAIN_AFTER_S = 3600
"""A gap that stays open is asked for again after an hour: the command, or the agent's answer, may be lost."""

MOST = 256


class _Wanted(NamedTuple):
    """Sequences of a chain, `first` to `last`, both included."""

    meter: str
    kid: bytes
    first: int
    last: int


class GapChaser:
    """Asks for open gaps. Owned by the thread that owns the database's connection."""

    __slots__ = ("_batches", "_database", "_registry", "_signer", "_transport")

    def __init__(self, *, database: Database, registry: Registry, signer: Signer, transport: Transport) -> None:
        """`signer` is the discom's statement key."""
        self._database = database
        self._registry = registry
        self._signer = signer
        self._transport = transport
        self._batches = SqliteBatches(database.connection)

    def ask(self, now_utc: int, *, again_after_s: int = AGAIN_AFTER_S, most: int = MOST) -> tuple[Signed[Command], ...]:
        """Publishes a RESEND for every open gap that nobody asked for lately, and for what a restore lost; what was asked for.

        A gap of a key that may no longer speak is left alone: nothing of it would be admitted.

        Raises:
            StoreUnavailableError: nothing was asked for.
            TransportUnavailableError: some commands may be lost; they are given again after `again_after_s`.
        """
        asked: list[tuple[GatewayAddress, Signed[Command]]] = []
        with self._database.transaction() as connection:
            before_utc = now_utc - again_after_s
            wanted: list[_Wanted] = []
            for gap in self._batches.open_gaps(asked_before_utc=before_utc, most=most):
                # Noted for every gap, or those that cannot be asked for would stand in the way of the others.
                self._batches.asked(gap, at_utc=now_utc)
                wanted.append(_Wanted(gap.meter, gap.kid, gap.first, gap.last))
            for chain, meter, kid, head in lost_rows.tails(connection, asked_before_utc=before_utc, most=most):
                lost_rows.asked(connection, chain, at_utc=now_utc)
                wanted.append(_Wanted(meter, kid, head + 1, MAX_UINT))
            for one in wanted:
                key = self._registry.key(one.kid)
                if key is None or not self._may_speak(one):
                    continue
                number = command_rows.next_number(connection, key.address.gateway)
                command = sign(_resend(one, key.address.gateway, number), self._signer)
                command_rows.put(connection, key.address.gateway, number, command.envelope.encoded(), at_utc=now_utc)
                asked.append((key.address, command))
        # Published after the commit: a number is never given twice.
        for address, command in asked:
            message = SignedAnswer(kind=DownKind.COMMAND, envelope=command.envelope)
            self._transport.publish(address.down, encode_down(message))
        return tuple(command for _, command in asked)

    def _may_speak(self, wanted: _Wanted) -> bool:
        meter = self._registry.meter(wanted.meter)
        speaker = None if meter is None else meter.record.speaker(wanted.kid)
        return speaker is not None and speaker.state is not SpeakerState.REVOKED


def _resend(wanted: _Wanted, gateway: str, number: int) -> Command:
    return Command(
        kind=CommandKind.RESEND,
        number=number,
        gateway=gateway,
        meter=wanted.meter,
        kid=wanted.kid,
        first=wanted.first,
        last=wanted.last,
    )
