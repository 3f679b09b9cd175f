"""That the benchmark runs, refuses to count what it did not check, and reads what it compares with."""

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import intake
from benchmarks.anchor import Anchor, parse_speed
from benchmarks.broker import packets, publish_packet
from benchmarks.fleet import Fleet, Sent
from benchmarks.report import Figure, Left, table
from benchmarks.rows import chosen
from benchmarks.site import Ground
from headend.transport.memory import MemoryTransport


def test_openssl_speed_gives_verifications_a_second() -> None:
    assert parse_speed("+H:\n+F4:3:256:71783.3:20000.0\n") == pytest.approx(50e-6)
    with pytest.raises(ValueError, match="expected a line"):
        parse_speed("nothing of the kind")


def test_rows_run_in_one_order_and_unknown_ones_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(chosen("backlog,live-1")) == ["live-1", "backlog"]
    assert bench.main(["--only", "live-5"]) == 2
    assert "got 'live-5'" in capsys.readouterr().err


def test_a_goal_that_is_missed_by_a_hair_is_not_reached() -> None:
    reached, missed = (
        Figure(name="live", ratio=ratio, unit="limit", goal=0.45, context="how").verdict for ratio in (0.45, 0.4499)
    )
    assert (reached, missed) == ("reached", "NOT reached")


def test_the_table_says_what_was_not_measured_and_why() -> None:
    text = table([], [Left(name="live through Mosquitto", why="not installed")], {"processor": "any"})
    assert "live through Mosquitto: not installed" in text
    assert "processor any" in text


def test_a_packet_is_read_back_whole_byte_by_byte() -> None:
    whole = publish_packet(Sent("t/1", b"x" * 200), 7)
    for cut in range(len(whole)):
        assert list(packets(bytearray(whole[:cut]))) == []
    assert list(packets(bytearray(whole + whole))) == [(0x32, 0, len(whole)), (0x32, len(whole), 2 * len(whole))]


def test_every_tampered_envelope_of_a_backlog_is_found(tmp_path: Path) -> None:
    fleet = Fleet(20, seed=3)
    ground = Ground(tmp_path, fleet.gateways)
    rounds, _ = intake.backlog(ground, fleet, 12, 0.001, Anchor(1, program=None))
    assert rounds.envelopes % 12 == 0
    fleet.restart()
    run = [fleet.gateways[0].next(96, fleet.chance) for _ in range(5)]
    for place, kind in ((1, "forged"), (2, "swapped"), (3, "flipped")):
        run[place] = intake._tampered(run[place], kind)
    with ground.site() as site:
        transport = MemoryTransport()
        worker = site.worker(transport)
        for sent in run:
            transport.deliver(sent.topic, sent.payload)
        report = worker.step(0, 0)
    assert dict(report.noise) == {4: 1, 2: 1}
    assert report.admitted == 3


def test_a_run_that_takes_in_less_than_was_sent_is_no_figure(tmp_path: Path) -> None:
    fleet = Fleet(2, seed=3)
    with Ground(tmp_path, fleet.gateways).site() as site:
        transport = MemoryTransport()
        worker = site.worker(transport)
        sent = fleet.gateways[0].next(1, fleet.chance)
        transport.deliver(sent.topic, sent.payload)
        with pytest.raises(AssertionError, match="expected 2 admitted"):
            intake._drain(site, worker, fleet, 2)
        with pytest.raises(AssertionError, match="expected 2 receipts"):
            intake._require_receipts(transport.take(), 2)


@pytest.mark.slow
def test_the_whole_benchmark_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # The test's own process stays where it is.
    monkeypatch.setattr(bench, "pin", lambda: (None, frozenset()))
    options = [
        "--quick",
        "--gateways",
        "60",
        "--seconds",
        "0.05",
        "--json",
        "--only",
        "anchor,live-1,live-4,backlog,window",
    ]
    assert bench.main(options) == 0
    found = json.loads(capsys.readouterr().out)
    assert {figure["name"] for figure in found["figures"]} >= {
        "live, 4 readings a batch",
        "backlog",
        "one window verified",
    }
    assert all(figure["ratio"] > 0 for figure in found["figures"])
