"""What each case has the simulated meters do, and what its head-ends are told."""

from itertools import pairwise
from pathlib import Path

import pytest

from deploy.demo import world
from deploy.demo.cases import NEW_METER, Case, Play, simulator
from deploy.demo.world import BUYER, SELLER
from headend import config as headend_config
from headend.onboarding import facts as headend_facts
from signing.interval import DAY_S, Interval, parse_instant

WINDOW = Interval(
    parse_instant("2026-04-25T10:00:00+05:30", "start"), parse_instant("2026-04-25T12:00:00+05:30", "end")
)
SELLERS, BUYERS = SELLER.meters[0], BUYER.meters[0]


def play(case: Case, replay: Path | None = None) -> Play:
    return Play(case=case, seed=1, replay=replay, scale_solar="4")


def faults(case: Case, *, withholds: bool = True) -> list[str]:
    arguments = simulator(play(case), SELLER, SELLERS, WINDOW, Path("t.json"), withholds=withholds)
    return [value for option, value in pairwise(arguments) if option == "--fault"]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case.FULL, []),
        (Case.MISSING, ["missing-block=2026-04-25T04:45:00Z"]),
        (Case.GAP, ["missing-block=2026-04-25T04:45:00Z"]),
        (Case.OUTAGE, ["outage=2026-04-25T05:00:00Z/2026-04-25T06:00:00Z"]),
        (Case.EXCHANGE, []),
        (Case.HOLD, []),
        (Case.ORIGIN, []),
        (Case.DISPUTE, []),
        (Case.EDIT, ["missing-block=2026-04-25T04:45:00Z"]),
    ],
)
def test_the_sellers_meter_has_the_fault_of_its_case(case: Case, expected: list[str]) -> None:
    assert faults(case) == expected
    assert "--fault" not in simulator(play(case), BUYER, BUYERS, WINDOW, Path("t.json"))


def test_a_meter_that_withholds_no_more_listens_where_it_did() -> None:
    assert faults(Case.GAP, withholds=False) == []
    arguments = simulator(play(Case.GAP), SELLER, SELLERS, WINDOW, Path("t.json"), listen="127.0.0.1:4059")
    assert arguments[arguments.index("--listen") + 1] == "127.0.0.1:4059"


@pytest.mark.parametrize("case", list(Case))
def test_only_the_meter_that_is_started_again_keeps_a_port_of_its_own(case: Case) -> None:
    kept = [meter.id for side in play(case).sides for meter in side.meters if play(case).starts_again(side, meter)]
    assert kept == ([SELLERS.id] if case is Case.GAP else [])


@pytest.mark.parametrize("case", list(Case))
def test_only_an_exchange_brings_a_second_revenue_meter_and_what_is_never_final_is_posted(case: Case) -> None:
    seller, buyer = play(case).sides
    is_exchange = case is Case.EXCHANGE
    assert (NEW_METER in seller.meters) == is_exchange
    assert ("PROVISIONAL" in play(case).posts) == (case in {Case.EXCHANGE, Case.EDIT})
    assert (seller.name, seller.posted_as, buyer) == (SELLER.name, SELLER.posted_as, BUYER)
    assert play(case).pending_after_s == (8 if case in {Case.EDIT, Case.ORIGIN, Case.IMPORT} else 20)
    assert play(case).exchanged_utc(WINDOW) == (WINDOW.start_utc + 3600 if is_exchange else None)


@pytest.mark.parametrize("case", list(Case))
def test_the_ledger_is_told_as_the_case_says(case: Case) -> None:
    expected = {Case.BECKN: "none", Case.RECORD: "record"}.get(case, "allocate")
    text = world.headend(BUYER, broker_port=1884, ledger="127.0.0.1:9000", channel=play(case).channel)
    assert headend_config.parse(text, "headend.toml", Path("folder")).ledger.channel.value == expected
    assert [side.name for side in (SELLER, BUYER) if not play(case).has_gateway(side)] == (
        [BUYER.name] if case is Case.IMPORT else []
    )


@pytest.mark.parametrize(("replay", "period_s"), [(None, 900), (Path("home.csv"), 1800)])
def test_what_happens_within_a_window_lies_on_edges_of_blocks(replay: Path | None, period_s: int) -> None:
    assert play(Case.FULL, replay).period_s == period_s
    outage, exchanged = play(Case.OUTAGE, replay).outage(WINDOW), play(Case.EXCHANGE, replay).exchanged_utc(WINDOW)
    assert outage is not None
    assert exchanged is not None
    assert WINDOW.contains(outage)
    assert {at % period_s for at in (outage.start_utc, outage.end_utc, exchanged)} == {WINDOW.start_utc % period_s}


def test_what_the_registry_says_of_a_meter_stays_as_it_is_when_its_gateway_is_enrolled() -> None:
    seller, _ = play(Case.EXCHANGE).sides
    recorded = {SELLERS.id, NEW_METER.id}
    found = headend_facts.parse(world.facts(seller, WINDOW, 900, recorded=recorded), "facts.toml")
    assert {name for name, meter in found.meters.items() if meter.facts == ()} == recorded
    assert all(found.meters[name].blocks_from_utc == WINDOW.start_utc - DAY_S for name in recorded)
