"""Writes the help of the six programs into docs/commands.md, between its markers; with `--check` only says whether it is there.

The text is made from the programs' own parsers, and not by argparse's layout, which differs between versions of Python.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import edge_agent.cli
import firmware_sim.cli
import headend.cli
import headend.sign
import headend.verify
import ledger_client.cli

FILE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
BEGIN, END = "<!-- help: made by scripts/readme_help.py -->\n", "<!-- end of help -->\n"

PROGRAMS: tuple[Callable[[list[str]], int], ...] = (
    edge_agent.cli.main,
    headend.cli.main,
    headend.sign.main,
    headend.verify.main,
    ledger_client.cli.main,
    firmware_sim.cli.main,
)


class _Reached(BaseException):
    """Ends a program at the point where it would read its arguments; nothing of the program catches it."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def parser_of(main: Callable[[list[str]], int]) -> argparse.ArgumentParser:
    """The parser that a program reads its arguments with."""

    def reached(parser: argparse.ArgumentParser, *_: object) -> None:
        raise _Reached(parser)

    with mock.patch.object(argparse.ArgumentParser, "parse_args", reached):
        try:
            main([])
        except _Reached as found:
            return found.parser
    raise AssertionError(f"{main.__module__} does not read its arguments")


def parsers() -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """Every parser of every program with what it is for, commands after their program."""
    for main in PROGRAMS:
        program = parser_of(main)
        yield from _with_commands(program, program.description or "")


def _with_commands(parser: argparse.ArgumentParser, about: str) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    yield parser, about
    for group in _groups(parser):
        told = {choice.dest: choice.help or "" for choice in group._choices_actions}  # noqa: SLF001 - argparse tells it nowhere else
        for name, command in group.choices.items():
            yield from _with_commands(command, told.get(name, ""))


def _groups(parser: argparse.ArgumentParser) -> list["argparse._SubParsersAction[argparse.ArgumentParser]"]:
    return [action for action in arguments(parser) if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001 - likewise


def arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """What a parser takes, without `--help`."""
    return [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]  # noqa: SLF001 - likewise


def help_of(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """The help of one argument with its defaults filled in; empty where there is none."""
    if not action.help or action.help == argparse.SUPPRESS:
        return ""
    return action.help % {**vars(action), "prog": parser.prog}


def text() -> str:
    """The help of all programs as Markdown."""
    return "\n".join(_section(parser, about) for parser, about in parsers())


def _section(parser: argparse.ArgumentParser, about: str) -> str:
    is_program = " " not in parser.prog
    lines = [f"{'##' if is_program else '###'} `{parser.prog}`", "", *_sentence(about), ""]
    shown = [action for action in arguments(parser) if not isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001 - likewise
    if shown:
        lines += ["| argument | meaning |", "|---|---|", *(_row(parser, action) for action in shown), ""]
    return "\n".join(lines)


def _sentence(about: str) -> list[str]:
    return [line.strip() for line in about.strip().splitlines()]


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    needed = "" if action.required or action.nargs == 0 else " (optional)"
    if action.option_strings:
        needed = ", required" if action.required else ""
    meaning = help_of(parser, action).replace("|", "\\|")
    return f"| `{_name(action)}`{needed} | {meaning} |"


def _name(action: argparse.Action) -> str:
    value = action.metavar or (",".join(map(str, action.choices)) if action.choices else action.dest.upper())
    shown = value if isinstance(value, str) else " ".join(value)
    shown = shown.replace("|", "/")
    if not action.option_strings:
        return shown
    flags = ", ".join(action.option_strings)
    return flags if action.nargs == 0 else f"{flags} {shown}"


def replaced(document: str) -> str:
    """`document` with the help between its markers."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the lines {BEGIN!r} and {END!r} in {FILE.name}")
    return f"{before}{BEGIN}\n{text()}\n{END}{after}"


def main() -> int:
    """0 when the file holds the help, or does now; 1 when `--check` finds that it does not."""
    document = FILE.read_text(encoding="utf-8")
    wanted = replaced(document)
    if wanted == document:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{FILE.name} does not hold the programs' help: run `python scripts/readme_help.py`", file=sys.stderr)
        return 1
    FILE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
