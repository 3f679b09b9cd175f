"""The bounds of every rule: last good, first bad, and what a rule must leave alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from headend.readings import Finding, Quality
from headend.vee.rule import RuleSetError
from headend.vee.rules import RULES
from headend.vee.ruleset import BINDING, DEFAULT_RULE_SET, judged_by
from headend.windows import judge, validated
from signing.interval import DAY_S
from signing.statements.reading import Flag, Reading
from signing.statements.reading_batch import Origin, Register
from signing.statements.rule_set import Rule, RuleSet
from signing.statements.window_actual import Status, Verdict
from tests.headend.vee.world import Gateway, Premises, at, fact, premises, reading, readings, record, register, speaker

EIGHT = (100,) * 8
QUARTERS = ["10:00", "10:15", "10:30", "10:45", "11:00", "11:15", "11:30", "11:45"]


def findings(home: Premises, rule: str, rule_set: RuleSet = DEFAULT_RULE_SET) -> tuple[Finding, ...]:
    """What one rule says of the usual window."""
    (part,) = validated(home.case(rule_set=rule_set))
    return tuple(finding for finding in part.validation.findings if finding.rule == rule)


def blocks(found: Sequence[Finding]) -> list[str]:
    """The blocks that findings are about, by clock time."""
    quarters = {at(text): text for text in QUARTERS}
    return [quarters[finding.block_utc] for finding in found if finding.block_utc is not None]


def qualities(home: Premises) -> list[str]:
    """The quality of every block of the usual window, by initial."""
    (part,) = validated(home.case())
    return [interval.quality.name[0] for interval in part.intervals]


def one(rows: Sequence[Reading] | None = None, **fields: Any) -> Premises:
    """Premises with one batch over the usual window."""
    gateway = Gateway()
    gateway.state("10:00", rows or readings(EIGHT), **fields)
    return premises(gateway)


class TestRuleSet:
    """A program judges only by rules that it knows."""

    def test_every_rule_is_named_for_itself_and_has_default_parameters(self) -> None:
        assert {name: rule.id for name, rule in RULES.items()} == {name: name for name in RULES}
        assert [rule.id for rule in DEFAULT_RULE_SET.rules] == sorted(RULES)
        assert DEFAULT_RULE_SET.parse(DEFAULT_RULE_SET.payload()) == DEFAULT_RULE_SET

    def test_rules_are_asked_by_stage_then_id(self) -> None:
        order = [known.id for known, _ in judged_by(DEFAULT_RULE_SET)]
        assert order == ["V06", "V07", "V11", "V16", "V24", "V03", "V04", "V05", "V09", "V10", "V15", "V23"]

    @pytest.mark.parametrize("left_out", sorted(BINDING))
    def test_a_set_without_a_binding_rule_is_not_judged_by(self, left_out: str) -> None:
        rules = tuple(rule for rule in DEFAULT_RULE_SET.rules if rule.id != left_out)
        with pytest.raises(RuleSetError, match=f"leaves out {left_out}: add them"):
            judged_by(replace(DEFAULT_RULE_SET, rules=rules))

    def test_a_set_may_leave_other_rules_out(self) -> None:
        rules = tuple(rule for rule in DEFAULT_RULE_SET.rules if rule.id in BINDING)
        case = one(rows=(reading(-1), *readings(EIGHT[1:]))).case(rule_set=replace(DEFAULT_RULE_SET, rules=rules))
        assert judge(case).parts[0].measured_import_wh == 699

    @pytest.mark.parametrize(
        ("rule", "message"),
        [
            (Rule(id="V99", version=1, parameters={}), "rule V99 version 1 is not known here"),
            (Rule(id="V16", version=2, parameters={"least_wh": 0}), "rule V16 version 2 is not known here"),
            (Rule(id="V16", version=1, parameters={}), "expected the parameters least_wh for rule V16, got "),
            (
                Rule(id="V07", version=1, parameters={"most_s": 1}),
                "expected the parameters none for rule V07, got most_s",
            ),
        ],
    )
    def test_an_unknown_rule_version_or_parameter_is_not_judged_by(self, rule: Rule, message: str) -> None:
        rules = {entry.id: entry for entry in DEFAULT_RULE_SET.rules} | {rule.id: rule}
        changed = replace(DEFAULT_RULE_SET, rules=tuple(rules[name] for name in sorted(rules)))
        with pytest.raises(RuleSetError, match=message):
            judged_by(changed)

    @pytest.mark.parametrize(
        ("rule", "parameter", "value", "home"),
        [
            ("V06", "required_from_origin_rank", 3, lambda: one(identity=None)),
            ("V09", "fail_s", 200, lambda: one(clock_offset_ms=200_000)),
            ("V09", "warn_s", 7, lambda: one(clock_offset_ms=8_000)),
            ("V10", "flag_bits", 8, lambda: one((reading(flags=8), *readings(EIGHT[1:])))),
            ("V10", "neighbour_blocks", 0, lambda: one((reading(flags=4), *readings(EIGHT[1:])))),
            ("V11", "future_s", 100, lambda: one(read_at_utc=at("11:58:30"))),
            ("V11", "memory_s", 2 * DAY_S, lambda: one(read_at_utc=at("+3 10:00"))),
            ("V16", "least_wh", 101, one),
            ("V23", "digit_wh", 9, lambda: one(registers=[register("10:00", 0), register("12:00", 810)])),
            ("V23", "tolerance_permille", 20, lambda: one(registers=[register("10:00", 0), register("12:00", 813)])),
            ("V24", "least_rise_wh", 1, lambda: one(registers=[register("10:00", 0), register("12:00", 800)])),
        ],
    )
    def test_every_parameter_is_the_rule_sets(self, rule: str, parameter: str, value: int, home: Any) -> None:
        rules = tuple(
            replace(entry, parameters={**entry.parameters, parameter: value}) if entry.id == rule else entry
            for entry in DEFAULT_RULE_SET.rules
        )
        usual, changed = home(), home()
        assert findings(usual, rule) != findings(changed, rule, replace(DEFAULT_RULE_SET, rules=rules))


class TestIdentity:
    """V06."""

    def test_another_serial_number_rejects_every_block_of_the_batch(self) -> None:
        home = one(identity="SKS00000002")
        assert blocks(findings(home, "V06")) == QUARTERS
        assert {finding.because for finding in findings(home, "V06")} == {"the serial number is not the recorded one"}

    @pytest.mark.parametrize(("origin", "count"), [(Origin.MODBUS, 0), (Origin.PLAIN, 8), (Origin.GMAC, 8)])
    def test_only_a_modbus_meter_may_give_no_serial_number(self, origin: Origin, count: int) -> None:
        found = findings(one(identity=None, origin=origin), "V06")
        assert [dict(finding.numbers) for finding in found] == [{"origin_rank": int(origin)}] * count

    def test_a_serial_number_is_compared_with_the_fact_of_its_block(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings(EIGHT))
        facts = [fact(), fact(from_utc=at("11:00"), identity="another")]
        assert blocks(findings(premises(gateway, facts=facts), "V06")) == QUARTERS[4:]

    @pytest.mark.parametrize(
        ("speaks_from", "rejected"), [("10:15", ["10:00"]), ("10:00", []), ("10:00:01", ["10:00"])]
    )
    def test_a_key_speaks_for_no_block_before_its_time(self, speaks_from: str, rejected: list[str]) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings(EIGHT))
        home = premises(gateway, blocks_from_utc=at(speaks_from))
        assert blocks(findings(home, "V06")) == rejected

    def test_the_newest_record_that_names_a_key_says_from_when(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings(EIGHT))
        first = record([speaker(gateway.key, blocks_from_utc=at("10:00"))])
        second = record([speaker(gateway.key, blocks_from_utc=at("10:15"))], number=1)
        third = record([], number=2)
        home = Premises(gateways=(gateway,), records=(first, second, third))
        assert blocks(findings(home, "V06")) == ["10:00"]
        assert "does not speak for 2026-04-26 10:00:00 IST" in findings(home, "V06")[0].because

    def test_blocks_of_which_the_record_says_nothing_are_rejected(self) -> None:
        gateway = Gateway()
        gateway.state("09:00", readings((100,) * 12), registers=[register("09:00", 0), register("12:00", 1200)])
        home = premises(gateway, facts=[fact(from_utc=at("10:00"))])
        assert [finding.block_utc for finding in findings(home, "V06")] == [at("09:00") + 900 * n for n in range(4)]
        assert "the record says nothing of 2026-04-26 09:00:00 IST" in findings(home, "V06")[0].because


class TestAlignment:
    """V07."""

    @pytest.mark.parametrize("late_s", [-1, 1, 450])
    def test_a_batch_off_the_grid_is_rejected_whole(self, late_s: int) -> None:
        gateway = Gateway()
        gateway.state(at("10:00") + late_s, readings(EIGHT))
        home = premises(gateway)
        assert {finding.verdict for finding in findings(home, "V07")} == {Verdict.REJECTED}
        assert qualities(home) == ["M"] * 8

    def test_another_block_length_than_the_recorded_is_rejected(self) -> None:
        found = findings(one(readings((200,) * 4), period_s=1800), "V07")
        assert found[0].because == "blocks of 1800 s where the record says 900 s"
        assert dict(found[0].numbers) == {"count": 4, "period_s": 1800, "start_utc": at("10:00")}

    def test_a_span_from_midnight_to_midnight_lies_in_one_day(self) -> None:
        gateway = Gateway()
        gateway.state("00:00", readings((100,) * 96))
        assert findings(premises(gateway), "V07") == ()


class TestTime:
    """V11."""

    @pytest.mark.parametrize(
        ("read_at", "rejected"), [("11:59", []), ("11:58:59", ["11:45"]), ("11:43:59", QUARTERS[6:])]
    )
    def test_a_block_that_ends_after_it_was_read_is_rejected(self, read_at: str, rejected: list[str]) -> None:
        assert blocks(findings(one(read_at_utc=at(read_at)), "V11")) == rejected

    @pytest.mark.parametrize(("late_s", "rejected"), [(0, []), (1, ["10:00"]), (900, ["10:00"]), (901, QUARTERS[:2])])
    def test_a_block_older_than_a_meters_memory_is_rejected(self, late_s: int, rejected: list[str]) -> None:
        found = findings(one(read_at_utc=at("10:00") + 70 * DAY_S + late_s), "V11")
        assert blocks(found) == rejected
        starts_s = [
            f"block starts {70 * DAY_S + late_s - 900 * place} s before it was read" for place in range(len(found))
        ]
        assert [finding.because for finding in found] == [f"{text}, beyond a meter's memory" for text in starts_s]


class TestNegative:
    """V16."""

    def test_a_negative_export_alone_is_enough(self) -> None:
        home = one((reading(100, -1), *readings(EIGHT[1:])))
        (found,) = findings(home, "V16")
        assert (found.because, dict(found.numbers), found.verdict) == (
            "export_wh is -1",
            {"export_wh": -1},
            Verdict.REJECTED,
        )

    def test_both_are_named(self) -> None:
        (found,) = findings(one((reading(-2, -1), *readings(EIGHT[1:]))), "V16")
        assert found.because == "import_wh is -2, export_wh is -1"

    def test_an_absent_export_is_not_negative(self) -> None:
        assert findings(one(tuple(reading(0, None) for _ in EIGHT)), "V16") == ()

    def test_a_rejected_copy_leaves_the_block_to_an_honest_one(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", (reading(-1), *readings(EIGHT[1:])))
        gateway.state("10:00", readings((100,)))
        home = premises(gateway)
        assert qualities(home) == ["V"] * 8
        assert findings(home, "V05") == ()


class TestOneValue:
    """V04, V05, V15: whichever came first never matters."""

    def test_a_value_that_differs_in_export_only_is_a_conflict(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings(EIGHT))
        gateway.state("10:00", (reading(100, 1),))
        home = premises(gateway)
        (found,) = findings(home, "V05")
        assert (dict(found.numbers), found.verdict) == ({"values": 2}, Verdict.SUSPECT)
        assert qualities(home) == ["S", *["V"] * 7]

    def test_three_equal_copies_are_counted(self) -> None:
        gateway = Gateway()
        for _ in range(3):
            gateway.state("10:00", readings((100,)))
        found = findings(premises(gateway), "V04")
        assert [dict(finding.numbers) for finding in found] == [{"copies": 3}]

    def test_copies_that_conflict_are_no_duplicates(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((100,)))
        gateway.state("10:00", readings((101,)))
        assert findings(premises(gateway), "V04") == ()

    def test_a_missing_block_says_how_many_copies_lack_it(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((None, *EIGHT[1:])))
        gateway.state("10:00", readings((None,)))
        (found,) = findings(premises(gateway), "V15")
        assert (dict(found.numbers), found.verdict) == ({"absent_copies": 2}, Verdict.REJECTED)


class TestClock:
    """V09, V10; P10."""

    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize(
        ("offset_ms", "expected"),
        [
            (9_000, []),
            (9_001, [(None, Verdict.VALID)]),
            (10_000, [(None, Verdict.VALID)]),
            (180_000, [(None, Verdict.VALID)]),
            (180_001, [(at(text), Verdict.SUSPECT) for text in QUARTERS]),
            (3_600_000, [(at(text), Verdict.SUSPECT) for text in QUARTERS]),
        ],
    )
    def test_p10_a_clock_that_is_wrong_is_flagged(self, offset_ms: int, sign: int, expected: list[object]) -> None:
        found = findings(one(clock_offset_ms=sign * offset_ms), "V09")
        assert [(finding.block_utc, finding.verdict) for finding in found] == expected
        assert all(dict(finding.numbers)["offset_ms"] == sign * offset_ms for finding in found)

    def test_a_header_without_a_reference_says_nothing_either_way(self) -> None:
        home = one(clock_offset_ms=None)
        assert findings(home, "V09") == findings(home, "V10") == ()

    def hourly(self, *offsets_s: int | None, start: str = "10:00") -> Premises:
        """Half an hour a batch, each with its check, from `start` on."""
        gateway = Gateway()
        for place, offset in enumerate(offsets_s):
            gateway.state(
                at(start) + 1800 * place,
                readings((100, 100)),
                clock_offset_ms=None if offset is None else offset * 1000,
                read_at_utc=at(start) + 1800 * (place + 1),
            )
        return premises(gateway)

    def test_blocks_are_doubtful_from_the_last_good_check_to_the_next(self) -> None:
        assert blocks(findings(self.hourly(0, -200, 0, 0), "V09")) == QUARTERS[2:6]
        assert blocks(findings(self.hourly(0, None, -200, 0), "V09")) == QUARTERS[2:8]
        assert blocks(findings(self.hourly(0, 0, 0, -200), "V09")) == QUARTERS[6:8]

    def test_a_check_that_is_just_good_enough_ends_doubt(self) -> None:
        assert blocks(findings(self.hourly(180, -200, -180, 0), "V09")) == QUARTERS[2:6]
        assert blocks(findings(self.hourly(0, -200, 0, -200), "V09")) == QUARTERS[2:8]

    def test_doubt_ends_with_the_next_good_check(self) -> None:
        assert blocks(findings(self.hourly(0, -200, 0, 0, 0, 0, start="09:00"), "V09")) == QUARTERS[:2]
        assert findings(self.hourly(-200, 0, 0, 0, 0, 0, start="09:00"), "V09") == ()

    def test_the_worse_of_two_bad_checks_reaches_as_far_as_it_does(self) -> None:
        assert blocks(findings(self.hourly(0, -200, 200, 0), "V09")) == QUARTERS[2:8]

    def test_a_fast_meter_has_stamped_ahead_of_the_good_check(self) -> None:
        # Read at 10:30 and 11:00; stamps up to 11:30 were given by a clock that was an hour fast.
        assert blocks(findings(self.hourly(3600, 0, 0, 0), "V09")) == QUARTERS[:6]
        assert blocks(findings(self.hourly(-3600, 0, 0, 0), "V09")) == QUARTERS[:4]

    def test_p10_a_step_between_two_checks_is_flagged_around_it(self) -> None:
        found = findings(self.hourly(-91, -91, 90, 90), "V10")
        # Between 11:00 and 11:30, or 91 s later in the stamps of a clock that was fast; and one neighbour on each side.
        assert blocks(found) == QUARTERS[3:8]
        assert dict(found[0].numbers) == {"step_ms": 181_000}
        assert blocks(findings(self.hourly(0, 0, -181, -181), "V10")) == QUARTERS[3:7]
        assert findings(self.hourly(-90, -90, 90, 90), "V10") == ()
        assert dict(findings(self.hourly(90, 90, -91, -91), "V10")[0].numbers) == {"step_ms": -181_000}

    @pytest.mark.parametrize("place", range(8))
    def test_p10_a_step_that_the_meter_flags_condemns_the_block_and_its_neighbours(self, place: int) -> None:
        rows = tuple(reading(flags=Flag.CLOCK_STEP if n == place else 0) for n in range(8))
        home = one(rows)
        near = [text for n, text in enumerate(QUARTERS) if abs(n - place) <= 1]
        assert blocks(findings(home, "V10")) == near
        assert dict(findings(home, "V10")[0].numbers) == {"flag_bits": 4}

    @pytest.mark.parametrize(
        ("flag", "count"),
        [
            (Flag.CLOCK_INVALID, 3),
            (Flag.CLOCK_DOUBTFUL, 3),
            (Flag.CLOCK_STEP, 3),
            (Flag.POWER_FAIL, 0),
            (Flag.FILLER, 0),
            (Flag.ROLLED_OVER, 0),
        ],
    )
    def test_only_the_clocks_flags_count(self, flag: Flag, count: int) -> None:
        rows = tuple(reading(flags=flag if n == 4 else 0) for n in range(8))
        assert len(findings(one(rows), "V10")) == count

    def test_a_flag_on_a_row_without_a_value_counts(self) -> None:
        rows = tuple(reading(None, flags=4) if n == 4 else reading() for n in range(8))
        assert blocks(findings(one(rows), "V10")) == QUARTERS[3:6]

    def test_steps_are_seen_within_one_chain_only(self) -> None:
        first, second = Gateway(0), Gateway(1)
        first.state("10:00", readings((100,) * 4), clock_offset_ms=-95_000)
        second.state("11:00", readings((100,) * 4), clock_offset_ms=95_000)
        assert findings(premises(first, second), "V10") == ()


class TestRegisters:
    """V23, V24."""

    def registers(self, *rows: Register) -> Premises:
        """The usual window with registers."""
        return one(registers=rows)

    @pytest.mark.parametrize(("rise", "holds"), [(789, False), (790, True), (800, True), (810, True), (811, False)])
    def test_the_digit_bounds_a_small_sum_on_both_sides(self, rise: int, *, holds: bool) -> None:
        home = self.registers(register("10:00", 7), register("12:00", 7 + rise))
        assert (judge(home.case()).status is Status.FINAL) is holds
        imported, exported = findings(home, "V23")
        assert dict(imported.numbers) == {"difference_wh": abs(rise - 800), "rise_wh": rise, "sum_wh": 800}
        assert exported.verdict is Verdict.VALID

    @pytest.mark.parametrize(("difference", "holds"), [(40, True), (41, False), (-40, True), (-41, False)])
    def test_the_permille_bound_a_large_sum_by_the_rise(self, difference: int, *, holds: bool) -> None:
        rows = readings((1000,) * 7 + (1000 + difference,))
        home = one(rows, registers=[register("10:00", 0), register("12:00", 8000)])
        assert (judge(home.case()).status is Status.FINAL) is holds

    def test_import_and_export_are_balanced_separately(self) -> None:
        rows = readings(EIGHT, (100,) * 8)
        home = one(rows, registers=[register("10:00", 0, 0), register("12:00", 820, 780)])
        assert [finding.verdict for finding in findings(home, "V23")] == [Verdict.SUSPECT, Verdict.SUSPECT]
        assert qualities(home) == ["S"] * 8

    @pytest.mark.parametrize(
        "rows",
        [
            (),
            (register("10:00", 0),),
            (register("12:00", 800),),
            (register("10:00", None), register("12:00", 800)),
            (register("10:00", 0, None), register("12:00", 800, 0)),
            (register("10:00", 0), register("11:00", 400)),
        ],
    )
    def test_without_both_registers_of_both_channels_nothing_is_final(self, rows: tuple[Register, ...]) -> None:
        home = self.registers(*rows)
        assert findings(home, "V23") == ()
        assert judge(home.case()).status is Status.PROVISIONAL

    def test_an_export_register_that_rises_contradicts_a_meter_without_export(self) -> None:
        rows = tuple(reading(100, None) for _ in EIGHT)
        still = one(rows, registers=[register("10:00", 0, 50), register("12:00", 800, 60)])
        rising = one(rows, registers=[register("10:00", 0, 50), register("12:00", 800, 61)])
        assert [finding.verdict.name for finding in findings(still, "V23")] == ["VALID", "VALID"]
        assert [finding.verdict.name for finding in findings(rising, "V23")] == ["VALID", "SUSPECT"]

    @pytest.mark.parametrize("present", [1, 7])
    def test_exports_of_some_blocks_only_are_not_balanced(self, present: int) -> None:
        rows = tuple(reading(100, 0 if place < present else None) for place in range(8))
        home = one(rows, registers=[register("10:00", 0), register("12:00", 800)])
        assert findings(home, "V23") == ()

    def test_a_context_with_a_hole_outside_the_window_is_not_balanced(self) -> None:
        gateway = Gateway()
        gateway.state("09:00", readings((100, None, 100, 100)), registers=[register("09:00", 0)])
        gateway.state("10:00", readings(EIGHT), registers=[register("12:00", 1200)])
        home = premises(gateway)
        assert findings(home, "V23") == ()
        assert judge(home.case()).status is Status.PROVISIONAL

    def test_a_failed_balance_far_from_the_window_withholds_it(self) -> None:
        gateway = Gateway()
        gateway.state("09:00", readings((100, 100, 100, 100)), registers=[register("09:00", 0)])
        gateway.state("10:00", readings(EIGHT), registers=[register("12:00", 1300)])
        judgement = judge(premises(gateway).case())
        assert judgement.status is Status.PENDING
        assert judgement.parts[0].counts.suspect == 8

    def test_registers_that_cut_a_block_balance_nothing(self) -> None:
        gateway = Gateway()
        gateway.state("09:45", readings((100,) * 10), registers=[register("09:50", 0), register("12:05", 900)])
        assert findings(premises(gateway), "V23") == ()

    def test_registers_of_a_rejected_batch_are_no_evidence(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings(EIGHT), registers=[register("10:00", 0), register("12:00", 800)])
        gateway.state("12:00", readings(EIGHT), registers=[register("12:00", 900)], identity="another")
        home = premises(gateway)
        assert findings(home, "V24") == ()
        assert judge(home.case()).status is Status.FINAL

    def test_a_register_stands_or_falls_with_the_blocks_beside_it(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings(EIGHT), registers=[register("10:00", 0), register("12:00", 800)])
        gateway.state("12:00", (reading(-1), reading()), registers=[register("12:00", 900), register("12:30", 1100)])
        assert findings(premises(gateway), "V24") == ()
        honest = Gateway()
        honest.state("10:00", readings(EIGHT), registers=[register("10:00", 0), register("12:00", 800)])
        honest.state("12:00", (reading(), reading(-1)), registers=[register("12:00", 900)])
        assert len(findings(premises(honest), "V24")) == 1

    def test_two_registers_for_one_stamp_condemn_the_context(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings(EIGHT[:4]), registers=[register("10:00", 0), register("11:00", 400)])
        gateway.state("11:00", readings(EIGHT[:4]), registers=[register("11:00", 401), register("12:00", 800)])
        home = premises(gateway)
        (found,) = findings(home, "V24")
        assert (found.block_utc, found.verdict) == (None, Verdict.SUSPECT)
        assert dict(found.numbers) == {"stamp_utc": at("11:00"), "values": 2}
        assert qualities(home) == ["S"] * 8

    def test_registers_that_say_the_same_or_nothing_agree(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings(EIGHT[:4]), registers=[register("10:00", 0), register("11:00", 400, None)])
        gateway.state("11:00", readings(EIGHT[:4]), registers=[register("11:00", 400, 0), register("12:00", 800)])
        assert findings(premises(gateway), "V24") == ()

    def test_a_negative_register_condemns_the_context(self) -> None:
        home = self.registers(register("10:00", -1), register("12:00", 799))
        (found,) = findings(home, "V24")
        assert (found.verdict, found.because) == (
            Verdict.SUSPECT,
            "import register at 2026-04-26 10:00:00 IST is -1 Wh",
        )
        assert findings(self.registers(register("10:00", 0), register("12:00", 800)), "V24") == ()

    def test_an_export_register_that_falls_rejects_the_blocks_between(self) -> None:
        home = self.registers(register("10:00", 0, 9), register("11:15", 500, 9), register("12:00", 800, 8))
        found = findings(home, "V24")
        assert blocks(found) == QUARTERS[5:]
        assert dict(found[0].numbers) == {"after_utc": at("12:00"), "before_utc": at("11:15"), "rise_wh": -1}
        assert qualities(home) == ["V"] * 5 + ["M"] * 3

    def test_a_fall_where_the_meter_says_it_rolled_over_is_no_fault(self) -> None:
        rows = tuple(reading(flags=Flag.ROLLED_OVER if n == 5 else 0) for n in range(8))
        stamps = [register("10:00", 999_000), register("11:15", 999_500), register("12:00", 100)]
        rolled = one(rows, registers=stamps)
        (found,) = findings(rolled, "V24")
        assert (found.verdict, found.block_utc) == (Verdict.VALID, None)
        assert judge(rolled.case()).status is Status.PROVISIONAL
        assert findings(rolled, "V23") == ()
        # Said of another span it excuses nothing, and a register that fell cannot be balanced against.
        elsewhere = one(rows, registers=[register("10:00", 999_000), register("11:15", 100), register("12:00", 400)])
        assert blocks(findings(elsewhere, "V24")) == QUARTERS[:5]

    def test_a_register_that_stands_still_is_balanced_whatever_was_said_of_a_roll_over(self) -> None:
        rows = tuple(reading(0, flags=Flag.ROLLED_OVER) for _ in EIGHT)
        home = one(rows, registers=[register("10:00", 7), register("12:00", 7)])
        assert judge(home.case()).status is Status.FINAL

    def test_a_register_outside_its_batch_is_no_evidence(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings(EIGHT), registers=[register("10:00", 0), register("12:00", 800)])
        gateway.state("12:00", readings((100,)), registers=[register("11:00", 7)])
        assert judge(premises(gateway).case()).status is Status.FINAL


def test_quality_is_ordered_from_best_to_worst() -> None:
    assert sorted(Quality) == [Quality.VALID, Quality.MANUAL, Quality.ESTIMATED, Quality.SUSPECT, Quality.MISSING]
