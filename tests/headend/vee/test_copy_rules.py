"""The bounds of the rules that judge a copy by itself: last good, first bad, and what they leave alone."""

import pytest

from signing.interval import DAY_S
from signing.statements.reading_batch import Origin
from signing.statements.window_actual import Verdict
from tests.headend.vee.judged import EIGHT, QUARTERS, blocks, findings, one, qualities
from tests.headend.vee.world import Gateway, Premises, at, fact, premises, reading, readings, record, register, speaker


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
