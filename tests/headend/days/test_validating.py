"""Validated days: kept up with the evidence, each version kept, estimates beside measurements and never among them."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from headend.days.validating import Validating
from headend.duties.disconnection import OpenConnection
from headend.onboarding.enrol import Application, MeterFacts
from headend.onboarding.known import Registry
from headend.readings import Quality
from headend.series import Day
from headend.settings.profiles import parse
from headend.settings.series import SeriesSettings, series
from headend.store.sqlite import day_rows, disconnection_rows, postings
from headend.store.sqlite.database import open_database
from headend.vee.declared import Channel, DayKind
from signing.energy import Fraction
from signing.errors import DecodeError
from signing.interval import DAY_S, Interval, parse_instant
from signing.statements.meter_record import Role
from signing.tables import parse_toml
from tests.headend.discom import METER, log_rules, stated
from tests.headend.premises import DAY, Gateway, Headend, fact, gateway
from tests.headend.trading.test_posting import TRADE
from tests.headend.two_persons import edited, register

HOUR = (99, 101, 100, 100)
FULL: tuple[int | None, ...] = HOUR * 24
REGISTERS = ((0, 1000), (24, 10_600))
SETTINGS = SeriesSettings(after_s=7200, quiet_s=600, holidays=frozenset())
DUE = DAY + DAY_S + 7200


@pytest.fixture
def one(headend: Headend) -> Gateway:
    log_rules(headend)
    found = gateway()
    headend.enrol(found)
    return found


def validating(headend: Headend, settings: SeriesSettings = SETTINGS) -> Validating:
    return Validating(
        database=headend.database,
        registry=headend.registry,
        key=headend.statement_signer.public_key,
        settings=settings,
    )


def stored(headend: Headend, day_utc: int = DAY) -> Day:
    found = day_rows.newest(headend.database.connection, METER, day_utc)
    assert found is not None
    return found.day


def settle(work: Validating) -> None:
    """Everything that came is looked at, and what is due is done."""
    work.step(DAY + 40_000)
    while work.step(DUE):
        pass


def lacking(*holes: int) -> list[int | None]:
    rows = list(FULL)
    for hole in holes:
        rows[hole] = None
    return rows


def test_a_day_is_validated_two_hours_after_it_ended(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    work = validating(headend)
    assert work.step(DAY + 40_000) == 0
    assert work.step(DUE - 1) == 0
    assert work.step(DUE) >= 1
    day = stored(headend)
    assert (day.quality, day.total_wh(Channel.IMPORT), day.total_wh(Channel.EXPORT)) == (Quality.VALID, 9600, 480)
    assert len(day.blocks) == 96
    assert {block.import_method for block in day.blocks} == {None}


def test_nothing_is_done_twice_and_a_restart_forgets_nothing(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    validating(headend).step(DAY + 40_000)
    work = validating(headend)
    settle(work)
    assert work.step(DUE + DAY_S) == 0
    assert [one.revision for one in day_rows.versions(headend.database.connection, METER, DAY)] == [0]


def test_a_late_batch_makes_a_new_version_and_keeps_the_old(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, lacking(40), registers=REGISTERS))
    work = validating(headend)
    settle(work)
    headend.take_in(stated(one, 10, (100,)))
    work.step(DUE + 60)
    while work.step(DUE + 60 + 600):
        pass
    first, second = day_rows.versions(headend.database.connection, METER, DAY)
    assert (first.day.quality, second.day.quality) == (Quality.ESTIMATED, Quality.VALID)
    assert stored(headend) == second.day


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_p6_whatever_came_first_the_days_of_one_balance_say_what_all_of_it_says(
    headend: Headend, one: Gateway, order: tuple[int, ...]
) -> None:
    # Three days between two registers: what the middle and the first lack is known when the last is there.
    sent = [
        stated(one, 0, lacking(40), registers=((0, 1000),)),
        stated(one, 24, lacking(50)),
        stated(one, 48, FULL, registers=((72, 29_800),)),
    ]
    work = validating(headend)
    at_utc = DUE + 3 * DAY_S
    for place in order:
        headend.take_in(sent[place])
        work.step(at_utc)
        at_utc += 3600
        while work.step(at_utc):
            at_utc += 1
    days = [stored(headend, DAY + number * DAY_S) for number in range(3)]
    assert days == [work.day(METER, day.start_utc) for day in days]
    assert [day.quality for day in days] == [Quality.ESTIMATED, Quality.ESTIMATED, Quality.VALID]
    assert sum(day.total_wh(Channel.IMPORT) or 0 for day in days) == 28_800


class Interrupted(Validating):
    """One whose database another program writes to while it works on a day."""

    def _judged(self, meter: str, start_utc: int) -> tuple[Day | None, list[Interval]]:
        found = super()._judged(meter, start_utc)
        with self._database.transaction() as connection:
            day_rows.put_due(connection, [(meter, start_utc, DUE)])
        return found


def test_a_day_that_is_made_due_while_it_is_validated_is_validated_once_more(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    key = headend.statement_signer.public_key
    work = Interrupted(database=headend.database, registry=headend.registry, key=key, settings=SETTINGS)
    assert [work.step(DAY + 40_000), work.step(DUE)] == [0, 1]
    assert [validating(headend).step(DUE) for _ in range(2)] == [1, 0]


def test_a_day_whose_validation_was_cut_short_is_due_again(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    validating(headend).step(DAY + 40_000)
    with headend.database.transaction() as connection:
        day_rows.put_off(connection, day_rows.due(connection, DUE, limit=9), DUE + 600)
    work = validating(headend)
    assert [work.step(DUE + later) for later in (599, 600, 601)] == [0, 1, 0]


def test_what_comes_for_a_day_that_waits_for_another_days_sake_is_shared_as_well(
    headend: Headend, one: Gateway
) -> None:
    headend.take_in(stated(one, 0, lacking(40), registers=((0, 1000),)), stated(one, 24, FULL))
    work, at_utc = validating(headend), DUE + 3 * DAY_S
    work.step(at_utc)
    work.step(at_utc + 600)
    headend.take_in(stated(one, 48, FULL, registers=((72, 29_800),)))
    work.step(at_utc + 700)
    assert work.step(at_utc + 1300) >= 1
    headend.take_in(stated(one, 10, (100,)))
    for later in range(1301, 4000, 600):
        work.step(at_utc + later)
    days = [stored(headend, DAY + number * DAY_S) for number in range(3)]
    assert days == [work.day(METER, day.start_utc) for day in days]
    assert {note.code for day in days for note in day.notes if note.rule == "V23"} == {"SUM"}


def test_an_estimate_carries_its_method_and_sums_with_the_rest_to_the_registers(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, lacking(40, 41), registers=REGISTERS))
    day = validating(headend).day(METER, DAY)
    assert day is not None
    holes = [block for block in day.blocks if block.quality is Quality.ESTIMATED]
    assert [block.start_utc for block in holes] == [DAY + 36_000, DAY + 36_900]
    assert {(block.import_method, block.export_method) for block in holes} == {("E1", "E1")}
    assert day.total_wh(Channel.IMPORT) == 9600
    assert day.total_wh(Channel.EXPORT) == 480


def test_without_registers_and_without_history_what_lacks_stays_absent(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, lacking(40)))
    day = validating(headend).day(METER, DAY)
    assert day is not None
    (hole,) = [block for block in day.blocks if block.quality is Quality.MISSING]
    assert (hole.import_wh, hole.export_wh, hole.import_method) == (None, None, None)
    assert day.total_wh(Channel.IMPORT) is None


def test_like_days_are_found_among_the_days_that_were_validated_before(headend: Headend, one: Gateway) -> None:
    # Four whole weeks before; the day itself has no registers, and too long a hole for a straight line.
    for week in range(4, 0, -1):
        at = -7 * 24 * week
        headend.take_in(stated(one, at, FULL))
    headend.take_in(stated(one, 0, lacking(*range(20, 40))))
    work = validating(headend)
    settle(work)
    holes = [block for block in stored(headend).blocks if block.quality is Quality.ESTIMATED]
    assert len(holes) == 20
    assert {(block.import_wh, block.import_method, block.export_wh) for block in holes} <= {
        (99, "E3", None),
        (100, "E3", None),
        (101, "E3", None),
    }


def test_a_day_survives_being_stored_to_the_byte(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, lacking(40), registers=REGISTERS))
    work = validating(headend)
    day = work.day(METER, DAY)
    assert day is not None
    again = Day.parse(day.content(), meter=METER, start_utc=DAY, rule_set=day.rule_set)
    assert again == day
    assert again.content() == day.content()


def test_a_day_of_which_no_record_says_anything_is_no_day(headend: Headend, one: Gateway) -> None:
    assert validating(headend).day("SKS99999999", DAY) is None


def test_the_days_of_a_meter_with_a_new_record_are_validated_again(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    work = validating(headend)
    settle(work)
    headend.registrar.revoke(METER, one.kid, at_utc=DUE)
    work.step(DUE + 60)
    assert day_rows.due(headend.database.connection, DUE + 660, limit=9) == ((METER, DAY),)


def test_a_day_can_be_no_history_while_a_block_lacks_or_its_supply_failed(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    day = validating(headend).day(METER, DAY)
    assert day is not None
    found = day.history(DayKind.WORKDAY)
    assert found is not None
    assert found.is_pattern
    short = replace(day, blocks=day.blocks[:-1])
    assert short.history(DayKind.WORKDAY) is None
    failed = replace(day, blocks=(replace(day.blocks[0], flags=8), *day.blocks[1:]))
    dark = failed.history(DayKind.WORKDAY)
    assert dark is not None
    assert not dark.is_pattern


def test_another_connection_sees_what_was_validated(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    work = validating(headend)
    settle(work)
    other = open_database(headend.folder / "headend.db")
    try:
        assert Registry(other).meters() == (METER,)
        days = day_rows.newest_in(other.connection, METER, Interval(DAY, DAY + DAY_S))
        assert [found.day for found in days] == [stored(headend)]
    finally:
        other.close()


# settings


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2026-04-24", DayKind.WORKDAY),
        ("2026-04-25", DayKind.SATURDAY),
        ("2026-04-26", DayKind.SUNDAY),
        ("2026-04-27", DayKind.WORKDAY),
        ("2026-08-15", DayKind.HOLIDAY),
    ],
)
def test_days_have_kinds_by_the_calendar_of_india(text: str, kind: DayKind) -> None:
    table = parse_toml('holidays = ["2026-08-15"]', "t")
    assert series(table, Path()).kind(parse_instant(f"{text}T00:00:00+05:30", "t")) is kind


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('holidays = ["15 August"]', "holidays.0.: expected a day such as 2026-01-26"),
        ("after_s = -1", "after_s"),
        ("quiet_s = 86401", "quiet_s"),
    ],
)
def test_a_wrong_setting_is_named(text: str, message: str) -> None:
    table = parse_toml(text, "t")
    series(table, Path())
    with pytest.raises(DecodeError, match=message):
        table.faults.check()


# what no evidence holds is a note of the day


def notes(day: Day | None) -> dict[str, str]:
    assert day is not None
    return {note.rule: note.because for note in day.notes}


def enrolled_check(headend: Headend, main: Gateway) -> Gateway:
    """A check meter at the same connection point, read by a gateway of its own."""
    other = gateway(2, ("SKS00000009",))
    record = headend.record(METER)
    beside = replace(record.facts[0], identity="SKS00000009", role=Role.CHECK)
    meters = {"SKS00000009": MeterFacts(facts=(beside,), blocks_from_utc=0)}
    headend.registrar.enrol(Application(file=other.file(), meters=meters, shard=0), at_utc=DUE)
    return other


@pytest.mark.parametrize(("check_wh", "seen"), [(100, "agrees"), (97, "differs")])
def test_v28_a_check_meter_that_says_otherwise_is_noted_and_changes_nothing(
    headend: Headend, one: Gateway, check_wh: int, seen: str
) -> None:
    other = enrolled_check(headend, one)
    rows = [wh - 100 + check_wh for wh in FULL if wh is not None]
    headend.take_in(stated(other, 0, rows, meter="SKS00000009"))
    headend.take_in(stated(one, 0, FULL, registers=REGISTERS))
    work = validating(headend)
    settle(work)
    day = work.day(METER, DAY)
    assert ("differs" if "V28" in notes(day) else "agrees") == seen
    assert day is not None
    assert day.quality is Quality.VALID


def test_e2_a_check_meter_fills_what_the_meter_lacks(headend: Headend, one: Gateway) -> None:
    other = enrolled_check(headend, one)
    headend.take_in(stated(other, 0, FULL, meter="SKS00000009"))
    headend.take_in(stated(one, 0, lacking(*range(20, 40)), registers=REGISTERS))
    work = validating(headend)
    settle(work)
    day = work.day(METER, DAY)
    assert day is not None
    assert {block.import_method for block in day.blocks if block.quality is Quality.ESTIMATED} == {"E2"}
    assert day.total_wh(Channel.IMPORT) == 9600


def test_a_check_meter_behind_another_transformer_is_told_in_the_wh_of_the_meter(
    headend: Headend, one: Gateway
) -> None:
    other = enrolled_check(headend, one)
    (beside,) = headend.record("SKS00000009").facts
    headend.registrar.change_facts("SKS00000009", [replace(beside, ct=Fraction(20, 1))], at_utc=DUE)
    headend.take_in(stated(other, 0, [5] * 96, export_wh=0, meter="SKS00000009"))
    # Without registers nothing else would scale what the check meter says.
    headend.take_in(stated(one, 0, lacking(*range(20, 40)), export_wh=0))
    work = validating(headend)
    settle(work)
    day = work.day(METER, DAY)
    assert day is not None
    assert {(block.import_wh, block.import_method) for block in day.blocks[20:40]} == {(100, "E2")}
    assert "V28" not in notes(day)


@pytest.mark.parametrize(
    ("changed_utc", "method"),
    # A day in which they changed is no pattern: two like days within three weeks are left, and E3 asks for three.
    [(DAY, "E3"), (DAY - 3 * DAY_S, "E3"), (DAY - 7 * DAY_S + 3600, "E4")],
)
def test_days_before_a_change_of_factors_are_told_in_the_wh_of_now(
    headend: Headend, one: Gateway, changed_utc: int, method: str
) -> None:
    for week in range(4, 0, -1):
        headend.take_in(stated(one, -7 * 24 * week, [4 * wh for wh in HOUR] * 24))
    headend.take_in(stated(one, 0, lacking(*range(20, 40))))
    (plain,) = headend.record(METER).facts
    facts = [plain, replace(plain, from_utc=changed_utc, ct=Fraction(4, 1))]
    headend.registrar.change_facts(METER, facts, at_utc=DUE)
    work = validating(headend)
    settle(work)
    holes = stored(headend).blocks[20:40]
    assert {(block.import_wh, block.import_method) for block in holes} == {(99, method), (100, method), (101, method)}


def test_v30_days_of_estimates_in_a_row_are_noted(headend: Headend, one: Gateway) -> None:
    for number in range(-5, 0):
        at = 24 * number
        register = 1000 + 9600 * (number + 5)
        headend.take_in(stated(one, at, lacking(40), registers=((at, register), (at + 24, register + 9600))))
    work = validating(headend)
    settle(work)
    headend.take_in(stated(one, 0, FULL))
    assert "estimated for 5 days in a row" in notes(work.day(METER, DAY))["V30"]


@pytest.mark.parametrize(("sold_wh", "seen"), [(24_000, "within"), (24_001, "above")])
def test_v31_more_sold_than_the_cap_is_noted(headend: Headend, sold_wh: int, seen: str) -> None:
    log_rules(headend)
    seller = gateway()
    facts = MeterFacts(facts=(fact(METER, installed_w=5000),), blocks_from_utc=0, posted_as=(f"LEDGER-{METER}",))
    headend.registrar.enrol(Application(file=seller.file(), meters={METER: facts}, shard=0), at_utc=DAY)
    with headend.database.transaction() as connection:
        sold = replace(TRADE, seller_id=f"LEDGER-{METER}", quantity_wh=sold_wh)
        postings.put_trades(connection, [sold], DUE)
    headend.take_in(stated(seller, 0, FULL, registers=REGISTERS))
    assert ("above" if "V31" in notes(validating(headend).day(METER, DAY)) else "within") == seen


def test_what_two_persons_agreed_on_is_used_and_the_rest_is_estimated_around_it(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, lacking(40, 43), registers=REGISTERS))
    work = validating(headend)
    settle(work)
    register(headend)
    edited(headend, {DAY + 36_000: (150, 5)})
    work.step(DUE + 60)
    while work.step(DUE + 60 + 600):
        pass
    first, second = day_rows.versions(headend.database.connection, METER, DAY)
    assert first.day.quality is Quality.ESTIMATED
    agreed, estimated = (second.day.blocks[place] for place in (40, 43))
    assert (agreed.quality, agreed.import_wh, agreed.import_method) == (Quality.MANUAL, 150, "E7")
    assert (agreed.export_wh, agreed.export_method) == (5, "E7")
    assert (estimated.quality, estimated.import_wh) == (Quality.ESTIMATED, 49)
    assert second.day.total_wh(Channel.IMPORT) == 9600
    assert validating(headend).step(DUE + 7200) == 0


def test_an_agreed_import_alone_leaves_the_export_absent(headend: Headend, one: Gateway) -> None:
    headend.take_in(stated(one, 0, lacking(40), registers=REGISTERS))
    register(headend)
    edited(headend, {DAY + 36_000: (150, None)})
    day = validating(headend).day(METER, DAY)
    assert day is not None
    assert (day.blocks[40].export_wh, day.blocks[40].export_method) == (None, None)
    assert day.total_wh(Channel.EXPORT) is None


# an open connection


def opened(headend: Headend, since_utc: int, until_utc: int | None) -> None:
    entry = OpenConnection(
        connection_point=f"CP-{METER}",
        since_utc=since_utc,
        until_utc=until_utc,
        reference="WO 7",
        by="asha",
        reason="-",
    )
    with headend.database.transaction() as connection:
        disconnection_rows.put(connection, entry, at_utc=DUE)


@pytest.mark.parametrize(
    ("since", "until", "method"),
    [(20, 40, "E8"), (0, None, "E8"), (20, 39, None), (21, 40, None)],
)
def test_e8_nothing_flowed_through_a_connection_that_was_open_in_every_hole(
    headend: Headend, one: Gateway, since: int, until: int | None, method: str | None
) -> None:
    opened(headend, DAY + 900 * since, None if until is None else DAY + 900 * until)
    headend.take_in(stated(one, 0, lacking(*range(20, 40))))
    day = validating(headend).day(METER, DAY)
    assert day is not None
    wh = 0 if method else None
    assert {
        (block.import_wh, block.import_method, block.export_wh, block.export_method) for block in day.blocks[20:40]
    } == {(wh, method, wh, method)}
    assert [block.import_wh for block in day.blocks[:20]] == list(FULL[:20])


def test_e8_says_nothing_once_it_was_taken_back_nor_of_another_connection_point(headend: Headend, one: Gateway) -> None:
    opened(headend, DAY, None)
    headend.take_in(stated(one, 0, lacking(*range(20, 40))))
    with headend.database.transaction() as connection:
        entry = disconnection_rows.withdraw(connection, 1, by="bela", at_utc=DUE)
        disconnection_rows.put(connection, replace(entry, connection_point="CP-9"), at_utc=DUE)
    day = validating(headend).day(METER, DAY)
    assert day is not None
    assert {block.quality for block in day.blocks[20:40]} == {Quality.MISSING}


def test_registers_that_rose_are_stronger_than_the_word_of_a_disconnection(headend: Headend, one: Gateway) -> None:
    opened(headend, DAY, None)
    headend.take_in(stated(one, 0, lacking(*range(20, 40)), registers=REGISTERS))
    day = validating(headend).day(METER, DAY)
    assert day is not None
    assert "E8" not in {block.import_method for block in day.blocks}


def test_the_days_of_an_open_connection_go_on_though_its_meter_sends_nothing(headend: Headend, one: Gateway) -> None:
    opened(headend, DAY + 36_000, DAY + 2 * DAY_S)
    headend.take_in(stated(one, 0, FULL[:40]))
    work = validating(headend)
    settle(work)
    assert work.step(DUE + DAY_S - 1) == 0
    assert work.step(DUE + DAY_S) == 1
    assert work.step(DUE + 9 * DAY_S) == 0
    after = stored(headend, DAY + DAY_S)
    assert (after.total_wh(Channel.IMPORT), after.quality, len(after.blocks)) == (0, Quality.ESTIMATED, 96)
    assert day_rows.newest(headend.database.connection, METER, DAY + 2 * DAY_S) is None


def test_another_look_at_a_day_of_an_open_connection_does_not_look_at_all_that_follow(
    headend: Headend, one: Gateway
) -> None:
    opened(headend, DAY + 36_000, DAY + 3 * DAY_S)
    headend.take_in(stated(one, 0, FULL[:40]))
    work = validating(headend)
    settle(work)
    for later in (1, 2):
        assert work.step(DUE + later * DAY_S) == 1
    with headend.database.transaction() as connection:
        day_rows.put_due(connection, [(METER, DAY, DUE)])
    assert [work.step(DUE + 9 * DAY_S) for _ in range(2)] == [1, 0]


# the day of a category

EVENINGS = (0,) * 5 + (2,) * 4 + (1,) * 15


def profiled() -> SeriesSettings:
    text = f'default = "homes"\n[[category]]\nname = "homes"\nimport = {list(EVENINGS)}\nexport = {list(EVENINGS)}'
    return replace(SETTINGS, profiles=parse(text, "profiles.toml"))


def test_e6_a_category_says_how_what_the_registers_leave_lies_in_a_day_without_any_pattern(
    headend: Headend, one: Gateway
) -> None:
    headend.take_in(stated(one, 0, lacking(*range(16, 28)), registers=REGISTERS))
    day = validating(headend, profiled()).day(METER, DAY)
    assert day is not None
    holes = day.blocks[16:28]
    assert {(block.import_method, block.export_method) for block in holes} == {("E6", "E6")}
    assert [block.import_wh for block in holes[:4]] == [0] * 4
    assert {block.import_wh for block in holes[4:]} == {150}
    assert (day.total_wh(Channel.IMPORT), day.total_wh(Channel.EXPORT)) == (9600, 480)


@pytest.mark.parametrize(("weeks", "import_wh"), [(3, 208), (2, None)])
def test_e6_without_registers_rests_on_measured_days_and_says_nothing_of_an_export(
    headend: Headend, one: Gateway, weeks: int, import_wh: int | None
) -> None:
    # Days before of another kind: neither E3 nor E4 may use them, and they say how much this customer uses.
    for number in range(weeks, 0, -1):
        headend.take_in(stated(one, -24 * (7 * number + 1), FULL))
    headend.take_in(stated(one, 0, lacking(*range(20, 40))))
    work = validating(headend, profiled())
    settle(work)
    hole = stored(headend).blocks[20]
    assert (hole.import_wh, hole.import_method) == (import_wh, "E6" if import_wh else None)
    assert (hole.export_wh, hole.export_method) == (None, None)
