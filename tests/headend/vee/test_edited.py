"""Edits over judged blocks, at every length of block: what they say holds, and nothing else changes."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.readings import Quality
from headend.windows import bearing, edit_heads, judge, validated
from signing.evidence import PartCase, WindowCase
from signing.interval import Interval, ist_day_start
from signing.statements.edit import Edit, EditedBlock, EditProposal
from signing.statements.persons import Person
from signing.statements.window_actual import Status
from tests.headend.vee.test_periods import IST, PERIODS, case, rows_of
from tests.headend.vee.world import METER, SALT, key, reading

NOBODY = Person(key=key(90), name="nobody checks it here", signature=bytes(64))
Values = Mapping[int, tuple[int | None, int | None]]


def with_edits(found: WindowCase, *edits: Values, period_s: int) -> WindowCase:
    """The case with edits of its meter, one after the other."""
    said: list[Edit] = []
    for values in edits:
        proposal = EditProposal(
            meter=METER,
            number=len(said),
            previous=bytes(32) if said else None,
            period_s=period_s,
            blocks=tuple(
                EditedBlock(start_utc=start, import_wh=imported, export_wh=exported)
                for start, (imported, exported) in sorted(values.items())
            ),
            reason="agreed",
            salt=SALT,
        )
        said.append(Edit(proposal=proposal, author=NOBODY, approver=NOBODY))

    def edited(part: PartCase) -> PartCase:
        return replace(part, edits=tuple(said), edit_digests=tuple(bytes([n]) * 32 for n in range(len(said))))

    return replace(found, parts=tuple(map(edited, found.parts)))


@pytest.mark.parametrize("period_s", PERIODS)
def test_an_edited_block_is_manual_at_every_length(period_s: int) -> None:
    rows = rows_of(period_s, IST, at1=reading(None))
    plain = case(period_s, IST, rows)
    found = judge(with_edits(plain, {IST.start_utc + period_s: (77, 3)}, period_s=period_s))
    (part,) = found.parts
    assert (found.status, part.counts.manual, part.counts.missing) == (Status.PROVISIONAL, 1, 0)
    assert (part.manual_import_wh, part.manual_export_wh) == (77, 3)
    assert found.totals is not None
    assert found.totals.import_wh == (part.measured_import_wh or 0) + 77


@pytest.mark.parametrize("period_s", PERIODS)
def test_an_edit_of_blocks_of_another_length_is_of_none_of_these(period_s: int) -> None:
    other = 900 if period_s != 900 else 3600
    plain = case(period_s, IST, rows_of(period_s, IST))
    found = with_edits(plain, {IST.start_utc: (77, 3)}, period_s=other)
    assert judge(found) == judge(plain)
    assert (bearing(found), edit_heads(found)) == ({}, ())


def test_the_heads_are_the_newest_edits_whatever_these_are_about() -> None:
    plain = case(900, IST, rows_of(900, IST))
    found = with_edits(plain, {IST.start_utc: (1, 1)}, {ist_day_start(IST.start_utc): (1, 1)}, period_s=900)
    assert bearing(found) == {METER: 0}
    ((head),) = edit_heads(found)
    assert (head.meter, head.number, head.digest) == (METER, 1, b"\x01" * 32)


STARTS = st.sampled_from(range(IST.start_utc, IST.end_utc, 900))
ENERGIES = st.one_of(st.just((None, None)), st.tuples(st.integers(0, 500), st.integers(0, 500)))
EDITS = st.lists(st.dictionaries(STARTS, ENERGIES, min_size=1, max_size=4), max_size=4)
HOLES = st.sets(st.integers(0, 15), max_size=4)


@given(holes=HOLES, edits=EDITS)
def test_the_newest_edit_of_each_block_holds_and_every_other_block_is_as_it_was(
    holes: set[int], edits: list[dict[int, tuple[int | None, int | None]]]
) -> None:
    rows = [reading(None if place in holes else 100, None if place in holes else 5) for place in range(16)]
    plain = case(900, IST, rows)
    newest: dict[int, tuple[int | None, int | None]] = {}
    for values in edits:
        newest |= values
    (before,) = validated(plain)
    (after,) = validated(with_edits(plain, *edits, period_s=900))
    for old, new in zip(before.intervals, after.intervals, strict=True):
        start = new.block.start_utc
        assert new.findings == old.findings
        if start not in newest:
            assert new == old
            continue
        assert (new.import_wh, new.export_wh, new.origin) == (*newest[start], None)
        assert new.quality is (Quality.MISSING if newest[start][0] is None else Quality.MANUAL)
    judgement = judge(with_edits(plain, *edits, period_s=900))
    (part,) = judgement.parts
    assert part.counts.manual == sum(imported is not None for imported, _ in newest.values())
    assert not (newest and judgement.status is Status.FINAL)


def test_a_block_counts_in_the_part_in_which_it_starts() -> None:
    plain = case(900, IST, rows_of(900, IST))
    (part,) = plain.parts
    cut = replace(part, span=Interval(IST.start_utc, IST.start_utc + 1000))
    found = with_edits(replace(plain, parts=(cut,)), {IST.start_utc + 900: (9, 1)}, period_s=900)
    (judged,) = validated(found)
    assert [interval.quality for interval in judged.intervals] == [Quality.VALID, Quality.MANUAL]
    assert judged.statement().counts.expected == 2


def test_e1_takes_no_edited_block_for_a_neighbour() -> None:
    rows = rows_of(900, IST, at4=reading(None), at5=reading(None), at9=reading(None))
    plain = case(900, IST, rows)
    for edited, estimated in ((4, 0), (9, 2)):
        start = IST.start_utc + edited * 900
        (part,) = judge(with_edits(plain, {start: (100, 0)}, period_s=900)).parts
        assert (part.counts.manual, part.counts.estimated) == (1, estimated)


def test_what_is_estimated_around_a_cut_block_lies_in_the_context() -> None:
    plain = case(900, IST, rows_of(900, IST, at0=reading(None)))
    (part,) = plain.parts
    cut = replace(part, span=Interval(IST.start_utc, IST.start_utc + 1900))
    (judged,) = validated(
        with_edits(replace(plain, parts=(unregistered(cut),)), {IST.start_utc + 1800: (9, 1)}, period_s=900)
    )
    assert [interval.quality for interval in judged.intervals] == [Quality.MISSING, Quality.VALID, Quality.MANUAL]
    for task in judged.validation.tasks:
        assert [block.start_utc for block in task.blocks] == [IST.start_utc, IST.start_utc + 900]


def test_the_newest_edit_that_bears_counts_over_all_parts_of_a_meter() -> None:
    (part,) = case(900, IST, rows_of(900, IST)).parts
    middle = IST.start_utc + 7200
    parts = (
        replace(unregistered(part), span=Interval(IST.start_utc, middle)),
        replace(unregistered(part), span=Interval(middle, IST.end_utc)),
    )
    plain = replace(case(900, IST, rows_of(900, IST)), parts=parts)
    for edits, number in (([{middle: (1, 1)}, {IST.start_utc: (1, 1)}], 1), ([{IST.start_utc: (1, 1)}], 0)):
        assert bearing(with_edits(plain, *edits, period_s=900)) == {METER: number}


def unregistered(part: PartCase) -> PartCase:
    """The part without registers: its context is itself."""
    batches = tuple(
        replace(batch, opening=None if batch.opening is None else replace(batch.opening, registers=()))
        for batch in part.batches
    )
    return replace(part, batches=batches)
