"""`sakshi-ledger`: the sandbox exchange, keys for its callers, and a platform's and a discom's view of a ledger."""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from ledger_client import key_file
from ledger_client.contract import Contract
from ledger_client.foreign_fields import energy_wh
from ledger_client.http import open_ledger, open_platform_ledger
from ledger_client.ledger import LedgerError, Side, Trade, TradeQuery, TradeStatus
from ledger_client.recording import RecordPosting, record_reference
from ledger_client.sandbox import cli as sandbox_cli
from ledger_client.sandbox import store
from ledger_client.sandbox.cli import print_table
from ledger_client.sandbox.faults import FaultError
from ledger_client.sandbox.participants import ParticipantsError
from ledger_client.signature import HttpSigner, KeyId, SignatureError
from signing.energy import kwh_text
from signing.errors import SigningError
from signing.interval import parse_instant

DONE, REFUSED, MISUSE = 0, 1, 2
"""Exit codes: done; refused or found something; misuse."""


def _now() -> int:
    """UTC seconds."""
    return int(time.time())  # noqa: TID251 - the program's only clock


# --- argument types


def _moment(text: str) -> str:
    """An RFC 3339 time, kept as spelled."""
    try:
        parse_instant(text, "time")
    except SigningError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _energy(text: str) -> int:
    """A number of kWh as Wh."""
    try:
        return energy_wh(text, "kWh")
    except LedgerError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _evidence(text: str) -> bytes:
    """An evidence digest as hex."""
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError(f"expected 64 hex digits, got {text[:80]!r}")
    return bytes.fromhex(text)


def _price(text: str) -> Decimal:
    """A price in INR per kWh."""
    try:
        price = Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"expected a decimal number of INR per kWh, got {text!r}") from error
    if not price.is_finite() or price < 0:
        raise argparse.ArgumentTypeError(f"expected a price of at least 0, got {text!r}")
    return price


# --- commands


def _key_id(arguments: argparse.Namespace) -> KeyId:
    return KeyId(subscriber_id=arguments.subscriber, unique_key_id=arguments.key_id)


def _key_init(arguments: argparse.Namespace) -> int:
    """Write a new key; its public half goes to the registry."""
    signer = key_file.create(arguments.file, _key_id(arguments))
    if arguments.json:
        named = {"subscriber_id": arguments.subscriber, "key_id": arguments.key_id}
        print(json.dumps(named | {"public_key": signer.public_key_text}))
    else:
        print(signer.public_key_text)
    return DONE


def _signer(arguments: argparse.Namespace) -> HttpSigner:
    return key_file.load(arguments.key, _key_id(arguments))


def _put(arguments: argparse.Namespace) -> int:
    """Put one platform's statement of a trade."""
    contract = Contract(
        role=Side(arguments.role),
        transaction_id=arguments.transaction,
        order_item_id=arguments.order_item,
        platform_id_buyer=arguments.platform_buyer,
        platform_id_seller=arguments.platform_seller,
        discom_id_buyer=arguments.discom_buyer,
        discom_id_seller=arguments.discom_seller,
        buyer_id=arguments.buyer,
        seller_id=arguments.seller,
        trade_time=arguments.trade_time,
        delivery_start=arguments.start,
        delivery_end=arguments.end,
        quantity_wh=arguments.quantity_kwh,
        price_inr_per_kwh=arguments.price,
    )
    with open_platform_ledger(arguments.ledger, signer=_signer(arguments), now=_now) as ledger:
        receipt = ledger.put(contract)
    if arguments.json:
        print(json.dumps({"recordId": receipt.record_id, "rowDigest": receipt.row_digest}))
    else:
        print(f"{receipt.record_id} {receipt.row_digest or ''}".rstrip())
    return DONE


def _record(arguments: argparse.Namespace) -> int:
    """Record one side of one trade, and read it back; exit code 1 where the ledger shows something else."""
    posting = RecordPosting(
        side=Side(arguments.side),
        transaction_id=arguments.transaction,
        order_item_id=arguments.order_item,
        discom_id=arguments.discom,
        allocated_wh=arguments.quantity_kwh,
        client_reference=record_reference(arguments.evidence, arguments.round),
        status=None if arguments.status is None else TradeStatus(arguments.status),
        note=arguments.note,
    )
    with open_ledger(arguments.ledger, signer=_signer(arguments), now=_now) as ledger:
        receipt = ledger.record(posting)
        confirmation = ledger.confirm_record(posting)
    if arguments.json:
        said = {
            "recordId": receipt.record_id,
            "rowDigest": receipt.row_digest,
            "clientReference": posting.client_reference,
        }
        print(json.dumps(said | {"differences": confirmation.differences}))
    else:
        print(f"{receipt.record_id} {posting.client_reference}")
        for line in confirmation.differences:
            print(f"differs: {line}", file=sys.stderr)
    return DONE if confirmation.agrees else REFUSED


def _query(arguments: argparse.Namespace) -> TradeQuery:
    def seconds(spelled: str | None) -> int | None:
        return None if spelled is None else parse_instant(spelled, "time")

    return TradeQuery(
        transaction_id=arguments.transaction,
        order_item_id=arguments.order_item,
        buyer_id=arguments.buyer,
        seller_id=arguments.seller,
        discom_id_buyer=arguments.discom_buyer,
        discom_id_seller=arguments.discom_seller,
        delivery_start_from_utc=seconds(arguments.start_from),
        delivery_start_to_utc=seconds(arguments.start_to),
    )


def _kwh(wh: int | None) -> str | None:
    return None if wh is None else kwh_text(wh)


def _trade_fields(trade: Trade) -> dict[str, str | None]:
    """A trade for a script: the ledger's own names, decimals as text."""
    return {
        "recordId": trade.record_id,
        "transactionId": trade.transaction_id,
        "orderItemId": trade.order_item_id,
        "sellerId": trade.seller_id,
        "discomIdSeller": trade.discom_id_seller,
        "buyerId": trade.buyer_id,
        "discomIdBuyer": trade.discom_id_buyer,
        "deliveryStartTime": trade.delivery_start,
        "deliveryEndTime": trade.delivery_end,
        "contractedKwh": kwh_text(trade.quantity_wh),
        "pricePerKwh": None if trade.price_inr_per_kwh is None else format(trade.price_inr_per_kwh, "f"),
        "pushedKwh": _kwh(trade.pushed_wh),
        "pulledKwh": _kwh(trade.pulled_wh),
        "statusSellerDiscom": trade.status_seller_discom and trade.status_seller_discom.value,
        "statusBuyerDiscom": trade.status_buyer_discom and trade.status_buyer_discom.value,
        "rowDigest": trade.row_digest,
    }


def _get(arguments: argparse.Namespace) -> int:
    """List the trades that the caller may see; unreadable rows are named and make the exit code 1."""
    with open_ledger(arguments.ledger, signer=_signer(arguments), now=_now) as ledger:
        listing = ledger.listing(_query(arguments))
    rows = [_trade_fields(trade) for trade in listing.trades]
    if arguments.json:
        faults = [{"recordId": row.record_id, "reason": row.reason} for row in listing.unreadable]
        print(json.dumps({"trades": rows, "unreadable": faults}))
    else:
        columns = ("recordId", "sellerId", "buyerId", "deliveryStartTime", "contractedKwh", "pushedKwh", "pulledKwh")
        print_table(columns, [[str(row[column] or "-") for column in columns] for row in rows])
        for row in listing.unreadable:
            print(f"unreadable: {row.record_id or 'a record without recordId'}: {row.reason}", file=sys.stderr)
    return REFUSED if listing.unreadable else DONE


# --- the parser


def _add_caller(parser: argparse.ArgumentParser) -> None:
    """The options that say which ledger, and as whom."""
    parser.add_argument("--ledger", required=True, metavar="URL", help="deg+https://host, or deg+http://127.0.0.1:PORT")
    parser.add_argument("--key", required=True, type=Path, metavar="FILE", help="the caller's key, PEM, mode 0600")
    _add_identity(parser)


def _add_identity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--subscriber", required=True, metavar="ID", help="the caller's subscriber id, as registered")
    parser.add_argument("--key-id", default="k1", metavar="ID", help="the registry's id of the key (default k1)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_trade_filters(parser: argparse.ArgumentParser) -> None:
    for name, text in (
        ("buyer", "the buyer's meter"),
        ("seller", "the seller's meter"),
        ("discom-buyer", "the buyer's discom, short code"),
        ("discom-seller", "the seller's discom, short code"),
    ):
        parser.add_argument(f"--{name}", metavar="ID", help=text)


def _add_put(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The platforms' command."""
    put = commands.add_parser("put", help="put one platform's statement of a trade")
    _add_caller(put)
    put.add_argument("--role", required=True, choices=[side.value for side in Side], help="which side's platform calls")
    put.add_argument("--transaction", required=True, metavar="ID", help="transactionId")
    put.add_argument("--order-item", required=True, metavar="ID", help="orderItemId")
    put.add_argument("--platform-buyer", metavar="ID", help="the buyer's platform, its subscriber id")
    put.add_argument("--platform-seller", metavar="ID", help="the seller's platform, its subscriber id")
    _add_trade_filters(put)
    put.add_argument("--trade-time", type=_moment, metavar="TIME", help="when the trade was made, RFC 3339")
    put.add_argument("--start", type=_moment, metavar="TIME", help="delivery start, RFC 3339; kept as spelled")
    put.add_argument("--end", type=_moment, metavar="TIME", help="delivery end, RFC 3339; kept as spelled")
    put.add_argument("--quantity-kwh", type=_energy, metavar="KWH", help="contracted energy, at most three decimals")
    put.add_argument("--price", type=_price, metavar="INR", help="INR per kWh")
    put.set_defaults(run=_put)


def _add_record(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """A discom's command."""
    record = commands.add_parser("record", help="record a discom's own allocation of one trade, and read it back")
    _add_caller(record)
    record.add_argument("--side", required=True, choices=[side.value for side in Side], help="whose discom calls")
    record.add_argument("--transaction", required=True, metavar="ID", help="transactionId")
    record.add_argument("--order-item", required=True, metavar="ID", help="orderItemId")
    record.add_argument("--discom", required=True, metavar="ID", help="the calling discom, short code")
    record.add_argument(
        "--quantity-kwh", required=True, type=_energy, metavar="KWH", help="allocated; an outage is 0 and its status"
    )
    record.add_argument("--status", choices=[status.value for status in TradeStatus], help="the discom's status")
    record.add_argument(
        "--evidence", required=True, type=_evidence, metavar="HEX", help="the evidence digest, 64 digits"
    )
    record.add_argument("--round", type=int, default=1, choices=range(1, 10), metavar="N", help="1 to 9 (default 1)")
    record.add_argument("--note", metavar="TEXT", help="for people; names no customer")
    record.set_defaults(run=_record)


def _add_views(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands that read."""
    get = commands.add_parser("get", help="list the trades that the caller may see")
    _add_caller(get)
    get.add_argument("--transaction", metavar="ID", help="transactionId")
    get.add_argument("--order-item", metavar="ID", help="orderItemId")
    _add_trade_filters(get)
    get.add_argument("--start-from", type=_moment, metavar="TIME", help="earliest delivery start")
    get.add_argument("--start-to", type=_moment, metavar="TIME", help="latest delivery start")
    get.set_defaults(run=_get)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="sakshi-ledger", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    sandbox_cli.add_commands(commands, _now)
    key = commands.add_parser("key", help="signing keys").add_subparsers(required=True, metavar="COMMAND")
    key_init = key.add_parser("init", help="write a new Ed25519 key, mode 0600, and print its public key")
    key_init.add_argument("file", type=Path, metavar="FILE", help="must not exist")
    _add_identity(key_init)
    key_init.set_defaults(run=_key_init)
    _add_put(commands)
    _add_record(commands)
    _add_views(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused or found something, 2 misuse."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as stop:
        return MISUSE if stop.code else DONE
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except (FaultError, ParticipantsError, store.StateError, key_file.KeyFileError, SignatureError) as error:
        print(f"sakshi-ledger: {error}", file=sys.stderr)
        return MISUSE
    except (LedgerError, SigningError) as error:
        print(f"sakshi-ledger: {error}", file=sys.stderr)
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
