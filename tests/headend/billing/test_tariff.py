"""The dated table of charges: the golden rates of the pilot, whose they are, and what is refused."""

import pytest

from headend.billing.tariff import Reach, Tariff, parse
from ledger_client.ledger import Side
from signing.errors import DecodeError
from signing.interval import parse_instant

PILOT = """
[[charge]]
name = "transaction"
from = "2026-01-01T00:00:00+05:30"
inr_per_kwh = "0.42"
scope = "any"
paid_by = "equal"
[[charge]]
name = "wheeling"
from = "2026-01-01T00:00:00+05:30"
until = "2026-07-01T00:00:00+05:30"
inr_per_kwh = "1.01"
scope = "interstate"
paid_by = "buyer"
[states]
PaVVNL = "UP"
TPDDL = "DL"
BRPL = "DL"
"""


def at(text: str) -> int:
    return parse_instant(f"{text}+05:30", "t")


def amounts(tariff: Tariff, parties: tuple[str, str], settled_wh: int, side: Side) -> dict[str, str]:
    charges = tariff.of(tariff.reach(*parties), at("2026-04-26T10:00:00"))
    return {charge.name: str(charge.amount_inr(settled_wh, side)) for charge in charges}


@pytest.mark.parametrize(
    ("buyer", "seller", "settled_wh", "of_buyer", "of_seller"),
    [
        # 10 kWh between Delhi and Uttar Pradesh: 4.20 shared, 10.10 for the way.
        ("TPDDL", "PaVVNL", 10_000, {"transaction": "2.10", "wheeling": "10.10"}, {"transaction": "2.10", "wheeling": "0.00"}),
        # The same within Delhi, where wheeling is waived.
        ("TPDDL", "BRPL", 10_000, {"transaction": "2.10"}, {"transaction": "2.10"}),
        ("TPDDL", "TPDDL", 10_000, {"transaction": "2.10"}, {"transaction": "2.10"}),
        # Half a paisa goes to the even side: 0.21 for each of 2.5 = 0.525.
        ("TPDDL", "BRPL", 2_500, {"transaction": "0.52"}, {"transaction": "0.52"}),
        ("TPDDL", "BRPL", 7_500, {"transaction": "1.58"}, {"transaction": "1.58"}),
        ("TPDDL", "BRPL", 0, {"transaction": "0.00"}, {"transaction": "0.00"}),
    ],
)  # fmt: skip
def test_golden_bills_of_the_pilot(
    buyer: str, seller: str, settled_wh: int, of_buyer: dict[str, str], of_seller: dict[str, str]
) -> None:
    tariff = parse(PILOT, "tariff.toml")
    assert amounts(tariff, (buyer, seller), settled_wh, Side.BUYER) == of_buyer
    assert amounts(tariff, (buyer, seller), settled_wh, Side.SELLER) == of_seller


@pytest.mark.parametrize(
    ("when", "names"),
    [
        ("2025-12-31T23:59:59", []),
        ("2026-01-01T00:00:00", ["transaction", "wheeling"]),
        ("2026-06-30T23:59:59", ["transaction", "wheeling"]),
        ("2026-07-01T00:00:00", ["transaction"]),
    ],
)
def test_a_charge_holds_from_its_first_instant_until_before_its_last(when: str, names: list[str]) -> None:
    tariff = parse(PILOT, "tariff.toml")
    assert [charge.name for charge in tariff.of(Reach.INTERSTATE, at(when))] == names


def test_a_trade_with_a_discom_of_unknown_state_is_billed_by_nobodys_guess() -> None:
    with pytest.raises(DecodeError, match=r"'DGVCL'.*\[states\]"):
        parse(PILOT, "tariff.toml").reach("TPDDL", "DGVCL")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"0.42"', '"-0.42"', r"charge\[0\].inr_per_kwh: expected a rate"),
        ('"0.42"', "0.42", r"charge\[0\].inr_per_kwh: expected a text"),
        ('"any"', '"everywhere"', r"charge\[0\].scope: expected one of intra_discom"),
        ('"equal"', '"nobody"', r"charge\[0\].paid_by: expected one of buyer, seller, equal"),
        ('until = "2026-07', 'until = "2025-07', r"charge\[1\].until: expected a later time"),
        ('name = "wheeling"', 'name = "transaction"', r"charge\[1\]: 'transaction' holds already"),
        ('name = "wheeling"', 'nam = "wheeling"', r"charge\[1\].nam: unknown key"),
        ('TPDDL = "DL"', "TPDDL = 7", "states.TPDDL: expected a text"),
    ],
)
def test_a_wrong_table_is_named_by_its_key(before: str, after: str, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse(PILOT.replace(before, after, 1), "tariff.toml")


def test_two_rows_of_one_charge_may_follow_one_another_and_hold_in_different_reaches() -> None:
    table = (
        PILOT
        + """
[[charge]]
name = "wheeling"
from = "2026-07-01T00:00:00+05:30"
inr_per_kwh = "0.90"
scope = "interstate"
[[charge]]
name = "wheeling"
from = "2026-01-01T00:00:00+05:30"
inr_per_kwh = "0.10"
scope = "intra_state"
"""
    )
    # Tables of an array may not follow the table of states in TOML without naming it again: put it last.
    states = table[table.index("[states]") : table.index('[[charge]]\nname = "wheeling"\nfrom = "2026-07')]
    tariff = parse(table.replace(states, "") + states, "tariff.toml")
    assert [str(charge.inr_per_kwh) for charge in tariff.of(Reach.INTERSTATE, at("2026-08-01T00:00:00"))] == [
        "0.42",
        "0.90",
    ]
