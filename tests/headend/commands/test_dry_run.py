"""Every verb that changes something says first what it would do, changes nothing by that, and does it with --apply alone."""

import argparse
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from headend import cli, service
from headend.store.sqlite import disclosure_rows, operator_rows
from headend.store.sqlite import postings as rows
from headend.store.sqlite.database import open_database
from headend.store.sqlite.disclosure_rows import IssuedCredential
from headend.trading.posting import PostingState
from signing.backends.file import create_key
from signing.interval import DAY_S, ist_day_start, utc_text
from signing.keys import Algorithm
from tests.headend.commands.conftest import Command
from tests.headend.commands.test_posting_control import NAME, posting
from tests.headend.founded import Installation
from tests.headend.premises import Gateway, gateway

METER = "SKS00000001"
WINDOW = ["--start", "2026-04-26T10:00:00+05:30", "--end", "2026-04-26T12:00:00+05:30"]
NAMED = ["--posted-as", NAME, *WINDOW]
BY = ["--by", "asha"]
WHO = [*BY, "--reason", "told by the duty engineer"]
DISPUTE = ["hold", "dispute", *NAMED, "--party", "TPDDL, mail 7"]
SINCE = utc_text(ist_day_start(service.now()) - 9 * DAY_S)
UNTIL = utc_text(ist_day_start(service.now()) - 8 * DAY_S)
OPEN = ["disconnection", "enter", "--point", "CP-1", "--since", SINCE, "--reference", "WO 7"]
CURTAIL = ["curtail", "enter", "--kind", "OUTAGE", "--point", "CP-1", *WINDOW]
CREDENTIAL = "0b6f9f1e-5e0c-4c8e-9d0a-7d2f6f2a9c11"


def state(installed: Installation) -> list[object]:
    """Every row of the database, and the files of the log beside it."""
    with closing(sqlite3.connect(installed.config.database)) as connection:
        found: list[object] = list(connection.iterdump())
    return found + [(installed.config.state / name).read_bytes() for name in ("checkpoint-0", "entries-0")]


def credential(installed: Installation) -> None:
    issued = IssuedCredential(
        number=CREDENTIAL, subject="did:x", grantee="acme", issued_utc=1, until_utc=2, digest=bytes(32)
    )
    with closing(open_database(installed.config.database)) as database, database.transaction() as connection:
        disclosure_rows.put_credential(connection, issued)


def person(installed: Installation, name: str = "rao") -> list[str]:
    """An operator, and how they sign."""
    private, public = installed.folder / f"{name}.pem", installed.folder / f"{name}.pub"
    key = create_key(str(private), Algorithm.EDDSA)
    public.write_bytes(key._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with closing(open_database(installed.config.database)) as database, database.transaction() as connection:
        operator_rows.add_operator(connection, name, key.public_key, at_utc=1)
    return ["--as", name, "--key", f"file:{private}"]


def stuck(installed: Installation) -> None:
    with closing(open_database(installed.config.database)) as database, database.transaction() as connection:
        rows.put_posting(connection, posting(PostingState.REFUSED))


BLOCK = ["edit", "propose", "--meter", METER, "--block", "2026-04-26T10:15:00+05:30=0.111/0.005"]

ACTS: dict[str, tuple[list[list[str]], list[str]]] = {
    "hold place": ([], ["hold", "place", *NAMED, *WHO]),
    "hold dispute": ([], [*DISPUTE, *WHO]),
    "hold release": ([["stand-down", *WHO, "--apply"]], ["hold", "release", "--number", "1", *WHO]),
    "hold release --refused": (
        [[*DISPUTE, *WHO, "--apply"]],
        ["hold", "release", "--number", "1", "--refused", "--reason", "tested", "PERSON"],
    ),
    "stand-down": ([], ["stand-down", *WHO]),
    "post": ([], ["post", *WINDOW, *WHO]),
    "attest": ([], ["attest", *NAMED, *WHO]),
    "withdraw": ([["attest", *NAMED, *WHO, "--apply"]], ["withdraw", *NAMED, *WHO]),
    "curtail enter": ([], [*CURTAIL, *WHO]),
    "curtail withdraw": ([[*CURTAIL, *WHO, "--apply"]], ["curtail", "withdraw", "--number", "1", *BY]),
    "disconnection enter": ([], [*OPEN, *WHO]),
    "disconnection close": (
        [[*OPEN, *WHO, "--apply"]],
        ["disconnection", "close", "--number", "1", "--until", UNTIL, *WHO],
    ),
    "disconnection withdraw": ([[*OPEN, *WHO, "--apply"]], ["disconnection", "withdraw", "--number", "1", *BY]),
    "operator add": ([], ["operator", "add", "sen", "--key", "PUBLIC", *WHO]),
    "operator remove": ([], ["operator", "remove", "rao", *WHO]),
    "edit propose": ([], [*BLOCK, "--reason", "r", "PERSON"]),
    "edit drop": ([[*BLOCK, "--reason", "r", "PERSON", "--apply"]], ["edit", "drop", "1", *WHO]),
    "retention hold": ([], ["retention", "hold", "--meter", METER, *WINDOW, *WHO]),
    "retention release": (
        [["retention", "hold", "--meter", METER, *WINDOW, *WHO, "--apply"]],
        ["retention", "release", "--number", "1", *BY],
    ),
    "token revoke": (
        [["token", "create", "--name", "n", "--scope", "console"]],
        ["token", "revoke", "--name", "n"],
    ),
    "ies revoke": ([], ["ies", "revoke", "--number", CREDENTIAL, *WHO]),
    "key revoke": ([], ["key", "revoke", "--meter", METER, "--kid", "KID"]),
    "key good": ([], ["key", "good", "--meter", METER, "--kid", "KID", "--sequence", "3", "--digest", "ab" * 32]),
    "enrol": ([], ["enrol", "REQUEST"]),
    "registry set": ([], ["registry", "set", METER, "feeder=F7", "--from", "2026-04-01", *BY]),
}
"""What stands before, and the act, of each one that a small head-end can do."""

ELSEWHERE = {
    "edit approve",
    "imports",
    "registry exchange",
    "registry import",
    "retention erase",
    "revalidate",
    "rules log",
}
"""Acts that are shown in the tests of their own verbs, since they need more than a small head-end has."""

READING = {
    "allocations", "billing", "check", "contracts", "curtail list", "disconnection list", "edit list", "edit show", "export", "forecast", "fsck",
    "hold list", "ies check", "ies list", "operator list", "reconcile", "registry export", "registry find", "registry show",
    "retention list", "rules show", "token list", "work-orders",
}  # fmt: skip

AT_ONCE = {
    "backup": "makes a file beside the head-end, and never replaces one",
    "ies credential": "gives a document: the note of it is what giving leaves, and `ies revoke` ends it",
    "ies meter-data": "gives a document: the note of it is what giving leaves",
    "init": "makes what is not there, and refuses where something is",
    "restore": "makes a database where there is none, and proves it before it stands there",
    "serve": "is the head-end",
    "token create": "shows its secret this once, and ends nothing; `token revoke` ends it",
}
"""What has no dry run, with why."""


@pytest.fixture
def acting(founded: Installation, enrolled: Gateway) -> Callable[[list[str]], list[str]]:
    """Words with what only this head-end knows."""
    credential(founded)
    stuck(founded)
    signing = person(founded)
    sen = founded.folder / "sen.pub"
    key = create_key(str(founded.folder / "sen.pem"), Algorithm.EDDSA)
    sen.write_bytes(key._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    request, facts = founded.request(gateway(2))
    facts.write_text(f'[[meter]]\nid = "{METER}"\nblocks_from = "2026-06-01T00:00:00+05:30"\n')
    known = {
        "PERSON": signing,
        "PUBLIC": [str(sen)],
        "KID": [enrolled.kid.hex()],
        "REQUEST": [str(request), str(facts)],
    }
    return lambda words: [one for word in words for one in known.get(word, [word])]


@pytest.mark.parametrize("name", ACTS)
def test_a_dry_run_changes_nothing_and_applying_does(
    founded: Installation, acting: Callable[[list[str]], list[str]], command: Command, name: str
) -> None:
    setup, words = ACTS[name]
    for before in setup:
        assert command(*acting(before))[0] == 0
    stood = state(founded)
    code, said, err = command(*acting(words))
    assert (code, err) == (0, "")
    assert "nothing was " in said
    assert len(said.splitlines()) > 1, "a dry run says what it would do"
    assert state(founded) == stood
    code, done, _ = command(*acting(words), "--apply")
    assert code == 0
    assert "nothing was " not in done
    assert state(founded) != stood


@pytest.mark.parametrize("name", [name for name, (_, words) in ACTS.items() if "--by" in words])
def test_who_answers_is_asked_where_it_is_kept_and_not_before(
    founded: Installation, acting: Callable[[list[str]], list[str]], command: Command, name: str
) -> None:
    setup, words = ACTS[name]
    for before in setup:
        assert command(*acting(before))[0] == 0
    nobody = acting(words[: words.index("--by")])
    assert command(*nobody)[0] == 0
    stood = state(founded)
    code, _, err = command(*nobody, "--apply")
    assert code in {1, 2}
    assert "by" in err
    assert state(founded) == stood


@pytest.mark.parametrize(
    "words",
    [
        ["hold", "release", "--number", "9"],
        ["curtail", "withdraw", "--number", "9"],
        ["disconnection", "withdraw", "--number", "9"],
        ["disconnection", "close", "--number", "9", "--until", UNTIL],
        ["operator", "remove", "nobody"],
        ["edit", "drop", "9"],
        ["retention", "release", "--number", "9"],
        ["token", "revoke", "--name", "nobody"],
        ["ies", "revoke", "--number", "9"],
        ["key", "revoke", "--meter", METER, "--kid", "00" * 32],
        ["withdraw", *NAMED],
    ],
    ids=lambda words: " ".join(words[:2]),
)
@pytest.mark.usefixtures("enrolled")
def test_a_dry_run_refuses_what_applying_would_refuse(command: Command, words: list[str]) -> None:
    code, _, err = command(*words)
    applied = command(*words, "--apply", *([] if words[0] in {"token", "key"} else BY), *_reason(words))
    assert (code, applied[0]) == (1, 1)
    assert err == applied[2]


def _reason(words: list[str]) -> list[str]:
    return [] if words[0] in {"token", "key"} else ["--reason", "r"]


def _verbs() -> Iterator[str]:
    """Every verb with its actions, as the command line has them."""
    (commands,) = (one for one in cli._parser()._actions if isinstance(one, argparse._SubParsersAction))
    for verb, parser in commands.choices.items():
        nested = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
        choices = [one.choices for one in parser._actions if one.dest == "action" and one.choices]
        actions = list(nested[0].choices) if nested else list(choices[0]) if choices and verb != "billing" else [""]
        yield from (f"{verb} {action}".strip() for action in actions)


def test_every_verb_is_dry_first_or_has_its_reason() -> None:
    told = {name for name in ACTS if "--" not in name} | ELSEWHERE | READING | AT_ONCE.keys()
    assert set(_verbs()) == told


def test_every_dry_first_verb_has_apply() -> None:
    (commands,) = (one for one in cli._parser()._actions if isinstance(one, argparse._SubParsersAction))
    for name in [*ACTS, *ELSEWHERE]:
        verb, *action = name.split()
        parser = commands.choices[verb]
        nested = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
        parser = nested[0].choices[action[0]] if nested else parser
        assert any("--apply" in one.option_strings for one in parser._actions), name
