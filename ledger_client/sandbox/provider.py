"""The ledger provider of wave 2: it asks discoms for actuals, allocates them pro rata, and lets the exchange settle.

Rules only: what goes out is returned as bytes, what came in is taken as bytes; `provider_app` moves them.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ledger_client.exact_json import JsonError, dumps, loads
from ledger_client.ledger import Side, TradeStatus
from ledger_client.sandbox import actuals
from ledger_client.sandbox.actuals import Actual, Answer
from ledger_client.sandbox.allocation import pro_rata
from ledger_client.sandbox.dialects import Dialect
from ledger_client.sandbox.participants import Participant, Role
from ledger_client.sandbox.question import Form, Spoiled, status
from ledger_client.sandbox.refusal import RequestRefusedError
from ledger_client.sandbox.store import Asked, Posted, Row, Store
from ledger_client.signature import HttpSigner, KeyId, digest, parse_header
from signing.interval import DAY_S, utc_text

LOOK_BACK_DAYS = 7
"""How far back unallocated trades are asked for. Source: the network's own ledger looks back about so far."""

METERS_AT_ONCE = 200
"""Most meters of one question: an answer to seven days of hours is some 8 MiB then."""

TEST_NETWORK = "indiaenergystack.in/test-ies-p2p-trading-network"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """Who the ledger provider is and how it speaks."""

    signer: HttpSigner
    uri: str
    """Its own address as discoms call it back, e.g. ``http://127.0.0.1:8000/bap/receiver``."""
    network_id: str = TEST_NETWORK
    form: Form = Form.ARRAY
    dialect: Dialect = Dialect.B
    is_numbers_as_text: bool = False
    """Whether it writes numbers as strings."""

    @property
    def subscriber_id(self) -> str:
        """Its registered id."""
        return self.signer.key_id.subscriber_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One ``status`` to one discom, stored as asked."""

    discom: Participant
    message_id: str
    body: bytes
    meters: int


class Provider:
    """The ledger provider's rules over the exchange's store. `new_id` gives a fresh UUID as text."""

    def __init__(
        self,
        store: Store,
        settings: ProviderSettings,
        discoms: Sequence[Participant],
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.settings = settings
        self._store = store
        self._discoms = discoms
        self._new_id = new_id

    # --- asking

    def questions(self, now: int, spoiled: Spoiled, *, everything: bool = False) -> list[Question]:
        """What to ask every discom at `now`: its meters whose trades ended and are not allocated, or all of the look-back."""
        found = []
        with self._store.transaction():
            for discom in self._discoms:
                meters = sorted(self._meters(discom, now, everything=everything).items())
                for first in range(0, len(meters), METERS_AT_ONCE):
                    part = dict(meters[first : first + METERS_AT_ONCE])
                    found.append(self._question(discom, part, now, spoiled))
        return found

    def _meters(self, discom: Participant, now: int, *, everything: bool) -> dict[str, set[tuple[int, int]]]:
        """The windows to ask about, by meter."""
        found: dict[str, set[tuple[int, int]]] = {}
        for row in self._store.all_rows():
            if not _is_due(row, now):
                continue
            for side in Side:
                meter = row.meter_id(side)
                if row.discom_id(side) != discom.discom_id or meter is None:
                    continue
                if everything or row.allocated_wh(side) is None:
                    found.setdefault(meter, set()).add(_window(row))
        return found

    def _question(
        self, discom: Participant, meters: dict[str, set[tuple[int, int]]], now: int, spoiled: Spoiled
    ) -> Question:
        transaction_id, message_id = self._new_id(), self._new_id()
        context = {
            "networkId": self.settings.network_id,
            "version": "2.0.0",
            "action": "status",
            "bapId": self.settings.subscriber_id,
            "bapUri": self.settings.uri,
            "bppId": discom.subscriber_id,
            "bppUri": discom.receiver_url,
            "transactionId": transaction_id,
            "messageId": message_id,
            "timestamp": utc_text(now),
        }
        body = status(
            context=context,
            contract_id=self._new_id(),
            discom_id=discom.discom_id or "",
            meters=meters,
            form=self.settings.form,
            spoiled=spoiled,
            is_numbers_as_text=self.settings.is_numbers_as_text,
        )
        self._store.save_asked(
            Asked(
                message_id=message_id,
                transaction_id=transaction_id,
                discom_id=discom.discom_id or "",
                asked_utc=now,
                body_digest=digest(body),
            )
        )
        return Question(discom=discom, message_id=message_id, body=body, meters=len(meters))

    def signed(self, question: Question, created: int, lifetime_s: int) -> str:
        """The signature header of a question, kept: an answer may be signed over it."""
        header = self.settings.signer.sign(question.body, created=created, expires=created + lifetime_s)
        with self._store.transaction():
            asked = self._store.asked_as(question.message_id)
            if asked is not None:
                self._store.save_asked(replace(asked, signature=parse_header(header).signature_text))
        return header

    # --- being answered

    def request_signature(self, body: bytes) -> str | None:
        """The signature of the question that a raw answer names, for one that is signed in four lines; None where it names none."""
        try:
            envelope = loads(body)
        except JsonError:
            return None
        context = envelope.get("context") if isinstance(envelope, dict) else None
        message_id = context.get("messageId") if isinstance(context, dict) else None
        asked = self._store.asked_as(message_id) if isinstance(message_id, str) and message_id.isprintable() else None
        return None if asked is None else asked.signature

    def on_status(self, caller: Participant, body: bytes, now: int) -> tuple[str, dict[str, object]]:
        """Take one ``on_status``: allocate what it says; the message's id, and what was written.

        Raises:
            RequestRefusedError: nothing of it had an effect.
        """
        if caller.role is not Role.DISCOM:
            raise RequestRefusedError("AUT_NOT_AUTHORIZED", "on_status is for a discom")
        answer = actuals.read_on_status(body)
        self._require_context(caller, answer)
        with self._store.transaction():
            self._require_asked(caller, answer, now)
            matched = sum(self._applied(caller, actual, now) for actual in answer.actuals)
        written = dumps({"actuals": len(answer.actuals), "allocations": matched})
        return answer.message_id, {
            "success": True,
            "recordId": answer.message_id,
            "creationTime": utc_text(now),
            "rowDigest": f"BLAKE-512={digest(written)}",
        }

    def _require_context(self, caller: Participant, answer: Answer) -> None:
        for name, got, wanted in (
            ("bppId", answer.bpp_id, caller.subscriber_id),
            ("bapId", answer.bap_id, self.settings.subscriber_id),
            ("networkId", answer.network_id, self.settings.network_id),
        ):
            if got != wanted:
                raise RequestRefusedError(
                    "AUT_NOT_AUTHORIZED", f"context.{name}: expected {wanted!r}, got {got!r:.120}"
                )
        for actual in answer.actuals:
            if actual.discom_id not in (None, caller.discom_id):
                raise RequestRefusedError(
                    "AUT_NOT_AUTHORIZED", f"clientName: {caller.subscriber_id} is {caller.discom_id}"
                )

    def _require_asked(self, caller: Participant, answer: Answer, now: int) -> None:
        """Refuse an answer that does not fit its question; a push in a transaction of its own answers none."""
        asked = self._store.asked(transaction_id=answer.transaction_id)
        if not asked:
            return
        question = next((one for one in asked if one.message_id == answer.message_id), None)
        if question is None or question.discom_id != caller.discom_id:
            raise RequestRefusedError("SCH_INVALID_FORMAT", "context.messageId: expected the id of the question")
        if answer.request_digest not in (None, f"BLAKE-512={question.body_digest}"):
            raise RequestRefusedError("SCH_INVALID_FORMAT", "context.requestDigest: it is not the question's")
        self._store.save_asked(replace(question, answered_utc=now))

    def _applied(self, caller: Participant, actual: Actual, now: int) -> int:
        """Allocate one actual; how many sides of trades it reached."""
        rows = self._store.of_window(actual.meter_id, actual.start_utc, actual.end_utc)
        legs = [
            (row, side)
            for row in rows
            for side in Side
            if row.meter_id(side) == actual.meter_id and row.discom_id(side) == caller.discom_id
        ]
        if not legs or not self._noted(caller, actual, legs, now):
            return 0
        written: dict[tuple[str, str], Row] = {}
        for side in Side:
            here = [row for row, own in legs if own is side]
            available = max(actual.net_wh if side is Side.BUYER else -actual.net_wh, 0)
            shares = pro_rata([row.quantity_wh or 0 for row in here], available)
            for row, share in zip(here, shares, strict=True):
                key = (row.transaction_id, row.order_item_id)
                written[key] = _allocated(written.get(key, row), side, share)
        for row in written.values():
            self._store.save(row)
        return len(legs)

    def _noted(self, caller: Participant, actual: Actual, legs: Iterable[tuple[Row, Side]], now: int) -> bool:
        """Keep the actual as a posting of each spelling of its window; False where a later one has replaced it already."""
        is_newest = True
        for start, end in sorted({(str(row.delivery_start), str(row.delivery_end)) for row, _ in legs}):
            posted = self._store.postings(actual.meter_id, start, end)
            earlier = [one for one in posted if one.caller_id == caller.subscriber_id]
            same = [one for one in earlier if _is_same(one, actual)]
            if same:
                is_newest = is_newest and same[-1] is earlier[-1]
                continue
            self._store.save_posting(
                Posted(
                    caller_id=caller.subscriber_id,
                    meter_id=actual.meter_id,
                    delivery_start=start,
                    delivery_end=end,
                    client_reference=actual.evidence,
                    revision=len(earlier) + 1,
                    posted_utc=now,
                    actual_imported_wh=actual.net_wh,
                    answer=b"",
                )
            )
        return is_newest

    # --- the registry that discoms look it up in

    def looked_up(self, key: KeyId, others: Callable[[KeyId], str | None], *, is_revoked: bool) -> bytes:
        """A registry's answer about a key of this exchange, in DeDi's form; empty where it knows none."""
        own = self.settings.signer
        found = own.public_key_text if key == own.key_id else others(key)
        if found is None:
            return b""
        details: dict[str, object] = {
            "subscriber_id": key.subscriber_id,
            "signing_public_key": found,
            "type": "BAP" if key == own.key_id else "BPP",
            "countries": ["IND"],
        }
        if key == own.key_id:
            details["subscriber_url"] = self.settings.uri
        data = {
            "details": details,
            "network_memberships": [self.settings.network_id],
            "is_revoked": is_revoked,
        }
        return dumps({"message": "found", "data": data})


def _window(row: Row) -> tuple[int, int]:
    assert row.delivery_start_utc is not None
    assert row.delivery_end_utc is not None
    return row.delivery_start_utc, row.delivery_end_utc


def _is_tradeable(row: Row) -> bool:
    """Whether a row is a whole energy trade."""
    is_energy = (row.trade_type, row.trade_unit) == ("ENERGY", "KWH")
    return is_energy and None not in (
        row.delivery_start_utc, row.delivery_end_utc, row.buyer_id, row.seller_id, row.discom_id_buyer, row.discom_id_seller,
    )  # fmt: skip


def _is_due(row: Row, now: int) -> bool:
    """Whether a row's delivery has ended, within the look-back."""
    return _is_tradeable(row) and now - LOOK_BACK_DAYS * DAY_S <= _window(row)[0] and _window(row)[1] <= now


def _allocated(row: Row, side: Side, share: int) -> Row:
    done = TradeStatus.COMPLETED.value
    if side is Side.BUYER:
        return replace(row, pulled_wh=share, status_buyer=done)
    return replace(row, pushed_wh=share, status_seller=done)


def _is_same(posted: Posted, actual: Actual) -> bool:
    """Whether a posting is this actual; the same evidence for another figure is refused."""
    if posted.client_reference != actual.evidence:
        return False
    if posted.actual_imported_wh == actual.net_wh:
        return True
    if actual.evidence is not None:
        raise RequestRefusedError("PRC_CONFLICT", f"{actual.evidence}: it was said of another figure")
    return False
