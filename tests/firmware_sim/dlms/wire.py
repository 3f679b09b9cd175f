"""Frames made by hand from the standard's structure, and a meter to send them to."""

from firmware_sim.dlms.session import ServerSession
from firmware_sim.meter import Meter
from tests.firmware_sim.meters import now, seller

PASSWORD = b"12345678"

# The two requests are the examples of the DLMS UA Green Book, clause 11: without security, and with low level security.
AARQ_PUBLIC = bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F0400007E1F04B0")
AARQ_READER = bytes.fromhex(
    "6036A1090607608574050801018A0207808B0760857405080201AC0A80083132333435363738BE10040E01000000065F1F0400007E1F04B0"
)
RLRQ = bytes.fromhex("6203800100")
CLOCK = "0008 0000010000FF"
BLOCK_LOAD = "0007 0100630100FF"
DAILY_LOAD = "0007 0100630200FF"


def frame(apdu: bytes, source: int = 32, destination: int = 1) -> bytes:
    """`apdu` in the wrapper."""
    return b"".join(part.to_bytes(2, "big") for part in (1, source, destination, len(apdu))) + apdu


def unframe(data: bytes, source: int = 1, destination: int = 32) -> bytes:
    """The one APDU in `data`, which must come from the meter and go to the client that asked."""
    assert data[:6] == b"".join(part.to_bytes(2, "big") for part in (1, source, destination))
    assert int.from_bytes(data[6:8], "big") == len(data) - 8
    return data[8:]


class Wire:
    """A session joined back to back with hand-made requests."""

    def __init__(self, meter: Meter | None = None, sap: int = 32) -> None:
        self.session = ServerSession(meter or seller(), now=now, password=PASSWORD)
        self.sap = sap

    def ask(self, apdu: bytes | str) -> bytes:
        """The answer to one APDU, given as bytes or hexadecimal."""
        request = bytes.fromhex(apdu) if isinstance(apdu, str) else apdu
        return unframe(self.session.receive(frame(request, self.sap)), destination=self.sap)

    def get(self, attribute: str, selection: str = "00") -> bytes:
        """GET-normal of ``class obis attribute``; the answer's APDU."""
        return self.ask(f"C001C1{attribute}{selection}")

    def read(self, attribute: str, selection: str = "00") -> bytes:
        """The data of an attribute, through as many blocks as it takes."""
        answer = self.get(attribute, selection)
        if answer[1] == 1:
            assert answer[:4] == bytes.fromhex("C401C100"), answer.hex()
            return answer[4:]
        data = b""
        number = 0
        while True:
            number += 1
            assert answer[:3] == bytes.fromhex("C402C1")
            assert int.from_bytes(answer[4:8], "big") == number
            assert answer[8] == 0
            size, start = answer[9], 10
            if size >= 0x80:
                start += size & 0x7F
                size = int.from_bytes(answer[10:start], "big")
            assert len(answer) == start + size
            data += answer[start:]
            if answer[3] == 1:
                return data
            answer = self.ask("C002C1" + number.to_bytes(4, "big").hex())


def reader(meter: Meter | None = None) -> Wire:
    """A meter reader whose association stands."""
    wire = Wire(meter)
    assert wire.ask(AARQ_READER)[:1] == b"\x61"
    return wire


def public(meter: Meter | None = None) -> Wire:
    """A public client whose association stands."""
    wire = Wire(meter, sap=16)
    assert wire.ask(AARQ_PUBLIC)[:1] == b"\x61"
    return wire
