"""`sakshi-ledger`: keys, a whole sandbox process, a platform's and a discom's commands, and the exit codes."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger_client import cli
from signing.interval import utc_text
from tests.ledger_client.rehearsal import (
    BUYER_DISCOM,
    BUYER_METER,
    BUYER_PLATFORM,
    END,
    SELLER_DISCOM,
    SELLER_METER,
    SELLER_PLATFORM,
    START,
)
from tests.ledger_client.served import Canned, canned

CALLERS = {SELLER_PLATFORM: None, BUYER_PLATFORM: None, "discom-s.example.org": SELLER_DISCOM}


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, output and errors of one command."""
    code = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A directory with a key of every caller, their registry, and an empty exchange."""
    blocks = []
    for name, discom in CALLERS.items():
        _, out, _ = run(capsys, "key", "init", tmp_path / f"{name}.pem", "--subscriber", name)
        role = f'role="discom"\ndiscom_id="{discom}"' if discom else 'role="platform"'
        blocks.append(f'[[participant]]\nsubscriber_id="{name}"\nkey_id="k1"\npublic_key="{out.strip()}"\n{role}\n')
    (tmp_path / "participants.toml").write_text("".join(blocks))
    assert run(capsys, "sandbox-init", "--state", tmp_path / "state")[0] == 0
    return tmp_path


@contextmanager
def sandbox(home: Path, *options: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The address and process of a running `sakshi-ledger sandbox`."""
    command = [sys.executable, "-m", "ledger_client.cli", "sandbox", "--state", str(home / "state")]
    command += ["--participants", str(home / "participants.toml"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening 127.0.0.1:"), process.stderr.read() if process.stderr else line
            yield line.split()[1], process
        finally:
            process.kill()


def caller(home: Path, address: str, name: str) -> list[str | Path]:
    return ["--ledger", f"deg+http://{address}", "--key", home / f"{name}.pem", "--subscriber", name]


PUT = [
    "--transaction", "tx-1", "--order-item", "it-1", "--platform-buyer", BUYER_PLATFORM, "--platform-seller",
    SELLER_PLATFORM, "--discom-buyer", BUYER_DISCOM, "--discom-seller", SELLER_DISCOM, "--buyer", BUYER_METER, "--seller",
    SELLER_METER, "--start", START, "--end", END, "--quantity-kwh", "6", "--price", "5",
]  # fmt: skip


def test_a_whole_process_takes_a_trade_and_shows_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sandbox(home) as (address, process):
        seller = caller(home, address, SELLER_PLATFORM)
        code, out, err = run(capsys, "put", *seller, "--role", "SELLER", *PUT)
        assert (code, out.split()[0], err) == (0, "tx-1_it-1", "")
        code, out, _ = run(capsys, "put", *caller(home, address, BUYER_PLATFORM), "--role", "BUYER", *PUT, "--json")
        assert (code, json.loads(out)["recordId"]) == (0, "tx-1_it-1")
        code, _, err = run(capsys, "put", *seller, "--role", "SELLER", *PUT[:-1], "6")
        assert code == 1
        assert "PRC_CONFLICT" in err

        discom = caller(home, address, "discom-s.example.org")
        code, out, _ = run(capsys, "get", *discom, "--discom-seller", SELLER_DISCOM, "--start-from", START, "--json")
        (trade,) = json.loads(out)["trades"]
        assert (code, trade["contractedKwh"], trade["deliveryStartTime"]) == (0, "6.000", START)
        code, out, _ = run(capsys, "get", *discom)
        assert [line.split()[0] for line in out.splitlines()] == ["recordId", "tx-1_it-1"]

        code, out, _ = run(capsys, "settlement", f"http://{address}")
        assert (code, out.splitlines()[1].split()[:3]) == (0, ["tx-1_it-1", "AWAITING_METERS", "6.000"])
        code, out, _ = run(capsys, "settlement", f"http://{address}/", "--json")
        assert json.loads(out)["trades"][0]["settledKwh"] is None

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_an_interrupt_ends_the_sandbox_cleanly_and_faults_come_by_name(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sandbox(home, "--fault", "down=1", "--numbers", "text") as (address, process):
        discom = caller(home, address, "discom-s.example.org")
        code, _, err = run(capsys, "get", *discom)
        assert code == 1
        assert "503" in err
        assert run(capsys, "get", *discom)[0] == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_key_is_announced_as_json_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, "key", "init", tmp_path / "k.pem", "--subscriber", "a.example", "--key-id", "k7", "--json"
    )
    assert code == 0
    assert {"subscriber_id": "a.example", "key_id": "k7"}.items() <= json.loads(out).items()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required"),
        (["fly"], "invalid choice"),
        (["sandbox", "--state", "s", "--participants", "p", "--listen", "0.0.0.0:0"], "this machine only"),
        (["sandbox", "--state", "s", "--participants", "p", "--listen", "127.0.0.1:x"], "127.0.0.1:PORT"),
        (["key", "init", "f", "--subscriber", "a|b"], "subscriber_id"),
        (
            ["put", "--ledger", "l", "--key", "k", "--subscriber", "s", "--role", "SELLER", *PUT[:-3], "0.0001"],
            "three decimals",
        ),
        (
            ["put", "--ledger", "l", "--key", "k", "--subscriber", "s", "--role", "SELLER", *PUT[:-1], "NaN"],
            "at least 0",
        ),
        (
            ["put", "--ledger", "l", "--key", "k", "--subscriber", "s", "--role", "SELLER", *PUT[:-1], "x"],
            "decimal number",
        ),
        (["get", "--ledger", "l", "--key", "k", "--subscriber", "s", "--start-from", "today"], "RFC 3339"),
    ],
)
def test_misuse_exits_2_and_says_what_was_expected(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments)
    assert said in err
    assert code == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--state", "nowhere"], "sandbox-init"),
        (["--participants", "nowhere"], "cannot read nowhere"),
        (["--fault", "up"], "lost-answer"),
    ],
)
def test_a_sandbox_that_cannot_start_says_how_to_mend_it(
    home: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The command sets its signal handlers only once everything else is right.
    before = signal.getsignal(signal.SIGTERM)
    arguments: list[str | Path] = [
        "sandbox",
        "--state",
        home / "state",
        "--participants",
        home / "participants.toml",
        *options,
    ]
    code, _, err = run(capsys, *arguments)
    assert (code, said in err) == (2, True), err
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_init_and_a_missing_key_are_misuse(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "sandbox-init", "--state", home / "state")[0] == 2
    code, _, err = run(
        capsys, "get", "--ledger", "deg+http://127.0.0.1:1", "--key", home / "no.pem", "--subscriber", "s"
    )
    assert (code, "key init" in err) == (2, True)


def test_a_settlement_of_nobody_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "settlement", "http://127.0.0.1:1")
    assert (code, "no sandbox answers" in err) == (1, True)


@pytest.mark.parametrize("command", ["sandbox-init", "sandbox", "key", "put", "get", "settlement"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "usage: sakshi-ledger" in out


RECORD = [
    "--side", "SELLER", "--transaction", "tx-1", "--order-item", "it-1", "--discom", SELLER_DISCOM,
    "--quantity-kwh", "0", "--status", "CURTAILED_OUTAGE", "--evidence", "ab" * 32,
]  # fmt: skip


def test_a_discom_records_an_outage_with_its_metric_and_reads_it_back(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sandbox(home) as (address, _):
        discom = caller(home, address, "discom-s.example.org")
        code, _, err = run(capsys, "record", *discom, *RECORD)
        assert (code, "PRC_NOT_FOUND" in err) == (1, True)
        for role, name in (("SELLER", SELLER_PLATFORM), ("BUYER", BUYER_PLATFORM)):
            run(capsys, "put", *caller(home, address, name), "--role", role, *PUT)
        code, out, err = run(capsys, "record", *discom, *RECORD, "--note", "feeder out")
        assert (code, out, err) == (0, f"tx-1_it-1 sk1:{'ab' * 32}:r1\n", "")
        code, out, _ = run(capsys, "record", *discom, *RECORD, "--round", "3", "--json")
        found = json.loads(out)
        assert (code, found["recordId"], found["differences"]) == (0, "tx-1_it-1", [])
        assert found["clientReference"].endswith(":r3")
        code, out, _ = run(capsys, "get", *discom, "--json")
        assert json.loads(out)["trades"][0]["statusSellerDiscom"] == "CURTAILED_OUTAGE"


@pytest.mark.parametrize("wrong", [["--evidence", "AB" * 32], ["--round", "0"], ["--quantity-kwh", "0.0001"]])
def test_a_record_that_cannot_be_is_misuse(home: Path, capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    discom = caller(home, "127.0.0.1:1", "discom-s.example.org")
    assert run(capsys, "record", *discom, *RECORD, *wrong)[0] == 2


def test_a_ledger_provider_asks_and_says_who_did_not_answer(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    participants = home / "participants.toml"
    text = participants.read_text()
    participants.write_text(
        text.replace('role="discom"', 'receiver_url="http://127.0.0.1:9/bpp/receiver"\nrole="discom"')
    )
    run(capsys, "key", "init", home / "provider.pem", "--subscriber", "ledger.example.org")
    options = ("--provider", "ledger.example.org", "--provider-key", str(home / "provider.pem"))
    with sandbox(home, *options, "--ack-dialect", "c", "--question-form", "attributes") as (address, _):
        code, out, _ = run(capsys, "pull", f"http://{address}", "--json")
        assert (code, json.loads(out)) == (0, {"questions": []})
        run(capsys, "put", *caller(home, address, SELLER_PLATFORM), "--role", "SELLER", *_recent(PUT))
        code, out, _ = run(capsys, "pull", f"http://{address}", "--everything")
        assert (code, out.splitlines()[1].split()[:5]) == (1, [SELLER_DISCOM, "1", "-", "-", "ConnectError"])


def _recent(options: list[str]) -> list[str]:
    """The same trade delivered just now."""
    now = int(time.time()) // 3600 * 3600
    changed = {START: utc_text(now - 7200), END: utc_text(now)}
    return [changed.get(option, option) for option in options]


def test_a_ledger_provider_asks_by_itself_every_so_often(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with canned(Canned(body=b'{"message":{"status":"ACK"}}')) as discom:
        participants = home / "participants.toml"
        asked = f'receiver_url="http://{discom.address}/bpp/receiver"\nrole="discom"'
        participants.write_text(participants.read_text().replace('role="discom"', asked))
        run(capsys, "key", "init", home / "provider.pem", "--subscriber", "ledger.example.org")
        options = ("--provider", "ledger.example.org", "--provider-key", str(home / "provider.pem"))
        with sandbox(home, *options, "--pull-every", "0.1") as (address, process):
            run(capsys, "put", *caller(home, address, SELLER_PLATFORM), "--role", "SELLER", *_recent(PUT))
            run(capsys, "put", *caller(home, address, BUYER_PLATFORM), "--role", "BUYER", *_recent(PUT))
            assert discom.came.wait(timeout=20)
            assert discom.paths[0] == "/bpp/receiver/status"
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0


@pytest.mark.parametrize(
    "options", [("--pull-every", "1"), ("--provider", "x", "--provider-key", "y", "--pull-every", "0")]
)
def test_asking_by_itself_takes_a_provider_and_a_time(
    home: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    code, _, err = run(
        capsys, "sandbox", "--state", home / "state", "--participants", home / "participants.toml", *options
    )
    assert (code, "--pull-every" in err) == (2, True)


def test_a_provider_without_its_key_is_misuse(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(
        capsys, "sandbox", "--state", home / "state", "--participants", home / "participants.toml", "--provider", "x"
    )
    assert (code, "--provider-key" in err) == (2, True)


def test_no_sandbox_no_pull(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "pull", "http://127.0.0.1:9")
    assert (code, "no ledger provider answers" in err) == (1, True)


def test_no_command_but_the_sandbox_waits_for_a_web_to_load() -> None:
    program = "import sys, ledger_client.cli; print(sorted({'fastapi', 'uvicorn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
