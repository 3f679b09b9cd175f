"""Opening and closing an application association: AARQ, AARE, RLRQ.

Source: DLMS UA Green Book, ACSE APDUs (ISO/IEC 8650-1 in BER) with the InitiateRequest in A-XDR as user-information.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, IntFlag
from typing import Final

from edge_agent.errors import MeterDecodeError, MeterForgedError, MeterRefusedError, MeterUnavailableError
from edge_agent.readers.dlms.codec import encode_length
from edge_agent.readers.dlms.security import Secret as Secret  # noqa: PLC0414 - also under the name that a password has here

AARQ: Final = 0x60
AARE: Final = 0x61
RLRQ: Final = 0x62
RLRE: Final = 0x63

_OID: Final = bytes.fromhex("60857405")
"""2.16.756.5: the arc of the DLMS UA."""
_CONTEXT_LN: Final = bytes.fromhex("06") + bytes([7]) + _OID + bytes([8, 1, 1])
"""Application context: logical names, no ciphering (its object identifier with BER header)."""
_CONTEXT_LN_CIPHERED: Final = bytes.fromhex("06") + bytes([7]) + _OID + bytes([8, 1, 3])
"""Application context: logical names with ciphering."""
_DLMS_VERSION: Final = 6
_INITIATE_RESPONSE: Final = 0x08
_SERVICE_ERROR: Final = 0x0E
RETRY_REFUSED_S: Final = 180
"""How long to stay away from a meter that is busy or was left without release: above its inactivity time-out."""


class Conformance(IntFlag):
    """The services that a client offers or a meter grants: 24 bits, bit 0 of the standard is the most significant."""

    GENERAL_PROTECTION = 0x400000
    BLOCK_TRANSFER_GET = 0x001000
    MULTIPLE_REFERENCES = 0x000200
    GET = 0x000010
    SELECTIVE_ACCESS = 0x000004
    ACTION = 0x000001
    """Only so that reply_to_HLS is answered: `session.PERMITTED` lets no other ACTION leave."""


OFFERED: Final = (
    Conformance.BLOCK_TRANSFER_GET | Conformance.MULTIPLE_REFERENCES | Conformance.GET | Conformance.SELECTIVE_ACCESS
)
"""Everything that this client speaks: reading, and nothing else."""


class Mechanism(Enum):
    """How the client authenticates; the last component of the mechanism's object identifier."""

    NONE = 0
    LLS = 1
    HLS_AES = 2
    """Both sides encrypt the other's challenge: the maker's own mechanism, AES-128 in Indian meters."""
    HLS_GMAC = 5


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


def _enclosed(tag: int, content: bytes) -> bytes:
    """As `_tlv`, of any length: only a ciphered request with a long password needs more than 127 octets."""
    return _tlv(tag, content) if len(content) < 0x80 else bytes([tag]) + encode_length(len(content)) + content


def aarq(
    secret: Secret | None,
    *,
    conformance: Conformance = OFFERED,
    max_pdu: int = 0xFFFF,
    mechanism: Mechanism = Mechanism.LLS,
    title: bytes | None = None,
    dedicated: Secret | None = None,
    protect: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """The request to associate: with `secret` shown by `mechanism` (a password, or the challenge of HLS), or without (public).

    `title` is the client's system title. `protect` ciphers the InitiateRequest; only then may it carry a `dedicated` key.

    Raises:
        ValueError: when the password is empty or longer than 64 octets, or a key would leave in plain.
    """
    if dedicated is not None and protect is None:
        raise ValueError("expected a ciphered InitiateRequest around a dedicated key")
    initiate = _initiate_request(conformance, max_pdu, dedicated)
    body = _tlv(0xA1, _CONTEXT_LN if protect is None else _CONTEXT_LN_CIPHERED)
    if title is not None:
        body += _tlv(0xA6, _tlv(0x04, title))
    if secret is not None:
        password = secret.reveal()
        if not 0 < len(password) <= 64:
            raise ValueError("expected a password of 1 to 64 octets")
        body += bytes.fromhex("8a020780")
        body += _tlv(0x8B, _OID + bytes([8, 2, mechanism.value]))
        body += _tlv(0xAC, _tlv(0x80, password))
    body += _tlv(0xBE, _tlv(0x04, initiate if protect is None else protect(initiate)))
    return _enclosed(AARQ, body)


def _initiate_request(conformance: Conformance, max_pdu: int, dedicated: Secret | None) -> bytes:
    key = b"\x00" if dedicated is None else b"\x01" + bytes([len(dedicated.reveal())]) + dedicated.reveal()
    return (
        b"\x01"
        + key
        + bytes([0, 0, _DLMS_VERSION])
        + bytes.fromhex("5f1f0400")
        + int(conformance).to_bytes(3, "big")
        + max_pdu.to_bytes(2, "big")
    )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An AARE that accepts, before its user-information is believed."""

    initiate: bytes
    """The user-information: an InitiateResponse, ciphered where that was agreed."""
    title: bytes | None
    """The meter's system title."""
    challenge: bytes | None
    """The meter's challenge: with one, the association is pending until both sides have proven themselves."""
    mechanism: int | None


def parse_grant(apdu: bytes, *, is_ciphered: bool) -> Grant:
    """What an AARE accepts.

    Raises:
        MeterRefusedError: when it rejects for good (wrong password, unknown context), saying why.
        MeterUnavailableError: when it rejects for now.
        MeterForgedError: when it is not ciphered, and that was asked for.
        MeterDecodeError: when the answer is malformed.
    """
    fields = _fields(apdu)
    for tag, name in ((0xA1, "application context"), (0xA2, "result")):
        if tag not in fields:
            raise MeterDecodeError(f"expected the {name} in the AARE, got none")
    result = _small_integer(fields[0xA2], "AARE result")
    if result != 0:
        raise _rejection(result, fields.get(0xA3))
    _require_context(fields[0xA1], is_ciphered=is_ciphered)
    if 0xBE not in fields:
        raise MeterDecodeError("expected user-information in the AARE, got none")
    mechanism = fields.get(0x89)
    return Grant(
        initiate=_only(fields[0xBE], 0x04, "AARE user-information"),
        title=_only(fields[0xA4], 0x04, "AARE system title") if 0xA4 in fields else None,
        challenge=_only(fields[0xAA], 0x80, "AARE challenge") if 0xAA in fields else None,
        mechanism=None if not mechanism else mechanism[-1],
    )


def _require_context(context: bytes, *, is_ciphered: bool) -> None:
    if is_ciphered and context != _CONTEXT_LN_CIPHERED:
        raise MeterForgedError(f"expected a ciphered association, got application context {context.hex()}")
    if not is_ciphered and context != _CONTEXT_LN:
        raise MeterRefusedError(
            f"expected logical-name referencing without ciphering, got application context {context.hex()}"
        )


def _small_integer(data: bytes, what: str) -> int:
    content = _only(data, 0x02, what)
    if len(content) != 1:
        raise MeterDecodeError(f"expected one octet in {what}, got {content.hex()}")
    return content[0]


_DIAGNOSTICS: Final = {
    1: "no reason given: check that this meter knows this client address ('client')",
    2: "application context not supported: a ciphered association needs suite=0, keys and title in the url, one that is not, none",
    11: "authentication mechanism not recognised: check 'auth' against what the discom set up for this client address",
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


def initiate_response(data: bytes, offered: Conformance = OFFERED) -> Association:
    """What an InitiateResponse grants of what was `offered`.

    Raises:
        MeterRefusedError: when it is a service error, or cannot be read through.
        MeterDecodeError: when it is malformed.
    """
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
    granted = Conformance(bits & int(offered))
    if Conformance.GET not in granted:
        raise MeterRefusedError("expected the GET service in the meter's conformance, got none: it cannot be read")
    return Association(conformance=granted, max_pdu=int.from_bytes(data[at + 8 : at + 10], "big") or 0xFFFF)
