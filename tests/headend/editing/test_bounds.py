"""What an edit states beyond what its connection can carry, on both sides of each bound."""

from dataclasses import replace

import pytest

from headend.editing.bounds import beyond
from headend.vee.ruleset import DEFAULT_RULE_SET
from signing.energy import Fraction
from signing.statements.edit import EditedBlock, EditProposal
from signing.statements.meter_record import Fact, MeterRecord
from tests.headend.discom import METER
from tests.headend.premises import DAY, fact

SHOWN = "2026-04-26 00:00:00 IST"


def proposal(import_wh: int | None, export_wh: int | None) -> EditProposal:
    block = EditedBlock(start_utc=DAY, import_wh=import_wh, export_wh=export_wh)
    return EditProposal(meter=METER, number=0, previous=None, period_s=900, blocks=(block,), reason="r", salt=bytes(16))


def said(
    import_wh: int | None,
    export_wh: int | None,
    sanctioned_w: int | None = 5000,
    installed_w: int | None = 3000,
    **terms: object,
) -> list[str]:
    known: Fact = replace(fact(METER), sanctioned_w=sanctioned_w, installed_w=installed_w, **terms)  # type: ignore[arg-type]
    record = MeterRecord(meter=METER, number=0, previous=None, log=0, facts=(known,), speakers=(), salt=bytes(16))
    return list(beyond(proposal(import_wh, export_wh), record, DEFAULT_RULE_SET))


@pytest.mark.parametrize(
    ("import_wh", "export_wh", "words"),
    [
        (1500, 787, []),
        (1501, 787, [f"{SHOWN}: import of 1.501 kWh, the sanctioned load allows 1.500 kWh (V17)"]),
        (1500, 788, [f"{SHOWN}: export of 0.788 kWh, the installed generation allows 0.787 kWh (V18)"]),
        (None, None, []),
    ],
)
def test_each_energy_beyond_its_bound_is_told(import_wh: int | None, export_wh: int | None, words: list[str]) -> None:
    assert said(import_wh, export_wh) == words


def test_where_the_record_states_no_bound_nothing_is_beyond_it() -> None:
    assert said(10**9, 10**9, sanctioned_w=None, installed_w=None) == []


def test_a_bound_is_of_what_the_meter_states_before_its_factors() -> None:
    assert said(750, None, ct=Fraction(2, 1)) == []
    assert len(said(751, None, ct=Fraction(2, 1))) == 1


def test_a_rule_that_the_set_leaves_out_bounds_nothing() -> None:
    rules = tuple(rule for rule in DEFAULT_RULE_SET.rules if rule.id != "V17")
    known = replace(fact(METER), sanctioned_w=1)
    record = MeterRecord(meter=METER, number=0, previous=None, log=0, facts=(known,), speakers=(), salt=bytes(16))
    assert list(beyond(proposal(10**9, None), record, replace(DEFAULT_RULE_SET, rules=rules))) == []
