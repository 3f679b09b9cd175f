"""The cases of `make demo` about how the ledger comes to its figures, and what surrounds the trade: what is shown is what happened."""

import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headend.series import IMPORTED
from signing.envelope import parse, unseal
from signing.interval import DAY_S, ist_day_start, parse_instant
from signing.statements.imported_batch import ImportedBatch
from signing.statements.trade_outcome import TradeOutcome
from signing.trust import TrustRoot, parse_trust
from tests.stories.play import Played, once
from tests.stories.test_demo import METERS, kwh, postings, require_truth, verify_again
from tests.stories.test_demo_cases import played, said_before

pytestmark = [pytest.mark.story, pytest.mark.slow, pytest.mark.timeout(240)]

DISCOMS = {"seller": "PaVVNL", "buyer": "TPDDL"}


def digest(found: Played, name: str) -> str:
    """The evidence digest by which a side's bundle verifies, of a process of its own."""
    said = verify_again(found, name)
    (shown,) = (row.split()[-3] for row in found.said.splitlines() if row.startswith(f"  evidence, {name} "))
    assert shown in said
    return shown


def test_a_ledger_provider_that_asks_gets_both_figures_with_their_evidence_and_settles_them(tmp_path: Path) -> None:
    found = played(tmp_path / "state", "beckn")
    case = found.values["case"]
    require_truth(found, "seller")
    require_truth(found, "buyer")
    # Both were asked, and nobody told the ledger anything by itself.
    assert {one["discomId"]: one["ack"] for one in case["questions"]} == dict.fromkeys(DISCOMS.values(), "ACK")
    assert [postings(found, discom) for discom in DISCOMS.values()] == [[], []]
    asked = "ledger.example asks PaVVNL by a signed status, which says ACK at once"
    assert said_before(found, asked, "the exchange allocated 6.000 kWh to the seller's side")
    # What the ledger has of each meter, and the digest by which anybody verifies it.
    _, exported = found.truth(METERS["seller"])
    imported, _ = found.truth(METERS["buyer"])
    assert case["net_kwh_at_the_ledger"] == {"seller": f"-{kwh(exported)}", "buyer": kwh(imported)}
    assert case["evidence_at_the_ledger"] == {name: f"sk1:{digest(found, name)}" for name in DISCOMS}
    assert (found.values["settled_kwh"], found.values["amount_inr"]) == ("6.000", "30.00")
    assert case["revenue_flows_inr"] == {
        "buyerPlatform": "-30.00", "sellerPlatform": "30.00", "buyerDiscom": "0.00", "sellerDiscom": "0.00",
    }  # fmt: skip


def test_two_discoms_that_allocate_by_themselves_settle_in_three_rounds(tmp_path: Path) -> None:
    found = once(tmp_path / "state", "--broker", "embedded", "--case", "record")
    if "start it again after midnight IST" in found.complained:
        # The last five minutes of the gates' day: then nobody waits for anybody, and the case says so.
        assert found.code == 1
        return
    assert found.code == 0, found.said + found.complained
    case = found.values["case"]
    imported, _ = found.truth(METERS["buyer"])
    require_truth(found, "seller")
    seller, buyer = (f"sk1:{digest(found, name)}" for name in DISCOMS)
    # What the seller's meter can give, what the buyer's takes of it, and what the seller's gives of that.
    assert [tuple(word.values()) for word in case["words"]] == [
        ("PaVVNL", "6.000", "PENDING", f"{seller}:r1"),
        ("TPDDL", kwh(imported), "COMPLETED", f"{buyer}:r2"),
        ("PaVVNL", kwh(imported), "COMPLETED", f"{seller}:r3"),
    ]
    assert (found.values["pushed_kwh"], found.values["settled_kwh"]) == (kwh(imported), kwh(imported))
    assert [postings(found, discom) for discom in DISCOMS.values()] == [[], []]
    assert case["reconciled"] == ["PaVVNL", "TPDDL"]


def trust(found: Played, discom: str) -> TrustRoot:
    return parse_trust((found.folder / discom / "state" / "trust.toml").read_text())


def rows(found: Played, discom: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    path = found.folder / discom / "state" / "headend.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchall()


def test_what_another_system_read_is_billed_and_is_never_shown_as_signed_at_source(tmp_path: Path) -> None:
    found = played(tmp_path / "state", "import")
    case = found.values["case"]
    # The window has no figure, and the ledger was told nothing.
    assert (case["status"], case["reason"]) == ("PENDING", "8 of 8 blocks missing")
    assert found.values["metered"]["buyer"] == {"import_kwh": None, "export_kwh": None}
    assert found.values["pulled_kwh"] is found.values["settled_kwh"] is None
    assert (postings(found, "PaVVNL"), postings(found, "TPDDL")) == (["CONFIRMED"], [])
    said = verify_again(found, "buyer")
    assert "  status: PENDING\n" in said
    # Everything that the file stated is one statement of the discom's own, and none of a gateway's.
    (batch,) = case["imported"]["batches"]
    assert (batch["meter"], batch["blocks"]) == (METERS["buyer"], 96)
    assert case["imported"]["origin"] == "vouched for by the discom; not signed at the premises"
    query = "SELECT sign1 FROM statements WHERE digest = ?"
    ((sign1,),) = rows(found, "TPDDL", query, bytes.fromhex(batch["digest"]))
    envelope = parse(sign1)
    key = trust(found, "TPDDL").discom_key(envelope.kid, batch["index"])
    assert key is not None
    assert unseal(envelope, ImportedBatch, key).statement.source == "HES of the AMISP"
    assert rows(found, "TPDDL", "SELECT count(*) FROM gateways") == [(0,)]
    # The day is what the meter measured, marked as what it is; and the bill uses it.
    truth = json.loads((found.folder / f"truth-{METERS['buyer']}.json").read_text())["rows"]
    assert case["day"]["blocks"] == {f"MANUAL/{IMPORTED}": 96}
    assert case["day"]["import_kwh"] == kwh(sum(row["wh_imp"] for row in truth if in_day(row["start"], found)))
    assert case["bill"]["blocks"]["MANUAL"] == 96
    assert set(case["bill"]["blocks"]) == {"MANUAL", "MISSING"}
    assert (case["bill"]["final"], len(case["bill"]["open_trades"])) == (False, 1)
    assert not list((found.folder / "TPDDL" / "drop").glob("*.csv"))
    require_truth(found, "seller")


def in_day(start: str, found: Played) -> bool:
    """Whether a block begins on the IST day of the delivery."""
    midnight = ist_day_start(found.window.start_utc)
    return midnight <= parse_instant(start, "start") < midnight + DAY_S


def test_both_customers_are_billed_and_a_clearing_house_can_trust_what_it_was_told(tmp_path: Path) -> None:
    found = played(tmp_path / "state", "billing")
    case = found.values["case"]
    # 6 kWh at INR 5; wheeling of 1.01 between states is the seller's, and of 0.42 each pays half.
    assert case["charged_inr"] == {
        "seller": {"energy": "-30.00", "transaction": "1.26", "wheeling": "6.06"},
        "buyer": {"energy": "30.00", "transaction": "1.26"},
    }
    bills = case["bills"]
    assert (bills["seller"]["p2p_sold_kwh"], bills["buyer"]["p2p_bought_kwh"]) == ("6.000", "6.000")
    assert [(bill["completeness"], bill["final"]) for bill in bills.values()] == [("INCOMPLETE", False)] * 2
    # Whoever would bill the same energy again is told of the trade, and of none beside it.
    for name in DISCOMS:
        assert f"{name.upper()} of 6.000 kWh" in case["lookup"][name]
        assert case["lookup_before_the_window"][name] == "no trade"
    # What was told is signed by each discom, about this trade and this evidence.
    heard = [json.loads(line) for line in (found.folder / "clearing.jsonl").read_text().splitlines()]
    told = {body["discom"]: one for body in heard for one in body["outcomes"]}
    assert set(told) == set(DISCOMS.values())
    for name, discom in DISCOMS.items():
        envelope = parse(base64.b64decode(told[discom]["statement"]))
        key = trust(found, discom).discom_key(envelope.kid, told[discom]["cursor"])
        assert key is not None
        signed = unseal(envelope, TradeOutcome, key)
        said = signed.statement
        assert (said.side.name, said.window, said.settled_wh) == (name.upper(), found.window, 6000)
        assert said.evidence is not None
        assert said.evidence.hex() == digest(found, name)
        assert signed.digest.hex() == case["told"][name]
        # An outcome that rests on one side's evidence is not told before both sides have their energy.
        assert (said.own_wh, said.other_wh) == (6000, 6000)
