"""`sakshi-headend`: founds, enrols, serves, and answers for what it logged."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from headend import config as configuration
from headend.commands import (
    access,
    billing,
    contracts,
    curtailment,
    disconnections,
    edits,
    evidence,
    field,
    figures,
    gates,
    holds,
    ies,
    imports,
    meter_keys,
    operation,
    posting_control,
    recovery,
    registry_sheets,
    retention,
    rules,
)
from headend.commands.command import MISUSE, REFUSED, Command
from headend.errors import HeadendError
from ledger_client.ledger import LedgerError
from signing.errors import SigningError

_JOBS = (
    operation.add,
    meter_keys.add,
    registry_sheets.add,
    rules.add,
    figures.add,
    holds.add,
    posting_control.add,
    curtailment.add,
    disconnections.add,
    edits.add,
    gates.add,
    contracts.add,
    billing.add,
    field.add,
    access.add,
    evidence.add,
    recovery.add,
    retention.add,
    imports.add,
    ies.add,
)
"""Where the verbs come from. A new job is one module of `headend.commands` and its name here."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; 0 done, 1 refused or found something, 2 misuse."""
    arguments = _parser().parse_args(argv)
    _log_to_stderr()
    try:
        settings = configuration.load(arguments.config)
    except SigningError as error:
        print(error, file=sys.stderr)
        return MISUSE
    command: Command = arguments.command
    try:
        code = command(settings, arguments)
        sys.stdout.flush()
    except (HeadendError, SigningError, LedgerError) as error:
        print(error, file=sys.stderr)
        return REFUSED
    except BrokenPipeError:
        # Whoever read along, as `head` does, has seen enough. The interpreter flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except OSError as error:
        print(f"cannot use '{error.filename}' ({error.strerror}): check the path and who may use it", file=sys.stderr)
        return REFUSED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sakshi-headend", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def verb(name: str, command: Command, words: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=words, description=words)
        added.add_argument("--config", type=Path, required=True, metavar="FILE", help="the head-end's TOML file")
        added.set_defaults(command=command)
        return added

    for add in _JOBS:
        add(verb)
    return parser


def _log_to_stderr() -> None:
    """Lines for people at a terminal, JSON otherwise."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonLines() if not sys.stderr.isatty() else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("sakshi").setLevel(logging.INFO)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
