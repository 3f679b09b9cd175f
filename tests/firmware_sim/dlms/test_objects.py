"""Profiles: what is captured, what is in memory, and what a selection gives."""

import pytest

from firmware_sim.dlms.axdr import Reader, Value, date_time
from firmware_sim.faults import MissingBlock
from firmware_sim.instants import day_start, parse_instant
from firmware_sim.meter import Meter
from tests.firmware_sim.dlms.wire import BLOCK_LOAD, DAILY_LOAD, Wire, reader
from tests.firmware_sim.meters import NOW, import_only, seller

CLOCK_OBJECT = "0204 120008 09060000010000FF 0F02 120000"
TEN = parse_instant("2026-11-18T10:00:00+05:30")


def decode(data: bytes) -> list[list[int | bytes]]:
    cursor = Reader(data)
    rows = cursor.data()
    cursor.end()
    assert isinstance(rows, list)
    return [[cell for cell in row if isinstance(cell, int | bytes)] for row in rows if isinstance(row, list)]


def span(first: int | str, last: int | str, columns: str = "0100", clock: str = CLOCK_OBJECT) -> str:
    ends = "".join("090C" + (at if isinstance(at, str) else date_time(at).hex()) for at in (first, last))
    return f"01 01 0204 {clock} {ends} {columns}"


def entries(first: int, last: int, first_column: int = 1, last_column: int = 0) -> str:
    return f"01 02 0204 06{first:08x} 06{last:08x} 12{first_column:04x} 12{last_column:04x}"


def expected(meter: Meter, stamps: list[int]) -> list[list[int | bytes]]:
    rows: list[list[int | bytes]] = []
    for at in stamps:
        period = meter.spec.period_s
        block = meter.block(at - period, period).energies
        before, after = meter.registers(at - period), meter.registers(at)
        row: list[int | bytes] = [date_time(at), meter.voltage_dv(at - period), block.imported_wh]
        row.append(after.imported_wh * 100 // 97 - before.imported_wh * 100 // 97)
        if block.exported_wh is not None and after.exported_wh is not None and before.exported_wh is not None:
            row += [block.exported_wh, after.exported_wh * 100 // 97 - before.exported_wh * 100 // 97]
        rows.append(row)
    return rows


@pytest.mark.parametrize("period_s", [900, 1800, 3600])
def test_the_whole_block_load_is_every_block_in_memory(period_s: int) -> None:
    meter = seller(period_s=period_s)
    assert decode(reader(meter).read(BLOCK_LOAD + "02")) == expected(meter, meter.block_stamps(NOW))


def test_columns_are_named_by_attribute_3() -> None:
    net = reader().read(BLOCK_LOAD + "03").hex()
    columns = ["0000010000ff", "01000c1b00ff", "0100011d00ff", "0100091d00ff", "0100021d00ff", "01000a1d00ff"]
    head = "0106" + "0204" + "120008" + "0906"
    assert net.startswith(head)
    assert [net.index(name) for name in columns] == sorted(net.index(name) for name in columns)
    assert net.count("0f02") == 6


def test_an_import_only_meter_has_no_export_column_and_no_export_register() -> None:
    wire = reader(import_only())
    assert "0100021d00ff" not in wire.read(BLOCK_LOAD + "03").hex()
    assert {len(row) for row in decode(wire.read(BLOCK_LOAD + "02"))} == {4}
    assert wire.get("0003 0100020800FF 02").hex() == "c401c10104"
    assert wire.get("0003 0100021D00FF 02").hex() == "c401c10104"
    assert decode(wire.read(BLOCK_LOAD + "02")) == expected(import_only(), import_only().block_stamps(NOW))


def test_the_other_attributes_of_a_profile_say_what_it_is() -> None:
    wire = reader()
    assert wire.read(BLOCK_LOAD + "04").hex() == "0600000384"
    assert wire.read(BLOCK_LOAD + "05").hex() == "1601"
    assert wire.read(BLOCK_LOAD + "06").hex() == CLOCK_OBJECT.replace(" ", "").lower()
    assert wire.read(BLOCK_LOAD + "07").hex() == "0600000f00"
    assert wire.read(BLOCK_LOAD + "08").hex() == "0600000f00"
    assert wire.read(DAILY_LOAD + "04").hex() == "0600015180"
    assert wire.read(DAILY_LOAD + "07").hex() == "0600000028"


def test_a_lost_row_counts_out_of_the_entries_in_use() -> None:
    wire = reader(seller(faults=(MissingBlock(at=TEN),)))
    assert wire.read(BLOCK_LOAD + "07").hex() == "0600000eff"
    assert date_time(TEN + 900) not in [row[0] for row in decode(wire.read(BLOCK_LOAD + "02"))]


def test_scaler_profiles_follow_their_profile_without_the_clock() -> None:
    wire = reader()
    block = wire.read("0007 01005E5B04FF 02").hex()
    assert block == "0101" + "0205" + "02020fff1623" + "02020f00161e" + "02020f00161f" + "02020f00161e" + "02020f00161f"
    captured = wire.read("0007 01005E5B04FF 03").hex()
    assert captured.startswith("0105" + "0204" + "120003" + "0906" + "01000c1b00ff" + "0f03" + "120000")
    assert captured.count("0f03") == 5
    assert wire.read("0007 01005E5B05FF 02").hex() == "0101" + "0202" + "02020f00161e" * 2
    assert wire.read("0007 01005E5B05FF 06").hex() == "0204" + "120000" + "0906000000000000" + "0f00" + "120000"


def test_daily_rows_are_the_registers_at_midnight() -> None:
    meter = seller()
    rows = decode(reader(meter).read(DAILY_LOAD + "02"))
    truth = [(at, meter.registers(at)) for at in meter.daily_stamps(NOW)]
    assert rows == [[date_time(at), each.imported_wh, each.exported_wh] for at, each in truth]


def test_blocks_between_two_midnights_balance_with_the_daily_rows() -> None:
    wire = reader()
    midnight = parse_instant("2026-11-18T00:00:00+05:30")
    blocks = decode(wire.read(BLOCK_LOAD + "02", span(midnight + 900, midnight + 86_400)))
    first, last = decode(wire.read(DAILY_LOAD + "02", span(midnight, midnight + 86_400)))
    assert len(blocks) == 96
    for column, total in ((2, 1), (4, 2)):
        assert sum(int(row[column]) for row in blocks) == int(last[total]) - int(first[total])


def test_a_range_holds_both_its_ends() -> None:
    meter = seller()
    rows = decode(reader(meter).read(BLOCK_LOAD + "02", span(TEN, TEN + 1800)))
    assert rows == expected(meter, [TEN, TEN + 900, TEN + 1800])
    assert decode(reader(meter).read(BLOCK_LOAD + "02", span(TEN + 1, TEN + 1799))) == expected(meter, [TEN + 900])


def test_a_range_may_leave_its_offset_unsaid_or_say_another() -> None:
    unsaid = "07EA0B12FF0A000000800000"
    utc = "07EA0B12FF041E0000000000"
    seconds_unsaid = "07EA0B12FF0A00FFFF800000"
    for at in (unsaid, utc, seconds_unsaid):
        assert decode(reader().read(BLOCK_LOAD + "02", span(at, at))) == expected(seller(), [TEN])


def test_a_range_outside_memory_is_empty() -> None:
    assert reader().read(BLOCK_LOAD + "02", span(NOW + 86_400, NOW + 90_000)) == b"\x01\x00"
    assert reader().read(BLOCK_LOAD + "02", span(TEN, TEN - 1)) == b"\x01\x00"


def test_a_range_of_chosen_columns_keeps_their_order() -> None:
    exported = "0204 120003 09060100021D00FF 0F02 120000"
    rows = decode(reader().read(BLOCK_LOAD + "02", span(TEN, TEN, f"0102 {exported} {CLOCK_OBJECT}")))
    assert rows == [[expected(seller(), [TEN])[0][4], date_time(TEN)]]


def test_entries_are_numbered_from_one_oldest_first() -> None:
    meter = seller()
    stamps = meter.block_stamps(NOW)
    wire = reader(meter)
    assert decode(wire.read(BLOCK_LOAD + "02", entries(1, 1))) == expected(meter, stamps[:1])
    assert decode(wire.read(BLOCK_LOAD + "02", entries(3839, 0))) == expected(meter, stamps[-2:])
    assert decode(wire.read(BLOCK_LOAD + "02", entries(3840, 9999))) == expected(meter, stamps[-1:])
    assert wire.read(BLOCK_LOAD + "02", entries(3841, 0)) == b"\x01\x00"


def test_entries_of_chosen_columns() -> None:
    rows = decode(reader().read(BLOCK_LOAD + "02", entries(5, 5, 2, 3)))
    assert rows == [expected(seller(), seller().block_stamps(NOW)[4:5])[0][1:3]]


WRONG_CLOCK = CLOCK_OBJECT.replace("0F02", "0F03")
NO_COLUMN = "0101 0204 120003 09060100630100FF 0F02 120000"


@pytest.mark.parametrize(
    ("selection", "result"),
    [
        (span(TEN, TEN, clock=WRONG_CLOCK), "0d"),
        (span(TEN, TEN, NO_COLUMN), "0d"),
        (span("FFFF0B12FF0A000000800000", TEN), "0c"),
        (span("07EA0D12FF0A000000800000", TEN), "0c"),
        (span("07EA0B12FF1800000080 0000", TEN), "0c"),
        (f"01 01 0204 {CLOCK_OBJECT} 0905 07EA0B12FF 0905 07EA0B12FF 0100", "0c"),
        ("01 01 0203 0100 0100 0100", "0c"),
        ("01 01 00", "0c"),
        ("01 02 00", "0c"),
        ("01 03 00", "0d"),
        (entries(0, 1), "0d"),
        (entries(1, 1, 0, 1), "0d"),
        (entries(1, 1, 7, 0), "0d"),
        (entries(1, 1).replace("0600000001", "0FFF", 1), "0d"),
    ],
)
def test_a_selection_that_is_not_this_profiles_is_refused(selection: str, result: str) -> None:
    assert reader().get(BLOCK_LOAD + "02", selection).hex() == "c401c101" + result


def test_a_scaler_profile_has_no_range() -> None:
    assert reader().get("0007 01005E5B04FF 02", span(TEN, TEN)).hex() == "c401c1010d"


def test_an_open_block_appears_at_its_end() -> None:
    stamps = seller().block_stamps(NOW)
    assert day_start(0) < stamps[-1] <= NOW < stamps[-1] + 900
    last: Value = decode(Wire.read(reader(), BLOCK_LOAD + "02"))[-1][0]
    assert last == date_time(stamps[-1])
