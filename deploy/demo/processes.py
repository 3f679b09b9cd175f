"""The demonstration's processes: started with a log file each, watched, and all stopped again by process id."""

import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

STOP_S = 10
"""How long a process may take to end before it is killed."""

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends the demonstration: Ctrl-C, a request to end, a terminal that is closed."""

_PAUSE_S = 0.05


class DemoError(Exception):
    """The demonstration cannot go on; the message says what was expected and where to look."""


class Processes:
    """Everything that was started. Use `running()`: it stops them in reverse order, whatever happens."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str]) -> Path:
        """Starts `command`; its output goes to the log file that this gives."""
        log = self.log(name)
        with log.open("wb") as stream, _undisturbed():
            # A session of its own: Ctrl-C reaches this program only, which then stops the others in order.
            self._running[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
            )
        return log

    def log(self, name: str) -> Path:
        """Where the output of a process goes."""
        return self._logs / f"{name}.log"

    def wait_for(self, name: str, word: str, timeout_s: float) -> str:
        """The rest of the first line of a process's output that begins with `word`.

        Raises:
            DemoError: the process ended, or did not say it in time.
        """
        ends = time.monotonic() + timeout_s
        while time.monotonic() < ends:
            for line in self.log(name).read_text(errors="replace").splitlines():
                if line.startswith(word):
                    return line.removeprefix(word).strip()
            self.check()
            time.sleep(_PAUSE_S)
        raise DemoError(f"{name} did not say '{word} …' in {timeout_s:g} s:\n{_tail(self.log(name))}")

    def check(self) -> None:
        """Raises `DemoError` when a process has ended by itself."""
        for name, process in self._running.items():
            code = process.poll()
            if code is not None:
                raise DemoError(f"{name} ended with exit code {code}:\n{_tail(self.log(name))}")

    def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends one process by a signal, waits for it, and gives its exit code; it may be started again."""
        process = self._running.pop(name)
        _end(process, number)
        return process.returncode

    def stop(self) -> None:
        """Ends every process, the last started first, and waits for it."""
        while self._running:
            _, process = self._running.popitem()
            _end(process, signal.SIGTERM)


def unheard(_number: int, _frame: FrameType | None) -> None:
    """A handler that does nothing. (SIG_IGN would make the interpreter complain of a signal that is on its way.)"""


@contextmanager
def running(logs: Path) -> Iterator[Processes]:
    """Processes that are stopped at the end of the block, however it ends."""
    found = Processes(logs)
    try:
        yield found
    finally:
        # Every process has a session of its own: a second Ctrl-C here would leave them running for ever.
        before = {number: signal.signal(number, unheard) for number in INTERRUPTS}
        found.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def program(name: str) -> str:
    """The path of one of this environment's programs."""
    return str(Path(sys.executable).parent / name)


def run(command: Sequence[str], *, codes: Collection[int] = (0,)) -> str:
    """The output of a command that ends by itself, by one of the exit codes `codes`.

    Raises:
        DemoError: it failed; with what it said.
    """
    process: subprocess.Popen[str] | None = None
    try:
        with _undisturbed():
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        said, complained = process.communicate()
    except BaseException:
        if process is not None:
            process.kill()
            process.communicate()
        raise
    if process.returncode not in codes:
        raise DemoError(f"{' '.join(command)} ended with exit code {process.returncode}:\n{said}{complained}")
    return said


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Interrupts wait until the end of the block: a process that starts is known, or it would never be stopped."""
    heard: list[int] = []
    before = {number: signal.signal(number, lambda got, _: heard.append(got)) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if heard:
            signal.raise_signal(heard[0])


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
