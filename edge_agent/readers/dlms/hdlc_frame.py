"""HDLC frames as octets: frame format type 3, its two checksums, its addresses, and a deframer that goes by length.

There is no octet stuffing: 0x7E may stand anywhere inside a frame, also as its last checksum octet, so that only the length
field says where a frame ends.

Source: DLMS UA Green Book, "data link layer using HDLC" (ISO/IEC 13239, frame format type 3, non-basic transparency).
"""

import binascii
from dataclasses import dataclass
from typing import Final

FLAG: Final = 0x7E
LONGEST_FRAME: Final = 0x7FF
"""Octets between the flags: the length field has 11 bits."""
_TYPE_3: Final = 0xA0
_SEGMENTED: Final = 0x08
_CHECK_OCTETS: Final = 2
_UNDECIDED: Final = -1
_NO_FRAME: Final = 0
_MIRROR: Final = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def checksum(octets: bytes) -> bytes:
    """The frame check sequence over `octets`, in wire order.

    Source: ISO/IEC 13239 (CRC-16, x^16 + x^12 + x^5 + 1, ones' complement, least significant bit first). The C function runs
    the same polynomial from the other end, hence the mirrors.
    """
    remainder = binascii.crc_hqx(octets.translate(_MIRROR), 0xFFFF) ^ 0xFFFF
    return bytes([_MIRROR[remainder >> 8], _MIRROR[remainder & 0xFF]])


def client_address(sap: int) -> bytes:
    """The one octet that names a client (1…127)."""
    if not 0 < sap < 0x80:
        raise ValueError(f"expected a client from 1 to 127, got {sap}")
    return bytes([sap << 1 | 1])


def server_address(logical: int, physical: int | None = None, octets: int | None = None) -> bytes:
    """What names a logical device, and a physical one on a shared line, in 1, 2 or 4 `octets`.

    The shortest form that holds both unless `octets` asks for another; a form that holds a physical device has 2 or 4.

    Raises:
        ValueError: when the form cannot hold the numbers.
    """
    shortest = 1 if physical is None else 2
    if max(logical, physical or 0) > 0x7F:
        shortest = 4
    octets = shortest if octets is None else octets
    limit = {1: 0x80, 2: 0x80, 4: 0x4000}.get(octets, 0)
    if octets < shortest or not 0 < logical < limit or not 0 <= (physical or 0) < limit:
        raise ValueError(f"expected an address of 1, 2 or 4 octets that holds {logical} and {physical}, got {octets}")
    if octets == 1:
        return bytes([logical << 1 | 1])
    parts = (logical, physical or 0)
    if octets == 2:
        return bytes([parts[0] << 1, parts[1] << 1 | 1])
    upper = [half for part in parts for half in (part >> 7 << 1, (part & 0x7F) << 1)]
    upper[-1] |= 1
    return bytes(upper)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame without its flags, addresses and checksums."""

    control: int
    information: bytes = b""
    segmented: bool = False
    """Whether more frames of the same message follow."""


def encode(frame: Frame, *, destination: bytes, source: bytes) -> bytes:
    """`frame` between its flags."""
    header_octets = 2 + len(destination) + len(source) + 1
    body_octets = len(frame.information) + _CHECK_OCTETS if frame.information else 0
    length = header_octets + _CHECK_OCTETS + body_octets
    if length > LONGEST_FRAME:
        raise ValueError(f"expected at most {LONGEST_FRAME} octets in a frame, got {length}")
    head = (_TYPE_3 | (_SEGMENTED if frame.segmented else 0)) << 8 | length
    octets = head.to_bytes(2, "big") + destination + source + bytes([frame.control])
    octets += checksum(octets)
    if frame.information:
        octets += frame.information
        octets += checksum(octets)
    return bytes([FLAG]) + octets + bytes([FLAG])


class Deframer:
    """Frames from `source` to `destination` out of a stream of octets; everything else is passed over.

    Holds at most one unfinished frame. A frame begins at a flag whose header checks out, and ends where its length says.
    """

    def __init__(self, *, destination: bytes, source: bytes) -> None:
        self._parties = destination + source
        self._pending = bytearray()

    def feed(self, data: bytes) -> tuple[Frame, ...]:
        """The frames that `data` completes, in order."""
        self._pending += data
        frames: list[Frame] = []
        at, unfinished = 0, None
        while (at := self._pending.find(FLAG, at)) >= 0:
            end = self._end(at)
            if end == _UNDECIDED:
                # Noise that begins as a frame does must not hide the frame behind it.
                unfinished = at if unfinished is None else unfinished
                at += 1
            elif end >= len(self._pending):
                unfinished = at if unfinished is None else unfinished
                break
            elif end == _NO_FRAME or self._pending[end] != FLAG:
                at += 1
            else:
                frames += self._frame(at, end)
                # One flag may end a frame and begin the next.
                at, unfinished = end, None
        del self._pending[: len(self._pending) if unfinished is None else unfinished]
        return tuple(frames)

    def _end(self, flag: int) -> int:
        """Where the closing flag of the frame that begins at `flag` must stand, if its header checks out."""
        octets, at = self._pending, flag + 1
        if len(octets) > at and octets[at] & 0xF0 != _TYPE_3:
            return _NO_FRAME
        at += 2
        for _ in ("destination", "source"):
            width = self._address_octets(at)
            if width in {_UNDECIDED, _NO_FRAME}:
                return width
            at += width
        header_end = at + 1
        if len(octets) < header_end + _CHECK_OCTETS:
            return _UNDECIDED
        header = bytes(octets[flag + 1 : header_end])
        if checksum(header) != octets[header_end : header_end + _CHECK_OCTETS]:
            return _NO_FRAME
        length = int.from_bytes(header[:2], "big") & LONGEST_FRAME
        beyond = length - len(header) - _CHECK_OCTETS
        # Behind the header stands nothing, or information and its checksum.
        return flag + 1 + length if beyond == 0 or beyond > _CHECK_OCTETS else _NO_FRAME

    def _address_octets(self, at: int) -> int:
        """How long the address at `at` is: its last octet is the odd one."""
        for width in (1, 2, 3, 4):
            if at + width > len(self._pending):
                return _UNDECIDED
            if self._pending[at + width - 1] & 1:
                return _NO_FRAME if width == 3 else width
        return _NO_FRAME

    def _frame(self, flag: int, end: int) -> list[Frame]:
        """The frame between two flags, if it is whole and for us."""
        octets = bytes(self._pending[flag + 1 : end])
        control = 2 + len(self._parties)
        if octets[2:control] != self._parties:
            return []
        information = octets[control + 1 + _CHECK_OCTETS : -_CHECK_OCTETS]
        if information and checksum(octets[:-_CHECK_OCTETS]) != octets[-_CHECK_OCTETS:]:
            return []
        return [Frame(octets[control], information, bool(octets[0] & _SEGMENTED))]
