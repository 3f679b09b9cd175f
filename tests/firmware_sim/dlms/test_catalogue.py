"""What a D1 and a D2 meter hold: columns, scalers, bills, name plate, events."""

import pytest

from firmware_sim.dlms.axdr import Reader, Value, date_time
from firmware_sim.dlms.catalogue import Model
from firmware_sim.dlms.ciphering import Counters
from firmware_sim.dlms.clients import Access
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.server import Framing, session_of
from firmware_sim.faults import Outage
from firmware_sim.instants import day_start, parse_instant
from firmware_sim.meter import ORIGIN_DAY, Meter, MeterSpec
from tests.firmware_sim.dlms.wire import AARQ_READER, BLOCK_LOAD, PASSWORD, Wire
from tests.firmware_sim.meters import NOW, SELLER_HOME, import_only, now, seller

INSTANTANEOUS, BILLING, NAMEPLATE = "0007 01005E5B00FF", "0007 0100620100FF", "0007 00005E5B0AFF"
DARK = Outage(
    start=parse_instant("2026-11-18T09:45:00+05:30"), end=parse_instant("2026-11-18T11:15:00+05:30"), zero_rows=True
)
GAP = Outage(start=DARK.start, end=DARK.end, zero_rows=False)


def reader(meter: Meter | None = None, model: Model = Model.D1) -> Wire:
    """A meter reader of a meter of `model`."""
    wire = Wire()
    device = Device(meter or seller(), now=now, access=Access(password=PASSWORD), model=model, counters=Counters())
    wire.session = session_of(device, Framing.WRAPPER)  # type: ignore[assignment]
    assert wire.ask(AARQ_READER)[:1] == b"\x61"
    return wire


def decoded(wire: Wire, attribute: str) -> Value:
    cursor = Reader(wire.read(attribute))
    value = cursor.data()
    cursor.end()
    return value


def rows(wire: Wire, profile: str) -> list[list[Value]]:
    """The rows of a profile; every one has as many cells as the profile has columns."""
    value = decoded(wire, profile + "02")
    assert isinstance(value, list)
    found = [row for row in value if isinstance(row, list)]
    assert {len(row) for row in found} <= {len(columns(wire, profile))}
    return found


def columns(wire: Wire, profile: str) -> list[tuple[int, str, int]]:
    """Class, OBIS code and attribute of every column."""
    value = decoded(wire, profile + "03")
    assert isinstance(value, list)
    found = []
    for each in value:
        match each:
            case [int() as class_id, bytes() as name, int() as attribute, 0]:
                found.append((class_id, ".".join(map(str, name[:5])), attribute))
            case _:
                raise AssertionError(each)
    return found


def row(wire: Wire, profile: str, number: int = -1) -> dict[str, Value]:
    """One row by OBIS code and, but for 2, attribute."""
    names = [name if attribute == 2 else f"{name}/{attribute}" for _, name, attribute in columns(wire, profile)]
    return dict(zip(names, rows(wire, profile)[number], strict=True))


def test_a_three_phase_meter_says_so() -> None:
    wire = reader(model=Model.D2)
    assert wire.read("0001 00005E5B0BFF 02") == b"\x0a\x02D2"
    assert wire.read("0001 00005E5B09FF 02") == b"\x11\x01"


def test_the_block_load_of_three_phases_has_currents_voltages_and_energies() -> None:
    phases = [f"1.0.{c}.27.0" for c in (31, 51, 71, 32, 52, 72)]
    net, single = reader(model=Model.D2), reader(import_only(), Model.D2)
    energies = ["1.0.1.29.0", "1.0.9.29.0", "1.0.2.29.0", "1.0.10.29.0"]
    assert [name for _, name, _ in columns(net, BLOCK_LOAD)] == ["0.0.1.0.0", *phases, *energies]
    assert [name for _, name, _ in columns(single, BLOCK_LOAD)] == ["0.0.1.0.0", *phases, *energies[:2]]


def test_the_energies_of_three_phases_are_those_of_one() -> None:
    one, three = rows(reader(), BLOCK_LOAD), rows(reader(model=Model.D2), BLOCK_LOAD)
    assert [each[-4:] for each in three] == [each[-4:] for each in one]
    assert [each[0] for each in three] == [each[0] for each in one]


def test_the_currents_of_a_block_carry_its_energy() -> None:
    found = rows(reader(model=Model.D2), BLOCK_LOAD)[-96:]
    for each in found:
        va = sum(
            c * v / 1000 for c, v in zip(each[1:4], each[4:7], strict=True) if isinstance(c, int) and isinstance(v, int)
        )
        energy = sum(cell for cell in (each[8], each[10]) if isinstance(cell, int)) * 4
        assert abs(va - energy) <= 12  # of three currents, each cut to a hundredth of an ampere
        assert all(isinstance(v, int) and 2250 <= v <= 2400 for v in each[4:7])
    assert len({each[4] for each in found}) > 1
    assert any(each[4] != each[5] for each in found)


@pytest.mark.parametrize("model", list(Model))
def test_every_captured_register_is_an_object_with_the_scaler_of_its_scaler_profile(model: Model) -> None:
    wire = reader(model=model)
    for number, profile in ((3, INSTANTANEOUS), (4, BLOCK_LOAD), (5, "0007 0100630200FF"), (6, BILLING)):
        scaler = f"0007 01005E5B{number:02x}FF"
        captured = [(c, n) for c, n, a in columns(wire, profile) if c in (3, 4) and a == 2]
        assert columns(wire, scaler) == [(c, n, 3) for c, n in captured]
        (told,) = rows(wire, scaler)
        for (class_id, name), cell in zip(captured, told, strict=True):
            code = bytes([*map(int, name.split(".")), 255]).hex()
            assert decoded(wire, f"{class_id:04x} {code} 03") == cell
        assert len(captured) >= 2


@pytest.mark.parametrize("model", list(Model))
def test_every_object_that_is_listed_can_be_read(model: Model) -> None:
    wire = reader(model=model)
    listed = decoded(wire, "000F 0000280000FF 02")
    assert isinstance(listed, list)
    assert len(listed) > 60
    for each in listed:
        match each:
            case [int() as class_id, int(), bytes() as name, [list() as attributes, list()]]:
                numbers = [item[0] for item in attributes if isinstance(item, list)]
            case _:
                raise AssertionError(each)
        for number in numbers:
            assert isinstance(number, int)
            if (class_id, number) != (7, 2) or name[4] not in (1, 2):
                decoded(wire, f"{class_id:04x} {name.hex()} {number:02x}")


def test_the_instantaneous_profile_is_one_row_of_now() -> None:
    wire, meter = reader(), seller()
    assert len(rows(wire, INSTANTANEOUS)) == 1
    told = row(wire, INSTANTANEOUS)
    assert told["0.0.1.0.0"] == date_time(NOW)
    assert told["1.0.12.7.0"] == meter.voltage_dv(NOW)
    assert told["1.0.1.7.0"] == meter.power_w(NOW)
    assert told["1.0.1.8.0"] == meter.registers(NOW).imported_wh
    assert told["1.0.2.8.0"] == meter.registers(NOW).exported_wh
    assert told["1.0.13.7.0"] == 97
    current, voltage = told["1.0.11.7.0"], told["1.0.12.7.0"]
    assert isinstance(current, int)
    assert isinstance(voltage, int)
    assert abs(current * voltage / 1000 - abs(meter.power_w(NOW)) / 0.97) <= 3


def test_the_instantaneous_profile_of_three_phases_tells_each() -> None:
    told = row(reader(model=Model.D2), INSTANTANEOUS)
    assert {f"1.0.{c}.7.0" for c in (31, 51, 71, 32, 52, 72, 33, 53, 73, 13, 14)} <= set(told)


def test_the_maximum_demand_is_the_highest_half_hour_of_the_month() -> None:
    meter = seller()
    start = parse_instant("2026-11-01T00:00:00+05:30")
    gains = {
        at + 1800: (meter.registers(at + 1800).imported_wh - meter.registers(at).imported_wh) * 2
        for at in range(start, NOW - 1800, 1800)
    }
    told = row(reader(), INSTANTANEOUS)
    assert told["1.0.1.6.0"] == max(gains.values())
    assert told["1.0.1.6.0/5"] == date_time(next(at for at, w in gains.items() if w == max(gains.values())))


def test_bills_are_kept_at_the_first_of_every_month() -> None:
    wire, meter = reader(), seller()
    stamps = [
        parse_instant(f"{y}-{m:02}-01T00:00:00+05:30") for y, m in [(2025, 12), *((2026, n) for n in range(1, 12))]
    ]
    told = rows(wire, BILLING)
    assert [each[0] for each in told] == [date_time(at) for at in stamps]
    last = row(wire, BILLING)
    assert last["1.0.1.8.0"] == meter.registers(stamps[-1]).imported_wh
    assert last["1.0.2.8.0"] == meter.registers(stamps[-1]).exported_wh
    october = parse_instant("2026-10-01T00:00:00+05:30")
    gains = [
        (meter.registers(at + 1800).imported_wh - meter.registers(at).imported_wh) * 2
        for at in range(october, stamps[-1], 1800)
    ]
    assert last["1.0.1.6.0"] == max(gains)


def test_a_meter_keeps_no_bill_from_before_it_counted() -> None:
    young = Meter(MeterSpec(serial="1"), SELLER_HOME)  # all zeros on the first of January
    told = rows(reader(young), BILLING)
    assert told[0] == [date_time(day_start(ORIGIN_DAY)), 97, 0, 0, 0, 0, *told[0][6:]]
    assert len(told) == 11


def test_the_name_plate_is_one_row_of_the_identity() -> None:
    told = row(reader(), NAMEPLATE)
    assert told["0.0.96.1.0"] == b"10000001"
    assert told["0.0.94.91.11"] == b"D1"
    assert told["0.0.96.1.4"] == 2026
    assert all(class_id == 1 for class_id, _, _ in columns(reader(), NAMEPLATE))


@pytest.mark.parametrize("fault", [DARK, GAP])
def test_a_power_failure_is_in_the_log_of_power_events(fault: Outage) -> None:
    wire = reader(seller(faults=(fault,)))
    log = "0007 00006362{:02x}FF"
    assert rows(wire, log.format(2)) == [[date_time(fault.start), 101], [date_time(fault.end), 102]]
    assert decoded(wire, "0001 0000600B02FF 02") == 102
    assert decoded(wire, "0001 0000600F02FF 02") == 2
    for number in (0, 1, 3, 4, 5, 6):
        assert rows(wire, log.format(number)) == []
        assert decoded(wire, f"0001 0000600B{number:02x}FF 02") == 0
        assert decoded(wire, f"0001 0000600F{number:02x}FF 02") == 0
    assert [name for _, name, _ in columns(wire, log.format(4))] == ["0.0.1.0.0", "0.0.96.11.4", "1.0.1.8.0"]
    told = row(wire, INSTANTANEOUS)
    assert told["0.0.94.91.8"] == 90


def test_an_event_is_not_told_before_it_happens() -> None:
    later = Outage(start=NOW - NOW % 900 - 900, end=NOW - NOW % 900 + 900, zero_rows=True)
    wire = reader(seller(faults=(later,)))
    assert [each[1] for each in rows(wire, "0007 0000636202FF")] == [101]


def test_an_outage_shows_as_rows_of_zeros_without_voltage_or_as_no_rows() -> None:
    lit, dark, gap = (seller(faults=faults) for faults in ((), (DARK,), (GAP,)))
    stamps = {model: [each[0] for each in rows(reader(m), BLOCK_LOAD)] for model, m in (("dark", dark), ("gap", gap))}
    missing = [at for at in stamps["dark"] if isinstance(at, bytes) and at not in stamps["gap"]]
    assert missing == [date_time(at) for at in range(DARK.start + 900, DARK.end + 1, 900)]
    told = {bytes(each[0]): each[1:] for each in rows(reader(dark), BLOCK_LOAD) if isinstance(each[0], bytes)}
    assert [told[at] for at in missing] == [[0] * 5] * 6
    assert dark.registers(DARK.end) == dark.registers(DARK.start)
    assert dark.registers(NOW) != lit.registers(NOW)
    total = sum(each[1] for each in told.values() if isinstance(each[1], int))
    first = dark.block_stamps(NOW)[0] - 900
    assert total == dark.registers(dark.boundary(NOW)).imported_wh - dark.registers(first).imported_wh


def test_every_phase_is_dark_in_an_outage() -> None:
    found = rows(reader(seller(faults=(DARK,)), Model.D2), BLOCK_LOAD)
    dark = [each for each in found if each[0] == date_time(DARK.start + 900)]
    assert [each[1:] for each in dark] == [[0] * 10]
