"""Faults: off until switched on, for so many requests or for all."""

import pytest

from ledger_client.sandbox.faults import Fault, FaultError, Faults, parsed


def test_a_fault_is_off_until_it_is_switched_on() -> None:
    faults = Faults()
    assert not any(faults.take(fault) for fault in Fault)


def test_a_counted_fault_spoils_exactly_so_many_requests() -> None:
    faults = Faults()
    faults.switch_on(Fault.DOWN, 2)
    assert [faults.take(Fault.DOWN) for _ in range(3)] == [True, True, False]
    assert not faults.take(Fault.REFUSE)


def test_an_uncounted_fault_spoils_until_it_is_switched_off() -> None:
    faults = Faults()
    faults.switch_on(Fault.SLOW)
    assert [faults.take(Fault.SLOW) for _ in range(3)] == [True, True, True]
    faults.switch_off(Fault.SLOW)
    assert not faults.take(Fault.SLOW)


def test_a_fault_is_named_with_or_without_a_count() -> None:
    assert parsed("lost-answer") == (Fault.LOST_ANSWER, None)
    assert parsed("down=3") == (Fault.DOWN, 3)


@pytest.mark.parametrize("text", ["", "up", "down=", "down=0", "down=-1", "down=x", "DOWN", "=1"])
def test_a_fault_that_does_not_exist_is_refused_naming_those_that_do(text: str) -> None:
    with pytest.raises(FaultError, match="down, slow, lost-answer, refuse"):
        parsed(text)
