"""What is written passes the published schema and our own stricter reader, in both forms, and says what went in."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.ies.codes import Mode, ProfileKind
from headend.ies.document import Profile, read
from headend.ies.rendering import Form, document
from headend.ies.rows import Energy, EnergyRow, Mark, Run, StampedRegister, register_rows
from headend.vee.declared import Channel
from ledger_client.exact_json import dumps, loads_strict
from signing.interval import DAY_S, Interval
from tests.headend.ies.schemas import faults
from tests.headend.premises import DAY

ESTIMATED = Mark(status="ESTIMATED", source="ESTIMATED", method="LINEAR", fail_code="VEE-COUNT")


def row(
    place: int, imported: int | None, exported: int | None, mark: Mark | None = None, length_s: int = 900
) -> EnergyRow:
    given_wh = {Channel.IMPORT: imported, Channel.EXPORT: exported}
    energies = {channel: Energy(wh=wh, mark=mark) for channel, wh in given_wh.items() if wh is not None}
    return EnergyRow(start_utc=DAY + place * length_s, energies=energies)


def run(*rows: EnergyRow, factor: Fraction = Fraction(1), length_s: int = 900) -> Run:
    return Run(
        meter="SKS00000001",
        identity="SN-1",
        connection_point="CP 1/é",
        kind=ProfileKind.INTERVAL,
        mode=Mode.USAGE,
        length_s=length_s,
        factor=factor,
        rows=rows,
    )


def written(form: Form, *runs: Run) -> list[Profile]:
    """The profiles of a document that passes everything."""
    content = dumps(document(runs, form, "pavvnl.example"))
    assert faults("MeterData", content) == []
    found = read(loads_strict(content))
    assert found.faults == ()
    return list(found.profiles)


@pytest.mark.parametrize("form", list(Form))
def test_an_absent_block_is_left_out_and_never_zero(form: Form) -> None:
    (profile,) = written(form, run(row(0, 812, 0), row(2, 0, 5)))
    assert [(one.start_utc, one.cells["kWh imp block"].value) for one in profile.rows] == [
        (DAY, Decimal("0.812")),
        (DAY + 1800, Decimal(0)),
    ]


@pytest.mark.parametrize("form", list(Form))
def test_what_was_not_measured_is_marked(form: Form) -> None:
    (profile,) = written(form, run(row(0, 1, 1), row(1, 2, 2, ESTIMATED)))
    assert [{cell.status for cell in one.cells.values()} for one in profile.rows] == [{"VALID"}, {"ESTIMATED"}]
    assert {cell.source for cell in profile.rows[1].cells.values()} == {"ESTIMATED"}


@pytest.mark.parametrize("form", list(Form))
def test_blocks_without_an_export_are_their_own_profile(form: Form) -> None:
    both, alone = written(form, run(row(0, 1, 1), row(1, 2, None), row(2, 3, 0)))
    assert [one.start_utc for one in both.rows] == [DAY, DAY + 1800]
    assert [(one.start_utc, set(one.cells)) for one in alone.rows] == [(DAY + 900, {"kWh imp block"})]


@pytest.mark.parametrize(
    ("factor", "value"), [(Fraction(20), "16.24"), (Fraction(3, 2), "1.218"), (Fraction(1, 3), "0.271")]
)
def test_a_factor_is_a_multiplier_where_it_is_a_decimal(factor: Fraction, value: str) -> None:
    (profile,) = written(Form.COMPACT, run(row(0, 812, None), factor=factor))
    assert profile.rows[0].cells["kWh imp block"].value == Decimal(value)


def test_two_lengths_and_two_factors_share_one_descriptor() -> None:
    runs = [run(row(0, 1, 1)), run(row(1, 2, 2, length_s=1800), length_s=1800), run(row(9, 3, 3), factor=Fraction(40))]
    content = document(runs, Form.COMPACT, "pavvnl.example")
    assert isinstance(content[0], dict)
    assert len(content) == 4
    assert [profile.length_s for profile in written(Form.COMPACT, *runs)] == [900, 1800, 900]


def test_nothing_to_say_is_a_descriptor_alone() -> None:
    content = dumps(document([], Form.COMPACT, "pavvnl.example"))
    assert faults("MeterData", content) == []
    assert read(loads_strict(content)).faults == ()


def test_no_customer_is_named() -> None:
    assert b"customerRefs" not in dumps(document([run(row(0, 1, 1))], Form.COMPACT, "pavvnl.example"))


REGISTERS = [
    StampedRegister(stamp_utc=DAY + day * DAY_S, device=device, import_wh=imported, export_wh=exported)
    for day, device, imported, exported in [
        (0, "A", 1000, 10),
        (1, "A", 1500, 10),
        (2, "A", 1900, None),
        (2, "B", 0, 0),
        (3, "B", 70, 1),
    ]
]
SPAN = Interval(DAY, DAY + 3 * DAY_S)


def daily(mode: Mode, device: str) -> Run:
    rows = tuple(found for called, found in register_rows(REGISTERS, SPAN, mode) if called == device)
    return replace(run(), kind=ProfileKind.DAILY, mode=mode, length_s=DAY_S, rows=rows)


@pytest.mark.parametrize("form", list(Form))
def test_a_day_shows_its_registers_at_its_end(form: Form) -> None:
    first, second = written(form, daily(Mode.READING, "A"))
    assert [(one.start_utc, one.cells["kWh imp"].value) for one in first.rows] == [(DAY, Decimal("1.5"))]
    assert [(one.start_utc, one.cells["kWh imp"].value) for one in second.rows] == [(DAY + DAY_S, Decimal("1.9"))]


def test_a_register_that_fell_begins_another_profile() -> None:
    shown = [1000, 1500, 3, 700, 900, 1]
    rows = tuple(row(place, wh, None, length_s=DAY_S) for place, wh in enumerate(shown))
    whole = replace(run(), kind=ProfileKind.DAILY, mode=Mode.READING, length_s=DAY_S, rows=rows)
    profiles = written(Form.COMPACT, whole)
    assert [[int(one.cells["kWh imp"].value * 1000) for one in profile.rows] for profile in profiles] == [
        [1000, 1500],
        [3, 700, 900],
        [1],
    ]


@pytest.mark.parametrize("form", list(Form))
def test_the_usage_of_a_day_is_the_difference_of_one_devices_registers(form: Form) -> None:
    (profile,) = written(form, daily(Mode.USAGE, "B"))
    cell = profile.rows[0].cells["kWh imp"]
    assert (profile.rows[0].start_utc, cell.value, cell.opening, cell.closing) == (
        DAY + 2 * DAY_S, Decimal("0.07"), Decimal(0), Decimal("0.07"),
    )  # fmt: skip
    assert list(register_rows(REGISTERS, Interval(DAY + 1, DAY + 2 * DAY_S - 1), Mode.READING)) == []


@given(
    st.lists(
        st.tuples(st.none() | st.integers(0, 10**9), st.none() | st.integers(0, 10**9), st.booleans()), max_size=96
    ),
    st.sampled_from(list(Form)),
    st.sampled_from([900, 1800, 3600]),
)
def test_every_energy_comes_back_exactly(
    blocks: list[tuple[int | None, int | None, bool]], form: Form, length_s: int
) -> None:
    rows = [
        row(place, imported, exported, ESTIMATED if marked else None, length_s)
        for place, (imported, exported, marked) in enumerate(blocks)
        if imported is not None or exported is not None
    ]
    profiles = written(form, *([run(*rows, length_s=length_s)] if rows else []))
    back = {
        (one.start_utc, name): (int(cell.value * 1000), cell.status)
        for profile in profiles
        for one in profile.rows
        for name, cell in one.cells.items()
    }
    labels = {Channel.IMPORT: "kWh imp block", Channel.EXPORT: "kWh exp block"}
    assert back == {
        (one.start_utc, labels[channel]): (energy.wh, "VALID" if energy.mark is None else "ESTIMATED")
        for one in rows
        for channel, energy in one.energies.items()
    }
