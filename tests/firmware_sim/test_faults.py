"""Faults by name."""

import pytest

from firmware_sim.errors import SetupError
from firmware_sim.faults import Logged, MissingBlock, parse_fault
from firmware_sim.instants import parse_instant


def test_a_missing_block_is_the_one_that_holds_the_instant() -> None:
    at = parse_instant("2026-11-18T10:30:00+05:30")
    fault = parse_fault("missing-block=2026-11-18T10:30:00+05:30")
    assert fault == MissingBlock(at=at)
    assert not fault.keeps_row(at, 900)
    assert not fault.keeps_row(at - 1800, 3600)
    assert fault.keeps_row(at - 900, 900)
    assert fault.keeps_row(at + 900, 900)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gremlins", "expected one of event, missing-block"),
        ("missing-block", "date-time"),
        ("missing-block=x", "date-time"),
        ("event=251", "CODE@ISO"),
        ("event=0@2026-11-18T10:30:00+05:30", "1 to 349"),
        ("event=350@2026-11-18T10:30:00+05:30", "1 to 349"),
        ("event=²@2026-11-18T10:30:00+05:30", "CODE@ISO"),
        ("event=251@x", "date-time"),
    ],
)
def test_an_unknown_fault_or_argument_is_refused(text: str, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        parse_fault(text)


def test_an_event_is_logged_and_costs_no_row() -> None:
    at = parse_instant("2026-11-18T10:30:00+05:30")
    fault = parse_fault("event=251@2026-11-18T10:30:00+05:30")
    assert fault == Logged(code=251, at=at)
    assert fault.keeps_row(at, 900)
