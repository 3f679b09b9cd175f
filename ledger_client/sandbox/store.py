"""The exchange's durable rows: trades and postings in one SQLite file, synchronous=FULL."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from ledger_client.ledger import LedgerError, Side
from ledger_client.sandbox.schema import Get

DATABASE = "exchange.sqlite3"
_VERSION = 3
_BUSY_TIMEOUT_S = 5.0


class StateError(LedgerError):
    """The state directory cannot be used: an operator must act, the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One trade as it is stored. Everything but the identity may be missing until the platforms have stated it."""

    transaction_id: str
    order_item_id: str
    record_id: str
    creation_utc: int
    put_by_buyer: int = 0
    """1 once the buyer's platform has put its statement."""
    put_by_seller: int = 0
    """1 once the seller's platform has put its statement."""
    platform_id_buyer: str | None = None
    platform_id_seller: str | None = None
    discom_id_buyer: str | None = None
    discom_id_seller: str | None = None
    buyer_id: str | None = None
    seller_id: str | None = None
    trade_time: str | None = None
    trade_time_utc: int | None = None
    delivery_start: str | None = None
    delivery_start_utc: int | None = None
    delivery_end: str | None = None
    delivery_end_utc: int | None = None
    trade_type: str | None = None
    trade_unit: str | None = None
    quantity_wh: int | None = None
    price: str | None = None
    price_currency: str | None = None
    pushed_wh: int | None = None
    pulled_wh: int | None = None
    status_buyer: str = ""
    status_seller: str = ""

    def allocated_wh(self, side: Side) -> int | None:
        """What `side` was allocated, Wh."""
        return self.pulled_wh if side is Side.BUYER else self.pushed_wh

    def discom_id(self, side: Side) -> str | None:
        """The discom on `side`."""
        return self.discom_id_buyer if side is Side.BUYER else self.discom_id_seller

    def meter_id(self, side: Side) -> str | None:
        """The meter on `side`."""
        return self.buyer_id if side is Side.BUYER else self.seller_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One posting as it is stored; the highest revision of a meter and window is the one that counts."""

    caller_id: str
    meter_id: str
    delivery_start: str
    delivery_end: str
    client_reference: str | None
    revision: int
    posted_utc: int
    actual_imported_wh: int
    answer: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One write of a discom's own allocation under a reference."""

    caller_id: str
    transaction_id: str
    order_item_id: str
    client_reference: str
    side: str
    allocated_wh: int
    status: str | None
    answer: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question that the ledger provider sent."""

    message_id: str
    transaction_id: str
    discom_id: str
    asked_utc: int
    body_digest: str
    """Base64 BLAKE2b-512 of its body."""
    signature: str | None = None
    """Base64 of the signature that it was sent under; None before it was sent."""
    answered_utc: int | None = None
    """When it was last answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """One platform's contract on its way to one discom."""

    forward: int
    """Its number; 0 for one that is not stored yet."""
    discom_id: str
    record_id: str
    body: bytes
    """The exact bytes of the put."""
    authorization: str
    expires_utc: int
    """When its platform's signature ends."""
    state: str
    """WAITING, TAKEN, REFUSED or EXPIRED."""
    attempts: int = 0
    next_try_utc: int = 0
    note: str = ""


_COLUMNS = tuple(field.name for field in fields(Row))
_POSTED = tuple(field.name for field in fields(Posted))
_RECORDED = tuple(field.name for field in fields(Recorded))
_ASKED = tuple(field.name for field in fields(Asked))
_FORWARD = tuple(field.name for field in fields(Forward))

_SCHEMA = """
CREATE TABLE trade (
  transaction_id TEXT NOT NULL, order_item_id TEXT NOT NULL, record_id TEXT NOT NULL UNIQUE,
  creation_utc INTEGER NOT NULL, put_by_buyer INTEGER NOT NULL, put_by_seller INTEGER NOT NULL,
  platform_id_buyer TEXT, platform_id_seller TEXT, discom_id_buyer TEXT, discom_id_seller TEXT,
  buyer_id TEXT, seller_id TEXT, trade_time TEXT, trade_time_utc INTEGER,
  delivery_start TEXT, delivery_start_utc INTEGER, delivery_end TEXT, delivery_end_utc INTEGER,
  trade_type TEXT, trade_unit TEXT, quantity_wh INTEGER, price TEXT, price_currency TEXT,
  pushed_wh INTEGER, pulled_wh INTEGER, status_buyer TEXT NOT NULL, status_seller TEXT NOT NULL,
  PRIMARY KEY (transaction_id, order_item_id)
) STRICT;
CREATE INDEX trade_by_buyer ON trade (buyer_id, delivery_start, delivery_end);
CREATE INDEX trade_by_seller ON trade (seller_id, delivery_start, delivery_end);
CREATE TABLE posting (
  caller_id TEXT NOT NULL, meter_id TEXT NOT NULL, delivery_start TEXT NOT NULL, delivery_end TEXT NOT NULL,
  client_reference TEXT, revision INTEGER NOT NULL, posted_utc INTEGER NOT NULL,
  actual_imported_wh INTEGER NOT NULL, answer BLOB NOT NULL,
  PRIMARY KEY (caller_id, meter_id, delivery_start, delivery_end, revision),
  UNIQUE (caller_id, meter_id, delivery_start, delivery_end, client_reference)
) STRICT;
"""

_SCHEMA_2 = """
CREATE TABLE recorded (
  caller_id TEXT NOT NULL, transaction_id TEXT NOT NULL, order_item_id TEXT NOT NULL, client_reference TEXT NOT NULL,
  side TEXT NOT NULL, allocated_wh INTEGER NOT NULL, status TEXT, answer BLOB NOT NULL,
  UNIQUE (caller_id, transaction_id, order_item_id, client_reference)
) STRICT;
CREATE TABLE asked (
  message_id TEXT PRIMARY KEY, transaction_id TEXT NOT NULL, discom_id TEXT NOT NULL, asked_utc INTEGER NOT NULL,
  body_digest TEXT NOT NULL, signature TEXT, answered_utc INTEGER
) STRICT;
"""
"""What version 2 adds: discoms' own records by reference, and what the ledger provider asked them."""

_SCHEMA_3 = """
CREATE TABLE forward (
  forward INTEGER PRIMARY KEY, discom_id TEXT NOT NULL, record_id TEXT NOT NULL, body BLOB NOT NULL,
  authorization TEXT NOT NULL, expires_utc INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
  next_try_utc INTEGER NOT NULL, note TEXT NOT NULL
) STRICT;
CREATE INDEX forward_waiting ON forward (next_try_utc) WHERE state = 'WAITING';
"""
"""What version 3 adds: contracts that are forwarded to discoms."""

# What a record object must have: rows that lack any of it are invisible until a platform states it.
_COMPLETE = (
    " AND ".join(
        f"{column} IS NOT NULL"
        for column in ("platform_id_buyer", "platform_id_seller", "discom_id_buyer", "discom_id_seller", "buyer_id")
    )
    + " AND seller_id IS NOT NULL"
)


def create(directory: Path) -> None:
    """A new, empty state in `directory`, which is made if it is missing.

    Raises:
        StateError: there is one already.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / DATABASE
    if path.exists():
        raise StateError(f"{path} exists already: use it, or name another directory")
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript(
            f"PRAGMA journal_mode=WAL; BEGIN; {_SCHEMA} {_SCHEMA_2} {_SCHEMA_3} PRAGMA user_version={_VERSION}; COMMIT;"
        )
    finally:
        connection.close()


class Store:
    """The open state. One thread at a time; owns its connection."""

    def __init__(self, directory: Path) -> None:
        path = directory / DATABASE
        if not path.is_file():
            raise StateError(
                f"no exchange in {directory}: create it with sakshi-ledger sandbox-init --state {directory}"
            )
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA synchronous=FULL")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        for before, added in ((1, _SCHEMA_2), (2, _SCHEMA_3)):
            if version == before:
                version = before + 1
                self._connection.executescript(f"BEGIN; {added} PRAGMA user_version={version}; COMMIT;")
        if version != _VERSION:
            self._connection.close()
            raise StateError(f"expected state version {_VERSION}, got {version} in {path}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: committed at the end, rolled back on any error."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        # Commit point: after this the answer may be lost, the effect is not.
        self._connection.execute("COMMIT")

    def _rows(self, where: str, values: Mapping[str, object]) -> list[Row]:
        """The rows of a query that starts at its WHERE."""
        text = f"SELECT {', '.join(_COLUMNS)} FROM trade WHERE {where}"  # noqa: S608 - columns and operators of this module
        return [Row(**dict(found)) for found in self._connection.execute(text, values)]

    def row(self, transaction_id: str, order_item_id: str) -> Row | None:
        """The trade of this identity, complete or not."""
        found = self._rows("transaction_id = :t AND order_item_id = :o", {"t": transaction_id, "o": order_item_id})
        return found[0] if found else None

    def record_id_taken(self, record_id: str) -> bool:
        """Whether a trade has this record id."""
        return bool(self._rows("record_id = :r", {"r": record_id}))

    def save(self, row: Row) -> None:
        """Insert or replace one trade."""
        marks = ", ".join(f":{column}" for column in _COLUMNS)
        changes = ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS)
        # Not INSERT OR REPLACE: that would give the row a new rowid, and pages in order of creation would shift.
        self._connection.execute(
            f"INSERT INTO trade ({', '.join(_COLUMNS)}) VALUES ({marks}) "  # noqa: S608 - columns of this module
            f"ON CONFLICT (transaction_id, order_item_id) DO UPDATE SET {changes}",
            {column: getattr(row, column) for column in _COLUMNS},
        )

    def matching(self, meter_id: str, delivery_start: str, delivery_end: str) -> list[Row]:
        """The complete ENERGY trades of a meter whose window is spelled exactly so, in order of identity."""
        return self._rows(
            f"(buyer_id = :m OR seller_id = :m) AND delivery_start = :s AND delivery_end = :e "
            f"AND trade_type = 'ENERGY' AND trade_unit = 'KWH' AND {_COMPLETE} ORDER BY transaction_id, order_item_id",
            {"m": meter_id, "s": delivery_start, "e": delivery_end},
        )

    def of_window(self, meter_id: str, start_utc: int, end_utc: int) -> list[Row]:
        """The complete ENERGY trades of a meter in one window, however that is spelled, in order of identity."""
        return self._rows(
            f"(buyer_id = :m OR seller_id = :m) AND delivery_start_utc = :s AND delivery_end_utc = :e "
            f"AND trade_type = 'ENERGY' AND trade_unit = 'KWH' AND {_COMPLETE} ORDER BY transaction_id, order_item_id",
            {"m": meter_id, "s": start_utc, "e": end_utc},
        )

    def visible(self, query: Get, *, platform_id: str | None, discom_id: str | None) -> list[Row]:
        """The complete trades that `query` finds and that this platform or discom is a party to."""
        mine = "platform_id" if discom_id is None else "discom_id"
        values: dict[str, object] = {"me": platform_id if discom_id is None else discom_id}
        terms = [_COMPLETE, f"({mine}_buyer = :me OR {mine}_seller = :me)"]
        for word, sign, wanted in (
            ("is", "=", query.equal),
            ("low", ">=", query.at_least),
            ("top", "<=", query.at_most),
        ):
            for column, value in wanted.items():
                terms.append(f"{column} {sign} :{word}_{column}")
                values[f"{word}_{column}"] = value
        order = "ASC" if query.is_ascending else "DESC"
        page = {"limit": query.limit, "offset": query.offset}
        where = f"{' AND '.join(terms)} ORDER BY {query.sort_column} {order}, rowid {order} LIMIT :limit OFFSET :offset"
        return self._rows(where, values | page)

    def all_rows(self) -> list[Row]:
        """Every trade, oldest first."""
        return self._rows("1 ORDER BY creation_utc, rowid", {})

    def postings(self, meter_id: str, delivery_start: str, delivery_end: str) -> list[Posted]:
        """The postings of one meter and window, oldest first."""
        text = (
            f"SELECT {', '.join(_POSTED)} FROM posting WHERE meter_id = ? AND delivery_start = ? AND delivery_end = ?"  # noqa: S608 - as above
        )
        found = self._connection.execute(f"{text} ORDER BY revision", (meter_id, delivery_start, delivery_end))
        return [Posted(**dict(row)) for row in found]

    def save_posting(self, posted: Posted) -> None:
        """Insert or replace one posting."""
        marks = ", ".join(f":{column}" for column in _POSTED)
        self._connection.execute(
            f"INSERT OR REPLACE INTO posting ({', '.join(_POSTED)}) VALUES ({marks})",  # noqa: S608 - as above
            {column: getattr(posted, column) for column in _POSTED},
        )

    def recorded(self, caller_id: str, transaction_id: str, order_item_id: str) -> list[Recorded]:
        """What a caller recorded of one trade under references, oldest first."""
        found = self._connection.execute(
            f"SELECT {', '.join(_RECORDED)} FROM recorded "  # noqa: S608 - as above
            "WHERE caller_id = ? AND transaction_id = ? AND order_item_id = ? ORDER BY rowid",
            (caller_id, transaction_id, order_item_id),
        )
        return [Recorded(**dict(row)) for row in found]

    def save_recorded(self, recorded: Recorded) -> None:
        """Insert one write."""
        marks = ", ".join(f":{column}" for column in _RECORDED)
        self._connection.execute(
            f"INSERT INTO recorded ({', '.join(_RECORDED)}) VALUES ({marks})",  # noqa: S608 - as above
            {column: getattr(recorded, column) for column in _RECORDED},
        )

    def asked(self, *, transaction_id: str) -> list[Asked]:
        """The questions of one transaction, oldest first."""
        found = self._connection.execute(
            f"SELECT {', '.join(_ASKED)} FROM asked WHERE transaction_id = ? ORDER BY rowid",  # noqa: S608 - as above
            (transaction_id,),
        )
        return [Asked(**dict(row)) for row in found]

    def asked_as(self, message_id: str) -> Asked | None:
        """The question of this id."""
        found = self._connection.execute(
            f"SELECT {', '.join(_ASKED)} FROM asked WHERE message_id = ?",  # noqa: S608 - as above
            (message_id,),
        ).fetchone()
        return None if found is None else Asked(**dict(found))

    def save_asked(self, asked: Asked) -> None:
        """Insert or replace one question."""
        marks = ", ".join(f":{column}" for column in _ASKED)
        self._connection.execute(
            f"INSERT OR REPLACE INTO asked ({', '.join(_ASKED)}) VALUES ({marks})",  # noqa: S608 - as above
            {column: getattr(asked, column) for column in _ASKED},
        )

    def forwards(self) -> list[Forward]:
        """Every contract that was forwarded or waits for it, oldest first."""
        found = self._connection.execute(f"SELECT {', '.join(_FORWARD)} FROM forward ORDER BY forward")  # noqa: S608 - as above
        return [Forward(**dict(row)) for row in found]

    def forwards_due(self, now: int, most: int) -> list[Forward]:
        """The waiting ones whose next try has come, oldest first, `most` of them."""
        found = self._connection.execute(
            f"SELECT {', '.join(_FORWARD)} FROM forward WHERE state = 'WAITING' AND next_try_utc <= ? "  # noqa: S608 - as above
            "ORDER BY forward LIMIT ?",
            (now, most),
        )
        return [Forward(**dict(row)) for row in found]

    def save_forward(self, forward: Forward) -> None:
        """Insert one that has no number yet, or replace one."""
        values = {column: getattr(forward, column) for column in _FORWARD} | {"forward": forward.forward or None}
        self._connection.execute(
            f"INSERT OR REPLACE INTO forward ({', '.join(_FORWARD)}) "  # noqa: S608 - as above
            f"VALUES ({', '.join(f':{column}' for column in _FORWARD)})",
            values,
        )
