"""The bounds of the rules that judge registers, and blocks by them."""

import pytest

from headend.windows import judge
from signing.statements.reading import Flag
from signing.statements.reading_batch import Register
from signing.statements.window_actual import Status, Verdict
from tests.headend.vee.judged import EIGHT, QUARTERS, blocks, findings, one, qualities
from tests.headend.vee.world import Gateway, Premises, at, premises, reading, readings, register


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
