"""The facts that an operator states at an enrolment."""

import pytest

from headend.onboarding.facts import parse
from signing.energy import Fraction
from signing.errors import DecodeError
from signing.statements.meter_record import Role, Stamps

SHORT = """
[[meter]]
id = "SKS1"
identity = "SKS1"
connection_point = "MRT-1"
from = "2026-01-01T00:00:00+05:30"
"""


def test_a_short_file_takes_the_usual_for_granted() -> None:
    facts = parse(SHORT, "facts.toml")
    meter = facts.meters["SKS1"]
    (fact,) = meter.facts
    assert facts.shard == 0
    assert (fact.role, fact.period_s, fact.stamps, fact.ct) == (Role.REVENUE, 900, Stamps.END, Fraction(1, 1))
    assert (fact.sanctioned_w, meter.posted_as) == (None, ())
    assert meter.blocks_from_utc == fact.from_utc == 1767205800


def test_everything_can_be_said() -> None:
    text = (
        "shard = 3\n"
        + SHORT
        + (
            'posted_as = ["TEST_1"]\nrole = "CHECK"\nstamps = "START"\nct = "100/5"\npt = "2"\nfactor = "3/2"\n'
            'sanctioned_w = 5000\ninstalled_w = 3000\nperiod_s = 1800\nblocks_from = "2026-02-01T00:00:00Z"\n'
        )
    )
    facts = parse(text, "facts.toml")
    (fact,) = facts.meters["SKS1"].facts
    assert (facts.shard, fact.role, fact.stamps, fact.period_s) == (3, Role.CHECK, Stamps.START, 1800)
    assert (fact.ct, fact.pt, fact.factor) == (Fraction(100, 5), Fraction(2, 1), Fraction(3, 2))
    assert (fact.sanctioned_w, fact.installed_w) == (5000, 3000)
    assert facts.meters["SKS1"].blocks_from_utc == 1769904000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('role = "SALES"', r"meter\[0\].role: expected one of REVENUE, CHECK, GENERATION"),
        ("period_s = 600", r"meter\[0\].period_s: expected 900, 1800 or 3600"),
        ('ct = "100:5"', r"meter\[0\].ct: expected a ratio"),
        ('ct = "0/5"', r"meter\[0\].ct: expected an integer from 1"),
        ('posted_as = ["a\\u0001"]', r"meter\[0\].posted_as\[0\]: expected 1 to 128 printable"),
        ("sanctioned_w = -1", r"meter\[0\].sanctioned_w: expected a whole number from 0"),
        ("colour = 1", r"meter\[0\].colour: unknown key"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(line: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse(SHORT + line, "facts.toml")


def test_several_tables_of_one_meter_are_its_facts_from_several_times_on() -> None:
    later = SHORT.replace("2026-01-01", "2026-03-01").replace("MRT-1", "MRT-2") + 'ct = "100/5"\nposted_as = ["B"]\n'
    facts = parse(SHORT + 'posted_as = ["A"]\n' + later, "facts.toml")
    meter = facts.meters["SKS1"]
    assert [(fact.connection_point, fact.ct) for fact in meter.facts] == [
        ("MRT-1", Fraction(1, 1)),
        ("MRT-2", Fraction(100, 5)),
    ]
    assert meter.blocks_from_utc == meter.facts[0].from_utc
    assert meter.posted_as == ("A", "B")


@pytest.mark.parametrize(
    "second",
    [
        SHORT,
        SHORT.replace("2026-01-01", "2025-12-31"),
        '[[meter]]\nid = "SKS1"\nblocks_from = "2026-01-01T00:00:00Z"\n',
    ],
)
def test_the_tables_of_one_meter_go_forward_in_time(second: str) -> None:
    with pytest.raises(DecodeError, match=r"meter\[1\].from: expected a later time"):
        parse(SHORT + second, "facts.toml")


def test_a_table_without_facts_keeps_what_is_recorded() -> None:
    facts = parse('[[meter]]\nid = "SKS1"\nblocks_from = "2026-02-01T00:00:00Z"\nposted_as = ["A"]', "facts.toml")
    meter = facts.meters["SKS1"]
    assert (meter.facts, meter.blocks_from_utc, meter.posted_as) == ((), 1769904000, ("A",))


def test_what_keeps_the_record_says_from_when_on_the_key_speaks() -> None:
    with pytest.raises(DecodeError, match=r"meter\[0\].blocks_from: expected a text in quotes, got nothing"):
        parse('[[meter]]\nid = "SKS1"', "facts.toml")


def test_at_least_one_meter_is_expected() -> None:
    with pytest.raises(DecodeError, match="at least 1 table"):
        parse("shard = 0", "facts.toml")
