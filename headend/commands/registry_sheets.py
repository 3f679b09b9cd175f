"""registry: on-boarding, changes of facts, exchanges of devices, and what is recorded."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from headend import founding, service
from headend.commands.command import DONE, REFUSED, Adding, add_apply, misuse
from headend.commands.progress import Telling
from headend.config import Config
from headend.founding import LOG
from headend.log.logbook import Logbook
from headend.onboarding.device_exchange import Order, cut_block, exchange_of, exchange_sheet
from headend.onboarding.known import Registry
from headend.onboarding.sheet_export import exported, meter_cells
from headend.onboarding.sheet_import import RegistryImport
from headend.registry import report as registry_report
from headend.registry.plan import Rejected
from headend.registry.report import Outcome
from headend.registry.sheet import parse_cells, parse_csv
from headend.registry.sheet_columns import day_or_instant, instant_cell, kilo
from headend.registry.supply import By, Exchange, RegisterPair
from headend.store.sqlite import supply_rows
from headend.store.sqlite.database import Database, open_database
from signing.energy import kwh_text
from signing.errors import DecodeError
from signing.interval import ist_text

_SHOWN_CHANGES = 20


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    registry = verb("registry", _import, "on-board meters, change what is recorded of them, and look it up")
    actions = registry.add_subparsers(metavar="ACTION", required=True)
    importing = actions.add_parser("import", help="record what a sheet says; first without --apply")
    importing.add_argument("file", type=Path, metavar="FILE", help="CSV in UTF-8, as docs/operating.md describes it")
    importing.add_argument(
        "--partial", action="store_true", help="leave meters with a rejected row out, and record the others"
    )
    importing.set_defaults(command=_import)
    setting = actions.add_parser("set", help="change what holds of one meter from a time on; first without --apply")
    setting.add_argument("meter", metavar="METER", help="the discom's id of the meter")
    setting.add_argument("cells", nargs="+", metavar="COLUMN=VALUE", help="columns of a sheet, such as feeder=F7")
    setting.add_argument("--from", dest="since", type=_time, required=True, metavar="TIME", help="since when it holds")
    setting.set_defaults(command=_set)
    exchange = actions.add_parser("exchange", help="record that a device was exchanged; first without --apply")
    _add_exchange(exchange)
    exchange.set_defaults(command=_exchange)
    for changing in (importing, setting, exchange):
        add_apply(changing)
        changing.add_argument("--by", default="", metavar="NAME", help="with --apply: the operator who answers for it")
    show = actions.add_parser("show", help="what is recorded of one meter")
    show.add_argument("meter", metavar="METER", help="the discom's id of the meter")
    show.set_defaults(command=_show)
    export = actions.add_parser("export", help="write the sheet that says what is recorded")
    export.add_argument("file", type=Path, nargs="?", metavar="FILE", help="where it goes (default: standard output)")
    export.set_defaults(command=_export)
    find = actions.add_parser("find", help="list connection points of a consumer, a feeder or a transformer")
    find.add_argument("what", choices=[by.value for by in By], help="what is given")
    find.add_argument("value", metavar="VALUE", help="its name or number")
    find.add_argument("--at", type=_time, metavar="TIME", help="as of then (default: now)")
    find.set_defaults(command=_find)


def _add_exchange(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--point", required=True, metavar="ID", help="the connection point")
    parser.add_argument("--old", required=True, metavar="METER", help="the meter that measured until then")
    parser.add_argument("--new", required=True, metavar="METER", help="the one that measures since; may be the same id")
    parser.add_argument("--at", type=_time, required=True, metavar="TIME", help="when the device was exchanged")
    parser.add_argument(
        "--identity", metavar="SERIAL", help="serial number of the new device, if it is not recorded yet"
    )
    for which, whose in (("closing", "old"), ("opening", "new")):
        parser.add_argument(
            f"--{which}-import", type=_kwh, required=True, metavar="KWH", help=f"import register of the {whose} device"
        )
        parser.add_argument(f"--{which}-export", type=_kwh, metavar="KWH", help="its export register, if it has one")
    parser.add_argument(
        "--set",
        dest="cells",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="what else is new, such as ct=200/5; repeatable",
    )


@dataclass(frozen=True, slots=True)
class _Desk:
    """The registry of an open database, and who may change it."""

    database: Database
    registry: Registry
    importing: RegistryImport


@contextmanager
def _opened(settings: Config) -> Iterator[_Desk]:
    keys, tell = founding.open_keys(settings), Telling()
    with closing(open_database(settings.database)) as database:
        book = Logbook(database, {LOG: keys.log}, settings.state)
        registry = Registry(database)
        importing = RegistryImport(database=database, book=book, registry=registry, signer=keys.statements, tell=tell)
        yield _Desk(database, registry, importing)


def _import(settings: Config, arguments: argparse.Namespace) -> int:
    file: Path = arguments.file
    sheet = parse_csv(file.read_bytes())
    rejected = Rejected.LEFT_OUT if arguments.partial else Rejected.REFUSES_ALL
    if arguments.apply and not arguments.by:
        return misuse(_WHO)
    with _opened(settings) as desk:
        if arguments.apply:
            outcome = desk.importing.apply(sheet, by=arguments.by, at_utc=service.now(), rejected=rejected)
        else:
            outcome = desk.importing.preview(sheet, rejected)
    return _told(outcome)


def _set(settings: Config, arguments: argparse.Namespace) -> int:
    cells = _cells(arguments.cells)
    if cells is None or (arguments.apply and not arguments.by):
        return misuse(_CELLS if cells is None else _WHO)
    sheet = parse_cells({"meter": arguments.meter, "from": instant_cell(arguments.since), **cells})
    with _opened(settings) as desk:
        if arguments.apply:
            outcome = desk.importing.apply(sheet, by=arguments.by, at_utc=service.now())
        else:
            outcome = desk.importing.preview(sheet)
    return _told(outcome)


def _exchange(settings: Config, arguments: argparse.Namespace) -> int:
    cells = _cells(arguments.cells)
    if cells is None or (arguments.apply and not arguments.by):
        return misuse(_CELLS if cells is None else _WHO)
    order = Order(
        connection_point=arguments.point,
        old_meter=arguments.old,
        new_meter=arguments.new,
        at_utc=arguments.at,
        closing=RegisterPair(import_wh=arguments.closing_import, export_wh=arguments.closing_export),
        opening=RegisterPair(import_wh=arguments.opening_import, export_wh=arguments.opening_export),
        cells=cells | ({"identity": arguments.identity} if arguments.identity else {}),
    )
    with _opened(settings) as desk:
        sheet = exchange_sheet(desk.registry, order)
        lost = cut_block(desk.registry, order)
        if arguments.apply:
            now = service.now()
            kept = exchange_of(order, by=arguments.by, now_utc=now)
            outcome = desk.importing.apply(sheet, by=arguments.by, at_utc=now, exchange=kept)
        else:
            outcome = desk.importing.preview(sheet)
    if lost is not None:
        print(f"WARNING {lost}")
    return _told(outcome)


def _show(settings: Config, arguments: argparse.Namespace) -> int:
    with closing(open_database(settings.database)) as database:
        registry = Registry(database)
        known = registry.meter(arguments.meter)
        if known is None:
            print(
                f"there is no meter {arguments.meter}: list them with `sakshi-headend registry export`", file=sys.stderr
            )
            return REFUSED
        print(f"{known.record.meter}: record {known.record.number}, {known.digest.hex()}")
        for cells in meter_cells(database.connection, known.record.meter):
            print("  " + ", ".join(f"{name}={cell}" for name, cell in cells.items() if cell and name != "meter"))
        for speaker in known.record.speakers:
            print(f"  key {speaker.key.kid.hex()[:16]} of gateway {speaker.gateway}: {speaker.state.name}")
        points = sorted({fact.connection_point for fact in known.record.facts})
        for exchange in (one for point in points for one in supply_rows.exchanges(database.connection, point)):
            print(f"  {_exchange_words(exchange)}")
        for change in supply_rows.changes(database.connection, known.record.meter, _SHOWN_CHANGES):
            what = f"{change.field}: {change.before or '(nothing)'} -> {change.after or '(nothing)'}"
            print(f"  {ist_text(change.stated_utc)} {change.stated_by}: from {ist_text(change.from_utc)} {what}")
    return DONE


def _export(settings: Config, arguments: argparse.Namespace) -> int:
    file: Path | None = arguments.file
    with closing(open_database(settings.database)) as database:
        # One unchanging state, also while the head-end goes on writing.
        database.connection.execute("BEGIN")
        text = exported(database.connection)
        database.connection.execute("ROLLBACK")
    if file is None:
        sys.stdout.write(text)
    else:
        file.write_text(text, encoding="utf-8", newline="")
    return DONE


def _find(settings: Config, arguments: argparse.Namespace) -> int:
    at_utc: int = service.now() if arguments.at is None else arguments.at
    with closing(open_database(settings.database)) as database:
        found = supply_rows.points_by(database.connection, By(arguments.what), arguments.value, at_utc)
        registry = Registry(database)
        for point in found:
            meters = (meter.record for meter in registry.meters_at(point))
            placed = [
                record.meter for record in meters if (fact := record.fact(at_utc)) and fact.connection_point == point
            ]
            print(f"{point}: {' '.join(placed) or 'no meter'}")
    return DONE if found else REFUSED


def _told(outcome: Outcome) -> int:
    for line in registry_report.lines(outcome):
        print(line)
    return REFUSED if outcome.is_refused else DONE


def _exchange_words(exchange: Exchange) -> str:
    pairs = [
        f"{name} import {kwh_text(pair.import_wh)} kWh"
        + ("" if pair.export_wh is None else f", export {kwh_text(pair.export_wh)} kWh")
        for name, pair in (("closing", exchange.closing), ("opening", exchange.opening))
    ]
    return (
        f"exchange of {exchange.old_meter} for {exchange.new_meter} at {exchange.connection_point}, {ist_text(exchange.at_utc)}: "
        f"{'; '.join(pairs)}; stated by {exchange.stated_by}"
    )


def _cells(words: Iterable[str]) -> dict[str, str] | None:
    """The cells of COLUMN=VALUE words; none where one is no such word."""
    found: dict[str, str] = {}
    for word in words:
        name, separator, cell = word.partition("=")
        if not separator or name in found:
            return None
        found[name] = cell
    return found


def _time(text: str) -> int:
    try:
        return day_or_instant(text)
    except DecodeError as error:
        raise argparse.ArgumentTypeError(f"{error}: write it as 2026-04-01 or 2026-04-01T09:00:00+05:30") from error


def _kwh(text: str) -> int:
    try:
        return kilo(text)
    except DecodeError as error:
        raise argparse.ArgumentTypeError(f"{error}: write the register in kWh, as the device shows it") from error


_WHO = "expected --by, the operator who answers for it, with --apply"
_CELLS = "expected COLUMN=VALUE, each column once, such as feeder=F7"
