"""One association with one meter as a state machine: calls and bytes in, bytes and outcomes out.

::

    IDLE -associate-> ASSOCIATING -AARE-> READY -get-> READING -answer-> READY -release-> RELEASING -RLRE-> CLOSED
                      ASSOCIATING -AARE with a challenge-> PROVING -the meter's proof-> READY

Every move is in `states.TRANSITIONS`. Only AARQ, RLRQ and GET-Request can leave (`PERMITTED`), and reply_to_HLS while PROVING. In a
ciphered association that is judged before ciphering, and nothing that came is looked at before its tag is verified.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from edge_agent.errors import (
    CounterRefusedError,
    MeterDecodeError,
    MeterExceptionError,
    MeterForgedError,
    MeterRefusedError,
    MeterUnavailableError,
)
from edge_agent.readers.dlms import apdu, association, codec
from edge_agent.readers.dlms.apdu import AccessResult
from edge_agent.readers.dlms.association import Association
from edge_agent.readers.dlms.cosem import Attribute
from edge_agent.readers.dlms.hls import Login
from edge_agent.readers.dlms.link import Link
from edge_agent.readers.dlms.security import Cipher, Secret
from edge_agent.readers.dlms.states import TRANSITIONS, Event, State

__all__ = [
    "PERMITTED",
    "TRANSITIONS",
    "Answered",
    "Event",
    "Misfit",
    "Outcome",
    "Released",
    "Session",
    "State",
    "Step",
    "refusal",
]

PERMITTED: Final = frozenset({association.AARQ, association.RLRQ, apdu.GET_REQUEST})
"""The first octets of everything that may leave: associating, releasing, reading."""

_ACSE: Final = frozenset({association.AARQ, association.RLRQ})
"""Never ciphered whole: of an AARQ the InitiateRequest is, and a release says nothing."""
_ALWAYS_PLAIN: Final = frozenset({association.AARE, association.RLRE, apdu.EXCEPTION_RESPONSE})
"""What no meter ciphers: an AARE's user-information is verified apart, a release and an exception bring no value. That an exception
may not be taken for "the meter has no such thing" either is `DlmsClient.is_verified`'s.
"""

AGAIN_OCTETS: Final = 400
"""What a release and another association take on the wire, with a handshake."""
MAX_ANSWER_OCTETS: Final = 8 * 1024 * 1024
"""Longest answer accepted over all its blocks; 70 days of three-phase rows are below 1 MiB."""


@dataclass(frozen=True, slots=True)
class Released:
    """The meter confirmed the release."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A GET is complete: one result for each attribute asked, in order."""

    results: tuple[codec.Data | AccessResult, ...]


@dataclass(frozen=True, slots=True)
class Misfit:
    """The answer has begun in blocks that fill the link's frames badly, and so much is to come that an association which asks for
    shorter ones is cheaper: release this one, and ask again in another.
    """


Outcome: TypeAlias = Association | Answered | Released | Misfit


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from received bytes: bytes to write, and the outcome when the exchange is complete."""

    send: bytes
    outcome: Outcome | None


class Session:
    """The client's side of one association. Owns its link; shares nothing.

    It shows `secret` (LLS) or nothing (public), or associates as `login` says, which is asked for when it is needed: keys are
    held from `associate` until the association is over.
    """

    def __init__(self, link: Link, secret: Secret | None = None, *, login: Callable[[], Login] | None = None) -> None:
        self._link = link
        self._prepare: Callable[[], Login] | None = login or (lambda: Login(password=secret))
        self._login: Login | None = None
        self._unverified = 0
        self._state = State.IDLE
        self._granted: Association | None = None
        self._pending: Association | None = None
        self._invoke = 0
        self._asked: tuple[Attribute, ...] = ()
        self._may_misfit = False
        self._parts: list[bytes] = []
        self._received = 0
        self._parsers: dict[int, Callable[[bytes], Step]] = {
            association.AARE: self._on_aare,
            association.RLRE: self._on_rlre,
        }

    @property
    def link(self) -> Link:
        """What carries the association: the caller takes it down when the association is over."""
        return self._link

    @property
    def state(self) -> State:
        """Where the association stands."""
        return self._state

    @property
    def granted(self) -> Association:
        """What the meter granted.

        Raises:
            MeterUnavailableError: before it granted anything.
        """
        if self._granted is None:
            raise MeterUnavailableError("expected an association with the meter, got none")
        return self._granted

    @property
    def is_verified(self) -> bool:
        """Whether the tag of every answer so far was verified. True before the first answer."""
        return self._unverified == 0

    @property
    def overhead(self) -> int:
        """Most octets that ciphering adds to a request."""
        protection = self._protection()
        return 0 if protection is None else protection.overhead

    def associate(self) -> bytes:
        """The bytes that ask for the association.

        Raises:
            ReaderError: when the keys cannot be had.
        """
        self._move(Event.ASSOCIATE)
        assert self._prepare is not None
        self._login = self._prepare()
        return self._emit(self._login.request(self._link.answer_octets))

    def get(self, attribute: Attribute, access: bytes | None = None, *, may_misfit: bool = False) -> bytes:
        """The bytes that ask for `attribute`, whole or by an encoded selective-access descriptor.

        With `may_misfit` the outcome may be `Misfit`.
        """
        self._begin((attribute,))
        self._may_misfit = may_misfit
        return self._emit(apdu.get_normal(self._invoke, attribute, access))

    def get_list(self, attributes: tuple[Attribute, ...]) -> bytes:
        """The bytes that ask for several whole attributes at once (two or more)."""
        if len(attributes) < 2:
            raise ValueError("expected at least two attributes for a GET with list")
        self._begin(attributes)
        return self._emit(apdu.get_with_list(self._invoke, attributes))

    def release(self) -> bytes:
        """The bytes that ask for release; none when there is nothing to release."""
        if (self._state, Event.RELEASE) not in TRANSITIONS:
            return b""
        self._move(Event.RELEASE)
        return self._emit(association.rlrq())

    def lost(self) -> None:
        """The connection is gone: nothing leaves or arrives any more. Keys are dropped."""
        self._move(Event.LOST)
        self._drop()

    def receive(self, data: bytes) -> Step:
        """What follows from `data`, which may hold any part of an APDU, or several.

        Raises:
            MeterRefusedError: the meter said no to what was asked; the association still stands if it stood before.
            MeterUnavailableError: the meter rejects the association for now.
            MeterDecodeError: the bytes are wrong. After a wrong frame the association is closed.
        """
        try:
            received = self._link.receive(data)
        except MeterDecodeError:
            self.lost()
            raise
        send, outcome = received.reply, None
        for each in received.apdus:
            step = self._one(each)
            send += step.send
            outcome = step.outcome or outcome
        return Step(send, outcome)

    def _one(self, received: bytes) -> Step:
        tag = received[0]
        if tag in apdu.UNSOLICITED:
            return Step(b"", None)
        try:
            plain = self._opened(received)
            if plain[0] in apdu.UNSOLICITED:
                return Step(b"", None)
            return self._parsers.get(tag, self._on_answer)(plain)
        except MeterForgedError as error:
            # Whoever sent that, question and answer are no longer between the meter and us.
            self.lost()
            raise MeterForgedError(
                f"{error} in the answer to {self._subject()}" if self._asked else str(error)
            ) from error
        except MeterDecodeError as error:
            if self._state is State.READING:
                # The answer is whole, only wrong: the next question can be asked.
                self._move(Event.ANSWER)
            if self._state is not State.READY:
                self.lost()
            if self._asked:
                raise MeterDecodeError(f"{error} in the answer to {self._subject()}") from error
            raise

    def _opened(self, received: bytes) -> bytes:
        """The APDU behind its protection; in a ciphered association only what cannot be ciphered comes plain."""
        protection = self._protection()
        if protection is None or received[0] in _ALWAYS_PLAIN or self._state is State.RELEASING:
            return received
        return protection.open(received)

    def _protection(self) -> Cipher | None:
        return None if self._login is None else self._login.protection

    def _drop(self) -> None:
        login, self._login, self._prepare = self._login, None, None  # the password too
        if login is not None and login.cipher is not None:
            login.cipher.settle()

    def _stray(self, message: str) -> MeterDecodeError:
        """The error for an APDU that nobody asked for: question and answer are out of step, for good."""
        self.lost()
        return MeterDecodeError(message)

    def _emit(self, request: bytes) -> bytes:
        """The one gate: judges the plain APDU, then ciphers it where that was agreed, then lets it leave."""
        is_proof = self._state is State.PROVING and apdu.is_reply_to_hls(request)
        if request[0] not in PERMITTED and not is_proof:
            raise ValueError(f"expected a request that only reads, got tag 0x{request[0]:02x}")
        protection = self._protection()
        if protection is not None and request[0] not in _ACSE:
            request = protection.protect(request)
        return self._link.send(request)

    def _move(self, event: Event) -> None:
        following = TRANSITIONS.get((self._state, event))
        if following is None:
            if event in {Event.ASSOCIATE, Event.GET}:
                raise MeterUnavailableError(f"expected an open association, got {self._state.name}")
            raise MeterDecodeError(f"expected no {event.name} while {self._state.name}")
        self._state = following

    def _begin(self, attributes: tuple[Attribute, ...]) -> None:
        self._move(Event.GET)
        self._invoke = (self._invoke + 1) & 0x0F
        self._asked = attributes
        self._may_misfit = False
        self._parts = []
        self._received = 0

    def _subject(self) -> str:
        more = f" and {len(self._asked) - 1} more" if len(self._asked) > 1 else ""
        return f"{self._asked[0]}{more}"

    def _on_aare(self, received: bytes) -> Step:
        if self._state is not State.ASSOCIATING:
            raise self._stray(f"expected no AARE while {self._state.name}")
        login = self._login or Login()
        grant = association.parse_grant(received, is_ciphered=login.is_ciphered)
        agreed, proof = login.agree(grant), login.prove(grant)
        if proof is None:
            return self._grant(agreed)
        self._pending = agreed
        self._move(Event.CHALLENGED)
        self._invoke = 1
        return Step(self._emit(apdu.reply_to_hls(self._invoke, proof)), None)

    def _grant(self, agreed: Association) -> Step:
        self._granted = agreed
        self._move(Event.GRANTED)
        return Step(b"", agreed)

    def _on_proof(self, received: bytes) -> Step:
        agreed = self._pending
        handshake = None if self._login is None else self._login.handshake
        if agreed is None or handshake is None:
            raise self._stray("expected no proof before the meter's challenge")
        if received[0] == apdu.EXCEPTION_RESPONSE:
            raise self._exception("to finish the handshake", apdu.parse(received))
        invoke, proof = apdu.parse_hls_answer(received)
        if invoke != self._invoke:
            raise self._stray(f"expected an answer to request {self._invoke}, got one to {invoke}")
        if proof is None:
            self.lost()
            raise MeterRefusedError("the meter refuses our proof: check the keys of this association")
        if not handshake.is_proven(proof):
            raise MeterForgedError("the meter does not prove that it knows the key: another key, or another meter")
        return self._grant(agreed)

    def _on_rlre(self, _received: bytes) -> Step:
        if self._state is not State.RELEASING:
            raise self._stray(f"expected no RLRE while {self._state.name}")
        self._move(Event.RELEASED)
        self._drop()
        return Step(b"", Released())

    def _on_answer(self, received: bytes) -> Step:
        if self._state is State.RELEASING:
            return Step(b"", None)
        if self._state is State.ASSOCIATING and received[0] == apdu.EXCEPTION_RESPONSE:
            raise self._exception("to associate", apdu.parse(received))
        if self._state is State.PROVING:
            return self._on_proof(received)
        if self._state is not State.READING:
            raise self._stray(f"expected nothing while {self._state.name}, got APDU 0x{received[0]:02x}")
        answer = apdu.parse(received)
        if isinstance(answer, apdu.ExceptionAnswer):
            self._move(Event.ANSWER)
            raise self._exception(self._subject(), answer)
        if answer.invoke != self._invoke:
            raise self._stray(f"expected an answer to request {self._invoke}, got one to {answer.invoke}")
        if isinstance(answer, apdu.Block):
            return self._on_block(answer)
        self._move(Event.ANSWER)
        results = (answer.result,) if isinstance(answer, apdu.Normal) else answer.results
        return self._answered(results)

    def _exception(self, what: str, answer: apdu.Answer) -> MeterExceptionError:
        text = f"the meter refuses {what}: {answer}"
        if isinstance(answer, apdu.ExceptionAnswer) and answer.service_error == apdu.COUNTER_ERROR:
            return CounterRefusedError(text, expected=answer.expected_counter)
        return MeterExceptionError(text)

    def _on_block(self, block: apdu.Block) -> Step:
        if block.part is None:
            self._move(Event.ANSWER)
            return self._answered((block.result or AccessResult.OTHER_REASON,) * len(self._asked))
        if block.number != len(self._parts) + 1:
            raise self._stray(f"expected block {len(self._parts) + 1}, got {block.number}")
        if not block.part and not block.last:
            raise MeterDecodeError(f"expected octets in block {block.number}, got none")
        self._received += len(block.part)
        if self._received > MAX_ANSWER_OCTETS:
            raise MeterDecodeError(f"expected at most {MAX_ANSWER_OCTETS} octets, got more")
        self._parts.append(block.part)
        if not block.last:
            self._link.was_block()
            self._move(Event.BLOCK)
            if self._may_misfit and block.number == 1 and self._is_misfit(block.part):
                return Step(b"", Misfit())
            return Step(self._emit(apdu.get_next(self._invoke, block.number)), None)
        self._move(Event.ANSWER)
        raw = b"".join(self._parts)
        self._parts = []
        return self._answered(apdu.parse_results(raw) if len(self._asked) > 1 else (codec.decode(raw),))

    def _is_misfit(self, beginning: bytes) -> bool:
        # What came is asked for again.
        spent = len(beginning) * 5 // 4 + AGAIN_OCTETS
        return self._link.gain * codec.foreseen(beginning) > spent

    def _answered(self, results: tuple[codec.Data | AccessResult, ...]) -> Step:
        if len(results) != len(self._asked):
            raise MeterDecodeError(f"expected {len(self._asked)} results, got {len(results)}")
        if self._protection() is None:
            self._unverified += 1
        return Step(b"", Answered(results))


def refusal(attribute: Attribute, result: AccessResult) -> MeterRefusedError | MeterUnavailableError:
    """The error for an attribute that the meter did not give, naming it."""
    text = f"the meter refuses {attribute}: {result.name.lower().replace('_', ' ')} ({result.value})"
    if result in apdu.TRANSIENT:
        return MeterUnavailableError(text)
    return MeterRefusedError(text, reason=result.value)
