"""Readings in CSV: every cell's last good and first bad, and rows that are rejected by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.ies.document import MeterRef
from headend.imports import table
from headend.imports.file import MAX_BYTES, FiledBlock, FiledRegister, ImportRefusedError
from headend.imports.table import parse_csv
from signing.interval import parse_instant

HEADER = "meter,kind,time,period_s,import_kwh,export_kwh,status\n"
AT = "2026-04-26T00:15:00+05:30"
BLOCK = f"SKS1,BLOCK,{AT},900,0.812,0,VALID\n"
REGISTER = "SKS1,REGISTER,2026-04-27T00:00:00+05:30,,1234.567,12.3,\n"


def test_blocks_and_registers_are_whole_wh() -> None:
    found = parse_csv((HEADER + BLOCK + "\n" + REGISTER).encode("utf-8-sig"))
    meter = (MeterRef(scheme="METER_BADGE", value="SKS1"),)
    at = parse_instant(AT, "at")
    assert found.blocks == (
        FiledBlock(line=2, meter=meter, start_utc=at, period_s=900, import_wh=812, export_wh=0, is_measured=True),
    )
    assert found.registers == (
        FiledRegister(line=4, meter=meter, stamp_utc=at + 86_400 - 900, import_wh=1_234_567, export_wh=12_300),
    )
    assert (found.rows, found.faults) == (2, ())


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (BLOCK.replace("SKS1", ""), "meter"),
        (BLOCK.replace("BLOCK", "ROW"), "kind"),
        (BLOCK.replace(AT, "2026-04-26T00:15:00"), "time"),
        (BLOCK.replace(AT, "2026-04-26T00:14:59+05:30"), "time"),
        (BLOCK.replace("900", "901"), "period_s"),
        (BLOCK.replace("900", "1800"), "time"),
        (BLOCK.replace("0.812", ""), "import_kwh"),
        (BLOCK.replace("0.812", "-1"), "import_kwh"),
        (BLOCK.replace("0.812", "0.8125"), "import_kwh"),
        (BLOCK.replace("0.812", "1e3"), "import_kwh"),
        (BLOCK.replace("0.812", "nan"), "import_kwh"),
        (BLOCK.replace("0.812", "9007199254741"), "import_kwh"),
        (BLOCK.replace(",0,VALID", ",-0.001,VALID"), "export_kwh"),
        (BLOCK.replace("VALID", "GOOD"), "status"),
        (BLOCK.replace(",VALID", ""), "-"),
        (REGISTER.replace("1234.567,12.3", ","), "import_kwh"),
    ],
)
def test_a_row_that_is_no_reading_is_rejected_by_its_column(row: str, column: str) -> None:
    found = parse_csv((HEADER + BLOCK + row).encode())
    assert [(fault.line, fault.column) for fault in found.faults] == [(3, column)]
    assert len(found.blocks) == 1


def test_what_the_other_system_rejected_is_left_out_and_what_it_doubts_is_kept_as_such() -> None:
    rows = "".join(BLOCK.replace("VALID", word) for word in ("REJECTED", "ESTIMATED", "MANUAL", "SUSPECT", ""))
    found = parse_csv((HEADER + rows).encode())
    assert [(block.line, block.is_measured) for block in found.blocks] == [
        (3, False),
        (4, False),
        (5, False),
        (6, True),
    ]
    assert found.rows == 5


def test_a_register_may_have_one_channel() -> None:
    (register,) = parse_csv((HEADER + REGISTER.replace("1234.567", "")).encode()).registers
    assert (register.import_wh, register.export_wh) == (None, 12_300)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: expected the columns"),
        (b"meter,kind,time\n", "line 1: expected the columns"),
        (HEADER.replace("status", "colour").encode(), "line 1: expected the columns"),
        (HEADER.replace("status", "meter").encode(), "stands there twice"),
        (b"\xff", "byte 0 is not UTF-8"),
        ((HEADER + '"SKS1').encode(), "is not CSV"),
        (b"x" * (MAX_BYTES + 1), "split the file"),
    ],
)
def test_what_is_no_file_of_readings_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ImportRefusedError, match=message):
        parse_csv(content)


def test_a_file_has_a_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_ROWS", 2)
    parse_csv((HEADER + BLOCK * 2).encode())
    with pytest.raises(ImportRefusedError, match="at most 2 rows"):
        parse_csv((HEADER + BLOCK * 3).encode())


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: (HEADER + text).encode("utf-8", "replace")))
def test_no_bytes_break_the_parser(content: bytes) -> None:
    try:
        parse_csv(content)
    except ImportRefusedError:
        return
