"""The demonstration as its users run it: a process of its own, and what it said."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from deploy.demo import world
from signing.interval import Interval

ROOT = Path(__file__).parents[2]
LIMIT_S = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One demonstration that has ended."""

    folder: Path
    window: Interval
    code: int
    said: str
    complained: str

    @property
    def values(self) -> dict[str, Any]:
        """The object in the last line."""
        found: dict[str, Any] = json.loads(self.said.splitlines()[-1])
        return found

    def truth(self, meter: str) -> tuple[int, int]:
        """Import and export in Wh that the simulated meter itself states for the window."""
        return truth_in(self.folder / f"truth-{meter}.json", self.window)


def truth_in(file: Path, window: Interval) -> tuple[int, int]:
    """Import and export in Wh of `window` that a simulated meter wrote of itself."""
    rows = json.loads(file.read_text())["rows"]
    inside = [row for row in rows if window.start_utc <= _seconds(row["start"]) < window.end_utc]
    return sum(row["wh_imp"] for row in inside), sum(row["wh_exp"] for row in inside)


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A demonstration that runs, interrupted at the end of the block if it still does."""
    command = [sys.executable, "-m", "deploy.demo", "--state", str(folder), *arguments]
    with (
        (folder.parent / f"{folder.name}.out").open("w") as said,
        (folder.parent / f"{folder.name}.err").open("w") as complained,
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=complained, text=True) as run,
    ):
        try:
            yield run
        finally:
            if run.poll() is None:
                run.send_signal(signal.SIGTERM)
            run.wait()


def once(folder: Path, *arguments: str) -> Played:
    """A demonstration that was played to its end, within one IST day."""
    while True:
        window = world.delivery_window(int(time.time()))
        with demo(folder, "--once", *arguments) as run:
            code = run.wait(LIMIT_S)
        if world.delivery_window(int(time.time())) == window:
            return Played(
                folder=folder,
                window=window,
                code=code,
                said=(folder.parent / f"{folder.name}.out").read_text(),
                complained=(folder.parent / f"{folder.name}.err").read_text(),
            )
