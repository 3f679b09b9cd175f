"""What the simulated world is made to do: the cases of the demonstration, and recorded homes."""

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from deploy.demo.world import BUYER, SELLER, Meter, Side
from signing.interval import Interval, utc_text


class Case(Enum):
    """Which delivery is played."""

    FULL = "full"
    OVER = "over"
    """More is exported and imported than was contracted: the excess is left to the retailer."""
    UNDER = "under"
    """Less is exported than was contracted."""
    MISSING = "missing"
    """The seller's meter lacks one block of the window: nothing can be posted for it."""
    FORK = "fork"
    """The seller's gateway was cloned: two histories under one key."""
    GAP = "gap"
    """The seller's meter gives one block only when it is asked again, which the head-end does by a signed command."""
    EXCHANGE = "exchange"
    """The seller's meter is exchanged in the middle of the window: two parts, each proven by its own device."""
    HOLD = "hold"
    """An operator holds the seller's figure, and releases it."""
    OUTAGE = "outage"
    """The seller has no power for half of the window."""
    EDIT = "edit"
    """The seller's meter lacks one block for ever, and two operators state what it is worth."""
    DISPUTE = "dispute"
    """The buyer's discom contests the seller's window, and two operators refuse that."""
    ORIGIN = "origin"
    """Another system read other registers of the seller's meter than were signed: nothing can be posted."""
    BECKN = "beckn"
    """The ledger provider asks both discoms over Beckn, and allocates by itself."""
    RECORD = "record"
    """Both discoms allocate by themselves, in three rounds; the buyer drew less than was contracted."""
    IMPORT = "import"
    """The buyer's meter has no gateway: another system's file says what it measured, and nothing is posted on that."""
    BILLING = "billing"
    """The month is billed with what was traded, and a clearing house is told what came of the trade."""


_SHAPES = {
    (Case.OVER, SELLER.name): "export=8400",
    (Case.OVER, BUYER.name): "import=9100",
    (Case.UNDER, SELLER.name): "export=4250",
    (Case.RECORD, BUYER.name): "import=4300",
}

NEW_METER = Meter(id="SKS1000002", serial="SKS1000002", role="seller", settles=True)
"""What takes the place of the seller's meter in the case `exchange`."""

_EXCHANGED_AFTER_S = 3600
_OUTAGE_S = (1800, 5400)
"""Both after the window's start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What is played: a case in a world of a seed, or a recorded home."""

    case: Case
    seed: int
    replay: Path | None
    scale_solar: str

    @property
    def period_s(self) -> int:
        """Block length of the meters: a recorded home has half hours."""
        return 900 if self.replay is None else 1800

    @property
    def sides(self) -> tuple[Side, Side]:
        """Who takes part, with every meter that does."""
        seller = replace(SELLER, meters=(*SELLER.meters, NEW_METER)) if self.case is Case.EXCHANGE else SELLER
        return seller, BUYER

    @property
    def posts(self) -> tuple[str, ...]:
        """Statuses of figures that the head-ends post. A part that an exchange ends has no register that balances it, and an edit is never FINAL."""
        return ("PROVISIONAL", "FINAL", "TRUE_UP") if self.case in {Case.EXCHANGE, Case.EDIT} else ("FINAL", "TRUE_UP")

    @property
    def pending_after_s(self) -> int:
        """How long blocks may be on their way before their window is said to be PENDING: shorter where somebody waits for that."""
        return 8 if self.case in {Case.EDIT, Case.ORIGIN, Case.IMPORT} else 20

    @property
    def channel(self) -> str:
        """How the head-ends tell the ledger: `[ledger] channel`."""
        return {Case.BECKN: "none", Case.RECORD: "record"}.get(self.case, "allocate")

    def has_gateway(self, side: Side) -> bool:
        """Whether a gateway reads the meters of a side."""
        return not (self.case is Case.IMPORT and side.name == BUYER.name)

    def starts_again(self, side: Side, meter: Meter) -> bool:
        """Whether a meter is ended and started again, and so needs a port that stays its own meanwhile."""
        return self.case is Case.GAP and side.name == SELLER.name and meter.settles

    def withheld(self, window: Interval) -> int | None:
        """Start of the block, UTC seconds, that the seller's meter does not give at first, or ever."""
        return window.start_utc + self.period_s if self.case in {Case.GAP, Case.MISSING, Case.EDIT} else None

    def exchanged_utc(self, window: Interval) -> int | None:
        """When the seller's meter is exchanged, on the edge of a block."""
        return window.start_utc + _EXCHANGED_AFTER_S if self.case is Case.EXCHANGE else None

    def outage(self, window: Interval) -> Interval | None:
        """When the seller has no power."""
        if self.case is not Case.OUTAGE:
            return None
        return Interval(*(window.start_utc + after_s for after_s in _OUTAGE_S))


def simulator(
    play: Play,
    side: Side,
    meter: Meter,
    window: Interval,
    truth: Path,
    *,
    listen: str = "127.0.0.1:0",
    withholds: bool = True,
) -> list[str]:
    """The arguments of `sakshi-sim` for one meter; one that does not withhold gives every block that it has."""
    kind = ["modbus", "--map", "sdm630"] if meter.role == "solar" else ["dlms"]
    arguments = [*kind, "--listen", listen, "--seed", str(play.seed), "--serial", meter.serial]
    arguments += ["--role", meter.role, "--period", str(play.period_s), "--truth", str(truth)]
    if play.replay is not None:
        # The buyer lives in the recorded home too, without its roof.
        scale = play.scale_solar if side.name == SELLER.name else "0"
        arguments += ["--replay", str(play.replay), "--scale-solar", scale]
    if not meter.settles:
        return arguments
    shape = _SHAPES.get((play.case, side.name))
    if shape is not None:
        arguments += ["--shape", f"{_span(window)}:{shape}"]
    if side.name == SELLER.name:
        withheld, outage = play.withheld(window), play.outage(window)
        if withheld is not None and withholds:
            arguments += ["--fault", f"missing-block={utc_text(withheld)}"]
        if outage is not None:
            arguments += ["--fault", f"outage={_span(outage)}"]
    return arguments


def _span(interval: Interval) -> str:
    return f"{utc_text(interval.start_utc)}/{utc_text(interval.end_utc)}"
