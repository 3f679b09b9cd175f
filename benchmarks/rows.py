"""The rows of the table: what is run, and the figures that come of it."""

from collections.abc import Callable, Iterator

from benchmarks import intake, meter_rows, naive, settling, window
from benchmarks.bench import LIVE_GOAL, NO_BROKER, Bench, readings
from benchmarks.intake import Rounds
from benchmarks.report import Left

BACKLOG_GOAL, ROW_GOAL, MESSAGE_GOAL = 2.5, 12.0, 6.0
READINGS_GOAL = 21.0
"""500,000 readings a second where one verification takes 42 us, as in GOALS."""
_OUTAGE_DAYS = 32


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
        bench.add(f"live, {readings(blocks)}", rounds.ratio, context, goal=LIVE_GOAL if blocks == 4 else None)
        if blocks == 96:
            _readings_figure(bench, "readings, live batches of 96", rounds)

    return run


def mqtt(bench: Bench) -> None:
    """Live intake through a real broker."""
    if bench.through_broker(4) is None:
        bench.left.append(Left(name="live through Mosquitto", why=NO_BROKER))


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
        bench.left.append(Left(name="naive head-end", why=NO_BROKER))
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


def settlement(bench: Bench) -> None:
    """Windows from their trade to the confirmed post."""
    plan = bench.plan
    found = settling.settled(bench.folder, plan.settled, plan.cores, bench.anchor)
    context = (
        f"{found.windows} meters, hourly batches; {found.cost_s * 1e3:.1f} ms of CPU, {found.decided:.0f} verifications of it "
        "in the step that pulls, decides, attests and addresses"
    )
    bench.add("one window settled", found.times_limit, context, unit="its CPU / one verification (less is better)")


ROWS: dict[str, Callable[[Bench], None]] = {
    "anchor": anchor,
    "live-1": live(1),
    "live-4": live(4),
    "live-96": live(96),
    "backlog": backlog,
    "mqtt": mqtt,
    "naive": naive_headend,
    "window": bundle,
    "settle": settlement,
    "meter": meter_rows.cosem,
    "gurux": meter_rows.gurux,
    "wire": meter_rows.wire,
    "line": meter_rows.line_time,
    "gateway": meter_rows.backfill,
    "month": meter_rows.month,
    "wear": meter_rows.wear,
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


def _readings_figure(bench: Bench, name: str, rounds: Rounds) -> None:
    context = f"stored as signed columns, not as rows; {96 / rounds.cost_s:.0f} readings a CPU second"
    bench.add(
        name, 96 * rounds.ratio, context, unit="durable readings in the time of one verification", goal=READINGS_GOAL
    )
