"""By when a figure is due and what is posted then: IST days, half-open, and nothing becomes better by time."""

from dataclasses import replace
from pathlib import Path

import pytest

from headend.config import parse
from headend.trading.gates import DEFAULT_GATES, AtGate, Gates
from signing.errors import DecodeError
from signing.interval import Interval, parse_instant
from signing.statements.window_actual import Status
from tests.headend.test_config import GOOD

FINALS = frozenset({Status.FINAL, Status.TRUE_UP})
PROVISIONAL = replace(DEFAULT_GATES, at_gate=AtGate.PROVISIONAL)


def at(text: str) -> int:
    return parse_instant(f"2026-{text}+05:30", "t")


def window(start: str, end: str) -> Interval:
    return Interval(at(start), at(end))


MORNING = window("04-26T06:00:00", "04-26T07:00:00")


def test_the_gates_are_those_of_the_day_after_delivery() -> None:
    assert DEFAULT_GATES.data_utc(MORNING) == at("04-27T09:00:00")
    assert DEFAULT_GATES.rounds_utc(MORNING) == (at("04-27T09:55:00"), at("04-27T10:55:00"), at("04-27T11:55:00"))
    assert DEFAULT_GATES.true_up_ends_utc(MORNING) == at("06-10T00:00:00")


@pytest.mark.parametrize(
    ("delivery", "due"),
    [
        (window("04-26T23:00:00", "04-27T00:00:00"), "04-27T09:00:00"),
        (window("04-26T23:00:00", "04-27T00:15:00"), "04-28T09:00:00"),
        (window("04-27T00:00:00", "04-27T01:00:00"), "04-28T09:00:00"),
    ],
)
def test_the_last_instant_of_a_window_says_whose_day_it_is(delivery: Interval, due: str) -> None:
    assert DEFAULT_GATES.data_utc(delivery) == at(due)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("04-26T07:00:00", "04-27T09:00:00"),
        ("04-27T08:59:59", "04-27T09:00:00"),
        ("04-27T09:00:00", "04-27T09:55:00"),
        ("04-27T11:54:59", "04-27T11:55:00"),
    ],
)
def test_the_next_gate_is_the_first_after_now(now: str, expected: str) -> None:
    assert DEFAULT_GATES.next_utc(MORNING, at(now)) == at(expected)


def test_after_the_last_round_there_is_no_gate() -> None:
    assert DEFAULT_GATES.next_utc(MORNING, at("04-27T11:55:00")) is None


@pytest.mark.parametrize(
    ("gates", "status", "now", "expected"),
    [
        (DEFAULT_GATES, Status.FINAL, "04-26T07:00:00", "goes"),
        (DEFAULT_GATES, Status.PROVISIONAL, "04-27T12:00:00", "waits"),
        (PROVISIONAL, Status.PROVISIONAL, "04-27T08:59:59", "waits"),
        (PROVISIONAL, Status.PROVISIONAL, "04-27T09:00:00", "goes"),
        (PROVISIONAL, Status.PENDING, "04-27T12:00:00", "waits"),
        (PROVISIONAL, Status.TRUE_UP, "04-26T07:00:00", "goes"),
    ],
)
def test_a_deadline_chooses_only_what_is_posted(gates: Gates, status: Status, now: str, expected: str) -> None:
    goes = gates.posts(status, MORNING, at(now), FINALS)
    assert ("goes" if goes else "waits") == expected


def test_the_section_has_defaults_and_takes_other_times() -> None:
    assert parse(GOOD, "headend.toml", Path("base")).gates == DEFAULT_GATES
    text = '[gates]\ndata = "08:30"\nrounds = ["09:00"]\nat_gate = "provisional"\ntrue_up_days = 60\nwarn_before_s = 60'
    found = parse(GOOD + text, "headend.toml", Path("base")).gates
    assert (found.data_s, found.rounds_s, found.at_gate) == (30_600, (32_400,), AtGate.PROVISIONAL)
    assert (found.true_up_days, found.warn_before_s) == (60, 60)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('data = "24:00"', "gates.data: expected a time of day"),
        ('data = "9:00"', "gates.data: expected a time of day"),
        ('rounds = ["09:60"]', "gates.rounds.0.: expected a time of day"),
        ('rounds = ["10:00", "10:00"]', "gates.rounds: expected ascending"),
        ('rounds = ["08:59"]', "gates.rounds: expected ascending times, none before 'data'"),
        ('at_gate = "estimate"', "gates.at_gate: expected one of nothing, provisional"),
        ("true_up_days = 0", "gates.true_up_days"),
        ("warn_before_s = -1", "gates.warn_before_s"),
        ("late = 1", "gates.late: unknown key"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(text: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse(f"{GOOD}[gates]\n{text}", "headend.toml", Path("base"))
