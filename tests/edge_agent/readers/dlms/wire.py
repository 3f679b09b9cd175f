"""A second, small A-XDR encoder, and a meter that does as a test says: neither shares code with the client."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_agent.readers.dlms.codec import Data, Tag

Key = tuple[int, str, int]
"""Class, OBIS code, attribute."""

AARE_OK = bytes.fromhex("6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f0400001214040000 07")
REFUSED = 3
"""Read-write denied."""

_FORMATS = {
    Tag.INT32: ">i", Tag.UINT32: ">I", Tag.BCD: ">b", Tag.INT8: ">b", Tag.INT16: ">h", Tag.UINT8: ">B", Tag.UINT16: ">H",
    Tag.INT64: ">q", Tag.UINT64: ">Q", Tag.ENUM: ">B", Tag.FLOAT32: ">f", Tag.FLOAT64: ">d", Tag.BOOLEAN: ">?",
}  # fmt: skip


def size(count: int) -> bytes:
    """A length octet, or 0x82 and two."""
    return bytes([count]) if count < 128 else (bytes([0x81, count]) if count < 256 else b"\x82" + count.to_bytes(2))


def wire(data: Data) -> bytes:
    """`data` as A-XDR."""
    tag, value = data
    head = bytes([tag])
    if tag in _FORMATS:
        return head + struct.pack(_FORMATS[tag], value)
    if isinstance(value, tuple):
        return head + size(len(value)) + b"".join(wire(part) for part in value)
    if isinstance(value, str) and tag is Tag.BIT_STRING:
        octets = [int(value[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(value), 8)]
        return head + size(len(value)) + bytes(octets)
    if isinstance(value, str):
        raw = value.encode("latin-1" if tag is Tag.VISIBLE_STRING else "utf-8")
        return head + size(len(raw)) + raw
    if isinstance(value, bytes):
        return head + (value if tag in {Tag.DATE, Tag.TIME, Tag.DATE_TIME} else size(len(value)) + value)
    return head


def u32(value: int) -> Data:
    """A double-long-unsigned."""
    return Data(Tag.UINT32, value)


def u16(value: int) -> Data:
    """A long-unsigned."""
    return Data(Tag.UINT16, value)


def i8(value: int) -> Data:
    """An integer."""
    return Data(Tag.INT8, value)


def octets(value: bytes) -> Data:
    """An octet-string."""
    return Data(Tag.OCTET_STRING, value)


def name(obis: str) -> Data:
    """A logical name."""
    return octets(bytes(int(part) for part in obis.split(".")))


def array(*parts: Data) -> Data:
    """An array."""
    return Data(Tag.ARRAY, parts)


def structure(*parts: Data) -> Data:
    """A structure."""
    return Data(Tag.STRUCTURE, parts)


def capture(class_id: int, obis: str, attribute: int = 2) -> Data:
    """A capture object."""
    return structure(u16(class_id), name(obis), i8(attribute), u16(0))


def scaler(power: int, unit: int) -> Data:
    """A scaler_unit."""
    return structure(i8(power), Data(Tag.ENUM, unit))


def stamp(day: int, hour: int, minute: int, deviation: str = "8000", status: str = "ff") -> Data:
    """A clock cell in April 2026, IST."""
    return octets(
        bytes.fromhex("07ea04") + bytes([day, 0xFF, hour, minute, 0, 0xFF]) + bytes.fromhex(deviation + status)
    )


@dataclass
class ScriptedMeter:
    """A meter of a few objects: GET normal with selective access as told, GET with list only if told."""

    objects: dict[Key, Data] = field(default_factory=dict)
    rows: list[Data] = field(default_factory=list)
    """The rows of the block load buffer."""
    answers: Callable[[str, bytes], bool] = lambda _kind, _access: True
    """Whether it accepts ``range``, ``entry`` or ``whole`` with these selector octets."""
    shift: Callable[[str, bytes], int] = lambda _kind, _access: 0
    """How many of the newest rows it leaves out of an answer."""
    aare: bytes = AARE_OK
    lists: bool = True
    refusal: int = REFUSED
    asked: list[str] = field(default_factory=list)
    """The kinds of buffer reads seen, in order."""
    seen: list[bytes] = field(default_factory=list)
    """Every APDU received."""

    def answer(self, frame: bytes) -> bytes:
        """The frame that answers one whole wrapper frame."""
        apdu = frame[8:]
        self.seen.append(apdu)
        reply = self._reply(apdu)
        return b"\x00\x01" + frame[4:6] + frame[2:4] + len(reply).to_bytes(2) + reply

    def _reply(self, apdu: bytes) -> bytes:
        if apdu[0] == 0x60:
            return self.aare
        if apdu[0] == 0x62:
            return bytes.fromhex("6303800100")
        if apdu[1] == 3 and not self.lists:
            return bytes.fromhex("d80102")
        if apdu[1] == 3:
            results = [self._result(apdu[4 + 10 * at : 13 + 10 * at], b"") for at in range(apdu[3])]
            return bytes([0xC4, 3, apdu[2], len(results)]) + b"".join(results)
        return bytes([0xC4, 1, apdu[2]]) + self._result(apdu[3:12], apdu[13:])

    def _result(self, wanted: bytes, access: bytes) -> bytes:
        key = int.from_bytes(wanted[:2]), ".".join(str(octet) for octet in wanted[2:8]), wanted[8]
        if key == (7, "1.0.99.1.0.255", 2):
            return self._buffer(access)
        return b"\x00" + wire(self.objects[key]) if key in self.objects else bytes([1, self.refusal])

    def _buffer(self, access: bytes) -> bytes:
        kind = {b"": "whole", b"\x01": "range", b"\x02": "entry"}[access[:1]]
        self.asked.append(kind)
        if not self.answers(kind, access):
            return bytes([1, REFUSED])
        rows = self.rows
        if kind == "entry":
            first, last = int.from_bytes(access[4:8]), int.from_bytes(access[9:13])
            rows = rows[first - 1 : last]
        return b"\x00" + wire(array(*rows[: len(rows) - self.shift(kind, access)]))


BLOCK = "1.0.99.1.0.255"
DEFAULT_COLUMNS = ((8, "0.0.1.0.0.255"), (3, "1.0.12.27.0.255"), (3, "1.0.1.29.0.255"), (3, "1.0.2.29.0.255"))


def meter(
    rows: list[Data], columns: tuple[tuple[int, str], ...] = DEFAULT_COLUMNS, *, sort: int = 1, now: Data | None = None
) -> ScriptedMeter:
    """A meter with a block load profile of half-hours and energies in Wh."""
    objects: dict[Key, Data] = {
        (7, BLOCK, 3): array(*(capture(class_id, obis) for class_id, obis in columns)),
        (7, BLOCK, 4): u32(1800),
        (7, BLOCK, 5): Data(Tag.ENUM, sort),
        (7, BLOCK, 7): u32(len(rows)),
        (7, BLOCK, 8): u32(1680),
        (8, "0.0.1.0.0.255", 2): now or stamp(26, 12, 7),
        (1, "0.0.96.1.0.255", 2): Data(Tag.VISIBLE_STRING, "GX1234"),
    }
    objects |= {(3, obis, 3): scaler(0, 30) for class_id, obis in columns if class_id == 3}
    objects[3, "1.0.12.27.0.255", 3] = scaler(-1, 35)
    return ScriptedMeter(objects=objects, rows=rows)
