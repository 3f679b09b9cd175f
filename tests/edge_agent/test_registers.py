"""Register values are exact, and say what is not there."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.registers import (
    IMPORT_BLOCK,
    CumulativeRegisters,
    MeterClock,
    ProfileRow,
    RegisterValue,
    float_parts,
    watt_hours_exact,
)


def value(raw: int | None, scaler: int = 0, unit: int | None = 30, register: str = IMPORT_BLOCK) -> RegisterValue:
    return RegisterValue(register=register, raw=raw, scaler=scaler, unit=unit)


@pytest.mark.parametrize(
    ("raw", "scaler", "wh"),
    [(123, 0, "123"), (123, -1, "12.3"), (123, 3, "123000"), (0, -3, "0"), (2**64 - 1, -3, "18446744073709551.615")],
)
def test_an_energy_is_exact(raw: int, scaler: int, wh: str) -> None:
    assert watt_hours_exact(value(raw, scaler)) == Decimal(wh)


@given(st.integers(0, 2**64 - 1), st.integers(-128, 127))
def test_no_raw_integer_is_rounded(raw: int, scaler: int) -> None:
    energy = watt_hours_exact(value(raw, scaler))
    assert energy is not None
    numerator, denominator = energy.as_integer_ratio()
    assert numerator * 10 ** max(0, -scaler) == raw * 10 ** max(0, scaler) * denominator


def test_null_data_has_no_energy() -> None:
    assert watt_hours_exact(value(None)) is None


@pytest.mark.parametrize("unit", [None, 27, 29, 31, 255])
def test_a_unit_other_than_wh_is_refused_by_name(unit: int | None) -> None:
    with pytest.raises(MeterRefusedError, match=rf"expected unit 30 \(Wh\), got {unit} in '1\.0\.1\.29\.0\.255'"):
        watt_hours_exact(value(1, 0, unit))


def test_a_negative_energy_is_refused_by_name() -> None:
    assert watt_hours_exact(value(0)) == 0
    with pytest.raises(MeterDecodeError, match=r"got -1 in '1\.0\.1\.29\.0\.255'"):
        watt_hours_exact(value(-1))


@pytest.mark.parametrize("scaler", [-129, 128])
def test_a_scaler_is_one_octet(scaler: int) -> None:
    assert value(1, -128).scaler == -128
    assert value(1, 127).scaler == 127
    with pytest.raises(MeterDecodeError, match="expected a scaler from -128 to 127"):
        value(1, scaler)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_exactly_its_parts(number: float) -> None:
    raw, power = float_parts(number, "x")
    assert Fraction(raw) * Fraction(10) ** power == Fraction(number)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_float_that_is_no_number_is_refused_by_name(number: float) -> None:
    with pytest.raises(MeterDecodeError, match=r"finite number, got .* in 'imported'"):
        float_parts(number, "imported")


def test_an_absent_export_is_not_zero() -> None:
    registers = CumulativeRegisters(stamp_utc=0, imported=value(5), exported=None)
    assert (registers.imported_wh, registers.exported_wh) == (Decimal(5), None)


def test_a_row_cannot_be_changed_afterwards() -> None:
    values = {IMPORT_BLOCK: value(1)}
    row = ProfileRow(stamp=None, stamp_utc=0, end_utc=0, clock_status=None, values=values)
    values.clear()
    assert row.values[IMPORT_BLOCK].raw == 1
    with pytest.raises(TypeError):
        row.values[IMPORT_BLOCK] = value(2)  # type: ignore[index]


def test_the_clock_counts_milliseconds() -> None:
    clock = MeterClock(utc_s=10, hundredths=37, deviation_min=None, status=None, raw=b"")
    assert clock.utc_ms == 10_370
