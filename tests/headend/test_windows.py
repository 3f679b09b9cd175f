"""The judgement of windows: coverage, parts, totals, status, reasons."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from headend import windows
from headend.readings import Quality
from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.windows import bounded, evidence, evidence_batches, judge, settling_spans, validated
from signing.chain import AdmittedBatch
from signing.energy import MAX_WH, Fraction
from signing.evidence import Judgement, WindowCase
from signing.interval import Interval
from signing.statements.meter_record import Fact, MeterRecord, Role
from signing.statements.reading import Reading
from signing.statements.reading_batch import Origin
from signing.statements.window_actual import Status, Totals
from tests.headend.vee import world
from tests.headend.vee.world import (
    Gateway,
    at,
    fact,
    part,
    premises,
    reading,
    readings,
    record,
    register,
    span,
    speaker,
)
from tests.headend.vee.world import window_case as case

EIGHT = (100,) * 8


def measured(imported: Sequence[int | None] = EIGHT, **fields: Any) -> WindowCase:
    """The usual window with one batch over it."""
    gateway = Gateway()
    gateway.state("10:00", readings(imported), **fields)
    return premises(gateway).case()


@pytest.mark.parametrize("period_s", [900, 1800, 3600])
def test_a_window_is_judged_at_every_block_length(period_s: int) -> None:
    blocks = 7200 // period_s
    gateway = Gateway()
    gateway.state(
        "10:00",
        readings([100] * blocks, [7] * blocks),
        period_s=period_s,
        registers=[register("10:00", 5000, 0), register("12:00", 5000 + 100 * blocks, 7 * blocks)],
    )
    judgement = judge(premises(gateway, facts=[fact(period_s=period_s)]).case())
    assert judgement.status is Status.FINAL
    assert judgement.totals == Totals(import_wh=100 * blocks, export_wh=7 * blocks)
    (stated,) = judgement.parts
    assert (stated.counts.expected, stated.counts.valid) == (blocks, blocks)


@pytest.mark.parametrize(
    ("start", "end", "period_s", "reason"),
    [
        ("10:00", "12:00", 3600, None),
        ("10:15", "12:00", 3600, "2026-04-26 10:15:00 IST cuts a block of 3600 s"),
        ("10:00", "12:15", 1800, "2026-04-26 12:15:00 IST cuts a block of 1800 s"),
        ("10:00:01", "12:00", 900, "2026-04-26 10:00:01 IST cuts a block of 900 s"),
        ("10:00", "11:59:59", 900, "2026-04-26 11:59:59 IST cuts a block of 900 s"),
    ],
)
def test_a_window_that_cuts_a_block_is_not_measurable(start: str, end: str, period_s: int, reason: str | None) -> None:
    judgement = judge(premises(Gateway(), facts=[fact(period_s=period_s)]).case(span(start, end)))
    expected = Status.PENDING if reason is None else Status.NOT_MEASURABLE
    assert judgement.status is expected
    assert judgement.totals is None
    assert reason is None or judgement.reason == reason


def test_an_edge_of_the_window_cuts_no_block_of_a_part_that_does_not_reach_it() -> None:
    # Quarter hours until 11:00, hours from then on: the window begins on the grid of the first and ends on that of the second.
    found = premises(Gateway(), facts=[fact(period_s=900), fact(period_s=3600, from_utc=at("11:00"))])
    first, second = (part(found.records, (), span(*edges)) for edges in (("10:15", "11:00"), ("11:00", "12:00")))
    judgement = judge(case([first, second], span("10:15", "12:00")))
    assert (judgement.status, judgement.reason) == (Status.PENDING, "4 of 4 blocks missing")


def test_nothing_is_known_of_a_window_without_data() -> None:
    judgement = judge(premises(Gateway()).case())
    assert (judgement.status, judgement.reason) == (Status.PENDING, "8 of 8 blocks missing")
    (stated,) = judgement.parts
    assert (stated.measured_import_wh, stated.measured_export_wh, stated.origin) == (None, None, None)


def test_a_missing_block_withholds_totals_and_keeps_what_was_measured() -> None:
    judgement = judge(measured((100, None, 100, 100, 100, 100, 100, 100)))
    assert (judgement.status, judgement.totals) == (Status.PENDING, None)
    assert judgement.reason == "1 of 8 blocks missing"
    (stated,) = judgement.parts
    counts = stated.counts
    assert (counts.expected, counts.valid, counts.suspect, counts.missing) == (8, 7, 0, 1)
    assert stated.measured_import_wh == 700


def test_a_suspect_block_is_never_part_of_the_measured_energy() -> None:
    gateway = Gateway()
    gateway.state("10:00", readings(EIGHT))
    gateway.state("11:00", readings((101,)))
    judgement = judge(premises(gateway).case())
    (stated,) = judgement.parts
    assert (stated.counts.suspect, stated.counts.valid, stated.measured_import_wh) == (1, 7, 700)


def test_the_weakest_origin_of_the_valid_blocks_is_stated() -> None:
    gateway = Gateway()
    gateway.state("10:00", readings((100,) * 4), origin=Origin.GMAC)
    gateway.state("11:00", readings((100,) * 4), origin=Origin.PLAIN)
    assert judge(premises(gateway).case()).parts[0].origin is Origin.PLAIN
    gateway.state("11:00", readings((100,) * 4), origin=Origin.GMAC)
    assert judge(premises(gateway).case()).parts[0].origin is Origin.PLAIN


def test_the_origin_of_a_block_that_does_not_count_is_not_stated() -> None:
    gateway = Gateway()
    gateway.state("10:00", (reading(-1), *readings((100,) * 3)), origin=Origin.PLAIN)
    gateway.state("11:00", readings((100,) * 4), origin=Origin.GMAC)
    gateway.batches[0] = world.admitted(
        gateway.key.kid,
        gateway.batches[0].header,
        replace(gateway.batches[0].opening, identity="another"),  # type: ignore[type-var]  # an opening is there
    )
    assert judge(premises(gateway).case()).parts[0].origin is Origin.GMAC


def test_a_meter_without_an_export_register_has_no_export_total() -> None:
    gateway = Gateway()
    rows = tuple(reading(100, None) for _ in EIGHT)
    gateway.state("10:00", rows, registers=[register("10:00", 0, None), register("12:00", 800, None)])
    judgement = judge(premises(gateway).case())
    assert (judgement.status, judgement.totals) == (Status.FINAL, Totals(import_wh=800, export_wh=None))
    assert judgement.parts[0].measured_export_wh is None


def test_factors_apply_to_the_sum_of_a_part_rounded_once_half_to_even() -> None:
    facts = [fact(ct=Fraction(1, 2), pt=Fraction(3, 1), factor=Fraction(1, 3))]
    gateway = Gateway()
    gateway.state("10:00", readings((1, 0, 0, 0, 0, 0, 0, 0), (3, 0, 0, 0, 0, 0, 0, 0)))
    assert judge(premises(gateway, facts=facts).case()).totals == Totals(import_wh=0, export_wh=2)
    other = Gateway()
    other.state("10:00", readings((1,) * 8, (1, 1, 1, 1, 1, 0, 0, 0)))
    assert judge(premises(other, facts=facts).case()).totals == Totals(import_wh=4, export_wh=2)


@pytest.mark.parametrize(("least", "status"), [(MAX_WH, Status.PROVISIONAL), (MAX_WH + 1, Status.PENDING)])
def test_a_total_beyond_any_meter_is_no_total(least: int, status: Status) -> None:
    first, rest = divmod(least, 2)
    gateway = Gateway()
    gateway.state("10:00", readings((first, first + rest, 0, 0, 0, 0, 0, 0)))
    judgement = judge(premises(gateway).case())
    assert judgement.status is status
    assert judgement.reason == (None if status is Status.PROVISIONAL else "a total is beyond any meter")


def test_an_export_total_beyond_any_meter_is_no_total() -> None:
    gateway = Gateway()
    gateway.state("10:00", readings((0,) * 8, (MAX_WH, 1, 0, 0, 0, 0, 0, 0)))
    assert judge(premises(gateway).case()).reason == "a total is beyond any meter"


class TestParts:
    """A meter exchange: two meters, one connection point."""

    def old(self, *rows: Reading, start: str = "10:00") -> tuple[MeterRecord, tuple[AdmittedBatch, ...]]:
        gateway = Gateway(0, "SKS-old")
        gateway.state(start, rows, identity="OLD")
        return record([speaker(gateway.key)], [fact(identity="OLD")], meter="SKS-old"), tuple(gateway.batches)

    def new(self, since: str, *rows: Reading, start: str) -> tuple[MeterRecord, tuple[AdmittedBatch, ...]]:
        gateway = Gateway(1, "SKS-new")
        gateway.state(start, rows, identity="NEW")
        facts = [fact(identity="NEW", from_utc=at(since), factor=Fraction(1, 2))]
        return record([speaker(gateway.key)], facts, meter="SKS-new"), tuple(gateway.batches)

    def exchange(self, since: str, before: Sequence[Reading], after: Sequence[Reading], after_start: str) -> WindowCase:
        old, new = self.old(*before), self.new(since, *after, start=after_start)
        spans = settling_spans(world.POINT, span("10:00", "12:00"), [new[0], old[0]])
        held = {old[0].meter: old, new[0].meter: new}
        return case([part([holder], held[holder.meter][1], over) for holder, over in spans])

    def test_an_exchange_at_a_block_edge_loses_nothing_and_each_part_is_rounded_by_itself(self) -> None:
        judgement = judge(self.exchange("10:30", readings((3, 4)), readings((1, 1, 1, 1, 1, 0)), "10:30"))
        assert judgement.status is Status.PROVISIONAL
        assert judgement.totals == Totals(import_wh=7 + 2, export_wh=0)
        assert [(stated.meter, stated.counts.expected) for stated in judgement.parts] == [
            ("SKS-old", 2),
            ("SKS-new", 6),
        ]

    def test_a_block_that_an_exchange_cuts_is_missing_and_expected_once(self) -> None:
        judgement = judge(self.exchange("10:37", readings((3, 4, 5)), readings((1,) * 5), "10:45"))
        assert (judgement.status, judgement.reason) == (Status.PENDING, "1 of 8 blocks missing")
        assert [stated.counts.expected for stated in judgement.parts] == [3, 5]
        assert [stated.counts.missing for stated in judgement.parts] == [1, 0]
        assert [stated.measured_import_wh for stated in judgement.parts] == [7, 5]

    @pytest.mark.parametrize(
        ("balanced", "status"),
        [((True, True), Status.FINAL), ((True, False), Status.PROVISIONAL), ((False, True), Status.PROVISIONAL)],
    )
    def test_a_window_is_final_when_every_part_is_balanced(self, balanced: tuple[bool, bool], status: Status) -> None:
        parts = []
        for number, (start, end) in enumerate((("10:00", "11:00"), ("11:00", "12:00"))):
            gateway = Gateway(number, f"SKS-{number}")
            registers = [register(start, 0), register(end, 400)] if balanced[number] else []
            gateway.state(start, readings((100,) * 4), registers=registers)
            known = record([speaker(gateway.key)], [fact()], meter=gateway.meter)
            parts.append(part([known], gateway.batches, span(start, end)))
        assert judge(case(parts)).status is status

    def test_two_exchanges_in_one_block_leave_a_part_without_blocks(self) -> None:
        old, new = self.old(*readings((100,) * 8)), self.new("10:05", *readings((100,) * 7), start="10:15")
        third = replace(new[0], meter="SKS-third", facts=(fact(from_utc=at("10:10"), identity="NEW"),))
        spans = settling_spans(world.POINT, span("10:00", "12:00"), [old[0], new[0], third])
        judgement = judge(case([part([holder], (), over) for holder, over in spans]))
        assert [stated.counts.expected for stated in judgement.parts] == [1, 0, 7]
        assert judgement.reason == "8 of 8 blocks missing"

    def test_a_window_that_is_not_covered_is_pending_and_says_where(self) -> None:
        old = self.old(*readings((100,) * 8))
        for parts, where in (
            ([], "10:00"),
            ([part([old[0]], old[1], span("10:15", "12:00"))], "10:00"),
            ([part([old[0]], old[1], span("10:00", "11:45"))], "11:45"),
            ([part([old[0]], old[1], span("10:00", "11:00")), part([old[0]], old[1], span("11:15", "12:00"))], "11:00"),
            ([part([old[0]], old[1], span("10:00", "11:00")), part([old[0]], old[1], span("10:45", "12:00"))], "11:00"),
        ):
            judgement = judge(case(parts))
            assert judgement.status is Status.PENDING
            assert judgement.reason is not None
            assert judgement.reason.startswith(f"no revenue meter is recorded for 2026-04-26 {where}:00 IST")

    @pytest.mark.parametrize(
        "stated",
        [
            fact(role=Role.CHECK),
            fact(role=Role.GENERATION),
            fact(connection_point="CP-2"),
            fact(from_utc=at("10:00") + 1),
        ],
    )
    def test_only_the_revenue_meter_of_the_connection_point_settles(self, stated: Fact) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings(EIGHT))
        judgement = judge(premises(gateway, facts=[stated]).case())
        assert judgement.status is Status.PENDING
        assert judgement.reason is not None
        assert judgement.reason.startswith("no revenue meter is recorded for 2026-04-26 10:00:00 IST")

    def test_facts_that_change_inside_a_part_withhold_its_totals(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings(EIGHT))
        facts = [fact(), fact(from_utc=at("11:00"), factor=Fraction(2, 1))]
        assert judge(premises(gateway, facts=facts).case()).status is Status.PENDING
        harmless = [fact(), fact(from_utc=at("11:00"), sanctioned_w=7000)]
        assert judge(premises(gateway, facts=harmless).case()).status is Status.PROVISIONAL

    @pytest.mark.parametrize("edge", ["10:00", "12:00"])
    def test_facts_that_change_at_an_edge_of_a_part_leave_it_whole(self, edge: str) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((0,) * 8, EIGHT))
        facts = [fact(), fact(from_utc=at(edge), factor=Fraction(2, 1))]
        factor = 2 if edge == "10:00" else 1
        assert judge(premises(gateway, facts=facts).case()).totals == Totals(import_wh=0, export_wh=800 * factor)


class TestDeviceExchange:
    """Another device under the same meter id: its registers start anew, and say nothing of the old one's."""

    def swapped(self, at_clock: str = "11:00") -> tuple[Fact, Fact]:
        return fact(identity="OLD"), fact(identity="NEW", from_utc=at(at_clock), factor=Fraction(1, 2))

    def judged(self, gateway: Gateway, facts: Sequence[Fact]) -> Judgement:
        known = premises(gateway, facts=facts).records
        spans = settling_spans(world.POINT, span("10:00", "12:00"), known)
        return judge(case([part(known, gateway.batches, over) for _, over in spans]))

    @pytest.mark.parametrize("serials", [("OLD", "NEW"), (None, None)])
    def test_each_part_is_balanced_by_its_own_devices_registers(self, serials: tuple[str | None, str | None]) -> None:
        gateway = Gateway()
        old, new = [register("10:00", 7000), register("11:00", 7400)], [register("11:00", 0), register("12:00", 200)]
        gateway.state("10:00", readings((100,) * 4), registers=old, identity=serials[0], origin=Origin.MODBUS)
        gateway.state("11:00", readings((50,) * 4), registers=new, identity=serials[1], origin=Origin.MODBUS)
        judgement = self.judged(gateway, self.swapped())
        assert (judgement.status, judgement.totals) == (Status.FINAL, Totals(import_wh=400 + 100, export_wh=0))
        assert [stated.counts.valid for stated in judgement.parts] == [4, 4]

    def test_registers_beyond_the_exchange_balance_nothing_and_reject_nothing(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((100,) * 4), registers=[register("10:00", 7000)], identity="OLD")
        gateway.state("11:00", readings((50,) * 4), registers=[register("12:00", 200)], identity="NEW")
        judgement = self.judged(gateway, self.swapped())
        assert (judgement.status, judgement.totals) == (Status.PROVISIONAL, Totals(import_wh=400 + 100, export_wh=0))

    def test_the_block_that_it_cuts_is_missing_and_expected_once(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((100,) * 5), registers=[register("10:00", 7000)], identity="OLD")
        gateway.state("11:15", readings((50,) * 3), registers=[register("12:00", 150)], identity="NEW")
        judgement = self.judged(gateway, self.swapped("11:07"))
        assert (judgement.status, judgement.reason) == (Status.PENDING, "1 of 8 blocks missing")
        assert [stated.counts.expected for stated in judgement.parts] == [5, 3]
        assert [stated.counts.missing for stated in judgement.parts] == [1, 0]

    def test_what_the_old_device_says_after_it_counts_for_neither(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((100,) * 8), registers=[register("12:00", 7800)], identity="OLD")
        gateway.state(
            "11:00", readings((50,) * 4), registers=[register("11:00", 0), register("12:00", 200)], identity="NEW"
        )
        judgement = self.judged(gateway, self.swapped())
        assert (judgement.status, judgement.totals) == (Status.PROVISIONAL, Totals(import_wh=400 + 100, export_wh=0))

    def test_the_evidence_of_a_part_reaches_no_further_than_its_device(self) -> None:
        gateway = Gateway()
        gateway.state(
            "10:00", readings((100,) * 4), registers=[register("10:00", 7000), register("11:00", 7400)], identity="OLD"
        )
        gateway.state("11:00", readings((50,) * 4), registers=[register("11:00", 0)], identity="NEW")
        (known,) = premises(gateway, facts=self.swapped()).records
        first = part([known], gateway.batches, span("10:00", "11:00"))
        assert first.context() == span("10:00", "11:00")
        assert [batch.header.sequence for batch in first.context_batches()] == [0]

    @pytest.mark.parametrize(
        ("start", "blocks", "stamp", "identity", "encloses"),
        [
            ("10:30", 2, "11:00", "OLD", True),
            ("10:30", 2, "11:00", "NEW", False),
            ("10:30", 6, "11:00", "OLD", True),
            ("10:30", 6, "11:00", "NEW", False),
            ("10:30", 6, "11:15", "OLD", False),
            ("11:00", 4, "11:00", None, False),
            ("10:30", 6, "11:00", None, True),
        ],
    )
    def test_only_a_register_that_can_be_the_devices_ends_its_context(
        self, start: str, blocks: int, stamp: str, identity: str | None, *, encloses: bool
    ) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((100,) * 2), registers=[register("10:00", 7000)], identity="OLD")
        gateway.state(start, readings((100,) * blocks), registers=[register(stamp, 7400)], identity=identity)
        (known,) = premises(gateway, facts=self.swapped()).records
        first = part([known], gateway.batches, span("10:00", "10:30"))
        assert first.context() == (span("10:00", "11:00") if encloses else span("10:00", "10:30"))


class TestSettlingSpans:
    """Which meter settles when."""

    window = span("10:00", "12:00")

    def test_one_meter_settles_all_of_it(self) -> None:
        one = record([], [fact()])
        assert settling_spans(world.POINT, self.window, [one]) == ((one, self.window),)

    def test_facts_of_another_place_or_role_settle_nothing(self) -> None:
        others = [
            record([], [fact(connection_point="CP-2")], meter="A"),
            record([], [fact(role=Role.CHECK)], meter="B"),
            record([], [fact(from_utc=at("12:00"))], meter="C"),
        ]
        assert settling_spans(world.POINT, self.window, others) == ()

    def test_a_meter_that_begins_after_the_window_does_covers_none_of_it(self) -> None:
        one = record([], [fact(from_utc=at("10:00") + 1)])
        assert settling_spans(world.POINT, self.window, [one]) == ()

    def test_the_later_fact_holds_and_the_older_meter_holds_again_after_it(self) -> None:
        old = record([], [fact()], meter="A")
        new = record([], [fact(from_utc=at("10:30")), fact(from_utc=at("11:00"), role=Role.CHECK)], meter="B")
        assert settling_spans(world.POINT, self.window, [new, old]) == (
            (old, span("10:00", "10:30")),
            (new, span("10:30", "11:00")),
            (old, span("11:00", "12:00")),
        )

    def test_two_meters_that_began_at_once_settle_nothing(self) -> None:
        twins = [record([], [fact()], meter=name) for name in ("A", "B")]
        assert settling_spans(world.POINT, self.window, twins) == ()

    def test_a_part_ends_where_its_terms_change_and_goes_on_where_they_do_not(self) -> None:
        facts = [
            fact(),
            fact(from_utc=at("10:30"), sanctioned_w=7),
            fact(from_utc=at("11:00"), ct=Fraction(5, 1)),
        ]
        one = record([], facts)
        assert settling_spans(world.POINT, self.window, [one]) == (
            (one, span("10:00", "11:00")),
            (one, span("11:00", "12:00")),
        )


def test_batches_of_a_key_that_no_record_names_are_nothing() -> None:
    known, stranger = Gateway(0), Gateway(5)
    known.state("10:00", readings(EIGHT))
    usual = premises(known)
    stranger.state("10:00", readings((999,) * 8))
    with_stranger = case([part(usual.records, (*known.batches, *stranger.batches))])
    assert judge(with_stranger) == judge(usual.case())
    assert evidence(with_stranger) == evidence(usual.case())


def test_what_lies_below_the_base_is_no_evidence() -> None:
    gateway = Gateway()
    for hour in range(6, 12):
        gateway.state(f"{hour:02}:00", readings((100,) * 4))
    (whole,) = premises(gateway).case().parts
    kept = bounded(whole)
    assert bounded(kept) == kept
    # Sequence 3 ends where the window begins: it may hold a register of its edge.
    assert [batch.header.sequence for batch in kept.batches] == [3, 4, 5]
    assert sorted(b.header.sequence for b in evidence_batches(premises(gateway).case())) == [4, 5]


def test_a_reason_never_grows_beyond_a_label() -> None:
    gateway = Gateway()
    gateway.state("10:00", (reading(-1), reading(-2), reading(-3), *readings((100,) * 3), *readings((None, None))))
    gateway.state("10:45", readings((101,)))
    gateway.state("11:00", readings((100,)), identity="another")
    judgement = judge(premises(gateway).case())
    assert judgement.reason == (
        "5 of 8 blocks missing; 1 of 8 blocks suspect; 2 values that differ; import_wh is -1; import_wh is -2; "
        "import_wh is -3"
    )
    gateway.state("11:15", (reading(100, flags=4),), clock_offset_ms=200_000)
    longer = judge(premises(gateway).case()).reason
    assert longer is not None
    assert longer.endswith("; and more")
    assert len(longer) <= 128


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (["a"], "a"),
        (["a", "b" * 125], "a; " + "b" * 125),
        (["a", "b" * 126], "a; and more"),
        (["a", "b" * 115, "c"], "a; " + "b" * 115 + "; c"),
        (["a", "b" * 115, "c" * 9], "a; " + "b" * 115 + "; and more"),
        (["a", "b" * 116, "c"], "a; and more"),
    ],
)
def test_a_reason_says_as_many_points_as_a_label_holds(points: list[str], reason: str) -> None:
    assert windows._without_totals(Status.PENDING, points, ()).reason == reason
    assert len(reason) <= 128


def test_every_interval_of_a_part_carries_its_findings() -> None:
    gateway = Gateway()
    gateway.state("10:00", (reading(-1), *readings((100,) * 7)))
    (found,) = validated(premises(gateway).case())
    assert [interval.block for interval in found.intervals] == [
        Interval(start, start + 900) for start in range(at("10:00"), at("12:00"), 900)
    ]
    first, second = found.intervals[:2]
    assert first.quality is Quality.MISSING
    assert [(finding.rule, dict(finding.numbers)) for finding in first.findings] == [
        ("V16", {"import_wh": -1}),
        ("V15", {"absent_copies": 0}),
    ]
    assert (second.quality, second.findings, second.import_wh) == (Quality.VALID, (), 100)
    assert second.block.end_utc == second.block.start_utc + 900


@pytest.mark.parametrize(("stated", "status"), [(0, Status.PROVISIONAL), (1, Status.PENDING), (7, Status.PENDING)])
def test_an_export_that_some_blocks_lack_is_not_taken_for_zero(stated: int, status: Status) -> None:
    gateway = Gateway()
    gateway.state("10:00", tuple(reading(100, 50 if place < stated else None) for place in range(8)))
    judged = judge(premises(gateway).case())
    assert judged.status is status
    if status is Status.PENDING:
        assert (judged.totals, judged.reason) == (None, f"{8 - stated} of 8 blocks without export")


def test_what_was_measured_over_an_hour_is_no_value_of_its_first_quarter_whatever_rules_are_left_out() -> None:
    gateway = Gateway()
    gateway.state("10:00", readings((400, 400)), period_s=3600)
    gateway.state("10:15", readings((0, 0, 0)))
    gateway.state("11:15", readings((0, 0, 0)))
    rules = tuple(rule for rule in DEFAULT_RULE_SET.rules if rule.id != "V07")
    judged = judge(premises(gateway).case(rule_set=replace(DEFAULT_RULE_SET, rules=rules)))
    assert (judged.status, judged.reason) == (Status.PENDING, "2 of 8 blocks missing")


def test_quality_is_ordered_from_best_to_worst() -> None:
    assert sorted(Quality) == [Quality.VALID, Quality.MANUAL, Quality.ESTIMATED, Quality.SUSPECT, Quality.MISSING]
