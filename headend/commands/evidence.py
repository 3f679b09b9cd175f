"""export: what an actual rests on, for others to check."""

import argparse
import sys
from contextlib import closing
from pathlib import Path

from headend import founding
from headend.commands.command import DONE, REFUSED, Adding, digest
from headend.config import Config
from headend.export import Anchoring, bundle
from headend.founding import LOG
from headend.log.logbook import Logbook
from headend.store.sqlite.database import open_database
from signing.bundle import Kind


def add(verb: Adding) -> None:
    """Adds the verb of this job."""
    export = verb("export", _export, "write the evidence bundle of an actual")
    export.add_argument("digest", type=digest, metavar="DIGEST", help="the evidence digest, 64 hexadecimal digits")
    export.add_argument("output", type=Path, metavar="FILE", help="where the bundle goes")
    export.add_argument(
        "--kind", choices=["actual", "window"], default="window", help="with the blocks, or without (default: window)"
    )


def _export(settings: Config, arguments: argparse.Namespace) -> int:
    keys = founding.open_keys(settings)
    kind = Kind.ACTUAL if arguments.kind == "actual" else Kind.WINDOW
    with closing(open_database(settings.database)) as database:
        book = Logbook(database, {LOG: keys.log}, settings.state)
        anchoring = Anchoring(tip=book.tip(LOG), nodes=book.nodes(LOG))
        content = bundle(database.connection, keys.statements.public_key, anchoring, arguments.digest, kind)
    if content is None:
        print(f"there is no actual {arguments.digest.hex()}: take the digest from a posting", file=sys.stderr)
        return REFUSED
    arguments.output.write_bytes(content)
    return DONE
