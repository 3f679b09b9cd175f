"""The one-value rule, registers and the context: none of them knows an order of arrival."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.chain import AdmittedBatch
from signing.claims import read_claims
from signing.evidence import (
    Block,
    BlockState,
    Copy,
    PartCase,
    context,
    context_batches,
    copies_by_block,
    resolve,
    signed_registers,
)
from signing.interval import Interval
from signing.statements.reading import Absence, Provenance, Reading
from signing.statements.reading_batch import Origin
from tests.vectors import scenes
from tests.vectors.world import HOUR, METER, TEN, Key, World, dumps, energy

SPAN = Interval(TEN, TEN + 2 * HOUR)


def admitted(world: World, batches: Iterable[object]) -> tuple[AdmittedBatch, ...]:
    """These batches as the code under test reads them."""
    scene = scenes.good(World())
    rows = [world.batch_entry(batch) for batch in batches]  # type: ignore[arg-type]
    bundle = scene.bundle()
    bundle[7] = sorted(rows, key=lambda row: row[0].value[2])
    return tuple(row.batch for row in read_claims(dumps(bundle)).batches)


def world() -> World:
    made = World()
    made.enrol(made.gateway, METER)
    return made


def reading(wh: int | None, flags: int = 0) -> Reading:
    absence = Absence.NO_ROW if wh is None else Absence.NONE
    return Reading(import_wh=wh, export_wh=wh, absence=absence, flags=flags, provenance=Provenance.LOAD_PROFILE)


BATCH = admitted(made := world(), [made.batch(TEN)])[0]
STRONG = admitted(made := world(), [made.batch(TEN, header={9: 3})])[0]


def block(*values: tuple[int | None, int], batch: AdmittedBatch = BATCH) -> Block:
    return resolve(TEN, tuple(Copy(batch=batch, reading=reading(wh, flags)) for wh, flags in values))


@pytest.mark.parametrize(
    ("values", "state", "wh", "flags"),
    [
        ([], BlockState.MISSING, None, 0),
        ([(None, 1)], BlockState.MISSING, None, 0),
        ([(None, 1), (None, 2)], BlockState.MISSING, None, 0),
        ([(5, 1)], BlockState.VALUED, 5, 1),
        ([(5, 1), (None, 2)], BlockState.VALUED, 5, 1),
        ([(5, 1), (5, 4)], BlockState.VALUED, 5, 5),
        ([(5, 1), (6, 4)], BlockState.CONFLICT, None, 5),
        ([(5, 0), (6, 0), (None, 0)], BlockState.CONFLICT, None, 0),
        ([(0, 0)], BlockState.VALUED, 0, 0),
    ],
)
def test_one_value_a_block(values: list[tuple[int | None, int]], state: BlockState, wh: int | None, flags: int) -> None:
    for order in (values, values[::-1]):
        found = block(*order)
        assert (found.state, found.import_wh, found.export_wh, found.flags) == (state, wh, wh, flags)


def test_the_weakest_origin_of_the_copies_that_carry_the_value_counts() -> None:
    copies = (Copy(batch=STRONG, reading=reading(5)), Copy(batch=BATCH, reading=reading(5)))
    assert resolve(TEN, copies).origin is Origin.LLS
    absent = (Copy(batch=STRONG, reading=reading(5)), Copy(batch=BATCH, reading=reading(None)))
    assert resolve(TEN, absent).origin is Origin.GMAC
    assert block((None, 0)).origin is None


def test_copies_are_those_of_opened_batches_that_start_in_the_span() -> None:
    made = world()
    batches = admitted(made, [made.batch(TEN - HOUR), made.batch(TEN + HOUR, 8), made.batch(TEN + 2 * HOUR)])
    found = copies_by_block(batches, SPAN)
    assert list(found) == [TEN + HOUR + 900 * n for n in range(4)]
    assert [copy.reading.import_wh for copies in found.values() for copy in copies] == [
        energy(start)[0] for start in found
    ]
    assert (
        copies_by_block(
            [AdmittedBatch(kid=b.kid, digest=b.digest, header=b.header, opening=None) for b in batches], SPAN
        )
        == {}
    )


@given(st.data())
def test_p6_copies_registers_and_context_are_the_same_in_every_order(data: st.DataObject) -> None:
    order = tuple(data.draw(st.permutations(HOURS)))
    assert copies_by_block(order, SPAN) == copies_by_block(HOURS, SPAN)
    assert signed_registers(order) == signed_registers(HOURS)
    assert context(SPAN, order) == context(SPAN, HOURS)
    assert set(context_batches(SPAN, order)) == set(context_batches(SPAN, HOURS))


def hours(*registers: int, since: int = -3, count: int = 8) -> tuple[AdmittedBatch, ...]:
    """Hourly batches; each that ends at one of `registers` (hours from ten) states it."""
    made = world()
    batches = []
    for number in range(since, since + count):
        start = TEN + number * HOUR
        batches.append(made.batch(start, registers=[TEN + r * HOUR for r in registers if r == number + 1]))
    return admitted(made, batches)


HOURS = hours(-2, 0, 2, 4)


@pytest.mark.parametrize(
    ("registers", "first", "last", "batches"),
    [
        ((-2, 0, 2, 4), 0, 2, [-1, 0, 1]),
        ((0, 4), 0, 4, [-1, 0, 1, 2, 3]),
        ((-2, 4), -2, 4, [-3, -2, -1, 0, 1, 2, 3]),
        ((), 0, 2, [0, 1]),
        ((1,), 0, 2, [0, 1]),
        ((-2,), 0, 2, [0, 1]),
        ((4,), 0, 2, [0, 1]),
        ((0,), 0, 2, [-1, 0, 1]),
    ],
)
def test_the_context_is_the_shortest_span_between_two_registers(
    registers: tuple[int, ...], first: int, last: int, batches: list[int]
) -> None:
    rows = hours(*registers)
    assert context(SPAN, rows) == Interval(TEN + first * HOUR, TEN + last * HOUR)
    starts = sorted((batch.header.start_utc - TEN) // HOUR for batch in context_batches(SPAN, rows))
    assert starts == batches


def test_a_register_outside_the_closed_span_of_its_batch_is_no_evidence() -> None:
    made = world()
    rows = admitted(made, [made.batch(TEN, registers=[TEN - 1, TEN, TEN + HOUR, TEN + HOUR + 1])])
    assert list(signed_registers(rows)) == [TEN, TEN + HOUR]


def test_two_registers_for_one_stamp_are_both_kept() -> None:
    made = world()
    later = made.batch(TEN, registers=[TEN])
    later.opening = later.opening.replace(b"\x1a\x00\x0f", b"\x1a\x00\x0e")
    rows = admitted(made, [made.batch(TEN - HOUR, registers=[TEN]), later])
    assert len(signed_registers(rows)[TEN]) == 2


def test_a_case_has_a_chain_for_every_key_that_any_record_named() -> None:
    scene = scenes.revoked()
    claims = read_claims(dumps(scene.bundle()))
    records = tuple(entry.statement for entry in claims.records[METER])
    case = PartCase(
        span=SPAN,
        records=records,
        record_digests=tuple(entry.envelope.digest for entry in claims.records[METER]),
        batches=tuple(row.batch for row in claims.batches),
    )
    assert case.record.number == 1
    assert [chain.kid for chain in case.chains] == [scene.world.gateway.kid]
    assert [len(chain.batches) for chain in case.chains] == [3]
    assert Key(9).kid not in {chain.kid for chain in case.chains}
