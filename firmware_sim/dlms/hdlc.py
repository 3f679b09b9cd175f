"""One HDLC line with a meter at its end, without a wire: bytes in, bytes out.

The meter is the secondary station: it speaks only when polled. Every client has a data link of its own. A meter takes one
frame at a time, and sends as many before it is acknowledged as both agreed to. What is not for this meter, or is damaged,
gets silence.
Source: IEC 62056-46, 6.2.1 (LLC), 6.4.3 and 6.4.4 (frames and procedures), 6.4.4.4.3.2 (parameter negotiation).
"""

from dataclasses import dataclass
from enum import Enum

from firmware_sim.dlms.application import Application
from firmware_sim.dlms.axdr import Reader
from firmware_sim.dlms.clients import SERVER_SAP
from firmware_sim.dlms.hdlc_frame import Deframer, Frame, encode
from firmware_sim.errors import DecodeError

DEFAULT_PHYSICAL = 17
"""The lower address of a simulated meter; 16 is the first that is not reserved."""
DEFAULT_INFORMATION = 128
SMALLEST_INFORMATION, LARGEST_INFORMATION = 32, 2030
"""Bounds of an information field in bytes; the longest frame has 2047 bytes with its addresses and checks."""
_LONGEST_APDU = 0xFFFF

_POLL = 0x10
_SNRM, _DISC, _UA, _DM, _FRMR = 0x83, 0x43, 0x63, 0x0F, 0x87
"""Unnumbered frames without their poll bit."""
_RR, _RNR = 0x01, 0x05
_COMMAND, _RESPONSE = b"\xe6\xe6\x00", b"\xe6\xe7\x00"
"""The LLC header of what is asked and of what is answered."""
_PARAMETERS = b"\x81\x80"
LARGEST_WINDOW = 7
"""Frame numbers have three bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The longest information fields of one data link, in bytes, as the meter sees them, and how many frames it sends."""

    transmit: int = DEFAULT_INFORMATION
    receive: int = DEFAULT_INFORMATION
    window: int = 1
    """Frames that the meter sends before it is acknowledged, 1 to 7."""


class _State(Enum):
    DISCONNECTED = "NDM"
    CONNECTED = "NRM"


class HdlcServerSession:
    """A meter on one line. `sizes` are the most that it can do; a link without negotiation has 128 at most."""

    def __init__(
        self, application: Application, *, physical: int = DEFAULT_PHYSICAL, sizes: Sizes | None = None
    ) -> None:
        self._application = application
        self._physical = physical
        self._sizes = sizes or Sizes()
        self._deframer = Deframer()
        self._links: dict[int, _Link] = {}

    @property
    def closed(self) -> bool:
        """Whether the meter gave up: it is silent until the line was `quiet`."""
        return self._application.closed

    def receive(self, data: bytes) -> bytes:
        """The frames that answer whatever `data` completes; empty where silence is due. Never raises."""
        return b"".join(self._frame(frame) for frame in self._deframer.feed(data))

    def quiet(self) -> None:
        """The line was quiet longer than a sender may pause within a frame: what is incomplete stays so.

        A meter that gave up listens again, and every link is down: on a line there is no connection to end.
        """
        self._deframer.forget()
        if self._application.closed:
            self._links.clear()
            self._application.reopen()

    def _frame(self, frame: Frame) -> bytes:
        meant = frame.destination
        if meant.logical != SERVER_SAP or meant.physical not in (None, self._physical):
            return b""
        # "The client address is always one byte"; a link is the client's, however it addresses the meter.
        if frame.source.size != 1:
            return b""
        link = self._links.get(frame.source.logical)
        if link is None:
            link = self._links[frame.source.logical] = _Link(self._application, frame.source.logical, self._sizes)
        answers = link.command(frame)
        if self._application.closed:
            return b""
        return b"".join(
            encode(
                Frame(
                    destination=frame.source,
                    source=frame.destination,
                    control=answer.control,
                    information=answer.information,
                    segmented=answer.segmented,
                )
            )
            for answer in answers
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    control: int
    information: bytes = b""
    segmented: bool = False


_Answers = tuple[_Answer, ...]
"""What is said in one turn; the last frame of it gives the turn back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A segment of an answer that was sent, and is not acknowledged yet."""

    number: int
    information: bytes
    segmented: bool


class _Link:
    """The data link of one client."""

    def __init__(self, application: Application, sap: int, most: Sizes) -> None:
        self._application = application
        self._sap = sap
        self._most = most
        self._state = _State.DISCONNECTED
        self._reset(most)

    def _reset(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._sent = self._received = 0  # V(S) and V(R)
        self._incoming = b""
        self._outgoing: list[bytes] = []
        self._unheard: list[_Part] = []
        self._last: _Answers = ()

    def command(self, frame: Frame) -> _Answers:
        """The response to `frame`; nothing where none is due."""
        if not frame.control & _POLL:
            return ()  # not polled: a meter takes one frame at a time, and nothing that it is not to answer
        control = frame.control & ~_POLL
        if control == _SNRM:
            return (self._connect(frame.information),)
        if self._state is _State.DISCONNECTED:
            return (_Answer(control=_DM | _POLL),)
        if control == _DISC:
            self._state = _State.DISCONNECTED
            self._application.release(self._sap)
            return (_Answer(control=_UA | _POLL),)
        return self._transfer(frame, control)

    def _transfer(self, frame: Frame, control: int) -> _Answers:
        if not control & 1:
            return self._information(frame, control)
        if control & 0x0F in (_RR, _RNR):
            return self._ready(control)
        return self._reject(frame.control, 0x01)

    def _connect(self, proposal: bytes) -> _Answer:
        try:
            sizes = _negotiated(proposal, self._most)
        except DecodeError:
            return _Answer(control=_DM | _POLL)
        self._state = _State.CONNECTED
        self._application.release(self._sap)
        self._reset(sizes)
        return _Answer(control=_UA | _POLL, information=_parameters(sizes))

    def _information(self, frame: Frame, control: int) -> _Answers:
        if len(frame.information) > self._sizes.receive:
            return self._reject(frame.control, 0x04)
        if control >> 1 & 7 != self._received:
            # The client did not hear the answer and asks again; or something was lost, and it learns where we stand.
            repeated = control >> 1 & 7 == (self._received - 1) % 8
            return self._again() if repeated else self._receive_ready()
        self._received = (self._received + 1) % 8
        self._outgoing, self._unheard = [], []
        self._incoming += frame.information[: _LONGEST_APDU + len(_COMMAND) + 1 - len(self._incoming)]
        if frame.segmented:
            self._last = self._receive_ready()
            return self._last
        command, self._incoming = self._incoming, b""
        answer = b""
        if command.startswith(_COMMAND):
            answer = self._application.answer(self._sap, command[len(_COMMAND) :])
        if not answer:
            self._last = self._receive_ready()
            return self._last
        content, size = _RESPONSE + answer, self._sizes.transmit
        self._outgoing = [content[at : at + size] for at in range(0, len(content), size)]
        return self._send()

    def _ready(self, control: int) -> _Answers:
        heard = (control >> 5) - (self._sent - len(self._unheard)) & 7
        if heard > len(self._unheard):
            return self._again()  # a number that was never sent
        self._unheard = self._unheard[heard:]
        if self._unheard:
            return self._send()  # from the first that was not heard on
        if control & 0x0F == _RR and self._outgoing:
            return self._send()
        return self._receive_ready()

    def _send(self) -> _Answers:
        while self._outgoing and len(self._unheard) < self._sizes.window:
            part = self._outgoing.pop(0)
            self._unheard.append(_Part(number=self._sent, information=part, segmented=bool(self._outgoing)))
            self._sent = (self._sent + 1) % 8
        self._last = tuple(
            _Answer(
                control=self._received << 5 | (_POLL if part is self._unheard[-1] else 0) | part.number << 1,
                information=part.information,
                segmented=part.segmented,
            )
            for part in self._unheard
        )
        return self._last

    def _again(self) -> _Answers:
        return self._last or self._receive_ready()

    def _receive_ready(self) -> _Answers:
        return (_Answer(control=self._received << 5 | _POLL | _RR),)

    def _reject(self, control: int, reason: int) -> _Answers:
        states = self._received << 5 | self._sent << 1
        return (_Answer(control=_FRMR | _POLL, information=bytes([control, states, reason])),)


def _negotiated(proposal: bytes, most: Sizes) -> Sizes:
    """What both can do. The client's transmit is our receive; what it leaves out is the standard's default.

    Raises:
        DecodeError: when the proposal is not a parameter field, asks for less than 32 bytes, or for no frame at all.
    """
    found: dict[int, int] = {}
    if proposal:
        reader = Reader(proposal)
        if reader.take(2) != _PARAMETERS:
            raise DecodeError(f"expected format 81 80, got {proposal[:2].hex()}")
        fields = Reader(reader.take(reader.number(1)))
        reader.end()
        while fields.left:
            identifier = fields.number(1)
            found[identifier] = fields.number(fields.number(1))
    theirs = Sizes(
        transmit=found.get(5, DEFAULT_INFORMATION), receive=found.get(6, DEFAULT_INFORMATION), window=found.get(8, 1)
    )
    if min(theirs.transmit, theirs.receive) < SMALLEST_INFORMATION or not theirs.window or not found.get(7, 1):
        raise DecodeError(f"expected information fields of {SMALLEST_INFORMATION} bytes at least, got {theirs}")
    return Sizes(
        transmit=min(theirs.receive, most.transmit),
        receive=min(theirs.transmit, most.receive),
        window=min(theirs.window, most.window),
    )


def _parameters(sizes: Sizes) -> bytes:
    def size(identifier: int, value: int) -> bytes:
        width = 1 if value < 0x100 else 2
        return bytes([identifier, width]) + value.to_bytes(width, "big")

    windows = b"\x07\x04" + sizes.window.to_bytes(4, "big") + b"\x08\x04\x00\x00\x00\x01"
    fields = size(5, sizes.transmit) + size(6, sizes.receive) + windows
    return _PARAMETERS + bytes([len(fields)]) + fields
