"""Registry sheets: what is tolerated, and what is rejected by line and column."""

import csv
import io
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.registry import sheet as sheets
from headend.registry.sheet import Fault, SheetError, parse_cells, parse_csv, parse_json, sheet_text
from headend.registry.sheet_columns import BY_NAME, COLUMNS, kilo, kilo_cell
from signing.energy import Fraction
from signing.errors import DecodeError
from signing.statements.meter_record import Role, Stamps
from tests.headend.sheets import FULL, row, sheet

MIDNIGHT = 1767205800  # 2026-01-01 00:00 IST


def fault(**cells: str) -> Fault:
    (found,) = parse_csv(sheet(row(**cells))).faults  # type: ignore[arg-type]  # cells are texts
    return found


def test_a_short_sheet_says_only_what_it_has_columns_for() -> None:
    (one,) = parse_csv(b"meter,from,feeder\nSKS1,2026-01-01,F7\n").rows
    assert (one.line, one.meter, one.from_utc) == (2, "SKS1", MIDNIGHT)
    assert (dict(one.terms), dict(one.supply)) == ({}, {"feeder": "F7"})
    assert (one.posted_as, one.gateway, one.consent) == (None, None, None)


def test_every_column_can_be_said() -> None:
    cells = (
        "SKS1,2026-01-01T05:30:00+05:30,K-1,SN1,CP-1,b|TEST_1,CHECK,F1,D1,5.5,0.001,13.5,100/5,2,3/2,1800,START,gw-1,"
        "settle,ledger.example,2026-02-01,2027-02-01"
    )
    (one,) = parse_csv(f"{FULL}\n{cells}\n".encode()).rows
    assert one.from_utc == MIDNIGHT + 19_800
    assert one.terms == {
        "identity": "SN1",
        "connection_point": "CP-1",
        "role": Role.CHECK,
        "sanctioned_w": 5500,
        "installed_w": 1,
        "ct": Fraction(100, 5),
        "pt": Fraction(2, 1),
        "factor": Fraction(3, 2),
        "period_s": 1800,
        "stamps": Stamps.START,
    }
    assert one.supply == {"consumer": "K-1", "feeder": "F1", "dt": "D1", "storage_wh": 13_500}
    assert (one.posted_as, one.gateway) == (("TEST_1", "b"), ("gw-1",))
    assert one.consent is not None
    assert (one.consent.purpose, one.consent.grantee) == ("settle", "ledger.example")


def test_a_blank_cell_says_that_there_is_nothing() -> None:
    (one,) = parse_csv(b"meter,from,feeder,ct,gateway,posted_as,role\nSKS1,2026-01-01,,,,,\n").rows
    assert one.supply == {"feeder": None}
    assert one.terms == {"ct": Fraction(1, 1), "role": Role.REVENUE}
    assert (one.gateway, one.posted_as) == ((None,), ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_marks_line_ends_blank_lines_and_quotes_of_spreadsheets_are_tolerated(encoding: str, line_end: str) -> None:
    lines = ['"meter", from ,feeder', 'SKS1,2026-01-01,"North, ""old"" नगर"', ",,", "", "SKS2 ,2026-01-02, F"]
    found = parse_csv((line_end.join(lines) + line_end).encode(encoding))
    assert found.faults == ()
    assert [(one.meter, one.supply["feeder"]) for one in found.rows] == [("SKS1", 'North, "old" नगर'), ("SKS2", "F")]
    assert found.total == 2


def test_a_row_is_named_by_the_line_on_which_it_begins() -> None:
    content = b'meter,from,feeder\nSKS1,2026-01-01,"two\nlines"\n\nSKS2,never,F\n'
    assert [(one.line, one.column) for one in parse_csv(content).faults] == [(2, "feeder"), (5, "from")]


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("meter", "a b", "an id of 1 to 64"),
        ("meter", "", "an id of 1 to 64"),
        ("from", "", "a date, or an RFC 3339 time"),
        ("from", "2026-02-30", "a date, or"),
        ("from", "01/04/2026", "a date, or"),
        ("from", "2026-01-01T00:00:00", "a date, or"),
        ("identity", "", "1 to 128 printable"),
        ("connection_point", "x" * 129, "1 to 128 printable"),
        ("role", "revenue", "one of REVENUE, CHECK, GENERATION"),
        ("stamps", "MIDDLE", "one of END, START"),
        ("period_s", "600", "900, 1800 or 3600"),
        ("period_s", "9_00", "900, 1800 or 3600"),
        ("ct", "100:5", "a ratio"),
        ("factor", "0", "a ratio"),
        ("sanctioned_kw", "-1", "a decimal number"),
        ("sanctioned_kw", "5,5", "a decimal number"),
        ("sanctioned_kw", "1e3", "a decimal number"),
        ("installed_kw", "5.1234", "a decimal number"),
        ("storage_kwh", "NaN", "a decimal number"),
        ("gateway", "gw/1", "an id of 1 to 64"),
        ("posted_as", "a||b", "ids of 1 to 128"),
        ("consumer", "\x7f", "1 to 128 printable"),
    ],
)
def test_a_wrong_cell_is_rejected_by_line_column_expected_got_and_remedy(column: str, cell: str, expected: str) -> None:
    stream = io.StringIO()
    cells = row() | {column: cell}
    writer = csv.DictWriter(stream, list(cells))
    writer.writeheader()
    writer.writerow(cells)
    found = parse_csv(stream.getvalue().encode())
    (one,) = found.faults
    assert (one.line, one.column) == (2, column)
    assert one.expected.startswith(expected)
    assert one.remedy
    assert one.got == (repr(cell)[:80] if cell else "a blank cell")
    assert f"line 2, {column}: expected {expected}" in one.words
    assert found.rows == ()
    assert found.spoilt == {cells["meter"]}


def test_every_fault_of_a_row_is_said_at_once() -> None:
    found = parse_csv(sheet(row(role="x", ct="y"), row(2), row(3, since="")))
    assert [(one.line, one.column) for one in found.faults] == [(2, "role"), (2, "ct"), (4, "from")]
    assert [one.meter for one in found.rows] == ["SKS00000002"]


def test_a_row_with_too_few_or_too_many_cells_is_rejected() -> None:
    found = parse_csv(b"meter,from,feeder\nSKS1,2026-01-01\nSKS2,2026-01-01,F\nSKS3,2026-01-01,a,b\n")
    assert [(one.line, one.expected, one.got) for one in found.faults] == [(2, "3 cells", "2"), (4, "3 cells", "4")]
    assert [one.line for one in found.rows] == [3]


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"consent_purpose": "p"}, "consent_grantee"),
        ({"consent_grantee": "g"}, "consent_purpose"),
        ({"consent_until": "2026-02-01", "consent_grantee": "g"}, "consent_purpose"),
        (
            {
                "consent_purpose": "p",
                "consent_grantee": "g",
                "consent_from": "2026-03-01",
                "consent_until": "2026-03-01",
            },
            "consent_until",
        ),
        ({"consent_purpose": "p", "consent_grantee": "g", "consent_until": "2025-12-31"}, "consent_until"),
    ],
)
def test_a_consent_is_whole_or_blank(cells: dict[str, str], column: str) -> None:
    assert fault(**cells).column == column


def test_a_consent_begins_with_its_row_unless_it_says_when() -> None:
    (one,) = parse_csv(sheet(row(consent_purpose="p", consent_grantee="g"))).rows
    assert one.consent is not None
    assert (one.consent.from_utc, one.consent.until_utc) == (MIDNIGHT, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "unknown column"),
        (b"\n", "unknown column"),
        (b"meter,from,colour\n", "unknown column.s. 'colour': remove or correct"),
        (b"meter;from;feeder\n", "unknown column"),
        (b"meter,from,from\n", "stands there twice"),
        (b"meter,feeder\n", "from are missing"),
        (b"feeder\n", "meter, from are missing"),
        (b"meter,from\nSKS1,\xff\n", "byte 16 is not UTF-8: save the sheet as 'CSV UTF-8'"),
        (b'meter,from\n"SKS1,x\n', "is not CSV"),
        (b'meter,from\n"SKS1"x,y\n', "is not CSV"),
    ],
)
def test_what_is_no_sheet_is_refused_with_the_remedy(content: bytes, message: str) -> None:
    with pytest.raises(SheetError, match=message):
        parse_csv(content)


def test_a_sheet_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_ROWS", 2)
    assert parse_csv(sheet(row(1), row(2))).total == 2
    with pytest.raises(SheetError, match="at most 2 rows, got more: split"):
        parse_csv(sheet(row(1), row(2), row(3)))
    monkeypatch.setattr(sheets, "MAX_BYTES", 10)
    with pytest.raises(SheetError, match=r"at most 10 bytes, got \d+: split"):
        parse_csv(sheet(row(1)))


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"meter,from,ct\n{text}".encode()))
def test_nothing_but_its_own_error_escapes_the_parsers(content: bytes) -> None:
    for parse in (parse_csv, parse_json):
        with suppress(SheetError):
            parse(content)


def test_json_says_what_csv_says() -> None:
    cells = [row(1, feeder="F"), row(2, since="never"), {"meter": "SKS9", "from": "2026-01-01"}]
    found = parse_json(json.dumps({"rows": cells}).encode())
    assert [(one.line, one.meter) for one in found.rows] == [(1, "SKS00000001"), (3, "SKS9")]
    assert [(one.line, one.column) for one in found.faults] == [(2, "from")]
    assert dict(found.rows[1].supply) == {}


@pytest.mark.parametrize(
    ("value", "column", "got"),
    [
        ({"meter": "A", "from": "2026-01-01", "sanctioned_kw": 5.5}, "-", "{'meter': 'A'"),
        ({"meter": "A", "from": "2026-01-01", "colour": "x"}, "colour", "an unknown one"),
        ({"from": "2026-01-01"}, "meter", "a blank cell"),
        ("text", "-", "'text'"),
    ],
)
def test_a_json_row_that_is_no_row_is_rejected(value: object, column: str, got: str) -> None:
    (one,) = parse_json(json.dumps({"rows": [value]}).encode()).faults
    assert (one.line, one.column) == (1, column)
    assert one.got.startswith(got)


@pytest.mark.parametrize("document", [b"[", b"[]", b"{}", b'{"rows": {}}', b'{"rows": [], "more": 1}', b"[" * 100_000])
def test_what_is_no_json_sheet_is_refused(document: bytes) -> None:
    with pytest.raises(SheetError, match="expected"):
        parse_json(document)


def test_the_cells_of_one_row_are_a_sheet_too() -> None:
    found = parse_cells({"meter": "SKS1", "from": "2026-01-01", "feeder": "F"})
    assert [one.supply for one in found.rows] == [{"feeder": "F"}]
    with pytest.raises(SheetError, match="unknown column"):
        parse_cells({"meter": "SKS1", "from": "2026-01-01", "colour": "F"})


def test_the_columns_are_those_that_the_issue_of_a_sheet_knows() -> None:
    assert list(BY_NAME) == FULL.split(",")
    assert len(BY_NAME) == len(COLUMNS)


@given(st.integers(0, 10**12 - 1))
def test_kilowatts_are_exact_both_ways(watts: int) -> None:
    assert kilo(kilo_cell(watts)) == watts


@pytest.mark.parametrize("text", ["", ".5", "5.", "5.0000", "\u0665", "1234567890"])
def test_kilowatts_are_plain_decimals(text: str) -> None:
    with pytest.raises(DecodeError):
        kilo(text)


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20), min_size=1, max_size=5))
def test_what_is_written_is_read_again(feeders: list[str]) -> None:
    rows = [
        {"meter": "SKS1", "from": "2026-01-01", "identity": "S", "connection_point": "C", "feeder": f} for f in feeders
    ]
    assert [one.supply["feeder"] for one in parse_csv(sheet_text(rows).encode()).rows] == feeders
