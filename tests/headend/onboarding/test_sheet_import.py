"""Registry sheets against a real database and log: the diff, what is written, and what is rejected."""

from pathlib import Path

import pytest

from headend.onboarding.enrol import Application, MeterFacts
from headend.onboarding.sheet_export import exported
from headend.onboarding.sheet_import import RegistryImport
from headend.registry.plan import Rejected
from headend.registry.report import Outcome, document, lines, summary
from headend.registry.sheet import parse_csv
from headend.registry.supply import By, Exchange, RegisterPair, StatedChange, Supply
from headend.store.sqlite import supply_rows
from headend.upkeep.fsck import fsck
from signing.envelope import unseal
from signing.interval import DAY_S
from signing.statements.meter_record import MeterRecord, Role
from tests.headend.premises import NOW, Gateway, Headend, gateway
from tests.headend.sheets import applied, importer, row, sheet

JANUARY, MARCH, APRIL = 1767205800, 1772303400, 1774981800
METER = "SKS00000001"


def refused(headend: Headend, *rows: dict[str, str]) -> Outcome:
    """The outcome of a sheet with faults; nothing changed."""
    size, before = headend.book.size(0), exported(headend.database.connection)
    outcome = importer(headend).apply(parse_csv(sheet(*rows)), by="asha", at_utc=NOW)
    assert outcome.is_refused
    assert not outcome.is_applied
    assert headend.book.size(0) == size
    assert exported(headend.database.connection) == before
    return outcome


def said(outcome: Outcome) -> list[tuple[int, str]]:
    return [(fault.line, fault.column) for fault in outcome.plan.faults]


def changed(outcome: Outcome) -> list[tuple[str, str, str]]:
    return [(change.field, change.before, change.after) for change in outcome.plan.changes]


def test_a_meter_is_recorded_before_any_key_is_enrolled(headend: Headend) -> None:
    outcome = applied(headend, row(sanctioned_kw="5.5", ct="100/5"), row(2, role="GENERATION", connection_point="CP-1"))
    assert outcome.records == 2
    assert headend.book.size(0) == 2
    one = headend.registry.meter(METER)
    assert one is not None
    assert (one.record.number, one.record.speakers) == (0, ())
    (fact,) = one.record.facts
    assert (fact.from_utc, fact.identity, fact.sanctioned_w, fact.role) == (JANUARY, "SN000001", 5500, Role.REVENUE)
    rows = headend.database.connection.execute("SELECT sign1 FROM statements ORDER BY leaf").fetchall()
    assert len(rows) == 2
    assert list(fsck(headend.database, headend.statement_signer.public_key)) == []


def test_an_enrolment_later_keeps_its_facts_and_its_gateway_speaks(headend: Headend) -> None:
    applied(headend, row(posted_as="TEST_1", identity=METER))
    one = gateway()
    keeping = {METER: MeterFacts(facts=(), blocks_from_utc=JANUARY, posted_as=("TEST_1", "OTHER"))}
    headend.registrar.enrol(Application(file=one.file(), meters=keeping, shard=0), at_utc=NOW)
    record = headend.record(METER)
    assert (record.number, record.facts[0].identity, len(record.speakers)) == (1, METER, 1)
    assert headend.take_in(one.next()).admitted == 1
    assert headend.registry.posted_as("CP-1") == ("OTHER", "TEST_1")
    later = applied(headend, row(since="2026-04-01", sanctioned_kw="7", identity=METER))
    assert later.records == 1
    record = headend.record(METER)
    assert (record.number, len(record.speakers), len(record.facts)) == (2, 1, 2)
    assert headend.take_in(one.next()).admitted == 1


def test_a_dry_run_says_what_would_change_and_changes_nothing(headend: Headend) -> None:
    outcome = importer(headend).preview(parse_csv(sheet(row(feeder="F1", sanctioned_kw="5"))))
    assert ("feeder", "", "F1") in changed(outcome)
    assert ("identity", "", "SN000001") in changed(outcome)
    assert not outcome.is_applied
    assert headend.registry.meters() == ()
    assert headend.book.size(0) == 0
    assert lines(outcome)[-1].endswith("1 meter record(s), 0 fault(s): nothing was changed")
    assert "line 2  SKS00000001 from 2026-01-01 00:00:00 IST  feeder: (nothing) -> F1" in lines(outcome)


def test_the_same_sheet_again_changes_nothing(headend: Headend) -> None:
    cells = row(
        consumer="K1",
        posted_as="TEST_1|did:web:d:1",
        feeder="F1",
        gateway="gw-1",
        consent_purpose="p",
        consent_grantee="g",
    )
    applied(headend, cells)
    size = headend.book.size(0)
    again = applied(headend, cells)
    assert (again.plan.changes, again.records, headend.book.size(0)) == ((), 0, size)
    assert again.plan.is_empty


def test_a_change_holds_from_its_time_and_what_held_before_still_held_then(headend: Headend) -> None:
    applied(headend, row(feeder="F1", dt="D1", sanctioned_kw="5"))
    outcome = applied(headend, {"meter": METER, "from": "2026-04-01", "feeder": "F2", "sanctioned_kw": "6.25"})
    assert changed(outcome) == [("feeder", "F1", "F2"), ("sanctioned_kw", "5", "6.25")]
    connection = headend.database.connection
    assert supply_rows.supply_at(connection, "CP-1", APRIL - 1) == Supply(feeder="F1", dt="D1")
    assert supply_rows.supply_at(connection, "CP-1", APRIL) == Supply(feeder="F2", dt="D1")
    assert supply_rows.supply_at(connection, "CP-1", JANUARY - 1) is None
    record = headend.record(METER)
    assert [(fact.from_utc, fact.sanctioned_w) for fact in record.facts] == [(JANUARY, 5000), (APRIL, 6250)]
    past = applied(headend, {"meter": METER, "from": "2026-03-01", "sanctioned_kw": "5.5"})
    assert changed(past) == [("sanctioned_kw", "5", "5.5")]
    assert [fact.sanctioned_w for fact in headend.record(METER).facts] == [5000, 5500, 6250]


def test_blank_cells_of_an_unknown_connection_point_say_nothing(headend: Headend) -> None:
    applied(headend, row(feeder="", gateway=""))
    connection = headend.database.connection
    assert (supply_rows.supplies(connection, "CP-1"), supply_rows.gateways(connection, METER)) == ((), ())


def test_a_consent_that_is_stated_twice_changes_once_and_the_last_word_on_its_end_counts(headend: Headend) -> None:
    cells = row(consumer="K1", consent_purpose="p", consent_grantee="g")
    outcome = applied(headend, cells, cells, cells | {"consent_until": "2026-09-01"})
    told = [(before, after) for field, before, after in changed(outcome) if field == "consent"]
    since = "p to g from 2026-01-01 00:00:00 IST"
    assert told == [("", f"{since} without end"), (f"{since} without end", f"{since} until 2026-09-01 00:00:00 IST")]
    (one,) = supply_rows.consents(headend.database.connection, "CP-1")
    assert one.until_utc is not None


def test_what_no_evidence_rests_on_makes_no_record(headend: Headend) -> None:
    applied(headend, row(feeder="F1"))
    outcome = applied(
        headend, {"meter": METER, "from": "2026-04-01", "feeder": "F2", "gateway": "gw-9", "consumer": "K"}
    )
    assert (outcome.records, headend.record(METER).number) == (0, 0)
    assert supply_rows.gateways(headend.database.connection, METER)[-1].value == "gw-9"


def test_rows_take_effect_in_the_order_of_their_times(headend: Headend) -> None:
    applied(
        headend,
        row(since="2026-04-01", feeder="F2"),
        row(feeder="F1"),
        row(since="2026-03-01", feeder="F2"),
    )
    history = supply_rows.supplies(headend.database.connection, "CP-1")
    assert [(entry.from_utc, entry.value.feeder) for entry in history] == [(JANUARY, "F1"), (MARCH, "F2")]
    assert len(headend.record(METER).facts) == 1


def test_lookups_by_feeder_transformer_and_consumer_hold_at_a_time(headend: Headend) -> None:
    applied(
        headend,
        row(1, feeder="F1", dt="D1", consumer="K1"),
        row(2, feeder="F1", dt="D2", consumer="K1"),
        row(2, since="2026-04-01", feeder="F2", dt="D2", consumer="K2"),
    )
    connection = headend.database.connection

    def found(what: By, value: str, at_utc: int) -> tuple[str, ...]:
        return supply_rows.points_by(connection, what, value, at_utc)

    assert found(By.FEEDER, "F1", APRIL - 1) == ("CP-1", "CP-2")
    assert found(By.FEEDER, "F1", APRIL) == ("CP-1",)
    assert found(By.FEEDER, "F2", APRIL) == ("CP-2",)
    assert found(By.FEEDER, "F1", JANUARY - 1) == ()
    assert found(By.DT, "D2", APRIL) == ("CP-2",)
    assert found(By.CONSUMER, "K1", JANUARY) == ("CP-1", "CP-2")
    assert found(By.CONSUMER, "K1", APRIL) == ("CP-1",)


def test_companions_are_the_meters_that_never_settle(headend: Headend) -> None:
    applied(
        headend,
        row(1),
        row(2, role="CHECK", connection_point="CP-1"),
        row(3, role="GENERATION", connection_point="CP-1", since="2026-04-01"),
        row(4, role="CHECK"),
        row(5, role="CHECK", connection_point="CP-1"),
        row(5, role="CHECK", connection_point="CP-9", since="2026-03-01"),
    )

    def found(at_utc: int) -> list[str]:
        return [meter.record.meter[-1] for meter in headend.registry.companions("CP-1", at_utc)]

    assert found(JANUARY) == ["2", "5"]
    assert found(APRIL) == ["2", "3"]
    assert found(JANUARY - 1) == []


# ledgers' ids


def test_an_id_is_added_and_ended_with_its_times(headend: Headend) -> None:
    applied(headend, row(posted_as="TEST_1|B"))
    outcome = applied(headend, {"meter": METER, "from": "2026-04-01", "posted_as": "B|C"})
    assert sorted(changed(outcome)) == [("posted_as", "", "C"), ("posted_as", "TEST_1", "")]
    assert any("'TEST_1' names nothing from 2026-04-01" in warning for warning in outcome.plan.warnings)
    registry = headend.registry
    assert [registry.connection_point("TEST_1", at) for at in (JANUARY - 1, JANUARY, APRIL)] == [None, "CP-1", None]
    assert [registry.connection_point("C", at) for at in (APRIL - 1, APRIL)] == [None, "CP-1"]
    assert registry.connection_point("TEST_1") == "CP-1"
    assert registry.connection_point("B", APRIL) == "CP-1"
    with_the_column_left_out = applied(headend, {"meter": METER, "from": "2026-04-02", "feeder": "F"})
    assert registry.connection_point("B", NOW + DAY_S) == "CP-1"
    assert with_the_column_left_out.records == 0


def test_an_id_moves_from_one_place_to_another_in_one_sheet(headend: Headend) -> None:
    applied(headend, row(1, posted_as="SERIAL-7"), row(2))
    applied(
        headend,
        {"meter": "SKS00000002", "from": "2026-04-01", "posted_as": "SERIAL-7"},
        {"meter": METER, "from": "2026-04-01", "posted_as": "NEW"},
    )
    assert headend.registry.connection_point("SERIAL-7", APRIL - 1) == "CP-1"
    assert headend.registry.connection_point("SERIAL-7", APRIL) == "CP-2"


def test_an_id_that_names_another_place_is_rejected(headend: Headend) -> None:
    applied(headend, row(1, posted_as="TEST_1"))
    outcome = refused(headend, row(2, posted_as="TEST_1"))
    assert said(outcome) == [(2, "posted_as")]
    assert outcome.plan.faults[0].got == "'TEST_1', which names connection point CP-1"
    assert said(refused(headend, row(2, posted_as="X"), row(3, posted_as="X"))) == [(3, "posted_as")]


def test_an_id_that_was_ended_is_not_taken_again_by_an_enrolment(headend: Headend) -> None:
    from headend.errors import EnrolmentRefusedError

    applied(headend, row(posted_as="TEST_1"))
    applied(headend, {"meter": METER, "from": "2026-04-01", "posted_as": ""})
    with pytest.raises(EnrolmentRefusedError, match="was ended"):
        headend.registrar.name_alias("TEST_1", "CP-1")


# rejected rows


@pytest.mark.parametrize("column", ["identity", "connection_point"])
def test_a_new_meter_needs_its_serial_and_its_place(headend: Headend, column: str) -> None:
    cells = row()
    del cells[column]
    outcome = refused(headend, cells)
    assert said(outcome) == [(2, column)]
    assert outcome.plan.faults[0].remedy == f"add the column {column}"


def test_a_time_before_everything_recorded_is_as_a_new_meter(headend: Headend) -> None:
    applied(headend, row())
    assert said(refused(headend, {"meter": METER, "from": "2025-01-01", "factor": "2"})) == [(2, "identity")]
    applied(headend, row(since="2025-01-01"))
    assert [fact.from_utc for fact in headend.record(METER).facts] == [JANUARY - 365 * DAY_S, JANUARY]


def test_two_states_of_one_meter_and_time_are_rejected(headend: Headend) -> None:
    outcome = refused(headend, row(feeder="F1"), row(feeder="F2"))
    assert said(outcome) == [(3, "from")]
    assert "another state than line 2 gives" in outcome.plan.faults[0].words


def test_a_meter_and_time_may_state_several_consents(headend: Headend) -> None:
    cells = row(consumer="K1", consent_purpose="p", consent_grantee="g")
    applied(headend, cells, cells | {"consent_grantee": "h"})
    assert {one.grantee for one in supply_rows.consents(headend.database.connection, "CP-1")} == {"g", "h"}


@pytest.mark.parametrize(
    "cells",
    [
        {"feeder": "F"},
        {"consumer": "K"},
        {"posted_as": "A"},
        {"consent_purpose": "p", "consent_grantee": "g"},
        {"storage_kwh": "1"},
    ],
)
def test_what_is_about_the_connection_point_stands_in_its_revenue_meters_row(
    headend: Headend, cells: dict[str, str]
) -> None:
    outcome = refused(headend, row(role="CHECK") | cells)
    assert said(outcome) == [(2, next(iter(cells)))]
    assert "a CHECK meter" in outcome.plan.faults[0].expected


def test_two_rows_that_disagree_about_one_connection_point_are_rejected(headend: Headend) -> None:
    applied(headend, row(1))
    applied(headend, row(2, connection_point="CP-1", since="2026-03-01"))
    both = [{"meter": f"SKS0000000{n}", "from": "2026-04-01", "feeder": f"F{n}"} for n in (1, 2)]
    outcome = refused(headend, *both)
    assert said(outcome) == [(3, "feeder")]
    assert outcome.plan.faults[0].got == "another than line 2 gives"


def test_two_revenue_meters_that_begin_at_once_are_rejected(headend: Headend) -> None:
    outcome = refused(headend, row(1), row(2, connection_point="CP-1"))
    assert said(outcome) == [(2, "role"), (3, "role")]
    applied(headend, row(1))
    assert said(refused(headend, row(2, connection_point="CP-1"))) == [(2, "role")]
    applied(headend, row(2, connection_point="CP-1", since="2026-01-01T00:15:00+05:30"))


def test_a_meter_that_comes_later_from_elsewhere_did_not_begin_here(headend: Headend) -> None:
    applied(headend, row(2), row(2, connection_point="CP-1", since="2026-04-01"))
    applied(headend, row(1))


@pytest.mark.parametrize(
    ("meter", "column", "told"),
    [
        (
            1,
            "sanctioned_kw",
            "line 2: meter SKS00000001 takes CP-1 back from SKS00000002 from 2026-05-01 00:00:00 IST on",
        ),
        (2, "sanctioned_kw", None),
        # What is about the place begins nothing.
        (1, "feeder", None),
    ],
)
def test_a_row_of_a_meter_that_was_exchanged_takes_its_place_back_and_is_told(
    headend: Headend, meter: int, column: str, told: str | None
) -> None:
    applied(headend, row(1), row(2, connection_point="CP-1", since="2026-04-01"))
    outcome = applied(headend, {"meter": f"SKS{meter:08d}", "from": "2026-05-01", column: "9"})
    warned = [warning for warning in outcome.plan.warnings if "back" in warning]
    assert [warning.split(": if")[0] for warning in warned] == ([] if told is None else [told])


def test_a_consent_needs_to_know_who_consents(headend: Headend) -> None:
    assert said(refused(headend, row(consent_purpose="p", consent_grantee="g"))) == [(2, "consumer")]


def test_with_faults_nothing_is_written_unless_faulty_meters_are_left_out(headend: Headend) -> None:
    rows = [
        row(1),
        row(2, role="x"),
        row(2, since="2026-04-01"),
        row(3),
        row(4, posted_as="A"),
        row(5, posted_as="A"),
    ]
    outcome = refused(headend, *rows)
    assert said(outcome) == [(3, "role"), (7, "posted_as")]
    partial = importer(headend).apply(parse_csv(sheet(*rows)), by="asha", at_utc=NOW, rejected=Rejected.LEFT_OUT)
    assert partial.is_applied
    assert said(partial) == [(3, "role"), (7, "posted_as")]
    assert headend.registry.meters() == ("SKS00000001", "SKS00000003", "SKS00000004")
    assert "applied, without the meters of the rejected rows" in summary(partial)


def test_leaving_a_meter_out_may_reject_what_leaned_on_it(headend: Headend) -> None:
    applied(headend, row(1, posted_as="A"))
    rows = [
        row(1, posted_as="", ct="x", since="2026-04-01"),
        row(2, posted_as="A", ct="1", since="2026-04-01"),
    ]
    partial = importer(headend).apply(parse_csv(sheet(*rows)), by="asha", at_utc=NOW, rejected=Rejected.LEFT_OUT)
    assert said(partial) == [(2, "ct"), (3, "posted_as")]
    assert (partial.records, headend.registry.meters()) == (0, (METER,))


# warnings


def test_a_serial_number_of_two_meters_is_told(headend: Headend) -> None:
    outcome = applied(headend, row(1, identity="S"), row(2, identity="S"))
    assert outcome.plan.warnings == (
        "line 3: serial number S is that of meter SKS00000001 too: one of the two may be a slip",
    )
    later = applied(headend, row(3, identity="S"))
    assert len(later.plan.warnings) == 2


def test_a_serial_number_that_a_meter_no_longer_has_is_free(headend: Headend) -> None:
    applied(headend, row(1, identity="S"), row(1, identity="T", since="2026-03-01"))
    assert applied(headend, row(2, identity="S", since="2026-04-01")).plan.warnings == ()


@pytest.mark.parametrize(("clock", "told"), [("10:15:00", 0), ("10:07:00", 1)])
def test_a_change_that_cuts_a_block_is_told(headend: Headend, clock: str, told: int) -> None:
    applied(headend, row())
    outcome = applied(headend, {"meter": METER, "from": f"2026-04-01T{clock}+05:30", "factor": "2"})
    assert len([one for one in outcome.plan.warnings if "cuts a block of 900 s" in one]) == told


def test_a_change_of_the_past_names_the_windows_that_it_reaches(headend: Headend) -> None:
    from tests.headend.discom import LATER, SUBJECT, attestor, log_rules

    log_rules(headend)
    one = gateway()
    headend.enrol(one)
    attestor(headend).attest([SUBJECT], at_utc=LATER)
    at_its_end = {"meter": METER, "from": "2026-04-26T12:00:00+05:30", "factor": "2"}
    assert importer(headend).preview(parse_csv(sheet(at_its_end))).reached == ()
    inside = at_its_end | {"from": "2026-04-26T11:45:00+05:30"}
    outcome = importer(headend).preview(parse_csv(sheet(inside)))
    assert [window.posted_as for window in outcome.reached] == [SUBJECT.posted_as]
    assert any(
        line.startswith(f"WARNING may get a revision: {SUBJECT.posted_as} 2026-04-26 10:00:00 IST")
        for line in lines(outcome)
    )
    assert importer(headend).preview(parse_csv(sheet(inside | {"factor": "1"}))).reached == ()


# the rest


def test_every_change_is_kept_with_who_and_when(headend: Headend) -> None:
    applied(headend, row(feeder="F1"))
    applied(headend, {"meter": METER, "from": "2026-04-01", "feeder": "F2"})
    latest, *older = supply_rows.changes(headend.database.connection, METER, 10)
    assert latest == StatedChange(
        stated_by="asha", stated_utc=NOW, meter=METER, from_utc=APRIL, field="feeder", before="F1", after="F2"
    )
    assert len(older) >= 3


def test_an_outcome_is_told_to_programs_with_the_same_words(headend: Headend) -> None:
    outcome = importer(headend).preview(parse_csv(sheet(row(1, feeder="F"), row(2, ct="x"))))
    told = document(outcome)
    assert (told["applied"], told["rows"]) == (False, 2)
    assert told["faults"] == [
        {
            "line": 3,
            "column": "ct",
            "expected": "a ratio such as 100/5 or 2",
            "got": "'x'",
            "remedy": "correct the cell",
        }
    ]


def test_an_exchange_is_stored_with_the_sheet_that_makes_it_or_not_at_all(headend: Headend) -> None:
    applied(headend, row())
    exchange = Exchange(
        connection_point="CP-1",
        at_utc=APRIL,
        old_meter=METER,
        new_meter=METER,
        closing=RegisterPair(import_wh=9, export_wh=None),
        opening=RegisterPair(import_wh=0, export_wh=0),
        stated_by="asha",
        stated_utc=NOW,
    )
    bad = parse_csv(sheet({"meter": METER, "from": "2026-04-01", "ct": "x"}))
    importer(headend).apply(bad, by="asha", at_utc=NOW, exchange=exchange)
    connection = headend.database.connection
    assert supply_rows.exchanges(connection, "CP-1") == ()
    good = parse_csv(sheet({"meter": METER, "from": "2026-04-01", "identity": "NEW"}))
    importer(headend).apply(good, by="asha", at_utc=NOW, exchange=exchange)
    assert supply_rows.exchanges(connection, "CP-1") == (exchange,)


def test_records_are_the_discoms_signed_word(headend: Headend) -> None:
    applied(headend, row())
    known = headend.registry.meter(METER)
    assert known is not None
    (content,) = headend.database.connection.execute("SELECT sign1 FROM statements").fetchone()
    from signing.envelope import parse

    assert unseal(parse(content), MeterRecord, headend.statement_signer.public_key).digest == known.digest


# export


def complete(headend: Headend) -> None:
    """A registry with a history in everything."""
    first = row(1, consumer="K1", posted_as="A|B", feeder="F1", gateway="gw-1", sanctioned_kw="5.125", ct="100/5")
    check = row(2, role="CHECK", connection_point="CP-1", gateway="gw-1")
    applied(headend, first, check, row(3, period_s="1800", stamps="START"))
    agreed = {"consent_purpose": "p", "consent_grantee": "g"}
    moved_in = row(1, since="2026-03-01", consumer="K2", posted_as="B", sanctioned_kw="5.125", ct="100/5")
    applied(headend, moved_in | agreed | {"consent_until": "2026-09-01"})
    applied(headend, {"meter": METER, "from": "2026-04-01", "gateway": "gw-2"} | agreed | {"consent_grantee": "h"})
    applied(headend, row(4, connection_point="CP-1", since="2026-05-01"))
    applied(headend, {"meter": "SKS00000003", "from": "2026-04-01", "posted_as": "ended"})
    applied(headend, {"meter": "SKS00000003", "from": "2026-05-01", "posted_as": ""})


def test_an_export_imported_again_changes_nothing(headend: Headend) -> None:
    complete(headend)
    text = exported(headend.database.connection)
    # By each of the two REVENUE meters that the connection point ever had.
    assert text.count(",p,g,") == 2
    outcome = importer(headend).preview(parse_csv(text.encode()))
    assert (outcome.plan.faults, outcome.plan.changes, outcome.plan.warnings) == ((), (), ())


def test_an_export_makes_the_same_registry_elsewhere(headend: Headend, tmp_path: Path) -> None:
    complete(headend)
    text = exported(headend.database.connection)
    folder = tmp_path / "other"
    folder.mkdir()
    other = Headend(folder)
    try:
        outcome = importer(other).apply(parse_csv(text.encode()), by="ravi", at_utc=NOW)
        assert outcome.plan.faults == ()
        assert exported(other.database.connection) == text
        assert {name: other.record(name).facts for name in other.registry.meters()} == {
            name: headend.record(name).facts for name in headend.registry.meters()
        }
    finally:
        other.close()


def test_what_an_enrolment_said_is_exported_too(headend: Headend) -> None:
    one: Gateway = gateway()
    headend.enrol(one)
    text = exported(headend.database.connection)
    assert f"LEDGER-{METER}" in text
    assert importer(headend).preview(parse_csv(text.encode())).plan.changes == ()


def test_applying_tells_how_many_meters_are_recorded(headend: Headend) -> None:
    told: list[tuple[str, int, int]] = []
    importing = RegistryImport(
        database=headend.database,
        book=headend.book,
        registry=headend.registry,
        signer=headend.statement_signer,
        tell=lambda *how: told.append(how),
    )
    importing.preview(parse_csv(sheet(row(1), row(2))))
    assert told == []
    importing.apply(parse_csv(sheet(row(1), row(2))), by="asha", at_utc=NOW)
    assert told == [("meters recorded", 1, 2), ("meters recorded", 2, 2)]
