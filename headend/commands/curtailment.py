"""curtail: what an operator says was curtailed, so that a shortfall is not taken for a default."""

import argparse
from collections.abc import Iterable
from contextlib import closing

from headend import service
from headend.commands.attesting import attesting
from headend.commands.command import DONE, Adding, add_act, add_apply, ended, instant, misuse, whose, why
from headend.config import Config
from headend.duties.outage import Curtailment, CurtailmentKind
from headend.errors import RefusedError
from headend.exchange.curtailing import Curtailing, Excused
from headend.onboarding.known import Registry
from headend.registry.supply import By
from headend.store.sqlite import curtailment_rows
from headend.store.sqlite.curtailment_rows import StoredCurtailment
from headend.store.sqlite.database import Database, open_database
from headend.store.sqlite.supply_rows import points_by
from ledger_client.ledger import TradeStatus
from signing.errors import SigningError
from signing.interval import Interval, ist_text

_LISTED = 200
_SHOWN = 50
"""Windows that are named; the rest is counted."""


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    curtail = verb(
        "curtail",
        _curtail,
        "enter, list or take back what curtailed deliveries; switches nothing; first without --apply",
    )
    curtail.add_argument("action", choices=["enter", "list", "withdraw"], help="what to do")
    curtail.add_argument("--kind", choices=[kind.value for kind in CurtailmentKind], help="enter: what curtailed it")
    curtail.add_argument("--point", metavar="ID", help="enter: the connection point")
    curtail.add_argument("--feeder", metavar="ID", help="enter: every connection point on this feeder at that time")
    curtail.add_argument("--start", type=instant, metavar="TIME", help="enter: since when")
    curtail.add_argument("--end", type=instant, metavar="TIME", help="enter: until when")
    curtail.add_argument("--number", type=int, metavar="N", help="withdraw: which one")
    add_act(curtail, reason="enter: why; kept for ever")
    add_apply(curtail)


def _curtail(settings: Config, arguments: argparse.Namespace) -> int:
    if arguments.action == "list":
        with closing(open_database(settings.database)) as database:
            for stored in curtailment_rows.latest(database.connection, limit=_LISTED):
                print(_shown(stored))
        return DONE
    if arguments.action == "withdraw":
        if arguments.number is None:
            return misuse("expected --number, which one is taken back: see `curtail list`")
        return _withdraw(settings, arguments)
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
        by=whose(arguments),
        reason=why(arguments),
    )
    return _enter(settings, entered, arguments)


def _enter(settings: Config, entered: Curtailment, arguments: argparse.Namespace) -> int:
    with attesting(settings, arguments) as (database, registry, attestor):
        _is_known(database, registry, entered)
        found = Curtailing(database=database, registry=registry, attestor=attestor, discom=settings.discom)
        # Before anything is written: each window is decided for it, and intake waits for a transaction.
        windows = list(found.entering(entered))
        with database.transaction() as connection:
            number = curtailment_rows.put(connection, entered, at_utc=service.now())
    if arguments.apply:
        print(f"curtailment {number}: said with postings from now on; `attest` says it for a window that was posted")
    else:
        print(f"would enter {entered.kind.value} {_about(entered)}")
    _tell(windows)
    return ended(arguments)


def _withdraw(settings: Config, arguments: argparse.Namespace) -> int:
    by = whose(arguments)
    with attesting(settings, arguments) as (database, registry, attestor):
        entered = curtailment_rows.standing(database.connection, arguments.number)
        found = Curtailing(database=database, registry=registry, attestor=attestor, discom=settings.discom)
        windows = list(found.taking_back(entered))
        with database.transaction() as connection:
            curtailment_rows.withdraw(connection, arguments.number, by=by, at_utc=service.now())
    if arguments.apply:
        print(f"curtailment {arguments.number} is taken back")
    else:
        print(f"would take back {arguments.number} {entered.kind.value} {_about(entered)}: {entered.reason}")
    _tell(windows)
    return ended(arguments)


def _tell(windows: Iterable[Excused]) -> None:
    """What is said of the trades of each window before and after."""
    found = list(windows)
    changed = [one for one in found if one.before is not one.after]
    for one in changed[:_SHOWN]:
        window = one.delivery.window
        about = f"{one.delivery.posted_as} {ist_text(window.start_utc)} to {ist_text(window.end_utc)}"
        print(f"  {about} at {one.connection_point}: {_status(one.before)} -> {_status(one.after)}")
    if len(changed) > _SHOWN:
        print(f"  and {len(changed) - _SHOWN} more")
    undecided = sum(one.before is None and one.after is None for one in found)
    print(
        f"{len(found)} window(s) of trades in it: {len(changed)} are said otherwise, {undecided} have no final figure yet"
    )


def _status(status: TradeStatus | None) -> str:
    return "nothing" if status is None else status.value


def _is_known(database: Database, registry: Registry, entered: Curtailment) -> None:
    """A curtailment of a misspelt place would excuse nothing, and nobody would hear of it."""
    if entered.feeder is None:
        point = entered.connection_point or ""
        if not registry.meters_at(point):
            raise RefusedError(f"no connection point '{point}' is recorded: `registry export` lists them")
        return
    for at_utc in (entered.span.start_utc, entered.span.end_utc - 1):
        if points_by(database.connection, By.FEEDER, entered.feeder, at_utc):
            return
    raise RefusedError(
        f"no connection point was on feeder '{entered.feeder}' at that time: `registry export` lists them"
    )


def _about(found: Curtailment) -> str:
    about = f"feeder {found.feeder}" if found.connection_point is None else found.connection_point
    return f"{about}, {ist_text(found.span.start_utc)} to {ist_text(found.span.end_utc)}"


def _shown(stored: StoredCurtailment) -> str:
    found = stored.curtailment
    back = (
        ""
        if stored.withdrawn_utc is None
        else f"; taken back {ist_text(stored.withdrawn_utc)} by {stored.withdrawn_by}"
    )
    return f"{stored.number} {found.kind.value} {_about(found)}, by {found.by}: {found.reason}{back}"
