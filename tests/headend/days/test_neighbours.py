"""E5: an export that lacks is shaped by what other roofs on the feeder were measured to give."""

from dataclasses import replace
from typing import Any

import pytest

from headend.days.neighbours import skies_of
from headend.days.validating import Validating
from headend.onboarding.enrol import Application, MeterFacts
from headend.readings import Quality
from headend.registry.dated import Dated
from headend.registry.supply import Supply
from headend.series import Day
from headend.settings.profiles import parse
from headend.store.sqlite import day_rows, supply_rows
from headend.vee.declared import Channel
from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.vee.skies import Place
from signing.energy import Fraction
from signing.interval import DAY_S
from signing.statements.meter_record import Role
from signing.statements.reading import Flag
from signing.statements.rule_set import RuleSet
from tests.headend.days.test_validating import DUE, SETTINGS
from tests.headend.discom import METER, log_rules, stated
from tests.headend.premises import DAY, Gateway, Headend, fact, gateway

ROOFS = ("SKS00000002", "SKS00000003")
HOLE = range(32, 48)
"""08:00 to 12:00 IST: too long for a straight line."""
CLOUD = range(40, 44)
"""Nothing reached the neighbours in this hour."""
IMPORTS = tuple(99 + place % 3 for place in range(96))
PROFILE = f'default = "homes"\n[[category]]\nname = "homes"\nimport = {[1] * 24}'


def sun(place: int) -> int:
    """The neighbours' day: some by day, none in the cloud or at night."""
    return 0 if place in CLOUD or not 26 <= place < 70 else 400 + place % 3


EXPORTS = [sun(place) for place in range(96)]


def enrol(headend: Headend, number: int, meter: str, feeder: str | None, **changes: object) -> Gateway:
    """A roof on a feeder."""
    found = gateway(number, (meter,))
    facts = MeterFacts(facts=(fact(meter, **({"installed_w": 5000} | changes)),), blocks_from_utc=0)
    headend.registrar.enrol(Application(file=found.file(), meters={meter: facts}, shard=0), at_utc=DAY)
    with headend.database.transaction() as connection:
        supply_rows.put_supplies(connection, f"CP-{meter}", (Dated(0, Supply(feeder=feeder)),))
    return found


def working(headend: Headend) -> Validating:
    return Validating(
        database=headend.database,
        registry=headend.registry,
        key=headend.statement_signer.public_key,
        settings=replace(SETTINGS, profiles=parse(PROFILE, "p")),
    )


def worked(
    headend: Headend,
    *,
    rule_set: RuleSet = DEFAULT_RULE_SET,
    own: str | None = "F7",
    other: str | None = "F7",
    roofs: tuple[str, ...] = ROOFS,
    **changes: Any,
) -> Day:
    """The day of a meter that lacks its hole, after its neighbours' days were validated; `changes` are of their facts."""
    log_rules(headend, rule_set)
    main = enrol(headend, 1, METER, own)
    for number, meter in enumerate(roofs, start=2):
        one = enrol(headend, number, meter, other, **changes)
        headend.take_in(stated(one, 0, IMPORTS, exports=EXPORTS, meter=meter))
    work = working(headend)
    work.step(DAY + 40_000)
    while work.step(DUE):
        pass
    lacking = [None if place in HOLE else wh for place, wh in enumerate(IMPORTS)]
    registers = ((0, 1000), (24, 1000 + sum(IMPORTS)))
    headend.take_in(stated(main, 0, lacking, exports=EXPORTS, registers=registers))
    day = work.day(METER, DAY)
    assert day is not None
    return day


def methods(day: Day) -> set[str | None]:
    return {day.blocks[place].export_method for place in HOLE}


def test_an_export_that_lacks_lies_where_the_neighbours_had_sun_and_sums_to_the_register(headend: Headend) -> None:
    day = worked(headend)
    assert methods(day) == {"E5"}
    assert day.total_wh(Channel.EXPORT) == sum(EXPORTS)
    assert {day.blocks[place].export_wh for place in CLOUD} == {0}
    for place in set(HOLE) - set(CLOUD):
        assert day.blocks[place].export_wh == pytest.approx(400, abs=8)
    assert day_rows.newest(headend.database.connection, ROOFS[0], DAY) is not None


def test_neighbours_are_weighed_after_their_factors(headend: Headend) -> None:
    worked(headend, factor=Fraction(2, 1), installed_w=10_000)
    at, place = DAY + 45 * 900, Place(latitude_mdeg=28_800, longitude_mdeg=77_700)
    mine = fact(METER, installed_w=5000)
    (sky,) = skies_of(headend.database.connection, headend.registry, mine, [at], place).values()
    assert sky.neighbours_wh == 2 * 2 * sun(45)
    assert sky.neighbours_clear_wh == pytest.approx(4 * sky.clear_wh, abs=4)


def seen(headend: Headend, place: int = 45) -> int | None:
    """By how many clear skies the roofs beside METER saw a block; none where they say nothing."""
    mine, at = fact(METER, installed_w=5000), DAY + place * 900
    delhi = Place(latitude_mdeg=28_800, longitude_mdeg=77_700)
    sky = skies_of(headend.database.connection, headend.registry, mine, [at], delhi).get(at)
    return None if sky is None else round(sky.neighbours_clear_wh / sky.clear_wh)


def test_a_meter_is_no_neighbour_of_its_own(headend: Headend) -> None:
    worked(headend, roofs=ROOFS[:1])
    work = working(headend)
    work.step(DUE)
    while work.step(DUE + 3600):
        pass
    assert day_rows.newest(headend.database.connection, METER, DAY) is not None
    headend.take_in(stated(enrol(headend, 3, ROOFS[1], "F7"), 0, IMPORTS, exports=EXPORTS, meter=ROOFS[1]))
    assert seen(headend, 60) == 1
    work.step(DUE)
    while work.step(DUE + 3600):
        pass
    assert seen(headend, 60) == 2


def test_what_a_neighbour_did_not_measure_or_gave_without_supply_says_nothing(headend: Headend) -> None:
    worked(headend)
    assert seen(headend) == 2
    stored = day_rows.newest(headend.database.connection, ROOFS[0], DAY)
    assert stored is not None
    for changes in ({"quality": Quality.ESTIMATED}, {"flags": int(Flag.POWER_FAIL)}):
        blocks = list(stored.day.blocks)
        blocks[45] = replace(blocks[45], **changes)
        with headend.database.transaction() as connection:
            day_rows.put(connection, replace(stored.day, blocks=tuple(blocks)), at_utc=DUE)
        assert (seen(headend), seen(headend, 46)) == (1, 2)


def test_a_day_waits_for_its_neighbours_that_come_due_with_it_and_not_for_ever(headend: Headend) -> None:
    log_rules(headend)
    gateways = [enrol(headend, number, meter, "F7") for number, meter in enumerate((METER, *ROOFS), start=1)]
    lacking = [None if place in HOLE else wh for place, wh in enumerate(IMPORTS)]
    registers = ((0, 1000), (24, 1000 + sum(IMPORTS)))
    for one, imports in zip(gateways, (lacking, IMPORTS, IMPORTS), strict=True):
        headend.take_in(stated(one, 0, imports, exports=EXPORTS, registers=registers, meter=one.meters[0]))
    work = working(headend)
    work.step(DAY + 40_000)
    while work.step(DUE):
        pass
    assert work.step(DUE + 899) == 0
    assert work.step(DUE + 900) == 1
    assert work.step(DUE + DAY_S) == 0
    first, second = day_rows.versions(headend.database.connection, METER, DAY)
    assert (methods(first.day), methods(second.day)) == ({None}, {"E5"})


def test_neighbours_that_wait_for_one_another_do_so_for_an_hour(headend: Headend) -> None:
    log_rules(headend)
    lacking = [None if place in HOLE else wh for place, wh in enumerate(IMPORTS)]
    for number, meter in enumerate((METER, *ROOFS), start=1):
        one = enrol(headend, number, meter, "F7")
        headend.take_in(stated(one, 0, lacking, exports=EXPORTS, meter=meter))
    work = working(headend)
    work.step(DAY + 40_000)
    for later in range(0, 3601, 900):
        while work.step(DUE + later):
            pass
    assert work.step(DUE + DAY_S) == 0


@pytest.mark.parametrize("own", ["F8", None])
def test_roofs_on_another_feeder_say_nothing(headend: Headend, own: str | None) -> None:
    assert methods(worked(headend, own=own)) == {None}


def test_no_feeder_is_no_feeder_in_common(headend: Headend) -> None:
    assert methods(worked(headend, own=None, other=None)) == {None}


def test_one_roof_is_no_sky(headend: Headend) -> None:
    assert methods(worked(headend, roofs=ROOFS[:1])) == {None}


@pytest.mark.parametrize(
    "changes", [{"installed_w": None}, {"role": Role.CHECK}], ids=["without generation", "not of revenue"]
)
def test_meters_that_are_no_roofs_say_nothing(headend: Headend, changes: dict[str, Any]) -> None:
    assert methods(worked(headend, **changes)) == {None}


def test_a_rule_set_that_does_not_say_where_the_discom_is_estimates_nothing_by_the_sun(headend: Headend) -> None:
    rules = tuple(rule for rule in DEFAULT_RULE_SET.rules if rule.id != "V19")
    assert methods(worked(headend, rule_set=replace(DEFAULT_RULE_SET, rules=rules))) == {None}
