"""The ledger provider against a discom's Beckn end: asked, ACKed, answered, allocated and settled over real HTTP."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger_client.beckn.ack import Dialect
from ledger_client.beckn.on_status import AnswerForm, EvidenceColumn, Figure, on_status
from ledger_client.beckn.refusal import Code
from ledger_client.beckn.status import Shape
from ledger_client.beckn_http import BecknPusher
from ledger_client.ledger import LedgerRefusedError, LedgerUnavailableError, Side
from ledger_client.sandbox.dialects import Dialect as ProvidersDialect
from ledger_client.sandbox.faults import Fault
from ledger_client.sandbox.question import Form
from ledger_client.sandbox.rendering import Numbers
from ledger_client.signature import KeyId
from signing.interval import utc_text
from tests.ledger_client.discom import LEDGER, Network, networked
from tests.ledger_client.rehearsal import BUYER_METER, END, NOW, SELLER_METER, SELLER_PLATFORM, START, START_UTC, signer

END_UTC = START_UTC + 7200
SOLD, BOUGHT = (SELLER_METER, START_UTC, END_UTC), (BUYER_METER, START_UTC, END_UTC)
EVIDENCE = bytes(range(32))


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with networked(tmp_path) as found:
        yield found


def settle(network: Network, *, shape: Shape | None = None, evidence: EvidenceColumn = EvidenceColumn.BY_SIDE) -> None:
    """Both discoms answer what they were asked."""
    network.seller.attest({SOLD: Figure(net_wh=-4321, evidence=EVIDENCE)})
    network.buyer.attest({BOUGHT: Figure(net_wh=5000, evidence=EVIDENCE[::-1])})
    for discom in (network.seller, network.buyer):
        for request in discom.asked:
            discom.answer(request, shape=shape, evidence=evidence)


def test_a_day_is_asked_answered_allocated_and_settled(network: Network) -> None:
    network.exchange.put_both()
    report = network.pull()
    assert [(one["httpStatus"], one["ack"], one["warnings"]) for one in report] == [(200, "ACK", [])] * 2
    settle(network)
    (trade,) = network.exchange.settlement()
    assert (trade["status"], trade["pushedKwh"], trade["pulledKwh"], trade["settledKwh"]) == (
        "SETTLED", "4.321", "5.000", "4.321",
    )  # fmt: skip
    assert trade["seller"]["clientReference"] == f"sk1:{EVIDENCE.hex()}"  # type: ignore[index]
    assert trade["buyer"]["residualKwh"] == "0.679"  # type: ignore[index]


def test_what_is_allocated_is_not_asked_again_unless_everything_is(network: Network) -> None:
    network.exchange.put_both()
    network.pull()
    settle(network)
    assert network.pull() == []
    assert len(network.pull(everything=True)) == 2


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("shape", [None, *Shape])
def test_every_form_of_question_is_answered_in_every_shape(tmp_path: Path, form: Form, shape: Shape | None) -> None:
    with networked(tmp_path, form=form) as network:
        network.exchange.put_both()
        network.pull()
        settle(network, shape=shape)
        assert network.exchange.settlement()[0]["status"] == "SETTLED"


@pytest.mark.parametrize("dialect", list(ProvidersDialect))
@pytest.mark.parametrize("discoms", list(Dialect))
def test_every_dialect_of_ack_is_understood_on_both_sides(
    tmp_path: Path, dialect: ProvidersDialect, discoms: Dialect
) -> None:
    with networked(tmp_path, dialect=dialect, discoms_dialect=discoms) as network:
        network.exchange.put_both()
        assert [one["ack"] for one in network.pull()] == ["ACK", "ACK"]
        network.seller.attest({SOLD: Figure(net_wh=-4321)})
        receipt = network.seller.answer(network.seller.asked[0])
        assert receipt is not None
        assert receipt.ack.is_ack
        assert receipt.signature is not None
        assert (receipt.ack.ledger is not None) == (dialect is ProvidersDialect.B)


@pytest.mark.parametrize("evidence", list(EvidenceColumn))
def test_evidence_travels_in_the_column_that_is_configured(network: Network, evidence: EvidenceColumn) -> None:
    network.exchange.put_both()
    network.pull()
    settle(network, evidence=evidence)
    (trade,) = network.exchange.settlement()
    expected = None if evidence is EvidenceColumn.NONE else f"sk1:{EVIDENCE.hex()}"
    assert trade["seller"]["clientReference"] == expected  # type: ignore[index]


def test_numbers_written_as_texts_are_read(tmp_path: Path) -> None:
    with networked(tmp_path, numbers=Numbers.TEXT) as network:
        network.exchange.put_both()
        network.pull()
        settle(network)
        assert network.exchange.settlement()[0]["status"] == "SETTLED"


def test_two_trades_share_a_meter_pro_rata_and_never_exceed_it(network: Network) -> None:
    for number in range(3):
        network.exchange.put_both(order_item_id=f"it-{number}", quantity_wh=10_000)
    network.pull()
    network.seller.attest({SOLD: Figure(net_wh=-20_000)})
    network.seller.answer(network.seller.asked[0])
    assert [trade["pushedKwh"] for trade in network.exchange.settlement()] == ["6.667", "6.667", "6.666"]


def test_a_meter_that_drew_gives_nothing(network: Network) -> None:
    network.exchange.put_both()
    network.pull()
    network.seller.attest({SOLD: Figure(net_wh=3000, side=Side.SELLER)})
    network.seller.answer(network.seller.asked[0])
    assert network.exchange.settlement()[0]["pushedKwh"] == "0.000"


def test_nothing_is_answered_while_nothing_is_known(network: Network) -> None:
    network.exchange.put_both()
    network.pull()
    assert network.seller.answer(network.seller.asked[0]) is None
    assert network.exchange.settlement()[0]["pushedKwh"] is None


def test_a_later_round_revises_and_an_earlier_one_sent_again_does_not(network: Network) -> None:
    network.exchange.put_both()
    network.pull()
    (request,) = network.seller.asked
    rounds = [Figure(net_wh=-4000, evidence=bytes(32)), Figure(net_wh=-4500, evidence=EVIDENCE)]
    shown = []
    for figure in (*rounds, rounds[0]):
        network.seller.attest({SOLD: figure})
        network.seller.answer(request)
        shown.append(network.exchange.settlement()[0]["pushedKwh"])
    assert shown == ["4.000", "4.500", "4.500"]
    assert network.exchange.settlement()[0]["seller"]["revision"] == 2  # type: ignore[index]


def test_one_evidence_for_two_figures_is_refused(network: Network) -> None:
    network.exchange.put_both()
    network.pull()
    (request,) = network.seller.asked
    network.seller.attest({SOLD: Figure(net_wh=-4000, evidence=EVIDENCE)})
    network.seller.answer(request)
    network.seller.attest({SOLD: Figure(net_wh=-4001, evidence=EVIDENCE)})
    with pytest.raises(LedgerRefusedError, match="POL_GENERIC_ERROR"):
        network.seller.answer(request)
    assert network.exchange.settlement()[0]["pushedKwh"] == "4.000"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault.SKEWED_CLOCK, 401, Code.SIGNATURE_INVALID),
        (Fault.WRONG_NETWORK, 401, Code.UNAUTHORIZED_ACTION),
        (Fault.REVOKED_KEY, 401, Code.KEY_EXPIRED_OR_REVOKED),
        (Fault.WRONG_WINDOW, 400, Code.INVALID_FORMAT),
    ],
)
def test_a_spoiled_question_is_refused_and_has_no_effect(
    network: Network, fault: Fault, status: int, code: Code
) -> None:
    network.exchange.put_both()
    network.exchange.faults.switch_on(fault)
    report = network.pull()
    assert [(one["httpStatus"], one["ack"], one["code"]) for one in report] == [(status, "NACK", code.value)] * 2
    assert network.seller.asked == []
    network.exchange.faults.switch_off(fault)
    assert [one["ack"] for one in network.pull()] == ["ACK", "ACK"]


def test_a_replayed_question_is_refused_the_second_time(network: Network) -> None:
    network.exchange.put_both()
    network.exchange.faults.switch_on(Fault.REPLAYED_STATUS, 1)
    report = network.pull()
    assert [(one["httpStatus"], one["code"]) for one in report] == [(200, ""), (401, "AUT_REPLAY_DETECTED")] * 2
    assert len(network.seller.asked) == 1


def test_faults_can_be_on_together(network: Network) -> None:
    network.exchange.put_both()
    for fault in (Fault.REPLAYED_STATUS, Fault.CUT_SHORT, Fault.WRONG_NETWORK):
        network.exchange.faults.switch_on(fault, 1)
    report = network.pull()
    assert [one["code"] for one in report] == ["AUT_UNAUTHORIZED_ACTION", "AUT_REPLAY_DETECTED"] * 2


def test_every_interval_of_the_coverage_is_answered_where_only_the_first_is_listed(network: Network) -> None:
    hours = [(START_UTC + 3600 * number, START_UTC + 3600 * (number + 1)) for number in range(3)]
    for number, (start, end) in enumerate(hours):
        network.exchange.put_both(
            order_item_id=f"it-{number}", delivery_start=utc_text(start), delivery_end=utc_text(end), quantity_wh=3000
        )
    network.exchange.faults.switch_on(Fault.CUT_SHORT, 1)
    network.pull()
    (request,) = network.seller.asked
    assert [(one.window.start_utc, one.window.end_utc) for one in request.wanted] == hours
    network.seller.attest({(SELLER_METER, *hour): Figure(net_wh=-1000 * n) for n, hour in enumerate(hours, start=1)})
    network.seller.answer(request)
    shown = [trade["pushedKwh"] for trade in network.exchange.settlement()]
    assert shown == ["1.000", "2.000", "3.000"]


def test_a_missing_interval_is_left_out_and_its_trade_waits(network: Network) -> None:
    hours = [(START_UTC + 3600 * number, START_UTC + 3600 * (number + 1)) for number in range(3)]
    for number, (start, end) in enumerate(hours):
        network.exchange.put_both(
            order_item_id=f"it-{number}", delivery_start=utc_text(start), delivery_end=utc_text(end)
        )
    network.pull()
    network.seller.attest({(SELLER_METER, *hour): Figure(net_wh=-1000) for hour in (hours[0], hours[2])})
    network.seller.answer(network.seller.asked[0])
    assert [trade["pushedKwh"] for trade in network.exchange.settlement()] == ["1.000", None, "1.000"]


@pytest.mark.parametrize(("fault", "error"), [(Fault.DOWN, LedgerUnavailableError), (Fault.REFUSE, LedgerRefusedError)])
def test_a_provider_that_fails_leaves_the_answer_to_be_pushed_again(
    network: Network, fault: Fault, error: type[Exception]
) -> None:
    network.exchange.put_both()
    network.pull()
    network.seller.attest({SOLD: Figure(net_wh=-4000)})
    network.seller.directory.subscriber(network.seller.received[0].caller.subscriber.key_id)  # type: ignore[union-attr]
    network.exchange.faults.switch_on(fault, 1)
    with pytest.raises(error):
        network.seller.answer(network.seller.asked[0])
    assert network.exchange.settlement()[0]["pushedKwh"] is None
    network.seller.answer(network.seller.asked[0])
    assert network.exchange.settlement()[0]["pushedKwh"] == "4.000"


def test_a_lost_answer_is_pushed_again_with_one_effect(network: Network) -> None:
    network.exchange.put_both()
    network.pull()
    network.seller.attest({SOLD: Figure(net_wh=-4000, evidence=EVIDENCE)})
    network.exchange.faults.switch_on(Fault.LOST_ANSWER, 1)
    with pytest.raises(LedgerUnavailableError):
        network.seller.answer(network.seller.asked[0])
    before = network.exchange.settlement()
    network.seller.answer(network.seller.asked[0])
    assert network.exchange.settlement() == before
    assert before[0]["pushedKwh"] == "4.000"


def test_only_what_ended_within_seven_days_is_asked(network: Network) -> None:
    network.exchange.put_both()
    network.exchange.clock[0] = END_UTC - 1
    assert network.pull() == []
    network.exchange.clock[0] = END_UTC
    assert len(network.pull()) == 2
    network.exchange.clock[0] = START_UTC + 7 * 86_400
    assert len(network.pull()) == 2
    network.exchange.clock[0] += 1
    assert network.pull() == []


def test_the_registry_knows_the_provider_and_the_participants(network: Network) -> None:
    base = f"http://{network.exchange.address}/registry/dedi/lookup"
    found = httpx.get(f"{base}/{LEDGER}/subscribers.beckn.one/k1").json()["data"]
    assert found["details"]["subscriber_url"].endswith("/bap/receiver")
    assert found["is_revoked"] is False
    assert httpx.get(f"{base}/discom-s.example.org/subscribers.beckn.one/k1").status_code == 200
    for unknown in (
        "discom-s.example.org/subscribers.beckn.one/k2",
        "x/subscribers.beckn.one/k1",
        "a%7Cb/subscribers.beckn.one/k1",
    ):
        assert httpx.get(f"{base}/{unknown}").status_code == 404


def test_an_answer_outlives_a_restart_of_the_provider(tmp_path: Path) -> None:
    with networked(tmp_path) as network:
        network.exchange.put_both()
        network.pull()
        (request,) = network.seller.asked
    with networked(tmp_path) as network:
        network.seller.attest({SOLD: Figure(net_wh=-4000)})
        body_uri = network.seller.uri
        assert body_uri != request.context.bpp_uri
        moved = replace(
            request, context=replace(request.context, bap_uri=f"http://{network.exchange.address}/bap/receiver")
        )
        network.seller.answer(moved)
        assert network.exchange.settlement()[0]["pushedKwh"] == "4.000"


def test_the_windows_of_the_rehearsal_are_what_this_test_takes_them_for() -> None:
    assert (utc_text(START_UTC), utc_text(END_UTC)) == (START, END)


def test_an_answer_may_be_signed_over_its_question(network: Network) -> None:
    network.exchange.put_both()
    network.pull()
    (received,) = network.seller.received
    assert received.caller is not None
    assert received.request is not None
    network.seller.attest({SOLD: Figure(net_wh=-4000)})
    with pytest.raises(LedgerUnavailableError, match="AUT_SIGNATURE_INVALID"):
        network.seller.answer(received.request, request_signature="AAAA")
    assert network.exchange.settlement()[0]["pushedKwh"] is None
    receipt = network.seller.answer(received.request, request_signature=received.caller.header.signature_text)
    assert receipt is not None
    assert "request-signature" in receipt.request_signature
    assert network.exchange.settlement()[0]["pushedKwh"] == "4.000"


def test_an_ack_proves_who_gave_it_to_what(network: Network) -> None:
    network.exchange.put_both()
    network.pull()
    network.seller.attest({SOLD: Figure(net_wh=-4000)})
    first, second = (network.seller.answer(network.seller.asked[0]) for _ in range(2))
    assert first is not None
    assert second is not None

    def keys(key_id: KeyId) -> Ed25519PublicKey | None:
        found = network.seller.directory.subscriber(key_id)
        return None if found is None else found.key

    assert first.is_signed(keys, now=NOW)
    assert not first.is_signed(lambda _: None, now=NOW)
    assert not first.is_signed(keys, now=NOW + 301)
    assert not replace(first, signature=None).is_signed(keys, now=NOW)
    assert not replace(first, body=first.body + b" ").is_signed(keys, now=NOW)
    assert not replace(first, request_signature=second.request_signature).is_signed(keys, now=NOW)
    three_lines = signer(LEDGER).sign(first.body, created=NOW, expires=NOW + 300)
    assert not replace(first, signature=three_lines).is_signed(keys, now=NOW)


def test_many_meters_are_asked_in_several_questions(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger_client.sandbox.provider.METERS_AT_ONCE", 2)
    for number in range(5):
        network.exchange.put_both(order_item_id=f"it-{number}", seller_id=f"TEST_S{number}")
    assert [one["meters"] for one in network.pull()] == [2, 2, 1, 1]
    asked = [wanted.meter_id for request in network.seller.asked for wanted in request.wanted]
    assert asked == [f"TEST_S{number}" for number in range(5)]


def test_an_answer_above_the_bound_is_refused(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    network.exchange.put_both()
    network.pull()
    message = body_of(network)
    monkeypatch.setattr("ledger_client.sandbox.desk.MAX_ANSWER_BYTES", len(json.dumps(message).encode()) - 1)
    with pytest.raises(LedgerRefusedError, match="at most"):
        pushed(network, message)
    monkeypatch.setattr("ledger_client.sandbox.desk.MAX_ANSWER_BYTES", len(json.dumps(message).encode()))
    pushed(network, message)


# --- answers that do not fit


def body_of(network: Network) -> dict[str, Any]:
    """The seller's good answer, as JSON."""
    (request,) = network.seller.asked
    figures = {wanted: Figure(net_wh=-4000) for wanted in request.wanted}
    body = on_status(request, figures, form=AnswerForm(receiver_uri=network.seller.uri), now=NOW)
    assert body is not None
    found: dict[str, Any] = json.loads(body)
    return found


def pushed(network: Network, message: object, subscriber: str = "discom-s.example.org") -> None:
    url = f"http://{network.exchange.address}/bap/receiver/on_status"
    with BecknPusher(signer=signer(subscriber), now=lambda: NOW, timeout_s=10) as pusher:
        pusher.push(url, json.dumps(message).encode())


OTHER_ID = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("messageId", OTHER_ID, "SCH_INVALID_FORMAT"),
        ("requestDigest", {"digest": "BLAKE-512=AAAA"}, "SCH_INVALID_FORMAT"),
        ("bppId", "discom-b.example.org", "AUT_UNAUTHORIZED_ACTION"),
        ("bapId", "other.example.org", "AUT_UNAUTHORIZED_ACTION"),
        ("networkId", "x/y", "AUT_UNAUTHORIZED_ACTION"),
        ("version", "1.0", "SCH_INVALID_ENUM"),
    ],
)
def test_an_answer_that_does_not_fit_its_question_is_refused(
    network: Network, name: str, value: object, code: str
) -> None:
    network.exchange.put_both()
    network.pull()
    message = body_of(network)
    message["context"][name] = value
    with pytest.raises(LedgerRefusedError, match=code):
        pushed(network, message)
    assert network.exchange.settlement()[0]["pushedKwh"] is None


def test_an_answer_to_anothers_question_is_refused(network: Network) -> None:
    network.exchange.put_both()
    network.pull()
    message = body_of(network)
    message["context"]["bppId"] = "discom-b.example.org"
    series = message["message"]["contract"]["commitments"][0]["resources"][0]["resourceAttributes"]["dataPayload"][0]
    series["clientName"] = "TEST_DISCOM_BUYER"
    with pytest.raises(LedgerRefusedError, match="messageId"):
        pushed(network, message, "discom-b.example.org")
    series["clientName"] = "TEST_DISCOM_SELLER"
    with pytest.raises(LedgerRefusedError, match="clientName"):
        pushed(network, message, "discom-b.example.org")


def test_a_platform_answers_nothing(network: Network) -> None:
    network.exchange.put_both()
    network.pull()
    with pytest.raises(LedgerRefusedError, match="AUT_UNAUTHORIZED_ACTION"):
        pushed(network, body_of(network), SELLER_PLATFORM)


def test_a_push_that_nobody_asked_for_is_taken(network: Network) -> None:
    network.exchange.put_both()
    network.pull()
    message = body_of(network)
    message["context"] |= {"transactionId": OTHER_ID, "messageId": OTHER_ID}
    pushed(network, message)
    assert network.exchange.settlement()[0]["pushedKwh"] == "4.000"


def test_an_actual_without_a_trade_is_taken_and_allocates_nothing(network: Network) -> None:
    network.exchange.put_both()
    network.pull()
    message = body_of(network)
    series = message["message"]["contract"]["commitments"][0]["resources"][0]["resourceAttributes"]["dataPayload"][0]
    for changes in (
        {"resourceName": "another"},
        {"resourceName": BUYER_METER},
        {"intervalPeriod": {"start": START, "duration": "PT1H"}},
    ):
        pushed(
            network,
            json.loads(json.dumps(message).replace(json.dumps(series)[1:-1], json.dumps(series | changes)[1:-1])),
        )
    assert [trade["pushedKwh"] for trade in network.exchange.settlement()] == [None]
    assert [trade["pulledKwh"] for trade in network.exchange.settlement()] == [None]


def test_revenue_flows_of_a_settled_contract_leave_nothing_over(network: Network) -> None:
    network.exchange.put_both(quantity_wh=20_500, price_inr_per_kwh=Decimal("12.5"))
    network.pull()
    network.seller.attest({SOLD: Figure(net_wh=-20_000)})
    network.buyer.attest({BOUGHT: Figure(net_wh=21_000)})
    for discom in (network.seller, network.buyer):
        discom.answer(discom.asked[0])
    answer = httpx.get(f"http://{network.exchange.address}/sandbox/trades").json()
    (contract,) = answer["contracts"]
    assert (contract["tradeValueInr"], contract["finalKwh"], contract["shortfallKwh"]) == ("250.00", "20.000", "0.500")
    assert contract["revenueFlows"] == {
        "buyerPlatform": "-250.00", "sellerPlatform": "250.00", "buyerDiscom": "0.00", "sellerDiscom": "0.00",
    }  # fmt: skip
