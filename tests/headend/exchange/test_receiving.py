"""The door for the exchange: what is verified, kept before it is ACKed, refused with the network's codes, and never followed elsewhere."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from headend.exchange.receiving import ExchangeDoor, opened_door
from headend.settings.beckn import BecknSettings
from headend.store.sqlite import signature_rows
from headend.tokens import Scope
from ledger_client import key_file
from ledger_client.beckn.directory import Subscriber
from ledger_client.beckn.fields import MAX_BODY_BYTES
from ledger_client.beckn.refusal import RefusedError
from ledger_client.file_directory import FileDirectory
from ledger_client.sandbox.faults import Fault
from ledger_client.sandbox.provider import TEST_NETWORK
from ledger_client.signature import SKEW_S, parse_header, public_key
from tests.headend.asking import LEDGER, OWN, QUARTERS, SELLER_PLATFORM, WINDOW, Asking, asking
from tests.headend.premises import Headend
from tests.headend.settling import NAME, configuration
from tests.headend.web.world import Served
from tests.ledger_client.rehearsal import NOW, signer

Change = Callable[[BecknSettings], BecknSettings]


@pytest.fixture
def asked(headend: Headend, tmp_path: Path) -> Iterator[Asking]:
    with asking(headend, tmp_path / "exchange") as found:
        yield found


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]["error"]["code"]


def door(
    asked: Asking, change: Change = lambda settings: settings, *, url: str | None = None, database: Path | None = None
) -> ExchangeDoor:
    """Another door on the same database, whose directory knows the ledger under `url`."""
    key = public_key(signer(LEDGER).public_key_text)
    known = Subscriber(key_id=signer(LEDGER).key_id, key=key, networks=frozenset({TEST_NETWORK}), url=url)
    return ExchangeDoor(
        settings=change(asked.settings),
        signer=signer(OWN),
        registry=FileDirectory([known]),
        database=database or asked.headend.folder / "headend.db",
        started_utc=NOW,
        remembered=signature_rows.remembered(asked.headend.database.connection, NOW),
    )


def said(one: ExchangeDoor, body: bytes, *, created: int = NOW, life_s: int = 300, now: int = NOW) -> tuple[int, str]:
    """Status and code of the reply to a signed question; no code is an ACK."""
    authorization = signer(LEDGER).sign(body, created=created, expires=created + life_s)
    reply = one.status(authorization, body, now)
    return reply.status, json.loads(reply.body)["message"].get("error", {}).get("code", "")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.SKEWED_CLOCK, [(401, "NACK", "AUT_SIGNATURE_INVALID")]),
        (Fault.WRONG_NETWORK, [(401, "NACK", "AUT_UNAUTHORIZED_ACTION")]),
        (Fault.REVOKED_KEY, [(401, "NACK", "AUT_KEY_EXPIRED_OR_REVOKED")]),
        (Fault.WRONG_WINDOW, [(400, "NACK", "SCH_INVALID_FORMAT")]),
        (Fault.REPLAYED_STATUS, [(200, "ACK", ""), (401, "NACK", "AUT_REPLAY_DETECTED")]),
    ],
)
def test_what_the_provider_does_wrong_is_refused_with_the_networks_code_counted_and_not_kept(
    asked: Asking, fault: Fault, expected: list[tuple[int, str, str]]
) -> None:
    asked.settling.trade()
    asked.exchange.faults.switch_on(fault, 1)
    assert asked.acks() == expected
    assert len(asked.questions()) == len([one for one in expected if one[1] == "ACK"])
    assert asked.door.refusals() == {expected[-1][2]: 1}
    # A fault is over, and the next question is taken.
    assert asked.acks()[-1][1] == "ACK"


def test_an_unsigned_question_is_told_what_to_sign(asked: Asking) -> None:
    answer = httpx.post(f"{asked.url}/status", content=b"{}")
    assert code(answer) == (401, "AUT_SIGNATURE_MISSING")
    assert answer.headers["www-authenticate"].startswith(f'Signature realm="{OWN}"')


def test_a_stranger_and_a_signer_for_another_are_refused(asked: Asking) -> None:
    body = asked.body({NAME: [WINDOW]}, subscriber="stranger.example.org")
    assert code(asked.send(body, subscriber="stranger.example.org")) == (401, "AUT_UNAUTHORIZED_ACTION")
    assert code(asked.send(asked.body({NAME: [WINDOW]}), subscriber=SELLER_PLATFORM)) == (
        401,
        "AUT_UNAUTHORIZED_ACTION",
    )
    assert asked.questions() == ()


def test_the_same_question_signed_anew_is_the_same_question_asked_again(asked: Asking) -> None:
    body = asked.body({NAME: [WINDOW]})
    assert [asked.send(body, life_s=life).status_code for life in (300, 200)] == [200, 200]
    (question,) = asked.questions()
    assert question.asks == 2


def test_a_question_that_cannot_be_kept_is_not_acked(asked: Asking, tmp_path: Path) -> None:
    broken = door(asked, url=f"http://{asked.exchange.address}", database=tmp_path / "nothing.db")
    assert said(broken, asked.body({NAME: [WINDOW]})) == (500, "NET_INTERNAL_ERROR")
    assert asked.questions() == ()


# --- where an answer goes


def test_no_answer_goes_to_a_host_that_is_not_the_callers_registered_one(asked: Asking) -> None:
    body = asked.body({NAME: [WINDOW]}, uri="https://evil.example.org/bap/receiver")
    assert code(asked.send(body)) == (401, "AUT_UNAUTHORIZED_ACTION")
    assert asked.questions() == ()


def test_a_caller_without_a_registered_address_is_answered_at_configured_hosts_only(asked: Asking) -> None:
    body = asked.body({NAME: [WINDOW]})
    assert said(door(asked), body) == (401, "AUT_UNAUTHORIZED_ACTION")
    assert asked.questions() == ()
    configured = door(asked, lambda settings: replace(settings, callback_hosts=frozenset({"127.0.0.1"})))
    assert said(configured, body) == (200, "")
    elsewhere = door(asked, lambda settings: replace(settings, callback_hosts=frozenset({"ledger.example.org"})))
    assert said(elsewhere, body, life_s=200) == (401, "AUT_UNAUTHORIZED_ACTION")


def test_a_discom_with_a_public_address_answers_nobody_on_its_own_machine(asked: Asking) -> None:
    public = door(
        asked,
        lambda settings: replace(settings, receiver="https://discom.example.org/bpp/receiver"),
        url=f"http://{asked.exchange.address}",
    )
    assert said(public, asked.body({NAME: [WINDOW]})) == (401, "AUT_UNAUTHORIZED_ACTION")
    assert asked.questions() == ()


# --- bounds


def test_a_body_that_is_too_long_is_refused_without_being_read_whole(asked: Asking) -> None:
    answer = httpx.post(f"{asked.url}/status", content=b" " * (MAX_BODY_BYTES + 1), timeout=30)
    assert code(answer) == (400, "SCH_INVALID_FORMAT")


def test_a_question_about_more_windows_than_are_taken_is_refused(asked: Asking) -> None:
    body = asked.body({NAME: QUARTERS})
    for most, expected in ((8, (200, "")), (7, (400, "SCH_SCHEMA_VALIDATION_FAILED"))):
        one = door(
            asked,
            lambda settings, most=most: replace(settings, most_windows=most),  # type: ignore[misc]  # bound at once
            url=f"http://{asked.exchange.address}",
        )
        assert said(one, body, life_s=100 + most) == expected


def test_a_caller_that_comes_too_often_in_a_minute_comes_later(asked: Asking) -> None:
    one = door(asked, lambda settings: replace(settings, per_minute=2), url=f"http://{asked.exchange.address}")
    body = asked.body({NAME: [WINDOW]})
    assert [said(one, body, life_s=life) for life in (100, 101)] == [(200, "")] * 2
    authorization = signer(LEDGER).sign(body, created=NOW, expires=NOW + 102)
    reply = one.status(authorization, body, NOW)
    assert (reply.status, reply.headers["Retry-After"]) == (429, "60")
    assert said(one, body, life_s=103, now=NOW + 59) == (429, "POL_GENERIC_ERROR")
    assert said(one, body, life_s=104, now=NOW + 60) == (200, "")


def test_everybody_together_is_bounded_before_a_signature_is_looked_at(asked: Asking) -> None:
    one = door(asked)
    for _ in range(600):
        assert one.status(None, b"{}", NOW).status == 401
    assert one.status(None, b"{}", NOW).status == 429
    with pytest.raises(RefusedError, match="too many"):
        one.caller(signer(LEDGER).sign(b"", created=NOW, expires=NOW + 9), NOW)


def test_a_flood_of_others_keeps_no_caller_out_whose_key_was_verified_before(asked: Asking) -> None:
    one = door(asked, url=f"http://{asked.exchange.address}")
    body = asked.body({NAME: [WINDOW]})
    assert said(one, body, life_s=100) == (200, "")
    for number in range(599):
        assert one.status(None if number % 2 else "Signature x", b"{}", NOW).status == 401
    assert one.status(None, b"{}", NOW).status == 429
    assert said(one, body, life_s=101) == (200, "")
    assert one.caller(signer(LEDGER).sign(b"", created=NOW + SKEW_S, expires=NOW + 99), NOW) == LEDGER
    # Under its name no more come than under all others' either.
    for number in range(598):
        forged = signer(OWN).sign(b"{}", created=NOW, expires=NOW + 9).replace(OWN, LEDGER)
        assert one.status(forged, b"{}", NOW).status == 401, number
    assert said(one, body, life_s=102) == (429, "POL_GENERIC_ERROR")


# --- what was sent before


def test_a_question_that_was_kept_is_not_good_again_after_a_restart(asked: Asking) -> None:
    url = f"http://{asked.exchange.address}"
    body = asked.body({NAME: [WINDOW]})
    # Of a signer that is seconds ahead, too: it was created after the start below.
    for created, life in ((NOW - 100, 3600), (NOW + SKEW_S, 300)):
        assert said(door(asked, url=url), body, created=created, life_s=life) == (200, "")
        assert said(door(asked, url=url), body, created=created, life_s=life) == (401, "AUT_REPLAY_DETECTED")
    (question,) = asked.questions()
    assert question.asks == 2


def test_a_question_that_was_signed_before_the_start_and_not_sent_is_taken(asked: Asking) -> None:
    one = door(asked, url=f"http://{asked.exchange.address}")
    assert said(one, asked.body({NAME: [WINDOW]}), created=NOW - 1) == (200, "")


def test_a_question_that_was_refused_is_not_remembered_on_the_disk(asked: Asking) -> None:
    url = f"http://{asked.exchange.address}"
    refused = asked.body({NAME: [WINDOW]}, uri="https://evil.example.org/bap/receiver")
    assert said(door(asked, url=url), refused)[0] == 401
    assert signature_rows.remembered(asked.headend.database.connection, NOW) == ()


def test_a_flood_of_replays_writes_nothing_and_waits_for_nobody_who_writes(asked: Asking) -> None:
    url = f"http://{asked.exchange.address}"
    body = asked.body({NAME: [WINDOW]})
    assert said(door(asked, url=url), body) == (200, "")
    one = door(asked, url=url)
    before = asked.headend.database.data_version()
    with asked.headend.database.transaction():
        for _ in range(100):
            assert said(one, body) == (401, "AUT_REPLAY_DETECTED")
    assert asked.headend.database.data_version() == before


def test_a_signature_that_another_program_took_meanwhile_is_refused_and_nothing_is_kept(asked: Asking) -> None:
    url = f"http://{asked.exchange.address}"
    body = asked.body({NAME: [WINDOW]})
    one, other = door(asked, url=url), door(asked, url=url)
    assert said(one, body) == (200, "")
    assert said(other, body) == (401, "AUT_REPLAY_DETECTED")
    (question,) = asked.questions()
    assert question.asks == 1


def test_signatures_are_remembered_to_their_last_second_and_then_forgotten(asked: Asking) -> None:
    connection = asked.headend.database.connection
    first, second = (parse_header(signer(LEDGER).sign(b"", created=NOW, expires=NOW + life_s)) for life_s in (100, 300))
    with asked.headend.database.transaction():
        assert signature_rows.put(connection, first, NOW)
    assert signature_rows.remembered(connection, NOW + 100) == (first,)
    assert signature_rows.remembered(connection, NOW + 101) == ()
    with asked.headend.database.transaction():
        assert not signature_rows.put(connection, first, NOW + 100)
        assert signature_rows.put(connection, second, NOW + 101)
    assert connection.execute("SELECT count(*) FROM signatures").fetchone() == (1,)


def test_a_pull_that_may_have_come_before_the_start_is_refused_since_it_is_not_remembered(asked: Asking) -> None:
    one = door(asked)
    early, later = (
        signer(LEDGER).sign(b"", created=created, expires=created + 300) for created in (NOW + SKEW_S - 1, NOW + SKEW_S)
    )
    assert one.caller(later, NOW) == LEDGER
    for authorization in (early, later):
        with pytest.raises(RefusedError, match="seen before"):
            one.caller(authorization, NOW)


def test_a_door_that_opens_remembers_what_an_earlier_one_took(asked: Asking) -> None:
    assert asked.send(asked.body({NAME: [WINDOW]})).status_code == 200
    body = asked.body({NAME: [WINDOW]})
    (header,) = signature_rows.remembered(asked.headend.database.connection, NOW)
    again = signer(LEDGER).sign(body, created=header.created, expires=header.expires)
    assert parse_header(again).signature == header.signature
    config = asked.settling.config
    key = asked.headend.folder / "beckn.pem"
    key_file.create(key, signer(OWN).key_id)
    at = replace(config, state=asked.headend.folder, keys=replace(config.keys, beckn=f"file:{key}"))
    with opened_door(at, lambda: NOW) as found:
        assert found is not None
        reply = found.status(again, body, NOW)
    assert json.loads(reply.body)["message"]["error"]["code"] == "AUT_REPLAY_DETECTED"


def test_a_refusal_is_logged_by_code_and_path_without_what_was_sent(
    asked: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="sakshi.headend.beckn"):
        asked.send(asked.body({NAME: [WINDOW]}, network="private-words"))
    assert "refused AUT_UNAUTHORIZED_ACTION in context.networkId" in caplog.text
    assert "private-words" not in caplog.text


# --- clocks


def test_a_caller_ahead_of_this_clock_is_noticed_by_its_questions_taken_or_too_early(asked: Asking) -> None:
    one = door(asked, url=f"http://{asked.exchange.address}")
    assert one.clock(NOW) is None
    body = asked.body({NAME: [WINDOW]})
    for created, status, works in ((NOW, 200, True), (NOW + SKEW_S, 200, False), (NOW + 1, 200, True)):
        assert said(one, body, created=created)[0] == status
        found = one.clock(NOW)
        assert found is not None
        assert found.works is works
    assert said(one, body, created=NOW + 60) == (401, "AUT_SIGNATURE_INVALID")
    found = one.clock(NOW)
    assert found is not None
    assert "at least 59 s ahead" in found.note
    assert len(asked.questions()) == 1


def test_pulls_say_as_much_of_the_clock(asked: Asking) -> None:
    one = door(asked)
    one.caller(signer(LEDGER).sign(b"", created=NOW + SKEW_S, expires=NOW + 300), NOW)
    found = one.clock(NOW)
    assert found is not None
    assert not found.works
    other = door(asked)
    with pytest.raises(RefusedError, match="check the clock"):
        other.caller(signer(LEDGER).sign(b"", created=NOW + 60, expires=NOW + 300), NOW)
    found = other.clock(NOW)
    assert found is not None
    assert "at least 59 s ahead" in found.note


def test_what_nobody_signed_says_nothing_of_the_clock(asked: Asking) -> None:
    one = door(asked, url=f"http://{asked.exchange.address}")
    body = asked.body({NAME: [WINDOW]})
    forged = signer(LEDGER).sign(b"another", created=NOW + 60, expires=NOW + 300)
    stranger = signer("stranger.example.org").sign(body, created=NOW + 60, expires=NOW + 300)
    for authorization in (forged, stranger, "Signature"):
        assert one.status(authorization, body, NOW).status == 401
    assert one.clock(NOW) is None


# --- configuration


def test_no_section_opens_no_door(tmp_path: Path) -> None:
    with opened_door(configuration(tmp_path), lambda: NOW) as found:
        assert found is None


async def test_without_a_door_questions_are_answered_with_404(headend: Headend) -> None:
    served = Served(headend)
    async with served.client() as client:
        answer = await client.post("/bpp/receiver/status", content=b"{}")
    served.close()
    assert (answer.status_code, answer.json()["code"]) == (404, "not_configured")


async def test_questions_come_to_the_registered_path(asked: Asking) -> None:
    moved = door(asked, lambda settings: replace(settings, receiver="http://127.0.0.1:1/beckn/in"))
    asked.served.door = moved
    async with asked.served.client() as client:
        assert (await client.post("/beckn/in/status", content=b"{}")).status_code == 401
        answer = await client.post("/bpp/receiver/status", content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_refusals_are_counted_for_monitoring(asked: Asking) -> None:
    asked.send(asked.body({NAME: [WINDOW]}, network="another"))
    async with asked.served.client(asked.served.token(Scope.READ_OPERATIONS)) as client:
        text = (await client.get("/metrics")).text
    assert 'sakshi_exchange_refused_total{code="AUT_UNAUTHORIZED_ACTION"} 1.0' in text
    assert 'sakshi_exchange_refused_total{code="AUT_REPLAY_DETECTED"} 0.0' in text
