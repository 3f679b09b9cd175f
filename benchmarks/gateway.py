"""The agent as it runs on a gateway, with eight ciphered meters: memory, CPU and disk for what it reads, signs, stores and sends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cpu import used_by_s
from benchmarks.leaping import LeapingClock, computer_s
from benchmarks.premises import METERS, HeadEnd, Signed, Street, answering, meters, prepare, signed, spent
from benchmarks.site import Ground
from edge_agent.config import Config
from signing.interval import DAY_S, IST_OFFSET_S

BUDGET_RSS = 64 * 1024 * 1024
BUDGET_WRITTEN = 4 * 1024
_RUN = [sys.executable, "-c", "import sys; from edge_agent.cli import main; sys.exit(main())", "run", "--config"]
_LEAPING = "benchmarks.leaping"
_LIMIT_S = 600
_STEP_LIMIT_S = 60
_BEHIND_S = 60
"""How long after a block's end the clock stands still: the agent asks 30 s after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one agent cost for `blocks` read, signed, stored, sent and receipted."""

    blocks: int
    batches: int
    cpu_s: float
    written: int
    first_rss: int
    """After the first day, in bytes."""
    settled_rss: int
    """After a third of the days: caches are full."""
    last_rss: int
    peak_rss: int

    @property
    def cpu_a_block_s(self) -> float:
        """CPU seconds of the agent's process a block."""
        return self.cpu_s / self.blocks

    @property
    def written_a_block(self) -> float:
        """Bytes to the disk a block: one reading of one meter."""
        return self.written / self.blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    blocks: int
    batches: int
    cpu_s: float
    written: int
    rss: int
    peak_rss: int


def backfill(ground: Ground, folder: Path, street: Street, days: int) -> Cost:
    """`sakshi-agent run` from its start until `days` of blocks that nobody has read yet are receipted, of each of eight meters."""
    with ground.site() as site, meters(street, days + 1) as first_port, answering(site, street.broker) as head_end:
        config = prepare(folder, broker=street.broker, site=site, first_port=first_port, backfill_days=days)
        with _agent([*_RUN, str(folder / "agent.toml")], folder) as pid:
            wanted = METERS * days * DAY_S // 900
            watched = _Watched(config, head_end, pid, computer_s)
            watched.wait(lambda now: now.blocks >= wanted, _LIMIT_S)
            nothing = _Mark(blocks=0, batches=0, cpu_s=0, written=0, rss=0, peak_rss=0)
            end = watched.mark()
            return _cost([nothing, end, end, end])


def month(ground: Ground, folder: Path, street: Street, days: int, period_s: int) -> Cost:
    """The agent on a clock that leaps from block to block, as do its meters': what it cost after the first day.

    Every block is asked for when it is over, and sent in a batch of its own.
    """
    path = folder.with_suffix(".clock")
    clock = LeapingClock(path)
    fleet = (_LEAPING, "fleet", str(path))
    try:
        clock.leap(_to_next(clock, period_s))
        with (
            ground.site() as site,
            meters(street, days + 3, fleet, period_s) as first_port,
            answering(site, street.broker) as head_end,
        ):
            config = prepare(folder, broker=street.broker, site=site, first_port=first_port, backfill_days=1)
            command = [sys.executable, "-m", _LEAPING, "agent", str(path), str(folder / "agent.toml")]
            with _agent(command, folder) as pid:
                watched = _Watched(config, head_end, pid, clock.now_s)
                watched.wait_for_block(period_s)
                marks = [watched.mark()]
                for _ in range(days):
                    for _ in range(DAY_S // period_s):
                        clock.leap(_to_next(clock, period_s))
                        os.kill(pid, signal.SIGUSR1)
                        watched.wait_for_block(period_s)
                    marks.append(watched.mark())
                return _cost([marks[1], marks[1], marks[max(1, days // 3)], marks[-1]])
    finally:
        clock.close()


def _cost(marks: list[_Mark]) -> Cost:
    """What came between the first and the last of four, the memory at the other two."""
    start, first, settled, end = marks
    return Cost(
        blocks=end.blocks - start.blocks,
        batches=end.batches - start.batches,
        cpu_s=end.cpu_s - start.cpu_s,
        written=end.written - start.written,
        first_rss=first.rss,
        settled_rss=settled.rss,
        last_rss=end.rss,
        peak_rss=end.peak_rss,
    )


def _to_next(clock: LeapingClock, period_s: int) -> float:
    """Seconds to shortly after the next block."""
    return period_s - _since_block_s(clock.now_s() - _BEHIND_S, period_s)


def _since_block_s(now_s: float, period_s: int) -> float:
    # Blocks begin with the day in India: those of an hour at half past in UTC.
    return (now_s + IST_OFFSET_S) % period_s


class _Watched:
    """A running agent, answered while it is waited for."""

    def __init__(self, config: Config, head_end: HeadEnd, pid: int, now_s: Callable[[], float]) -> None:
        self._config = config
        self._head_end = head_end
        self._pid = pid
        self._now_s = now_s

    def wait_for_block(self, period_s: int) -> None:
        """Until the block that is over is receipted, of every meter."""
        now_s = self._now_s()
        over_utc = round(now_s - _since_block_s(now_s, period_s))
        self.wait(lambda now: now.until_utc >= over_utc, _STEP_LIMIT_S)

    def wait(self, is_done: Callable[[Signed], bool], limit_s: float) -> None:
        """Until `is_done` holds and nothing is without a receipt."""
        ends = time.monotonic() + limit_s
        while time.monotonic() < ends:
            self._head_end.step(int(self._now_s()))
            found = signed(self._config)
            if is_done(found) and not found.waiting:
                return
            if not Path(f"/proc/{self._pid}/io").exists():
                raise AssertionError("the agent ended by itself")
        raise AssertionError(f"expected the agent to be done in {limit_s:g} s, got {signed(self._config)}")

    def mark(self) -> _Mark:
        """What it cost so far."""
        cost = spent(self._pid)
        return _Mark(
            blocks=signed(self._config).blocks,
            batches=self._head_end.admitted,
            cpu_s=used_by_s(self._pid),
            written=cost.written,
            rss=cost.rss,
            peak_rss=cost.peak_rss,
        )


@contextmanager
def _agent(command: list[str], folder: Path) -> Iterator[int]:
    log = folder / "agent.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stream)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()
    if process.returncode:
        raise AssertionError(f"the agent ended with {process.returncode}: {log.read_text()[-400:]}")
