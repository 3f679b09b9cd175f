"""When connections were open, so that what their meters lack is known to be nothing."""

import argparse
import sqlite3
from contextlib import closing
from dataclasses import replace

from headend import service
from headend.commands.command import DONE, Adding, acting, add_act, add_apply, ended, instant, misuse, whose, why
from headend.config import Config
from headend.duties.disconnection import OpenConnection
from headend.errors import RefusedError
from headend.onboarding.known import Registry
from headend.readings import Quality
from headend.store.sqlite import day_rows, disconnection_rows, hold_rows
from headend.store.sqlite.database import Database, open_database
from headend.store.sqlite.disconnection_rows import StoredDisconnection
from headend.store.sqlite.hold_rows import Act
from signing.interval import DAY_S, Interval, ist_text

_LISTED = 200


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    parser = verb(
        "disconnection",
        _disconnection,
        "enter, close, list or take back when connections were open; switches none; first without --apply",
    )
    parser.add_argument("action", choices=["enter", "close", "list", "withdraw"], help="what to do")
    parser.add_argument("--point", metavar="ID", help="enter: the connection point")
    parser.add_argument("--since", type=instant, metavar="TIME", help="enter: since when nothing could flow")
    parser.add_argument(
        "--until",
        type=instant,
        metavar="TIME",
        help="enter: until when, left out while it is open; close: since when it is not",
    )
    parser.add_argument("--reference", default="", metavar="TEXT", help="enter: the order or report of the work")
    parser.add_argument("--number", type=int, metavar="N", help="close, withdraw: which one")
    add_act(parser, reason="enter, close: why; kept for ever")
    add_apply(parser)


def _disconnection(settings: Config, arguments: argparse.Namespace) -> int:
    if arguments.action == "list":
        with closing(open_database(settings.database)) as database:
            for stored in disconnection_rows.latest(database.connection, limit=_LISTED):
                print(_shown(stored))
        return DONE
    with closing(acting(settings, arguments)) as database:
        match arguments.action:
            case "withdraw":
                return _withdraw(settings, database, arguments)
            case "close":
                return _close(settings, database, arguments)
            case _:
                return _enter(settings, database, arguments)


def _enter(settings: Config, database: Database, arguments: argparse.Namespace) -> int:
    if None in {arguments.point, arguments.since}:
        return misuse("expected --point and --since")
    entered = OpenConnection(
        connection_point=arguments.point,
        since_utc=arguments.since,
        until_utc=arguments.until,
        reference=arguments.reference,
        by=whose(arguments),
        reason=why(arguments),
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
    if arguments.apply:
        print(f"disconnection {number}: the days that it bears on are validated again; no actual changes")
    else:
        print(f"would enter that {_about(entered)}; no actual changes")
    _tell(database, registry, entered, now_utc)
    return ended(arguments)


def _close(settings: Config, database: Database, arguments: argparse.Namespace) -> int:
    if None in {arguments.number, arguments.until}:
        return misuse("expected --number, which one ends, and --until: see `disconnection list`")
    now_utc, registry = service.now(), Registry(database)
    act = Act(
        verb="disconnection close",
        about=f"disconnection {arguments.number} until {ist_text(arguments.until)}",
        by=whose(arguments),
        reason=why(arguments),
        done_utc=now_utc,
    )
    with database.transaction() as connection:
        entry = disconnection_rows.close(connection, arguments.number, until_utc=arguments.until)
        # What lies behind the end was covered until now.
        after = replace(entry, since_utc=arguments.until, until_utc=None)
        _again(settings, registry, connection, after, now_utc)
        hold_rows.put_act(connection, act)
    if arguments.apply:
        print(f"disconnection {arguments.number} is closed: {_about(entry)}")
    else:
        print(f"would close disconnection {arguments.number}: {_about(entry)}")
    _tell(database, registry, after, now_utc)
    return ended(arguments)


def _withdraw(settings: Config, database: Database, arguments: argparse.Namespace) -> int:
    if arguments.number is None:
        return misuse("expected --number, which one is taken back: see `disconnection list`")
    by, now_utc = whose(arguments), service.now()
    registry = Registry(database)
    with database.transaction() as connection:
        entry = disconnection_rows.withdraw(connection, arguments.number, by=by, at_utc=now_utc)
        _again(settings, registry, connection, entry, now_utc)
    if arguments.apply:
        print(f"disconnection {arguments.number} is taken back: the days that it bore on are validated again")
    else:
        print(f"would take back disconnection {arguments.number}: {_about(entry)}")
    _tell(database, registry, entry, now_utc)
    return ended(arguments)


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


def _tell(database: Database, registry: Registry, entry: OpenConnection, now_utc: int) -> None:
    """The days whose estimates it bears on, and how much of them is no measurement now."""
    days = entry.days(now_utc)
    if not days:
        print("no day up to today lies in it")
        return
    span = Interval(days[0], days[-1] + DAY_S)
    for meter in registry.meters_at(entry.connection_point):
        stored = day_rows.newest_in(database.connection, meter.record.meter, span)
        blocks = [block for one in stored for block in one.day.blocks if entry.within(block.span)]
        estimated = sum(block.quality is not Quality.VALID for block in blocks)
        print(
            f"{meter.record.meter}: {len(days)} day(s) from {ist_text(days[0])} to {ist_text(days[-1])} are validated again; of those "
            f"validated before, {estimated} of {len(blocks)} block(s) in it are no measurement"
        )


def _about(entry: OpenConnection) -> str:
    until = "open" if entry.until_utc is None else f"to {ist_text(entry.until_utc)}"
    return f"{entry.connection_point}, since {ist_text(entry.since_utc)}, {until}"


def _shown(stored: StoredDisconnection) -> str:
    entry = stored.entry
    back = (
        ""
        if stored.withdrawn_utc is None
        else f"; taken back {ist_text(stored.withdrawn_utc)} by {stored.withdrawn_by}"
    )
    return f"{stored.number} {_about(entry)}, {entry.reference}, by {entry.by}: {entry.reason}{back}"
