"""When connections were open, so that what their meters lack is known to be nothing."""

import argparse
import sqlite3
from contextlib import closing

from headend import service
from headend.commands.command import DONE, Adding, instant, misuse
from headend.config import Config
from headend.duties.disconnection import OpenConnection
from headend.duties.holds import said
from headend.errors import RefusedError
from headend.onboarding.known import Registry
from headend.store.sqlite import day_rows, disconnection_rows
from headend.store.sqlite.database import Database, open_database
from headend.store.sqlite.disconnection_rows import StoredDisconnection
from signing.interval import DAY_S, ist_text

_LISTED = 200


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    parser = verb("disconnection", _disconnection, "enter, list or take back when connections were open; switches none")
    parser.add_argument("action", choices=["enter", "list", "withdraw"], help="what to do")
    parser.add_argument("--point", metavar="ID", help="enter: the connection point")
    parser.add_argument("--since", type=instant, metavar="TIME", help="enter: since when nothing could flow")
    parser.add_argument("--until", type=instant, metavar="TIME", help="enter: until when; left out while it is open")
    parser.add_argument("--reference", default="", metavar="TEXT", help="enter: the order or report of the work")
    parser.add_argument("--number", type=int, metavar="N", help="withdraw: which one")
    parser.add_argument("--by", default="", metavar="NAME", help="the operator who answers for it")
    parser.add_argument("--reason", default="", metavar="TEXT", help="enter: why; kept for ever")


def _disconnection(settings: Config, arguments: argparse.Namespace) -> int:
    with closing(open_database(settings.database)) as database:
        if arguments.action == "list":
            for stored in disconnection_rows.latest(database.connection, limit=_LISTED):
                print(_shown(stored))
            return DONE
        if arguments.action == "withdraw":
            return _withdraw(settings, database, arguments)
        return _enter(settings, database, arguments)


def _enter(settings: Config, database: Database, arguments: argparse.Namespace) -> int:
    if None in {arguments.point, arguments.since}:
        return misuse("expected --point and --since")
    entered = OpenConnection(
        connection_point=arguments.point,
        since_utc=arguments.since,
        until_utc=arguments.until,
        reference=arguments.reference,
        by=arguments.by,
        reason=arguments.reason,
    )
    registry = Registry(database)
    if not registry.meters_at(entered.connection_point):
        # One of a misspelt place would say nothing of any meter, and nobody would hear of it.
        raise RefusedError(
            f"no connection point '{entered.connection_point}' is recorded: `registry export` lists them"
        )
    now_utc = service.now()
    with database.transaction() as connection:
        number = disconnection_rows.put(connection, entered, at_utc=now_utc)
        _again(settings, registry, connection, entered, now_utc)
    print(f"disconnection {number}: the days that it bears on are validated again; no actual changes")
    return DONE


def _withdraw(settings: Config, database: Database, arguments: argparse.Namespace) -> int:
    if arguments.number is None:
        return misuse("expected --number, which one is taken back: see `disconnection list`")
    by, now_utc = said(arguments.by, "by"), service.now()
    registry = Registry(database)
    with database.transaction() as connection:
        entry = disconnection_rows.withdraw(connection, arguments.number, by=by, at_utc=now_utc)
        _again(settings, registry, connection, entry, now_utc)
    print(f"disconnection {arguments.number} is taken back: the days that it bore on are validated again")
    return DONE


def _again(
    settings: Config, registry: Registry, connection: sqlite3.Connection, entry: OpenConnection, now_utc: int
) -> None:
    """Makes its days due, none before it is over."""
    after_s = DAY_S + settings.series.after_s
    day_rows.put_due(
        connection,
        [
            (meter.record.meter, start, max(now_utc, start + after_s))
            for meter in registry.meters_at(entry.connection_point)
            for start in entry.days(now_utc)
        ],
    )


def _shown(stored: StoredDisconnection) -> str:
    entry = stored.entry
    until = "open" if entry.until_utc is None else f"to {ist_text(entry.until_utc)}"
    back = (
        ""
        if stored.withdrawn_utc is None
        else f"; taken back {ist_text(stored.withdrawn_utc)} by {stored.withdrawn_by}"
    )
    about = f"{entry.connection_point}, since {ist_text(entry.since_utc)}, {until}"
    return f"{stored.number} {about}, {entry.reference}, by {entry.by}: {entry.reason}{back}"
