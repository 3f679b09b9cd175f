"""An ordinary home or shop is never doubted: what the default rules say of simulated days, at every length of block."""

import pytest

from firmware_sim.world import Dwelling, Home
from headend.windows import judge, validated
from signing.interval import DAY_S, IST_OFFSET_S, Interval
from signing.statements.reading_batch import Register
from signing.statements.window_actual import Status, Verdict
from tests.headend.vee.world import MIDNIGHT, Gateway, fact, premises, readings

HOMES = {
    "home": (Home(seed=1), 3000, None),
    "home with a roof under clouds": (Home(seed=5, array_w=5000), 5000, 5000),
    "shop": (Home(seed=3, dwelling=Dwelling.SHOP), 6000, None),
}


@pytest.mark.parametrize("quarters", [1, 2, 4])
@pytest.mark.parametrize("name", sorted(HOMES))
def test_an_ordinary_day_of_any_season_is_final(name: str, quarters: int) -> None:
    home, sanctioned_w, installed_w = HOMES[name]
    period_s = 900 * quarters
    for days_back in (0, 90, 180, 270):
        start = MIDNIGHT - days_back * DAY_S
        day = home.day((start + IST_OFFSET_S) // DAY_S)
        net = [load - solar for load, solar in zip(day.load_wh, day.solar_wh, strict=True)]
        imports = [sum(max(0, wh) for wh in net[at : at + quarters]) for at in range(0, 96, quarters)]
        exports = [sum(max(0, -wh) for wh in net[at : at + quarters]) for at in range(0, 96, quarters)]
        registers = [
            Register(stamp_utc=start, import_wh=5, export_wh=7),
            Register(stamp_utc=start + DAY_S, import_wh=5 + sum(imports), export_wh=7 + sum(exports)),
        ]
        gateway = Gateway()
        gateway.state(start, readings(imports, exports), period_s=period_s, registers=registers)
        stated = fact(period_s=period_s, from_utc=0, sanctioned_w=sanctioned_w, installed_w=installed_w)
        case = premises(gateway, facts=[stated], blocks_from_utc=0).case(Interval(start + 36_000, start + 43_200))
        (part,) = validated(case)
        assert judge(case).status is Status.FINAL
        assert {finding.verdict for finding in part.validation.findings} == {Verdict.VALID}
