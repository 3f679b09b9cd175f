"""ies: meter data for others, in the form of the India Energy Stack: by consent, noted, and revocable where it is a credential."""

import argparse
import sys
import uuid
from contextlib import closing
from pathlib import Path

from headend import founding, service
from headend.commands.command import DONE, REFUSED, Adding, acting, add_apply, ended, misuse, whose, why
from headend.config import Config
from headend.duties.holds import said
from headend.ies.page import Answer
from headend.ies.rendering import Form
from headend.ies.request import MeterDataRequest
from headend.meter_data.desk import checked, issuer, read_asked
from headend.meter_data.disclosing import Disclosing, Grantee, revoke
from headend.onboarding.known import Registry
from headend.store.sqlite import disclosure_rows, hold_rows
from headend.store.sqlite.database import Database, open_database
from headend.store.sqlite.hold_rows import Act
from signing.interval import ist_text

_LISTED = 100


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    ies = verb("ies", _ies, "give meter data or a credential of it, revoke one, list what was given, check a document")
    ies.add_argument("action", choices=list(_ACTIONS), help="what to do")
    ies.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a MeterDataRequest; for check: MeterData")
    ies.add_argument("--grantee", metavar="ID", help="to whom (default: the request's authorisation)")
    ies.add_argument("--purpose", metavar="TEXT", help="for what (default: the request's authorisation)")
    ies.add_argument(
        "--form", choices=[form.value for form in Form], default=Form.COMPACT.value, help="how it is written"
    )
    ies.add_argument("--cursor", metavar="TEXT", help="meter-data: the page that the one before named")
    ies.add_argument("--out", type=Path, metavar="FILE", help="write it there instead of printing it")
    ies.add_argument("--number", default="", metavar="UUID", help="revoke: the credential's number")
    ies.add_argument("--by", default="", metavar="NAME", help="the operator who answers for it")
    ies.add_argument("--reason", default="", metavar="TEXT", help="revoke: why; kept for ever")
    add_apply(ies, what="revoke: do it; without this it only says what it would do")


def _ies(settings: Config, arguments: argparse.Namespace) -> int:
    action: str = arguments.action
    if action in {"meter-data", "credential", "check"} and arguments.file is None:
        return misuse(f"expected a FILE for `ies {action}`")
    return _ACTIONS[action](settings, arguments)


def _meter_data(settings: Config, arguments: argparse.Namespace) -> int:
    asked, form = read_asked(arguments.file.read_bytes()), Form(arguments.form)
    grantee = _grantee(asked, arguments)
    if grantee is None:
        return misuse("expected --grantee and --purpose, or an authorisation in the request")
    with closing(open_database(settings.database)) as database:
        answer = _disclosing(settings, database).meter_data(
            asked, grantee, form, arguments.cursor, at_utc=service.now()
        )
    _give(answer, arguments)
    if answer.next is not None:
        print(f"there is more: give --cursor {answer.next}", file=sys.stderr)
    return DONE


def _credential(settings: Config, arguments: argparse.Namespace) -> int:
    asked, form = read_asked(arguments.file.read_bytes()), Form(arguments.form)
    grantee = _grantee(asked, arguments)
    if grantee is None:
        return misuse("expected --grantee and --purpose, or an authorisation in the request")
    with closing(open_database(settings.database)) as database:
        answer = _disclosing(settings, database).credential(
            asked,
            grantee,
            form,
            issuer=issuer(settings),
            number=str(uuid.uuid4()),
            days=settings.ies.credential_days,
            signer=founding.open_keys(settings).statements,
            at_utc=service.now(),
        )
    _give(answer, arguments)
    return DONE


def _revoke(settings: Config, arguments: argparse.Namespace) -> int:
    by, reason, now = whose(arguments), why(arguments), service.now()
    with closing(acting(settings, arguments)) as database:
        revoke(database, arguments.number, by=by, reason=reason, at_utc=now)
        issued = disclosure_rows.credential(database.connection, arguments.number)
        act = Act(verb="ies revoke", about=arguments.number, by=by, reason=reason, done_utc=now)
        with database.transaction() as connection:
            hold_rows.put_act(connection, act)
    if issued is not None:
        print(
            f"of {issued.subject}, to {issued.grantee}, {ist_text(issued.issued_utc)} to {ist_text(issued.until_utc)}"
        )
    print(f"credential {arguments.number} {'is' if arguments.apply else 'would be'} revoked, for ever")
    return ended(arguments)


def _list(settings: Config, _arguments: argparse.Namespace) -> int:
    with closing(open_database(settings.database)) as database:
        for given in disclosure_rows.disclosures(database.connection, limit=_LISTED):
            print(
                f"{ist_text(given.disclosed_utc)}  {given.what}  to {given.grantee} for {given.purpose}, by {given.holder}: "
                f"{given.records} records of {', '.join(given.meters)}, {ist_text(given.span.start_utc)} to {ist_text(given.span.end_utc)}"
            )
    return DONE


def _check(_settings: Config, arguments: argparse.Namespace) -> int:
    found = checked(arguments.file.read_bytes())
    for fault in found.faults:
        print(fault.words)
    print(
        f"{len(found.profiles)} profiles read, {found.passed_over} of other kinds passed over, {len(found.faults)} faults"
    )
    return REFUSED if found.faults else DONE


_ACTIONS = {
    "meter-data": _meter_data,
    "credential": _credential,
    "revoke": _revoke,
    "list": _list,
    "check": _check,
}


def _grantee(asked: MeterDataRequest, arguments: argparse.Namespace) -> Grantee | None:
    given = asked.authorisation
    name = arguments.grantee or (None if given is None else given.grantee)
    purpose = arguments.purpose or (None if given is None else given.purpose)
    if name is None or purpose is None:
        return None
    return Grantee(name=name, purpose=purpose, holder=said(arguments.by, "by"))


def _disclosing(settings: Config, database: Database) -> Disclosing:
    return Disclosing(database=database, registry=Registry(database), domain=settings.domain)


def _give(answer: Answer, arguments: argparse.Namespace) -> None:
    if arguments.out is None:
        print(answer.content.decode())
    else:
        arguments.out.write_bytes(answer.content)
        print(f"{answer.records} records in {arguments.out}")
