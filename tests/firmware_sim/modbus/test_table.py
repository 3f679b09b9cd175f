"""Registers as a table: values are whole, what lies between them is zero, and the rest is not there."""

import pytest

from firmware_sim.modbus.table import HOLDING, INPUT, IllegalAddressError, Table, Value, fixed

TABLE = Table(
    values={HOLDING: {10: fixed(b"abcd"), 14: Value(words=1, octets=lambda now: now.to_bytes(2, "big"))}},
    spans={HOLDING: (range(10, 16),)},
)


def read(address: int, words: int, function: int = HOLDING) -> bytes:
    return TABLE.read(function, address, words, lambda: 0x4142)


def test_a_span_is_its_values_with_zeros_between() -> None:
    assert read(10, 6) == b"abcd" + bytes(4) + b"AB" + bytes(2)
    assert read(14, 1) == b"AB"


@pytest.mark.parametrize(("address", "words"), [(9, 1), (11, 1), (10, 1), (10, 7), (16, 1), (13, 4)])
def test_what_is_not_there_or_would_be_cut_is_illegal(address: int, words: int) -> None:
    with pytest.raises(IllegalAddressError):
        read(address, words)


def test_the_other_function_has_its_own_registers() -> None:
    with pytest.raises(IllegalAddressError):
        read(10, 2, INPUT)


def test_the_clock_is_asked_once_and_only_for_what_changes() -> None:
    asked: list[int] = []

    def now() -> int:
        asked.append(1)
        return 7

    TABLE.read(HOLDING, 10, 2, now)
    assert asked == []
    table = Table(values={HOLDING: dict.fromkeys((1, 2), Value(words=1, octets=lambda at: at.to_bytes(2, "big")))})
    assert table.read(HOLDING, 1, 2, now) == b"\x00\x07\x00\x07"
    assert asked == [1]
