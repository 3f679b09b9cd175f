"""One run: what is asked of it, what its rows share, and what came of them."""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import broker, over_mqtt
from benchmarks.anchor import Anchor
from benchmarks.fleet import Fleet
from benchmarks.intake import Rounds
from benchmarks.over_mqtt import Place
from benchmarks.report import Figure, Left
from benchmarks.site import Ground

LIVE_GOAL = 0.45
LIMIT = "limit / CPU of an envelope"
NO_BROKER = "mosquitto is not installed: run `make system`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    gateways: int
    seconds: float
    """CPU seconds of each row of intake."""
    naive_messages: int
    repeats: int
    anchor_s: int
    cores: tuple[int, ...]
    """Where whoever plays the gateways runs."""
    line_days: int
    """Days of a profile that are read over a line of 9600 bit/s."""
    month_days: int
    """Days that an agent polls, after a first one."""
    settled: int
    """Meters with a window each that is settled."""


@dataclass(slots=True)
class Bench:
    """One run: what rows share is made when the first of them asks for it."""

    plan: Plan
    anchor: Anchor
    stack: ExitStack
    figures: list[Figure] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    _folder: Path | None = None
    _fleet: Fleet | None = None
    _ground: Ground | None = None
    _place: Place | None = None
    _through_broker: dict[int, Rounds] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """A folder for the run, deleted after it."""
        if self._folder is None:
            self._folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="sakshi-bench-")))
        return self._folder

    @property
    def fleet(self) -> Fleet:
        """The gateways."""
        if self._fleet is None:
            self._fleet = Fleet(self.plan.gateways, seed=1)
        return self._fleet

    @property
    def ground(self) -> Ground:
        """The head-end that has enrolled them."""
        if self._ground is None:
            self._ground = Ground(self.folder, self.fleet.gateways)
        return self._ground

    @property
    def place(self) -> Place | None:
        """A running Mosquitto, where it is installed."""
        program = broker.program()
        if self._place is None and program is not None:
            running = self.stack.enter_context(broker.mosquitto(program, self.folder))
            self._place = Place(running, self.folder, self.plan.cores)
        return self._place

    def add(self, name: str, ratio: float, context: str, *, unit: str = LIMIT, goal: float | None = None) -> None:
        """Notes a figure whose goal is a least one."""
        self.figures.append(Figure(name=name, ratio=ratio, unit=unit, goal=goal, context=context))

    def add_limited(self, name: str, ratio: float, context: str, *, unit: str, most: float) -> None:
        """Notes a figure whose goal is a limit."""
        self.figures.append(Figure(name=name, ratio=ratio, unit=unit, goal=most, context=context, is_limit=True))

    def through_broker(self, blocks: int) -> Rounds | None:
        """Live intake through the broker, measured once, with the broker's CPU."""
        if self.place is None:
            return None
        if blocks not in self._through_broker:
            ours, whole = over_mqtt.live(
                self.ground, self.fleet, self.anchor, self.place, blocks=blocks, seconds=self.plan.seconds
            )
            self._through_broker[blocks] = whole
            goal = LIVE_GOAL if blocks == 4 else None
            name = f"live through Mosquitto, {readings(blocks)}"
            self.add(name, ours.ratio, f"paho's client, broker not counted; {ours.context()}", goal=goal)
            self.add(f"{name}, broker counted", whole.ratio, whole.context())
        return self._through_broker[blocks]


def readings(blocks: int) -> str:
    """How a batch is named in the table."""
    return "1 reading a batch" if blocks == 1 else f"{blocks} readings a batch"
