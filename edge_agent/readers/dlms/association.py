"""Opening and closing an application association: AARQ, AARE, RLRQ.

Source: DLMS UA Green Book, ACSE APDUs (ISO/IEC 8650-1 in BER) with the InitiateRequest in A-XDR as user-information.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntFlag
from typing import Final

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError

AARQ: Final = 0x60
AARE: Final = 0x61
RLRQ: Final = 0x62
RLRE: Final = 0x63

_OID: Final = bytes.fromhex("60857405")
"""2.16.756.5: the arc of the DLMS UA."""
_CONTEXT_LN: Final = bytes.fromhex("06") + bytes([7]) + _OID + bytes([8, 1, 1])
"""Application context: logical names, no ciphering (its object identifier with BER header)."""
_DLMS_VERSION: Final = 6
_INITIATE_RESPONSE: Final = 0x08
_SERVICE_ERROR: Final = 0x0E
RETRY_REFUSED_S: Final = 180
"""How long to stay away from a meter that is busy or was left without release: above its inactivity time-out."""


class Conformance(IntFlag):
    """The services that a client offers or a meter grants: 24 bits, bit 0 of the standard is the most significant."""

    BLOCK_TRANSFER_GET = 0x001000
    MULTIPLE_REFERENCES = 0x000200
    GET = 0x000010
    SELECTIVE_ACCESS = 0x000004


OFFERED: Final = (
    Conformance.BLOCK_TRANSFER_GET | Conformance.MULTIPLE_REFERENCES | Conformance.GET | Conformance.SELECTIVE_ACCESS
)
"""Everything that this client speaks: reading, and nothing else."""


class Mechanism(Enum):
    """How the client authenticates; the last component of the mechanism's object identifier."""

    NONE = 0
    LLS = 1


class Secret:
    """A password: usable, never shown."""

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def reveal(self) -> bytes:
        """The octets themselves; only for the APDU that needs them."""
        return self._octets

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """What the meter granted."""

    conformance: Conformance
    max_pdu: int
    """Largest APDU that the meter accepts, in octets."""


def _tlv(tag: int, content: bytes) -> bytes:
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    raise ValueError(f"expected at most 127 octets behind tag 0x{tag:02x}, got {len(content)}")


def aarq(secret: Secret | None, *, conformance: Conformance = OFFERED, max_pdu: int = 0xFFFF) -> bytes:
    """The request to associate: with a password (LLS, mechanism 1) or without (public).

    Raises:
        ValueError: when the password is empty or longer than 64 octets.
    """
    initiate = (
        bytes.fromhex("01000000")
        + bytes([_DLMS_VERSION])
        + bytes.fromhex("5f1f0400")
        + int(conformance).to_bytes(3, "big")
        + max_pdu.to_bytes(2, "big")
    )
    body = _tlv(0xA1, _CONTEXT_LN)
    if secret is not None:
        password = secret.reveal()
        if not 0 < len(password) <= 64:
            raise ValueError("expected a password of 1 to 64 octets")
        body += bytes.fromhex("8a020780")
        body += _tlv(0x8B, _OID + bytes([8, 2, Mechanism.LLS.value]))
        body += _tlv(0xAC, _tlv(0x80, password))
    body += _tlv(0xBE, _tlv(0x04, initiate))
    return _tlv(AARQ, body)


def rlrq() -> bytes:
    """The request to release, normal reason."""
    return bytes.fromhex("6203800100")


def elements(data: bytes, what: str) -> Iterator[tuple[int, bytes]]:
    """The BER elements of `data`, as (tag, content).

    Raises:
        MeterDecodeError: naming `what`, when an element is cut or its length has no definite short or long form.
    """
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise MeterDecodeError(f"expected a tag and a length in {what}, got the end at offset {at}")
        tag, length = data[at], data[at + 1]
        at += 2
        if length >= 0x80:
            octets = length - 0x80
            if octets not in {1, 2} or at + octets > len(data):
                raise MeterDecodeError(f"expected a definite length in {what}, got 0x{length:02x} at offset {at - 1}")
            length = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if at + length > len(data):
            raise MeterDecodeError(f"expected {length} octets in {what}, got {len(data) - at} at offset {at}")
        yield tag, data[at : at + length]
        at += length


def _only(data: bytes, tag: int, what: str) -> bytes:
    """The content of the one element that `data` must be."""
    found = list(elements(data, what))
    if len(found) != 1 or found[0][0] != tag:
        raise MeterDecodeError(f"expected one element with tag 0x{tag:02x} in {what}, got {data.hex()}")
    return found[0][1]


def _fields(apdu: bytes) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    for tag, content in elements(_only(apdu, AARE, "AARE"), "AARE"):
        if tag in fields:
            raise MeterDecodeError(f"expected each AARE field once, got 0x{tag:02x} twice")
        fields[tag] = content
    return fields


def parse_aare(apdu: bytes) -> Association:
    """What the meter granted in its answer to an AARQ.

    Raises:
        MeterRefusedError: when it rejects for good (wrong password, unknown context), saying why.
        MeterUnavailableError: when it rejects for now.
        MeterDecodeError: when the answer is malformed.
    """
    fields = _fields(apdu)
    for tag, name in ((0xA1, "application context"), (0xA2, "result")):
        if tag not in fields:
            raise MeterDecodeError(f"expected the {name} in the AARE, got none")
    result = _small_integer(fields[0xA2], "AARE result")
    if result != 0:
        raise _rejection(result, fields.get(0xA3))
    if fields[0xA1] != _CONTEXT_LN:
        raise MeterRefusedError(
            f"expected logical-name referencing without ciphering, got application context {fields[0xA1].hex()}"
        )
    if 0xBE not in fields:
        raise MeterDecodeError("expected user-information in the AARE, got none")
    return _initiate_response(_only(fields[0xBE], 0x04, "AARE user-information"))


def _small_integer(data: bytes, what: str) -> int:
    content = _only(data, 0x02, what)
    if len(content) != 1:
        raise MeterDecodeError(f"expected one octet in {what}, got {content.hex()}")
    return content[0]


_DIAGNOSTICS: Final = {
    1: "no reason given",
    2: "application context not supported",
    11: "authentication mechanism not recognised",
    12: "authentication mechanism required: this client address needs a password",
    13: "authentication failed: check the password of this association",
    14: "authentication required: this client address needs a password",
}
"""Source: Green Book, acse-service-user diagnostics."""


def _rejection(result: int, diagnostic: bytes | None) -> MeterRefusedError | MeterUnavailableError:
    code = None
    if diagnostic is not None:
        for _, content in elements(diagnostic, "AARE diagnostic"):
            code = _small_integer(content, "AARE diagnostic")
    reason = _DIAGNOSTICS.get(code or 0, f"diagnostic {code}")
    if result == 2:
        return MeterUnavailableError(
            f"the meter rejects the association for now: {reason}", retry_after_s=RETRY_REFUSED_S
        )
    return MeterRefusedError(f"the meter rejects the association: {reason}", reason=code)


def _initiate_response(data: bytes) -> Association:
    if data[:1] == bytes([_SERVICE_ERROR]):
        raise MeterRefusedError(f"the meter refuses to initiate: service error {data.hex()}")
    # InitiateResponse: tag, optional quality of service, version, conformance (application tag 31, 24 bits), PDU size, VAA.
    at = 2 if data[1:2] == b"\x00" else 3
    if len(data) != at + 1 + 7 + 4 or data[0] != _INITIATE_RESPONSE:
        raise MeterDecodeError(f"expected an InitiateResponse, got {data.hex()}")
    if data[at] != _DLMS_VERSION:
        raise MeterRefusedError(f"expected DLMS version 6, got {data[at]}")
    if data[at + 1 : at + 5] != bytes.fromhex("5f1f0400"):
        raise MeterDecodeError(f"expected a conformance block, got {data.hex()}")
    if data[at + 10 :] != bytes.fromhex("0007"):
        raise MeterDecodeError(f"expected the VAA name 0x0007 of logical names, got {data[at + 10 :].hex()}")
    bits = int.from_bytes(data[at + 5 : at + 8], "big")
    granted = Conformance(bits & int(OFFERED))
    if Conformance.GET not in granted:
        raise MeterRefusedError("expected the GET service in the meter's conformance, got none: it cannot be read")
    return Association(conformance=granted, max_pdu=int.from_bytes(data[at + 8 : at + 10], "big") or 0xFFFF)
