"""What a file comes to: statements that one can hold, and rows against the registry."""

from collections.abc import Sequence

from headend.ies.document import MeterRef
from headend.imports.file import FiledBlock, FiledRegister, ImportedFile
from headend.imports.plan import planned
from signing.interval import DAY_S
from signing.statements.imported_batch import MAX_IMPORTED
from signing.statements.meter_record import Fact
from tests.headend.premises import DAY, fact

REFS = (MeterRef(scheme="OTHER", value="M"),)


class Names:
    """One meter, whose blocks have 900 s, and from the second day on 1800 s."""

    def meter(self, refs: Sequence[MeterRef], at_utc: int) -> str | None:
        assert at_utc >= 0
        return "M" if refs == REFS else None

    def fact(self, meter: str, at_utc: int) -> Fact | None:
        return fact(meter, period_s=900 if at_utc < DAY + DAY_S else 1800)


def block(start: int, period_s: int = 900) -> FiledBlock:
    return FiledBlock(
        line=1, meter=REFS, start_utc=start, period_s=period_s, import_wh=1, export_wh=None, is_measured=True
    )


def register(place: int, wh: int = 1) -> FiledRegister:
    return FiledRegister(line=2 + place, meter=REFS, stamp_utc=DAY + place * 900, import_wh=wh, export_wh=None)


def file(blocks: Sequence[FiledBlock], registers: Sequence[FiledRegister]) -> ImportedFile:
    return ImportedFile(rows=0, blocks=tuple(blocks), registers=tuple(registers), faults=())


def sizes(
    *, blocks: Sequence[FiledBlock] = (), registers: Sequence[FiledRegister] = ()
) -> list[tuple[int | None, int, int]]:
    plan = planned(file(blocks, registers), Names())
    assert plan.faults == ()
    return [(one.period_s, len(one.blocks), len(one.registers)) for one in plan.readings]


def test_registers_alone_are_statements_without_a_period() -> None:
    assert sizes(registers=[register(place) for place in range(3)]) == [(None, 0, 3)]
    many = [register(place) for place in range(MAX_IMPORTED + 1)]
    assert sizes(registers=many) == [(None, 0, MAX_IMPORTED), (None, 0, 1)]


def test_registers_beyond_what_stands_beside_blocks_are_statements_of_their_own() -> None:
    many = [register(place) for place in range(MAX_IMPORTED + 2)]
    assert sizes(blocks=[block(DAY)], registers=many) == [(900, 1, MAX_IMPORTED), (None, 0, 2)]


def test_each_length_of_block_is_its_own_statement() -> None:
    assert sizes(blocks=[block(DAY), block(DAY + DAY_S, 1800)], registers=[register(0)]) == [(900, 1, 1), (1800, 1, 0)]


def test_two_registers_of_one_instant_are_a_fault_of_the_later_row() -> None:
    plan = planned(file([], [register(0), register(0, 2)]), Names())
    assert [(fault.column, fault.got) for fault in plan.faults] == [("time", "another one")]


def test_a_block_of_another_length_than_the_meter_has_is_a_fault() -> None:
    plan = planned(file([block(DAY, 1800), block(DAY + DAY_S, 900), block(DAY + 900)], []), Names())
    assert [(fault.column, fault.got) for fault in plan.faults] == [("period_s", "900 s"), ("period_s", "1800 s")]
    assert [len(one.blocks) for one in plan.readings] == [1]


def test_nothing_is_nothing() -> None:
    assert sizes() == []
