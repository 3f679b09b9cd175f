"""Whose push it is, what it is worth, and whether it brings that meter's next poll forward. Nothing of it is ever signed.

A verified push of a meter is an occasion to read it now: the block that it announces, or what its alert is about, is then read in the
association, with its capture objects, as everything that is signed. One that nobody can verify is a hint, or refused, as configured.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from edge_agent.errors import MeterDecodeError, MeterForgedError, MeterKeyError
from edge_agent.push_settings import MeterPush, Plain, PushSettings
from edge_agent.readers.access import MeterKeys
from edge_agent.readers.dlms.push import Kind, Notification, SealedPush, Told, open_sealed, parse_push, told
from edge_agent.readers.dlms.security import CipherKeys

_FLAG_LETTERS: Final = 3


class Refusal(Enum):
    """Why a push, or a connection, is not taken. The value is what an operator reads."""

    MALFORMED = "malformed"
    """Not a push, or not whole."""
    SLOW = "slow"
    """A push that was begun and not finished in time."""
    CROWDED = "crowded"
    """More connections than are served."""
    FLOODED = "flooded"
    """More pushes than are looked at."""
    UNKNOWN = "unknown"
    """Of no configured meter."""
    NO_KEYS = "no keys"
    """Ciphered, and its keys cannot be had."""
    FORGED = "forged"
    """Its tag does not verify, or it is ciphered as nothing here can verify."""
    REPLAYED = "replayed"
    """Its counter is not above one that was verified before."""
    PLAIN = "plain"
    """Nobody vouches for it, and this meter's are to be ciphered."""


class PushRefusedError(Exception):
    """A push is refused. Carries why, and the meter where it names one; whether it is that meter's own nobody knows."""

    def __init__(self, refusal: Refusal, message: str, meter: str | None = None) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.meter = meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A meter that may push."""

    meter: str
    serial: str
    push: MeterPush


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A push that was taken."""

    meter: str
    kind: Kind
    events: frozenset[int]
    """Bits of an alert's event status word."""
    is_authentic: bool
    is_occasion: bool
    """Whether the meter is to be read now; else it was, a short time ago, for another push."""


class PushVault(Protocol):
    """Meters' keys, and what was heard under them. Errors as `readers.access.Vault`."""

    def unlock(self, uri: str) -> MeterKeys:
        """The keys. They MUST NOT be kept longer than it takes to verify one push."""

    def hear(self, uri: str, title: bytes, counter: int) -> bool:
        """See `CounterJournal.hear`."""


class PushDesk:
    """Judges pushes, one at a time. `now_s` is the clock, in seconds."""

    def __init__(
        self, settings: PushSettings, senders: Sequence[Sender], vault: PushVault | None, now_s: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._senders = senders
        self._by_title = {sender.push.title: sender for sender in senders if sender.push.title is not None}
        self._vault = vault
        self._now_s = now_s
        self._last: dict[tuple[str, bool, bool], float] = {}
        """When a push last brought a poll forward: of which meter, verified or not, an alert or not."""

    def take(self, apdu: bytes) -> Heard:
        """What `apdu` is worth. A verified one is used up by this: its counter is noted on disk first.

        Raises:
            PushRefusedError: with the reason.
            StateError: the counter cannot be noted.
        """
        try:
            push = parse_push(apdu)
        except MeterForgedError as error:
            raise PushRefusedError(Refusal.FORGED, str(error)) from error
        except MeterDecodeError as error:
            raise PushRefusedError(Refusal.MALFORMED, str(error)) from error
        if isinstance(push, SealedPush):
            return self._sealed(push)
        said = told(push)
        sender = next((sender for sender in self._senders if _is_named(sender, said)), None)
        if sender is None:
            raise PushRefusedError(Refusal.UNKNOWN, "expected the name of a configured meter in a plain push, got none")
        if sender.push.plain is Plain.REFUSE:
            raise PushRefusedError(
                Refusal.PLAIN,
                'expected a ciphered push, got a plain one: have the meter\'s push setup ciphered, or set plain_push = "hint"',
                sender.meter,
            )
        return self._heard(sender, said, is_authentic=False)

    def _sealed(self, push: SealedPush) -> Heard:
        sender = self._by_title.get(push.title)
        if sender is None:
            raise PushRefusedError(
                Refusal.UNKNOWN, f"expected the push_title of a configured meter, got {push.title.hex()}"
            )
        try:
            notification = self._opened(push, sender)
        except MeterKeyError as error:
            raise PushRefusedError(Refusal.NO_KEYS, str(error), sender.meter) from error
        except MeterForgedError as error:
            raise PushRefusedError(Refusal.FORGED, str(error), sender.meter) from error
        except MeterDecodeError as error:
            raise PushRefusedError(Refusal.MALFORMED, str(error), sender.meter) from error
        return self._heard(sender, told(notification), is_authentic=True)

    def _opened(self, push: SealedPush, sender: Sender) -> Notification:
        """The verified and fresh notification in `push`."""
        uri = sender.push.keys
        if uri is None or self._vault is None:
            raise MeterKeyError(f'expected keys for the pushes of meter {sender.meter}: set push_keys = "store:METER"')
        keys = self._vault.unlock(uri)
        if keys.encryption is None or keys.authentication is None:
            raise MeterKeyError(f"expected keys of the roles 'encryption' and 'authentication' in '{uri}': import them")
        opened = open_sealed(push, CipherKeys(encryption=keys.encryption, authentication=keys.authentication))
        # Only now: a forged counter must not lock the meter out.
        if not self._vault.hear(uri, push.title, push.counter):
            raise PushRefusedError(
                Refusal.REPLAYED,
                f"expected an invocation counter above those of the meter's earlier pushes, got {push.counter}; if the meter was "
                "reset, run `sakshi-agent keys accept-counter`",
                sender.meter,
            )
        return opened

    def _heard(self, sender: Sender, said: Told, *, is_authentic: bool) -> Heard:
        return Heard(
            meter=sender.meter,
            kind=said.kind,
            events=said.events,
            is_authentic=is_authentic,
            # A plain push says that it is an alert as easily as that it is none.
            is_occasion=self._is_occasion((sender.meter, is_authentic, is_authentic and said.kind is Kind.ALERT)),
        )

    def _is_occasion(self, of: tuple[str, bool, bool]) -> bool:
        now_s, last_s = self._now_s(), self._last.get(of)
        pause_s = self._settings.authentic_s if of[1] else self._settings.hint_s
        # A clock that was set back silences nobody for longer.
        if last_s is not None and 0 <= now_s - last_s < pause_s:
            return False
        self._last[of] = now_s
        return True


def _is_named(sender: Sender, said: Told) -> bool:
    """Whether a body names the meter: its serial number, alone or behind a maker's three letters, or its system title."""
    serial = sender.serial.encode()
    own = {serial, sender.push.title}
    return any(
        name in own or (name[_FLAG_LETTERS:] == serial and name[:_FLAG_LETTERS].isalpha()) for name in said.names
    )
