"""V29 from end to end: sheets and readings in, a transformer's balance, and its note on the days of every meter of it."""

import pytest

from headend.readings import Quality
from headend.registry.supply import By
from headend.store.sqlite import balance_rows, day_rows
from headend.store.sqlite.balance_rows import Line
from signing.interval import DAY_S, Interval
from signing.statements.window_actual import Verdict
from tests.headend.days.network import DT, LOAD, MEMBERS, OWN, USUAL, Network, connected, even, own_row, without
from tests.headend.premises import DAY, Headend
from tests.headend.sheets import applied, row

EVERY = {*MEMBERS, OWN}
LINE = Line(By.DT, DT)


@pytest.fixture
def network(headend: Headend) -> Network:
    connected(headend)
    found = Network(headend)
    found.history()
    return found


def difference(network: Network, day: int = 0, line: Line = LINE) -> int | None:
    start = DAY + day * DAY_S
    return balance_rows.differences(network.headend.database.connection, line, Interval(start, start + 1)).get(start)


# The standard deviation of 95 and 105 in turn is 5: three of them are 15.
@pytest.mark.parametrize(("lost", "noted"), [(115, set()), (116, EVERY), (85, set()), (84, EVERY)])
def test_a_loss_outside_three_sigma_of_the_days_before_is_noted_at_every_meter_of_the_transformer(
    network: Network, lost: int, noted: set[str]
) -> None:
    network.gave(0, lost)
    network.settle()
    assert network.noted() == noted
    assert difference(network) == lost


def test_a_note_names_the_transformer_and_its_numbers_and_changes_no_quality(network: Network) -> None:
    network.gave(0, 400)
    network.settle()
    note = network.note(MEMBERS[0])
    assert note is not None
    assert (note.code, note.verdict) == ("BALANCE", Verdict.VALID)
    assert note.because == f"transformer {DT} lacks 400 Wh, {sum(USUAL)} Wh in the {len(USUAL)} days before"
    first, second = day_rows.versions(network.headend.database.connection, MEMBERS[0], DAY)
    assert first.day.blocks == second.day.blocks
    assert second.day.quality is Quality.MANUAL


@pytest.mark.parametrize(("days", "noted"), [(9, set()), (10, EVERY)])
def test_a_history_of_fewer_days_says_nothing(headend: Headend, days: int, noted: set[str]) -> None:
    connected(headend)
    network = Network(headend)
    network.history(USUAL[:days])
    network.gave(0, 400)
    network.settle()
    assert network.noted() == noted


def test_a_day_in_which_a_block_of_any_meter_lacks_is_in_no_balance(network: Network) -> None:
    for meter in MEMBERS:
        network.reads(meter, 0, even(LOAD))
    network.reads(OWN, 0, without(5, even(2 * LOAD + 400)))
    network.settle()
    assert (difference(network), network.noted()) == (None, set())
    network.reads(OWN, 0, even(2 * LOAD + 400))
    network.settle()
    assert (difference(network), network.noted()) == (400, EVERY)


@pytest.mark.parametrize("lacking", [*MEMBERS, OWN])
def test_a_day_of_which_a_meter_said_nothing_is_in_no_balance(network: Network, lacking: str) -> None:
    for meter in EVERY - {lacking}:
        network.reads(meter, 0, even(2 * LOAD + 400 if meter == OWN else LOAD))
    network.settle()
    assert difference(network) is None


def test_an_old_day_that_lacks_is_left_out_of_the_history_of_later_ones(headend: Headend) -> None:
    connected(headend)
    network = Network(headend)
    network.history(USUAL[:9])
    network.gave(-10, 0)
    network.reads(MEMBERS[0], -10, even(LOAD))
    for meter in MEMBERS:
        network.reads(meter, -11, without(3, even(LOAD)))
    network.reads(OWN, -11, even(2 * LOAD))
    network.gave(0, 400)
    network.settle()
    assert difference(network, -11) is None
    note = network.note(OWN)
    assert note is not None
    assert note.because.endswith("in the 10 days before")


def test_late_data_revise_the_balance_and_take_a_note_back(network: Network) -> None:
    for meter in MEMBERS:
        network.reads(meter, 0, even(LOAD))
    network.reads(OWN, 0, even(2 * LOAD + 400))
    network.settle()
    assert network.noted() == EVERY
    network.reads(MEMBERS[1], 0, even(LOAD + 300))
    network.settle()
    assert (difference(network), network.noted()) == (100, set())


def test_late_data_of_an_earlier_day_revise_what_is_said_of_later_ones(network: Network) -> None:
    network.gave(0, 116)
    network.settle()
    assert network.noted() == EVERY
    network.reads(OWN, -1, even(2 * LOAD + 500))
    network.settle()
    assert (difference(network, -1), network.noted(-1)) == (500, EVERY)
    assert network.noted() == set()


def test_the_order_in_which_days_come_changes_nothing(headend: Headend) -> None:
    connected(headend)
    network = Network(headend)
    network.gave(0, 400)
    network.settle()
    assert network.noted() == set()
    network.history()
    assert network.noted() == EVERY
    note = network.note(MEMBERS[0])
    assert note is not None
    assert note.because == f"transformer {DT} lacks 400 Wh, {sum(USUAL)} Wh in the {len(USUAL)} days before"


def test_what_consumers_feed_in_flows_up_through_the_transformer(network: Network) -> None:
    # One roof gives 4800 Wh, the other consumer takes 2400: 2400 - 100 lost leave the transformer upward.
    network.reads(MEMBERS[0], 0, [0] * 24, even(2 * LOAD))
    network.reads(MEMBERS[1], 0, even(LOAD))
    network.reads(OWN, 0, [0] * 24, even(LOAD - 100))
    network.settle()
    assert (difference(network), network.noted()) == (100, set())


def test_an_export_register_that_nobody_has_is_no_export_and_one_behind_generation_lacks(network: Network) -> None:
    network.gave(0, 100)
    network.reads(MEMBERS[0], 0, even(LOAD), [None] * 24)
    network.settle()
    assert difference(network) == 100
    applied(network.headend, {"meter": MEMBERS[0], "from": "2026-04-20", "installed_kw": "5"})
    network.settle()
    assert difference(network) is None


def test_energies_are_compared_after_factors_and_a_corrected_factor_sums_again(headend: Headend) -> None:
    connected(headend, ct="200/5")
    network = Network(headend)
    network.gave(0, 0)
    network.reads(OWN, 0, even((2 * LOAD + 80) // 40))
    network.settle()
    assert difference(network) == 80
    applied(headend, {"meter": OWN, "from": "2026-04-20", "ct": "100/5"})
    network.settle()
    assert difference(network) == (2 * LOAD + 80) // 2 - 2 * LOAD


def test_a_consumer_who_moves_to_another_transformer_leaves_the_balance(network: Network) -> None:
    network.gave(0, 400)
    network.settle()
    assert network.noted() == EVERY
    applied(network.headend, {"meter": MEMBERS[1], "from": "2026-04-26", "dt": "DT-8"})
    network.settle()
    assert difference(network, -1) == 105
    assert difference(network) == LOAD + 400
    assert network.noted() == {MEMBERS[0], OWN}
    applied(network.headend, {"meter": MEMBERS[1], "from": "2026-04-26", "dt": DT})
    network.settle()
    assert (difference(network), network.noted()) == (400, EVERY)


def test_a_meter_that_was_recorded_at_another_place_leaves_the_balance(network: Network) -> None:
    network.gave(0, 100)
    network.settle()
    applied(network.headend, {"meter": MEMBERS[1], "from": "2026-04-26", "connection_point": "CP-9"})
    network.settle()
    assert difference(network) == LOAD + 100
    assert network.noted() == {MEMBERS[0], OWN}
    assert difference(network, -1) == 105


def test_a_transformers_meter_that_never_was_one_takes_its_balances_with_it(network: Network) -> None:
    network.gave(0, 400)
    network.settle()
    applied(network.headend, {"meter": OWN, "from": "2026-01-01", "role": "GENERATION"})
    network.settle()
    assert (difference(network), network.noted()) == (None, set())


def test_a_day_in_which_a_meter_was_taken_off_a_connection_point_is_in_no_balance(network: Network) -> None:
    network.gave(0, 100)
    network.settle()
    since = "2026-04-26T10:00:00+05:30"
    applied(network.headend, {"meter": MEMBERS[1], "from": since, "connection_point": "CP-9"})
    network.settle()
    assert difference(network) is None


@pytest.mark.parametrize(("clock", "wh"), [("10:00", 100 - LOAD * 14 // 24), ("10:30", None)])
def test_factors_that_change_at_the_edge_of_a_block_are_each_used_and_a_block_that_they_cut_lacks(
    network: Network, clock: str, wh: int | None
) -> None:
    network.gave(0, 100)
    applied(network.headend, {"meter": MEMBERS[1], "from": f"2026-04-26T{clock}:00+05:30", "factor": "2"})
    network.settle()
    assert difference(network) == wh


def test_a_day_in_which_a_consumer_comes_is_in_no_balance(network: Network) -> None:
    network.gave(0, 400)
    applied(network.headend, row(3, since="2026-04-26T10:00:00+05:30", dt=DT, period_s="3600"))
    network.settle()
    assert difference(network) is None
    assert difference(network, -1) == 105


def test_a_connection_point_without_a_meter_is_in_the_difference(network: Network) -> None:
    network.gave(0, 100)
    network.settle()
    applied(network.headend, {"meter": MEMBERS[1], "from": "2026-04-26", "role": "GENERATION", "dt": "", "feeder": ""})
    network.settle()
    assert difference(network) == LOAD + 100


def test_a_feeder_has_a_balance_too_and_a_meter_is_noted_by_both(headend: Headend) -> None:
    connected(headend)
    applied(headend, row(98, connection_point="F7", role="CHECK", period_s="3600"))
    network = Network(headend)
    for place, lost in enumerate(USUAL):
        network.gave(place - len(USUAL), lost)
        network.reads("SKS00000098", place - len(USUAL), even(2 * LOAD + 2 * lost))
    network.gave(0, 400)
    network.reads("SKS00000098", 0, even(2 * LOAD + 600))
    network.settle()
    assert difference(network, 0, Line(By.FEEDER, "F7")) == 600
    stored = day_rows.newest(headend.database.connection, MEMBERS[0], DAY)
    assert stored is not None
    said = sorted(note.because.partition(" lacks")[0] for note in stored.day.notes if note.rule == "V29")
    assert said == ["feeder F7", f"transformer {DT}"]


def test_a_name_of_both_a_transformer_and_a_feeder_is_the_transformers(headend: Headend) -> None:
    connected(headend)
    applied(headend, row(3, feeder=DT, period_s="3600"))
    network = Network(headend)
    network.gave(0, 100)
    network.reads("SKS00000003", 0, even(LOAD))
    network.settle()
    assert (difference(network), difference(network, 0, Line(By.FEEDER, DT))) == (100, None)
    for feeder in ("F9", DT):
        applied(headend, {"meter": "SKS00000003", "from": "2026-04-26", "feeder": feeder})
        network.settle()
        assert (difference(network), difference(network, 0, Line(By.FEEDER, DT))) == (100, None)


@pytest.mark.parametrize("role", ["REVENUE", "GENERATION"])
def test_only_a_check_meter_measures_a_transformer(headend: Headend, role: str) -> None:
    connected(headend)
    applied(headend, own_row(since="2026-04-20") | {"role": role})
    network = Network(headend)
    network.gave(0, 100)
    network.settle()
    assert difference(network) is None


def test_a_day_in_which_the_transformers_meter_changed_is_in_no_balance(network: Network) -> None:
    network.gave(0, 100)
    applied(network.headend, {"meter": OWN, "from": "2026-04-26T10:00:00+05:30", "ct": "200/5"})
    network.settle()
    assert difference(network) is None


def test_days_of_no_metered_transformer_are_never_summed(headend: Headend) -> None:
    connected(headend)
    applied(headend, row(3, dt="DT-8", period_s="3600"))
    network = Network(headend)
    network.reads("SKS00000003", 0, even(LOAD))
    network.take()
    while network.work.step(network.now):
        pass
    assert balance_rows.due(headend.database.connection, network.now + DAY_S, limit=9) == ()


def test_a_line_waits_for_more_of_its_meters_and_is_summed_once_for_all(network: Network) -> None:
    network.gave(0, 100)
    network.take()
    while network.work.step(network.now):
        pass
    connection = network.headend.database.connection
    assert difference(network) is None
    assert balance_rows.due(connection, network.now + 599, limit=9) == ()
    assert balance_rows.due(connection, network.now + 600, limit=9) == ((LINE, DAY),)
    assert network.work.step(network.now + 600) == 1
    assert difference(network) == 100
    assert network.work.step(network.now + DAY_S) == 0


def test_a_restart_forgets_no_balance(network: Network) -> None:
    network.gave(0, 400)
    network.take()
    while network.work.step(network.now):
        pass
    again = Network(network.headend)
    again.now = network.now
    again.settle()
    assert again.noted() == EVERY
