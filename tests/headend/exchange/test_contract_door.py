"""The door for contracts: what is verified, kept as it came, refused with the network's codes, and bounded."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headend.exchange import contract_door
from headend.exchange.contract_door import MOST_AHEAD_S, ContractDoor, forget_unknown, opened_contract_door
from headend.exchange.strangers import PER_MINUTE
from headend.store.sqlite import contract_rows
from headend.store.sqlite.database import Database
from headend.trading.contracts import KeptContract, contradiction
from headend.upkeep.fsck import fsck
from ledger_client.beckn.directory import DirectoryUnavailableError, Subscriber
from ledger_client.deg import put_request
from ledger_client.file_directory import FileDirectory
from ledger_client.ledger import Side
from ledger_client.sandbox.provider import TEST_NETWORK
from ledger_client.signature import KeyId, parse_header, public_key, verify
from signing.interval import DAY_S, utc_text
from tests.headend.asking import section
from tests.headend.founded import installation
from tests.headend.premises import Headend
from tests.headend.settling import configuration
from tests.ledger_client.rehearsal import BUYER_PLATFORM, NOW, SELLER_PLATFORM, contract, signer

OWN = "discom-s.example.org"
START, END = NOW + 3600, NOW + 7200


def known(name: str, **changes: Any) -> Subscriber:
    key = public_key(signer(name).public_key_text)
    whole = Subscriber(key_id=signer(name).key_id, key=key, networks=frozenset({TEST_NETWORK}))
    return replace(whole, **changes)


PLATFORMS = (known(SELLER_PLATFORM), known(BUYER_PLATFORM))


class Silent:
    """A directory that gives no answer."""

    def subscriber(self, key_id: KeyId) -> Subscriber | None:
        raise DirectoryUnavailableError("no answer")


class Doorway:
    """A door on a head-end's database."""

    def __init__(self, headend: Headend) -> None:
        self.headend = headend
        self.config = configuration(headend.folder, section("https://d.example/bpp/receiver", "https://r.example/x"))
        self.door = self.opened()

    @property
    def database(self) -> Database:
        return self.headend.database

    def opened(self, *subscribers: Subscriber, registry: Any = None, database: Path | None = None) -> ContractDoor:
        assert self.config.beckn is not None
        return ContractDoor(
            settings=self.config.beckn,
            signer=signer(OWN),
            registry=registry or FileDirectory(subscribers or PLATFORMS),
            database=database or self.headend.folder / "headend.db",
            discom=self.config.discom,
            look_back_days=self.config.ledger.look_back_days,
        )

    def kept(self) -> tuple[KeptContract, ...]:
        return contract_rows.by_item(self.database.connection, "tx-1", "it-1", most=500)


@pytest.fixture
def doorway(headend: Headend) -> Doorway:
    return Doorway(headend)


def body(role: Side = Side.SELLER, *, start: int = START, end: int = END, **changes: Any) -> bytes:
    return put_request(contract(role, **{"delivery_start": utc_text(start), "delivery_end": utc_text(end)} | changes))


def said(
    door: ContractDoor,
    content: bytes,
    *,
    subscriber: str = SELLER_PLATFORM,
    created: int = NOW,
    life_s: int = 300,
    now: int | None = None,
) -> tuple[int, str, str]:
    """Status, code and path of the reply to a signed contract; no code is an ACK."""
    authorization = signer(subscriber).sign(content, created=created, expires=created + life_s)
    return read(door.take(authorization, content, created if now is None else now))


def read(reply: Any) -> tuple[int, str, str]:
    message = json.loads(reply.body)["message"]
    error = message.get("error", {})
    assert message["status"] == ("NACK" if error else "ACK")
    return reply.status, error.get("code", ""), error.get("details", {}).get("path", "")


ACK = (200, "", "")


# --- what is kept


def test_a_contract_is_kept_byte_for_byte_and_can_be_verified_by_anybody(doorway: Doorway) -> None:
    content = body() + b"\n "
    assert said(doorway.door, content) == ACK
    (one,) = doorway.kept()
    proof = one.verified
    assert (proof.body, proof.created_utc, proof.received_utc) == (content, NOW, NOW)
    header = verify(proof.authorization, proof.body, now=proof.created_utc, keys=lambda _: public_key(proof.public_key))
    assert (str(header.key_id), header.signature) == (proof.key_id, proof.signature)
    assert (one.terms.platform, one.terms.quantity_wh, one.late) == (SELLER_PLATFORM, 6000, None)


@pytest.mark.parametrize(
    ("change", "said_of_it"),
    [
        ("quantity_wh = 7000", "its row says something else than was signed"),
        ("created_utc = created_utc + 1", "its row says something else than was signed"),
        ("signature = zeroblob(64)", "its row says something else than was signed"),
        ("key_id = 'x|k1|ed25519'", "AUT_"),
        ("body = CAST(replace(CAST(body AS TEXT), '6', '7') AS BLOB)", "AUT_SIGNATURE_INVALID"),
        ("public_key = 'A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg='", "AUT_SIGNATURE_INVALID"),
        ("platform_id_seller = 'p.example'", "its row says something else than was signed"),
    ],
)
def test_fsck_14_finds_a_contract_that_is_not_what_was_signed(doorway: Doorway, change: str, said_of_it: str) -> None:
    said(doorway.door, body())
    key = doorway.headend.statement_signer.public_key
    assert list(fsck(doorway.database, key)) == []
    with doorway.database.transaction() as connection:
        connection.execute(f"UPDATE contracts SET {change}")
    (damage,) = fsck(doorway.database, key)
    assert damage.check == 14
    assert damage.what.startswith("contract 1 of ")
    assert said_of_it in damage.what


def test_a_contract_signed_by_another_than_its_platform_contradicts_itself(doorway: Doorway) -> None:
    said(doorway.door, body())
    (one,) = doorway.kept()
    assert contradiction(one) is None
    thief = signer(BUYER_PLATFORM)
    stolen = replace(
        one.verified,
        authorization=thief.sign(one.verified.body, created=NOW, expires=NOW + 300),
        key_id=str(thief.key_id),
        public_key=thief.public_key_text,
    )
    header = parse_header(stolen.authorization)
    said_of_it = contradiction(replace(one, verified=replace(stolen, signature=header.signature)))
    assert said_of_it == f"it is signed by {BUYER_PLATFORM} and states the terms of {SELLER_PLATFORM}"


def test_an_ack_is_signed_over_the_platforms_signature(doorway: Doorway) -> None:
    content = body()
    authorization = signer(SELLER_PLATFORM).sign(content, created=NOW, expires=NOW + 300)
    reply = doorway.door.take(authorization, content, NOW)
    verify(
        reply.headers["Signature"],
        reply.body,
        now=NOW,
        keys=lambda _: public_key(signer(OWN).public_key_text),
        request_signature=authorization.split(',signature="')[1].rstrip('"'),
    )


def test_the_same_contract_again_is_one_contract_also_after_a_restart(doorway: Doorway) -> None:
    for door in (doorway.door, doorway.door, doorway.opened()):
        assert said(door, body()) == ACK
    assert said(doorway.door, body(), created=NOW + 100) == ACK
    assert len(doorway.kept()) == 1


def test_a_later_contract_supersedes_and_the_earlier_message_never_comes_back(doorway: Doorway) -> None:
    first, second = body(), body(quantity_wh=7000)
    assert said(doorway.door, first) == ACK
    assert said(doorway.door, second, created=NOW + 1) == ACK
    assert said(doorway.door, first, now=NOW + 2) == ACK
    newest = contract_rows.of_platform(doorway.database.connection, doorway.kept()[0].terms)[-1]
    assert (len(doorway.kept()), newest.terms.quantity_wh) == (2, 7000)


def test_a_change_after_the_delivery_began_is_refused_and_kept_as_evidence(doorway: Doorway) -> None:
    assert said(doorway.door, body()) == ACK
    late = body(quantity_wh=7000)
    conflict = (409, "PRC_CONFLICT", "deliveryStartTime")
    assert said(doorway.door, late, created=START - 1) == ACK
    later = body(quantity_wh=8000)
    assert said(doorway.door, later, created=START) == conflict
    assert said(doorway.door, later, created=START) == conflict
    assert [one.late for one in doorway.kept()] == [None, None, "quantity 7.000 kWh to 8.000 kWh"]
    assert doorway.door.refusals() == {"PRC_CONFLICT": 2}


def test_a_trade_that_is_changed_again_and_again_is_refused_in_the_end(doorway: Doorway) -> None:
    replies = [said(doorway.door, body(quantity_wh=1000 + at), created=NOW + at) for at in range(21)]
    assert replies == [ACK] * 20 + [(400, "POL_GENERIC_ERROR", "orderItemId")]


# --- what is refused


@pytest.mark.parametrize(
    ("content", "arguments", "expected"),
    [
        (body(), {"now": NOW - 6}, (401, "AUT_SIGNATURE_INVALID", "")),
        (body(), {"now": NOW + 301}, (401, "AUT_SIGNATURE_INVALID", "")),
        (body(), {"life_s": 3601}, (401, "AUT_SIGNATURE_INVALID", "")),
        (body(), {"subscriber": "stranger.example.org"}, (401, "AUT_KEY_NOT_FOUND", "")),
        (body(), {"subscriber": BUYER_PLATFORM}, (401, "AUT_UNAUTHORIZED_ACTION", "platformIdSeller")),
        (body(Side.BUYER), {}, (401, "AUT_UNAUTHORIZED_ACTION", "platformIdBuyer")),
        (body(discom_id_seller="OTHER"), {}, (404, "NET_ENTITY_NOT_FOUND", "discomIdSeller")),
        (b"{}", {}, (400, "SCH_REQUIRED_FIELD_MISSING", "tradeDetails")),
        (b"", {}, (400, "SCH_INVALID_JSON", "")),
        (body(start=NOW - 7 * DAY_S - 60, end=NOW - 7 * DAY_S), {}, (400, "POL_GENERIC_ERROR", "deliveryEndTime")),
        (body(start=NOW - 7 * DAY_S - 60, end=NOW - 7 * DAY_S + 1), {}, ACK),
        (body(start=NOW + MOST_AHEAD_S + 1, end=NOW + MOST_AHEAD_S + 2), {}, (400, "POL_GENERIC_ERROR", "deliveryStartTime")),
        (body(start=NOW + MOST_AHEAD_S, end=NOW + MOST_AHEAD_S + 1), {}, ACK),
        (body(), {"now": NOW - 5}, ACK),
        (body(), {"now": NOW + 300}, ACK),
        (body(), {"life_s": 3600}, ACK),
    ],
)  # fmt: skip
def test_what_is_not_to_be_believed_or_not_ours_is_refused_with_its_code_and_not_kept(
    doorway: Doorway, content: bytes, arguments: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert said(doorway.door, content, **arguments) == expected
    assert len(doorway.kept()) == (expected == ACK)


def test_the_other_discoms_seller_and_our_buyer_are_a_trade_of_ours_too(doorway: Doorway) -> None:
    ours = body(discom_id_seller="OTHER", discom_id_buyer=doorway.config.discom)
    assert said(doorway.door, ours) == ACK


@pytest.mark.parametrize(
    ("subscriber", "expected"),
    [
        (known(SELLER_PLATFORM, is_revoked=True), (401, "AUT_KEY_EXPIRED_OR_REVOKED", "")),
        (known(SELLER_PLATFORM, networks=frozenset({"other"})), (401, "AUT_UNAUTHORIZED_ACTION", "")),
        (known(SELLER_PLATFORM, key=public_key(signer("x").public_key_text)), (401, "AUT_SIGNATURE_INVALID", "")),
    ],
)
def test_the_directory_decides_whose_signature_counts(
    doorway: Doorway, subscriber: Subscriber, expected: tuple[int, str, str]
) -> None:
    assert said(doorway.opened(subscriber), body()) == expected
    assert doorway.kept() == ()


def test_a_signature_over_other_bytes_counts_for_nothing(doorway: Doorway) -> None:
    authorization = signer(SELLER_PLATFORM).sign(body(), created=NOW, expires=NOW + 300)
    for content in (body(quantity_wh=6001), body() + b" ", body()[:-1]):
        assert read(doorway.door.take(authorization, content, NOW)) == (401, "AUT_SIGNATURE_INVALID", "")
    assert read(doorway.door.take(None, body(), NOW)) == (401, "AUT_SIGNATURE_MISSING", "")
    assert read(doorway.door.take("Bearer x", body(), NOW)) == (401, "AUT_SIGNATURE_INVALID", "")
    assert doorway.kept() == ()


def test_nobody_is_believed_while_the_directory_is_silent(doorway: Doorway) -> None:
    assert said(doorway.opened(registry=Silent()), body()) == (503, "NET_DOWNSTREAM_UNAVAILABLE", "")


def test_a_contract_that_cannot_be_kept_is_not_acked(doorway: Doorway, tmp_path: Path) -> None:
    door = doorway.opened(database=tmp_path / "nothing.db")
    assert said(door, body()) == (500, "NET_INTERNAL_ERROR", "")


# --- bounds


def test_a_platform_that_hurries_is_told_to_come_later_and_hinders_no_other(
    doorway: Doorway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract_door, "OF_PLATFORM_PER_MINUTE", 2)
    door = doorway.opened()
    assert [said(door, body())[0] for _ in range(3)] == [200, 200, 429]
    assert said(door, body(Side.BUYER), subscriber=BUYER_PLATFORM) == ACK
    assert said(door, body(), created=NOW + 60) == ACK


def test_all_together_are_bounded_before_anything_is_looked_at(
    doorway: Doorway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract_door, "OF_ALL_PER_MINUTE", 2)
    door = doorway.opened()
    replies = [door.take(None, b"", NOW) for _ in range(3)]
    assert [one.status for one in replies] == [401, 401, 429]
    assert replies[-1].headers["Retry-After"] == "60"


def test_a_crowd_of_strangers_keeps_no_platform_out(doorway: Doorway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract_door, "OF_ALL_PER_MINUTE", 2)
    door = doorway.opened()
    assert said(door, body()) == ACK
    assert [door.take(None, b"", NOW).status for _ in range(3)] == [401, 429, 429]
    assert said(door, body(), life_s=200) == ACK
    # It has a number of its own, which its forged messages use up too.
    assert [said(door, body(), life_s=201 + at)[0] for at in range(2)] == [200, 429]


def test_invented_names_are_looked_up_only_so_often_and_known_keys_still_come_in(doorway: Doorway) -> None:
    assert said(doorway.door, body()) == ACK
    codes = [said(doorway.door, body(), subscriber=f"s{at}.example")[:2] for at in range(PER_MINUTE)]
    assert set(codes[:-1]) == {(401, "AUT_KEY_NOT_FOUND")}
    assert codes[-1] == (429, "POL_GENERIC_ERROR")
    assert said(doorway.door, body(), life_s=200) == ACK


def test_one_platform_fills_the_disk_only_so_far_within_a_day(
    doorway: Doorway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract_door, "OF_PLATFORM_PER_DAY", 2)
    trades = [body(transaction_id=f"tx-{at}") for at in range(4)]
    assert [said(doorway.door, one)[0] for one in trades[:3]] == [200, 200, 400]
    # What is known already still gets its ACK, and so does another platform's.
    assert said(doorway.door, trades[0], life_s=200) == ACK
    assert said(doorway.door, body(Side.BUYER), subscriber=BUYER_PLATFORM) == ACK
    assert said(doorway.door, trades[2], created=NOW + DAY_S)[0] == 400
    assert said(doorway.door, body(transaction_id="tx-2", start=START + DAY_S, end=END + DAY_S), created=NOW + DAY_S + 1) == ACK  # fmt: skip


def test_contracts_of_trades_that_the_ledger_never_showed_are_forgotten(doorway: Doorway) -> None:
    assert said(doorway.door, body()) == ACK
    assert forget_unknown(doorway.database, END) == 0
    assert forget_unknown(doorway.database, END + 1) == 1
    assert doorway.kept() == ()


def test_contracts_of_trades_that_the_ledger_shows_are_kept(doorway: Doorway) -> None:
    assert said(doorway.door, body()) == ACK
    with closing(sqlite3.connect(doorway.headend.folder / "headend.db", isolation_level=None)) as connection:
        names = "record_id, transaction_id, order_item_id, platform_id_buyer, platform_id_seller, discom_id_buyer, discom_id_seller, "
        names += "buyer_id, seller_id, delivery_start, delivery_end, start_utc, end_utc, quantity_wh, trade_type, first_seen_utc, seen_utc"
        texts = ("r", "tx-1", "it-1", "b", "s", "B", "S", "mb", "ms", "x", "y")
        row = (*texts, START, END, 6000, "ENERGY", NOW, NOW)
        connection.execute(f"INSERT INTO trades ({names}) VALUES ({', '.join('?' * len(row))})", row)
    assert forget_unknown(doorway.database, END + 1) == 0
    assert len(doorway.kept()) == 1


# --- whatever comes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.none() | st.text(max_size=300), content=st.binary(max_size=300))
def test_any_header_over_any_bytes_is_a_signed_refusal(doorway: Doorway, header: str | None, content: bytes) -> None:
    door = doorway.opened()
    reply = door.take(header, content, NOW)
    assert reply.status in {400, 401}
    assert "Signature" in reply.headers


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=300) | st.text(max_size=100).map(lambda text: json.dumps({"role": text, text: text}).encode())
)
def test_any_bytes_that_a_platform_signed_are_a_signed_refusal(doorway: Doorway, content: bytes) -> None:
    assert said(doorway.opened(), content)[0] == 400


# --- the configuration


def test_without_beckn_nobody_is_served(tmp_path: Path) -> None:
    with opened_contract_door(configuration(tmp_path), lambda: NOW) as door:
        assert door is None


def test_a_configuration_opens_the_door(tmp_path: Path) -> None:
    key = signer(SELLER_PLATFORM).public_key_text
    (tmp_path / "subscribers.toml").write_text(
        f'[[subscriber]]\nsubscriber_id = "{SELLER_PLATFORM}"\nkey_id = "k1"\npublic_key = "{key}"\n'
        f'networks = ["{TEST_NETWORK}"]\n'
    )
    found = installation(tmp_path, broker_port=1, ledger="127.0.0.1:1")
    with found.file.open("a") as file:
        file.write(section("https://d.example/bpp/receiver", "file:subscribers.toml"))
    found.found()
    config = found.config
    with opened_contract_door(config, lambda: NOW) as door:
        assert door is not None
        assert said(door, body(discom_id_seller=config.discom)) == ACK
