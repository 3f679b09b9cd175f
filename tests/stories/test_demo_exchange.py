"""The cases of `make demo` about how the ledger comes to its figures, and what surrounds the trade: what is shown is what happened."""

from pathlib import Path

import pytest

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
