"""What a command is: its words on the command line, and what it ends with."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from headend.config import Config
from headend.errors import RefusedError
from signing.canonical import DIGEST_SIZE

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
