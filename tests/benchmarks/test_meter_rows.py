"""The rows of the gateway in miniature: real processes, and figures that only count what was checked."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks import gateway, gurux_place, line, meter_reading, meter_rows, simulated, wear
from benchmarks.anchor import Anchor
from benchmarks.bench import Bench, Plan
from benchmarks.broker import RunningBroker, mosquitto
from benchmarks.gateway import Cost
from benchmarks.leaping import LeapingClock, computer_s
from benchmarks.premises import Street
from benchmarks.relay import relay
from benchmarks.report import Figure
from benchmarks.site import Ground
from tests.system import require

PLAN = Plan(
    gateways=1, seconds=1, naive_messages=1, repeats=1, anchor_s=1, cores=(), line_days=1, month_days=2, settled=2
)


def figure(ratio: float, goal: float, *, is_limit: bool) -> Figure:
    return Figure(name="any", ratio=ratio, unit="any", goal=goal, context="how", is_limit=is_limit)


def test_a_limit_is_reached_from_below() -> None:
    verdicts = [figure(ratio, 1.02, is_limit=True).verdict for ratio in (1.0, 1.02, 1.0201)]
    assert verdicts == ["reached", "reached", "NOT reached"]
    assert figure(1.0166, 1.02, is_limit=True).shown == ("1.017", "<= 1.02")
    assert figure(2.5, 1, is_limit=False).shown == ("2.50", ">= 1")


def test_a_relay_counts_what_passes_both_ways() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(100) * 2)

        threading.Thread(target=answer).start()
        with relay(server.getsockname()[1]) as counting, socket.create_connection(("127.0.0.1", counting.port)) as near:
            near.sendall(b"12345")
            received = b""
            while some := near.recv(100):
                received += some
            assert received == b"1234512345"
            assert counting.take() == 15
            assert counting.take() == 0


def test_a_leap_is_seen_by_everybody(tmp_path: Path) -> None:
    mine, theirs = LeapingClock(tmp_path / "clock"), LeapingClock(tmp_path / "clock")
    mine.leap(900)
    mine.leap(900)
    assert theirs.ahead_s == 1800
    assert theirs.now_s() - computer_s() == pytest.approx(1800, abs=5)
    mine.close()
    theirs.close()


def test_gurux_is_no_part_of_our_own_environment() -> None:
    assert not gurux_place.found()


@pytest.mark.slow
def test_what_cannot_be_installed_is_told_and_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = gurux_place.install(tmp_path / "venv", str(tmp_path / "no-such.whl"))
    assert isinstance(found, str)
    assert "could not be installed" in found
    monkeypatch.setattr(gurux_place, "install", lambda _: found)
    with ExitStack() as stack:
        bench = Bench(plan=PLAN, anchor=Anchor(1, program=None), stack=stack)
        meter_rows.gurux(bench)
    assert bench.figures == []
    assert [(one.name, one.why) for one in bench.left] == [("ciphered DLMS profile read", found)]


@pytest.mark.slow
def test_both_clients_read_the_same_plain_profile(tmp_path: Path) -> None:
    found = meter_reading.beside_cosem(tmp_path, repeats=1, days=2)
    assert found.rows == 192
    assert min(found.ours_s, found.theirs_s, found.ratio) > 0


@pytest.mark.slow
def test_our_client_reads_a_ciphered_profile_as_a_process(tmp_path: Path) -> None:
    simulated.make_keys(tmp_path)
    with simulated.meter(*simulated.CIPHERED, days=2) as place:
        url = simulated.ciphered_url("dlms+tcp", place)
        command = [sys.executable, "-m", "benchmarks.dlms_client", "ours", url, "2", str(tmp_path)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert found["rows"] == 192
    assert found["import_wh"] > 0
    assert len(found["cpu_s"]) == len(found["wall_s"]) == 2


@pytest.mark.slow
def test_profiles_that_differ_are_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = iter([(192, 1000), (192, 999)] * 3)

    def read(_: list[str]) -> meter_reading._Read:
        rows, import_wh = next(reads)
        return meter_reading._Read(cpu_s=[1], wall_s=[1], rows=rows, import_wh=import_wh)

    monkeypatch.setattr(meter_reading, "_read", read)
    with pytest.raises(AssertionError, match="expected equal profiles"):
        meter_reading._in_turns([], [], days=2)


@pytest.mark.slow
def test_no_reading_is_quicker_than_its_line(tmp_path: Path) -> None:
    found = line.paced(tmp_path / "line", bps=115_200, days=1)
    assert found.rows == 96
    assert found.took_s >= found.line_s


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    with mosquitto(require("mosquitto"), tmp_path) as running:
        yield running


def is_sane(found: Cost) -> bool:
    # An interpreter alone takes 8 MiB, and no block is free.
    return found.peak_rss > 2**23 and found.last_rss > 2**23 and found.cpu_s > 0 and found.written > 100 * found.blocks


@pytest.mark.slow
@pytest.mark.system
def test_an_agent_is_watched_until_its_back_fill_is_receipted(tmp_path: Path, broker: RunningBroker) -> None:
    found = gateway.backfill(Ground(tmp_path, ()), tmp_path / "gateway", Street(broker=broker), days=1)
    assert found.blocks >= 8 * 96
    assert found.batches >= 8
    assert is_sane(found)


@pytest.mark.slow
@pytest.mark.system
def test_an_agent_polls_days_in_seconds(tmp_path: Path, broker: RunningBroker) -> None:
    found = gateway.month(Ground(tmp_path, ()), tmp_path / "gateway", Street(broker=broker), days=2, period_s=3600)
    # After the first day, one batch of every meter at the end of every hour.
    assert found.blocks == found.batches == 8 * 24
    assert is_sane(found)


def test_what_a_state_writes_is_counted_for_readings_that_were_signed_and_answered(tmp_path: Path) -> None:
    found = wear.wear(tmp_path / "state", meters=2, polls=3, apart_s=0)
    assert found.readings == 6
    assert found.a_reading >= 0  # a disk in memory is written nothing
