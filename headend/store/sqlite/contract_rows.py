"""Rows of platforms' signed contracts. Every function works inside the caller's transaction."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from headend.trading.contracts import KeptContract, VerifiedContract
from ledger_client.contract_body import ContractTerms
from ledger_client.exact_json import decimal_text
from ledger_client.ledger import Side, Trade
from signing.interval import Interval

_TERMS = (
    "role, transaction_id, order_item_id, platform_id_buyer, platform_id_seller, discom_id_buyer, discom_id_seller, buyer_id, "
    "seller_id, start_utc, end_utc, quantity_wh, price_inr_per_kwh"
)
_PROOF = "body, authorization, key_id, public_key, signature, created_utc, received_utc, late"
_COLUMNS = f"{_TERMS}, {_PROOF}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LateContract:
    """A contract that was refused, of a trade that a ledger shows."""

    record_id: str
    platform: str
    changes: str


def put_contract(connection: sqlite3.Connection, contract: VerifiedContract, late: str | None) -> int:
    """Keeps a contract; its number. `late` says what it would have changed, where it is refused for that."""
    terms = contract.terms
    price = terms.price_inr_per_kwh
    cursor = connection.execute(
        f"INSERT INTO contracts (platform, {_COLUMNS}) VALUES ({', '.join('?' * 22)})",  # noqa: S608 - constants
        (
            terms.platform,
            terms.role.value,
            terms.transaction_id,
            terms.order_item_id,
            terms.platform_id_buyer,
            terms.platform_id_seller,
            terms.discom_id_buyer,
            terms.discom_id_seller,
            terms.buyer_id,
            terms.seller_id,
            terms.window.start_utc,
            terms.window.end_utc,
            terms.quantity_wh,
            None if price is None else decimal_text(price),
            contract.body,
            contract.authorization,
            contract.key_id,
            contract.public_key,
            contract.signature,
            contract.created_utc,
            contract.received_utc,
            late,
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def of_trade(connection: sqlite3.Connection, trade: Trade) -> tuple[KeptContract, ...]:
    """The contracts under a trade's ids of the platforms that it names, in the order received."""
    rows = connection.execute(
        f"SELECT contract, {_COLUMNS} FROM contracts WHERE transaction_id = ? AND order_item_id = ? AND platform IN (?, ?) "  # noqa: S608 - constants
        "ORDER BY contract",
        (trade.transaction_id, trade.order_item_id, trade.platform_id_buyer, trade.platform_id_seller),
    )
    return tuple(_kept(row) for row in rows)


def by_item(
    connection: sqlite3.Connection, transaction_id: str, order_item_id: str, *, most: int
) -> tuple[KeptContract, ...]:
    """The contracts under a trade's ids, of whatever platform, in the order received; the first `most` of them."""
    rows = connection.execute(
        f"SELECT contract, {_COLUMNS} FROM contracts WHERE transaction_id = ? AND order_item_id = ? ORDER BY contract LIMIT ?",  # noqa: S608 - constants
        (transaction_id, order_item_id, most),
    )
    return tuple(_kept(row) for row in rows)


def every(connection: sqlite3.Connection) -> Iterator[KeptContract]:
    """All contracts, in the order received."""
    rows = connection.execute(f"SELECT contract, {_COLUMNS} FROM contracts ORDER BY contract")  # noqa: S608 - constants
    return map(_kept, rows)


def of_platform(connection: sqlite3.Connection, terms: ContractTerms) -> tuple[KeptContract, ...]:
    """The contracts of the same platform, role and trade as `terms`, in the order received."""
    rows = connection.execute(
        f"SELECT contract, {_COLUMNS} FROM contracts WHERE transaction_id = ? AND order_item_id = ? AND platform = ? "  # noqa: S608 - constants
        "AND role = ? ORDER BY contract",
        (terms.transaction_id, terms.order_item_id, terms.platform, terms.role.value),
    )
    return tuple(_kept(row) for row in rows)


def received_since(connection: sqlite3.Connection, platform: str, since_utc: int) -> int:
    """How many contracts of a platform came at or after a time."""
    row = connection.execute(
        "SELECT count(*) FROM contracts WHERE platform = ? AND received_utc >= ?", (platform, since_utc)
    ).fetchone()
    return int(row[0])


def unknown_ended(connection: sqlite3.Connection, ended_before_utc: int, *, most: int) -> tuple[int, ...]:
    """Numbers of contracts whose delivery ended before a time and that no known trade is under, `most` of them."""
    rows = connection.execute(
        "SELECT contract FROM contracts AS c WHERE end_utc < ? AND NOT EXISTS (SELECT 1 FROM trades AS t "
        "WHERE t.transaction_id = c.transaction_id AND t.order_item_id = c.order_item_id) LIMIT ?",
        (ended_before_utc, most),
    )
    return tuple(int(number) for (number,) in rows)


def delete(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Deletes contracts."""
    connection.executemany("DELETE FROM contracts WHERE contract = ?", [(number,) for number in numbers])


def late(connection: sqlite3.Connection, since_utc: int) -> tuple[LateContract, ...]:
    """The refused contracts received at or after a time whose platform trades under a known trade, in the order received."""
    rows = connection.execute(
        "SELECT t.record_id, c.platform, c.late FROM contracts AS c JOIN trades AS t "
        "ON t.transaction_id = c.transaction_id AND t.order_item_id = c.order_item_id "
        "WHERE c.late IS NOT NULL AND c.received_utc >= ? "
        "AND c.platform = CASE c.role WHEN 'BUYER' THEN t.platform_id_buyer ELSE t.platform_id_seller END ORDER BY c.contract",
        (since_utc,),
    )
    return tuple(
        LateContract(record_id=record_id, platform=platform, changes=text) for record_id, platform, text in rows
    )


def _kept(row: tuple[Any, ...]) -> KeptContract:
    price = row[13]
    terms = ContractTerms(
        role=Side(row[1]),
        transaction_id=row[2],
        order_item_id=row[3],
        platform_id_buyer=row[4],
        platform_id_seller=row[5],
        discom_id_buyer=row[6],
        discom_id_seller=row[7],
        buyer_id=row[8],
        seller_id=row[9],
        window=Interval(row[10], row[11]),
        quantity_wh=row[12],
        price_inr_per_kwh=None if price is None else Decimal(price),
    )
    body, authorization, key_id, public_key, signature, created_utc, received_utc, was_late = row[14:]
    verified = VerifiedContract(
        terms=terms,
        body=body,
        authorization=authorization,
        key_id=key_id,
        public_key=public_key,
        signature=signature,
        created_utc=created_utc,
        received_utc=received_utc,
    )
    return KeptContract(number=row[0], verified=verified, late=was_late)
