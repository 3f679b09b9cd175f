"""The fewest octets on the wire that a load profile needs behind HDLC: a formula over sizes, which knows no reader.

A profile is `content` octets of A-XDR. The meter cuts it into blocks; each block is asked for in one frame and comes in as many frames
as its APDU fills, of which the client acknowledges all but the last (window 1). With a header of its own every block wants to be
long, and with `frame` octets of information every message wants to fill its frames: the least is the best of all lengths that the
meter's PDU allows.

Source: IEC 62056-46 (frames), IEC 62056-5-3 (GET with blocks; suite 0), DLMS UA Green Book.
"""

from typing import Final

FLAGS: Final = 2
HEADER: Final = 2 + 1 + 1 + 1 + 2
"""Format, two addresses of one octet, control, header checksum."""
CHECKSUM: Final = 2
LLC: Final = 3
ACKNOWLEDGEMENT: Final = FLAGS + HEADER
"""A receive-ready carries nothing: it has no second checksum."""
ENVELOPE: Final = FLAGS + HEADER + CHECKSUM

PROTECTION: Final = 1 + 4 + 12
"""Security control, invocation counter and tag of an APDU of suite 0; its own tag and length come on top."""
NEXT: Final = 7
"""GET-Request-Next: tag, kind, invoke id, block number."""
BLOCK_HEADER: Final = 9
"""GET-Response-With-Datablock: tag, kind, invoke id, last, block number, choice; the length of the data comes on top."""


def length_octets(count: int) -> int:
    """How long an A-XDR length is."""
    return 1 if count < 0x80 else 1 + (count.bit_length() + 7) // 8


def rows_octets(rows: int, row: int) -> int:
    """A buffer of `rows` of `row` octets each: an array."""
    return 1 + length_octets(rows) + rows * row


def ciphered(plain: int) -> int:
    """The length of an APDU of `plain` octets under suite 0, service-specific."""
    body = PROTECTION + plain
    return 1 + length_octets(body) + body


def message_octets(apdu: int, frame: int) -> int:
    """What one APDU takes on the line, its acknowledgements included."""
    frames = -(-(LLC + apdu) // frame)
    return LLC + apdu + frames * ENVELOPE + (frames - 1) * ACKNOWLEDGEMENT


def block_octets(data: int, frame: int) -> int:
    """What one block of `data` octets takes on the line, with the request for it."""
    answer = ciphered(BLOCK_HEADER + length_octets(data) + data)
    return message_octets(ciphered(NEXT), frame) + message_octets(answer, frame)


def room(pdu: int) -> int:
    """The most data in one block whose ciphered APDU has at most `pdu` octets."""
    data = max(0, pdu - 1 - PROTECTION - BLOCK_HEADER)
    while data and ciphered(BLOCK_HEADER + length_octets(data) + data) > pdu:
        data -= 1
    return data


def least_octets(content: int, *, pdu: int, frame: int) -> int:
    """The fewest octets in which `content` comes from a meter whose APDUs have at most `pdu` octets.

    Raises:
        ValueError: `pdu` holds no block at all.
    """
    if room(pdu) < 1:
        raise ValueError(f"expected a PDU that holds a block, got {pdu} octets")
    return min(_in_blocks(content, data, frame) for data in range(1, room(pdu) + 1))


def _in_blocks(content: int, data: int, frame: int) -> int:
    whole, rest = divmod(content, data)
    return whole * block_octets(data, frame) + (block_octets(rest, frame) if rest else 0)
