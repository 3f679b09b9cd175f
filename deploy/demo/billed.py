"""The case of what surrounds a trade: both customers' bills of the month, and the clearing house that is told what came of it."""

import base64
import json
import secrets
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from deploy.demo.processes import DemoError
from deploy.demo.stage import START_S, Outcome, Proof, Shown, Stage
from deploy.demo.turn import Turn, bill_of, command, wait_until
from deploy.demo.world import SIDES, Side
from signing.energy import kwh_text
from signing.envelope import parse, unseal
from signing.interval import Interval, utc_text
from signing.statements.trade_outcome import TradeOutcome
from signing.trust import parse_trust

WHEELING_INR, TRANSACTION_INR = Decimal("1.01"), Decimal("0.42")
"""Per kWh between two states: the seller pays the first, and each side half of the second."""

_TARIFF = f"""[[charge]]
name = "transaction"
from = "2020-01-01T00:00:00+05:30"
inr_per_kwh = "{TRANSACTION_INR}"
scope = "any"
paid_by = "equal"
[[charge]]
name = "wheeling"
from = "2020-01-01T00:00:00+05:30"
inr_per_kwh = "{WHEELING_INR}"
scope = "interstate"
paid_by = "seller"
[states]
PaVVNL = "UP"
TPDDL = "DL"
"""
_CLEARING = "clearing"


class Billing(Turn):
    """Both discoms bill the month, and tell the clearing house."""

    def __init__(self) -> None:
        self._url = ""
        """Where the clearing house listens."""

    def settings(self, stage: Stage, side: Side) -> str:
        """The tariff, the feed, and days that are validated at once."""
        if not self._url:
            self._start(stage)
        folder = stage.folder / side.discom
        (folder / "tariff.toml").write_text(_TARIFF)
        return (
            '\n[series]\nafter_s = 0\nquiet_s = 0\n\n[billing]\ntariff = "tariff.toml"\n\n'
            f'[[feed]]\nname = "{_CLEARING}"\nurl = "{self._url}"\nsecret = "file:{_secret(stage)}"\n'
        )

    def _start(self, stage: Stage) -> None:
        secret = _secret(stage)
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_hex(16))
        arguments = [str(secret), str(_heard(stage))]
        stage.processes.start(_CLEARING, [sys.executable, "-m", "deploy.demo.listener", *arguments])
        self._url = f"http://{stage.processes.wait_for(_CLEARING, 'listening ', START_S)}/outcomes"
        stage.say(f"a clearing house listens on {self._url}")

    def shown(self, stage: Stage, outcome: Outcome, proofs: dict[str, Proof]) -> Shown:
        """Both bills, the look-up that stops a retailer from billing twice, and the outcomes that the listener can trust."""
        discoms = {side.discom for side in SIDES}
        wait_until(stage, "the clearing house was not told by both", lambda: _told(stage).keys() == discoms)
        wait_until(stage, "no day was validated", lambda: all(_is_billed(bill_of(stage, side)) for side in SIDES))
        bills = {side.name: bill_of(stage, side) for side in SIDES}
        charged = {name: {line["name"]: line["amount_inr"] for line in bill["lines"]} for name, bill in bills.items()}
        lookups = {side.name: _lookup(stage, side, stage.window.start_utc) for side in SIDES}
        before = {side.name: _lookup(stage, side, stage.window.start_utc - stage.play.period_s) for side in SIDES}
        trusted = {side.name: _trusted(stage, side) for side in SIDES}
        expected = {side.name: _expected(stage, side, outcome, proofs) for side in SIDES}
        settled = outcome.trade["settledKwh"]
        is_billed = charged == _amounts(outcome) and all(
            bill[f"p2p_{_DID[name]}_kwh"] == settled and not bill["open_trades"] for name, bill in bills.items()
        )
        is_found = all(f"{name.upper()} of " in said for name, said in lookups.items())
        return Shown(
            is_as_it_should=(is_billed and is_found and set(before.values()) == {_NO_TRADE} and trusted == expected),
            values={
                "charged_inr": charged,
                "bills": bills,
                "lookup": lookups,
                "lookup_before_the_window": before,
                "told": {name: one.digest.hex() for name, one in trusted.items()},
            },
            rows=(
                *((f"bill, {name}", _row(name, bills[name], charged[name])) for name in bills),
                *((f"is there a trade, {name}", said) for name, said in lookups.items()),
                *((f"told and verified, {name}", f"TradeOutcome {one.digest.hex()}") for name, one in trusted.items()),
            ),
        )


_DID = {"seller": "sold", "buyer": "bought"}
_NO_TRADE = "no trade"


def _secret(stage: Stage) -> Path:
    return stage.folder / "clearing.secret"


def _heard(stage: Stage) -> Path:
    return stage.folder / "clearing.jsonl"


def _told(stage: Stage) -> dict[str, dict[str, Any]]:
    """The newest outcome that each discom told under the secret that it shares with the clearing house."""
    heard = _heard(stage)
    bodies = [json.loads(line) for line in heard.read_text().splitlines()] if heard.exists() else []
    return {body["discom"]: body["outcomes"][-1] for body in bodies}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What the clearing house knows of one side once the discom's signature fits."""

    digest: bytes
    side: str
    posted_as: str
    window: Interval
    settled_kwh: str
    evidence: str


def _trusted(stage: Stage, side: Side) -> _Outcome:
    """The outcome that a discom told, out of the signed statement itself.

    Raises:
        DemoError: the key is none of the discom's at that place of its log.
        SigningError: it is not signed by that key.
    """
    told = _told(stage)[side.discom]
    file = stage.headends[side.name].folder / "state" / "trust.toml"
    envelope = parse(base64.b64decode(told["statement"]))
    key = parse_trust(file.read_text(), str(file)).discom_key(envelope.kid, told["cursor"])
    if key is None:
        raise DemoError(f"the outcome that {side.discom} told is signed by a key that {file} does not name")
    signed = unseal(envelope, TradeOutcome, key)
    said = signed.statement
    return _Outcome(
        digest=signed.digest,
        side=said.side.name,
        posted_as=said.posted_as,
        window=said.window,
        settled_kwh=kwh_text(said.settled_wh),
        evidence="" if said.evidence is None else said.evidence.hex(),
    )


def _expected(stage: Stage, side: Side, outcome: Outcome, proofs: dict[str, Proof]) -> _Outcome:
    """What the statement of a side must say: the exchange's energy, and the digest by which the bundle verified."""
    return _Outcome(
        digest=bytes.fromhex(_told(stage)[side.discom]["digest"]),
        side=side.name.upper(),
        posted_as=side.posted_as,
        window=stage.window,
        settled_kwh=str(outcome.trade["settledKwh"]),
        evidence=proofs[side.name].digest,
    )


def _amounts(outcome: Outcome) -> dict[str, dict[str, str]]:
    """What each side is to be charged for what settled, by line; what is got is negative."""
    settled, value = Decimal(outcome.trade["settledKwh"]), Decimal(outcome.trade["amountInr"])
    half, wheeling = settled * TRANSACTION_INR / 2, settled * WHEELING_INR
    return {
        "seller": {"energy": f"{-value:.2f}", "transaction": f"{half:.2f}", "wheeling": f"{wheeling:.2f}"},
        "buyer": {"energy": f"{value:.2f}", "transaction": f"{half:.2f}"},
    }


def _is_billed(bill: dict[str, Any]) -> bool:
    """Whether the trade is in the bill, and a day is validated."""
    return not bill["open_trades"] and bool(bill["lines"]) and bill["blocks"].get("VALID", 0) > 0


def _lookup(stage: Stage, side: Side, start_utc: int) -> str:
    """What the head-end says to a retailer who asks whether a block is traded."""
    slot = ("--start", utc_text(start_utc), "--end", utc_text(start_utc + stage.play.period_s))
    return command(stage, "billing", "lookup", "--posted-as", side.posted_as, *slot, side=side).strip()


def _row(name: str, bill: dict[str, Any], charged: dict[str, str]) -> str:
    lines = ", ".join(f"{what} INR {amount}" for what, amount in charged.items())
    return f"{bill['month']}: {_DID[name]} {bill[f'p2p_{_DID[name]}_kwh']} kWh, {lines}; {bill['completeness']}"
