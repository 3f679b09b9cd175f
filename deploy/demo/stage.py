"""What the demonstration stands on while it runs, and what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.demo.broker import Broker
from deploy.demo.cases import Play
from deploy.demo.processes import Processes
from deploy.demo.world import Side
from signing.interval import Interval

START_S = 30
"""How long a process may take to be ready."""
DECIDE_S = 120
"""How long the trade may take to be settled, or found undecidable, after all processes run."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headend:
    """A running head-end."""

    side: Side
    folder: Path
    url: str
    token: str
    log_key: str
    statement_key: str


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything that runs, and where."""

    folder: Path
    play: Play
    window: Interval
    began_utc: int
    """When the demonstration began."""
    processes: Processes
    say: Say
    broker: Broker = Broker.AUTO
    broker_port: int = 0
    exchange: str = ""
    headends: dict[str, Headend] = field(default_factory=dict)
    web_ports: dict[str, int] = field(default_factory=dict)
    """Of the head-ends, by side: known before they start, because the exchange sends them contracts."""
    addresses: dict[str, str] = field(default_factory=dict)
    """Of the meters, by id."""
    started: float = 0.0
    """Monotonic time when the first process was started."""

    def config(self, side: Side) -> str:
        """The path of a head-end's configuration."""
        return str(self.folder / side.discom / "headend.toml")

    def truth(self, meter: str) -> Path:
        """Where a simulated meter writes what it measured."""
        return self.folder / f"truth-{meter}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the trade, and what each head-end attested."""

    trade: dict[str, Any]
    actuals: dict[str, dict[str, Any]]
    """The newest actual of each side as the API gives it."""

    @property
    def is_settled(self) -> bool:
        """Whether the exchange settled the trade."""
        return self.trade["settledKwh"] is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One side's bundle, as anybody would check it."""

    bundle: Path
    trust: Path
    digest: str
    verified: bool
    said: str
    """What `sakshi-verify` printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a case has to show beside the figures."""

    is_as_it_should: bool
    """Whether the case came out as it should."""
    values: Mapping[str, Any]
    """For programs."""
    rows: tuple[tuple[str, str], ...]
    """For people: what, and what of it."""
    is_to_settle: bool = True
    """Whether the trade settles where the case comes out as it should."""


NOTHING_MORE = Shown(is_as_it_should=True, values={}, rows=())
"""Of a case that shows itself in the figures."""
