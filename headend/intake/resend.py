"""Asking gateways for the batches that are missing. Source: EVIDENCE §3; docs/wire-format.md §4.6."""

from headend.registry import Registry
from headend.store.sqlite import command_rows
from headend.store.sqlite.batch_rows import OpenGap, SqliteBatches
from headend.store.sqlite.database import Database
from headend.transport.transport import Transport
from signing.envelope import Signed, sign
from signing.keys import Signer
from signing.messages import DownKind, SignedAnswer, encode_down
from signing.statements.answers import Command, CommandKind
from signing.statements.meter_record import SpeakerState
from signing.topics import GatewayAddress

AGAIN_AFTER_S = 3600
"""A gap that stays open is asked for again after an hour: the command, or the agent's answer, may be lost."""

MOST = 256


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
        """Publishes a RESEND for every open gap that nobody asked for lately; what was asked for.

        A gap of a key that may no longer speak is left alone: nothing of it would be admitted.

        Raises:
            StoreUnavailableError: nothing was asked for.
            TransportUnavailableError: some commands may be lost; they are given again after `again_after_s`.
        """
        asked: list[tuple[GatewayAddress, Signed[Command]]] = []
        with self._database.transaction() as connection:
            for gap in self._batches.open_gaps(asked_before_utc=now_utc - again_after_s, most=most):
                # Noted for every gap, or those that cannot be asked for would stand in the way of the others.
                self._batches.asked(gap, at_utc=now_utc)
                key = self._registry.key(gap.kid)
                if key is None or not self._may_speak(gap):
                    continue
                number = command_rows.next_number(connection, key.address.gateway)
                command = sign(_resend(gap, key.address.gateway, number), self._signer)
                command_rows.put(connection, key.address.gateway, number, command.envelope.encoded(), at_utc=now_utc)
                asked.append((key.address, command))
        # Published after the commit: a number is never given twice.
        for address, command in asked:
            message = SignedAnswer(kind=DownKind.COMMAND, envelope=command.envelope)
            self._transport.publish(address.down, encode_down(message))
        return tuple(command for _, command in asked)

    def _may_speak(self, gap: OpenGap) -> bool:
        meter = self._registry.meter(gap.meter)
        speaker = None if meter is None else meter.record.speaker(gap.kid)
        return speaker is not None and speaker.state is not SpeakerState.REVOKED


def _resend(gap: OpenGap, gateway: str, number: int) -> Command:
    return Command(
        kind=CommandKind.RESEND,
        number=number,
        gateway=gateway,
        meter=gap.meter,
        kid=gap.kid,
        first=gap.first,
        last=gap.last,
    )
