"""CPU time, and the core it is spent on. Wall-clock time on a shared machine says nothing, so nothing here reads it."""

import os
import platform
import sqlite3
import time
from importlib.metadata import version
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12


def used_s() -> float:
    """User and system seconds of this process with all its threads, without its children."""
    return time.process_time()


def used_by_s(pid: int) -> float:
    """User and system seconds of another process, in steps of one tick (10 ms)."""
    # The program's name stands in parentheses and may hold spaces; the rest are numbers.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS


def pin() -> tuple[int | None, frozenset[int]]:
    """Keeps this process and its later children on one core; that core, and the others.

    Nothing is pinned where there is one core only, or where the system does not let a process choose.
    """
    try:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            return None, frozenset(cores)
        os.sched_setaffinity(0, {cores[-1]})
    except (AttributeError, OSError):
        return None, frozenset()
    return cores[-1], frozenset(cores[:-1])


def machine(core: int | None) -> dict[str, str]:
    """What the figures were made on."""
    return {
        "processor": _model(),
        "cores": str(os.cpu_count()),
        "pinned to core": "none" if core is None else str(core),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("cryptography", "cbor2", "paho-mqtt")},
    }


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
