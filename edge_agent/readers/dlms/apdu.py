"""The xDLMS services that a reader needs: GET in its three forms, and what may come back.

There is no encoder for SET or any other service, and of ACTION only for reply_to_HLS, which finishes an association: nothing in
this package can change a meter.

Source: DLMS UA Green Book, xDLMS APDUs in A-XDR.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.dlms.codec import Data, Decoder, encode, encode_length
from edge_agent.readers.dlms.cosem import Attribute

GET_REQUEST: Final = 0xC0
GET_RESPONSE: Final = 0xC4
ACTION_REQUEST: Final = 0xC3
ACTION_RESPONSE: Final = 0xC7
EXCEPTION_RESPONSE: Final = 0xD8
COUNTER_ERROR: Final = 6
"""Service error of an exception response: the invocation counter is not above the last one."""
SERVICE_ERROR: Final = 0x0E
UNSOLICITED: Final = frozenset({0x0F, 0xC2})
"""Data-notification and event-notification: a meter may push them at any time; they answer nothing."""

_NORMAL, _BLOCK, _LIST = 1, 2, 3
INVOKE: Final = 0xC0
"""Invoke-id-and-priority: confirmed, high priority, invoke id in the low four bits."""


class AccessResult(IntEnum):
    """Why an attribute was not given (Data-Access-Result)."""

    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_GET_ABORTED = 15
    NO_LONG_GET_IN_PROGRESS = 16
    DATA_BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250


TRANSIENT: Final = frozenset(
    {
        AccessResult.HARDWARE_FAULT,
        AccessResult.TEMPORARY_FAILURE,
        AccessResult.DATA_BLOCK_UNAVAILABLE,
        AccessResult.LONG_GET_ABORTED,
        AccessResult.NO_LONG_GET_IN_PROGRESS,
    }
)
"""Refusals that may be gone at the next poll."""


@dataclass(frozen=True, slots=True)
class Normal:
    """A whole answer in one APDU: the value, or why not."""

    invoke: int
    result: Data | AccessResult


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a long answer; `part` is None when the meter breaks off with `result`."""

    invoke: int
    last: bool
    number: int
    part: bytes | None
    result: AccessResult | None


@dataclass(frozen=True, slots=True)
class Listed:
    """The answers to a GET with list, in the order asked."""

    invoke: int
    results: tuple[Data | AccessResult, ...]


@dataclass(frozen=True, slots=True)
class ExceptionAnswer:
    """The meter could not process the request at all."""

    state_error: int
    service_error: int
    expected_counter: int | None = field(default=None, compare=False)
    """The invocation counter that the meter wants; nobody vouches for it."""

    def __str__(self) -> str:
        states = {1: "service not allowed", 2: "service unknown"}
        services = {
            1: "operation not possible",
            2: "service not supported",
            3: "other reason",
            4: "PDU too long",
            5: "deciphering error",
            6: "invocation counter error",
        }
        state = states.get(self.state_error, str(self.state_error))
        return f"{state}, {services.get(self.service_error, str(self.service_error))}"


Answer: TypeAlias = Normal | Block | Listed | ExceptionAnswer


def get_normal(invoke: int, attribute: Attribute, access: bytes | None = None) -> bytes:
    """GET-Request-Normal. `access` is an encoded selective-access descriptor, selector octet first."""
    return _request(_NORMAL, invoke) + _selected(attribute, access)


def get_next(invoke: int, block: int) -> bytes:
    """GET-Request-Next: asks for the block after number `block`."""
    return _request(_BLOCK, invoke) + block.to_bytes(4, "big")


def get_with_list(invoke: int, attributes: tuple[Attribute, ...]) -> bytes:
    """GET-Request-With-List of whole attributes."""
    wanted = b"".join(_selected(attribute, None) for attribute in attributes)
    return _request(_LIST, invoke) + encode_length(len(attributes)) + wanted


_REPLY_TO_HLS: Final = bytes.fromhex("000f 0000280000ff 01 01 09")
"""Class 15, the current association 0.0.40.0.0.255, method 1; with parameters, an octet-string."""
_MAX_PROOF: Final = 0x7F


def reply_to_hls(invoke: int, proof: bytes) -> bytes:
    """ACTION-Request-Normal of reply_to_HLS: our proof for the meter's challenge (1…127 octets)."""
    if not 0 < len(proof) <= _MAX_PROOF:
        raise ValueError(f"expected a proof of 1 to {_MAX_PROOF} octets, got {len(proof)}")
    return bytes([ACTION_REQUEST, _NORMAL, INVOKE | invoke & 0x0F]) + _REPLY_TO_HLS + bytes([len(proof)]) + proof


def is_reply_to_hls(request: bytes) -> bool:
    """Whether `request` is exactly that ACTION and no other."""
    end = 3 + len(_REPLY_TO_HLS)
    return (
        request[:2] == bytes([ACTION_REQUEST, _NORMAL])
        and request[3:end] == _REPLY_TO_HLS
        and 0 < len(request) - end - 1 <= _MAX_PROOF
        and request[end] == len(request) - end - 1
    )


def parse_hls_answer(apdu: bytes) -> tuple[int, bytes | None]:
    """Invoke id and the meter's proof from the ACTION-Response to reply_to_HLS; None when the meter refuses ours.

    Raises:
        MeterDecodeError: naming the offset, when it is anything else.
    """
    decoder = Decoder(apdu)
    tag, kind = decoder.octet(), decoder.octet()
    if (tag, kind) != (ACTION_RESPONSE, _NORMAL):
        raise decoder.fault(f"expected an ACTION-Response-Normal, got 0x{tag:02x} of type {kind}")
    invoke, result = decoder.octet() & 0x0F, decoder.octet()
    if result != 0:
        return invoke, None
    if decoder.octet() != 1:
        raise decoder.fault("expected the meter's proof in the answer to reply_to_HLS, got none")
    proof = _result(decoder)
    decoder.finish()
    if isinstance(proof, AccessResult) or not isinstance(proof.value, bytes):
        raise decoder.fault("expected the meter's proof as an octet-string")
    return invoke, proof.value


def _request(kind: int, invoke: int) -> bytes:
    return bytes([GET_REQUEST, kind, INVOKE | invoke & 0x0F])


def _selected(attribute: Attribute, access: bytes | None) -> bytes:
    return attribute.octets() + (b"\x00" if access is None else b"\x01" + access)


def selector(kind: int, parameters: Data) -> bytes:
    """A selective-access descriptor: selector octet and its parameters."""
    return bytes([kind]) + encode(parameters)


def parse(apdu: bytes) -> Answer:
    """What the meter answered.

    Raises:
        MeterDecodeError: naming the offset, when it is no GET-Response, exception response or service error.
    """
    decoder = Decoder(apdu)
    tag = decoder.octet()
    if tag == EXCEPTION_RESPONSE:
        state, service = decoder.octet(), decoder.octet()
        # An invocation counter error carries the expected counter behind it, where the meter is of a newer edition.
        has_counter = service == COUNTER_ERROR and len(apdu) == decoder.at + 4
        return ExceptionAnswer(state, service, int.from_bytes(decoder.take(4), "big") if has_counter else None)
    if tag == SERVICE_ERROR:
        raise MeterDecodeError(f"expected a GET-Response, got a confirmed service error {apdu[:8].hex()}")
    if tag != GET_RESPONSE:
        raise MeterDecodeError(f"expected a GET-Response (0xc4), got 0x{tag:02x}")
    kind, invoke = decoder.octet(), decoder.octet() & 0x0F
    answer = _answer(kind, invoke, decoder)
    decoder.finish()
    return answer


def _answer(kind: int, invoke: int, decoder: Decoder) -> Answer:
    if kind == _NORMAL:
        return Normal(invoke, _result(decoder))
    if kind == _BLOCK:
        return _block(invoke, decoder)
    if kind == _LIST:
        return Listed(invoke, _results(decoder))
    raise decoder.fault(f"expected a GET-Response normal, with-datablock or with-list, got type {kind}")


def _block(invoke: int, decoder: Decoder) -> Block:
    last = decoder.octet() != 0
    number = int.from_bytes(decoder.take(4), "big")
    choice = decoder.octet()
    if choice == 0:
        return Block(invoke, last, number, decoder.take(decoder.length()), None)
    if choice == 1:
        return Block(invoke, last, number, None, _access_result(decoder))
    raise decoder.fault(f"expected raw data (0) or a result (1) in a data block, got {choice}")


def _results(decoder: Decoder) -> tuple[Data | AccessResult, ...]:
    count = decoder.length()
    if count > 0xFF:
        raise decoder.fault(f"expected at most 255 results, got {count}")
    return tuple([_result(decoder) for _ in range(count)])


def _result(decoder: Decoder) -> Data | AccessResult:
    choice = decoder.octet()
    if choice == 0:
        return decoder.value()
    if choice == 1:
        return _access_result(decoder)
    raise decoder.fault(f"expected data (0) or a result (1), got {choice}")


def _access_result(decoder: Decoder) -> AccessResult:
    code = decoder.octet()
    try:
        return AccessResult(code)
    except ValueError:
        # A maker's own code is still a refusal, and never a value.
        return AccessResult.OTHER_REASON


def parse_results(raw: bytes) -> tuple[Data | AccessResult, ...]:
    """The joined blocks of a long answer to a GET with list.

    Raises:
        MeterDecodeError: naming the offset.
    """
    decoder = Decoder(raw)
    results = _results(decoder)
    decoder.finish()
    return results
