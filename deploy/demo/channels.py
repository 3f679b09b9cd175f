"""Cases in which the ledger is not told each meter's actual: it asks by itself, or the discoms allocate by themselves."""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

from deploy.demo import ports, world
from deploy.demo.processes import DemoError, program, run
from deploy.demo.stage import Outcome, Proof, Shown, Stage
from deploy.demo.turn import Turn, command, log_of, told_by, wait_until
from deploy.demo.world import BUYER, SELLER, SIDES, Side
from ledger_client.sandbox.provider import TEST_NETWORK
from signing.energy import kwh_text
from signing.interval import ist_text

PROVIDER = "ledger.example"
"""The ledger provider's subscriber id."""

_ASK_S = 5
"""How often it asks until everything is allocated; in the network it asks once a day."""


class Beckn(Turn):
    """The ledger provider asks both discoms by `status`, and each answers by a signed `on_status`."""

    def __init__(self) -> None:
        self._ports = {side.name: ports.reserve() for side in SIDES}
        self._asked: list[dict[str, Any]] = []
        """Every question, with what the discom said to it at once."""
        self._is_seen = False
        """Whether both figures were found; what stands by then is said first."""
        self._last_s: float | None = None

    def web_port(self, side: Side) -> int:
        """Known before: the network registers where a discom is asked."""
        return self._ports[side.name]

    def receivers(self) -> Mapping[str, str]:
        """The registered addresses."""
        return {side.subscriber: self._receiver(side) for side in SIDES}

    def _receiver(self, side: Side) -> str:
        return f"http://{ports.HOST}:{self._ports[side.name]}/bpp/receiver"

    def settings(self, stage: Stage, side: Side) -> str:
        """`[beckn]`: who may ask, and the registry that says whose key signed."""
        return (
            f'\n[beckn]\nreceiver = "{self._receiver(side)}"\nnetworks = ["{TEST_NETWORK}"]\n'
            f'directory = "http://{stage.exchange or "127.0.0.1:1"}/registry/dedi/lookup"\n'
            f'[[beckn.caller]]\nsubscriber = "{PROVIDER}"\n'
        )

    def exchange(self, stage: Stage) -> Sequence[str]:
        """The sandbox plays the ledger provider, with a key of its own."""
        key = str(stage.folder / f"{PROVIDER}.pem")
        run([program("sakshi-ledger"), "key", "init", "--subscriber", PROVIDER, key])
        return ("--provider", PROVIDER, "--provider-key", key)

    def heard(self, stage: Stage, outcome: Outcome) -> None:
        """Has the ledger provider ask once both discoms have decided, and again while something is not allocated."""
        now_s = time.monotonic()
        is_early = self._last_s is not None and now_s - self._last_s < _ASK_S
        was_seen, self._is_seen = self._is_seen, len(outcome.actuals) == len(SIDES)
        if outcome.is_settled or is_early or not was_seen:
            return
        self._last_s = now_s
        asked = json.loads(run([program("sakshi-ledger"), "pull", f"http://{stage.exchange}", "--json"]))["questions"]
        self._asked += asked
        for one in asked:
            stage.say(f"{PROVIDER} asks {one['discomId']} by a signed status, which says {one['ack']} at once")

    def shown(self, stage: Stage, outcome: Outcome, proofs: dict[str, Proof]) -> Shown:
        """What the ledger provider has of each discom, beside the digest that the bundle was verified by; what everybody pays and gets."""
        wait_until(stage, "no discom noted that its answer was taken", lambda: len(_answered(stage)) == len(SIDES))
        settlement = json.loads(run([program("sakshi-ledger"), "settlement", f"http://{stage.exchange}", "--json"]))
        (trade,), (contract,) = settlement["trades"], settlement["contracts"]
        carried = {side.name: trade[side.name]["clientReference"] for side in SIDES}
        net = {side.name: trade[side.name]["actualImportedKwh"] for side in SIDES}
        proven = {name: f"sk1:{proof.digest}" for name, proof in proofs.items() if proof.verified}
        posted = sum(len(told_by(stage, side, "/v1/postings")["items"]) for side in SIDES)
        is_acked = bool(self._asked) and all(one["ack"] == "ACK" and not one["warnings"] for one in self._asked)
        flows: dict[str, str] = contract["revenueFlows"]
        return Shown(
            is_as_it_should=is_acked and posted == 0 and carried == proven and outcome.is_settled,
            values={
                "questions": [{name: one[name] for name in ("discomId", "ack", "code")} for one in self._asked],
                "answered": _answered(stage),
                "evidence_at_the_ledger": carried,
                "net_kwh_at_the_ledger": net,
                "posted_by_allocate": posted,
                "revenue_flows_inr": flows,
            },
            rows=(
                *((f"answered, {side.name}", f"net {net[side.name]} kWh with {carried[side.name]}") for side in SIDES),
                ("posted by allocate", f"{posted} figures"),
                *((f"INR of {party}", flow) for party, flow in flows.items()),
            ),
        )


def _answered(stage: Stage) -> list[str]:
    """The discoms whose answers the ledger provider took."""
    return [side.discom for side in SIDES if any(f"of {PROVIDER}: ANSWERED" in row for row in log_of(stage, side))]


_GATES = ("23:57", "23:58", "23:59")
"""By when, on the day after delivery, each round is over. Until then a discom waits for the other one's word, which is there in seconds."""
_TOO_LATE = "23:55"


class Record(Turn):
    """Each discom allocates the trade by itself and writes that: seller, buyer, seller."""

    def before_contract(self, stage: Stage) -> None:
        """Past the gates nobody waits for anybody, and there are no rounds to show."""
        if ist_text(stage.began_utc)[11:16] >= _TOO_LATE:
            raise DemoError("the rounds of this case are over at 23:57 IST: start it again after midnight IST")

    def settings(self, stage: Stage, side: Side) -> str:  # noqa: ARG002 - both alike
        """The gates of the rounds."""
        return f"\n[gates]\nrounds = {json.dumps(list(_GATES))}\n"

    def shown(self, stage: Stage, outcome: Outcome, proofs: dict[str, Proof]) -> Shown:
        """Every word as the ledger keeps it, in the order written."""
        words = list(_recorded(stage))
        expected = list(_three_rounds(outcome, proofs))
        wait_until(stage, "no discom agrees with the ledger", lambda: all(_agrees(stage, side) for side in SIDES))
        posted = sum(len(told_by(stage, side, "/v1/postings")["items"]) for side in SIDES)
        return Shown(
            is_as_it_should=words == expected and posted == 0 and outcome.is_settled,
            values={"words": words, "reconciled": [side.discom for side in SIDES], "posted_by_allocate": posted},
            rows=tuple(
                (f"round {place}, {word['by']}", f"{word['kwh']} kWh {word['status']}, {word['reference']}")
                for place, word in enumerate(words, start=1)
            ),
        )


def _agrees(stage: Stage, side: Side) -> bool:
    """Whether the ledger says what a discom's last word was, read back by the discom itself; a command that finds a difference fails."""
    try:
        lines = json.loads(command(stage, "reconcile", "--json", side=side))["lines"]
    except DemoError:
        return False
    return len(lines) == 1


def _recorded(stage: Stage) -> Iterator[dict[str, str]]:
    """What discoms wrote at the exchange, in order, out of its own database."""
    file = stage.folder / "exchange" / "exchange.sqlite3"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT caller_id, allocated_wh, status, client_reference FROM recorded ORDER BY rowid"
        ).fetchall()
    names = {side.subscriber: side.discom for side in SIDES}
    for caller, allocated_wh, status, reference in rows:
        yield {"by": names[caller], "kwh": kwh_text(allocated_wh), "status": status, "reference": reference}


def _three_rounds(outcome: Outcome, proofs: dict[str, Proof]) -> Iterator[dict[str, str]]:
    """The words that the rule asks for: what the seller's meter can give, what the buyer's takes of that, what the seller's gives of that."""
    given, taken = (
        min(world.QUANTITY_KWH, Decimal(outcome.actuals[side.name]["claims"]["totals"][name]))
        for side, name in ((SELLER, "export_kwh"), (BUYER, "import_kwh"))
    )
    least = min(given, taken)
    for number, side, kwh, status in (
        (1, SELLER, given, "PENDING"),
        (2, BUYER, least, "COMPLETED"),
        (3, SELLER, least, "COMPLETED"),
    ):
        digest = proofs[side.name].digest
        yield {"by": side.discom, "kwh": f"{kwh:.3f}", "status": status, "reference": f"sk1:{digest}:r{number}"}
