"""HDLC frames made by hand from the standard's structure, and a client to send them with."""

from firmware_sim.dlms.application import Application
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.hdlc import HdlcServerSession, Sizes
from tests.firmware_sim.dlms.ciphered_wire import device

METER = bytes([0x02, 17 << 1 | 1])
"""Logical device 1, physical 17, in two bytes."""
READER = bytes([32 << 1 | 1])
SNRM, DISC, UA, DM, FRMR = 0x93, 0x53, 0x73, 0x1F, 0x97


def crc(content: bytes) -> bytes:
    """CRC-16/X.25 bit by bit, low byte first."""
    register = 0xFFFF
    for byte in content:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0x8408 if register & 1 else register >> 1
    return (register ^ 0xFFFF).to_bytes(2, "little")


def frame(
    control: int,
    information: bytes = b"",
    *,
    to: bytes = METER,
    by: bytes = READER,
    segmented: bool = False,
) -> bytes:
    """A frame between its flags."""
    size = 2 + len(to) + len(by) + 1 + (2 + len(information) if information else 0) + 2
    head = (0xA000 | segmented << 11 | size).to_bytes(2, "big") + to + by + bytes([control])
    content = head + crc(head) + information if information else head
    return b"\x7e" + content + crc(content) + b"\x7e"


def parts(answer: bytes, to: bytes = METER, by: bytes = READER) -> tuple[int, bytes, bool]:
    """Control, information and segmentation of the one frame in `answer`, which must come from the meter."""
    assert answer[:1] == answer[-1:] == b"\x7e"
    content = answer[1:-1]
    assert int.from_bytes(content[:2], "big") & 0x7FF == len(content)
    assert content[0] >> 4 == 0xA
    assert crc(content[:-2]) == content[-2:]
    head = 2 + len(by) + len(to)
    assert content[2:head] == by + to
    information = b""
    if len(content) > head + 3:
        assert crc(content[: head + 1]) == content[head + 1 : head + 3]
        information = content[head + 3 : -2]
    return content[head], information, bool(content[0] & 0x08)


class Line:
    """A client at one end of a line, with its sequence numbers."""

    def __init__(self, meter: Device | None = None, *, sizes: Sizes | None = None, size: int = 128) -> None:
        self.session = HdlcServerSession(Application(meter or device()), sizes=sizes)
        self.sent = self.received = 0
        self.size = size
        self.frames = 0
        """Information frames that came."""

    def ask(self, control: int, information: bytes = b"", *, segmented: bool = False) -> tuple[int, bytes, bool]:
        """One exchange."""
        return parts(self.session.receive(frame(control, information, segmented=segmented)))

    def connect(self, proposal: str = "") -> bytes:
        """The parameters in the meter's UA."""
        control, information, _ = self.ask(SNRM, bytes.fromhex(proposal))
        assert control == UA
        self.sent = self.received = 0
        return information

    def information(self, content: bytes, *, segmented: bool = False) -> tuple[int, bytes, bool]:
        """One I frame and its answer."""
        control = self.received << 5 | 0x10 | self.sent << 1
        self.sent = (self.sent + 1) % 8
        return self.ask(control, content, segmented=segmented)

    def ready(self) -> int:
        return self.received << 5 | 0x11

    def request(self, apdu: bytes | str) -> bytes:
        """The whole answer to an APDU, in as many frames as it takes both ways."""
        content = b"\xe6\xe6\x00" + (bytes.fromhex(apdu) if isinstance(apdu, str) else apdu)
        while len(content) > self.size:
            part, content = content[: self.size], content[self.size :]
            assert self.information(part, segmented=True) == (self.sent << 5 | 0x11 | 0, b"", False)
        answer, more = b"", True
        told = self.information(content)
        while more:
            control, part, more = told
            assert control == self.sent << 5 | 0x10 | self.received << 1
            self.received = (self.received + 1) % 8
            self.frames += 1
            answer += part
            if more:
                told = self.ask(self.ready())
        assert answer[:3] == b"\xe6\xe7\x00"
        return answer[3:]
