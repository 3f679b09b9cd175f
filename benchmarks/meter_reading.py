"""Reading one load profile over TCP: our reader beside other clients, from equal simulated meters in the same run.

Every client and every meter is a process of its own, and only the client's CPU counts, from opening the connection to the last row.
The clients take turns: what the machine does meanwhile meets both.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import simulated
from benchmarks.gurux_place import Gurux

_OURS = [sys.executable, "-m", "benchmarks.dlms_client"]
_TURNS = 3
_LIMIT_S = 300
_GURUX_TITLE = "4753580000000001"
_FIRST_COUNTER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingCost:
    """What one reading of the whole profile costs each client: the least of all, since other work only ever adds."""

    ours_s: float
    theirs_s: float
    ours_wall_s: float
    theirs_wall_s: float
    rows: int

    @property
    def ratio(self) -> float:
        """Their CPU over ours."""
        return self.theirs_s / self.ours_s


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    cpu_s: list[float]
    wall_s: list[float]
    rows: int
    import_wh: int


def beside_cosem(folder: Path, repeats: int, *, days: int = simulated.DAYS, cores: tuple[int, ...] = ()) -> ReadingCost:
    """A plain profile, by our reader and by dlms-cosem from the same meter, which runs on `cores`."""
    with simulated.meter(days=days, cores=cores) as place:
        url = simulated.plain_url("dlms+tcp", place, folder)
        port = str(simulated.port_of(place))
        return _in_turns(
            [*_OURS, "ours", url, str(repeats)], [*_OURS, "cosem", port, str(repeats), simulated.PASSWORD], days
        )


def beside_gurux(
    folder: Path, gurux: Gurux, repeats: int, *, days: int = simulated.DAYS, cores: tuple[int, ...] = ()
) -> ReadingCost:
    """A ciphered profile, by our reader and by Gurux's: each from a meter of its own, since a counter that one uses is lost to the
    other.
    """
    folder.mkdir()
    simulated.make_keys(folder)
    with (
        simulated.meter(*simulated.CIPHERED, days=days, cores=cores) as mine,
        simulated.meter(*simulated.CIPHERED, days=days, cores=cores) as its,
    ):
        url = simulated.ciphered_url("dlms+tcp", mine)
        keys = [simulated.ENCRYPTION.hex(), simulated.AUTHENTICATION.hex(), _GURUX_TITLE]
        theirs = [*gurux.command, str(simulated.port_of(its)), str(repeats), simulated.PASSWORD, *keys]
        return _in_turns([*_OURS, "ours", url, str(repeats), str(folder)], theirs, days, counts=True)


def _in_turns(ours: list[str], theirs: list[str], days: int, *, counts: bool = False) -> ReadingCost:
    """With `counts`, the others are told an invocation counter that no turn before has used."""
    found: list[tuple[_Read, _Read]] = []
    for turn in range(_TURNS):
        counter = [str(_FIRST_COUNTER + turn * 1_000_000)] if counts else []
        found.append((_read(ours), _read([*theirs, *counter])))
    for mine, its in found:
        if (mine.rows, mine.import_wh) != (its.rows, its.import_wh) or mine.rows != days * 96:
            raise AssertionError(f"expected equal profiles of {days * 96} rows, got {mine} and {its}")
    return ReadingCost(
        ours_s=min(min(mine.cpu_s) for mine, _ in found),
        theirs_s=min(min(its.cpu_s) for _, its in found),
        ours_wall_s=min(min(mine.wall_s) for mine, _ in found),
        theirs_wall_s=min(min(its.wall_s) for _, its in found),
        rows=days * 96,
    )


def _read(command: list[str]) -> _Read:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=_LIMIT_S, check=True)
    return _Read(**json.loads(done.stdout.splitlines()[-1]))
