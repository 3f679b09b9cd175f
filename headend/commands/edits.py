"""operator, edit: what two persons say that blocks are worth."""

import argparse
import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from headend import founding, service
from headend.commands.command import (
    DONE,
    Adding,
    acting,
    add_act,
    add_apply,
    add_hand,
    ended,
    file_text,
    hand,
    instant,
    misuse,
    whose,
    why,
)
from headend.config import Config
from headend.days.validating import Validating
from headend.duties import papers
from headend.duties.holds import said
from headend.duties.operators import Pending
from headend.editing.bounds import beyond
from headend.editing.cut_block import CutBlock
from headend.editing.editing import Editing, Wish
from headend.errors import RefusedError
from headend.founding import LOG
from headend.log.logbook import Logbook
from headend.onboarding.known import Registry
from headend.registry.sheet_columns import kilo
from headend.registry.supply import Exchange
from headend.series import SeriesBlock
from headend.store.sqlite import actuals, edit_rows, hold_rows, operator_rows, supply_rows
from headend.store.sqlite.database import Database, open_database
from headend.store.sqlite.hold_rows import Act
from headend.store.sqlite.log_rows import leaf_place
from signing import fields
from signing.backends.file import open_public_key
from signing.energy import kwh_text
from signing.errors import DecodeError
from signing.interval import ist_day_start, ist_text
from signing.signer import open_signer
from signing.statements.edit import EditedBlock, EditProposal
from signing.statements.persons import Person

_LISTED = 200
_COLUMNS = ["start", "import_kwh", "export_kwh"]
_NONE = "none"


def add(verb: Adding) -> None:
    """Adds the verbs of this job."""
    operator = verb(
        "operator",
        _operator,
        "say whose key is whose: the persons who may edit, approve and refuse; first without --apply",
    )
    operator.add_argument("action", choices=["add", "remove", "list"], help="what to do")
    operator.add_argument("name", nargs="?", metavar="NAME", help="add, remove: the person")
    operator.add_argument("--key", type=Path, metavar="FILE", help="add: their public key, a PEM file")
    add_act(operator, reason="add, remove: why; kept for ever")
    add_apply(operator)
    edit = verb("edit", _edit, "state what blocks are worth: one person proposes, another approves")
    edit.add_argument("action", choices=["propose", "approve", "drop", "list", "show"], help="what to do")
    edit.add_argument("number", nargs="?", type=int, metavar="N", help="approve, drop, show: the proposal")
    edit.add_argument("--meter", metavar="ID", help="propose: the meter")
    edit.add_argument(
        "--block", action="append", default=[], metavar="START=KWH[/KWH]",
        help="propose: import and export of one block before factors, or START=none to take its value away; may be given again",
    )  # fmt: skip
    edit.add_argument(
        "--file", type=Path, metavar="CSV", help="propose: blocks from a file: start,import_kwh,export_kwh"
    )
    edit.add_argument(
        "--from-exchange", metavar="POINT",
        help="propose: the block that an exchange of devices cut at this connection point, by the registers read at it",
    )  # fmt: skip
    edit.add_argument(
        "--draft",
        type=Path,
        metavar="FILE",
        help="propose, approve: write what is to be signed there, for `sakshi-sign`",
    )
    edit.add_argument(
        "--signed", type=Path, metavar="FILE",
        help="propose, approve: what `sakshi-sign` wrote on the person's own machine, instead of --as and --key",
    )  # fmt: skip
    edit.add_argument("--at", type=instant, metavar="TIME", help="with --from-exchange: which one (default: the last)")
    edit.add_argument("--by", default="", metavar="NAME", help="drop with --apply: the operator who answers for it")
    edit.add_argument("--reason", default="", metavar="TEXT", help="propose, drop: why; kept for ever")
    add_hand(edit)
    add_apply(edit)


def _operator(settings: Config, arguments: argparse.Namespace) -> int:
    if arguments.action == "list":
        with closing(open_database(settings.database)) as database:
            for one in operator_rows.operators(database.connection):
                until = "" if one.removed_utc is None else f", until {ist_text(one.removed_utc)}"
                print(f"{one.name}: key {one.key.kid.hex()[:16]}, since {ist_text(one.added_utc)}{until}")
        return DONE
    if arguments.name is None or (arguments.action == "add") != (arguments.key is not None):
        return misuse("expected a NAME, and --key exactly with `add`")
    with closing(acting(settings, arguments)) as database:
        return _hired(database, arguments)


def _hired(database: Database, arguments: argparse.Namespace) -> int:
    """Adds or removes a person, and says which key and which proposals that is about."""
    now, is_added = service.now(), arguments.action == "add"
    name = fields.label(said(arguments.name, "name"), "name")
    act = Act(verb=f"operator {arguments.action}", about=name, by=whose(arguments), reason=why(arguments), done_utc=now)
    with database.transaction() as connection:
        if is_added:
            operator_rows.add_operator(connection, name, open_public_key(str(arguments.key)), at_utc=now)
        else:
            operator_rows.remove_operator(connection, name, at_utc=now)
        hold_rows.put_act(connection, act)
        (person, *_) = sorted(
            (one for one in operator_rows.operators(connection) if one.name == name), key=lambda one: -one.added_utc
        )
        waiting = operator_rows.all_waiting(connection)
    print(f"key {person.key.kid.hex()}  compare it with the person's own")
    for pending in waiting:
        if pending.author.name == name:
            print(f"proposed by {name}, and waits still: {_title(pending)}")
    others = sum(pending.author.name != name for pending in waiting)
    if others:
        print(f"{others} proposal(s) of others wait for somebody's approval")
    if arguments.apply:
        print(f"{name} {'may sign from now on' if is_added else 'signs nothing more; what they signed stays'}")
    else:
        print(f"{name} {'might sign from then on' if is_added else 'would sign nothing more; what they signed stays'}")
    return ended(arguments)


def _edit(settings: Config, arguments: argparse.Namespace) -> int:
    if arguments.action in {"approve", "drop", "show"} and arguments.number is None:
        return misuse(f"expected the number of a proposal: `edit {arguments.action} N`")
    with _desk(settings, arguments) as (database, registry, validating):
        match arguments.action:
            case "list":
                return _list(database)
            case "show":
                return _show(database, arguments.number)
            case "propose":
                return _propose(settings, arguments, database, registry, validating)
            case "approve":
                return _approve(settings, arguments, database, registry, validating)
            case _:
                return _drop(database, arguments)


@contextmanager
def _desk(settings: Config, arguments: argparse.Namespace) -> Iterator[tuple[Database, Registry, Validating]]:
    key = open_signer(settings.keys.statements).public_key
    with closing(acting(settings, arguments)) as database:
        registry = Registry(database)
        yield database, registry, Validating(database=database, registry=registry, key=key, settings=settings.series)


def _propose(
    settings: Config, arguments: argparse.Namespace, database: Database, registry: Registry, validating: Validating
) -> int:
    sources = (
        bool(arguments.block),
        arguments.file is not None,
        arguments.from_exchange is not None,
        arguments.signed is not None,
    )
    if sum(sources) != 1 or (arguments.meter is None) != (sources[2] or sources[3]):
        return misuse("expected --meter with --block or --file, or --from-exchange alone, or --signed alone")
    editing, now = Editing(database=database, registry=registry), service.now()
    if sources[3]:
        proposal = _paper(arguments.signed).proposal
    else:
        proposal = editing.proposal(_wish(settings, arguments, database, registry), now_utc=now)
    _compare(validating, proposal)
    _warn(settings, database, registry, proposal)
    if arguments.draft is not None:
        return _draft(arguments.draft, proposal)
    if not arguments.apply:
        print("nothing was proposed: give --apply, --as and --key to do it")
        return DONE
    pending = editing.propose(proposal, _person(arguments, proposal), now_utc=now)
    print(f"proposal {pending.number} waits for another person: `edit approve {pending.number}`")
    return DONE


def _wish(settings: Config, arguments: argparse.Namespace, database: Database, registry: Registry) -> Wish:
    if arguments.from_exchange is not None:
        meter, blocks = _cut(settings, arguments, database, registry)
    else:
        meter = arguments.meter
        rows = _file_rows(arguments.file) if arguments.file is not None else map(_word, arguments.block)
        blocks = tuple(sorted(map(_block, rows), key=lambda block: block.start_utc))
    return Wish(meter=meter, blocks=blocks, reason=said(arguments.reason, "reason"))


def _draft(path: Path, proposal: EditProposal) -> int:
    text = json.dumps(papers.fields_of(papers.Paper(proposal=proposal, person=None)))
    path.write_text(text + "\n", encoding="utf-8")
    print(f"nothing was kept: `sakshi-sign {path}` signs it where the key is, and --signed brings it back")
    return DONE


def _paper(path: Path) -> papers.Paper:
    return papers.read(path.read_bytes())


def _person(arguments: argparse.Namespace, proposal: EditProposal) -> Person:
    """Who signs, here with --as and --key, or elsewhere with --signed."""
    if arguments.signed is None:
        return hand(arguments).signs(proposal)
    if arguments.name is not None or arguments.key is not None:
        raise RefusedError("expected --signed, or --as and --key: one signature")
    paper = _paper(arguments.signed)
    if paper.person is None:
        raise RefusedError(f"nobody signed '{arguments.signed}': run `sakshi-sign` on the person's own machine")
    if paper.proposal != proposal:
        raise RefusedError(f"'{arguments.signed}' is of another proposal: write its draft anew with --draft")
    return paper.person


def _approve(
    settings: Config, arguments: argparse.Namespace, database: Database, registry: Registry, validating: Validating
) -> int:
    pending = operator_rows.proposal(database.connection, arguments.number)
    print(_title(pending))
    _compare(validating, pending.proposal)
    _warn(settings, database, registry, pending.proposal)
    if arguments.draft is not None:
        return _draft(arguments.draft, pending.proposal)
    if not arguments.apply:
        print("nothing was approved: give --apply, --as and --key to do it")
        return DONE
    keys = founding.open_keys(settings)
    book = Logbook(database, {LOG: keys.log}, settings.state)
    editing = Editing(database=database, registry=registry)
    person = _person(arguments, pending.proposal)
    signed = editing.approve(pending.number, person, book=book, signer=keys.statements, now_utc=service.now())
    print(f"edit {signed.statement.proposal.number} of meter {signed.statement.proposal.meter}: {signed.digest.hex()}")
    print("windows and days on which it bears are decided again within minutes where the head-end serves")
    return DONE


def _drop(database: Database, arguments: argparse.Namespace) -> int:
    by, reason, now = whose(arguments), why(arguments), service.now()
    with database.transaction() as connection:
        pending = operator_rows.proposal(connection, arguments.number)
        operator_rows.close(connection, pending.number, outcome=f"dropped by {by}: {reason}", at_utc=now)
        act = Act(verb="edit drop", about=f"proposal {pending.number}", by=by, reason=reason, done_utc=now)
        hold_rows.put_act(connection, act)
    print(_title(pending))
    print(f"proposal {pending.number} {'waits' if arguments.apply else 'would wait'} no more")
    return ended(arguments)


def _list(database: Database) -> int:
    for pending in operator_rows.proposals(database.connection, limit=_LISTED):
        print(_title(pending))
    return DONE


def _show(database: Database, number: int) -> int:
    pending = operator_rows.any_proposal(database.connection, number)
    if pending is None:
        raise RefusedError(f"there is no proposal {number}: see `sakshi-headend edit list`")
    print(_title(pending))
    for block in pending.proposal.blocks:
        print(f"  {ist_text(block.start_utc)}: {_worth(block.import_wh, block.export_wh)}")
    stored = None if pending.leaf is None else edit_rows.at(database.connection, pending.leaf)
    if stored is not None:
        edit, index = stored.edit, leaf_place(stored.leaf)[1]
        print(
            f"  edit {edit.proposal.number}, signed by {edit.author.name} and {edit.approver.name}, log index {index}"
        )
        print(f"  digest {stored.envelope.digest.hex()}")
    return DONE


def _title(pending: Pending) -> str:
    proposal = pending.proposal
    state = "waits" if pending.outcome is None else pending.outcome
    return (
        f"{pending.number} meter {proposal.meter}, {len(proposal.blocks)} block(s) from {ist_text(proposal.span.start_utc)}, "
        f"by {pending.author.name} at {ist_text(pending.proposed_utc)}: {proposal.reason}; {state}"
    )


def _compare(validating: Validating, proposal: EditProposal) -> None:
    """Says each block as it is used now, and as it will be."""
    day = validating.day(proposal.meter, ist_day_start(proposal.span.start_utc))
    known = {} if day is None else {block.start_utc: block for block in day.blocks}
    for block in proposal.blocks:
        before, after = _used(known.get(block.start_utc)), _worth(block.import_wh, block.export_wh)
        print(f"{ist_text(block.start_utc)}: {before} -> {after}")


def _warn(settings: Config, database: Database, registry: Registry, proposal: EditProposal) -> None:
    """Says what is beyond what the connection can carry, before anybody signs it."""
    meter = registry.meter(proposal.meter)
    key = open_signer(settings.keys.statements).public_key
    rules = actuals.newest_rule_set(database.connection, key, LOG)
    if meter is not None and rules is not None:
        for text in beyond(proposal, meter.record, rules.signed.statement):
            print(f"WARNING {text}")


def _used(block: SeriesBlock | None) -> str:
    if block is None or block.import_wh is None:
        return "MISSING" if block is None else block.quality.name
    return f"{block.quality.name} {_energies(block.import_wh, block.export_wh)}"


def _worth(imported: int | None, exported: int | None) -> str:
    return "MISSING, taken away" if imported is None else f"MANUAL {_energies(imported, exported)}"


def _energies(imported: int | None, exported: int | None) -> str:
    shown = [
        f"{name} {'none' if wh is None else kwh_text(wh) + ' kWh'}"
        for name, wh in (("import", imported), ("export", exported))
    ]
    return ", ".join(shown)


def _cut(
    settings: Config, arguments: argparse.Namespace, database: Database, registry: Registry
) -> tuple[str, tuple[EditedBlock, ...]]:
    exchange = _exchange(database, arguments.from_exchange, arguments.at)
    key = open_signer(settings.keys.statements).public_key
    block = CutBlock(database.connection, registry, key).value(exchange)
    return exchange.old_meter, (block,)


def _exchange(database: Database, point: str, at_utc: int | None) -> Exchange:
    found = [one for one in supply_rows.exchanges(database.connection, point) if at_utc in {None, one.at_utc}]
    if not found:
        raise RefusedError(f"no exchange of devices is kept of {point} then: see `sakshi-headend registry show`")
    return found[-1]


def _word(word: str) -> list[str]:
    start, _, energies = word.partition("=")
    imported, _, exported = energies.partition("/")
    return [start, imported, exported]


def _file_rows(path: Path) -> Iterable[list[str]]:
    rows = list(csv.reader(io.StringIO(file_text(path))))
    if not rows or rows[0] != _COLUMNS:
        raise RefusedError(f"expected the columns {','.join(_COLUMNS)} in '{path}'")
    for place, row in enumerate(rows[1:], start=2):
        if len(row) != len(_COLUMNS):
            raise RefusedError(f"expected {len(_COLUMNS)} cells in line {place} of '{path}', got {len(row)}")
    return rows[1:]


def _block(row: list[str]) -> EditedBlock:
    start, imported, exported = row
    try:
        return EditedBlock(
            start_utc=instant(start),
            import_wh=None if imported == _NONE else kilo(imported),
            export_wh=None if exported in {"", _NONE} else kilo(exported),
        )
    except (DecodeError, argparse.ArgumentTypeError) as error:
        raise RefusedError(
            f"block '{start}': {error}; write 2026-04-26T10:15:00+05:30=0.111/0.005, in kWh, or …=none"
        ) from error
