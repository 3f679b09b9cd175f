"""What a command is: its words on the command line, and what it ends with."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from headend.config import Config
from headend.duties.holds import said
from headend.editing.editing import Hand
from headend.errors import RefusedError
from headend.store.sqlite.database import Database, open_database, open_rehearsal
from signing.canonical import DIGEST_SIZE
from signing.errors import SigningError
from signing.interval import parse_instant
from signing.signer import open_signer

DONE, REFUSED, MISUSE = 0, 1, 2
"""Exit codes: done, refused or found something, misuse."""

Command = Callable[[Config, argparse.Namespace], int]
"""Does what the arguments ask, and gives the exit code."""


class Adding(Protocol):
    """Adds one verb to the command line."""

    def __call__(self, name: str, command: Command, words: str) -> argparse.ArgumentParser:
        """The parser of the verb `name`, which knows ``--config`` already; `words` are its help."""


def misuse(message: str) -> int:
    """Tells what is wrong with the arguments."""
    print(message, file=sys.stderr)
    return MISUSE


def digest(text: str) -> bytes:
    """The digest that an argument names.

    Raises:
        ArgumentTypeError: it is not 64 hexadecimal digits.
    """
    try:
        found = bytes.fromhex(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected hexadecimal digits, got {text!r:.80}") from error
    if len(found) != DIGEST_SIZE:
        raise argparse.ArgumentTypeError(f"expected {2 * DIGEST_SIZE} hexadecimal digits, got {len(text)}")
    return found


def instant(text: str) -> int:
    """The UTC second that an argument names.

    Raises:
        ArgumentTypeError: it is no instant with its zone.
    """
    try:
        return parse_instant(text, "instant")
    except SigningError as error:
        raise argparse.ArgumentTypeError(f"{error}: write it as 2026-01-31T09:00:00+05:30") from error


def add_window(parser: argparse.ArgumentParser) -> None:
    """The arguments that name one figure: ``--posted-as``, ``--start`` and ``--end``."""
    parser.add_argument("--posted-as", required=True, metavar="ID", help="the meter, exactly as the ledger spells it")
    parser.add_argument("--start", type=instant, required=True, metavar="TIME", help="start of the delivery window")
    parser.add_argument("--end", type=instant, required=True, metavar="TIME", help="end of the delivery window")


def add_act(parser: argparse.ArgumentParser, *, reason: str | None = "why; kept for ever") -> None:
    """The arguments of what is kept for ever: who did it, and why; needed with ``--apply`` only. `reason` is the help of the latter, if there is one."""
    parser.add_argument("--by", default="", metavar="NAME", help="with --apply: the operator who answers for it")
    if reason is not None:
        parser.add_argument("--reason", default="", metavar="TEXT", help=f"with --apply: {reason}")


def add_hand(parser: argparse.ArgumentParser) -> None:
    """The arguments of what a person signs: ``--as`` and ``--key``."""
    parser.add_argument("--as", dest="name", metavar="NAME", help="the operator who signs; see `operator list`")
    parser.add_argument("--key", metavar="URI", help="their own private key, such as file:rao.pem")


def hand(arguments: argparse.Namespace) -> Hand:
    """The person who signs, with their key.

    Raises:
        RefusedError: one of both is not given.
        KeyUnavailableError: the key cannot be used.
    """
    if arguments.name is None or arguments.key is None:
        raise RefusedError("expected --as NAME and --key URI, the person who signs and their own key")
    return Hand(name=arguments.name, signer=open_signer(arguments.key))


def add_apply(
    parser: argparse.ArgumentParser, *, what: str = "do it; without this it only says what it would do"
) -> None:
    """``--apply``: without it a command only says what it would do."""
    parser.add_argument("--apply", action="store_true", help=what)


def acting(settings: Config, arguments: argparse.Namespace) -> Database:
    """The database that a command acts on. Without ``--apply`` everything is done as with it, and nothing of it stays.

    Raises:
        FatalError, StoreUnavailableError: as `open_database`.
    """
    return open_database(settings.database) if arguments.apply else open_rehearsal(settings.database)


def whose(arguments: argparse.Namespace) -> str:
    """Who answers for an act: ``--by``, which may lack where nothing is kept.

    Raises:
        RefusedError: it lacks, or is not printable on one line.
    """
    return said(arguments.by or _unsaid(arguments), "by")


def why(arguments: argparse.Namespace) -> str:
    """The reason of an act: ``--reason``, which may lack where nothing is kept; raises as `whose`."""
    return said(arguments.reason or _unsaid(arguments), "reason")


def require_act(arguments: argparse.Namespace) -> None:
    """That it is said who answers and why before anything is done; raises as `whose`."""
    whose(arguments)
    why(arguments)


def _unsaid(arguments: argparse.Namespace) -> str:
    return "" if arguments.apply else "(said with --apply)"


def ended(arguments: argparse.Namespace) -> int:
    """How a command ends that did what it said, or that only said it."""
    if not arguments.apply:
        print("nothing was done: give --apply to do it")
    return DONE


def file_text(path: Path) -> str:
    """The text of a file that an argument names.

    Raises:
        RefusedError: it is not UTF-8.
        OSError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError(f"'{path}' is not UTF-8 text: write it as UTF-8") from error
