"""What a connection can carry: bounds in watts against readings before factors, at every length of block."""

from typing import Any

import pytest

from headend.readings import Finding
from signing.energy import ONE, Fraction
from signing.interval import Interval
from signing.statements.reading import Reading
from tests.headend.vee.judged import blocks, findings
from tests.headend.vee.world import Gateway, Premises, at, fact, premises, reading


def home(rows: tuple[Reading, ...], start: str = "10:00", **stated: Any) -> Premises:
    """Premises whose record says `stated`, with one batch."""
    gateway = Gateway()
    gateway.state(start, rows, period_s=stated.get("period_s", 900))
    return premises(gateway, facts=[fact(**stated)])


def numbers(found: tuple[Finding, ...]) -> list[dict[str, int]]:
    return [dict(finding.numbers) for finding in found]


@pytest.mark.parametrize(("rule", "place"), [("V17", 0), ("V18", 1)])
class TestBounds:
    """V17, V18."""

    def rows(self, place: int, *energies: int) -> tuple[Reading, ...]:
        return tuple(reading(wh, 0) if place == 0 else reading(0, wh) for wh in energies)

    def limits(self, rule: str, watts: int | None) -> dict[str, Any]:
        return {"sanctioned_w": watts} if rule == "V17" else {"installed_w": watts}

    @pytest.mark.parametrize(("period_s", "most"), [(900, 300), (1800, 600), (3600, 1200)])
    def test_the_bound_grows_with_the_block(self, rule: str, place: int, period_s: int, most: int) -> None:
        # 1 kW with V17's margin; V18's is 1.05 for 1.2.
        most = most if rule == "V17" else most * 1050 // 1200
        rows = self.rows(place, most, most + 1)
        found = findings(home(rows, period_s=period_s, **self.limits(rule, 1000)), rule)
        assert [finding.block_utc for finding in found] == [at("10:00") + period_s]
        assert numbers(found)[0]["most_wh"] == most

    def test_a_record_that_states_no_bound_says_nothing(self, rule: str, place: int) -> None:
        assert findings(home(self.rows(place, 10**9), **self.limits(rule, None)), rule) == ()

    def test_a_bound_of_zero_is_a_bound(self, rule: str, place: int) -> None:
        assert len(findings(home(self.rows(place, 0, 1), **self.limits(rule, 0)), rule)) == 1

    @pytest.mark.parametrize("name", ["ct", "pt", "factor"])
    def test_readings_are_compared_before_their_factors(self, rule: str, place: int, name: str) -> None:
        most = 300 if rule == "V17" else 262
        for ratio, allowed in (
            (Fraction(10, 1), most // 10),
            (ONE, most),
            (Fraction(1, 2), (300 if rule == "V17" else 262.5) * 2),
        ):
            rows = self.rows(place, int(allowed), int(allowed) + 1)
            found = findings(home(rows, **self.limits(rule, 1000), **dict[str, Any]({name: ratio})), rule)
            assert blocks(found) == ["10:15"]

    def test_a_bound_holds_from_the_fact_that_states_it(self, rule: str, place: int) -> None:
        gateway = Gateway()
        gateway.state("10:00", self.rows(place, 301, 301))
        facts = [fact(**self.limits(rule, 2000)), fact(from_utc=at("10:15"), **self.limits(rule, 1000))]
        assert blocks(findings(premises(gateway, facts=facts), rule)) == ["10:15"]


class TestNightExport:
    """V19."""

    def night(self, *exports: int, installed_w: int | None = 4000, start: str = "23:00") -> tuple[Finding, ...]:
        gateway = Gateway()
        gateway.state(start, tuple(reading(0, wh) for wh in exports))
        around = premises(gateway, facts=[fact(installed_w=installed_w)])
        window = Interval(at(start), at(start) + 900 * len(exports))
        return findings(around, "V19", window=window)

    def test_a_block_is_dark_when_both_its_ends_are(self) -> None:
        # 26 April at 28.8 N: six degrees below at 19:18 and until 05:20.
        assert [len(self.night(11, start=start)) for start in ("19:00", "19:15", "19:30")] == [0, 0, 1]
        assert [len(self.night(11, start=start)) for start in ("05:00", "05:15", "05:30")] == [1, 0, 0]

    def test_a_meter_without_registered_generation_is_not_asked(self) -> None:
        assert self.night(500, installed_w=None) == self.night(500, installed_w=0) == ()
        assert len(self.night(500)) == 1

    def test_what_is_exported_by_day_is_nothing_to_it(self) -> None:
        assert self.night(500, start="12:00") == ()


class TestBothWays:
    """V27: a note, whatever it finds."""

    @pytest.mark.parametrize(
        ("imported", "exported", "count"),
        [(1000, 500, 0), (1000, 501, 1), (501, 1000, 1), (100, 100, 0), (101, 101, 1), (150, 101, 1), (150, None, 0)],
    )
    def test_the_smaller_is_held_against_the_larger(self, imported: int, exported: int | None, count: int) -> None:
        found = findings(home((reading(imported, exported),)), "V27")
        assert [finding.verdict.name for finding in found] == ["VALID"] * count
