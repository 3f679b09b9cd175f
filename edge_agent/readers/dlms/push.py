"""What a meter sends by itself: DataNotification, plain or in general-glo-ciphering, and the wrapper it comes in. Sans-io.

Nobody asked for it and nothing answers it. A plain one is anybody's word; a ciphered one is the meter's once `open_sealed` has
verified its tag, and fresh once its counter is above every one before. A push carries no capture objects: no value of it is read here.

Source: DLMS UA Green Book, DataNotification (tag 0x0F), general-glo-ciphering (0xDB), wrapper; METERS §2 (push setups, class 40). The
body of an alert (device id, push setup, clock, event status word of 128 bits) and the bits: public code of Indian head-ends and
meters (METERS S3).
"""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

from edge_agent.errors import MeterDecodeError, MeterForgedError
from edge_agent.readers.dlms.codec import Data, Decoder, Tag
from edge_agent.readers.dlms.cosem import DATE_TIME_OCTETS, obis_text
from edge_agent.readers.dlms.security import (
    COUNTER_OCTETS,
    GENERAL_DED,
    GENERAL_GLO,
    TAG_OCTETS,
    TITLE_OCTETS,
    CipherKeys,
    Policy,
    unseal,
)
from edge_agent.readers.dlms.wrapper import HEADER_OCTETS, VERSION

DATA_NOTIFICATION: Final = 0x0F
GENERAL_BLOCK_TRANSFER: Final = 0xE0
MAX_PUSH_OCTETS: Final = 8192
"""Longest push taken: an instantaneous profile is below 1 KiB, a day of three-phase rows below 6."""
STATUS_BITS: Final = 128
_CONTROL: Final = Policy.AUTHENTICATED_ENCRYPTED.value
_NAME_OCTETS: Final = 6


class Kind(Enum):
    """Which push setup of the meter sent it."""

    INSTANT = "0.0.25.9.0.255"
    ALERT = "0.4.25.9.0.255"
    OTHER = "other"
    """A setup of the maker's own, or a body that names none."""


class EventBit(IntEnum):
    """Bits of the event status word that an operator wants to hear of at once; 0 is the first bit sent."""

    MAGNET = 81
    NEUTRAL_DISTURBANCE = 82
    COVER_OPEN = 83
    RELAY = 84
    LAST_GASP = 85
    FIRST_BREATH = 86


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One DataNotification."""

    invoke: int
    """Long-invoke-id-and-priority, 32 bits."""
    stamp: bytes | None
    """The date-time of sending, 12 octets as they came, where there is one."""
    body: Data


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPush:
    """A ciphered APDU that nobody has verified: whoever sent it says that it is from `title`."""

    title: bytes
    counter: int
    """Invocation counter, 32 bits."""
    content: bytes
    """Ciphertext and tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a notification's body says, wherever it stands in it."""

    kind: Kind
    names: tuple[bytes, ...]
    """Its strings, which may name the meter: device id, serial number, system title."""
    events: frozenset[int]
    """The bits that are set in the event status word of an alert; 0 to 127."""


def parse_push(apdu: bytes) -> Notification | SealedPush:
    """What `apdu` is.

    Raises:
        MeterForgedError: when it is ciphered in a way that cannot be verified here, naming it.
        MeterDecodeError: naming the offset, when it is no push, or not whole.
    """
    decoder = Decoder(apdu)
    tag = decoder.octet()
    if tag == DATA_NOTIFICATION:
        return _notification(decoder)
    if tag == GENERAL_GLO:
        return _sealed(decoder)
    if tag == GENERAL_DED:
        raise MeterForgedError(
            "expected a push under the global key (0xdb), got general-ded-ciphering: its key is known inside an association only"
        )
    if tag == GENERAL_BLOCK_TRANSFER:
        raise MeterDecodeError(
            "expected a push in one APDU, got a general-block-transfer (0xe0): have the meter's push object list shortened"
        )
    raise MeterDecodeError(f"expected a data-notification (0x0f) or general-glo-ciphering (0xdb), got 0x{tag:02x}")


def _notification(decoder: Decoder) -> Notification:
    invoke = int.from_bytes(decoder.take(4), "big")
    length = decoder.length()
    if length not in {0, DATE_TIME_OCTETS}:
        raise decoder.fault(f"expected no date-time or one of {DATE_TIME_OCTETS} octets in a push, got {length}")
    stamp = decoder.take(length) or None
    body = decoder.value()
    decoder.finish()
    return Notification(invoke=invoke, stamp=stamp, body=body)


def _sealed(decoder: Decoder) -> SealedPush:
    title = decoder.take(decoder.length())
    if len(title) != TITLE_OCTETS:
        raise decoder.fault(f"expected a system title of {TITLE_OCTETS} octets in a push, got {len(title)}")
    body = decoder.take(decoder.length())
    decoder.finish()
    if len(body) <= 1 + COUNTER_OCTETS + TAG_OCTETS:
        raise decoder.fault(f"expected a control octet, a counter, an APDU and a tag in a push, got {len(body)} octets")
    # Less is not worth a key; broadcast keys, compression and other suites belong to nobody here.
    if body[0] != _CONTROL:
        raise MeterForgedError(f"expected security control 0x{_CONTROL:02x} in a push, got 0x{body[0]:02x}")
    counter = int.from_bytes(body[1 : 1 + COUNTER_OCTETS], "big")
    return SealedPush(title=title, counter=counter, content=body[1 + COUNTER_OCTETS :])


def open_sealed(push: SealedPush, keys: CipherKeys) -> Notification:
    """The verified notification in `push`. Fresh it is only when its counter is above every one that was verified before.

    Raises:
        MeterForgedError: when its tag does not verify.
        MeterDecodeError: when what the meter ciphered is no DataNotification.
    """
    plain = unseal(
        keys.encryption,
        control=_CONTROL,
        authentication=keys.authentication,
        nonce=push.title + push.counter.to_bytes(COUNTER_OCTETS, "big"),
        content=push.content,
    )
    if plain[0] != DATA_NOTIFICATION:
        raise MeterDecodeError(f"expected a data-notification behind the tag of a push, got 0x{plain[0]:02x}")
    return _notification(Decoder(plain, 1))


def told(notification: Notification) -> Told:
    """What the body of `notification` says; nothing where it is of another shape."""
    body = notification.body
    cells = body.value if body.tag is Tag.STRUCTURE and isinstance(body.value, tuple) else ()
    names = tuple(_octets(cell) for cell in cells if isinstance(cell.value, str | bytes) and cell.tag in _STRINGS)
    setup = next((name for name in names if len(name) == _NAME_OCTETS and name[2:4] == b"\x19\x09"), None)
    kind = _KINDS.get("" if setup is None else obis_text(setup), Kind.OTHER)
    return Told(kind=kind, names=names, events=_events(cells) if kind is Kind.ALERT else frozenset())


_STRINGS: Final = frozenset({Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING})
_KINDS: Final = {kind.value: kind for kind in (Kind.INSTANT, Kind.ALERT)}


def _octets(cell: Data) -> bytes:
    return cell.value if isinstance(cell.value, bytes) else str(cell.value).encode()


def _events(cells: tuple[Data, ...]) -> frozenset[int]:
    words = (cell.value for cell in cells if cell.tag is Tag.BIT_STRING and isinstance(cell.value, str))
    word = next((word for word in words if len(word) == STATUS_BITS), "")
    return frozenset(place for place, bit in enumerate(word) if bit == "1")


class PushFrames:
    """The wrapper of a connection on which a meter talks and nobody answers: whole APDUs, however the bytes arrive."""

    def __init__(self) -> None:
        self._pending = bytearray()

    @property
    def is_between(self) -> bool:
        """Whether nothing of a further frame has come."""
        return not self._pending

    def feed(self, data: bytes) -> tuple[bytes, ...]:
        """The APDUs that `data` completes, in order. Whose service access points they name says nothing: anybody can write them.

        Raises:
            MeterDecodeError: when a header is not the wrapper's, or announces nothing or too much. Nothing marks the next frame.
        """
        self._pending += data
        apdus: list[bytes] = []
        while len(self._pending) >= HEADER_OCTETS:
            end = HEADER_OCTETS + _announced(bytes(self._pending[:HEADER_OCTETS]))
            if len(self._pending) < end:
                break
            apdus.append(bytes(self._pending[HEADER_OCTETS:end]))
            del self._pending[:end]
        return tuple(apdus)


def _announced(header: bytes) -> int:
    version, length = int.from_bytes(header[:2], "big"), int.from_bytes(header[6:], "big")
    if version != VERSION:
        raise MeterDecodeError(f"expected a wrapper header of version {VERSION} before a push, got version {version}")
    if not 0 < length <= MAX_PUSH_OCTETS:
        raise MeterDecodeError(
            f"expected a push of 1 to {MAX_PUSH_OCTETS} octets behind the wrapper header, got {length}"
        )
    return length


def parse_datagram(data: bytes) -> bytes:
    """The APDU of a datagram, which is one whole frame.

    Raises:
        MeterDecodeError: when it is anything else.
    """
    frames = PushFrames()
    apdus = frames.feed(data)
    if len(apdus) != 1 or not frames.is_between:
        raise MeterDecodeError(f"expected one whole wrapper frame in a datagram, got {len(apdus)} and a rest")
    return apdus[0]
