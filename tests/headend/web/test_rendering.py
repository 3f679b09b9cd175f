"""How an energy, a time, a digest and an absence look."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.web import rendering
from signing.energy import MAX_WH
from signing.interval import Interval
from signing.statements.reading import Absence
from tests.headend.premises import DAY


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (0, 900, "2026-04-26 00:00 - 00:15 IST"),
        (36_000, 43_200, "2026-04-26 10:00 - 12:00 IST"),
        (82_800, 86_400, "2026-04-26 23:00 - 2026-04-27 00:00 IST"),
        (1, 900, "2026-04-26 00:00:01 - 00:15:00 IST"),
        (0, 901, "2026-04-26 00:00:00 - 00:15:01 IST"),
    ],
)
def test_a_span_is_as_short_as_it_stays_exact(start: int, end: int, text: str) -> None:
    assert rendering.ist_span(Interval(DAY + start, DAY + end)) == text


@given(st.integers(-MAX_WH, MAX_WH))
def test_an_energy_is_shown_exactly_with_three_decimals(wh: int) -> None:
    assert Decimal(rendering.kwh(wh)) * 1000 == wh
    assert Decimal(rendering.signed_kwh(wh)) * 1000 == wh
    assert rendering.signed_kwh(wh).startswith("+") is (wh > 0)


def test_absence_is_a_dash_with_a_reason_and_never_zero() -> None:
    assert rendering.kwh(None) == rendering.signed_kwh(None) == rendering.ist(None) == rendering.as_hex(None) == "—"
    assert rendering.short(None) == "—"
    reasons = {rendering.absence(why) for why in Absence if why is not Absence.NONE}
    assert len(reasons) == len(Absence) - 1
    assert "" not in reasons


def test_flags_are_named_and_unknown_bits_are_not_hidden() -> None:
    assert rendering.flags(0) == "—"
    assert rendering.flags(1 | 8) == "CLOCK_INVALID, POWER_FAIL"
    assert rendering.flags(8 | 1024) == "POWER_FAIL, bits 1024"


def test_templates_escape_what_they_are_given() -> None:
    text = rendering.environment().from_string("{{ words }}").render(words="<b>&\"'")
    assert text == "&lt;b&gt;&amp;&#34;&#39;"
