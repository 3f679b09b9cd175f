"""Two samples have a difference only if one meter can have shown both."""

from dataclasses import replace
from decimal import Decimal

import pytest

from edge_agent.readers.succession import Break, break_between
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
