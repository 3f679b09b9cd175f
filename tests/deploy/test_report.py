"""What the demonstration says at the end: the keys and forms that programs rely on, null where there is nothing."""

import json
from pathlib import Path
from typing import Any

from deploy.demo import report
from deploy.demo.stage import Outcome, Proof, Shown

SETTLED = {
    "contractedKwh": "6.000", "pushedKwh": "6.000", "pulledKwh": "6.000", "settledKwh": "6.000", "amountInr": "30.00",
}  # fmt: skip
DIGEST = "ab" * 32


def actual(imported: str | None, exported: str | None) -> dict[str, Any]:
    totals = None if imported is None else {"import_kwh": imported, "export_kwh": exported}
    return {"claims": {"totals": totals, "evidence_digest": DIGEST}}


def proof(*, verified: bool = True) -> Proof:
    return Proof(bundle=Path("/b.cbor"), trust=Path("/t.toml"), digest=DIGEST, verified=verified, said="")


def test_a_settled_trade_is_told_in_decimal_strings() -> None:
    outcome = Outcome(trade=SETTLED, actuals={"seller": actual("0.000", "7.627"), "buyer": actual("8.830", "0.000")})
    proofs = {"seller": proof(), "buyer": proof()}
    values = json.loads(report.line(report.result(outcome, proofs, 9.512, signed={"seller": "verified"})))
    evidence = {"bundle": "/b.cbor", "trust": "/t.toml"}
    assert values == {
        "contracted_kwh": "6.000",
        "contracts": {"seller": "verified"},
        "metered": {
            "seller": {"import_kwh": "0.000", "export_kwh": "7.627"},
            "buyer": {"import_kwh": "8.830", "export_kwh": "0.000"},
        },
        "pushed_kwh": "6.000",
        "pulled_kwh": "6.000",
        "settled_kwh": "6.000",
        "amount_inr": "30.00",
        "evidence": {"seller": evidence, "buyer": evidence},
        "verified": True,
        "seconds": 9.5,
    }
    assert outcome.is_settled


def test_what_is_absent_is_null() -> None:
    trade = SETTLED | {"pushedKwh": None, "settledKwh": None, "amountInr": None}
    outcome = Outcome(trade=trade, actuals={"seller": actual(None, None)})
    values = report.result(outcome, {"seller": proof()}, 40.0)
    assert values["metered"]["seller"] == values["metered"]["buyer"] == {"import_kwh": None, "export_kwh": None}
    assert values["pushed_kwh"] is values["settled_kwh"] is values["amount_inr"] is None
    assert values["evidence"]["buyer"] is None
    # A side without a bundle is not verified.
    assert values["verified"] is False
    assert not outcome.is_settled


def test_one_bundle_that_does_not_verify_is_enough() -> None:
    outcome = Outcome(trade=SETTLED, actuals={"seller": actual("0.000", "7.627"), "buyer": actual("8.830", "0.000")})
    proofs = {"seller": proof(), "buyer": proof(verified=False)}
    assert report.result(outcome, proofs, 9.5)["verified"] is False


def test_a_case_adds_what_it_showed_and_whether_it_came_out_as_it_should() -> None:
    outcome = Outcome(trade=SETTLED, actuals={"seller": actual("0.000", "7.627"), "buyer": actual("8.830", "0.000")})
    shown = Shown(is_as_it_should=False, values={"rereads": 0}, rows=())
    values = report.result(outcome, {"seller": proof(), "buyer": proof()}, 9.5, shown)
    assert values["case"] == {"rereads": 0, "as_it_should": False}
