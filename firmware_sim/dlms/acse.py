"""Opening and closing an association: AARQ, AARE, RLRQ, RLRE.

Source: IEC 62056-5-3, 7.2 (ACSE) and 7.3 (xDLMS initiate), conformance bits of 9.4.6.1.
"""

from dataclasses import dataclass, field
from enum import Enum, IntEnum, IntFlag

from firmware_sim.dlms.axdr import Reader, length
from firmware_sim.errors import DecodeError

AARQ, AARE, RLRQ, RLRE = 0x60, 0x61, 0x62, 0x63
_OID = bytes.fromhex("608574050801")
LN_CONTEXT = _OID[:-1] + b"\x01\x01"
"""Logical names without ciphering."""
CIPHERED_CONTEXT = _OID[:-1] + b"\x01\x03"
"""Logical names with ciphering."""
_MECHANISM = _OID[:-1] + b"\x02"
SMALLEST_PDU = 12
"""A client that takes less cannot be answered; 0 means no limit."""


class Mechanism(IntEnum):
    """How a client shows who it is."""

    NONE = 0
    LLS = 1
    HLS = 2
    """A secret of the maker's; in Indian meters AES-128 of the challenge."""
    GMAC = 5

    @property
    def high(self) -> bool:
        """Whether both ends must answer a challenge."""
        return self >= Mechanism.HLS

    @property
    def oid(self) -> bytes:
        """The mechanism's name."""
        return _MECHANISM + bytes([self])


class Conformance(IntFlag):
    """The services of this meter, as bits of the 24-bit conformance block."""

    ACTION = 1 << 0
    SELECTIVE_ACCESS = 1 << 2
    SET = 1 << 3
    GET = 1 << 4
    MULTIPLE_REFERENCES = 1 << 9
    BLOCK_TRANSFER_WITH_GET = 1 << 12
    PRIORITY = 1 << 14
    GENERAL_PROTECTION = 1 << 22


class Diagnostic(IntEnum):
    """Why an association was refused, as the acse-service-user says it."""

    NONE = 0
    NO_REASON = 1
    CONTEXT_NOT_SUPPORTED = 2
    TITLE_NOT_RECOGNISED = 3
    MECHANISM_NOT_RECOGNISED = 11
    MECHANISM_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14


class InitiateError(Enum):
    """Why the xDLMS part of an association was refused."""

    VERSION_TOO_LOW = 1
    INCOMPATIBLE_CONFORMANCE = 2
    PDU_TOO_SHORT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Initiate:
    """The xDLMS InitiateRequest."""

    response_allowed: bool
    version: int
    conformance: int
    max_pdu: int
    dedicated_key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationRequest:
    """An AARQ. `mechanism` is None where a name is sent that this meter does not know."""

    context: bytes
    mechanism: Mechanism | None
    password: bytes
    """What the client calls itself with: its secret (LLS) or its challenge (HLS)."""
    initiate: bytes
    title: bytes = b""
    """The client's system title; empty where it sends none."""

    def __repr__(self) -> str:
        """Without the password."""
        return f"AssociationRequest(context={self.context.hex()}, mechanism={self.mechanism})"


def _fields(reader: Reader) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    while reader.left:
        tag = reader.number(1)
        if tag in fields:
            raise DecodeError(f"expected every field once, got tag {tag:#x} again")
        fields[tag] = reader.take(reader.length())
    return fields


def _inner(content: bytes, tag: int, name: str) -> bytes:
    reader = Reader(content)
    found = reader.number(1)
    if found != tag:
        raise DecodeError(f"expected tag {tag:#x} in '{name}', got {found:#x}")
    inner = reader.take(reader.length())
    reader.end()
    return inner


def _mechanism(name: bytes | None) -> Mechanism | None:
    if name is None:
        return Mechanism.NONE
    if len(name) == len(_MECHANISM) + 1 and name.startswith(_MECHANISM) and name[-1] in tuple(Mechanism):
        return Mechanism(name[-1])
    return None


def parse_aarq(apdu: bytes) -> AssociationRequest:
    """The association request in `apdu`, whose first byte is 0x60.

    Raises:
        DecodeError: when it is not BER as an AARQ is, or lacks its context or its user-information.
    """
    fields = _fields(Reader(_inner(apdu, AARQ, "AARQ")))
    if 0xA1 not in fields or 0xBE not in fields:
        raise DecodeError("expected an application context and user-information in the AARQ")
    value = fields.get(0xAC)
    return AssociationRequest(
        context=_inner(fields[0xA1], 0x06, "application-context-name"),
        mechanism=_mechanism(fields.get(0x8B)),
        password=b"" if value is None else _inner(value, 0x80, "calling-authentication-value"),
        initiate=_inner(fields[0xBE], 0x04, "user-information"),
        title=_inner(fields[0xA6], 0x04, "calling-AP-title") if 0xA6 in fields else b"",
    )


def parse_initiate(apdu: bytes) -> Initiate:
    """The InitiateRequest in the user-information of an AARQ.

    Raises:
        DecodeError: when it is not one.
    """
    reader = Reader(apdu)
    if reader.number(1) != 0x01:
        raise DecodeError(f"expected an InitiateRequest, got tag {apdu[0]:#x}")
    dedicated_key = reader.take(reader.length()) if reader.number(1) else b""
    response_allowed = reader.number(1) == 0 or reader.number(1) != 0
    if reader.number(1):  # proposed-quality-of-service
        reader.number(1)
    version = reader.number(1)
    # "Conformance ::= [APPLICATION 31] IMPLICIT BIT STRING (SIZE(24))", in BER; some clients leave out the tag's second
    # byte.
    if reader.number(1) != 0x5F:
        raise DecodeError("expected the conformance block")
    size = reader.number(1)
    if size == 0x1F:
        size = reader.number(1)
    if size != 4 or reader.number(1) != 0:
        raise DecodeError("expected 24 conformance bits")
    conformance = reader.number(3)
    max_pdu = reader.number(2)
    reader.end()
    return Initiate(
        response_allowed=response_allowed,
        version=version,
        conformance=conformance,
        max_pdu=max_pdu,
        dedicated_key=dedicated_key,
    )


def parse_release(apdu: bytes) -> bytes:
    """The user-information of a release request; empty where it has none.

    Raises:
        DecodeError: when it is not BER as an RLRQ is.
    """
    information = _fields(Reader(_inner(apdu, RLRQ, "RLRQ"))).get(0xBE)
    return b"" if information is None else _inner(information, 0x04, "user-information")


def initiate_response(conformance: int, max_pdu: int) -> bytes:
    """The InitiateResponse: what was agreed, the largest APDU this meter takes, and the VAA name of logical naming."""
    return b"\x08\x00\x06\x5f\x1f\x04\x00" + conformance.to_bytes(3, "big") + max_pdu.to_bytes(2, "big") + b"\x00\x07"


def initiate_refused(reason: InitiateError) -> bytes:
    """A ConfirmedServiceError for the InitiateRequest."""
    return bytes([0x0E, 0x01, 0x06, reason.value])


def _tlv(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + length(len(content)) + content


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an AARE says of the meter itself, where context or mechanism ask for it."""

    context: bytes = LN_CONTEXT
    title: bytes = b""
    mechanism: Mechanism | None = None
    challenge: bytes = b""


PLAIN = Identity()


def aare(diagnostic: Diagnostic, information: bytes | None, identity: Identity = PLAIN, *, busy: bool = False) -> bytes:
    """The answer to an AARQ: accepted where `diagnostic` is NONE, or asks for the second half of HLS.

    Without `information` the user-information is left out, as in a refusal by ACSE. `busy` makes a refusal transient.
    """
    accepted = diagnostic is Diagnostic.NONE or bool(identity.challenge)
    body = _tlv(0xA1, _tlv(0x06, identity.context))
    body += _tlv(0xA2, _tlv(0x02, bytes([0 if accepted else 1 + busy])))
    body += _tlv(0xA3, _tlv(0xA1, _tlv(0x02, bytes([diagnostic]))))
    if identity.title:
        body += _tlv(0xA4, _tlv(0x04, identity.title))
    if identity.mechanism is not None:
        body += _tlv(0x88, b"\x07\x80") + _tlv(0x89, identity.mechanism.oid)
    if identity.challenge:
        body += _tlv(0xAA, _tlv(0x80, identity.challenge))
    if information is not None:
        body += _tlv(0xBE, _tlv(0x04, information))
    return _tlv(AARE, body)


def rlre(information: bytes | None = None) -> bytes:
    """The answer to a release: normal."""
    body = b"\x80\x01\x00"
    if information is not None:
        body += _tlv(0xBE, _tlv(0x04, information))
    return _tlv(RLRE, body)
