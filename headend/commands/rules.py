"""rules: which validation rules judge, with which parameters; a new set is logged before anything is judged by it."""

import argparse
from contextlib import closing
from pathlib import Path

from headend import founding, service
from headend.commands.command import DONE, REFUSED, Adding, add_apply, file_text, misuse
from headend.config import Config
from headend.duties.holds import said
from headend.founding import LOG
from headend.log.logbook import Logbook
from headend.rule_sheet import differences, parse_sheet, sheet
from headend.store.sqlite import actuals, hold_rows, registry_rows
from headend.store.sqlite.database import open_database
from headend.store.sqlite.hold_rows import Act
from headend.vee.rule import RuleSetError
from headend.vee.ruleset import DEFAULT_RULE_SET, judged_by
from signing.envelope import sign
from signing.statements.rule_set import RuleSet


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    rules = verb("rules", _rules, "show the rules that judge now, or log other ones")
    rules.add_argument("action", choices=["show", "log"], help="log: the newest set in the log judges from then on")
    rules.add_argument("--file", type=Path, metavar="FILE", help="log: TOML as `show` writes it")
    rules.add_argument("--default", action="store_true", help="log: the set that this release starts with")
    rules.add_argument("--by", default="", metavar="NAME", help="log: the operator who answers for it")
    rules.add_argument("--reason", default="", metavar="TEXT", help="log: why; kept for ever")
    add_apply(rules)


def _rules(settings: Config, arguments: argparse.Namespace) -> int:
    keys = founding.open_keys(settings)
    with closing(open_database(settings.database)) as database:
        stored = actuals.newest_rule_set(database.connection, keys.statements.public_key, LOG)
        current = None if stored is None else stored.signed.statement
        if arguments.action == "show":
            print("" if current is None else sheet(current), end="")
            return DONE if current is not None else REFUSED
        if (arguments.file is None) != arguments.default:
            return misuse("expected either --file or --default")
        wanted = DEFAULT_RULE_SET if arguments.default else parse_sheet(file_text(arguments.file), str(arguments.file))
        try:
            judged_by(wanted)
        except RuleSetError as error:
            print(error)
            return REFUSED
        changes = differences(current, wanted)
        for line in changes:
            print(line)
        if not changes:
            print("these rules judge already")
            return DONE
        if not arguments.apply:
            print("nothing was done: give --apply to log them; `revalidate` then says what they change")
            return DONE
        _log(settings, Logbook(database, {LOG: keys.log}, settings.state), wanted, arguments)
    return DONE


def _log(settings: Config, book: Logbook, wanted: RuleSet, arguments: argparse.Namespace) -> None:
    by, reason, now = said(arguments.by, "by"), said(arguments.reason, "reason"), service.now()
    signed = sign(wanted, founding.open_keys(settings).statements)
    with book.transaction() as transaction:
        leaf = transaction.append(LOG, [signed.digest])
        registry_rows.put_statement(transaction.connection, leaf, signed.envelope, at_utc=now)
        about = f"{wanted.name} version {wanted.version} {signed.digest.hex()}"
        hold_rows.put_act(transaction.connection, Act(verb="rules", about=about, by=by, reason=reason, done_utc=now))
    print(f"rule set {wanted.name} version {wanted.version}  {signed.digest.hex()}")
