"""Faults by name."""

import pytest

from firmware_sim.errors import SetupError
from firmware_sim.faults import MissingBlock, parse_fault
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
    [("gremlins", "expected one of missing-block"), ("missing-block", "date-time"), ("missing-block=x", "date-time")],
)
def test_an_unknown_fault_or_argument_is_refused(text: str, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        parse_fault(text)
