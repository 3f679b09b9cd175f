"""`sakshi-headend`: every verb, its exit code, and what an operator reads when it goes wrong."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headend import cli
from signing.bundle import Bundle, Kind
from tests.edge_agent.broker import broker
from tests.headend.commands.conftest import Command
from tests.headend.founded import SUBSCRIBER, Installation, free_port, installation
from tests.headend.premises import Gateway, gateway
from tests.ledger_client.rehearsal import Rehearsal, kept_right

METER = "SKS00000001"


@pytest.fixture
def exchange(exchange: Rehearsal) -> Iterator[Rehearsal]:
    """At the real time, which whole programs sign by."""
    with kept_right(exchange.clock):
        yield exchange


@pytest.fixture
def configured(tmp_path: Path) -> Installation:
    """A configuration; nothing behind it listens and nothing is founded."""
    return installation(tmp_path, broker_port=free_port(), ledger=f"127.0.0.1:{free_port()}")


@pytest.fixture
def founded(configured: Installation) -> Installation:
    configured.found()
    return configured


@pytest.fixture
def command(configured: Installation, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(configured, capsys)


def secrets_of(installed: Installation) -> list[str]:
    """The private lines of every key file."""
    return [line for file in (installed.folder / "keys").glob("*.pem") for line in file.read_text().splitlines()[1:-1]]


# init


def test_init_founds_and_says_what_others_must_be_told(configured: Installation, command: Command) -> None:
    code, out, err = command("init")
    assert (code, err) == (0, "")
    assert re.search(r'log_key = "pavvnl\.example/sakshi/0\+', out)
    assert "statement_keys" in out
    assert SUBSCRIBER in out
    assert configured.config.trust_file.exists()
    assert not [line for line in secrets_of(configured) if line in out]


def test_init_tells_programs_as_json(configured: Installation, command: Command) -> None:
    code, out, _ = command("init", "--json")
    assert code == 0
    told = json.loads(out)
    assert set(told) == {"log_key", "statement_key", "beckn_public_key", "trust_file"}
    assert told["trust_file"] == str(configured.config.trust_file)


def test_a_second_init_is_refused_and_changes_nothing(founded: Installation, command: Command) -> None:
    before = founded.config.database.read_bytes()
    code, _, err = command("init")
    assert code == 1
    assert "exists already" in err
    assert founded.config.database.read_bytes() == before


# configuration


def test_a_configuration_that_is_not_there_is_misuse_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--config", "absent.toml"]) == 2
    assert "check the path after --config" in capsys.readouterr().err


def test_every_fault_of_a_configuration_is_said_before_anything_starts(
    configured: Installation, command: Command
) -> None:
    text = configured.file.read_text().replace("port = 0", "port = 99999").replace('key_id = "k1"', "keyid = 1")
    configured.file.write_text(text)
    for verb in ("init", "serve", "check", "fsck"):
        code, out, err = command(verb)
        assert (code, out) == (2, "")
        assert "web.port: " in err
        assert "ledger.key_id: " in err
        assert "ledger.keyid: unknown key" in err


@pytest.mark.parametrize("verb", [["serve"], ["fsck"], ["token", "list"]])
def test_a_state_that_was_never_founded_is_named(configured: Installation, command: Command, verb: list[str]) -> None:
    code, _, err = command(*verb)
    assert code == 1
    assert err.strip()


@pytest.mark.parametrize("words", [[], ["frobnicate"], ["export", "--config", "x", "zz", "f"], ["serve"]])
def test_misuse_is_told_with_the_usage(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2
    assert "usage: sakshi-headend" in capsys.readouterr().err


# enrol


def test_enrol_shows_the_key_to_compare_and_the_records(founded: Installation, command: Command) -> None:
    one = gateway()
    code, out, _ = command("enrol", *founded.request(one), "--apply")
    assert code == 0
    assert f"key    {one.kid.hex()}" in out
    assert f"record {METER} number 0" in out


def test_an_enrolment_that_is_there_already_is_refused(founded: Installation, command: Command) -> None:
    files = founded.request()
    assert command("enrol", *files, "--apply")[0] == 0
    code, _, err = command("enrol", *files)
    assert code == 1
    assert "registered already" in err


def test_another_key_of_an_enrolled_meter_needs_no_facts_again(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    request, facts = founded.request(gateway(2))
    facts.write_text(f'[[meter]]\nid = "{METER}"\nblocks_from = "2026-06-01T00:00:00+05:30"\n')
    code, out, _ = command("enrol", request, facts, "--apply")
    assert code == 0
    assert f"record {METER} number 1" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[[meter]]\nperiod_s = 900\n", "identity"),
        (b"shard = -1\n", "shard"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"= nonsense", "facts.toml"),
    ],
)
def test_wrong_facts_are_refused_with_their_keys(
    founded: Installation, command: Command, content: bytes, message: str
) -> None:
    request, facts = founded.request()
    facts.write_bytes(content)
    code, _, err = command("enrol", request, facts)
    assert code == 1
    assert message in err


def test_a_request_that_is_none_is_refused(founded: Installation, command: Command) -> None:
    request, facts = founded.request()
    request.write_bytes(b"\xa0")
    code, _, err = command("enrol", request, facts)
    assert code == 1
    assert "let the agent write it again" in err


def test_a_file_that_is_not_there_is_named(founded: Installation, command: Command) -> None:
    _, facts = founded.request()
    code, _, err = command("enrol", founded.folder / "absent", facts)
    assert code == 1
    assert "absent" in err
    assert "check the path" in err


# token


def test_a_token_is_shown_once_and_never_again(founded: Installation, command: Command) -> None:
    code, out, _ = command("token", "create", "--name", "exchange", "--scope", "read:windows", "--days", "7")
    assert code == 0
    secret = out.strip()
    assert secret.startswith("sakshi_")
    _, listed, _ = command("token", "list")
    assert "exchange: read:windows; until" in listed
    assert secret not in listed
    assert secret.encode() not in founded.config.database.read_bytes()


def test_a_revoked_token_is_listed_as_revoked(founded: Installation, command: Command) -> None:
    command("token", "create", "--name", "n", "--scope", "console")
    assert command("token", "revoke", "--name", "n", "--apply")[0] == 0
    assert "n: console; revoked" in command("token", "list")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["create", "--scope", "console"], "expected --name"),
        (["revoke"], "expected --name"),
        (["create", "--name", "n"], "expected at least one --scope"),
        (["create", "--name", "n", "--scope", "everything"], "invalid choice"),
        (["create", "--name", "n", "--scope", "console", "--days", "x"], "invalid int"),
    ],
)
def test_a_token_asked_for_wrongly_is_misuse(
    founded: Installation, command: Command, words: list[str], message: str
) -> None:
    code, out, err = command("token", *words)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["revoke", "--name", "nobody"], "list them with"),
        (["create", "--name", "n", "--scope", "console", "--days", "0"], "expected a life"),
        (["create", "--name", "n", "--scope", "console", "--days", "9999"], "expected a life"),
    ],
)
def test_a_token_that_cannot_be_is_refused(
    founded: Installation, command: Command, words: list[str], message: str
) -> None:
    code, out, err = command("token", *words)
    assert (code, out) == (1, "")
    assert message in err


# key


@pytest.fixture
def enrolled(founded: Installation) -> Gateway:
    one = gateway()
    founded.enrol(one)
    return one


def test_a_key_is_revoked_by_the_next_record(enrolled: Gateway, command: Command) -> None:
    code, out, _ = command("key", "revoke", "--meter", METER, "--kid", enrolled.kid.hex(), "--apply")
    assert code == 0
    assert f"record {METER} number 1" in out


def test_the_good_branch_is_named_by_the_next_record(enrolled: Gateway, command: Command) -> None:
    place = ["--sequence", "3", "--digest", "ab" * 32]
    code, out, _ = command("key", "good", "--meter", METER, "--kid", enrolled.kid.hex(), *place, "--apply")
    assert code == 0
    assert f"record {METER} number 1" in out


def test_a_good_branch_without_its_batch_is_misuse(enrolled: Gateway, command: Command) -> None:
    code, _, err = command("key", "good", "--meter", METER, "--kid", enrolled.kid.hex(), "--sequence", "3")
    assert code == 2
    assert "expected --sequence and --digest" in err


@pytest.mark.parametrize(("meter", "kid"), [("SKS9", "00" * 32), (METER, "00" * 32)])
def test_a_key_that_speaks_for_nobody_is_refused(enrolled: Gateway, command: Command, meter: str, kid: str) -> None:
    assert command("key", "revoke", "--meter", meter, "--kid", kid)[0] == 1


@pytest.mark.parametrize("kid", ["xyz", "abcd"])
def test_a_thumbprint_is_64_digits(enrolled: Gateway, command: Command, kid: str) -> None:
    code, _, err = command("key", "revoke", "--meter", METER, "--kid", kid)
    assert code == 2
    assert "expected" in err


# export


def test_the_bundle_of_an_actual_that_is_not_there_is_refused(founded: Installation, command: Command) -> None:
    code, _, err = command("export", "00" * 32, founded.folder / "bundle")
    assert code == 1
    assert "take the digest from a posting" in err
    assert not (founded.folder / "bundle").exists()


@pytest.mark.parametrize(("kind", "expected"), [("window", Kind.WINDOW), ("actual", Kind.ACTUAL)])
def test_a_bundle_is_written(founded: Installation, command: Command, kind: str, expected: Kind) -> None:
    digest = attested(founded)
    file = founded.folder / "bundle"
    assert command("export", digest.hex(), file, "--kind", kind)[0] == 0
    assert Bundle.parse(file.read_bytes()).kind is expected


def attested(installed: Installation) -> bytes:
    """The digest of an actual that the head-end logged: a window that nobody measured."""
    from headend import founding
    from headend.attest import Attestor, Subject
    from headend.log.logbook import Logbook
    from headend.onboarding.known import Registry
    from headend.store.sqlite.database import open_database
    from signing.interval import Interval
    from tests.headend.premises import DAY, NOW

    config = installed.config
    keys = founding.open_keys(config)
    with closing(open_database(config.database)) as database:
        made = Attestor(
            database=database,
            book=Logbook(database, {0: keys.log}, config.state),
            log_keys={0: keys.log.verifier},
            registry=Registry(database),
            signer=keys.statements,
        )
        subject = Subject(connection_point="CP-1", posted_as="L", window=Interval(DAY, DAY + 3600))
        (signed,) = made.attest([subject], at_utc=NOW)
    return signed.digest


# fsck


def test_fsck_of_a_sound_database_finds_nothing(founded: Installation, enrolled: Gateway, command: Command) -> None:
    assert command("fsck") == (0, "ok  everything that the database claims is so\n", "")
    code, out, _ = command("fsck", "--json")
    assert (code, json.loads(out)) == (0, {"ok": True, "findings": []})


def test_fsck_names_what_is_wrong_with_its_remedy(founded: Installation, enrolled: Gateway, command: Command) -> None:
    with closing(sqlite3.connect(founded.config.database, isolation_level=None)) as other:
        other.execute("UPDATE statements SET digest = zeroblob(32) WHERE leaf = 0")
    code, out, _ = command("fsck")
    assert code == 1
    assert re.search(r"^\(3\) the statement at leaf 0 of log 0 .*: \w", out, re.MULTILINE)
    code, out, _ = command("fsck", "--json")
    told = json.loads(out)
    assert (code, told["ok"]) == (1, False)
    assert {"check", "what", "remedy"} == set(told["findings"][0])


# check


def test_check_says_ok_of_everything_that_answers(
    tmp_path: Path, exchange: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broker").mkdir()
    with broker("embedded", tmp_path / "broker") as port:
        installed = installation(tmp_path, broker_port=port, ledger=exchange.address)
        installed.found()
        code, out, _ = Command(installed, capsys)("check")
        assert [line[:4] for line in out.splitlines()] == ["ok  "] * 4
        assert code == 0
        code, out, _ = Command(installed, capsys)("check", "--json")
        told = json.loads(out)
        assert (code, told["ok"], len(told["findings"])) == (0, True, 4)
        assert not [line for line in secrets_of(installed) if line in out]


def test_check_names_every_peer_that_does_not_answer(founded: Installation, command: Command) -> None:
    code, out, _ = command("check")
    keys, log, mqtt, ledger = out.splitlines()
    assert code == 1
    assert keys.startswith("ok   keys: ")
    assert log.startswith("ok   database and log: 1 leaves")
    assert re.match(r"BAD  broker 127\.0\.0\.1:\d+: .*start it, or correct the address", mqtt)
    assert re.match(r"BAD  ledger deg\+http://127\.0\.0\.1:\d+: no answer", ledger)
    code, out, _ = command("check", "--json")
    assert [finding["ok"] for finding in json.loads(out)["findings"]] == [True, True, False, False]


def test_check_finds_keys_and_a_database_that_are_not_there(configured: Installation, command: Command) -> None:
    code, out, _ = command("check")
    assert code == 1
    assert [line[:4] for line in out.splitlines()] == ["BAD "] * 4


def restore_old_backup(installed: Installation, enrolled: Gateway, command: Command) -> None:
    """Puts back the database as it was before its log grew; the checkpoint file is not part of it."""
    file = installed.config.database
    kept = file.read_bytes()
    assert command("key", "revoke", "--meter", METER, "--kid", enrolled.kid.hex(), "--apply")[0] == 0
    for beside in file.parent.glob("headend.db-*"):
        beside.unlink()
    file.write_bytes(kept)


def test_check_finds_a_database_that_is_behind_its_checkpoint_file(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    restore_old_backup(founded, enrolled, command)
    code, out, _ = command("check")
    assert code == 1
    assert re.search(r"^BAD  database and log: the database is behind", out, re.MULTILINE)


def test_check_finds_a_ledger_that_does_not_know_the_key(
    tmp_path: Path, exchange: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    installed = installation(tmp_path, broker_port=free_port(), ledger=exchange.address)
    assert Command(installed, capsys)("init")[0] == 0
    _, out, _ = Command(installed, capsys)("check")
    (line,) = [line for line in out.splitlines() if "ledger" in line]
    assert line.startswith("BAD ")


def test_check_finds_something_else_behind_the_brokers_port(
    tmp_path: Path, exchange: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    port = int(exchange.address.rpartition(":")[2])
    installed = installation(tmp_path, broker_port=port, ledger=exchange.address)
    installed.found()
    code, out, _ = Command(installed, capsys)("check")
    (line,) = [line for line in out.splitlines() if "broker" in line]
    assert code == 1
    assert line.startswith("BAD ")


# serve


def test_serve_says_where_it_listens_and_ends_at_sigterm(founded: Installation) -> None:
    script = "import sys; from headend.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", script, "serve", "--config", str(founded.file)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert re.match(r"listening 127\.0\.0\.1:\d+\n", process.stdout.readline())
            first = json.loads(process.stderr.readline())
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            rest = process.stderr.read()
        finally:
            process.kill()
    assert {"time", "level", "logger", "message"} <= set(first)
    assert "Traceback" not in rest


def test_serve_on_a_database_behind_its_checkpoint_refuses_with_the_remedy(
    founded: Installation, enrolled: Gateway, command: Command
) -> None:
    restore_old_backup(founded, enrolled, command)
    code, out, err = command("serve")
    assert (code, out) == (1, "")
    assert "second history" in err
