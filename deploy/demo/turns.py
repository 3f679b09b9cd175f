"""What happens in a case beside the meters' own figures: what is done before the contract and after it, and what is shown of it."""

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any

from deploy.demo.acts import Dispute, Edit, Hold, Origin
from deploy.demo.billed import Billing
from deploy.demo.cases import NEW_METER, Case, Play, simulator
from deploy.demo.channels import Beckn, Record
from deploy.demo.imported import Import
from deploy.demo.processes import program, run
from deploy.demo.stage import START_S, Outcome, Proof, Shown, Stage
from deploy.demo.turn import METER, OPERATOR, Turn, command, is_delivered, seller, seller_log, wait_until
from deploy.demo.world import SELLER, Side
from headend.windows import judge
from signing.energy import kwh_text
from signing.evidence import Judgement, WindowCase, copies_by_block
from signing.interval import DAY_S, Interval, ist_day_start, ist_text, parse_instant, utc_text
from signing.statements.reading import Flag
from signing.trust import parse_trust
from signing.verify import verify


class Fork(Turn):
    """The seller's gateway was cloned."""

    def before_contract(self, stage: Stage) -> None:
        """Waits until the seller's head-end has heard both gateways: whoever is first would otherwise settle before the other speaks."""

        def is_seen() -> bool:
            return any(chain["forks"] for chain in seller(stage, f"/v1/meters/{METER.id}")["chains"])

        wait_until(stage, f"{SELLER.discom} saw no fork", is_seen)
        stage.say(f"{SELLER.discom} sees two histories under one key")


class Gap(Turn):
    """The seller's meter did not give one block when it was first read."""

    def __init__(self) -> None:
        self._asked = 0
        """Commands to read the block again."""

    def before_contract(self, stage: Stage) -> None:
        """Waits until what the meter gives is delivered; only then the meter has the block."""
        wait_until(stage, f"{SELLER.gateway} delivered nothing", lambda: is_delivered(stage))
        name = f"meter-{METER.id}"
        stage.processes.end(name)
        arguments = simulator(
            stage.play,
            SELLER,
            METER,
            stage.window,
            stage.truth(METER.id),
            listen=stage.addresses[METER.id],
            withholds=False,
        )
        stage.processes.start(name, [program("sakshi-sim"), *arguments])
        stage.processes.wait_for(name, "listening ", START_S)
        stage.say(f"{METER.id} had no row for the block of {self._block(stage)}; from now on it has")

    def heard(self, stage: Stage, outcome: Outcome) -> None:  # noqa: ARG002 - the log says it
        """Says what the head-end asks for."""
        asked = sum(f"asked {SELLER.gateway} to read blocks of {METER.id} again" in line for line in seller_log(stage))
        if asked > self._asked:
            self._asked = asked
            stage.say(f"{SELLER.discom} lacks that block, and asked {SELLER.gateway} for it by a signed command")

    def shown(self, stage: Stage, outcome: Outcome, proofs: dict[str, Proof]) -> Shown:  # noqa: ARG002 - the figure is enough
        """The block that was missing, and that the head-end asked for it."""
        return Shown(
            is_as_it_should=self._asked > 0 and outcome.is_settled,
            values={"lacked": self._block(stage), "rereads": self._asked},
            rows=(("asked for again, seller", f"the block of {self._block(stage)}: {self._asked} signed command(s)"),),
        )

    @staticmethod
    def _block(stage: Stage) -> str:
        return ist_text(stage.play.withheld(stage.window) or 0)


class Exchange(Turn):
    """The seller's meter is exchanged in the middle of the window."""

    def recorded(self, stage: Stage, side: Side) -> Collection[str]:
        """Records the old meter, and that the new one took its place, as an operator does."""
        at_utc = stage.play.exchanged_utc(stage.window)
        if side.name != SELLER.name or at_utc is None:
            return ()
        sheet = stage.folder / side.discom / "meters.csv"
        since = utc_text(stage.window.start_utc - 30 * DAY_S)
        sheet.write_text(
            "meter,from,identity,connection_point,posted_as,period_s\n"
            f"{METER.id},{since},{METER.serial},{side.connection_point},{side.posted_as},{stage.play.period_s}\n"
        )
        command(stage, "registry", "import", str(sheet), "--apply", "--by", OPERATOR)
        words = ["--point", side.connection_point, "--old", METER.id, "--new", NEW_METER.id]
        words += ["--identity", NEW_METER.serial, "--at", utc_text(at_utc)]
        for which, meter in (("closing", METER.id), ("opening", NEW_METER.id)):
            imported, exported = _registers(stage, meter, at_utc)
            words += [f"--{which}-import", kwh_text(imported), f"--{which}-export", kwh_text(exported)]
        command(stage, "registry", "exchange", *words, "--apply", "--by", OPERATOR)
        stage.say(f"{side.discom} recorded that {NEW_METER.id} took the place of {METER.id} at {ist_text(at_utc)}")
        return {METER.id, NEW_METER.id}

    def shown(self, stage: Stage, outcome: Outcome, proofs: dict[str, Proof]) -> Shown:
        """The parts of the window, and whether each has all of its blocks."""
        claims: dict[str, Any] = outcome.actuals[SELLER.name]["claims"]
        parts: list[dict[str, Any]] = claims["parts"]
        at_utc = stage.play.exchanged_utc(stage.window)
        spans = [parse_instant(part["span"]["start"], "start") for part in parts]
        whole = all(part["counts"]["valid"] == part["counts"]["expected"] > 0 for part in parts)
        proven = SELLER.name in proofs and proofs[SELLER.name].verified
        rows = [
            (
                "part, seller",
                f"{part['meter']} from {ist_text(start)}: export {part['measured']['export_kwh']} kWh, {_counted(part)}",
            )
            for part, start in zip(parts, spans, strict=True)
        ]
        return Shown(
            is_as_it_should=whole and proven and spans == [stage.window.start_utc, at_utc],
            values={
                "status": claims["status"],
                "parts": [{name: part[name] for name in ("meter", "span", "counts", "measured")} for part in parts],
            },
            rows=(("status, seller", claims["status"]), *rows),
        )


def _counted(part: dict[str, Any]) -> str:
    return f"{part['counts']['valid']} of {part['counts']['expected']} blocks"


class Outage(Turn):
    """The seller has no power for half of the window, and delivers less."""

    def shown(self, stage: Stage, outcome: Outcome, proofs: dict[str, Proof]) -> Shown:  # noqa: ARG002 - the bundle says it
        """The blocks that the meter flags, out of the evidence, beside what is short."""
        flagged = tuple(_unsupplied(proofs[SELLER.name], stage.window)) if SELLER.name in proofs else ()
        outage = stage.play.outage(stage.window)
        expected = () if outage is None else tuple(outage.block_starts(stage.play.period_s))
        status = _status(stage)
        return Shown(
            is_as_it_should=flagged == expected != () and status == "CURTAILED_OUTAGE",
            values={"unsupplied": [utc_text(start) for start in flagged], "status": status},
            rows=(
                ("no power, seller", f"{len(flagged)} blocks from {ist_text(flagged[0])}" if flagged else "no block"),
                ("said of it, seller", str(status)),
            ),
        )


def _status(stage: Stage) -> str | None:
    """What the seller's discom said of the delivery, as the seller's platform reads it at the exchange."""
    command = [program("sakshi-ledger"), "get", "--ledger", f"deg+http://{stage.exchange}", "--json"]
    command += ["--key", str(stage.folder / f"{SELLER.platform}.pem"), "--subscriber", SELLER.platform]
    (trade,) = json.loads(run(command))["trades"]
    status: str | None = trade["statusSellerDiscom"]
    return status


_TURNS: dict[Case, Callable[[], Turn]] = {
    Case.FORK: Fork,
    Case.GAP: Gap,
    Case.EXCHANGE: Exchange,
    Case.HOLD: Hold,
    Case.OUTAGE: Outage,
    Case.EDIT: Edit,
    Case.DISPUTE: Dispute,
    Case.ORIGIN: Origin,
    Case.BECKN: Beckn,
    Case.RECORD: Record,
    Case.IMPORT: Import,
    Case.BILLING: Billing,
}


def turn_of(play: Play) -> Turn:
    """What happens in a case."""
    return _TURNS.get(play.case, Turn)()


def _registers(stage: Stage, meter: str, at_utc: int) -> tuple[int, int]:
    """Import and export in Wh that a meter showed then: what it kept at midnight, and the blocks since."""
    truth: dict[str, Any] = json.loads(stage.truth(meter).read_text())
    midnight = ist_day_start(at_utc)
    (kept,) = (row for row in truth["daily"] if parse_instant(row["stamp"], "stamp") == midnight)
    since = [row for row in truth["rows"] if midnight <= parse_instant(row["start"], "start") < at_utc]
    return tuple(kept[name] + sum(row[name] for row in since) for name in ("wh_imp", "wh_exp"))


def _unsupplied(proof: Proof, window: Interval) -> Iterator[int]:
    """Starts of the blocks of a window that its meter says it had no power in, out of the verified bundle."""
    found: list[WindowCase] = []

    def judged(case: WindowCase) -> Judgement:
        found.append(case)
        return judge(case)

    verify(proof.bundle.read_bytes(), parse_trust(proof.trust.read_text(), str(proof.trust)), judged)
    for part in found[0].parts:
        for start, copies in copies_by_block(part.batches, window).items():
            if any(copy.reading.flags & Flag.POWER_FAIL for copy in copies):
                yield start
