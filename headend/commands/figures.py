"""attest, withdraw, revalidate: what the discom says of windows, by an operator's hand."""

import argparse
import sys

from headend import service
from headend.attest import Subject
from headend.commands.attesting import attesting
from headend.commands.command import (
    DONE,
    REFUSED,
    Adding,
    add_act,
    add_apply,
    add_window,
    ended,
    instant,
    misuse,
    require_act,
    whose,
    why,
)
from headend.commands.progress import Progress
from headend.config import Config
from headend.onboarding.known import Registry
from headend.store.sqlite import actuals, hold_rows
from headend.store.sqlite.database import Database
from headend.store.sqlite.hold_rows import Act
from signing.energy import kwh_text
from signing.errors import SigningError
from signing.interval import Interval, ist_text
from signing.statements.window_actual import Cause, WindowActual

_AT_ONCE = 8
"""Windows that are decided in one transaction: intake waits meanwhile."""


def add(verb: Adding) -> None:
    """Adds the verbs of this job."""
    attest = verb("attest", _attest, "decide one window again and say so, even where nothing changed")
    add_window(attest)
    add_act(attest)
    add_apply(attest)
    withdraw = verb("withdraw", _withdraw, "take the figure of one window back, until `attest` says another")
    add_window(withdraw)
    add_act(withdraw)
    add_apply(withdraw)
    revalidate = verb("revalidate", _revalidate, "decide every window of a time again by the newest rules and evidence")
    revalidate.add_argument("--start", type=instant, required=True, metavar="TIME", help="first start of a window")
    revalidate.add_argument("--end", type=instant, required=True, metavar="TIME", help="windows begin before this")
    revalidate.add_argument("--posted-as", metavar="ID", help="of this meter only, as the ledger spells it")
    add_act(revalidate)
    add_apply(revalidate)


def _attest(settings: Config, arguments: argparse.Namespace) -> int:
    with attesting(settings, arguments) as (database, registry, attestor):
        subject = _subject(registry, arguments)
        if subject is None:
            return REFUSED
        require_act(arguments)
        print(_line(subject, attestor.preview(subject, Cause.OPERATOR)))
        if not arguments.apply:
            return ended(arguments)
        _keep(database, "attest", arguments, subject)
        (signed,) = attestor.attest([subject], at_utc=service.now(), cause=Cause.OPERATOR)
        print(f"evidence {signed.digest.hex()}")
    return DONE


def _withdraw(settings: Config, arguments: argparse.Namespace) -> int:
    with attesting(settings, arguments) as (database, registry, attestor):
        subject = _subject(registry, arguments)
        if subject is None:
            return REFUSED
        require_act(arguments)
        signed = attestor.withdraw(subject, why(arguments)[:128], at_utc=service.now())
        if signed is None:
            print(f"{_name(subject)}: there is no figure to take back", file=sys.stderr)
            return REFUSED
        revision = f"WITHDRAWN, revision {signed.statement.revision}"
        if arguments.apply:
            _keep(database, "withdraw", arguments, subject)
            print(f"{_name(subject)}: {revision}\nevidence {signed.digest.hex()}")
        else:
            print(f"{_name(subject)}: would be {revision}")
            print("what a ledger holds stays there until another figure is posted")
    return ended(arguments)


def _revalidate(settings: Config, arguments: argparse.Namespace) -> int:
    try:
        span = Interval(arguments.start, arguments.end)
    except SigningError as error:
        return misuse(str(error))
    require_act(arguments)
    with attesting(settings, arguments) as (database, _, attestor):
        rows = actuals.subjects(database.connection, span, arguments.posted_as)
        wanted = [Subject(connection_point=point, posted_as=name, window=window) for point, name, window in rows]
        changed, tell = 0, Progress("windows", first_s=0.0)
        for first in range(0, len(wanted), _AT_ONCE):
            portion = wanted[first : first + _AT_ONCE]
            found = {subject: attestor.preview(subject) for subject in portion}
            new = {subject: actual for subject, actual in found.items() if actual is not None}
            for subject, actual in new.items():
                print(_line(subject, actual))
            changed += len(new)
            if arguments.apply and new:
                for subject in new:
                    _keep(database, "revalidate", arguments, subject)
                attestor.attest(new, at_utc=service.now())
            tell(first + len(portion), len(wanted))
        print(f"{changed} of {len(wanted)} windows {'have a new revision' if arguments.apply else 'would change'}")
    return ended(arguments)


def _subject(registry: Registry, arguments: argparse.Namespace) -> Subject | None:
    point = registry.connection_point(arguments.posted_as, arguments.start)
    if point is None:
        name = arguments.posted_as
        print(f"no connection point is posted as '{name}': `registry export` lists the ids", file=sys.stderr)
        return None
    try:
        window = Interval(arguments.start, arguments.end)
    except SigningError as error:
        print(error, file=sys.stderr)
        return None
    return Subject(connection_point=point, posted_as=arguments.posted_as, window=window)


def _keep(database: Database, verb: str, arguments: argparse.Namespace, subject: Subject) -> None:
    act = Act(
        verb=verb,
        about=_name(subject),
        by=whose(arguments),
        reason=why(arguments),
        done_utc=service.now(),
    )
    with database.transaction() as connection:
        hold_rows.put_act(connection, act)


def _name(subject: Subject) -> str:
    return f"{subject.posted_as} {ist_text(subject.window.start_utc)} to {ist_text(subject.window.end_utc)}"


def _line(subject: Subject, actual: WindowActual | None) -> str:
    if actual is None:
        return f"{_name(subject)}: nothing new to say"
    totals = actual.totals
    figure = actual.reason if totals is None else f"net {kwh_text(totals.net_wh)} kWh"
    return f"{_name(subject)}: revision {actual.revision} {actual.status.name} ({actual.cause.name}), {figure}"
