"""Cases in which persons at the seller's discom act: what they do by commands, and what is shown of it."""

import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from deploy.demo.stage import Outcome, Proof, Shown, Stage
from deploy.demo.turn import METER, OPERATOR, Turn, command, is_delivered, seller, seller_log, wait_until
from deploy.demo.world import BUYER, SELLER
from signing.backends.file import create_key
from signing.energy import kwh_text
from signing.interval import DAY_S, ist_day_start, ist_text, parse_instant, utc_text
from signing.keys import Algorithm

_APART_WH = 12_500
"""How much less the AMISP's system read in the case `origin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody of the seller's discom with a key of their own."""

    name: str
    key: str
    """URI of their private key."""

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments by which they sign."""
        return ("--as", self.name, "--key", self.key)


def hire(stage: Stage, *names: str) -> tuple[Person, ...]:
    """Makes each person's key, and adds them as operators of the seller's discom."""
    folder = stage.folder / SELLER.discom
    found = []
    for place, name in enumerate(names, start=1):
        private, public = folder / f"person-{place}.pem", folder / f"person-{place}.pub"
        create_key(str(private), Algorithm.EDDSA)
        key = load_pem_private_key(private.read_bytes(), password=None).public_key()
        public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        who = ("--by", OPERATOR, "--reason", "works at the settlement desk")
        command(stage, "operator", "add", name, "--key", str(public), *who, "--apply")
        found.append(Person(name=name, key=f"file:{private}"))
    stage.say(f"{SELLER.discom} has {len(names)} operators with keys of their own: {', '.join(names)}")
    return tuple(found)


class Hold(Turn):
    """An operator holds the seller's figure, and releases it."""

    def __init__(self) -> None:
        self._told: str | None = None
        """What the exchange had of the seller while the figure was held."""
        self._is_seen = False
        """Whether the figure was found held; what stands by then is said first."""
        self._is_released = False

    def before_contract(self, stage: Stage) -> None:
        """Places the hold."""
        reason = "the seller contests the reading"
        command(
            stage, "hold", "place", "--posted-as", SELLER.posted_as, "--by", OPERATOR, "--reason", reason, "--apply"
        )
        stage.say(f"{OPERATOR} of {SELLER.discom} holds the postings of {SELLER.posted_as}: {reason}")

    def heard(self, stage: Stage, outcome: Outcome) -> None:
        """Releases the hold once the figure stands and is held, and the exchange has settled the other side."""
        if self._is_released or outcome.trade["pulledKwh"] is None:
            return
        postings = seller(stage, "/v1/postings")["items"]
        is_held = any(posting["state"] == "HELD" for posting in postings)
        was_seen, self._is_seen = self._is_seen, is_held and SELLER.name in outcome.actuals
        if not was_seen:
            return
        self._told = outcome.trade["pushedKwh"]
        self._is_released = True
        stage.say(f"{SELLER.discom} has its figure and posts nothing of it: HELD")
        command(
            stage, "hold", "release", "--number", "1", "--by", OPERATOR, "--reason", "read again on site", "--apply"
        )
        stage.say(f"{OPERATOR} released hold 1: read again on site")

    def shown(self, stage: Stage, outcome: Outcome, proofs: dict[str, Proof]) -> Shown:  # noqa: ARG002 - the list says it
        """The hold with who placed and who ended it."""
        held = command(stage, "hold", "list").strip()
        return Shown(
            is_as_it_should=self._is_released and self._told is None and outcome.is_settled,
            values={"held": held, "pushed_kwh_while_held": self._told},
            rows=(("hold, seller", held),),
        )


class Dispute(Turn):
    """The buyer's discom contests the seller's window before it is posted; two operators refuse that."""

    def __init__(self) -> None:
        self._persons: tuple[Person, ...] = ()
        self._signed: list[str] = []
        """Who signed the refusal so far."""
        self._told: list[str | None] = []
        """What the exchange had of the seller whenever it was looked at while the window was contested."""
        self._is_seen = False
        """Whether the figure was found held; what stands by then is said first."""

    def before_contract(self, stage: Stage) -> None:
        """Places the dispute, which names the window and who contests it."""
        self._persons = hire(stage, "A. Rao", "B. Sen")
        window = ("--start", utc_text(stage.window.start_utc), "--end", utc_text(stage.window.end_utc))
        party, reason = f"{BUYER.discom}, letter 17", "contests the seller's reading"
        order = ("--posted-as", SELLER.posted_as, *window, "--party", party, "--by", OPERATOR, "--reason", reason)
        command(stage, "hold", "dispute", *order, "--apply")
        stage.say(f"{party}, {reason}: {SELLER.discom} holds the window, and has it read again")

    def heard(self, stage: Stage, outcome: Outcome) -> None:
        """Once the figure stands and is held, one operator signs the refusal, and at a later look another one."""
        if len(self._signed) == len(self._persons) or outcome.trade["pulledKwh"] is None:
            return
        postings = seller(stage, "/v1/postings")["items"]
        is_held = SELLER.name in outcome.actuals and any(posting["state"] == "HELD" for posting in postings)
        was_seen, self._is_seen = self._is_seen, is_held
        if not (was_seen and is_held):
            return
        self._told.append(outcome.trade["pushedKwh"])
        if not self._signed:
            stage.say(f"{SELLER.discom} has its figure and posts nothing of it: HELD")
        person = self._persons[len(self._signed)]
        words = ("--number", "1", "--refused", "--reason", "the blocks that its meter gave stand")
        said = command(stage, "hold", "release", *words, *person.words, "--apply").splitlines()[0]
        self._signed.append(person.name)
        stage.say(said)

    def shown(self, stage: Stage, outcome: Outcome, proofs: dict[str, Proof]) -> Shown:  # noqa: ARG002 - the list says it
        """The dispute with who contested and who refused, and that nothing was told meanwhile."""
        held = command(stage, "hold", "list").strip()
        refused = f" by {' and '.join(person.name for person in self._persons)}: refused: "
        was_silent = len(self._told) == len(self._persons) and set(self._told) == {None}
        return Shown(
            is_as_it_should=was_silent and refused in held and outcome.is_settled,
            values={"dispute": held, "pushed_kwh_while_contested": self._told, "signed": self._signed},
            rows=(("dispute, seller", held),),
        )


class Edit(Turn):
    """Two operators state a block that the seller's meter lacks for ever."""

    def __init__(self) -> None:
        self._persons: tuple[Person, ...] = ()
        self._worth = (0, 0)
        """Import and export in Wh that they state."""
        self._is_told = False
        """Whether the window was found PENDING; that is said first."""

    def heard(self, stage: Stage, outcome: Outcome) -> None:
        """Proposes and approves the edit once nothing but that block lacks; waits until the head-end has said the window again."""
        actual = outcome.actuals.get(SELLER.name)
        if self._persons or actual is None or actual["claims"]["status"] != "PENDING":
            return
        counts: dict[str, int] = actual["claims"]["parts"][0]["counts"]
        if counts["valid"] != counts["expected"] - 1:
            return
        was_told, self._is_told = self._is_told, True
        if not was_told:
            return
        stage.say(f"{METER.id} never has the block of {self._block(stage)}: {SELLER.discom} cannot decide the window")
        author, approver = self._persons = hire(stage, "A. Rao", "B. Sen")
        self._worth = _left(stage, stage.play.withheld(stage.window) or 0)
        imported, exported = map(kwh_text, self._worth)
        block = f"{utc_text(stage.play.withheld(stage.window) or 0)}={imported}/{exported}"
        why = ("--reason", "row lost; what the registers of two midnights leave")
        command(stage, "edit", "propose", "--meter", METER.id, "--block", block, *why, *author.words, "--apply")
        stage.say(f"{author.name} proposes that it is worth import {imported} kWh, export {exported} kWh")
        command(stage, "edit", "approve", "1", *approver.words, "--apply")
        stage.say(f"{approver.name} approves, and {SELLER.discom} logs the edit of both")
        wait_until(stage, f"{SELLER.discom} did not decide the window again", lambda: not _is_pending(stage))

    def shown(self, stage: Stage, outcome: Outcome, proofs: dict[str, Proof]) -> Shown:
        """The manual energies beside the measured ones, and the edit with both names as the verified bundle has it."""
        claims: dict[str, Any] = outcome.actuals[SELLER.name]["claims"]
        (part,) = claims["parts"]
        manual: dict[str, Any] = part.get("manual") or {}
        proof = proofs.get(SELLER.name)
        edits = (
            []
            if proof is None
            else [row.strip().removeprefix("edits: ") for row in proof.said.splitlines() if ", approved by " in row]
        )
        names = [person.name for person in self._persons]
        is_told = len(edits) == 1 and all(name in edits[0] for name in names) and len(names) > 0
        is_apart = (manual.get("import_wh"), manual.get("export_wh")) == self._worth and part["counts"]["manual"] == 1
        return Shown(
            is_as_it_should=is_told and is_apart and claims["status"] == "PROVISIONAL" and outcome.is_settled,
            values={
                "status": claims["status"],
                "stated": self._block(stage),
                "counts": part["counts"],
                "measured": part["measured"],
                "manual": manual or None,
                "edits": edits,
                "persons": names,
            },
            rows=(
                ("status, seller", claims["status"]),
                (
                    "measured, seller",
                    f"export {part['measured']['export_kwh']} kWh of {part['counts']['valid']} blocks",
                ),
                ("stated, seller", f"export {manual.get('export_kwh')} kWh of {part['counts']['manual']} block"),
                *(("by, seller", edit) for edit in edits),
            ),
        )

    @staticmethod
    def _block(stage: Stage) -> str:
        return ist_text(stage.play.withheld(stage.window) or 0)


class Origin(Turn):
    """The AMISP's own system read other registers of the seller's meter than were signed at the premises."""

    def before_contract(self, stage: Stage) -> None:
        """Imports what that system read, and waits until it is compared with what was signed."""
        wait_until(stage, f"{SELLER.gateway} delivered nothing", lambda: is_delivered(stage))
        truth: dict[str, Any] = json.loads(stage.truth(METER.id).read_text())
        midnight = ist_day_start(stage.window.end_utc) + DAY_S
        kept = _kept(truth, midnight)
        imported, exported = kwh_text(kept["wh_imp"]), kwh_text(kept["wh_exp"] - _APART_WH)
        sheet = stage.folder / SELLER.discom / "amisp.csv"
        sheet.write_text(
            "meter,kind,time,period_s,import_kwh,export_kwh,status\n"
            f"{METER.id},REGISTER,{utc_text(midnight)},,{imported},{exported},VALID\n"
        )
        command(stage, "imports", str(sheet), "--source", "HES of the AMISP", "--apply", "--by", OPERATOR)
        stage.say(
            f"the AMISP's system read {kwh_text(_APART_WH)} kWh less at {ist_text(midnight)} than the meter signed"
        )
        compared = f"origin of {METER.id}: what is said of its registers changed"
        wait_until(
            stage, f"{SELLER.discom} compared nothing", lambda: any(compared in row for row in seller_log(stage))
        )
        stage.say(f"{SELLER.discom} compared both: either another meter was signed for, or another was read")

    def shown(self, stage: Stage, outcome: Outcome, proofs: dict[str, Proof]) -> Shown:
        """Why the window is not decided, and that nothing of it was posted."""
        claims: dict[str, Any] = outcome.actuals[SELLER.name]["claims"]
        postings = seller(stage, "/v1/postings")["items"]
        proof = proofs.get(SELLER.name)
        is_proven = proof is not None and proof.verified and "V32" in proof.said
        is_doubted = claims["status"] == "PENDING" and "V32 ORIGIN" in str(claims["reason"])
        return Shown(
            is_as_it_should=is_doubted and is_proven and not postings and outcome.trade["pushedKwh"] is None,
            is_to_settle=False,
            values={"status": claims["status"], "reason": claims["reason"], "postings": len(postings)},
            rows=(
                ("status, seller", f"{claims['status']}: {claims['reason']}"),
                ("posted, seller", f"{len(postings)} figures"),
            ),
        )


def _is_pending(stage: Stage) -> bool:
    """Whether the newest actual of the seller's window is PENDING."""
    window = f"start={utc_text(stage.window.start_utc)}&end={utc_text(stage.window.end_utc)}"
    newest = seller(stage, f"/v1/actuals?posted_as={SELLER.posted_as}&{window}")[-1]
    return bool(newest["claims"]["status"] == "PENDING")


def _left(stage: Stage, start_utc: int) -> tuple[int, int]:
    """Import and export in Wh that the registers of two midnights leave for the one block of a day that has no row."""
    truth: dict[str, Any] = json.loads(stage.truth(METER.id).read_text())
    day = ist_day_start(start_utc)
    first, last = (_kept(truth, midnight) for midnight in (day, day + DAY_S))
    rows = [row for row in truth["rows"] if day <= parse_instant(row["start"], "start") < day + DAY_S]
    imported, exported = (last[name] - first[name] - sum(row[name] for row in rows) for name in ("wh_imp", "wh_exp"))
    return imported, exported


def _kept(truth: dict[str, Any], midnight_utc: int) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (row for row in truth["daily"] if parse_instant(row["stamp"], "stamp") == midnight_utc)
    return found
