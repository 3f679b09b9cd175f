"""imports: readings of an existing HES or MDMS, from files, as the drop folder takes them."""

import argparse
import json
from contextlib import closing
from pathlib import Path

from headend import founding, service
from headend.commands.command import DONE, REFUSED, Adding, add_apply, misuse
from headend.commands.progress import Telling
from headend.config import Config
from headend.duties.holds import said
from headend.founding import LOG
from headend.imports.report import Verdict, receipt
from headend.log.logbook import Logbook
from headend.meter_data.drop_folder import PARSERS
from headend.meter_data.importing import Importing
from headend.onboarding.known import Registry
from headend.registry.plan import Rejected
from headend.store.sqlite.database import open_database

_SHOWN = 50


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    imports = verb(
        "imports", _imports, "take readings that another system of the discom's read; never signed at source"
    )
    imports.add_argument("file", type=Path, metavar="FILE", help="CSV, or IES MeterData v0.6 as JSON")
    imports.add_argument("--source", metavar="NAME", help="which system (default: imports.source)")
    imports.add_argument("--partial", action="store_true", help="leave rejected rows out and take the others")
    imports.add_argument("--by", default="", metavar="NAME", help="with --apply: the operator who answers for it")
    imports.add_argument("--json", action="store_true", help="print the receipt as JSON")
    add_apply(imports)


def _imports(settings: Config, arguments: argparse.Namespace) -> int:
    parse = PARSERS.get(arguments.file.suffix.lower())
    if parse is None:
        return misuse(f"expected a file that ends in {' or '.join(PARSERS)}, got '{arguments.file}'")
    tell = Telling()
    content, keys = arguments.file.read_bytes(), founding.open_keys(settings)
    with closing(open_database(settings.database)) as database:
        importing = Importing(
            database=database,
            book=Logbook(database, {LOG: keys.log}, settings.state),
            registry=Registry(database),
            signer=keys.statements,
            stamps=settings.imports.stamps,
            tell=tell,
        )
        if arguments.apply:
            outcome = importing.take(
                content,
                parse,
                source=arguments.source or settings.imports.source,
                by=said(arguments.by, "by"),
                at_utc=service.now(),
                rejected=Rejected.LEFT_OUT if arguments.partial else Rejected.REFUSES_ALL,
            )
        else:
            outcome = importing.preview(content, parse)
    if arguments.json:
        print(json.dumps(receipt(outcome)))
    else:
        for fault in outcome.faults[:_SHOWN]:
            print(fault.words)
        print(outcome.words)
        if outcome.verdict is Verdict.LOOKED_AT:
            print("nothing was done: give --apply to take it")
    return REFUSED if outcome.verdict is Verdict.REFUSED else DONE
