"""HDLC frames of format type 3: found by their length, checked by HCS and FCS, built.

There is no byte stuffing: 0x7E may stand anywhere inside a frame, and only the length says where it ends.
Source: IEC 62056-46, 6.4 (frame format), 6.4.2.2 (addresses), Annex A (FCS: CRC-16/X.25, low byte first).
"""

from dataclasses import dataclass

FLAG = 0x7E
SHORTEST, LONGEST = 7, 0x7FF
"""Bytes between the flags: format, two addresses of one byte, control, FCS; and what eleven bits can say."""
_SEGMENTED = 0x0800


def _table() -> tuple[int, ...]:
    def entry(value: int) -> int:
        for _ in range(8):
            value = value >> 1 ^ (0x8408 if value & 1 else 0)
        return value

    return tuple(entry(byte) for byte in range(256))


_CRC = _table()


def check_sequence(content: bytes) -> bytes:
    """The two bytes that HCS and FCS are."""
    register = 0xFFFF
    for byte in content:
        register = register >> 8 ^ _CRC[(register ^ byte) & 0xFF]
    return (register ^ 0xFFFF).to_bytes(2, "little")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server's address as it was written: in one byte (no physical part), two, or four."""

    logical: int
    physical: int | None = None
    size: int = 1

    def encoded(self) -> bytes:
        """The address as it stands in a frame; the last byte's lowest bit is set."""
        if self.physical is None:
            return bytes([self.logical << 1 | 1])
        if self.size == 2:
            return bytes([self.logical << 1, self.physical << 1 | 1])
        return bytes([self.logical >> 7 << 1, (self.logical & 0x7F) << 1,
                      self.physical >> 7 << 1, (self.physical & 0x7F) << 1 | 1])  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame without its flags and check sequences."""

    destination: Address
    source: Address
    control: int
    information: bytes = b""
    segmented: bool = False


def encode(frame: Frame) -> bytes:
    """`frame` between its flags. HCS is left out where nothing follows it."""
    head = frame.destination.encoded() + frame.source.encoded() + bytes([frame.control])
    size = 2 + len(head) + 2 + (2 + len(frame.information) if frame.information else 0)
    content = (0xA000 | (_SEGMENTED if frame.segmented else 0) | size).to_bytes(2, "big") + head
    if frame.information:
        content += check_sequence(content) + frame.information
    return bytes([FLAG]) + content + check_sequence(content) + bytes([FLAG])


class Deframer:
    """Finds frames in a stream. What is not one costs the flag it began with, and nothing more.

    Holds at most one incomplete frame: 2,049 bytes, and what came with one call.
    """

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes, in order."""
        content = self._buffer + data
        frames: list[Frame] = []
        at = content.find(FLAG)
        while at >= 0:
            # Flags between frames may be many; the last of them begins one.
            taken = (None, 1) if content[at + 1 : at + 2] == b"\x7e" else _take(content, at)
            if taken is None:
                break
            frame, size = taken
            if frame is not None:
                frames.append(frame)
            at = content.find(FLAG, at + size)
        self._buffer = content[at:] if at >= 0 else b""
        return frames

    def forget(self) -> None:
        """Drop an incomplete frame: the line was quiet for longer than a sender may pause inside one."""
        self._buffer = b""


_LOST: tuple[None, int] = (None, 1)


def _take(content: bytes, at: int) -> tuple[Frame | None, int] | None:
    """The frame that begins with the flag at `at`, and how many bytes lie before its closing flag, which may open the
    next; `_LOST` where none begins here; None where more bytes must decide.
    """
    begun = content[at + 1 : at + 3]
    if len(begun) < 2:
        return None if not begun or begun[0] >> 4 == 0xA else _LOST
    format_field = int.from_bytes(begun, "big")
    size = format_field & LONGEST
    if format_field >> 12 != 0xA or size < SHORTEST:
        return _LOST
    body = content[at + 1 : at + 1 + size]
    header = _header(body, size)
    if isinstance(header, int):
        return None if header and len(body) < size else _LOST
    if len(content) < at + 2 + size:
        return None
    if content[at + 1 + size] != FLAG or check_sequence(body[:-2]) != body[-2:]:
        return _LOST
    destination, source, end = header
    frame = Frame(
        destination=destination,
        source=source,
        control=body[end],
        information=body[end + 3 : -2],
        segmented=bool(format_field & _SEGMENTED),
    )
    return frame, 1 + size


def _header(body: bytes, size: int) -> tuple[Address, Address, int] | int:
    """Both addresses and the place of the control byte; 1 where more bytes are needed, 0 where it is no header."""
    destination = _address(body, 2)
    if isinstance(destination, int):
        return destination
    source = _address(body, 2 + destination.size)
    if isinstance(source, int):
        return source
    end = 2 + destination.size + source.size
    if size == end + 3:
        return destination, source, end
    # A header whose check fails is told at once: its length may be noise, and must not swallow what follows.
    if size < end + 6:
        return 0
    if len(body) < end + 3:
        return 1
    return (destination, source, end) if check_sequence(body[: end + 1]) == body[end + 1 : end + 3] else 0


def _address(body: bytes, start: int) -> Address | int:
    """The address that begins at `start`; 1 where more bytes are needed, 0 where it has no length that is allowed."""
    part = body[start : start + 4]
    last = next((index for index, byte in enumerate(part) if byte & 1), None)
    if last is None:
        return 1 if len(part) < 4 else 0
    values = [byte >> 1 for byte in part[: last + 1]]
    match values:
        case [logical]:
            return Address(logical=logical)
        case [logical, physical]:
            return Address(logical=logical, physical=physical, size=2)
        case [a, b, c, d]:
            return Address(logical=a << 7 | b, physical=c << 7 | d, size=4)
        case _:
            return 0
