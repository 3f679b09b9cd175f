"""The GET service: one request of one association in, one response out, in blocks where it is long.

Source: IEC 62056-5-3, 6.6 (GET) and 9.5 (its APDUs).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from firmware_sim.dlms.acse import Conformance
from firmware_sim.dlms.axdr import Reader, length
from firmware_sim.dlms.objects import AccessRefusedError, AccessResult, CosemObject, Selection
from firmware_sim.errors import DecodeError

UNKNOWN_SERVICE = bytes([0xD8, 2, 2])
"""An exception-response: service-unknown, service-not-supported."""

_BLOCK_HEADER = 9
"""Bytes of a get-response-with-datablock before the length of its raw data."""


@dataclass(slots=True, kw_only=True)
class Transfer:
    """A GET answer on its way in blocks."""

    invoke: int
    content: bytes
    sent: int = 0
    block: int = 0


@dataclass(slots=True, kw_only=True)
class View:
    """What one association may read, and how far it has read."""

    objects: Mapping[bytes, CosemObject]
    sees_everything: bool
    conformance: int
    transfer: Transfer | None = None


class GetService:
    """One GET request; `room` is the longest answer in bytes, `now` the meter's time."""

    def __init__(self, view: View, now: int, room: int) -> None:
        self._view = view
        self._now = now
        self._room = room

    def answer(self, reader: Reader) -> bytes:
        """The response to what `reader` holds after the tag.

        Raises:
            DecodeError: when it is no GET request.
        """
        kind, invoke = reader.number(1), reader.number(1)
        if kind == 1:
            self._view.transfer = None
            return self._normal(invoke, reader)
        if kind == 2:
            block = reader.number(4)
            reader.end()
            return self._next(invoke, block)
        if kind == 3 and self._view.conformance & Conformance.MULTIPLE_REFERENCES:
            self._view.transfer = None
            return self._list(invoke, reader)
        return UNKNOWN_SERVICE

    def _normal(self, invoke: int, reader: Reader) -> bytes:
        try:
            content = self._attribute(reader, last=True)
        except AccessRefusedError as refusal:
            return bytes([0xC4, 1, invoke, 1, refusal.result])
        if 4 + len(content) <= self._room:
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
        if 3 + len(results) <= self._room:
            return bytes([0xC4, 3, invoke]) + results
        return self._first(invoke, results)

    def _attribute(self, reader: Reader, *, last: bool) -> bytes:
        class_id, name, attribute = reader.number(2), reader.take(6), reader.number(1)
        selection = None
        if reader.number(1):
            selection = Selection(selector=reader.number(1), parameters=reader.data())
        if last:
            reader.end()
        found = self._view.objects.get(name)
        if found is None:
            raise AccessRefusedError(AccessResult.OBJECT_UNDEFINED)
        if found.class_id != class_id:
            raise AccessRefusedError(AccessResult.CLASS_INCONSISTENT)
        if not (found.public or self._view.sees_everything):
            raise AccessRefusedError(AccessResult.READ_WRITE_DENIED)
        if selection is not None and not self._view.conformance & Conformance.SELECTIVE_ACCESS:
            raise AccessRefusedError(AccessResult.SCOPE_VIOLATED)
        return found.read(attribute, self._now, selection)

    def _first(self, invoke: int, content: bytes) -> bytes:
        if not self._view.conformance & Conformance.BLOCK_TRANSFER_WITH_GET:
            return bytes([0xC4, 1, invoke, 1, AccessResult.BLOCK_UNAVAILABLE])
        transfer = Transfer(invoke=invoke, content=content)
        self._view.transfer = transfer
        return self._block(transfer)

    def _next(self, invoke: int, acknowledged: int) -> bytes:
        transfer = self._view.transfer
        if transfer is None or transfer.invoke & 0x0F != invoke & 0x0F:
            return self._aborted(invoke, acknowledged, AccessResult.NO_LONG_GET)
        if acknowledged != transfer.block:
            return self._aborted(invoke, acknowledged, AccessResult.BLOCK_NUMBER_INVALID)
        return self._block(transfer)

    def _aborted(self, invoke: int, block: int, result: AccessResult) -> bytes:
        self._view.transfer = None
        return bytes([0xC4, 2, invoke, 1]) + block.to_bytes(4, "big") + bytes([1, result])

    def _block(self, transfer: Transfer) -> bytes:
        room = self._room - _BLOCK_HEADER
        size = room - len(length(room))
        part = transfer.content[transfer.sent : transfer.sent + size]
        transfer.sent += len(part)
        transfer.block += 1
        last = transfer.sent == len(transfer.content)
        if last:
            self._view.transfer = None
        header = bytes([0xC4, 2, transfer.invoke, int(last)]) + transfer.block.to_bytes(4, "big") + b"\x00"
        return header + length(len(part)) + part
