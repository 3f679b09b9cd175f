"""One HDLC line with a meter at its end, without a wire: bytes in, bytes out.

The meter is the secondary station: it speaks only when polled. Every client has a data link of its own. Window size 1,
one frame at a time each way. What is not for this meter, or is damaged, gets silence.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The longest information fields of one data link, in bytes, as the meter sees them."""

    transmit: int = DEFAULT_INFORMATION
    receive: int = DEFAULT_INFORMATION


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
        answer = link.command(frame)
        if answer is None or self._application.closed:
            return b""
        return encode(
            Frame(
                destination=frame.source,
                source=frame.destination,
                control=answer.control,
                information=answer.information,
                segmented=answer.segmented,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    control: int
    information: bytes = b""
    segmented: bool = False


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
        self._last: _Answer | None = None

    def command(self, frame: Frame) -> _Answer | None:
        """The response to `frame`; None where none is due."""
        if not frame.control & _POLL:
            return None  # not polled: with a window of one, nothing is taken that is not answered
        control = frame.control & ~_POLL
        if control == _SNRM:
            return self._connect(frame.information)
        if self._state is _State.DISCONNECTED:
            return _Answer(control=_DM | _POLL)
        if control == _DISC:
            self._state = _State.DISCONNECTED
            self._application.release(self._sap)
            return _Answer(control=_UA | _POLL)
        return self._transfer(frame, control)

    def _transfer(self, frame: Frame, control: int) -> _Answer | None:
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

    def _information(self, frame: Frame, control: int) -> _Answer | None:
        if len(frame.information) > self._sizes.receive:
            return self._reject(frame.control, 0x04)
        if control >> 1 & 7 != self._received:
            # The client did not hear the answer and asks again; or something was lost, and it learns where we stand.
            repeated = control >> 1 & 7 == (self._received - 1) % 8
            return self._again() if repeated else self._receive_ready()
        self._received = (self._received + 1) % 8
        self._outgoing = []
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

    def _ready(self, control: int) -> _Answer:
        if control >> 5 != self._sent:
            return self._again()  # the last frame was not heard
        if control & 0x0F == _RR and self._outgoing:
            return self._send()
        return self._receive_ready()

    def _send(self) -> _Answer:
        part = self._outgoing.pop(0)
        control = self._received << 5 | _POLL | self._sent << 1
        self._sent = (self._sent + 1) % 8
        self._last = _Answer(control=control, information=part, segmented=bool(self._outgoing))
        return self._last

    def _again(self) -> _Answer:
        return self._last or self._receive_ready()

    def _receive_ready(self) -> _Answer:
        return _Answer(control=self._received << 5 | _POLL | _RR)

    def _reject(self, control: int, reason: int) -> _Answer:
        states = self._received << 5 | self._sent << 1
        return _Answer(control=_FRMR | _POLL, information=bytes([control, states, reason]))


def _negotiated(proposal: bytes, most: Sizes) -> Sizes:
    """What both can do. The client's transmit is our receive; what it leaves out is the standard's default.

    Raises:
        DecodeError: when the proposal is not a parameter field, or asks for less than 32 bytes.
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
    theirs = Sizes(transmit=found.get(5, DEFAULT_INFORMATION), receive=found.get(6, DEFAULT_INFORMATION))
    if min(theirs.transmit, theirs.receive) < SMALLEST_INFORMATION:
        raise DecodeError(f"expected information fields of {SMALLEST_INFORMATION} bytes at least, got {theirs}")
    return Sizes(transmit=min(theirs.receive, most.transmit), receive=min(theirs.transmit, most.receive))


def _parameters(sizes: Sizes) -> bytes:
    def size(identifier: int, value: int) -> bytes:
        width = 1 if value < 0x100 else 2
        return bytes([identifier, width]) + value.to_bytes(width, "big")

    fields = size(5, sizes.transmit) + size(6, sizes.receive) + b"\x07\x04\x00\x00\x00\x01\x08\x04\x00\x00\x00\x01"
    return _PARAMETERS + bytes([len(fields)]) + fields
