"""Importing on a real database and log: whole or not at all, once, vouched for by the discom, and never evidence of an actual."""

import json
from dataclasses import replace

import pytest

from headend.errors import StoreUnavailableError
from headend.imports.file import ImportRefusedError
from headend.imports.meter_data import parse_meter_data
from headend.imports.report import ImportOutcome, Verdict, receipt
from headend.imports.table import parse_csv
from headend.meter_data.importing import Importing
from headend.readings import Quality
from headend.registry.plan import Rejected
from headend.series import IMPORTED
from headend.store.sqlite import import_rows, log_rows
from headend.upkeep.fsck import fsck
from signing.envelope import parse, unseal
from signing.errors import DecodeError
from signing.interval import DAY_S, Interval, utc_text
from signing.log.checkpoint import open_checkpoint
from signing.log.merkle import leaf_hash
from signing.log.proofs import Paths, verify_inclusion
from signing.statements.imported_batch import MAX_IMPORTED, ImportedBatch
from signing.statements.window_actual import Status
from tests.headend.days.test_validating import stored, validating
from tests.headend.discom import LATER, METER, SUBJECT, attestor, log_rules
from tests.headend.ies.schemas import example
from tests.headend.premises import DAY, Gateway, Headend, gateway

HEADER = "meter,kind,time,period_s,import_kwh,export_kwh,status\n"
OTHER = "SKS00000002"


@pytest.fixture
def premises(headend: Headend) -> Gateway:
    log_rules(headend)
    one = gateway(meters=(METER, OTHER))
    headend.enrol(one)
    return one


def importing(headend: Headend) -> Importing:
    return Importing(
        database=headend.database, book=headend.book, registry=headend.registry, signer=headend.statement_signer
    )


def block(place: int, wh: int = 100, meter: str = METER, status: str = "") -> str:
    return f"{meter},BLOCK,{utc_text(DAY + place * 900)},900,{wh / 1000:.3f},0,{status}\n"


def register(day: int, wh: int, meter: str = METER) -> str:
    return f"{meter},REGISTER,{utc_text(DAY + day * DAY_S)},,{wh / 1000:.3f},0,\n"


def table(*rows: str) -> bytes:
    return (HEADER + "".join(rows)).encode()


def taken(headend: Headend, *rows: str, rejected: Rejected = Rejected.REFUSES_ALL) -> ImportOutcome:
    return importing(headend).take(table(*rows), parse_csv, source="HES", by="asha", at_utc=LATER, rejected=rejected)


@pytest.mark.usefixtures("premises")
def test_taking_tells_how_many_meters_are_vouched_for(headend: Headend) -> None:
    told: list[tuple[str, int, int]] = []
    one = Importing(
        database=headend.database,
        book=headend.book,
        registry=headend.registry,
        signer=headend.statement_signer,
        tell=lambda *how: told.append(how),
    )
    content = table(block(0), block(1))
    one.preview(content, parse_csv)
    assert told == []
    one.take(content, parse_csv, source="HES", by="asha", at_utc=LATER)
    assert told == [("meters vouched for", 1, 1)]


@pytest.mark.usefixtures("premises")
def test_a_file_becomes_one_logged_statement_a_meter(headend: Headend) -> None:
    outcome = taken(headend, block(0), block(1, 90), register(1, 5000), block(0, meter=OTHER))
    assert outcome.verdict is Verdict.TAKEN
    assert [(one.meter, one.blocks, one.registers) for one in outcome.batches] == [(METER, 2, 1), (OTHER, 1, 0)]
    tip = headend.book.tip(0)
    root = open_checkpoint(tip.checkpoint, headend.key.verifier).checkpoint.root
    for one in outcome.batches:
        leaf = log_rows.leaf_row(0, one.index)
        sign1, opening = headend.database.connection.execute(
            "SELECT sign1, opening FROM statements JOIN imported_batches USING (leaf) WHERE leaf = ?", (leaf,)
        ).fetchone()
        signed = unseal(parse(sign1), ImportedBatch, headend.statement_signer.public_key)
        assert signed.digest == one.digest
        assert signed.statement.opened(opening).blocks[0].import_wh == 100
        assert signed.statement.source == "HES"
        path = Paths(tip.size, headend.book.nodes(0)).inclusion(one.index)
        verify_inclusion(leaf=leaf_hash(one.digest), index=one.index, size=tip.size, path=path, root=root)


@pytest.mark.usefixtures("premises")
def test_the_same_bytes_again_are_the_same_import(headend: Headend) -> None:
    first = taken(headend, block(0), register(1, 5000))
    size = headend.book.tip(0).size
    again = taken(headend, block(0), register(1, 5000))
    assert again.verdict is Verdict.KNOWN
    assert (again.batches, again.rows, again.meters) == (first.batches, first.rows, first.meters)
    assert headend.book.tip(0).size == size
    assert importing(headend).preview(table(block(0), register(1, 5000)), parse_csv).verdict is Verdict.KNOWN


BAD = {
    "stranger": "SKS9" + block(1)[len(METER) :],
    "another length": block(2).replace(",900,", ",1800,"),
    "two values": block(0, 101),
    "negative": block(1).replace("0.100", "-0.1"),
}


@pytest.mark.usefixtures("premises")
@pytest.mark.parametrize("name", sorted(BAD))
def test_a_file_with_a_rejected_row_is_refused_whole(headend: Headend, name: str) -> None:
    size = headend.book.tip(0).size
    outcome = taken(headend, block(0), BAD[name])
    assert outcome.verdict is Verdict.REFUSED
    assert [fault.line for fault in outcome.faults] == [3]
    assert all(fault.remedy for fault in outcome.faults)
    assert headend.book.tip(0).size == size
    assert import_rows.blocks(headend.database.connection, METER, Interval(DAY, DAY + DAY_S)) == {}
    assert receipt(outcome)["rejected"] == 1
    # The same bytes are refused for what holds then, and not for ever.
    assert importing(headend).preview(table(block(0), BAD[name]), parse_csv).verdict is Verdict.REFUSED


@pytest.mark.usefixtures("premises")
def test_rejected_rows_can_be_left_out_and_then_the_others_are_taken(headend: Headend) -> None:
    outcome = taken(headend, block(0), BAD["stranger"], rejected=Rejected.LEFT_OUT)
    assert outcome.verdict is Verdict.TAKEN
    assert (outcome.blocks, len(outcome.faults)) == (1, 1)
    nothing = taken(headend, BAD["stranger"], rejected=Rejected.LEFT_OUT)
    assert nothing.verdict is Verdict.REFUSED


@pytest.mark.usefixtures("premises")
def test_a_time_before_the_record_of_a_meter_is_rejected(headend: Headend) -> None:
    (fact,) = headend.record(METER).facts
    headend.registrar.change_facts(METER, [replace(fact, from_utc=DAY + 900)], at_utc=LATER)
    outcome = taken(headend, block(0), block(1), register(0, 5))
    assert [(fault.line, fault.column) for fault in outcome.faults] == [(2, "meter"), (4, "meter")]


@pytest.mark.usefixtures("premises")
def test_one_value_twice_is_one(headend: Headend) -> None:
    assert taken(headend, block(0), block(0)).blocks == 1


@pytest.mark.usefixtures("premises")
def test_looking_writes_nothing(headend: Headend) -> None:
    size = headend.book.tip(0).size
    outcome = importing(headend).preview(table(block(0)), parse_csv)
    assert (outcome.verdict, outcome.blocks, outcome.batches) == (Verdict.LOOKED_AT, 1, ())
    assert headend.book.tip(0).size == size


@pytest.mark.usefixtures("premises")
def test_a_later_import_of_a_block_holds_and_the_earlier_statement_stays(headend: Headend) -> None:
    taken(headend, block(0, 100))
    taken(headend, block(0, 110))
    found = import_rows.blocks(headend.database.connection, METER, Interval(DAY, DAY + DAY_S))
    assert found[DAY].import_wh == 110
    assert headend.database.connection.execute("SELECT count(*) FROM imported_batches").fetchone() == (2,)


@pytest.mark.usefixtures("premises")
def test_more_than_one_statement_holds_becomes_several(headend: Headend) -> None:
    rows = [block(place) for place in range(MAX_IMPORTED + 1)]
    registers = [register(day, day) for day in range(3)]
    outcome = taken(headend, *rows, *registers)
    assert [(one.blocks, one.registers) for one in outcome.batches] == [(MAX_IMPORTED, 3), (1, 0)]


@pytest.mark.usefixtures("premises")
def test_a_meter_is_found_by_its_did_its_serial_number_and_its_ledger_name(headend: Headend) -> None:
    for scheme, value in (
        ("DID", f"did:web:pavvnl.example:meters:{METER}"),
        ("METER_SERIAL", METER),
        ("OTHER", f"LEDGER-{METER}"),
    ):
        document = example("IntervalProfile")
        document[1]["meterRefs"] = [{"scheme": scheme, "value": value}]
        document[1]["intervalPeriod"] = {"start": "2026-04-26T00:00:00+05:30", "duration": "PT15M"}
        document[1]["intervals"][0]["id"] = 0
        document[0]["id"] = value
        outcome = importing(headend).take(
            json.dumps(document).encode(), parse_meter_data, source="HES", by="api", at_utc=LATER
        )
        assert [one.meter for one in outcome.batches] == [METER], scheme
    two = example("IntervalProfile")
    two[1]["meterRefs"] = [{"scheme": "OTHER", "value": METER}, {"scheme": "OTHER", "value": OTHER}]
    refused = importing(headend).take(json.dumps(two).encode(), parse_meter_data, source="HES", by="api", at_utc=LATER)
    assert {fault.column for fault in refused.faults} == {"meter"}


@pytest.mark.usefixtures("premises")
def test_a_source_has_a_name_and_a_file_is_a_file(headend: Headend) -> None:
    with pytest.raises(DecodeError, match="source"):
        importing(headend).take(table(block(0)), parse_csv, source="", by="x", at_utc=LATER)
    with pytest.raises(ImportRefusedError):
        importing(headend).take(b"x", parse_csv, source="HES", by="x", at_utc=LATER)


@pytest.mark.usefixtures("premises")
def test_imported_blocks_are_no_evidence_of_an_actual(headend: Headend) -> None:
    """They never make a window VALID: it stays PENDING, so that nothing is posted."""
    taken(headend, *(block(place) for place in range(96)), register(0, 0), register(1, 9600))
    (signed,) = attestor(headend).attest([SUBJECT], at_utc=LATER)
    (part,) = signed.statement.parts
    assert signed.statement.status is Status.PENDING
    assert (signed.statement.totals, part.counts.valid, part.counts.missing) == (None, 0, 8)


@pytest.mark.usefixtures("premises")
def test_days_that_another_system_read_are_no_days_of_estimates(headend: Headend) -> None:
    blocks = 96 * 5
    taken(headend, *(block(place) for place in range(blocks)))
    work = validating(headend)
    while work.step(DAY + 6 * DAY_S):
        pass
    last = stored(headend, DAY + 4 * DAY_S)
    assert last.blocks[0].import_method == IMPORTED
    assert "V30" not in {note.rule for note in last.notes}


@pytest.mark.usefixtures("premises")
def test_a_validated_day_uses_imported_blocks_where_nothing_was_signed_and_says_so(headend: Headend) -> None:
    taken(headend, *(block(place, 100 + place) for place in range(95)), block(95, status="ESTIMATED"))
    work = validating(headend)
    while work.step(LATER):
        pass
    day = stored(headend)
    assert [(one.quality, one.import_wh, one.import_method) for one in day.blocks][:2] == [
        (Quality.MANUAL, 100, "IMPORT"),
        (Quality.MANUAL, 101, "IMPORT"),
    ]
    # What the other system made up by itself is not taken over.
    assert (day.blocks[95].quality, day.blocks[95].import_wh) == (Quality.MISSING, None)
    assert {one.origin for one in day.blocks} == {None}


def test_a_disk_that_fails_leaves_nothing(headend: Headend, premises: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the disk is full")

    assert premises.meters == (METER, OTHER)
    monkeypatch.setattr(import_rows, "put", full)
    with pytest.raises(StoreUnavailableError):
        taken(headend, block(0))
    monkeypatch.undo()
    assert taken(headend, block(0)).verdict is Verdict.TAKEN


def damages(headend: Headend) -> list[str]:
    found = list(fsck(headend.database, headend.statement_signer.public_key))
    assert {one.check for one in found} <= {13}
    return [one.what for one in found]


@pytest.mark.usefixtures("premises")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE imported_batches SET opening = x'80'", "the import at leaf"),
        ("UPDATE imported_batches SET meter = 'SKS9'", "is not of the meter that its row says"),
        ("UPDATE imported_blocks SET import_wh = 7 WHERE start_utc = (SELECT min(start_utc) FROM imported_blocks)", "block of SKS00000001"),
        ("UPDATE imported_registers SET import_wh = 7", "the newest imported register of SKS00000001"),
        ("DELETE FROM imported_registers", "the newest imported register of SKS00000001"),
    ],
)  # fmt: skip
def test_fsck_finds_what_somebody_changed_of_an_import(headend: Headend, change: str, said: str) -> None:
    taken(headend, block(0), block(1), register(1, 5000))
    taken(headend, block(0, 110), register(1, 6000))
    assert damages(headend) == []
    headend.database.connection.execute(change)
    found = damages(headend)
    assert found
    assert any(said in text for text in found)
