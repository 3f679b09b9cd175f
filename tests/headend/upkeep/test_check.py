"""Checking the broker: what a broker may answer. The whole command is tested with the others."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from headend.registry.dated import Dated
from headend.store.sqlite import question_rows, supply_rows
from headend.store.sqlite.database import open_database
from headend.store.sqlite.question_rows import NewQuestion
from headend.upkeep.check import Finding, check
from ledger_client.beckn.networks import PRODUCTION
from ledger_client.sandbox.provider import TEST_NETWORK
from signing.interval import Interval
from tests.headend.founded import SUBSCRIBER, Installation, free_port, installation
from tests.ledger_client.rehearsal import NOW as RIGHT
from tests.ledger_client.rehearsal import SELLER_DISCOM, running, signer

NOW = 1_777_200_000
CONNACK_OK, CONNACK_REFUSED = b"\x20\x02\x00\x00", b"\x20\x02\x00\x05"
SUBACK = {"granted": b"\x90\x03\x00\x01\x01", "qos 0": b"\x90\x03\x00\x01\x00", "refused": b"\x90\x03\x00\x01\x80"}


@contextmanager
def answering(*answers: bytes | None) -> Iterator[int]:
    """A peer that answers each packet with the next of `answers`; None hangs up, and after the last it is silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve() -> None:
            try:
                link, _ = server.accept()
            except OSError:
                return
            with link:
                link.settimeout(0.1)
                left = list(answers)
                while not ended.is_set():
                    try:
                        if not link.recv(4096):
                            return
                    except TimeoutError:
                        continue
                    except OSError:
                        return
                    if left:
                        answer = left.pop(0)
                        if answer is None:
                            return
                        link.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            server.close()
            thread.join()


def broker_finding(folder: Path, port: int) -> Finding:
    installed = installation(folder, broker_port=port, ledger=f"127.0.0.1:{free_port()}")
    findings = check(installed.config, lambda: NOW, patience_s=0.5)
    return next(finding for finding in findings if finding.what.startswith("broker"))


def test_a_broker_that_grants_every_shard_is_good(tmp_path: Path) -> None:
    with answering(CONNACK_OK, SUBACK["granted"]) as port:
        finding = broker_finding(tmp_path, port)
    assert (finding.is_good, finding.text) == (True, "connected, 1 shard(s) granted")


@pytest.mark.parametrize(
    ("answers", "remedy"),
    [
        ((CONNACK_REFUSED,), "refuses this client .*: check its user and password"),
        ((CONNACK_OK, SUBACK["qos 0"]), "does not grant the shards with QoS 1: check its access list"),
        ((CONNACK_OK, SUBACK["refused"]), "does not grant the shards with QoS 1: check its access list"),
        ((CONNACK_OK,), "no answer from the broker"),
        ((), "no answer from the broker"),
        ((None,), "correct the address if it is no MQTT broker"),
    ],
)
def test_a_broker_that_does_not_is_named_with_the_remedy(
    tmp_path: Path, answers: tuple[bytes | None, ...], remedy: str
) -> None:
    with answering(*answers) as port:
        finding = broker_finding(tmp_path, port)
    assert not finding.is_good
    assert re.search(remedy, finding.text), finding.text


@pytest.mark.parametrize(("off", "words"), [(0, "the clocks agree"), (10, "at least 9 s ahead"), (-10, "10 s behind")])
def test_the_clock_is_compared_with_the_ledgers(tmp_path: Path, off: int, words: str) -> None:
    state = tmp_path / "exchange"
    state.mkdir()
    with running(state) as exchange:
        installed = installation(tmp_path, broker_port=free_port(), ledger=exchange.address)
        installed.found()
        findings = check(installed.config, lambda: RIGHT + off, patience_s=5)
    finding = next(finding for finding in findings if finding.what.startswith("ledger"))
    assert finding.is_good is (off == 0)
    assert words in finding.text


def beckn_installation(folder: Path, directory: str = "file:subscribers.toml") -> Installation:
    """A head-end that one ledger provider may ask."""
    made = installation(folder, broker_port=free_port(), ledger=f"127.0.0.1:{free_port()}")
    made.found()
    with made.file.open("a") as file:
        file.write(
            f'[beckn]\nreceiver = "https://d.example/bpp/receiver"\nnetworks = ["n"]\ndirectory = "{directory}"\n'
            '[[beckn.caller]]\nsubscriber = "ledger.example.org"\n'
        )
    return made


def network_finding(folder: Path, **changes: object) -> Finding:
    """What is found of this discom's own entry in a directory file; `changes` are of the entry."""
    made = beckn_installation(folder)
    entry = {
        "subscriber_id": SUBSCRIBER,
        "key_id": "k1",
        "public_key": signer(SUBSCRIBER).public_key_text,
        "networks": ["n"],
    } | changes
    (folder / "subscribers.toml").write_text(
        "[[subscriber]]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in entry.items())
    )
    return check(made.config, lambda: NOW, patience_s=0.1)[-1]


@pytest.mark.parametrize(("off", "words"), [(0, "the clocks agree"), (10, "at least 9 s ahead")])
def test_the_clock_is_compared_with_that_of_everybody_who_asked(tmp_path: Path, off: int, words: str) -> None:
    state = tmp_path / "exchange"
    state.mkdir()
    with running(state) as exchange:
        made = beckn_installation(tmp_path)
        callback = f"http://{exchange.address}/bap/receiver/on_status"
        asked = NewQuestion(
            subscriber="ledger.example.org",
            message_id="m",
            body=b"{}",
            callback=callback,
            windows=(("LEDGER-SKS00000001", Interval(RIGHT - 7200, RIGHT)),),
        )
        with closing(open_database(made.config.database)) as database, database.transaction() as connection:
            question_rows.put_question(connection, replace(asked, callback="http://127.0.0.1:1/moved"), RIGHT - 1)
            question_rows.put_question(connection, replace(asked, body=b"[]"), RIGHT)
        *_, finding = findings = check(made.config, lambda: RIGHT + off, patience_s=5)
    assert [one.what for one in findings if one.what.startswith("clock")] == [f"clock of {callback}"]
    assert finding.is_good is (off == 0)
    assert words in finding.text


PRODUCTION_CODE = "PaVVNL"


def names_findings(
    folder: Path, network: str, discom: str, *names: str, directory: str = "file:s.toml"
) -> list[Finding]:
    """What is found of the names under which a discom answers in a network."""
    made = beckn_installation(folder, directory)
    text = made.file.read_text().replace('networks = ["n"]', f'networks = ["{network}"]')
    made.file.write_text(text.replace(f'discom = "{SELLER_DISCOM}"', f'discom = "{discom}"'))
    with closing(open_database(made.config.database)) as database, database.transaction() as connection:
        for name in names:
            supply_rows.put_aliases(connection, name, (Dated(0, "CP-1"),))
        supply_rows.put_aliases(connection, "LEFT", (Dated(0, "CP-1"), Dated(10, None)))
    return [one for one in check(made.config, lambda: NOW, patience_s=0.1) if one.what.startswith("names on")]


@pytest.mark.parametrize(
    ("network", "discom", "names", "text"),
    [
        (TEST_NETWORK, "TEST_DISCOM", ("TEST_1", "TEST_2"), None),
        (TEST_NETWORK, "TEST_DISCOM", ("TEST_1", "123"), f"123: expected TEST_ at the start on {TEST_NETWORK}"),
        (PRODUCTION, PRODUCTION_CODE, ("123",), None),
        (PRODUCTION, PRODUCTION_CODE, ("TEST_1",), f"TEST_1: expected no TEST_ at the start on {PRODUCTION}"),
        (PRODUCTION, "PAVVNL", ("123",), "PAVVNL is not on the network's list of discoms; write PaVVNL"),
    ],
)
def test_names_that_the_network_would_refuse_are_told(
    tmp_path: Path, network: str, discom: str, names: tuple[str, ...], text: str | None
) -> None:
    (found,) = names_findings(tmp_path, network, discom, *names)
    assert found.is_good is (text is None)
    assert (text or f"the ids of {len(names)} meter(s) are as the network has them") in found.text


def test_many_names_are_told_in_short(tmp_path: Path) -> None:
    (found,) = names_findings(tmp_path, PRODUCTION, PRODUCTION_CODE, *(f"TEST_{number}" for number in range(5)))
    assert found.text.count("expected no TEST_") == 3
    assert "; and 2 more: correct them" in found.text


def test_a_closed_network_has_its_own_rules_and_one_of_a_registry_is_known(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    assert names_findings(tmp_path / "closed", "n", "X", "1") == []
    (tmp_path / "open").mkdir()
    (found,) = names_findings(tmp_path / "open", "n", "X", "1", directory=f"http://127.0.0.1:{free_port()}")
    assert "n is no network of the policy" in found.text


def test_a_registry_and_its_clock_are_checked_each_for_itself(tmp_path: Path) -> None:
    made = beckn_installation(tmp_path, directory=f"http://127.0.0.1:{free_port()}")
    *_, registry, clock = check(made.config, lambda: NOW, patience_s=0.5)
    assert clock.what.startswith("clock of http://127.0.0.1:")
    assert not registry.is_good
    assert not clock.is_good
    assert "no answer from http://127.0.0.1:" in clock.text


def test_a_discom_that_is_registered_in_its_network_is_told_so(tmp_path: Path) -> None:
    found = network_finding(tmp_path)
    assert found.is_good
    assert "is registered, a member of 1 network(s); 1 caller(s) are served" in found.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"revoked": True}, "has no valid key discom-s.example.org|k1|ed25519: register "),
        (
            {"public_key": signer("another").public_key_text},
            "has another key as discom-s.example.org|k1|ed25519: register ",
        ),
        ({"networks": ["m"]}, "as no member of n: ask the network's facilitator"),
    ],
)
def test_what_would_have_askers_refuse_this_discom_is_found_before_they_do(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    found = network_finding(tmp_path, **changes)
    assert not found.is_good
    assert words in found.text


def test_a_file_of_a_closed_network_need_not_name_the_discom_itself(tmp_path: Path) -> None:
    assert network_finding(tmp_path, subscriber_id="somebody.example").is_good


@pytest.mark.parametrize(("off", "words"), [(0, "the clocks agree"), (10, "at least 9 s ahead")])
def test_the_clock_is_compared_with_that_of_everybody_who_is_told_by_webhook(
    tmp_path: Path, off: int, words: str
) -> None:
    state = tmp_path / "exchange"
    state.mkdir()
    with running(state) as exchange:
        made = installation(tmp_path, broker_port=free_port(), ledger=f"127.0.0.1:{free_port()}")
        made.found()
        listener = f'url = "http://{exchange.address}/hook/private-words"\nsecret = "file:hook.secret"\n'
        with made.file.open("a") as file:
            file.write(f'[alerts.webhook]\n{listener}[[feed]]\nname = "clearing"\n{listener}')
        *_, alerts, feed = check(made.config, lambda: RIGHT + off, patience_s=5)
    assert (alerts.what, feed.what) == ("clock of the webhook of alerts", "clock of feed clearing")
    for finding in (alerts, feed):
        assert finding.is_good is (off == 0)
        assert words in finding.text


def test_a_listener_that_does_not_answer_is_named_without_its_path(tmp_path: Path) -> None:
    made = installation(tmp_path, broker_port=free_port(), ledger=f"127.0.0.1:{free_port()}")
    made.found()
    url = f"http://127.0.0.1:{free_port()}/hook/private-words"
    with made.file.open("a") as file:
        file.write(f'[alerts.webhook]\nurl = "{url}"\nsecret = "file:hook.secret"\n')
    *_, finding = check(made.config, lambda: NOW, patience_s=0.5)
    assert not finding.is_good
    assert "no answer from http://127.0.0.1:" in finding.text
    assert "private-words" not in finding.what + finding.text
