"""attest, withdraw, revalidate: said first, done with --apply, and kept with who and why."""

from contextlib import closing

import pytest

from headend.store.sqlite import actuals, hold_rows
from headend.store.sqlite.database import open_database
from signing.interval import Interval
from signing.signer import open_signer
from signing.statements.window_actual import Cause, Status, WindowActual
from tests.headend.commands.conftest import Command
from tests.headend.founded import Installation
from tests.headend.premises import Gateway

NAME = "LEDGER-SKS00000001"
WINDOW = ["--posted-as", NAME, "--start", "2026-04-26T10:00:00+05:30", "--end", "2026-04-26T12:00:00+05:30"]
DAY = ["--start", "2026-04-26T00:00:00+05:30", "--end", "2026-04-27T00:00:00+05:30"]
WHO = ["--by", "asha", "--reason", "the consumer asked"]
SPAN = Interval(1_777_177_800, 1_777_185_000)


def newest(installed: Installation) -> WindowActual | None:
    key = open_signer(installed.config.keys.statements).public_key
    with closing(open_database(installed.config.database)) as database:
        stored = actuals.newest(database.connection, key, NAME, SPAN)
    return None if stored is None else stored.signed.statement


def acts(installed: Installation) -> list[tuple[str, str, str]]:
    with closing(open_database(installed.config.database)) as database:
        return [(act.verb, act.by, act.reason) for act in hold_rows.acts(database.connection, limit=9)]


def test_attest_says_what_it_would_say_and_says_it_with_apply(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    code, out, _ = command("attest", *WINDOW, *WHO)
    assert code == 0
    assert "revision 0 PENDING (OPERATOR), 8 of 8 blocks missing" in out
    assert "give --apply" in out
    assert (newest(founded), acts(founded)) == (None, [])
    code, out, _ = command("attest", *WINDOW, *WHO, "--apply")
    assert code == 0
    assert "evidence " in out
    actual = newest(founded)
    assert actual is not None
    assert (actual.revision, actual.cause, actual.status) == (0, Cause.OPERATOR, Status.PENDING)
    assert acts(founded) == [("attest", "asha", "the consumer asked")]


def test_a_figure_is_withdrawn_with_its_reason_and_attested_again(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    command("attest", *WINDOW, *WHO, "--apply")
    assert "would be WITHDRAWN" in command("withdraw", *WINDOW, *WHO)[1]
    assert command("withdraw", *WINDOW, *WHO, "--apply")[0] == 0
    actual = newest(founded)
    assert actual is not None
    assert (actual.revision, actual.status, actual.reason) == (1, Status.WITHDRAWN, "the consumer asked")
    command("attest", *WINDOW, *WHO, "--apply")
    actual = newest(founded)
    assert actual is not None
    assert (actual.revision, actual.status) == (2, Status.PENDING)


def test_what_was_never_said_cannot_be_withdrawn(enrolled: Gateway, founded: Installation, command: Command) -> None:
    code, _, err = command("withdraw", *WINDOW, *WHO, "--apply")
    assert code == 1
    assert "no figure to take back" in err
    assert acts(founded) == []


@pytest.mark.parametrize("verb", ["attest", "withdraw"])
def test_a_meter_that_no_connection_point_has_is_named(enrolled: Gateway, command: Command, verb: str) -> None:
    code, _, err = command(verb, "--posted-as", "NOBODY", *WINDOW[2:], *WHO)
    assert code == 1
    assert "'NOBODY'" in err


@pytest.mark.parametrize("verb", ["attest", "withdraw"])
def test_a_window_that_ends_before_it_starts_is_refused(enrolled: Gateway, command: Command, verb: str) -> None:
    words = ["--posted-as", NAME, "--start", WINDOW[5], "--end", WINDOW[3]]
    assert command(verb, *words, *WHO)[0] == 1


def test_an_instant_without_its_zone_is_misuse(enrolled: Gateway, command: Command) -> None:
    code, _, err = command("attest", "--posted-as", NAME, "--start", "2026-04-26T10:00:00", "--end", WINDOW[5], *WHO)
    assert code == 2
    assert "+05:30" in err


@pytest.mark.parametrize("verb", ["attest", "withdraw"])
def test_whoever_says_so_has_a_name(enrolled: Gateway, command: Command, verb: str) -> None:
    command("attest", *WINDOW, *WHO, "--apply")
    code, _, err = command(verb, *WINDOW, "--by", " ", "--reason", "x", "--apply")
    assert code == 1
    assert "'by'" in err


def test_revalidate_says_nothing_where_nothing_changed(
    enrolled: Gateway, founded: Installation, command: Command
) -> None:
    command("attest", *WINDOW, *WHO, "--apply")
    code, out, err = command("revalidate", *DAY, *WHO)
    assert code == 0
    assert "0 of 1 windows would change" in out
    assert "1 of 1 windows" in err
    code, out, _ = command("revalidate", *DAY, *WHO, "--apply")
    assert "0 of 1 windows have a new revision" in out
    actual = newest(founded)
    assert actual is not None
    assert actual.revision == 0


def test_revalidate_asks_who_answers_before_it_looks_at_any_window(enrolled: Gateway, command: Command) -> None:
    code, out, err = command("revalidate", *DAY, "--apply")
    assert (code, out, "'by'" in err) == (1, "", True)
    code, out, err = command("revalidate", *DAY, *WHO[:2], "--apply")
    assert (code, out, "'reason'" in err) == (1, "", True)
    assert command("revalidate", *DAY)[0] == 0
