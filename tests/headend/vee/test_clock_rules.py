"""The bounds of the rules that judge the clock: last good, first bad, and how far doubt reaches."""

from dataclasses import replace
from typing import Any

import pytest

from headend.readings import Finding
from headend.vee.rule import finding
from headend.vee.ruleset import RULE_SET_1
from signing.statements.reading import Flag, Provenance
from signing.statements.reading_batch import ClockSource, Origin
from signing.statements.window_actual import Verdict
from tests.headend.vee.judged import EIGHT, QUARTERS, blocks, findings, one
from tests.headend.vee.world import Gateway, Premises, at, fact, premises, reading, readings, span


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

    def test_weeks_of_wrong_checks_say_one_thing_of_each_block(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[int | None] = []

        def counted(*args: Any, **fields: Any) -> Finding:
            made.append(fields["block_utc"])
            return finding(*args, **fields)

        monkeypatch.setattr("headend.vee.clock_rules.finding", counted)
        home = self.hourly(*[-200] * 40, start="00:00")
        found = findings(home, "V09")
        assert blocks(found) == QUARTERS
        assert len(made) == len(found)

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
        # A clock that is, or was, an hour fast has stamped blocks an hour ahead of the check.
        assert blocks(findings(self.hourly(0, 0, 3600, 3600), "V10")) == QUARTERS[3:8]
        assert blocks(findings(self.hourly(3600, 3600, 0, 0), "V10")) == QUARTERS[3:8]
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

    def test_a_flag_just_outside_the_context_reaches_no_block_inside(self) -> None:
        # A bundle does not open such a batch: a verifier would not see the flag.
        gateway = Gateway()
        gateway.state("09:00", tuple(reading(flags=4) for _ in range(4)))
        gateway.state("10:00", readings(EIGHT))
        gateway.state("12:00", tuple(reading(flags=4) for _ in range(4)))
        assert findings(premises(gateway), "V10") == ()

    def test_steps_are_seen_within_one_chain_only(self) -> None:
        first, second = Gateway(0), Gateway(1)
        first.state("10:00", readings((100,) * 4), clock_offset_ms=-95_000)
        second.state("11:00", readings((100,) * 4), clock_offset_ms=95_000)
        assert findings(premises(first, second), "V10") == ()


class TestReference:
    """V09 and V10 from version 2 on: a gateway that nobody set right proves nothing, and cuts no block of its own."""

    def sampled(self, source: ClockSource, *, gateway: Gateway | None = None) -> Gateway:
        one_of = gateway or Gateway()
        rows = tuple(replace(row, provenance=Provenance.SAMPLED) for row in readings(EIGHT))
        one_of.state("10:00", rows, clock_offset_ms=None, clock_source=source, origin=Origin.MODBUS)
        return one_of

    @pytest.mark.parametrize(
        ("source", "suspect"), [(ClockSource.NONE, 8), (ClockSource.GATEWAY, 8), (ClockSource.NTP, 0)]
    )
    def test_a_sampled_block_without_a_reference_is_suspect(self, source: ClockSource, suspect: int) -> None:
        found = findings(premises(self.sampled(source)), "V09")
        assert [finding.verdict for finding in found] == [Verdict.SUSPECT] * suspect
        assert all(dict(finding.numbers) == {"source_rank": int(source)} for finding in found)

    def test_another_gateway_that_had_one_vouches_for_the_same_value(self) -> None:
        blind, seeing = self.sampled(ClockSource.GATEWAY), self.sampled(ClockSource.NTP, gateway=Gateway(1))
        assert findings(premises(blind, seeing), "V09") == ()

    def test_a_sampled_row_without_a_value_vouches_for_nothing(self) -> None:
        seeing = Gateway(1)
        rows = tuple(replace(row, provenance=Provenance.SAMPLED) for row in readings((None,) * 8))
        seeing.state("10:00", rows, clock_offset_ms=None, clock_source=ClockSource.NTP)
        assert len(findings(premises(self.sampled(ClockSource.GATEWAY), seeing), "V09")) == 8

    @pytest.mark.parametrize("source", [ClockSource.NONE, ClockSource.GATEWAY])
    def test_an_offset_without_a_reference_proves_nothing_and_says_so(self, source: ClockSource) -> None:
        (found,) = findings(one(clock_offset_ms=3_600_000, clock_source=source), "V09")
        assert (found.verdict, found.block_utc) == (Verdict.VALID, None)
        assert dict(found.numbers)["source_rank"] == source
        assert findings(one(clock_offset_ms=0, clock_source=ClockSource.NTP), "V09") == ()

    def test_a_step_between_checks_without_a_reference_is_none(self) -> None:
        for source, count in ((ClockSource.GATEWAY, 0), (ClockSource.NTP, 1)):
            gateway = Gateway()
            gateway.state("10:00", readings((100,) * 4), clock_source=source)
            gateway.state("11:00", readings((100,) * 4), clock_source=source, clock_offset_ms=181_000)
            assert min(1, len(findings(premises(gateway), "V10"))) == count
            assert min(1, len(findings(premises(gateway), "V08"))) == count

    def test_version_1_takes_every_offset_for_evidence(self) -> None:
        blind = one(clock_offset_ms=200_000, clock_source=ClockSource.GATEWAY)
        assert len(findings(blind, "V09", RULE_SET_1)) == 8
        assert findings(premises(self.sampled(ClockSource.NONE)), "V09", RULE_SET_1) == ()


class TestLength:
    """V08."""

    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize(
        ("apart_s", "drift_ms", "suspect"),
        [(3600, 36_000, 0), (3600, 36_001, 1), (60, 9_000, 0), (60, 9_001, 1), (900, 9_001, 1), (1800, 18_000, 0)],
    )
    def test_a_hundredth_of_the_time_between_two_checks_or_of_one_block(
        self, apart_s: int, drift_ms: int, suspect: int, sign: int
    ) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((100,) * 4), read_at_utc=at("11:00"))
        gateway.state("11:00", readings((100,) * 4), read_at_utc=at("11:00") + apart_s, clock_offset_ms=sign * drift_ms)
        assert min(1, len(findings(premises(gateway), "V08"))) == suspect

    @pytest.mark.parametrize(("period_s", "drift_ms"), [(900, 9_000), (1800, 18_000), (3600, 36_000)])
    def test_a_longer_block_bears_more(self, period_s: int, drift_ms: int) -> None:
        for more, suspect in ((0, False), (1, True)):
            gateway = Gateway()
            gateway.state("10:00", readings((100,)), period_s=period_s, read_at_utc=at("11:00"))
            start = at("10:00") + period_s
            gateway.state(
                start, readings((100,)), period_s=period_s, read_at_utc=at("11:00:30"), clock_offset_ms=drift_ms + more
            )
            home = premises(gateway, facts=[fact(period_s=period_s)])
            assert bool(findings(home, "V08", window=span("10:00", "12:00"))) == suspect

    def test_only_the_blocks_between_the_checks_are_suspect(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((100,) * 4), read_at_utc=at("11:00"))
        gateway.state("11:00", readings((100,) * 2), read_at_utc=at("11:30"), clock_offset_ms=-20_000)
        gateway.state("11:30", readings((100,) * 2), read_at_utc=at("12:00"), clock_offset_ms=-20_000)
        assert blocks(findings(premises(gateway), "V08")) == QUARTERS[4:6]
