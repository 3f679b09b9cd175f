import contextlib
import sqlite3
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from edge_agent.assemble import Witnessed
from edge_agent.clock import Uptime
from edge_agent.drafts import Sealed
from edge_agent.outbox import migrations
from edge_agent.outbox.errors import DiskFullError, OutboxFullError, StateError
from edge_agent.outbox.outbox import KEEP_OPENINGS_S, Enrolled, Outbox
from edge_agent.outbox.sightings import MOST_ALARMS
from edge_agent.schedule import Held
from edge_agent.steps import Alarm, AlarmKind, Delay, Park, Settle
from signing.envelope import unseal
from signing.interval import Interval
from signing.log.checkpoint import Checkpoint
from signing.log.note import Note
from signing.statements.answers import Command, CommandKind
from signing.statements.reading import Absence
from signing.statements.reading_batch import Opening, ReadingBatch, Register
from tests.edge_agent.discom import Discom, refused
from tests.edge_agent.gateway import MIDNIGHT, NO_ROW, PERIOD_S, REQUEST, Gateway, draft, reading, to_send

NOW = MIDNIGHT + 7200
UP = Uptime(boot="boot", ms=77)


def settle_of(discom: Discom, *digests: bytes) -> Settle:
    discom.log.admit(*digests)
    receipts = discom.log.receipts(*digests, old_size=0)
    checkpoint = Checkpoint.parse(Note.parse(receipts.checkpoint).text)
    return Settle(checkpoint=checkpoint, note=receipts.checkpoint, linked=True, receipts=receipts.inclusions)


def put(gateway: Gateway, outbox: Outbox, block: int, meter: str = "M1") -> Sealed:
    sealed = gateway.put(outbox, draft(block, meter=meter))
    assert sealed is not None
    return sealed


def test_batches_form_a_chain_from_the_enrolment(gateway: Gateway, outbox: Outbox) -> None:
    first, second = put(gateway, outbox, 4), put(gateway, outbox, 0)
    assert (first.signed.statement.sequence, first.signed.statement.previous) == (0, REQUEST)
    assert first.signed.statement.reach_utc == 0
    assert (second.signed.statement.sequence, second.signed.statement.previous) == (1, first.signed.digest)
    assert second.signed.statement.reach_utc == first.signed.statement.end_utc
    assert put(gateway, outbox, 8).signed.statement.reach_utc == first.signed.statement.end_utc


def test_every_meter_has_its_own_chain(gateway: Gateway, outbox: Outbox) -> None:
    put(gateway, outbox, 0)
    assert put(gateway, outbox, 0, meter="M2").signed.statement.sequence == 0


def test_what_is_kept_verifies_and_opens(gateway: Gateway, outbox: Outbox) -> None:
    sealed = put(gateway, outbox, 0)
    (pending,) = to_send(outbox)
    signed = unseal(pending.envelope, ReadingBatch, gateway.signer.public_key)
    assert signed.statement == sealed.signed.statement
    assert Opening.parse(pending.opening, 1).contents() == signed.statement.contents


def test_the_same_contents_are_not_signed_again_even_after_a_restart(gateway: Gateway) -> None:
    with gateway.open() as outbox:
        assert gateway.put(outbox, draft(0, [reading(), reading(5)])) is not None
    with gateway.open() as outbox:
        again = draft(0, [reading(), reading(5)], read_at_utc=NOW)
        assert gateway.put(outbox, again) is None
        assert gateway.put(outbox, draft(1, [reading(5)])) is None
        assert len(to_send(outbox)) == 1
        assert outbox.memory.known("M1", 0)[MIDNIGHT].checked_utc == NOW


@pytest.mark.parametrize(
    "changed",
    [
        draft(0, [reading(101)]),
        draft(0, [replace(reading(), flags=1)]),
        draft(0, [reading(), reading()]),
        draft(0, [reading()], registers=(Register(stamp_utc=MIDNIGHT, import_wh=1, export_wh=None),)),
    ],
)
def test_anything_new_about_a_signed_block_is_a_new_batch(gateway: Gateway, outbox: Outbox, changed: object) -> None:
    put(gateway, outbox, 0)
    sealed = gateway.put(outbox, changed)  # type: ignore[arg-type]  # a table of drafts
    assert sealed is not None
    assert sealed.signed.statement.sequence == 1
    assert gateway.put(outbox, changed) is None  # type: ignore[arg-type]  # a table of drafts


def test_a_signed_absence_is_known_as_one(gateway: Gateway, outbox: Outbox) -> None:
    gateway.put(outbox, draft(0, [reading(), NO_ROW, reading(5, None, Absence.NO_EXPORT_REGISTER)]))
    known = outbox.memory.known("M1", MIDNIGHT)
    assert [entry.held for entry in known.values()] == [Held.PRESENT, Held.ABSENT, Held.PRESENT]
    assert min(outbox.memory.known("M1", MIDNIGHT + 1)) == MIDNIGHT + PERIOD_S


def test_a_build_that_fails_leaves_no_trace(gateway: Gateway, outbox: Outbox) -> None:
    def fails(_: object) -> Sealed:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        outbox.put(draft(0), fails)
    assert to_send(outbox) == []
    assert put(gateway, outbox, 0).signed.statement.sequence == 0


def test_batches_are_offered_oldest_first_up_to_the_limit_without_those_in_flight(
    gateway: Gateway, outbox: Outbox
) -> None:
    digests = [put(gateway, outbox, block).signed.digest for block in range(4)]
    offered = outbox.to_send(now_utc=0, limit=2, excluding={digests[0]}, longest_delay_s=900)
    assert [entry.digest for entry in offered] == digests[1:3]


def test_a_delayed_batch_is_offered_when_its_time_comes(gateway: Gateway, outbox: Outbox) -> None:
    sealed = put(gateway, outbox, 0)
    outbox.delay(
        Delay(digest=sealed.signed.digest, attempts=3, not_before_utc=NOW, refusal=refused(sealed.signed.envelope))
    )
    assert to_send(outbox, NOW - 1) == []
    (pending,) = to_send(outbox, NOW)
    assert pending.attempts == 3
    assert outbox.report.unanswered()[0].refusal == "(5) not on record"


def test_a_delay_from_a_clock_that_was_ahead_counts_as_none(gateway: Gateway, outbox: Outbox) -> None:
    sealed = put(gateway, outbox, 0)
    outbox.delay(Delay(digest=sealed.signed.digest, attempts=1, not_before_utc=NOW, refusal=None))
    assert to_send(outbox, NOW - 900) == []
    assert len(to_send(outbox, NOW - 901)) == 1


def test_a_receipt_frees_its_batch_and_stays(gateway: Gateway, outbox: Outbox, discom: Discom) -> None:
    sealed, other = put(gateway, outbox, 0), put(gateway, outbox, 1)
    step = settle_of(discom, sealed.signed.digest)
    assert outbox.settle(step, NOW) == 1
    assert [entry.digest for entry in to_send(outbox)] == [other.signed.digest]
    assert outbox.settle(step, NOW + 5) == 0
    assert outbox.sightings.seen() == step.checkpoint
    assert outbox.sightings.roots() == {step.checkpoint.size: step.checkpoint.root}
    assert outbox.report.backlog().receipted == 1


def test_the_first_receipt_and_its_time_stay(gateway: Gateway, outbox: Outbox, discom: Discom) -> None:
    sealed = put(gateway, outbox, 0)
    first = settle_of(discom, sealed.signed.digest)
    outbox.settle(first, NOW)
    discom.log.admit(b"another" + bytes(25))
    outbox.settle(settle_of(discom, sealed.signed.digest), NOW + 10)
    assert outbox.receipts.of(1) == (1, first.receipts[0])
    assert outbox.report.receipted("M1").newest_utc == NOW
    assert outbox.prune(NOW + KEEP_OPENINGS_S + 1) == 1


def test_a_refusal_of_what_a_command_asked_for_again_ends_the_sending(
    gateway: Gateway, outbox: Outbox, discom: Discom
) -> None:
    sealed = put(gateway, outbox, 0)
    outbox.settle(settle_of(discom, sealed.signed.digest), NOW)
    outbox.obey(resend(1, outbox.kid, 0, 0))
    outbox.park(Park(digest=sealed.signed.digest, refusal=refused(sealed.signed.envelope)))
    assert to_send(outbox) == []
    assert outbox.report.backlog().receipted == 1
    # It is not parked: no operator is asked, and it goes with the others.
    assert outbox.release() == 0
    assert outbox.prune(NOW + KEEP_OPENINGS_S + 1) == 1


def test_a_receipt_for_somebody_elses_batch_is_nothing(outbox: Outbox, discom: Discom) -> None:
    assert outbox.settle(settle_of(discom, bytes(32)), NOW) == 0


def test_an_unlinked_checkpoint_is_known_and_not_the_newest_seen(outbox: Outbox, discom: Discom) -> None:
    linked, unlinked = settle_of(discom, b"a" * 32), replace(settle_of(discom, b"b" * 32), linked=False)
    outbox.settle(linked, NOW)
    outbox.settle(unlinked, NOW)
    assert outbox.sightings.seen() == linked.checkpoint
    assert set(outbox.sightings.roots()) == {1, 2}
    outbox.settle(replace(unlinked, linked=True), NOW)
    outbox.settle(unlinked, NOW)
    assert outbox.sightings.seen() == unlinked.checkpoint


def test_a_parked_batch_waits_for_an_operator_and_no_other_batch_waits_for_it(gateway: Gateway, outbox: Outbox) -> None:
    sealed, behind = put(gateway, outbox, 0), put(gateway, outbox, 1)
    outbox.park(Park(digest=sealed.signed.digest, refusal=refused(sealed.signed.envelope)))
    assert [entry.digest for entry in to_send(outbox)] == [behind.signed.digest]
    (parked, _) = outbox.report.unanswered()
    assert (parked.state, parked.refusal) == ("PARKED", "(5) not on record")
    assert outbox.release(parked.place + 1) == 0
    assert outbox.release(parked.place) == 1
    assert len(to_send(outbox)) == 2


def test_all_parked_batches_are_released_at_once(gateway: Gateway, outbox: Outbox) -> None:
    for block in range(3):
        sealed = put(gateway, outbox, block)
        outbox.park(Park(digest=sealed.signed.digest, refusal=refused(sealed.signed.envelope)))
    assert outbox.release() == 3
    assert len(to_send(outbox)) == 3


def test_a_receipt_wins_over_a_refusal_before_and_after(gateway: Gateway, outbox: Outbox, discom: Discom) -> None:
    sealed = put(gateway, outbox, 0)
    park = Park(digest=sealed.signed.digest, refusal=refused(sealed.signed.envelope))
    outbox.park(park)
    assert outbox.settle(settle_of(discom, sealed.signed.digest), NOW) == 1
    outbox.park(park)
    assert outbox.report.unanswered() == []


def resend(number: int, kid: bytes, first: int, last: int, meter: str = "M1") -> Command:
    return Command(kind=CommandKind.RESEND, number=number, gateway="gw1", meter=meter, kid=kid, first=first, last=last)


def test_a_resend_is_obeyed_once_by_its_number(gateway: Gateway, outbox: Outbox, discom: Discom) -> None:
    digests = [put(gateway, outbox, block).signed.digest for block in range(4)]
    step = settle_of(discom, *digests)
    outbox.settle(step, NOW)
    command = resend(7, outbox.kid, 1, 2)
    assert outbox.obey(command) == 2
    assert [entry.digest for entry in to_send(outbox)] == digests[1:3]
    outbox.settle(step, NOW)
    assert to_send(outbox) == []
    assert outbox.obey(command) == 0
    assert outbox.obey(resend(6, outbox.kid, 0, 3)) == 0
    assert to_send(outbox) == []
    assert outbox.obey(resend(8, outbox.kid, 3, 9)) == 1


def test_a_resend_names_its_chain_and_leaves_parked_batches_alone(
    gateway: Gateway, outbox: Outbox, discom: Discom
) -> None:
    first, second = put(gateway, outbox, 0), put(gateway, outbox, 1)
    outbox.settle(settle_of(discom, first.signed.digest), NOW)
    outbox.park(Park(digest=second.signed.digest, refusal=refused(second.signed.envelope)))
    assert outbox.obey(resend(1, bytes(32), 0, 9)) == 0
    assert outbox.obey(resend(2, outbox.kid, 0, 9, meter="M2")) == 0
    assert outbox.obey(resend(3, outbox.kid, 0, 9)) == 1


def test_what_an_operator_or_a_command_asks_for_goes_at_once(gateway: Gateway, outbox: Outbox, discom: Discom) -> None:
    parked, receipted = put(gateway, outbox, 0), put(gateway, outbox, 1)
    for sealed in (parked, receipted):
        outbox.delay(Delay(digest=sealed.signed.digest, attempts=9, not_before_utc=NOW, refusal=None))
    outbox.park(Park(digest=parked.signed.digest, refusal=refused(parked.signed.envelope)))
    outbox.settle(settle_of(discom, receipted.signed.digest), NOW)
    outbox.release()
    outbox.obey(resend(1, outbox.kid, 1, 1))
    assert [pending.attempts for pending in to_send(outbox, NOW - 1)] == [0, 0]


def test_a_state_that_was_not_finished_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "agent.new").write_bytes(b"half a database")
    gateway = Gateway(tmp_path)
    with gateway.open() as outbox:
        put(gateway, outbox, 0)
    assert not (tmp_path / "agent.new").exists()


def test_a_reread_is_kept_until_it_is_done(gateway: Gateway, outbox: Outbox) -> None:
    command = Command(
        kind=CommandKind.REREAD,
        number=0,
        gateway="gw1",
        meter="M1",
        kid=outbox.kid,
        first=MIDNIGHT,
        last=MIDNIGHT + 900,
    )
    outbox.obey(command)
    outbox.obey(command)
    assert outbox.rereads("M1") == {0: Interval(MIDNIGHT, MIDNIGHT + 900)}
    assert outbox.rereads("M2") == {}
    outbox.reread_done(0)
    assert outbox.rereads("M1") == {}


def test_a_full_outbox_signs_no_more_and_keeps_everything(tmp_path: Path, discom: Discom) -> None:
    gateway = Gateway(tmp_path, capacity=2)
    with gateway.open() as outbox:
        first, second = put(gateway, outbox, 0), put(gateway, outbox, 1)
        assert not outbox.has_room()
        with pytest.raises(OutboxFullError, match="2 batches are unanswered"):
            gateway.put(outbox, draft(2))
        assert [entry.digest for entry in to_send(outbox)] == [first.signed.digest, second.signed.digest]
        outbox.settle(settle_of(discom, first.signed.digest), NOW)
        assert outbox.has_room()
        assert put(gateway, outbox, 2).signed.statement.sequence == 2


def test_p22_a_full_disk_stops_signing_and_loses_nothing(gateway: Gateway, outbox: Outbox) -> None:
    kept = [put(gateway, outbox, 0).signed.digest]
    outbox.limit_pages(1)  # SQLite keeps the pages that there are

    def fill() -> None:
        while True:
            kept.append(put(gateway, outbox, len(kept)).signed.digest)

    with pytest.raises(DiskFullError, match="no room on disk"):
        fill()
    assert [entry.digest for entry in to_send(outbox)] == kept
    outbox.limit_pages(10_000)
    sealed = put(gateway, outbox, len(kept))
    assert (sealed.signed.statement.sequence, sealed.signed.statement.previous) == (len(kept), kept[-1])


def test_openings_are_pruned_after_the_time_for_resend_and_receipts_stay(
    gateway: Gateway, outbox: Outbox, discom: Discom
) -> None:
    sealed, unanswered = put(gateway, outbox, 0), put(gateway, outbox, 1)
    outbox.settle(settle_of(discom, sealed.signed.digest), NOW)
    assert outbox.prune(NOW + KEEP_OPENINGS_S) == 0
    assert outbox.obey(resend(0, outbox.kid, 0, 0)) == 1
    assert outbox.prune(NOW + KEEP_OPENINGS_S + 1) == 0
    outbox.settle(settle_of(discom, sealed.signed.digest), NOW)
    assert outbox.prune(NOW + KEEP_OPENINGS_S + 1) == 1
    assert outbox.obey(resend(1, outbox.kid, 0, 0)) == 0
    assert [entry.digest for entry in to_send(outbox)] == [unanswered.signed.digest]
    with sqlite3.connect(gateway.path) as database:
        assert database.execute("SELECT count(*) FROM receipt").fetchone() == (1,)
    database.close()


@pytest.mark.parametrize(("table", "column"), [("batch", "envelope"), ("opening", "content")])
def test_a_batch_that_the_disk_has_damaged_is_set_aside_and_shown(
    gateway: Gateway, outbox: Outbox, table: str, column: str
) -> None:
    put(gateway, outbox, 0)
    whole = put(gateway, outbox, 1)
    with sqlite3.connect(gateway.path) as database:
        (kept,) = database.execute(f"SELECT {column} FROM {table} WHERE place = 1").fetchone()
        damaged = kept[:-1] + bytes([kept[-1] ^ 1])
        if column == "envelope":  # within what is signed; a damaged signature is the head-end's to find
            damaged = kept[:120] + bytes([kept[120] ^ 1]) + kept[121:]
        database.execute(f"UPDATE {table} SET {column} = ? WHERE place = 1", (damaged,))
    database.close()
    assert [entry.digest for entry in to_send(outbox, limit=1)] == []
    assert [entry.digest for entry in to_send(outbox, limit=1)] == [whole.signed.digest]
    assert outbox.report.unanswered()[0].refusal == "damaged on disk"


def test_evidence_of_alarms_is_bounded_and_each_is_still_told(outbox: Outbox) -> None:
    for number in range(MOST_ALARMS + 2):
        assert outbox.sightings.alarm(Alarm(AlarmKind.SHRANK, "", b"%d" % number), NOW)
    assert outbox._database.one("SELECT count(*) FROM alarm") == (MOST_ALARMS,)


def test_an_alarm_is_told_once_for_the_same_evidence(outbox: Outbox) -> None:
    alarm = Alarm(AlarmKind.FORKED, "two trees", b"message")
    assert outbox.sightings.alarm(alarm, NOW)
    assert not outbox.sightings.alarm(alarm, NOW + 1)
    assert outbox.sightings.alarm(Alarm(AlarmKind.FORKED, "two trees", b"other"), NOW)


def test_the_horizon_moves_only_while_nothing_older_is_signed(gateway: Gateway, outbox: Outbox) -> None:
    assert outbox.memory.horizon_utc("M1") == 0
    assert outbox.memory.empty_before("M1", MIDNIGHT)
    assert outbox.memory.horizon_utc("M1") == MIDNIGHT
    put(gateway, outbox, 0)
    assert not outbox.memory.empty_before("M1", MIDNIGHT + 1)
    assert outbox.memory.horizon_utc("M1") == MIDNIGHT


def test_the_first_sample_of_a_boundary_stays(outbox: Outbox) -> None:
    span = Interval(MIDNIGHT, MIDNIGHT + 900)
    assert outbox.memory.first_witnessed_utc("M1") is None
    outbox.memory.witness(
        "M1",
        MIDNIGHT,
        Witnessed(import_wh=1, export_wh=None, serial="A", uptime=UP, right_ms=7, rolled_over=True, wall_ms=8),
    )
    outbox.memory.witness("M1", MIDNIGHT, Witnessed(import_wh=2, export_wh=None, serial="A", uptime=UP))
    outbox.memory.witness("M1", MIDNIGHT + 900, Witnessed(import_wh=3, export_wh=4, serial=None, uptime=None))
    assert outbox.memory.witnessed("M1", span) == {
        MIDNIGHT: Witnessed(
            import_wh=1, export_wh=None, serial="A", uptime=UP, right_ms=7, rolled_over=True, wall_ms=8
        ),
        MIDNIGHT + 900: Witnessed(import_wh=3, export_wh=4, serial=None, uptime=None),
    }
    assert outbox.memory.first_witnessed_utc("M1") == MIDNIGHT


def test_the_samples_nearest_to_a_span_are_known_with_it(outbox: Outbox) -> None:
    for place in (0, 1, 4, 7, 8):
        sample = Witnessed(import_wh=place, export_wh=None, serial="A", uptime=UP)
        outbox.memory.witness("M1", MIDNIGHT + place * 900, sample)
        outbox.memory.witness("M2", MIDNIGHT + place * 900 + 450, sample)
    found = outbox.memory.witnessed("M1", Interval(MIDNIGHT + 3 * 900, MIDNIGHT + 5 * 900))
    assert [sample.import_wh for sample in found.values()] == [1, 4, 7]
    whole = outbox.memory.witnessed("M1", Interval(MIDNIGHT, MIDNIGHT + 8 * 900))
    assert [sample.import_wh for sample in whole.values()] == [0, 1, 4, 7, 8]


def test_a_sample_from_before_boots_were_kept_stays_and_is_of_none(tmp_path: Path) -> None:
    path = tmp_path / "agent.db"
    scripts = sorted((each for each in resources.files(migrations).iterdir() if each.name.endswith(".sql")), key=str)
    with contextlib.closing(sqlite3.connect(path)) as old:
        for script in scripts[:2]:
            old.executescript(script.read_text("utf-8"))
        old.execute("INSERT INTO gateway (one, id, kid) VALUES (1, 'gw1', ?)", (bytes(32),))
        old.execute("INSERT INTO sample VALUES ('M1', ?, 5, NULL, 'A')", (MIDNIGHT,))
        old.execute("PRAGMA user_version = 2")
        old.commit()
    with Outbox(path, capacity=1) as outbox:
        found = outbox.memory.witnessed("M1", Interval(MIDNIGHT, MIDNIGHT + 900))
    assert found == {MIDNIGHT: Witnessed(import_wh=5, export_wh=None, serial="A", uptime=None)}


def test_the_receipts_of_one_message_keep_each_node_once_and_come_out_as_they_came_in(
    gateway: Gateway, outbox: Outbox, discom: Discom
) -> None:
    digests = [put(gateway, outbox, block).signed.digest for block in range(9)]
    discom.log.admit(*(bytes([number]) * 32 for number in range(70)))
    step = settle_of(discom, *digests)
    outbox.settle(step, NOW)
    assert [outbox.receipts.of(place) for place in range(1, 10)] == [
        (step.checkpoint.size, receipt) for receipt in step.receipts
    ]
    assert outbox.receipts.of(10) is None
    (kept,) = outbox._database.one("SELECT sum(length(nodes)) FROM proof")
    assert kept == 32 * len({node for receipt in step.receipts for node in receipt.path})


def test_a_state_of_the_schema_before_goes_on_as_it_was(tmp_path: Path, discom: Discom) -> None:
    gateway = Gateway(tmp_path)
    with gateway.open() as outbox:
        sealed = [put(gateway, outbox, block) for block in range(4)]
        step = settle_of(discom, sealed[0].signed.digest, sealed[1].signed.digest)
    path = tmp_path / "old.db"
    scripts = sorted((each for each in resources.files(migrations).iterdir() if each.name.endswith(".sql")), key=str)
    with contextlib.closing(sqlite3.connect(path)) as old:
        for script in scripts[:6]:
            old.executescript(script.read_text("utf-8"))
        old.execute("INSERT INTO gateway (one, id, kid) VALUES (1, 'gw1', ?)", (gateway.signer.public_key.kid,))
        # Two are receipted, one of them asked for again; one waits, one is parked.
        for number, (each, state) in enumerate(
            zip(sealed, ("RECEIPTED", "RECEIPTED", "WAITING", "PARKED"), strict=True)
        ):
            batch = each.signed.statement
            values = (
                *("M1", each.signed.kid, number, each.signed.digest, batch.start_utc, batch.end_utc),
                *(each.signed.envelope.encoded(), each.opening.encoded(), state, int(number == 1), 3, NOW),
            )
            old.execute(
                "INSERT INTO batch (meter, kid, sequence, digest, start_utc, end_utc, envelope, opening, state, again, attempts, "
                "answered_utc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            old.execute("INSERT INTO block VALUES ('M1', ?, 900, 100, 0, 0, 0, 1, 5)", (batch.start_utc,))
        old.execute("INSERT INTO chain VALUES ('M1', ?, 4, ?, 0)", (sealed[3].signed.kid, sealed[3].signed.digest))
        for receipt in step.receipts:
            path_of = b"".join(receipt.path)
            old.execute("INSERT INTO receipt VALUES (?, ?, ?, ?)", (receipt.digest, 2, receipt.index, path_of))
        old.execute("PRAGMA user_version = 6")
        old.commit()
    with Outbox(path, capacity=10) as outbox:
        assert [entry.digest for entry in to_send(outbox)] == [sealed[1].signed.digest, sealed[2].signed.digest]
        backlog = outbox.report.backlog()
        assert (backlog.waiting, backlog.parked, backlog.receipted) == (1, 1, 2)
        assert [outbox.receipts.of(place) for place in (1, 2)] == [(2, receipt) for receipt in step.receipts]
        assert len(outbox.memory.known("M1", 0)) == 4
        assert outbox.heads(outbox.kid)[0].last == 3
        assert outbox.last_kid() == outbox.kid
        assert outbox.obey(resend(1, outbox.kid, 0, 3)) == 3
        fifth = put(gateway, outbox, 4).signed.statement
        assert (fifth.sequence, fifth.previous) == (4, sealed[3].signed.digest)
        assert outbox.obey(resend(2, outbox.kid, 3, 4)) == 1  # not the parked one


def test_a_missing_state_is_never_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="init --new-key"):
        Outbox(tmp_path / "typo.db", capacity=1)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_state_is_never_made_anew(gateway: Gateway) -> None:
    enrolled = Enrolled(gateway="gw1", kid=bytes(32), request=REQUEST, meters=())
    with pytest.raises(StateError, match="exists already"):
        Outbox.create(gateway.path, enrolled)


def test_the_state_must_be_that_of_the_gateway_the_key_and_the_meters(gateway: Gateway, outbox: Outbox) -> None:
    kid = gateway.signer.public_key.kid
    outbox.require(gateway="gw1", kid=kid, meters=["M1"])
    with pytest.raises(StateError, match="that of gateway 'gw1'"):
        outbox.require(gateway="gw2", kid=kid, meters=[])
    with pytest.raises(StateError, match="init --new-key"):
        outbox.require(gateway="gw1", kid=bytes(32), meters=[])
    with pytest.raises(StateError, match="no EnrolRequest of this key names M3"):
        outbox.require(gateway="gw1", kid=kid, meters=["M3", "M1"])


def test_a_state_of_a_newer_program_is_refused(gateway: Gateway) -> None:
    with sqlite3.connect(gateway.path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StateError, match="install the newer program"):
        gateway.open()


def test_a_file_that_is_no_database_is_refused(gateway: Gateway) -> None:
    gateway.path.write_bytes(b"nothing like it" * 1000)
    with pytest.raises(StateError, match="check the disk"):
        gateway.open()


def test_what_is_committed_survives_power_loss_by_configuration(gateway: Gateway, outbox: Outbox) -> None:
    one = outbox._database.one
    assert one("PRAGMA journal_mode") == ("wal",)
    assert one("PRAGMA synchronous") == (2,)
