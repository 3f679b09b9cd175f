"""What the pages say of the programs is what the programs say of themselves."""

import argparse
import re
import tomllib
from pathlib import Path

import pytest

from scripts import readme_help

ROOT = Path(__file__).resolve().parent.parent
PARSERS = [(parser.prog, parser, about) for parser, about in readme_help.parsers()]
COMMANDS = {program for program, _, _ in PARSERS}


@pytest.mark.parametrize(("program", "parser", "about"), PARSERS, ids=[name for name, _, _ in PARSERS])
def test_every_command_and_every_argument_says_what_it_is(
    program: str, parser: argparse.ArgumentParser, about: str
) -> None:
    assert about.strip(), program
    silent = [
        action.option_strings or action.dest
        for action in readme_help.arguments(parser)
        if not isinstance(action, argparse._SubParsersAction) and not readme_help.help_of(parser, action)
    ]
    assert silent == []


def test_all_five_programs_are_there() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert {name.partition(" ")[0] for name in COMMANDS} == set(scripts)


@pytest.mark.parametrize("program", sorted(COMMANDS))
def test_help_is_printed_and_ends_well(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, *command = program.split(" ")
    (main,) = [main for main in readme_help.PROGRAMS if readme_help.parser_of(main).prog == name]
    try:
        code = main([*command, "--help"])
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 0
    assert capsys.readouterr().out.startswith(f"usage: {program}")


def test_the_page_of_commands_holds_the_programs_help() -> None:
    document = readme_help.FILE.read_text(encoding="utf-8")
    assert readme_help.replaced(document) == document, "run `python scripts/readme_help.py`"


def test_a_page_without_markers_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="expected the lines"):
        readme_help.replaced("# Commands\n")


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert broken == []


def test_the_readme_names_targets_that_make_knows() -> None:
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named - known == set()


def test_a_command_that_a_remedy_or_a_page_names_exists() -> None:
    verbs = {name for name in COMMANDS if " " in name}
    sources = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    named = {
        (str(file.relative_to(ROOT)), " ".join(found))
        for file in [*sources, *PAGES]
        for found in re.findall(r"`(sakshi-[a-z]+) ([a-z][a-z-]*)", file.read_text(encoding="utf-8"))
    }
    assert named
    assert sorted((file, command) for file, command in named if command not in verbs) == []


PACKAGES = ("signing", "edge_agent", "headend", "ledger_client", "firmware_sim")
