"""What the simulated world is made to do: the cases of the demonstration, and recorded homes."""

from dataclasses import dataclass
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


_SHAPES = {
    (Case.OVER, SELLER.name): "export=8400",
    (Case.OVER, BUYER.name): "import=9100",
    (Case.UNDER, SELLER.name): "export=4250",
}


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


def simulator(play: Play, side: Side, meter: Meter, window: Interval, truth: Path) -> list[str]:
    """The arguments of `sakshi-sim` for one meter."""
    kind = ["modbus", "--map", "sdm630"] if meter.role == "solar" else ["dlms"]
    arguments = [*kind, "--listen", "127.0.0.1:0", "--seed", str(play.seed), "--serial", meter.serial]
    arguments += ["--role", meter.role, "--period", str(play.period_s), "--truth", str(truth)]
    if play.replay is not None:
        # The buyer lives in the recorded home too, without its roof.
        arguments += ["--replay", str(play.replay), "--scale-solar", play.scale_solar if side is SELLER else "0"]
    if not meter.settles:
        return arguments
    shape = _SHAPES.get((play.case, side.name))
    if shape is not None:
        arguments += ["--shape", f"{utc_text(window.start_utc)}/{utc_text(window.end_utc)}:{shape}"]
    if play.case is Case.MISSING and side is SELLER:
        arguments += ["--fault", f"missing-block={utc_text(window.start_utc + play.period_s)}"]
    return arguments
