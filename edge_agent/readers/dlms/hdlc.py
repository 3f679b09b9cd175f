"""One client's end of an HDLC link: connects, numbers, segments, acknowledges, disconnects. Sans-io.

The meter speaks only when it was polled (normal response mode): after every frame with the poll bit it has the turn until its
frame with the final bit. Deadlines are the caller's, who may `ask_again` after silence.

Source: DLMS UA Green Book, "data link layer using HDLC", and ISO/IEC 13239 (unbalanced, normal response mode).
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from edge_agent.errors import MeterDecodeError, MeterUnavailableError
from edge_agent.readers.dlms.hdlc_frame import Deframer, Frame, client_address, encode
from edge_agent.readers.dlms.link import Received

DEFAULT_INFORMATION: Final = 128
"""Octets of information in a frame where nothing else was negotiated."""
MOST_INFORMATION: Final = 2030
"""Source: Green Book, maximum information field length."""
MOST_WINDOW: Final = 7
"""Frame numbers have three bits."""
LONGEST_APDU: Final = 0xFFFF
MOST_MESSAGE: Final = LONGEST_APDU + 3
"""Octets of a whole message: the longest APDU and its LLC header."""
MOST_STRIKES: Final = 3
"""Turns in a row without progress before the line is given up: a storm of repetitions helps nobody."""

_COMMAND: Final = bytes.fromhex("e6e600")
_RESPONSE: Final = bytes.fromhex("e6e700")
_POLL: Final = 0x10
_RR, _RNR, _REJ = 0x01, 0x05, 0x09
_SNRM, _DISC, _UA, _DM, _FRMR = 0x83, 0x43, 0x63, 0x0F, 0x87
_FORMAT, _GROUP = 0x81, 0x80
_MAX_TRANSMIT, _MAX_RECEIVE, _WINDOW_TRANSMIT, _WINDOW_RECEIVE = 5, 6, 7, 8


class Phase(Enum):
    """Where the link stands."""

    NEW = auto()
    CONNECTING = auto()
    OPEN = auto()
    LEAVING = auto()
    GONE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class HdlcLimits:
    """What this end asks for; the meter may grant less."""

    information: int = DEFAULT_INFORMATION
    """Octets of information in one frame, both ways; 32…2030."""
    window: int = 1
    """Frames that the meter may send before it is acknowledged; 1…7."""

    def __post_init__(self) -> None:
        if not 32 <= self.information <= MOST_INFORMATION or not 1 <= self.window <= MOST_WINDOW:
            raise ValueError(f"expected 32 to {MOST_INFORMATION} octets and a window of 1 to {MOST_WINDOW}, got {self}")

    def octets(self) -> bytes:
        """As parameters of an SNRM; none where everything is the standard's default."""
        if self == DEFAULT_LIMITS:
            return b""
        size = self.information.to_bytes(1 if self.information < 0x100 else 2, "big")
        parts = (
            (_MAX_TRANSMIT, size),
            (_MAX_RECEIVE, size),
            (_WINDOW_TRANSMIT, (1).to_bytes(4, "big")),
            (_WINDOW_RECEIVE, self.window.to_bytes(4, "big")),
        )
        body = b"".join(bytes([name, len(value)]) + value for name, value in parts)
        return bytes([_FORMAT, _GROUP, len(body)]) + body


DEFAULT_LIMITS: Final = HdlcLimits()


@dataclass(slots=True)
class AnswerSize:
    """The longest APDU that one meter is asked for. Its links share this: what one learns, the next association asks for.

    A meter that cuts its answers at 1024 octets fills eight frames of 128 and sends a ninth for the rest; asked for 1021, it
    needs no ninth.
    """

    octets: int = LONGEST_APDU

    def learn(self, message: int, frame: int) -> None:
        """The meter makes messages of `message` octets where an answer is longer, in frames of `frame`."""
        full = message - message % frame
        if full and _cost(full, frame) < _cost(message, frame):
            self.octets = full - len(_RESPONSE)


def _cost(message: int, frame: int) -> float:
    """Octets on the wire beside each octet of an answer's own: frames with their acknowledgements, and the next request."""
    return (20 * -(-message // frame) + 48) / max(1, message - 15)


@dataclass(frozen=True, slots=True)
class _Segment:
    """One frame's worth of a message."""

    information: bytes
    last: bool


class HdlcLink:
    """A `Link` over HDLC: the first APDU opens it, and waits for the meter's UA."""

    def __init__(
        self, *, client: int, server: bytes, limits: HdlcLimits = DEFAULT_LIMITS, size: AnswerSize | None = None
    ) -> None:
        self._client = client_address(client)
        self._server = server
        self._limits = limits
        self._size = AnswerSize() if size is None else size
        self._deframer = Deframer(destination=self._client, source=server)
        self._phase = Phase.NEW
        self._information = DEFAULT_INFORMATION
        self._waiting: deque[bytes] = deque()
        self._queue: deque[_Segment] = deque()
        self._unacknowledged: _Segment | None = None
        self._next_sent = 0
        self._next_received = 0
        self._is_our_turn = True
        self._is_answer_due = False
        self._has_polled = False
        self._message = bytearray()
        self._frame_octets = self._message_octets = 0
        self._strikes = 0
        self._may_ask_again = True

    @property
    def phase(self) -> Phase:
        """Where the link stands."""
        return self._phase

    @property
    def answer_octets(self) -> int:
        """See `Link.answer_octets`."""
        return self._size.octets

    def was_block(self) -> None:
        """See `Link.was_block`."""
        if self._message_octets > self._frame_octets:
            self._size.learn(self._message_octets, self._frame_octets)

    @property
    def gain(self) -> float:
        """See `Link.gain`."""
        best = self._size.octets + len(_RESPONSE)
        if best >= self._message_octets:
            return 0.0
        return _cost(self._message_octets, self._frame_octets) - _cost(best, self._frame_octets)

    @property
    def is_gone(self) -> bool:
        """See `Link.is_gone`."""
        return self._phase in {Phase.NEW, Phase.GONE}

    def send(self, apdu: bytes) -> bytes:
        """See `Link.send`: an SNRM first; nothing while the meter has the turn.

        Raises:
            MeterUnavailableError: when the link is over.
        """
        if self._phase in {Phase.LEAVING, Phase.GONE}:
            raise MeterUnavailableError("expected an open HDLC link, got one that is over")
        self._waiting.append(apdu)
        if self._phase is Phase.NEW:
            self._phase = Phase.CONNECTING
            return self._frame(_SNRM | _POLL, self._limits.octets())
        return self._pump()

    def receive(self, data: bytes) -> Received:
        """See `Link.receive`. Damaged frames, and frames between other parties, are passed over.

        Raises:
            MeterDecodeError: the meter rejects a frame of ours, or breaks the numbering.
            MeterUnavailableError: the meter is disconnected, or repeats itself without progress.
        """
        apdus: list[bytes] = []
        reply = b""
        for frame in self._deframer.feed(data):
            self._may_ask_again = True
            kind = frame.control & ~_POLL
            if self._phase is Phase.OPEN:
                reply += self._on_open(frame, kind, apdus)
            elif self._phase is Phase.CONNECTING:
                reply += self._on_connecting(frame, kind)
            elif self._phase is Phase.LEAVING and kind in {_UA, _DM}:
                self._phase = Phase.GONE
        return Received(tuple(apdus), reply)

    def ask_again(self) -> bytes:
        """See `Link.ask_again`: an SNRM or a receive-ready; once until the meter answers.

        A receive-ready repeats nothing by itself: it makes the meter say which frame it has, and send again which it had sent.
        """
        if not self._may_ask_again:
            return b""
        self._may_ask_again = False
        if self._phase is Phase.CONNECTING:
            return self._frame(_SNRM | _POLL, self._limits.octets())
        if self._phase is Phase.OPEN and (self._is_answer_due or not self._is_our_turn):
            return self._receive_ready()
        return b""

    def disconnect(self) -> bytes:
        """See `Link.disconnect`."""
        if self._phase in {Phase.CONNECTING, Phase.OPEN}:
            self._phase = Phase.LEAVING
            return self._frame(_DISC | _POLL)
        return b""

    def _on_connecting(self, frame: Frame, kind: int) -> bytes:
        if kind == _DM:
            self._phase = Phase.GONE
            raise MeterUnavailableError("the meter refuses the HDLC link for now (DM)")
        if kind == _FRMR:
            raise MeterDecodeError(f"the meter rejects the frame that opens the HDLC link (FRMR {_hex(frame)})")
        if kind != _UA:
            return b""
        granted = parameters(frame.information)
        self._information = min(self._limits.information, granted[_MAX_RECEIVE])
        self._phase = Phase.OPEN
        return self._pump()

    def _on_open(self, frame: Frame, kind: int, apdus: list[bytes]) -> bytes:
        if frame.control & 0x03 == 0x03:
            self._on_unnumbered(frame, kind)
            return b""
        is_information = not frame.control & 1
        ahead = (frame.control >> 1) - self._next_received & 7 if is_information else 0
        if ahead >= self._limits.window:
            # A frame that came before, because the meter heard a question and then that it was asked again. To answer it
            # would have the meter say everything twice from now on.
            return b""
        is_progress = self._acknowledged(frame.control >> 5)
        if is_information and ahead == 0:
            self._next_received = (self._next_received + 1) & 7
            is_progress = True
            self._collect(frame, apdus)
        if is_progress:
            self._strikes = 0
        if not frame.control & _POLL:
            return b""
        self._is_our_turn = True
        return self._take_turn(is_progress=is_progress, supervisory=kind & 0x0F if not is_information else _RR)

    def _on_unnumbered(self, frame: Frame, kind: int) -> None:
        """UA again and unnumbered information answer nothing."""
        if kind == _DM:
            self._phase = Phase.GONE
            raise MeterUnavailableError("the meter has left the HDLC link (DM)")
        if kind == _FRMR:
            raise MeterDecodeError(f"the meter rejects a frame of ours (FRMR {_hex(frame)})")

    def _acknowledged(self, next_wanted: int) -> bool:
        """Whether the meter has taken a segment; its number is the one that it wants next."""
        is_open = self._unacknowledged is not None
        if next_wanted == self._next_sent:
            self._unacknowledged = None
            return is_open
        if not is_open or next_wanted != (self._next_sent - 1) & 7:
            raise MeterDecodeError(f"expected N(R) {self._next_sent} in an HDLC frame, got {next_wanted}")
        return False

    def _collect(self, frame: Frame, apdus: list[bytes]) -> None:
        if not self._message:
            self._frame_octets = len(frame.information)
        self._message += frame.information
        if len(self._message) > MOST_MESSAGE:
            raise MeterDecodeError(f"expected at most {MOST_MESSAGE} octets in an HDLC message, got more")
        if frame.segmented:
            return
        message, self._message = bytes(self._message), bytearray()
        self._is_answer_due = False
        self._message_octets = len(message)
        if not message.startswith(_RESPONSE) or len(message) == len(_RESPONSE):
            raise MeterDecodeError(f"expected an LLC header e6e700 and an APDU, got {message[:4].hex() or 'nothing'}")
        apdus.append(message[len(_RESPONSE) :])

    def _take_turn(self, *, is_progress: bool, supervisory: int) -> bytes:
        """What the meter's final frame calls for; nothing where the next word is the caller's."""
        if supervisory == _RNR:
            return b""
        if not is_progress:
            self._strikes += 1
            if self._strikes > MOST_STRIKES:
                raise MeterUnavailableError(f"the meter repeats itself on the HDLC link, {self._strikes} times")
        if self._unacknowledged is not None:
            # Only an answer to our poll, or a reject, says that the frame did not arrive; any other is late.
            if self._has_polled or supervisory == _REJ:
                return self._information_frame(self._unacknowledged, (self._next_sent - 1) & 7)
            self._is_our_turn = False
            return b""
        if self._message:
            return self._receive_ready()
        if self._queue or not self._is_answer_due:
            return self._pump()
        # The meter took the question and has no answer yet, or its answer came in the wrong order: it is asked at once once,
        # and after that only as often as the caller finds it silent.
        return b"" if self._strikes > 1 else self._receive_ready()

    def _pump(self) -> bytes:
        """The next segment, when it is our turn."""
        if self._phase is not Phase.OPEN or not self._is_our_turn or self._unacknowledged is not None:
            return b""
        if not self._queue:
            if not self._waiting or self._is_answer_due:
                return b""
            self._queue.extend(self._segments(_COMMAND + self._waiting.popleft()))
        segment = self._unacknowledged = self._queue.popleft()
        self._is_answer_due = True
        number, self._next_sent = self._next_sent, (self._next_sent + 1) & 7
        return self._information_frame(segment, number)

    def _segments(self, message: bytes) -> list[_Segment]:
        size = self._information
        return [
            _Segment(message[at : at + size], last=at + size >= len(message)) for at in range(0, len(message), size)
        ]

    def _information_frame(self, segment: _Segment, number: int) -> bytes:
        self._is_our_turn = self._has_polled = False
        control = self._next_received << 5 | _POLL | number << 1
        return self._frame(control, segment.information, segmented=not segment.last)

    def _receive_ready(self) -> bytes:
        self._is_our_turn = False
        self._has_polled = True
        return self._frame(self._next_received << 5 | _POLL | _RR)

    def _frame(self, control: int, information: bytes = b"", *, segmented: bool = False) -> bytes:
        frame = Frame(control, information, segmented)
        return encode(frame, destination=self._server, source=self._client)


def parameters(information: bytes) -> dict[int, int]:
    """What a UA grants, by parameter number; the standard's defaults where it says nothing.

    Raises:
        MeterDecodeError: when it is cut or grants nothing to send.
    """
    found = {
        _MAX_TRANSMIT: DEFAULT_INFORMATION,
        _MAX_RECEIVE: DEFAULT_INFORMATION,
        _WINDOW_TRANSMIT: 1,
        _WINDOW_RECEIVE: 1,
    }
    if not information:
        return found
    if information[:2] != bytes([_FORMAT, _GROUP]) or list(information[2:3]) != [len(information) - 3]:
        raise MeterDecodeError(f"expected HDLC parameters in the UA, got {information.hex()}")
    at = 3
    while at < len(information):
        value = information[at + 2 : at + 2 + information[at + 1]] if at + 1 < len(information) else b""
        if not value or len(value) != information[at + 1]:
            raise MeterDecodeError(f"expected whole HDLC parameters in the UA, got {information.hex()}")
        found[information[at]] = int.from_bytes(value, "big")
        at += 2 + len(value)
    if not all(found.values()):
        raise MeterDecodeError(f"expected HDLC parameters above zero in the UA, got {information.hex()}")
    return found


def _hex(frame: Frame) -> str:
    return frame.information.hex() or "without a reason"
