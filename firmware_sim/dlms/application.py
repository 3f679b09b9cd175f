"""The application layer of the meter: associations and services, one APDU in, one APDU out.

Below it may lie any framing; above it are only objects. Source: IEC 62056-5-3 (ACSE, GET service, exception-response).
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from firmware_sim.dlms import acse
from firmware_sim.dlms.acse import Conformance, Diagnostic, InitiateError, Mechanism
from firmware_sim.dlms.axdr import (
    NULL,
    Reader,
    array,
    bits,
    enum,
    integer8,
    length,
    octets,
    structure,
    unsigned8,
    unsigned16,
)
from firmware_sim.dlms.catalogue import ASSOCIATION
from firmware_sim.dlms.objects import AccessRefusedError, AccessResult, CosemObject, Plain, Selection, constant
from firmware_sim.errors import DecodeError

PUBLIC_SAP, READER_SAP, SERVER_SAP = 16, 32, 1
DEFAULT_MAX_PDU = 1024
SUPPORTED = (
    Conformance.GET | Conformance.SET | Conformance.ACTION | Conformance.SELECTIVE_ACCESS
    | Conformance.BLOCK_TRANSFER_WITH_GET | Conformance.MULTIPLE_REFERENCES | Conformance.PRIORITY
)  # fmt: skip

# An exception-response is its tag, a state error and a service error.
_NOT_ASSOCIATED = bytes([0xD8, 1, 1])  # service-not-allowed, operation-not-possible
_UNKNOWN_SERVICE = bytes([0xD8, 2, 2])  # service-unknown, service-not-supported
_NOT_UNDERSTOOD = bytes([0xD8, 1, 3])  # service-not-allowed, other-reason
_PDU_TOO_LONG = bytes([0xD8, 1, 4])  # service-not-allowed, pdu-too-long

_GET, _SET, _ACTION = 0xC0, 0xC1, 0xC3
_NEEDS = {_GET: Conformance.GET, _SET: Conformance.SET, _ACTION: Conformance.ACTION}
_BLOCK_HEADER = 9
"""Bytes of a get-response-with-datablock before the length of its raw data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client this meter knows, by its service access point."""

    sap: int
    mechanism: Mechanism
    password: bytes = field(default=b"", repr=False)
    sees_everything: bool = False


@dataclass(slots=True, kw_only=True)
class _Transfer:
    """A GET answer on its way in blocks."""

    invoke: int
    content: bytes
    sent: int = 0
    block: int = 0


@dataclass(slots=True, kw_only=True)
class _Association:
    client: Client
    conformance: int
    max_pdu: int
    """Largest APDU the client takes, in bytes."""
    objects: Mapping[bytes, CosemObject]
    transfer: _Transfer | None = None


class Application:
    """One logical device as its clients see it: any number of clients, one association each."""

    def __init__(
        self,
        objects: list[CosemObject],
        clients: list[Client],
        *,
        now: Callable[[], int],
        max_pdu: int = DEFAULT_MAX_PDU,
    ) -> None:
        self._objects = objects
        self._clients = {client.sap: client for client in clients}
        self._now = now
        self._max_pdu = max_pdu
        self._associations: dict[int, _Association] = {}

    def answer(self, sap: int, apdu: bytes) -> bytes:
        """The answer to `apdu` from the client at `sap`; empty where none is due. Never raises."""
        if not apdu:
            return b""
        if len(apdu) > self._max_pdu:
            return _PDU_TOO_LONG
        try:
            return self._dispatch(sap, apdu)
        except DecodeError:
            return _NOT_UNDERSTOOD

    def _dispatch(self, sap: int, apdu: bytes) -> bytes:
        if apdu[0] == acse.AARQ:
            return self._associate(sap, apdu)
        association = self._associations.get(sap)
        if apdu[0] == acse.RLRQ:
            self._associations.pop(sap, None)
            return acse.rlre() if association else _NOT_ASSOCIATED
        if association is None:
            return _NOT_ASSOCIATED
        needed = _NEEDS.get(apdu[0])
        if needed is None or not association.conformance & needed:
            return _UNKNOWN_SERVICE
        reader = Reader(apdu[1:])
        if apdu[0] == _GET:
            return _GetService(association, self._now()).answer(reader)
        return _refuse_change(apdu[0], reader)

    def _associate(self, sap: int, apdu: bytes) -> bytes:
        self._associations.pop(sap, None)
        request = acse.parse_aarq(apdu)
        client = self._clients.get(sap)
        diagnostic = _judge(client, request)
        if client is None or diagnostic is not Diagnostic.NONE:
            return acse.aare(diagnostic, None)
        initiate = acse.parse_initiate(request.initiate)
        conformance = initiate.conformance & SUPPORTED
        error = _judge_initiate(initiate, conformance)
        if error is not None:
            return acse.aare(Diagnostic.NO_REASON, acse.initiate_refused(error))
        association = _Association(
            client=client,
            conformance=conformance,
            max_pdu=min(initiate.max_pdu or 0xFFFF, self._max_pdu),
            objects={},
        )
        association.objects = self._with_association(association)
        self._associations[sap] = association
        return acse.aare(Diagnostic.NONE, acse.initiate_response(conformance, self._max_pdu))

    def _with_association(self, association: _Association) -> dict[bytes, CosemObject]:
        objects = {each.name: each for each in self._objects}
        # An association sees itself; what it may not see is in the meter all the same, and is refused, not denied.
        visible = [each for each in self._objects if association.client.sees_everything or each.public]
        current = CosemObject(
            class_id=15, version=1, name=ASSOCIATION, attributes=self._current(association, visible), public=True
        )
        objects[ASSOCIATION] = current
        visible.append(current)
        return objects

    def _current(self, association: _Association, visible: list[CosemObject]) -> dict[int, Plain]:
        client = association.client
        context = structure(
            bits(association.conformance.to_bytes(3, "big")),
            unsigned16(self._max_pdu),
            unsigned16(association.max_pdu),
            unsigned8(6),
            integer8(0),
            octets(b""),
        )
        return {
            2: lambda _: array(each.listed() for each in visible),
            3: constant(structure(integer8(client.sap), unsigned16(SERVER_SAP))),
            4: constant(octets(acse.LN_CONTEXT)),
            5: constant(context),
            6: constant(octets(acse.LN_CONTEXT[:-2] + bytes([2, client.mechanism]))),
            8: constant(enum(2)),  # associated
        }


def _judge(client: Client | None, request: acse.AssociationRequest) -> Diagnostic:
    if request.context != acse.LN_CONTEXT:
        return Diagnostic.CONTEXT_NOT_SUPPORTED
    if client is None:
        return Diagnostic.NO_REASON
    if request.mechanism is None:
        return Diagnostic.MECHANISM_NOT_RECOGNISED
    if request.mechanism is not client.mechanism:
        required = request.mechanism is Mechanism.NONE
        return Diagnostic.AUTHENTICATION_REQUIRED if required else Diagnostic.MECHANISM_NOT_RECOGNISED
    if client.mechanism is Mechanism.LLS and not hmac.compare_digest(request.password, client.password):
        return Diagnostic.AUTHENTICATION_FAILURE
    return Diagnostic.NONE


def _judge_initiate(initiate: acse.Initiate, conformance: int) -> InitiateError | None:
    if initiate.version < 6:
        return InitiateError.VERSION_TOO_LOW
    if not conformance & Conformance.GET:
        return InitiateError.INCOMPATIBLE_CONFORMANCE
    if 0 < initiate.max_pdu < acse.SMALLEST_PDU:
        return InitiateError.PDU_TOO_SHORT
    return None


def _refuse_change(tag: int, reader: Reader) -> bytes:
    """SET and ACTION are understood and refused: this meter is read, not written."""
    kind, invoke = reader.number(1), reader.number(1)
    if kind != 1:
        return _UNKNOWN_SERVICE
    denied = bytes([1, invoke, AccessResult.READ_WRITE_DENIED])
    return b"\xc5" + denied if tag == _SET else b"\xc7" + denied + NULL


class _GetService:
    """One GET request in one association."""

    def __init__(self, association: _Association, now: int) -> None:
        self._association = association
        self._now = now

    def answer(self, reader: Reader) -> bytes:
        kind, invoke = reader.number(1), reader.number(1)
        if kind == 1:
            self._association.transfer = None
            return self._normal(invoke, reader)
        if kind == 2:
            block = reader.number(4)
            reader.end()
            return self._next(invoke, block)
        if kind == 3 and self._association.conformance & Conformance.MULTIPLE_REFERENCES:
            self._association.transfer = None
            return self._list(invoke, reader)
        return _UNKNOWN_SERVICE

    def _normal(self, invoke: int, reader: Reader) -> bytes:
        try:
            content = self._attribute(reader, last=True)
        except AccessRefusedError as refusal:
            return bytes([0xC4, 1, invoke, 1, refusal.result])
        if 4 + len(content) <= self._association.max_pdu:
            return bytes([0xC4, 1, invoke, 0]) + content
        return self._first(invoke, content)

    def _list(self, invoke: int, reader: Reader) -> bytes:
        count = reader.length()
        if count > reader.left // 10:  # a descriptor takes ten bytes at least
            raise DecodeError(f"expected {count} descriptors, got {reader.left} bytes")
        results = length(count)
        for index in range(count):
            try:
                results += b"\x00" + self._attribute(reader, last=index == count - 1)
            except AccessRefusedError as refusal:
                results += bytes([1, refusal.result])
        if 3 + len(results) <= self._association.max_pdu:
            return bytes([0xC4, 3, invoke]) + results
        return self._first(invoke, results)

    def _attribute(self, reader: Reader, *, last: bool) -> bytes:
        class_id, name, attribute = reader.number(2), reader.take(6), reader.number(1)
        selection = None
        if reader.number(1):
            selection = Selection(selector=reader.number(1), parameters=reader.data())
        if last:
            reader.end()
        found = self._association.objects.get(name)
        if found is None:
            raise AccessRefusedError(AccessResult.OBJECT_UNDEFINED)
        if found.class_id != class_id:
            raise AccessRefusedError(AccessResult.CLASS_INCONSISTENT)
        if not (found.public or self._association.client.sees_everything):
            raise AccessRefusedError(AccessResult.READ_WRITE_DENIED)
        if selection is not None and not self._association.conformance & Conformance.SELECTIVE_ACCESS:
            raise AccessRefusedError(AccessResult.SCOPE_VIOLATED)
        return found.read(attribute, self._now, selection)

    def _first(self, invoke: int, content: bytes) -> bytes:
        if not self._association.conformance & Conformance.BLOCK_TRANSFER_WITH_GET:
            return bytes([0xC4, 1, invoke, 1, AccessResult.BLOCK_UNAVAILABLE])
        transfer = _Transfer(invoke=invoke, content=content)
        self._association.transfer = transfer
        return self._block(transfer)

    def _next(self, invoke: int, acknowledged: int) -> bytes:
        transfer = self._association.transfer
        if transfer is None or transfer.invoke & 0x0F != invoke & 0x0F:
            return self._aborted(invoke, acknowledged, AccessResult.NO_LONG_GET)
        if acknowledged != transfer.block:
            return self._aborted(invoke, acknowledged, AccessResult.BLOCK_NUMBER_INVALID)
        return self._block(transfer)

    def _aborted(self, invoke: int, block: int, result: AccessResult) -> bytes:
        self._association.transfer = None
        return bytes([0xC4, 2, invoke, 1]) + block.to_bytes(4, "big") + bytes([1, result])

    def _block(self, transfer: _Transfer) -> bytes:
        room = self._association.max_pdu - _BLOCK_HEADER
        size = room - len(length(room))
        part = transfer.content[transfer.sent : transfer.sent + size]
        transfer.sent += len(part)
        transfer.block += 1
        last = transfer.sent == len(transfer.content)
        if last:
            self._association.transfer = None
        header = bytes([0xC4, 2, transfer.invoke, int(last)]) + transfer.block.to_bytes(4, "big") + b"\x00"
        return header + length(len(part)) + part
