"""V32 over time: a second, honestly signed but simulated meter behind a genuine gateway is caught by what the AMISP's own system read."""

from dataclasses import replace

import pytest

from headend.attest import Attestor
from headend.duties.alerts import AlertKind
from headend.duties.doubts import Doubt
from headend.duties.work_orders import Cause
from headend.imports.table import parse_csv
from headend.meter_data.comparing import Comparing
from headend.meter_data.importing import Importing
from headend.readings import Quality
from headend.store.sqlite import doubt_rows
from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.watching.field_work import FieldWork
from headend.watching.watch import Watch
from headend.windows import judge
from signing.envelope import Signed
from signing.interval import DAY_S, utc_text
from signing.statements.rule_set import RuleSet
from signing.statements.window_actual import Status, Totals, Verdict, WindowActual
from signing.verify import Outcome, verify
from tests.headend.days.test_validating import stored as stored_day
from tests.headend.days.test_validating import validating
from tests.headend.discom import LATER, METER, SUBJECT, attestor, exported, log_rules, stated, trust
from tests.headend.founded import installation
from tests.headend.premises import DAY, Gateway, Headend

HEADER = "meter,kind,time,period_s,import_kwh,export_kwh,status\n"
HOUR = (99, 101, 100, 100)
START_WH = 1_000_000


def day_of(premises: Gateway, headend: Headend) -> None:
    """A whole day, signed by the genuine gateway, with the registers of both its midnights."""
    for hour in range(24):
        registers = ((0, START_WH),) if hour == 0 else ((24, START_WH + 9600),) if hour == 23 else ()
        headend.take_in(stated(premises, hour, HOUR, registers=registers))
    headend.transport.take()


def read_by_the_amisp(headend: Headend, *registers: tuple[int, int], number: int = 0) -> None:
    rows = "".join(f"{METER},REGISTER,{utc_text(DAY + day * DAY_S)},,{wh / 1000:.3f},,\n" for day, wh in registers)
    importing = Importing(
        database=headend.database, book=headend.book, registry=headend.registry, signer=headend.statement_signer
    )
    importing.take((HEADER + rows + "\n" * number).encode(), parse_csv, source="HES", by="asha", at_utc=LATER)


def comparing(headend: Headend) -> Comparing:
    return Comparing(database=headend.database, key=headend.statement_signer.public_key)


def doubts(headend: Headend) -> tuple[Doubt, ...]:
    return doubt_rows.of(headend.database.connection, METER)


def said(headend: Headend, one: Attestor | None = None) -> Signed[WindowActual]:
    (found,) = (one or attestor(headend)).attest([SUBJECT], at_utc=LATER)
    return found


@pytest.mark.story
def test_a_simulated_meter_behind_a_genuine_gateway_is_caught(headend: Headend, premises: Gateway) -> None:
    """What the gateway signed is whole and balanced, and would be FINAL. The AMISP read another meter at the same place."""
    day_of(premises, headend)
    one = attestor(headend)
    first = said(headend, one)
    assert (first.statement.status, first.statement.totals) == (Status.FINAL, Totals(import_wh=800, export_wh=40))

    read_by_the_amisp(headend, (0, START_WH), (1, START_WH + 17_300))
    assert comparing(headend).step(LATER) == (METER,)
    (doubt,) = doubts(headend)
    assert (doubt.from_utc, doubt.until_utc) == (DAY, None)

    held = said(headend, one)
    assert (held.statement.status, held.statement.totals, held.statement.revision) == (Status.PENDING, None, 1)
    assert held.statement.reason == "8 of 8 blocks suspect; V32 ORIGIN is stated"
    assert [(row.rule, row.verdict) for row in held.statement.stated] == [("V32", Verdict.SUSPECT)] * 8
    # Anybody recomputes it from the bundle, with the findings as stated.
    assert verify(exported(headend, held.digest), trust(headend), judge).outcome is Outcome.VALID

    settings = installation(headend.folder, broker_port=1, ledger="127.0.0.1:1").config
    watch = Watch(
        config=settings,
        database=headend.database,
        registry=headend.registry,
        key=headend.statement_signer.public_key,
    )
    (settings.state).mkdir(exist_ok=True)
    (trouble,) = [one for one in watch.look((), LATER) if one.kind is AlertKind.ORIGIN_DIFFERENCE]
    assert trouble.about == METER
    assert trouble.text.startswith("signed and imported registers differ by 7700 Wh at 2026-04-27 00:00:00 IST")

    # The AMISP corrects what it read wrongly: the doubt ends, and so does the hold.
    read_by_the_amisp(headend, (1, START_WH + 9600), number=1)
    assert comparing(headend).step(LATER) == (METER,)
    assert doubts(headend) == ()
    assert said(headend, one).statement.totals == Totals(import_wh=800, export_wh=40)


@pytest.mark.parametrize(("apart_wh", "caught"), [(9, False), (10, False), (11, True), (-11, True)])
def test_one_digit_of_the_register_is_allowed(
    headend: Headend, premises: Gateway, apart_wh: int, *, caught: bool
) -> None:
    day_of(premises, headend)
    read_by_the_amisp(headend, (0, START_WH), (1, START_WH + 9600 + apart_wh))
    comparing(headend).step(LATER)
    assert bool(doubts(headend)) is caught


def test_a_doubt_ends_where_registers_agree_again(headend: Headend, premises: Gateway) -> None:
    day_of(premises, headend)
    read_by_the_amisp(headend, (0, START_WH + 500), (1, START_WH + 9600))
    comparing(headend).step(LATER)
    (doubt,) = doubts(headend)
    assert (doubt.from_utc, doubt.until_utc) == (0, DAY + DAY_S)


def test_registers_of_other_times_are_not_compared(headend: Headend, premises: Gateway) -> None:
    day_of(premises, headend)
    read_by_the_amisp(headend, (2, 5), (-1, 5))
    comparing(headend).step(LATER)
    assert doubts(headend) == ()


def test_nothing_new_is_not_compared_again_and_new_evidence_is(headend: Headend, premises: Gateway) -> None:
    read_by_the_amisp(headend, (0, START_WH), (1, START_WH + 17_300))
    assert comparing(headend).step(LATER) == ()
    assert doubts(headend) == ()
    day_of(premises, headend)
    assert comparing(headend).step(LATER) == (METER,)
    assert comparing(headend).step(LATER) == ()


def test_a_rule_set_without_the_rule_lets_the_doubts_go_and_another_digit_compares_anew(
    headend: Headend, premises: Gateway
) -> None:
    day_of(premises, headend)
    read_by_the_amisp(headend, (0, START_WH), (1, START_WH + 17_300))
    comparing(headend).step(LATER)
    without = tuple(rule for rule in DEFAULT_RULE_SET.rules if rule.id != "V32")
    log_rules(headend, RuleSet(name="plain", version=3, rules=without))
    # Until the comparison has seen the set, an actual leaves out what the set does not state.
    assert said(headend).statement.status is Status.FINAL
    assert comparing(headend).step(LATER) == (METER,)
    assert doubts(headend) == ()


def test_an_exchange_of_devices_is_no_difference(headend: Headend, premises: Gateway) -> None:
    (old,) = headend.record(METER).facts
    headend.registrar.change_facts(METER, [old, replace(old, from_utc=DAY + DAY_S, identity="NEW")], at_utc=LATER)
    day_of(premises, headend)
    # At midnight the other system read the new device, the gateway still the old one.
    read_by_the_amisp(headend, (0, START_WH), (1, 0))
    comparing(headend).step(LATER)
    assert doubts(headend) == ()


def test_at_the_moment_of_an_exchange_a_register_is_nobodys(headend: Headend, premises: Gateway) -> None:
    """The gateway read the new device, the other system still the old one."""
    (old,) = headend.record(METER).facts
    headend.registrar.change_facts(METER, [old, replace(old, from_utc=DAY + DAY_S, identity="NEW")], at_utc=LATER)
    headend.take_in(stated(premises, 24, HOUR, registers=((24, 0),), identity="NEW"))
    read_by_the_amisp(headend, (1, START_WH))
    comparing(headend).step(LATER)
    assert doubts(headend) == ()


def test_a_register_outside_of_its_batch_is_no_evidence(headend: Headend, premises: Gateway) -> None:
    headend.take_in(
        stated(premises, 0, HOUR * 23, registers=((0, START_WH),)),
        stated(premises, 23, HOUR, registers=((0, 5), (24, START_WH + 9600))),
    )
    read_by_the_amisp(headend, (0, START_WH), (1, START_WH + 9600))
    comparing(headend).step(LATER)
    assert doubts(headend) == ()


def test_work_orders_send_somebody_to_a_meter_whose_origin_is_doubted(headend: Headend, premises: Gateway) -> None:
    day_of(premises, headend)
    work = validating(headend)
    work.step(LATER)
    while work.step(LATER + 700):
        pass
    field = FieldWork(database=headend.database, registry=headend.registry, silent_after_s=10**9)
    assert list(field.orders(LATER + 700)) == []
    read_by_the_amisp(headend, (0, START_WH), (1, START_WH + 17_300))
    comparing(headend).step(LATER + 700)
    while work.step(LATER + 700):
        pass
    (order,) = field.orders(LATER + 700)
    assert (order.cause, order.meter, order.since_utc) == (Cause.ORIGIN, METER, DAY)
    assert order.what.startswith("signed and imported registers differ by 7700 Wh")
    # A note beside the day: its energies stay as the meter said them.
    assert {block.quality for block in stored_day(headend).blocks} == {Quality.VALID}
