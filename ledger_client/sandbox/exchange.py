"""What the exchange does with a verified request: one method per endpoint, each one transaction on the store."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from ledger_client.exact_json import dumps, kwh
from ledger_client.ledger import Side
from ledger_client.sandbox import rendering, schema
from ledger_client.sandbox.allocation import Leg, allocated
from ledger_client.sandbox.forwarding import Forwarding
from ledger_client.sandbox.participants import Participant, Role
from ledger_client.sandbox.refusal import RequestRefusedError
from ledger_client.sandbox.rendering import Numbers
from ledger_client.sandbox.store import Posted, Recorded, Row, Store
from signing.interval import parse_instant, utc_text

_UTC_OF = {
    "trade_time": "trade_time_utc",
    "delivery_start": "delivery_start_utc",
    "delivery_end": "delivery_end_utc",
}


def _require(caller: Participant, role: Role, what: str) -> None:
    """Refuse a caller of the other role."""
    if caller.role is not role:
        raise RequestRefusedError("AUT_NOT_AUTHORIZED", f"{what} is for a {role.value}, {caller.subscriber_id} is none")


def _require_discom(caller: Participant, discom_id: str) -> None:
    """Refuse a discom that speaks for another."""
    if caller.discom_id != discom_id:
        raise RequestRefusedError(
            "AUT_NOT_AUTHORIZED", f"discomId: {caller.subscriber_id} is {caller.discom_id}, got {discom_id!r}"
        )


class Exchange:
    """The exchange's rules over its store. `numbers` says how records are written; with `forwarding` discoms are told of trades."""

    def __init__(self, store: Store, numbers: Numbers = Numbers.EXACT, *, forwarding: Forwarding | None = None) -> None:
        self._store = store
        self._numbers = numbers
        self._forwarding = forwarding

    # --- put

    def put(self, caller: Participant, body: bytes, now: int, authorization: str | None = None) -> bytes:
        """``/ledger/put``: merge one platform's statement; what is stated once never changes.

        `authorization` is the header that the platform signed `body` with: it goes to both discoms with the body.
        """
        _require(caller, Role.PLATFORM, "/ledger/put")
        request = schema.read_put(body)
        own = f"platform_id_{request.role.value.lower()}"
        if request.stated[own] != caller.subscriber_id:
            raise RequestRefusedError("AUT_NOT_AUTHORIZED", f"{own}: expected the caller {caller.subscriber_id}")
        with self._store.transaction():
            before = self._store.row(request.transaction_id, request.order_item_id)
            row = self._merged(before or self._new(request, now), request.stated)
            row = replace(row, put_by_buyer=1) if request.role is Side.BUYER else replace(row, put_by_seller=1)
            if row != before:
                self._store.save(row)
            if self._forwarding is not None and authorization is not None:
                self._forwarding.note(row, body, authorization, now)
        return self._write_answer(row)

    def _new(self, request: schema.Put, now: int) -> Row:
        """An empty row of this identity."""
        record_id = str(request.stated.get("record_id", f"{request.transaction_id}_{request.order_item_id}"))
        if self._store.record_id_taken(record_id):
            raise RequestRefusedError("PRC_CONFLICT", f"recordId {record_id!r} belongs to another trade")
        return Row(
            transaction_id=request.transaction_id,
            order_item_id=request.order_item_id,
            record_id=record_id,
            creation_utc=now,
        )

    def _merged(self, row: Row, stated: Mapping[str, str | int]) -> Row:
        """`row` with what is stated; a field that holds another value already is a conflict."""
        for column, value in stated.items():
            held = getattr(row, column)
            if held is not None and not _same(column, held, value):
                raise RequestRefusedError("PRC_CONFLICT", f"{column}: the trade holds {held!r:.80}, got {value!r:.80}")
        new: dict[str, object] = {column: value for column, value in stated.items() if getattr(row, column) is None}
        new |= {
            _UTC_OF[column]: parse_instant(str(value), column) for column, value in new.items() if column in _UTC_OF
        }
        merged = replace(row, **new)  # type: ignore[arg-type]
        start, end = merged.delivery_start_utc, merged.delivery_end_utc
        if start is not None and end is not None and start >= end:
            raise RequestRefusedError("SCH_INVALID_FORMAT", "deliveryEndTime: expected a time after deliveryStartTime")
        return merged

    def _write_answer(self, row: Row) -> bytes:
        """The answer to a write of one row."""
        return dumps(
            {
                "success": True,
                "recordId": row.record_id,
                "creationTime": utc_text(row.creation_utc),
                "rowDigest": rendering.row_digest(row),
            }
        )

    # --- get

    def get(self, caller: Participant, body: bytes) -> bytes:
        """``/ledger/get``: the rows that the caller is a party to."""
        query = schema.read_get(body)
        rows = self._store.visible(query, platform_id=caller.subscriber_id, discom_id=caller.discom_id)
        return dumps({"records": [rendering.record(row, self._numbers) for row in rows], "count": len(rows)})

    # --- allocate

    def allocate(self, caller: Participant, body: bytes, now: int) -> bytes:
        """``/ledger/allocate``: spread one meter's actual over its trades of one window.

        The same reference with the same actual is the same post: while it is the latest it is applied again, which
        changes nothing but reaches trades put since; once superseded it is answered as it was and has no effect.
        """
        _require(caller, Role.DISCOM, "/ledger/allocate")
        request = schema.read_allocate(body)
        _require_discom(caller, request.discom_id)
        with self._store.transaction():
            posted = self._store.postings(request.meter_id, request.delivery_start, request.delivery_end)
            earlier = [one for one in posted if one.caller_id == caller.subscriber_id]
            same = _same_post(earlier, request)
            if same is not None and same is not earlier[-1]:
                return same.answer
            answer = self._applied(self._legs(caller, request), request)
            self._store.save_posting(
                Posted(
                    caller_id=caller.subscriber_id,
                    meter_id=request.meter_id,
                    delivery_start=request.delivery_start,
                    delivery_end=request.delivery_end,
                    client_reference=request.client_reference,
                    revision=same.revision if same else len(earlier) + 1,
                    posted_utc=same.posted_utc if same else now,
                    actual_imported_wh=request.actual_imported_wh,
                    answer=answer,
                )
            )
        return answer

    def _legs(self, caller: Participant, request: schema.Allocate) -> list[tuple[Row, Side]]:
        """The sides of trades that this posting reaches: the caller's discom on the meter's own side."""
        rows = self._store.matching(request.meter_id, request.delivery_start, request.delivery_end)
        if not rows:
            raise RequestRefusedError("PRC_NOT_FOUND", "no ENERGY trade of this meter with a window spelled exactly so")
        legs = [
            (row, side)
            for row in rows
            for side in Side
            if row.meter_id(side) == request.meter_id and row.discom_id(side) == caller.discom_id
        ]
        if not legs:
            raise RequestRefusedError("AUT_NOT_AUTHORIZED", f"{caller.discom_id} is on no matched trade of this meter")
        return legs

    def _applied(self, legs: Sequence[tuple[Row, Side]], request: schema.Allocate) -> bytes:
        """Write what each leg gets; the answer."""
        shares = allocated(
            [Leg(side=side, quantity_wh=row.quantity_wh or 0) for row, side in legs], request.actual_imported_wh
        )
        status = request.status.value if request.status else None
        written: dict[tuple[str, str], Row] = {}
        for (row, side), share in zip(legs, shares, strict=True):
            key = (row.transaction_id, row.order_item_id)
            written[key] = _reported(written.get(key, row), side, share, status)
        for row in written.values():
            self._store.save(row)
        entries = [rendering.allocation(written[row.transaction_id, row.order_item_id], side) for row, side in legs]
        answer: dict[str, object] = {
            "success": True,
            "allocations": entries,
            "totalMatched": len(legs),
            "totalAllocated": kwh(sum(shares)),
        }
        return dumps(rendering.as_text(answer) if self._numbers is Numbers.TEXT else answer)

    # --- record

    def record(self, caller: Participant, body: bytes) -> bytes:
        """``/ledger/record``: a discom writes its own allocation of one trade.

        The same reference with the same content is the same write: the latest is applied again, which changes nothing; a
        superseded one is answered as it was and has no effect. The same reference with other content is a conflict.
        """
        _require(caller, Role.DISCOM, "/ledger/record")
        request = schema.read_record(body)
        _require_discom(caller, request.discom_id)
        with self._store.transaction():
            row = self._store.row(request.transaction_id, request.order_item_id)
            if row is None or request.record_id not in (None, row.record_id):
                raise RequestRefusedError("PRC_NOT_FOUND", "no trade of this transactionId, orderItemId and recordId")
            if row.discom_id(request.side) != caller.discom_id:
                raise RequestRefusedError(
                    "AUT_NOT_AUTHORIZED", f"{caller.discom_id} is not on the {request.side.value} side"
                )
            earlier = self._store.recorded(caller.subscriber_id, row.transaction_id, row.order_item_id)
            same = _same_record(earlier, request)
            if same is not None and same is not earlier[-1]:
                return same.answer
            status = request.status.value if request.status else None
            row = _reported(row, request.side, request.allocated_wh, status)
            self._store.save(row)
            answer = self._write_answer(row)
            if same is None and request.client_reference is not None:
                self._store.save_recorded(
                    Recorded(
                        caller_id=caller.subscriber_id,
                        transaction_id=row.transaction_id,
                        order_item_id=row.order_item_id,
                        client_reference=request.client_reference,
                        side=request.side.value,
                        allocated_wh=request.allocated_wh,
                        status=status,
                        answer=answer,
                    )
                )
        return answer

    # --- the sandbox's own view

    def settlement(self) -> bytes:
        """Every trade with what became of it; see `rendering.settlement`."""
        return dumps(rendering.settlement(self._store.all_rows(), self._store.postings))


def _same(column: str, held: str | int, stated: str | int) -> bool:
    """Whether a statement repeats what the row holds; prices are compared as numbers, times as they are spelled."""
    if column == "price":
        return Decimal(str(held)) == Decimal(str(stated))
    return held == stated


def _reported(row: Row, side: Side, allocated_wh: int, status: str | None) -> Row:
    """`row` with one side's allocation, and its status where one is given."""
    if side is Side.BUYER:
        return replace(row, pulled_wh=allocated_wh, status_buyer=row.status_buyer if status is None else status)
    return replace(row, pushed_wh=allocated_wh, status_seller=row.status_seller if status is None else status)


def _same_post(earlier: Sequence[Posted], request: schema.Allocate) -> Posted | None:
    """The caller's earlier posting that this one repeats.

    Source: the API lets a ledger key writes by caller and clientReference; here with the meter and window.
    """
    for posted in earlier:
        if request.client_reference is None or posted.client_reference != request.client_reference:
            continue
        if posted.actual_imported_wh != request.actual_imported_wh:
            raise RequestRefusedError("PRC_CONFLICT", "clientReference: it was posted with another actualImported")
        return posted
    return None


def _same_record(earlier: Sequence[Recorded], request: schema.Record) -> Recorded | None:
    """The caller's earlier write of this trade that this one repeats.

    Source: the API lets a ledger key writes by caller, trade and clientReference; this one does, strictly.
    """
    for recorded in earlier:
        if recorded.client_reference != request.client_reference:
            continue
        status = request.status.value if request.status else None
        said = (recorded.side, recorded.allocated_wh, recorded.status)
        if said != (request.side.value, request.allocated_wh, status):
            raise RequestRefusedError("PRC_CONFLICT", "clientReference: it was recorded with another metric or status")
        return recorded
    return None
