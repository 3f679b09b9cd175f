"""Rows of validated days: which blocks are given, and how their quality is named."""

from dataclasses import replace

import pytest

from headend.ies.codes import Mode
from headend.ies.rows import Mark, StampedRegister, block_rows, doubted, register_rows
from headend.readings import Quality
from headend.series import Day, Note
from headend.vee.declared import Channel
from signing.interval import DAY_S, Interval
from signing.statements.window_actual import Verdict
from tests.headend.imports.test_beside import block
from tests.headend.premises import DAY

SPAN = Interval(DAY, DAY + DAY_S)
NOTE = Note(rule="V17", version=1, block_utc=DAY, verdict=Verdict.SUSPECT, code="HIGH", because="x")


def marks(quality: Quality, method: str | None, *notes: Note) -> dict[Channel, Mark | None]:
    one = replace(block(0, Quality.VALID), quality=quality, import_method=method, export_method=method)
    day = Day(meter="M", start_utc=DAY, rule_set=bytes(32), blocks=(one,), notes=notes)
    ((length_s, row),) = block_rows(day, SPAN)
    assert length_s == 900
    return {channel: energy.mark for channel, energy in row.energies.items()}


@pytest.mark.parametrize(
    ("quality", "method", "mark"),
    [
        (Quality.VALID, None, None),
        (Quality.ESTIMATED, "E1", Mark(status="ESTIMATED", source="ESTIMATED", method="LINEAR", fail_code="VEE-COUNT")),
        (Quality.ESTIMATED, "E9", Mark(status="ESTIMATED", source="ESTIMATED", method="E9", fail_code="VEE-COUNT")),
        (Quality.MANUAL, "E7", Mark(status="MANUAL", source="MANUAL", method="AGREED", fail_code="VEE-COUNT")),
        (Quality.SUSPECT, None, Mark(status="SUSPECT", source="ESTIMATED", method=None, fail_code="VEE-COUNT")),
        (Quality.MANUAL, "IMPORT", Mark(status="VALID", source="IMPORT", method=None, fail_code=None)),
    ],
)
def test_the_quality_of_a_block_is_named_as_ies_names_it(
    quality: Quality, method: str | None, mark: Mark | None
) -> None:
    assert marks(quality, method) == {Channel.IMPORT: mark, Channel.EXPORT: mark}


def test_what_a_rule_said_of_the_block_is_its_fail_code() -> None:
    found = marks(Quality.ESTIMATED, "E3", replace(NOTE, block_utc=None), NOTE, replace(NOTE, code="SPIKE"))
    assert {mark.fail_code for mark in found.values() if mark is not None} == {"VEE-HIGH"}


def test_blocks_beyond_the_span_and_without_any_energy_are_left_out() -> None:
    day = Day(
        meter="M",
        start_utc=DAY,
        rule_set=bytes(32),
        blocks=(block(0, Quality.VALID), block(1, Quality.MISSING), block(2, Quality.VALID)),
        notes=(),
    )
    assert [row.start_utc for _, row in block_rows(day, Interval(DAY, DAY + 2699))] == [DAY]
    assert [row.start_utc for _, row in block_rows(day, Interval(DAY + 1, DAY + 2700))] == [DAY + 1800]


def test_a_doubted_row_is_suspect_whoever_signed_it() -> None:
    day = Day(meter="M", start_utc=DAY, rule_set=bytes(32), blocks=(block(0, Quality.VALID),), notes=())
    ((_, row),) = block_rows(day, SPAN)
    found = doubted(row, "V32")
    assert {energy.mark for energy in found.energies.values()} == {
        Mark(status="SUSPECT", source="METER", method=None, fail_code="VEE-V32")
    }
    assert {channel: energy.wh for channel, energy in found.energies.items()} == {Channel.IMPORT: 7, Channel.EXPORT: 8}


def shown(place: int, import_wh: int | None, export_wh: int | None = None, device: str = "A") -> StampedRegister:
    return StampedRegister(stamp_utc=DAY + place * DAY_S, device=device, import_wh=import_wh, export_wh=export_wh)


def daily(mode: Mode, *registers: StampedRegister) -> list[tuple[int, dict[Channel, int]]]:
    """Day and energies of what is given."""
    rows = register_rows(registers, Interval(DAY, DAY + 3 * DAY_S), mode)
    return [
        ((row.start_utc - DAY) // DAY_S, {channel: one.wh for channel, one in row.energies.items()}) for _, row in rows
    ]


def test_a_day_is_what_its_registers_rose_by_and_nothing_where_they_fell_or_one_lacks() -> None:
    fell = (shown(0, 500), shown(1, 700, 5), shown(2, 30, 9), shown(3, 30))
    assert daily(Mode.USAGE, *fell) == [(0, {Channel.IMPORT: 200}), (1, {Channel.EXPORT: 4}), (2, {Channel.IMPORT: 0})]
    assert daily(Mode.READING, *fell) == [
        (0, {Channel.IMPORT: 700, Channel.EXPORT: 5}),
        (1, {Channel.IMPORT: 30, Channel.EXPORT: 9}),
        (2, {Channel.IMPORT: 30}),
    ]


def test_registers_of_two_devices_have_nothing_to_do_with_one_another() -> None:
    assert daily(Mode.USAGE, shown(0, 500), shown(1, 700, device="B"), shown(2, 900, device="B")) == [
        (1, {Channel.IMPORT: 200})
    ]
