"""Which method is asked when, and what nothing is made of."""

from dataclasses import replace
from typing import Any

import pytest

from headend.vee.declared import Agreement, Channel, Companion, DayKind, Disconnection, History, Profile, Sky
from headend.vee.estimate_order import Known, estimated, estimated_by
from headend.vee.rules import METHODS
from headend.vee.ruleset import DEFAULT_RULE_SET, RULE_SET_1, RULE_SET_2
from signing.interval import Interval
from tests.headend.vee.test_estimate import task
from tests.headend.vee.test_estimate_series import past
from tests.headend.vee.world import MIDNIGHT

AT = MIDNIGHT + 900
BOTH = {Channel.IMPORT: {AT: 5}, Channel.EXPORT: {AT: 5}}
EVERYTHING: dict[str, dict[str, Any]] = {
    "E2": {"companion": Companion(meter="C", import_wh={AT: 5}, export_wh={AT: 5})},
    "E3": {"history": History(days=tuple(past(n) for n in (3, 2, 1))), "kinds": {MIDNIGHT: DayKind.WORKDAY}},
    "E4": {"history": History(days=(past(28), past(27))), "kinds": {MIDNIGHT: DayKind.WORKDAY}},
    "E5": {"skies": {AT: Sky(clear_wh=9, neighbours=2, neighbours_wh=1, neighbours_clear_wh=1)}},
    "E6": {
        "profile": Profile(
            weights=dict.fromkeys(Channel, (1,) * 96),
            daily_wh=dict.fromkeys(Channel, 960),
            days=dict.fromkeys(Channel, 3),
        )
    },
    "E7": {"agreement": Agreement(values=BOTH, edit=bytes(32))},
    "E8": {"disconnections": (Disconnection(span=Interval(AT, AT + 900), reference="WO-1"),)},
}


def method(known: Known, *energies: int | None, rise: int | None = 24, **fields: Any) -> str | None:
    """By which method the usual span, one hole without a second neighbour unless it says otherwise, is estimated."""
    found = estimated(task(*(energies or (7, 7, None)), rise=rise, **fields), known, DEFAULT_RULE_SET)
    return None if found is None else found.method


def knowing(*names: str) -> Known:
    merged: dict[str, Any] = {}
    for name in reversed(names):
        merged |= EVERYTHING[name]
    return Known(**merged)


def test_what_rests_on_the_most_is_asked_first() -> None:
    hole = (7, None, 7)
    everything = knowing("E2", "E3", "E6", "E7")
    assert method(everything, *hole) == "E1"
    dark: dict[str, Any] = {"dark": (0,)}
    assert method(everything, *hole, **dark) == "E2"
    assert method(knowing("E3", "E6", "E7"), *hole, **dark) == "E3"
    assert method(knowing("E4", "E6", "E7"), *hole, **dark) == "E4"
    assert method(knowing("E6", "E7"), *hole, **dark) == "E6"
    assert method(knowing("E7"), *hole, **dark) == "E7"
    assert method(knowing("E8"), *hole, rise=14, **dark) == "E8"
    assert method(Known(), *hole, **dark) is None


def test_the_sun_is_asked_before_the_category_and_for_export_only() -> None:
    fields: dict[str, Any] = {"dark": (0,)}
    both = knowing("E5", "E6")
    assert method(both, 7, None, 7, channel=Channel.EXPORT, **fields) == "E5"
    assert method(both, 7, None, 7, channel=Channel.IMPORT, **fields) == "E6"


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_e9_leaves_an_export_that_no_register_bounds_absent(name: str) -> None:
    by_word = {"E7": "E7", "E8": "E8"}
    assert method(knowing(name), 7, None, 7, rise=None, channel=Channel.EXPORT) == by_word.get(name)


def test_an_import_that_no_register_bounds_is_estimated_but_not_by_a_line() -> None:
    assert method(knowing("E2"), 7, None, 7, rise=None) == "E2"
    assert method(Known(), 7, None, 7, rise=None) is None


def test_an_open_connection_has_no_habits() -> None:
    for habit in ("E3", "E6"):
        assert method(knowing(habit, "E8"), 7, None, 7, rise=None) == "E8"
    # Registers that rose contradict the record: then nothing is known.
    assert method(knowing("E3", "E8"), 7, None, 7, rise=15, dark=(0,)) is None


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_set_that_leaves_a_method_out_does_not_estimate_by_it(name: str) -> None:
    rules = tuple(rule for rule in DEFAULT_RULE_SET.rules if rule.id != name)
    without = replace(DEFAULT_RULE_SET, rules=rules)
    known = Known() if name == "E1" else knowing(name)
    channel = Channel.EXPORT if name == "E5" else Channel.IMPORT
    span = task(7, None, 7, rise=14, channel=channel, dark=() if name == "E1" else (0,))
    assert estimated(span, known, DEFAULT_RULE_SET) is not None
    assert estimated_by(name, span, known, DEFAULT_RULE_SET) is not None
    found = estimated(span, known, without)
    assert found is None or found.method != name
    assert estimated_by(name, span, known, without) is None
    assert estimated(span, known, RULE_SET_1) is None


def test_parameters_are_the_sets() -> None:
    def changed(name: str, **parameters: int) -> Any:
        rules = tuple(
            replace(rule, parameters={**rule.parameters, **parameters}) if rule.id == name else rule
            for rule in DEFAULT_RULE_SET.rules
        )
        return replace(DEFAULT_RULE_SET, rules=rules)

    hole, export = task(7, None, 7, rise=24), task(7, None, 7, rise=24, channel=Channel.EXPORT)
    for name, span, parameters in (
        ("E1", hole, {"most_s": 899}),
        ("E3", hole, {"days": 4}),
        ("E3", hole, {"lookback_days": 2}),
        ("E4", hole, {"least_days": 3}),
        ("E4", hole, {"lookback_days": 27}),
        ("E5", export, {"most_s": 899}),
        ("E5", export, {"least_neighbours": 3}),
        ("E6", task(7, None, 7), {"least_days": 4}),
    ):
        known = Known() if name == "E1" else knowing(name)
        assert estimated_by(name, span, known, DEFAULT_RULE_SET) is not None
        assert estimated_by(name, span, known, changed(name, **parameters)) is None


@pytest.mark.parametrize(("name", "least"), [("E5", 2), ("E6", 3)])
def test_a_set_of_before_the_least_numbers_were_parameters_estimates_as_it_did(name: str, least: int) -> None:
    span = task(7, None, 7, rise=24, channel=Channel.EXPORT) if name == "E5" else task(7, None, 7)
    for said, fits in ((least, True), (least - 1, False)):
        skies = {AT: Sky(clear_wh=9, neighbours=said, neighbours_wh=1, neighbours_clear_wh=1)}
        both = dict.fromkeys(Channel, 960)
        profile = Profile(weights=dict.fromkeys(Channel, (1,) * 96), daily_wh=both, days=dict.fromkeys(Channel, said))
        known = Known(skies=skies, profile=profile)
        found = [estimated_by(name, span, known, one) for one in (RULE_SET_2, DEFAULT_RULE_SET)]
        assert found[0] == found[1]
        assert (found[0] is not None) is fits


@pytest.mark.parametrize(
    ("name", "oldest", "others"), [("E3", 21, (2, 1)), ("E4", 28, (1,))], ids=["three weeks", "four weeks"]
)
def test_the_default_set_looks_back_no_further(name: str, oldest: int, others: tuple[int, ...]) -> None:
    for days_back, fits in ((oldest, True), (oldest + 1, False)):
        history = History(days=tuple(past(n) for n in (days_back, *others)))
        known = Known(history=history, kinds={MIDNIGHT: DayKind.WORKDAY})
        found = estimated_by(name, task(7, None, 7, rise=24), known, DEFAULT_RULE_SET)
        assert (found is not None) is fits


@pytest.mark.parametrize(("blocks", "fits"), [(96, True), (97, False)])
def test_the_default_set_estimates_a_day_by_the_sun(blocks: int, *, fits: bool) -> None:
    sky = Sky(clear_wh=9, neighbours=2, neighbours_wh=1, neighbours_clear_wh=1)
    known = Known(skies={MIDNIGHT + 900 * place: sky for place in range(1, 98)})
    span = task(7, *[None] * blocks, 7, rise=14 + blocks, channel=Channel.EXPORT)
    assert (estimated_by("E5", span, known, DEFAULT_RULE_SET) is not None) is fits


def test_nothing_to_estimate_is_no_estimate() -> None:
    assert method(knowing("E2", "E7", "E8"), 7, 7, rise=14) is None
