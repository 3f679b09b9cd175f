"""Two samples have a difference only if one meter can have shown both."""

from dataclasses import replace
from decimal import Decimal

import pytest

from edge_agent.readers.succession import Break, break_between, finding, has_rolled_over
from edge_agent.registers import RegisterSample, RegisterValue

ENERGY = RegisterValue(register="imported", raw=1, scaler=0, unit=30)
BEFORE = RegisterSample(
    serial="7", imported=ENERGY, exported=ENERGY, imported_wh=1000, exported_wh=500, quantum_wh=Decimal(4), words=()
)


def after(**changes: object) -> Break | None:
    changed: RegisterSample = replace(BEFORE, **changes)  # type: ignore[arg-type]
    return break_between(BEFORE, changed, elapsed_s=900, limit_w=10_000)


@pytest.mark.parametrize("changes", [{}, {"imported_wh": 1001}, {"exported_wh": 501}, {"imported_wh": 3508}])
def test_a_sample_that_went_on_follows(changes: dict[str, object]) -> None:
    assert after(**changes) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"serial": "8"}, Break.METER_SWAPPED),
        ({"serial": None}, Break.METER_SWAPPED),
        ({"exported_wh": None}, Break.EXPORT_CHANGED),
        ({"imported_wh": 999}, Break.WENT_BACK),
        ({"exported_wh": 499}, Break.WENT_BACK),
        # 10 kW for a quarter of an hour is 2500 Wh; two steps of 4 Wh are the register's own.
        ({"imported_wh": 3509}, Break.TOO_FAST),
        ({"exported_wh": 3009}, Break.TOO_FAST),
    ],
)
def test_a_break_is_named(changes: dict[str, object], expected: Break) -> None:
    assert after(**changes) is expected


def sample(import_wh: int, export_wh: int | None = 500, **changes: object) -> RegisterSample:
    changed: RegisterSample = replace(BEFORE, imported_wh=import_wh, exported_wh=export_wh, **changes)  # type: ignore[arg-type]
    return changed


ENDS = (100_000, 4_294_967_296)


@pytest.mark.parametrize(
    ("before_wh", "after_wh", "expected"),
    [
        # The display is full one step after 99,999; 2508 Wh can have flowed.
        (99_999, 2507, Break.ROLLED_OVER),
        (99_999, 2508, Break.WAS_RESET),
        (97_492, 0, Break.ROLLED_OVER),
        (97_491, 0, Break.WAS_RESET),
        (4_294_967_295, 10, Break.ROLLED_OVER),
        # Behind the display's end, before the words'.
        (150_000, 10, Break.WAS_RESET),
        (50_000, 2508, Break.WAS_RESET),
        (50_000, 2509, Break.WENT_BACK),
        (20_000, 2000, Break.WAS_RESET),
        (20_000, 2001, Break.WENT_BACK),
        (50_000, 49_999, Break.WENT_BACK),
    ],
)
def test_a_register_that_fell_says_why(before_wh: int, after_wh: int, expected: Break) -> None:
    before, later = sample(before_wh, ends_wh=ENDS), sample(after_wh, ends_wh=ENDS)
    assert break_between(before, later, elapsed_s=900, limit_w=10_000) is expected


def told(before: RegisterSample, later: RegisterSample) -> str | None:
    return finding(before, later, elapsed_s=900, limit_w=10_000)


def test_a_finding_names_the_register_and_both_values() -> None:
    assert told(sample(1000), sample(1001)) is None
    text = told(sample(50_000, ends_wh=ENDS), sample(49_000, ends_wh=ENDS))
    assert text is not None
    assert text.startswith("register 'imported' went back: 50000 Wh became 49000 Wh in 900 s; check that")
    other = replace(ENERGY, register="exported")
    text = told(sample(1, 9000, exported=other), sample(1, 0, exported=other))
    assert text is not None
    assert "register 'exported' was reset: 9000 Wh became 0 Wh" in text
    assert "began again" in (told(sample(99_999, ends_wh=ENDS), sample(1, ends_wh=ENDS)) or "")
    assert "serial number 7 became none" in (told(sample(1), sample(1, serial=None)) or "")
    assert "export register came or went" in (told(sample(1), sample(1, None)) or "")


@pytest.mark.parametrize(
    ("before", "later", "is_hinted"),
    [
        ((10, 5), (12, 5), True),
        ((10, None), (12, None), True),
        ((10, 5), (9, 5), False),
        ((10, 5), (2519, 5), False),
        ((10, 5), (12, 4), False),
        (None, (12, 5), False),
        ((10, 5), None, False),
        ((10, None), (12, 5), False),
    ],
)
def test_a_wrong_word_order_is_told_when_the_other_one_goes_on(
    before: tuple[int, int | None] | None, later: tuple[int, int | None] | None, *, is_hinted: bool
) -> None:
    for became in (9_000_000, 400_000):
        text = told(sample(500_000, swapped_wh=before), sample(became, swapped_wh=later))
        assert text is not None
        assert ("correct 'word_order'" in text) is is_hinted


@pytest.mark.parametrize(
    ("was", "became", "expected"),
    [
        ((99_999, 500), (5, 500), True),
        ((99_999, 500), (5, 501), True),
        ((500, 99_999), (500, 5), True),
        ((99_999, None), (5, None), True),
        ((99_999, 99_999), (5, 5), True),
        ((1000, 500), (1001, 500), False),
        # One counter was full and the other was reset: not what a counter does by itself.
        ((99_999, 50_000), (5, 5), False),
        ((99_999, 500), (5, 90_000), False),
        ((50_000, 500), (5, 500), False),
    ],
)
def test_a_counter_rolled_over_when_it_was_full_and_nothing_else_is_wrong(
    was: tuple[int, int | None], became: tuple[int, int | None], *, expected: bool
) -> None:
    later = sample(*became, ends_wh=ENDS)
    assert has_rolled_over(was, later, elapsed_s=900, limit_w=10_000) is expected
