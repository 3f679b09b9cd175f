"""rules: shown as they judge, logged before anything is judged by them, with who and why."""

import os
import subprocess
import sys
from contextlib import closing

import pytest

from headend import founding
from headend.rule_sheet import sheet
from headend.store.sqlite import actuals, hold_rows
from headend.store.sqlite.database import open_database
from headend.vee.ruleset import DEFAULT_RULE_SET
from signing.statements.rule_set import RuleSet
from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation

WHO = ["--by", "asha", "--reason", "order 7 of the commission"]


def judging(installed: Installation) -> RuleSet:
    key = founding.open_keys(installed.config).statements.public_key
    with closing(open_database(installed.config.database)) as database:
        stored = actuals.newest_rule_set(database.connection, key, 0)
    assert stored is not None
    return stored.signed.statement


def test_the_rules_that_judge_are_shown(founded: Installation, command: Command) -> None:
    assert command("rules", "show") == (0, sheet(DEFAULT_RULE_SET), "")


def test_other_rules_are_told_first_and_logged_with_apply(founded: Installation, command: Command) -> None:
    text = sheet(DEFAULT_RULE_SET).replace("version = 3", "version = 4", 1).replace("warn_s = 9", "warn_s = 5")
    (founded.folder / "rules.toml").write_text(text)
    words = ["rules", "log", "--file", founded.folder / "rules.toml", *WHO]
    code, out, _ = command(*words)
    assert code == 0
    assert "V09.warn_s: 9 becomes 5" in out
    assert "give --apply" in out
    assert judging(founded) == DEFAULT_RULE_SET
    code, out, _ = command(*words, "--apply")
    assert code == 0
    assert judging(founded).version == 4
    with closing(open_database(founded.config.database)) as database:
        (act,) = hold_rows.acts(database.connection, limit=9)
    assert (act.verb, act.by, act.reason) == ("rules", "asha", "order 7 of the commission")


def test_rules_that_judge_already_are_not_logged_again(founded: Installation, command: Command) -> None:
    code, out, _ = command("rules", "log", "--default", *WHO, "--apply")
    assert (code, out) == (0, "these rules judge already\n")


def test_a_set_without_a_binding_rule_is_refused(founded: Installation, command: Command) -> None:
    text = sheet(DEFAULT_RULE_SET)
    start = text.index("[rule.V23]")
    end = text.index("[rule.V24]")
    (founded.folder / "rules.toml").write_text(text[:start] + text[end:])
    code, out, _ = command("rules", "log", "--file", founded.folder / "rules.toml", *WHO, "--apply")
    assert code == 1
    assert "leaves out V23" in out
    assert judging(founded) == DEFAULT_RULE_SET


@pytest.mark.parametrize("words", [[], ["--default", "--file", "x"]])
def test_one_source_is_named(founded: Installation, command: Command, words: list[str]) -> None:
    code, _, err = command("rules", "log", *words, *WHO)
    assert code == 2
    assert "either --file or --default" in err


def test_nobody_logs_rules_without_a_name(founded: Installation, command: Command) -> None:
    text = sheet(DEFAULT_RULE_SET).replace("version = 3", "version = 4", 1)
    (founded.folder / "rules.toml").write_text(text)
    code, _, err = command("rules", "log", "--file", founded.folder / "rules.toml", "--apply")
    assert code == 1
    assert "'by'" in err
    assert judging(founded) == DEFAULT_RULE_SET


@pytest.mark.parametrize("words", [("rules", "show"), ("retention", "erase")], ids=["much", "little"])
def test_a_reader_that_has_seen_enough_ends_a_command_in_silence(founded: Installation, words: tuple[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    script = "import sys; from headend.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script, words[0], "--config", str(founded.file), words[1]]
    try:
        done = subprocess.run(command, env={}, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
