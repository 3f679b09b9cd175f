"""Processes that are started, watched and stopped: by their own id, in reverse order, whatever happens."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.processes import INTERRUPTS, DemoError, Processes, run, running

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)
SLEEPER = "import os, time; print('ready', os.getpid(), flush=True); time.sleep(60)"


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with running(tmp_path) as found:
        yield found


def test_what_a_process_says_is_waited_for(processes: Processes) -> None:
    processes.start("sleeper", python(SLEEPER))
    assert is_alive(int(processes.wait_for("sleeper", "ready ", 20)))


def test_a_process_that_ends_by_itself_is_named_with_its_last_words(processes: Processes) -> None:
    processes.start("hasty", python("print('out of coffee'); raise SystemExit(7)"))
    with pytest.raises(DemoError, match=r"hasty ended with exit code 7:\nout of coffee"):
        processes.wait_for("hasty", "ready", 20)


def test_a_process_that_stays_silent_is_not_waited_for_for_ever(processes: Processes) -> None:
    processes.start("silent", python("import time; time.sleep(60)"))
    with pytest.raises(DemoError, match=r"silent did not say 'ready …' in 0\.1 s"):
        processes.wait_for("silent", "ready", 0.1)


def test_every_process_is_stopped_however_the_block_ends(tmp_path: Path) -> None:
    pids = []

    def perform() -> None:
        with running(tmp_path) as processes:
            for name in ("first", "second"):
                processes.start(name, python(SLEEPER))
                pids.append(int(processes.wait_for(name, "ready ", 20)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform()
    assert [is_alive(pid) for pid in pids] == [False, False]


def test_impatience_while_everything_is_stopped_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {number: signal.getsignal(number) for number in INTERRUPTS}

    def stop(found: Processes) -> None:
        for number in INTERRUPTS:
            os.kill(os.getpid(), number)
        stop_all(found)

    stop_all = Processes.stop
    monkeypatch.setattr(Processes, "stop", stop)
    with running(tmp_path) as processes:
        processes.start("sleeper", python(SLEEPER))
        pid = int(processes.wait_for("sleeper", "ready ", 20))
    assert not is_alive(pid)
    assert {number: signal.getsignal(number) for number in INTERRUPTS} == before


def test_an_interrupt_while_a_process_starts_waits_until_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        """A Ctrl-C after the fork and before anybody knows the process."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    # Whoever starts the tests in the background may have them ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(KeyboardInterrupt), running(tmp_path) as processes:
        processes.start("sleeper", python(SLEEPER))
    with pytest.raises(KeyboardInterrupt):
        run(python(SLEEPER))
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)


def test_one_that_will_not_end_is_killed(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.demo.processes.STOP_S", 0.1)
    processes.start("stubborn", python(STUBBORN))
    processes.wait_for("stubborn", "ready", 20)
    assert processes.end("stubborn") == -signal.SIGKILL


def test_one_that_was_ended_is_no_longer_watched_and_may_start_again(processes: Processes) -> None:
    processes.start("sleeper", python(SLEEPER))
    processes.wait_for("sleeper", "ready ", 20)
    assert processes.end("sleeper", signal.SIGKILL) == -signal.SIGKILL
    processes.check()
    processes.start("sleeper", python(SLEEPER))
    processes.wait_for("sleeper", "ready ", 20)


def test_a_command_that_fails_is_quoted() -> None:
    began = time.monotonic()
    with pytest.raises(DemoError, match=r"(?s)ended with exit code 3:\n.*no such luck"):
        run(python("import sys; print('no such luck', file=sys.stderr); sys.exit(3)"))
    assert run(python("print('fine')")) == "fine\n"
    assert run(python("print('not final'); raise SystemExit(1)"), codes=(0, 1)) == "not final\n"
    assert time.monotonic() - began < 20
