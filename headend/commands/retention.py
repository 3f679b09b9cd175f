"""retention: what is erased when, and what must be kept."""

import argparse
from contextlib import closing

from headend import service
from headend.commands.command import DONE, Adding, acting, add_act, add_apply, ended, instant, misuse, whose, why
from headend.commands.progress import Progress
from headend.config import Config
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
    add_act(retention, reason="hold: why; kept for ever")
    add_apply(retention)


def _retention(settings: Config, arguments: argparse.Namespace) -> int:
    if arguments.action == "list":
        with closing(open_database(settings.database)) as database:
            for hold in retention_rows.holds(database.connection, limit=_LISTED):
                print(_shown(hold))
        return DONE
    with closing(acting(settings, arguments)) as database:
        retention = Retention(database=database, settings=settings.retention)
        match arguments.action:
            case "hold":
                return _hold(database, retention, arguments)
            case "release":
                return _release(database, retention, arguments)
            case _:
                return _erase(retention, apply=arguments.apply)


def _erase(retention: Retention, *, apply: bool) -> int:
    now = service.now()
    due = retention.preview(now)
    print(f"{due} opening(s) may not be kept any longer")
    if not apply:
        print("nothing was done: give --apply to erase them; what is erased cannot come back")
        return DONE
    total, more, tell = 0, True, Progress("openings, and versions of days, erased")
    while more:
        erased, more = retention.step(now)
        total += erased
        tell(total, max(due, total + more))
    print(f"{total} row(s) were erased; digests, signatures and their places in the log stay")
    return DONE


def _hold(database: Database, retention: Retention, arguments: argparse.Namespace) -> int:
    if None in {arguments.meter, arguments.start, arguments.end}:
        return misuse("expected --meter, --start and --end")
    try:
        span = Interval(arguments.start, arguments.end)
    except SigningError as error:
        return misuse(str(error))
    by, reason, now = whose(arguments), why(arguments), service.now()
    if Registry(database).meter(arguments.meter) is None:
        # A misspelt name would keep nothing, and nobody would hear of it before the blocks are gone.
        raise RefusedError(f"no meter '{arguments.meter}' is recorded: `registry export` lists them")
    before = retention.openings(arguments.meter, span, now)
    with database.transaction() as connection:
        number = retention_rows.place(connection, arguments.meter, span, by=by, reason=reason, at_utc=now)
    after = retention.openings(arguments.meter, span, now)
    print(
        f"{before.kept} opening(s) of {arguments.meter} are kept in that time; {before.due - after.due} may not be kept any longer but for this hold"
    )
    print(f"legal hold {number}: nothing of it is erased" if arguments.apply else "nothing of it would be erased")
    return ended(arguments)


def _release(database: Database, retention: Retention, arguments: argparse.Namespace) -> int:
    if arguments.number is None:
        return misuse("expected --number, which hold ends: see `retention list`")
    now, by = service.now(), whose(arguments)
    with database.transaction() as connection:
        hold = retention_rows.release(connection, arguments.number, by=by, at_utc=now)
    after = retention.openings(hold.meter, hold.span, now)
    print(
        f"{after.kept} opening(s) of {hold.meter} are kept in that time; {after.due} of them are due to be erased then"
    )
    print(f"legal hold {hold.number} {'is' if arguments.apply else 'would be'} released")
    return ended(arguments)


def _shown(hold: LegalHold) -> str:
    ended = "" if hold.released_utc is None else f"; released {ist_text(hold.released_utc)} by {hold.released_by}"
    span = f"{ist_text(hold.span.start_utc)} to {ist_text(hold.span.end_utc)}"
    return f"{hold.number} {hold.meter}, {span}, by {hold.by}: {hold.reason}{ended}"
