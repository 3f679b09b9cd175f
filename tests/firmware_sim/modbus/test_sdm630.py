"""The register map, word for word."""

import struct

import pytest

from firmware_sim.errors import SetupError
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.modbus.sdm630 import Sdm630
from firmware_sim.modbus.table import IllegalAddressError
from tests.firmware_sim.meters import NOW, SELLER_HOME, import_only, seller, solar


def value(content: bytes) -> float:
    return float(struct.unpack(">f", content)[0])


def test_energies_are_floats_of_kwh_high_word_first() -> None:
    meter = solar()
    registers = Sdm630(meter, 1)
    energies = meter.registers(NOW)
    exported = energies.exported_wh
    assert exported is not None
    assert registers.inputs(0x48, 2, NOW) == struct.pack(">f", energies.imported_wh / 1000)
    assert registers.inputs(0x4A, 2, NOW) == struct.pack(">f", exported / 1000)
    assert registers.inputs(0x156, 2, NOW) == struct.pack(">f", (energies.imported_wh + exported) / 1000)


def test_a_young_meters_float_tells_single_watt_hours() -> None:
    meter = solar()
    registers = Sdm630(meter, 1)
    exported = meter.registers(NOW).exported_wh
    assert exported is not None
    assert round(value(registers.inputs(0x4A, 2, NOW)) * 1000) == exported


def test_the_total_is_import_and_export() -> None:
    meter = seller()
    energies = meter.registers(NOW)
    total = energies.imported_wh + (energies.exported_wh or 0)
    assert Sdm630(meter, 1).inputs(0x156, 2, NOW) == struct.pack(">f", total / 1000)


def test_a_meter_without_export_reads_zero_there_and_its_import_as_the_total() -> None:
    registers = Sdm630(import_only(), 1)
    assert registers.inputs(0x4A, 2, NOW) == bytes(4)
    assert registers.inputs(0x156, 2, NOW) == registers.inputs(0x48, 2, NOW) != bytes(4)


def test_power_voltage_and_frequency() -> None:
    meter = seller()
    registers = Sdm630(meter, 1)
    assert value(registers.inputs(0x34, 2, NOW)) == meter.power_w(NOW) < 0
    assert value(registers.inputs(0x00, 2, NOW)) == pytest.approx(meter.voltage_dv(NOW) / 10)
    assert value(registers.inputs(0x46, 2, NOW)) == pytest.approx(49.98)
    assert value(registers.inputs(0x06, 2, NOW)) > 0


def test_a_span_is_its_values_in_a_row_and_what_is_not_measured_is_zero() -> None:
    registers = Sdm630(seller(), 1)
    span = registers.inputs(0x46, 6, NOW)
    assert span == b"".join(registers.inputs(at, 2, NOW) for at in (0x46, 0x48, 0x4A))
    assert registers.inputs(0x02, 2, NOW) == bytes(4)


@pytest.mark.parametrize(("address", "words"), [(0x180, 4), (0x182, 2), (0xFFFE, 2), (0x49, 2), (0x48, 3)])
def test_an_input_outside_the_map_or_inside_a_value_is_illegal(address: int, words: int) -> None:
    with pytest.raises(IllegalAddressError):
        Sdm630(seller(), 1).inputs(address, words, NOW)


def test_the_last_input_is_readable() -> None:
    assert Sdm630(seller(), 1).inputs(0x180, 2, NOW) == bytes(4)


def test_holdings_are_serial_and_settings() -> None:
    registers = Sdm630(solar(), 7)
    assert registers.holdings(0xFC00, 2) == (40_000_001).to_bytes(4, "big")
    assert value(registers.holdings(0x14, 2)) == 7


@pytest.mark.parametrize(("address", "words"), [(0xFC00, 1), (0xFC00, 4), (0x00, 2), (0x15, 2), (0xFBFE, 2)])
def test_other_holdings_are_illegal(address: int, words: int) -> None:
    with pytest.raises(IllegalAddressError):
        Sdm630(solar(), 1).holdings(address, words)


@pytest.mark.parametrize("serial", ["ABC", "4294967296"])
def test_a_serial_that_does_not_fit_its_register_is_refused(serial: str) -> None:
    with pytest.raises(SetupError, match="0 to 4294967295"):
        Sdm630(Meter(MeterSpec(serial=serial), SELLER_HOME), 1)


def test_the_largest_serial_fits() -> None:
    meter = Meter(MeterSpec(serial="4294967295"), SELLER_HOME)
    assert Sdm630(meter, 1).holdings(0xFC00, 2) == b"\xff" * 4
