"""contracts, allocations: what was traded beside what was delivered, and where the rules of allocation disagree."""

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing

from headend import service
from headend.commands.command import DONE, Adding, instant, misuse
from headend.config import Config
from headend.store.sqlite import actuals, postings
from headend.store.sqlite.database import open_database
from headend.trading.allocation import VARIANTS, Leg, Measured, compared
from headend.trading.delivered import DEFAULT_BAND_PERMILLE, Delivered, delivered
from headend.trading.trades import Delivery, TradeSide, own_sides
from ledger_client.ledger import Trade
from signing.energy import kwh_text
from signing.errors import SigningError
from signing.interval import DAY_S, Interval, ist_text
from signing.signer import open_signer
from signing.statements.window_actual import Totals, WindowActual

ALLOCATIONS = ("posted_as", "delivery_start", "delivery_end", "trade", "side", "traded_kwh")
HEADER = (
    "posted_as",
    "delivery_start",
    "delivery_end",
    "side",
    "traded_kwh",
    "measured_kwh",
    "outcome",
    "to_retailer_kwh",
)


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    contracts = verb("contracts", _contracts, "compare what was traded with what was delivered, as CSV")
    contracts.add_argument(
        "--start", type=instant, metavar="TIME", help="first start of a window (default: 7 days ago)"
    )
    contracts.add_argument("--end", type=instant, metavar="TIME", help="windows begin before this (default: now)")
    contracts.add_argument(
        "--band-permille",
        type=int,
        default=DEFAULT_BAND_PERMILLE,
        metavar="N",
        help=f"how much less than traded still matches (default {DEFAULT_BAND_PERMILLE})",
    )

    allocations = verb("allocations", _allocations, "say where the rules and bases of allocation disagree, as CSV")
    allocations.add_argument(
        "--start", type=instant, metavar="TIME", help="first start of a window (default: 7 days ago)"
    )
    allocations.add_argument("--end", type=instant, metavar="TIME", help="windows begin before this (default: now)")
    allocations.add_argument("--all", action="store_true", help="also where they agree")


def _contracts(settings: Config, arguments: argparse.Namespace) -> int:
    if not 0 <= arguments.band_permille <= 1000:
        return misuse("expected a band from 0 to 1000 permille")
    try:
        trades, newest = _read(settings, arguments)
    except SigningError as error:
        return misuse(str(error))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(HEADER)
    for line in delivered(trades, newest, settings.discom, band_permille=arguments.band_permille):
        writer.writerow(_row(line))
    return DONE


def _allocations(settings: Config, arguments: argparse.Namespace) -> int:
    try:
        trades, newest = _read(settings, arguments)
    except SigningError as error:
        return misuse(str(error))
    sides: defaultdict[Delivery, list[TradeSide]] = defaultdict(list)
    for own in own_sides(trades, settings.discom):
        sides[own.delivery].append(own)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*ALLOCATIONS, *map(str, VARIANTS), "ledger_kwh", "explained_by"])
    for delivery, owns in sorted(sides.items()):
        actual = newest.get(delivery)
        if actual is not None and actual.totals is not None:
            writer.writerows(_shares(delivery, owns, actual.totals, every=arguments.all))
    return DONE


def _read(settings: Config, arguments: argparse.Namespace) -> tuple[list[Trade], dict[Delivery, WindowActual]]:
    """The stored trades of the time that was asked for, and the newest actual of each delivery."""
    now = service.now()
    span = Interval(now - 7 * DAY_S if arguments.start is None else arguments.start, arguments.end or now)
    key = open_signer(settings.keys.statements).public_key
    with closing(open_database(settings.database)) as database:
        trades = [
            trade
            for trade in postings.trades_from(database.connection, span.start_utc)
            if trade.window.start_utc < span.end_utc
        ]
        wanted = {own.delivery for own in own_sides(trades, settings.discom)}
        found = {one: actuals.newest(database.connection, key, one.posted_as, one.window) for one in wanted}
    return trades, {one: stored.signed.statement for one, stored in found.items() if stored is not None}


def _shares(delivery: Delivery, owns: list[TradeSide], totals: Totals, *, every: bool) -> Iterator[list[str]]:
    """One row a leg. A meter without an export register gave nothing."""
    measured = Measured(imported_wh=totals.import_wh, exported_wh=totals.export_wh or 0)
    legs = [Leg(trade=own.trade.record_id, side=own.side, quantity_wh=own.trade.quantity_wh) for own in owns]
    written = {(own.trade.record_id, own.side): own.trade.allocated_wh(own.side) for own in owns}
    for line in compared(legs, measured):
        if not (line.differs or every):
            continue
        wrote = written[line.leg.trade, line.leg.side]
        yield [
            delivery.posted_as,
            ist_text(delivery.window.start_utc),
            ist_text(delivery.window.end_utc),
            line.leg.trade,
            line.leg.side.value,
            kwh_text(line.leg.quantity_wh),
            *(kwh_text(line.shares_wh[variant]) for variant in VARIANTS),
            "" if wrote is None else kwh_text(wrote),
            "" if wrote is None else "; ".join(map(str, line.explained_by(wrote))) or "none of them",
        ]


def _row(line: Delivered) -> list[str]:
    delivery: Delivery = line.delivery
    return [
        delivery.posted_as,
        ist_text(delivery.window.start_utc),
        ist_text(delivery.window.end_utc),
        line.side.value,
        kwh_text(line.traded_wh),
        "" if line.measured_wh is None else kwh_text(line.measured_wh),
        line.outcome.value,
        "" if line.to_retailer_wh is None else kwh_text(line.to_retailer_wh),
    ]
