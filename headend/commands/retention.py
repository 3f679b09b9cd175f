"""retention: what is erased when, and what must be kept."""

import argparse
import sys
from contextlib import closing

from headend import service
from headend.commands.command import DONE, Adding, add_apply, instant, misuse
from headend.config import Config
from headend.duties.holds import said
from headend.errors import RefusedError
from headend.onboarding.known import Registry
from headend.store.sqlite import retention_rows
from headend.store.sqlite.database import Database, open_database
from headend.store.sqlite.retention_rows import LegalHold
from headend.upkeep.retention import Retention
from signing.errors import SigningError
from signing.interval import Interval, ist_text

_LISTED = 200


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    retention = verb("retention", _retention, "erase blocks that may not be kept any longer, or hold some back")
    retention.add_argument("action", choices=["erase", "hold", "release", "list"], help="hold: keep whatever the time")
    retention.add_argument("--meter", metavar="ID", help="hold: the meter, as its record names it")
    retention.add_argument("--start", type=instant, metavar="TIME", help="hold: blocks since")
    retention.add_argument("--end", type=instant, metavar="TIME", help="hold: blocks until")
    retention.add_argument("--number", type=int, metavar="N", help="release: the hold that ends")
    retention.add_argument("--by", default="", metavar="NAME", help="hold, release: the operator who answers for it")
    retention.add_argument("--reason", default="", metavar="TEXT", help="hold: why; kept for ever")
    add_apply(retention)


def _retention(settings: Config, arguments: argparse.Namespace) -> int:
    with closing(open_database(settings.database)) as database:
        if arguments.action == "list":
            for hold in retention_rows.holds(database.connection, limit=_LISTED):
                print(_shown(hold))
            return DONE
        if arguments.action == "hold":
            return _hold(database, arguments)
        if arguments.action == "release":
            if arguments.number is None:
                return misuse("expected --number, which hold ends: see `retention list`")
            by = said(arguments.by, "by")
            with database.transaction() as connection:
                retention_rows.release(connection, arguments.number, by=by, at_utc=service.now())
            print(f"legal hold {arguments.number} is released")
            return DONE
        return _erase(Retention(database=database, settings=settings.retention), apply=arguments.apply)


def _erase(retention: Retention, *, apply: bool) -> int:
    now = service.now()
    print(f"{retention.preview(now)} opening(s) may not be kept any longer")
    if not apply:
        print("nothing was done: give --apply to erase them; what is erased cannot come back")
        return DONE
    total, more = 0, True
    while more:
        erased, more = retention.step(now)
        total += erased
        print(f"{total} erased", file=sys.stderr)
    print(f"{total} row(s) were erased; digests, signatures and their places in the log stay")
    return DONE


def _hold(database: Database, arguments: argparse.Namespace) -> int:
    if None in {arguments.meter, arguments.start, arguments.end}:
        return misuse("expected --meter, --start and --end")
    try:
        span = Interval(arguments.start, arguments.end)
    except SigningError as error:
        return misuse(str(error))
    by, reason = said(arguments.by, "by"), said(arguments.reason, "reason")
    if Registry(database).meter(arguments.meter) is None:
        # A misspelt name would keep nothing, and nobody would hear of it before the blocks are gone.
        raise RefusedError(f"no meter '{arguments.meter}' is recorded: `registry export` lists them")
    with database.transaction() as connection:
        number = retention_rows.place(connection, arguments.meter, span, by=by, reason=reason, at_utc=service.now())
    print(f"legal hold {number}: nothing of it is erased")
    return DONE


def _shown(hold: LegalHold) -> str:
    ended = "" if hold.released_utc is None else f"; released {ist_text(hold.released_utc)} by {hold.released_by}"
    span = f"{ist_text(hold.span.start_utc)} to {ist_text(hold.span.end_utc)}"
    return f"{hold.number} {hold.meter}, {span}, by {hold.by}: {hold.reason}{ended}"
