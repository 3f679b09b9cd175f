"""contracts: what was traded beside what was delivered, and what is left to the retailer."""

import argparse
import csv
import sys
from contextlib import closing

from headend import service
from headend.commands.command import DONE, Adding, instant, misuse
from headend.config import Config
from headend.delivered import DEFAULT_BAND_PERMILLE, Delivered, delivered
from headend.store.sqlite import actuals, postings
from headend.store.sqlite.database import open_database
from headend.trades import Delivery, own_sides
from signing.energy import kwh_text
from signing.errors import SigningError
from signing.interval import DAY_S, Interval, ist_text
from signing.signer import open_signer

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
    contracts.add_argument("--start", type=instant, metavar="TIME", help="first start of a window (default: a day ago)")
    contracts.add_argument("--end", type=instant, metavar="TIME", help="windows begin before this (default: now)")
    contracts.add_argument(
        "--band-permille",
        type=int,
        default=DEFAULT_BAND_PERMILLE,
        metavar="N",
        help=f"how much less than traded still matches (default {DEFAULT_BAND_PERMILLE})",
    )


def _contracts(settings: Config, arguments: argparse.Namespace) -> int:
    now = service.now()
    if not 0 <= arguments.band_permille <= 1000:
        return misuse("expected a band from 0 to 1000 permille")
    try:
        span = Interval(now - DAY_S if arguments.start is None else arguments.start, arguments.end or now)
    except SigningError as error:
        return misuse(str(error))
    key = open_signer(settings.keys.statements).public_key
    with closing(open_database(settings.database)) as database:
        trades = [
            trade
            for trade in postings.trades_from(database.connection, span.start_utc)
            if trade.window.start_utc < span.end_utc
        ]
        wanted = {own.delivery for own in own_sides(trades, settings.discom)}
        found = {one: actuals.newest(database.connection, key, one.posted_as, one.window) for one in wanted}
    newest = {one: stored.signed.statement for one, stored in found.items() if stored is not None}
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(HEADER)
    for line in delivered(trades, newest, settings.discom, band_permille=arguments.band_permille):
        writer.writerow(_row(line))
    return DONE


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
