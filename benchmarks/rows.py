"""The rows of the table: what is run, and the figures that come of it."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import broker, intake, meter_reading, naive, over_mqtt, window
from benchmarks.anchor import Anchor
from benchmarks.fleet import Fleet
from benchmarks.intake import Rounds
from benchmarks.over_mqtt import Place
from benchmarks.report import Figure, Left
from benchmarks.site import Ground

LIVE_GOAL, BACKLOG_GOAL, ROW_GOAL, MESSAGE_GOAL = 0.45, 2.5, 12.0, 6.0
READINGS_GOAL = 21.0
"""500,000 readings a second where one verification takes 42 us, as in GOALS."""
LIMIT = "limit / CPU of an envelope"
_OUTAGE_DAYS = 32


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
        """Notes a figure."""
        self.figures.append(Figure(name=name, ratio=ratio, unit=unit, goal=goal, context=context))

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
            name = f"live through Mosquitto, {_readings(blocks)}"
            self.add(name, ours.ratio, f"paho's client, broker not counted; {ours.context()}", goal=goal)
            self.add(f"{name}, broker counted", whole.ratio, whole.context())
        return self._through_broker[blocks]


def anchor(bench: Bench) -> None:
    """The limit itself, by program and by library."""
    for _ in range(3):
        bench.anchor.sample()
    limit = bench.anchor
    context = f"{limit.name}: {limit.median_s() * 1e6:.1f} us a verification; the limit of every ratio below"
    library = sorted(limit.library_s)[len(limit.library_s) // 2]
    bench.add("ES256 verification by cryptography", limit.median_s() / library, context, unit="limit / CPU of one")


def live(blocks: int) -> Callable[[Bench], None]:
    """Live intake of batches of `blocks` readings, without a broker."""

    def run(bench: Bench) -> None:
        rounds = intake.live(bench.ground, bench.fleet, blocks, bench.plan.seconds, bench.anchor)
        context = f"{bench.plan.gateways} gateways in random order, no broker; {rounds.context()}"
        bench.add(f"live, {_readings(blocks)}", rounds.ratio, context, goal=LIVE_GOAL if blocks == 4 else None)
        if blocks == 96:
            _readings_figure(bench, "readings, live batches of 96", rounds)

    return run


def mqtt(bench: Bench) -> None:
    """Live intake through a real broker."""
    if bench.through_broker(4) is None:
        bench.left.append(Left(name="live through Mosquitto", why="mosquitto is not installed: run `make system`"))


def backlog(bench: Bench) -> None:
    """A backlog of days, verified by the newest signature of each run."""
    rounds, tampered = intake.backlog(bench.ground, bench.fleet, _OUTAGE_DAYS, bench.plan.seconds, bench.anchor)
    context = (
        f"runs of {_OUTAGE_DAYS} days of 96; {tampered} envelopes tampered with, every one found; {rounds.context()}"
    )
    bench.add("backlog", rounds.ratio, context, goal=BACKLOG_GOAL)
    _readings_figure(bench, "readings, backlog", rounds)


def naive_headend(bench: Bench) -> None:
    """The typical user's head-end, against ours through the same broker."""
    ours = bench.through_broker(4)
    if ours is None or bench.place is None:
        bench.left.append(Left(name="naive head-end", why="mosquitto is not installed: run `make system`"))
        return
    goals = {naive.Style.ROW: ROW_GOAL, naive.Style.MESSAGE: MESSAGE_GOAL, naive.Style.CAREFUL: None}
    for style, goal in goals.items():
        plan = bench.plan
        rounds = naive.live(
            bench.fleet, style, bench.anchor, bench.place, blocks=4, count=plan.naive_messages, repeats=plan.repeats
        )
        # Both in units of the limit as it was beside each of them.
        ratio = ours.ratio / rounds.ratio
        context = f"no log, no receipts; {rounds.ratio:.3f} of the limit; {rounds.context()}"
        bench.add(f"naive, {style.value}", ratio, context, unit="its CPU / ours, brokers counted", goal=goal)


def bundle(bench: Bench) -> None:
    """Verification of one window."""
    found = window.verification(bench.folder, bench.plan.repeats, bench.anchor)
    context = f"{found.headers} headers in {found.size} bytes, two hours' window; {found.cost_s * 1e3:.1f} ms of CPU"
    bench.add("one window verified", found.times_limit, context, unit="its CPU / one verification (less is better)")


def meter(bench: Bench) -> None:
    """The DLMS reader beside an independent one."""
    found = meter_reading.whole_profile(bench.folder, bench.plan.repeats)
    context = f"{found.rows} rows over TCP, LLS, nothing ciphered; {found.ours_s * 1e3:.0f} ms against {found.theirs_s * 1e3:.0f} ms"
    bench.add("DLMS profile read", found.ratio, context, unit="CPU of dlms-cosem / ours")


ROWS: dict[str, Callable[[Bench], None]] = {
    "anchor": anchor,
    "live-1": live(1),
    "live-4": live(4),
    "live-96": live(96),
    "backlog": backlog,
    "mqtt": mqtt,
    "naive": naive_headend,
    "window": bundle,
    "meter": meter,
}
"""By the name that `--only` takes, in order."""


def chosen(names: str | None) -> Iterator[str]:
    """The rows to run.

    Raises:
        ValueError: a name is not one of `ROWS`.
    """
    wanted = list(ROWS) if names is None else names.split(",")
    for name in wanted:
        if name not in ROWS:
            raise ValueError(f"expected rows of {', '.join(ROWS)}, got '{name}'")
    yield from (name for name in ROWS if name in wanted)


def _readings(blocks: int) -> str:
    return "1 reading a batch" if blocks == 1 else f"{blocks} readings a batch"


def _readings_figure(bench: Bench, name: str, rounds: Rounds) -> None:
    context = f"stored as signed columns, not as rows; {96 / rounds.cost_s:.0f} readings a CPU second"
    bench.add(
        name, 96 * rounds.ratio, context, unit="durable readings in the time of one verification", goal=READINGS_GOAL
    )
