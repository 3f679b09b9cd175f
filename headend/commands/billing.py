"""billing: what bills, returns and clerks are told of a month."""

import argparse
import csv
import json
import sys
from contextlib import closing
from pathlib import Path

from headend import service
from headend.billing.determinants import Determinants, month_span
from headend.billing.document import document
from headend.billing.dre import returns
from headend.billing.month import Month
from headend.billing.monthly import SideLine, compared
from headend.billing.tariff import parse
from headend.commands.command import DONE, REFUSED, Adding, file_text, instant, misuse
from headend.commands.progress import along
from headend.config import Config
from headend.errors import RefusedError
from headend.exchange import legs
from headend.onboarding.known import Registry
from headend.peers import ledger
from headend.reads.duty import charges
from headend.store.sqlite.database import Database, open_database
from headend.trading.trades import own_sides
from signing.energy import kwh_text
from signing.errors import SigningError
from signing.interval import Interval, ist_text

_COLUMNS = (
    "connection_point", "month", "meters", "completeness", "import_kwh", "export_kwh", "p2p_bought_kwh", "p2p_sold_kwh",
    "residual_import_kwh", "residual_export_kwh", "p2p_amount_inr", "charges_inr", "open_trades", "final", "faults",
)  # fmt: skip


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    billing = verb("billing", _billing, "say what a month's bills and returns rest on; changes nothing")
    billing.add_argument(
        "action",
        choices=["determinants", "dre", "lookup", "reconcile"],
        help="lookup: is there a trade for this meter and time; reconcile: what the ledger says of the month's trades now",
    )
    billing.add_argument("--month", metavar="YYYY-MM", help="determinants, dre, reconcile: of Indian time")
    billing.add_argument(
        "--tariff", type=Path, metavar="FILE", help="determinants: TOML table of charges; billing.tariff unless given"
    )
    billing.add_argument("--point", metavar="ID", help="of this connection point only")
    billing.add_argument("--posted-as", metavar="ID", help="lookup: the meter, exactly as the ledger spells it")
    billing.add_argument("--start", type=instant, metavar="TIME", help="lookup: start of the slot")
    billing.add_argument("--end", type=instant, metavar="TIME", help="lookup: end of the slot")
    billing.add_argument("--json", action="store_true", help="one JSON object a line, with every charge")


def _billing(settings: Config, arguments: argparse.Namespace) -> int:
    named = arguments.tariff
    tariff = charges(settings) if named is None else parse(file_text(named), str(named))
    with closing(open_database(settings.database)) as database:
        month = Month(database=database, registry=Registry(database), discom=settings.discom, tariff=tariff)
        if arguments.action == "lookup":
            return _lookup(month, database, arguments)
        if arguments.month is None:
            return misuse("expected --month, such as 2026-04")
        if arguments.action == "reconcile":
            return _reconcile(month, settings, arguments)
        points = month.points() if arguments.point is None else (arguments.point,)
        if arguments.action == "dre":
            print(
                returns(month.prosumer(point, arguments.month) for point in along(points, "connection points")), end=""
            )
            return DONE
        return _determinants(month, points, arguments)


def _determinants(month: Month, points: tuple[str, ...], arguments: argparse.Namespace) -> int:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if not arguments.json:
        writer.writerow(_COLUMNS)
    is_final = True
    for point in along(points, "connection points"):
        found = month.determinants(point, arguments.month)
        is_final = is_final and found.is_final
        if arguments.json:
            print(json.dumps(document(found), ensure_ascii=False))
        else:
            writer.writerow(_row(found))
    return DONE if is_final else REFUSED


def _reconcile(month: Month, settings: Config, arguments: argparse.Namespace) -> int:
    """Every trade of the month, of every connection point: one that the ledger has for none of them is a finding too."""
    span = month_span(arguments.month)
    points = along(month.points(), "connection points")
    billed = [own for point in points for own in month.sides(point, span)]
    with ledger(settings, service.now) as opened:
        shown = own_sides(legs.trades_of(opened, settings.discom, span), settings.discom)
    lines = compared(billed, shown)
    differing = [line for line in lines if line.difference]
    if arguments.json:
        for line in lines:
            print(json.dumps(_side(line), ensure_ascii=False))
    else:
        for line in differing:
            print(f"{line.record_id} {line.side} {line.posted_as}: {line.difference}")
        print(f"{len(lines) - len(differing)} of {len(lines)} sides of trades agree")
    return REFUSED if differing else DONE


def _side(line: SideLine) -> dict[str, str | None]:
    return {
        "record_id": line.record_id,
        "side": line.side,
        "posted_as": line.posted_as,
        "billed_kwh": None if line.billed_wh is None else kwh_text(line.billed_wh),
        "ledger_kwh": None if line.ledger_wh is None else kwh_text(line.ledger_wh),
        "difference": line.difference,
    }


def _lookup(month: Month, database: Database, arguments: argparse.Namespace) -> int:
    if arguments.posted_as is None or arguments.start is None or arguments.end is None:
        return misuse("expected --posted-as, --start and --end of the slot")
    try:
        span = Interval(arguments.start, arguments.end)
    except SigningError as error:
        return misuse(str(error))
    slots = month.slots(arguments.posted_as, span)
    for slot in slots:
        print(
            f"{slot.record_id}: {slot.side} of {kwh_text(slot.quantity_wh)} kWh, {ist_text(slot.start_utc)} to "
            f"{ist_text(slot.end_utc)}"
        )
    if slots:
        return DONE
    name = arguments.posted_as
    if Registry(database).connection_point(name) is None:
        # An id that is spelled otherwise must not read as "bill it in full".
        raise RefusedError(f"no connection point is posted as '{name}': `registry export` lists the ids")
    print("no trade")
    return DONE


def _row(found: Determinants) -> list[str]:
    fields = document(found)
    shown = {
        **fields,
        "meters": " ".join(found.meters),
        "open_trades": str(len(found.open_trades)),
        "faults": "; ".join(found.faults),
    }
    return ["" if shown[name] is None else str(shown[name]) for name in _COLUMNS]
