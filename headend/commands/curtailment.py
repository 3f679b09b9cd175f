"""curtail: what an operator says was curtailed, so that a shortfall is not taken for a default."""

import argparse
from contextlib import closing

from headend import service
from headend.commands.command import DONE, Adding, instant, misuse
from headend.config import Config
from headend.duties.holds import said
from headend.duties.outage import Curtailment, CurtailmentKind
from headend.errors import RefusedError
from headend.onboarding.known import Registry
from headend.registry.supply import By
from headend.store.sqlite import curtailment_rows
from headend.store.sqlite.curtailment_rows import StoredCurtailment
from headend.store.sqlite.database import Database, open_database
from headend.store.sqlite.supply_rows import points_by
from signing.errors import SigningError
from signing.interval import Interval, ist_text

_LISTED = 200


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    curtail = verb("curtail", _curtail, "enter, list or take back what curtailed deliveries; it switches nothing")
    curtail.add_argument("action", choices=["enter", "list", "withdraw"], help="what to do")
    curtail.add_argument("--kind", choices=[kind.value for kind in CurtailmentKind], help="enter: what curtailed it")
    curtail.add_argument("--point", metavar="ID", help="enter: the connection point")
    curtail.add_argument("--feeder", metavar="ID", help="enter: every connection point on this feeder at that time")
    curtail.add_argument("--start", type=instant, metavar="TIME", help="enter: since when")
    curtail.add_argument("--end", type=instant, metavar="TIME", help="enter: until when")
    curtail.add_argument("--number", type=int, metavar="N", help="withdraw: which one")
    curtail.add_argument("--by", default="", metavar="NAME", help="the operator who answers for it")
    curtail.add_argument("--reason", default="", metavar="TEXT", help="enter: why; kept for ever")


def _curtail(settings: Config, arguments: argparse.Namespace) -> int:
    with closing(open_database(settings.database)) as database:
        if arguments.action == "list":
            for stored in curtailment_rows.latest(database.connection, limit=_LISTED):
                print(_shown(stored))
            return DONE
        if arguments.action == "withdraw":
            if arguments.number is None:
                return misuse("expected --number, which one is taken back: see `curtail list`")
            by = said(arguments.by, "by")
            with database.transaction() as connection:
                curtailment_rows.withdraw(connection, arguments.number, by=by, at_utc=service.now())
            print(f"curtailment {arguments.number} is taken back")
            return DONE
        if None in {arguments.kind, arguments.start, arguments.end}:
            return misuse("expected --kind, --start and --end")
        try:
            span = Interval(arguments.start, arguments.end)
        except SigningError as error:
            return misuse(str(error))
        entered = Curtailment(
            kind=CurtailmentKind(arguments.kind),
            connection_point=arguments.point,
            feeder=arguments.feeder,
            span=span,
            by=arguments.by,
            reason=arguments.reason,
        )
        _is_known(database, entered)
        with database.transaction() as connection:
            number = curtailment_rows.put(connection, entered, at_utc=service.now())
    print(f"curtailment {number}: said with postings from now on; `attest` says it for a window that was posted")
    return DONE


def _is_known(database: Database, entered: Curtailment) -> None:
    """A curtailment of a misspelt place would excuse nothing, and nobody would hear of it."""
    if entered.feeder is None:
        point = entered.connection_point or ""
        if not Registry(database).meters_at(point):
            raise RefusedError(f"no connection point '{point}' is recorded: `registry export` lists them")
        return
    for at_utc in (entered.span.start_utc, entered.span.end_utc - 1):
        if points_by(database.connection, By.FEEDER, entered.feeder, at_utc):
            return
    raise RefusedError(
        f"no connection point was on feeder '{entered.feeder}' at that time: `registry export` lists them"
    )


def _shown(stored: StoredCurtailment) -> str:
    found = stored.curtailment
    about = f"feeder {found.feeder}" if found.connection_point is None else found.connection_point
    span = f"{ist_text(found.span.start_utc)} to {ist_text(found.span.end_utc)}"
    back = (
        ""
        if stored.withdrawn_utc is None
        else f"; taken back {ist_text(stored.withdrawn_utc)} by {stored.withdrawn_by}"
    )
    return f"{stored.number} {found.kind.value} {about}, {span}, by {found.by}: {found.reason}{back}"
