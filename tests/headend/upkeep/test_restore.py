"""Backups and restores: every published leaf comes back, gateways refill theirs, and what is of another history is refused."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from headend import founding
from headend.attest import Attestor
from headend.duties.holds import HoldKind, Order
from headend.errors import FatalError, RefusedError
from headend.intake.report import IntakeReport
from headend.intake.resend import GapChaser
from headend.intake.worker import IntakeWorker
from headend.log.entries_file import EntriesFile
from headend.log.logbook import Logbook
from headend.onboarding.known import Registry
from headend.state_lock import only_one
from headend.store.sqlite import hold_rows, lost_rows
from headend.store.sqlite.batch_rows import SqliteBatches
from headend.store.sqlite.database import open_database
from headend.store.sqlite.hold_rows import Act
from headend.store.sqlite.lost_rows import COMMAND_STRIDE
from headend.transport.memory import MemoryTransport
from headend.upkeep import restore as restoring
from headend.upkeep.fsck import fsck
from headend.upkeep.restore import back_up, restore
from signing.interval import ist_text
from signing.messages import DownKind, Receipts, SignedAnswer, parse_down
from signing.statements.answers import Command, CommandKind
from signing.statements.window_actual import Cause, Status
from tests.headend.discom import SUBJECT, stated
from tests.headend.founded import Installation, installation
from tests.headend.premises import NOW, Gateway, Message, check_receipts, gateway

METER = "SKS00000001"


@dataclass
class Running:
    """A head-end's intake and attestor on an installation's own state, opened afresh for each use."""

    installed: Installation

    def __post_init__(self) -> None:
        config = self.installed.config
        keys = founding.open_keys(config)
        self.key = keys.log.verifier
        self.database = open_database(config.database)
        self.book = Logbook(self.database, {0: keys.log}, config.state)
        self.registry = Registry(self.database)
        self.transport = MemoryTransport()
        self.worker = IntakeWorker(
            transport=self.transport,
            store=SqliteBatches(self.database.connection),
            registry=self.registry,
            book=self.book,
            signer=keys.statements,
        )
        self.chaser = GapChaser(
            database=self.database, registry=self.registry, signer=keys.statements, transport=self.transport
        )
        self.attestor = Attestor(
            database=self.database,
            book=self.book,
            log_keys={0: self.key},
            registry=self.registry,
            signer=keys.statements,
        )
        self.discom = keys.statements.public_key

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    def take_in(self, *messages: Message) -> tuple[IntakeReport, dict[bytes, int]]:
        """What intake did, and the leaf of every batch that it receipted."""
        for message in messages:
            self.transport.deliver("sakshi/1/0/gw-1/up", message.encoded())
        report = self.worker.step(NOW)
        found: dict[bytes, int] = {}
        for _, payload in self.transport.take():
            answer = parse_down(payload)
            if isinstance(answer, Receipts):
                found |= check_receipts(answer, self.key)
        return report, found

    def commands(self) -> list[Command]:
        """What the gateway is told to do."""
        self.chaser.ask(NOW)
        answers = [parse_down(payload) for _, payload in self.transport.take()]
        return [
            Command.parse(answer.envelope.payload)
            for answer in answers
            if isinstance(answer, SignedAnswer) and answer.kind is DownKind.COMMAND
        ]

    def lost(self) -> int:
        return lost_rows.count(self.database.connection)


@pytest.fixture
def installed(tmp_path: Path) -> Installation:
    found = installation(tmp_path, broker_port=1, ledger="127.0.0.1:1")
    found.found()
    return found


@pytest.fixture
def one(installed: Installation) -> Gateway:
    found = gateway()
    installed.enrol(found)
    return found


def lose(installed: Installation) -> None:
    """The disk with the database is gone; what stands beside it is not."""
    for name in ("headend.db", "headend.db-wal", "headend.db-shm"):
        (installed.config.state / name).unlink(missing_ok=True)


def after_a_loss(installed: Installation, one: Gateway) -> tuple[list[Message], dict[bytes, int]]:
    """Two batches, a backup, three more, and a restore; the batches and the leaves that were receipted."""
    messages = [one.next() for _ in range(5)]
    with Running(installed) as running:
        _, early = running.take_in(*messages[:2])
        back_up(installed.config, installed.folder / "backup.db")
        _, late = running.take_in(*messages[2:])
    lose(installed)
    restored = restore(installed.config, installed.folder / "backup.db", now_utc=NOW).restored
    assert (restored.to_size - restored.from_size, restored.to_size) == (3, 7)
    return messages, early | late


def test_p21_what_gateways_send_again_comes_back_to_its_own_leaf(installed: Installation, one: Gateway) -> None:
    messages, leaves = after_a_loss(installed, one)
    with Running(installed) as running:
        assert running.lost() == 3
        _, again = running.take_in(*messages[2:])
        assert again == {message.digest: leaves[message.digest] for message in messages[2:]}
        assert (running.lost(), running.book.size(0)) == (0, 7)
        assert list(fsck(running.database, running.discom)) == []
        report, new = running.take_in(one.next())
        assert (report.admitted, list(new.values())) == (1, [7])


def test_what_comes_again_in_one_step_with_something_new_keeps_both_places(
    installed: Installation, one: Gateway
) -> None:
    messages, leaves = after_a_loss(installed, one)
    new = one.next()
    with Running(installed) as running:
        _, again = running.take_in(new, *messages[2:])
        assert again == {message.digest: leaves[message.digest] for message in messages[2:]} | {new.digest: 7}
        assert list(fsck(running.database, running.discom)) == []


def fail_after(running: Running, message: Message) -> None:
    with running.book.transaction() as transaction:
        transaction.append_one(0, message.digest)
        _ = 1 // 0


def test_a_transaction_that_fails_leaves_what_was_lost_lost(installed: Installation, one: Gateway) -> None:
    messages, leaves = after_a_loss(installed, one)
    with Running(installed) as running:
        with pytest.raises(ZeroDivisionError):
            fail_after(running, messages[2])
        assert running.lost() == 3
        _, again = running.take_in(messages[2])
        assert again == {messages[2].digest: leaves[messages[2].digest]}


def test_gateways_are_asked_for_what_they_sent_since_under_numbers_they_never_saw(
    installed: Installation, one: Gateway
) -> None:
    after_a_loss(installed, one)
    with Running(installed) as running:
        (command,) = running.commands()
        assert (command.kind, command.meter, command.kid, command.first) == (CommandKind.RESEND, METER, one.kid, 2)
        assert command.last > 10**9
        assert command.number > COMMAND_STRIDE
        assert running.commands() == []


def test_nobody_is_asked_once_nothing_is_lost(installed: Installation, one: Gateway) -> None:
    messages, _ = after_a_loss(installed, one)
    with Running(installed) as running:
        running.take_in(*messages[2:])
        assert running.commands() == []


def test_fsck_tells_a_lost_statement_from_damage(installed: Installation, one: Gateway) -> None:
    after_a_loss(installed, one)
    with Running(installed) as running:
        damages = list(fsck(running.database, running.discom))
        assert [damage.check for damage in damages] == [9, 9, 9]
        assert all("lost by a restore" in damage.what for damage in damages)
        running.database.connection.execute("UPDATE lost_leaves SET digest = zeroblob(32) WHERE leaf = 4")
        first = next(fsck(running.database, running.discom))
        assert first.what == "leaf 4 of log 0 has no statement"


def test_a_figure_said_after_a_loss_supersedes_what_was_lost(installed: Installation, one: Gateway) -> None:
    early = stated(one, 0, (100,) * 40)
    late = stated(one, 10, (100,) * 56)
    subject = SUBJECT.__class__(connection_point="CP-1", posted_as=f"LEDGER-{METER}", window=SUBJECT.window)
    with Running(installed) as running:
        running.take_in(early)
        (before,) = running.attestor.attest([subject], at_utc=NOW)
        assert before.statement.status is Status.PENDING
        back_up(installed.config, installed.folder / "backup.db")
        running.take_in(late)
        running.attestor.attest([subject], at_utc=NOW)
    lose(installed)
    restore(installed.config, installed.folder / "backup.db", now_utc=NOW)
    with Running(installed) as running:
        running.take_in(late)
        assert running.lost() == 1
        (again,) = running.attestor.attest([subject], at_utc=NOW)
        assert (again.statement.cause, again.statement.supersedes) == (Cause.LOST, before.digest)
        assert running.attestor.attest([subject], at_utc=NOW) == ()


def test_a_backup_of_a_running_head_end_is_one_sound_file(installed: Installation, one: Gateway) -> None:
    with Running(installed) as running:
        running.take_in(one.next())
        made = back_up(installed.config, installed.folder / "backup.db")
        running.take_in(one.next())
    assert (made.tree_size, made.size_bytes) == (3, made.path.stat().st_size)
    assert sorted(path.name for path in installed.folder.glob("backup.db*")) == ["backup.db"]
    with closing(sqlite3.connect(made.path)) as copy:
        assert copy.execute("SELECT count(*) FROM batches").fetchone() == (1,)


def test_a_backup_never_overwrites(installed: Installation) -> None:
    (installed.folder / "backup.db").write_bytes(b"precious")
    with pytest.raises(RefusedError, match="own name"):
        back_up(installed.config, installed.folder / "backup.db")
    assert (installed.folder / "backup.db").read_bytes() == b"precious"


def test_a_database_that_is_there_is_never_replaced(installed: Installation, one: Gateway) -> None:
    back_up(installed.config, installed.folder / "backup.db")
    with pytest.raises(RefusedError, match="put it aside"):
        restore(installed.config, installed.folder / "backup.db", now_utc=NOW)


def test_nothing_is_restored_under_a_running_head_end(installed: Installation, one: Gateway) -> None:
    back_up(installed.config, installed.folder / "backup.db")
    lose(installed)
    with only_one(installed.config.state), pytest.raises(FatalError, match="stop it first"):
        restore(installed.config, installed.folder / "backup.db", now_utc=NOW)
    assert not installed.config.database.exists()


def backed_up_and_lost(installed: Installation, one: Gateway) -> Path:
    with Running(installed) as running:
        running.take_in(one.next())
        back_up(installed.config, installed.folder / "backup.db")
        running.take_in(one.next())
    lose(installed)
    return installed.folder / "backup.db"


def test_entries_that_are_not_the_published_tree_are_refused(installed: Installation, one: Gateway) -> None:
    backup = backed_up_and_lost(installed, one)
    file = EntriesFile(installed.config.state, 0)
    content = bytearray(file.path.read_bytes())
    content[-1] ^= 1
    file.path.write_bytes(bytes(content))
    with pytest.raises(RefusedError, match="not the tree"):
        restore(installed.config, backup, now_utc=NOW)
    assert sorted(path.name for path in installed.config.state.glob("headend.db*")) == []


def test_a_backup_of_another_history_is_refused_at_the_leaf_where_they_part(
    installed: Installation, one: Gateway
) -> None:
    backup = backed_up_and_lost(installed, one)
    file = EntriesFile(installed.config.state, 0)
    content = bytearray(file.path.read_bytes())
    content[32] ^= 1
    file.path.write_bytes(bytes(content))
    with pytest.raises(RefusedError, match="from leaf 1 on"):
        restore(installed.config, backup, now_utc=NOW)


def test_entries_that_end_before_the_published_tree_are_refused(installed: Installation, one: Gateway) -> None:
    backup = backed_up_and_lost(installed, one)
    file = EntriesFile(installed.config.state, 0)
    file.path.write_bytes(file.path.read_bytes()[:-1])
    with pytest.raises(FatalError, match="3 of 4 entries"):
        restore(installed.config, backup, now_utc=NOW)


def test_a_backup_that_is_ahead_of_what_is_published_is_refused(installed: Installation, one: Gateway) -> None:
    old = (installed.config.state / "checkpoint-0").read_bytes()
    backup = backed_up_and_lost(installed, one)
    (installed.config.state / "checkpoint-0").write_bytes(old)
    with pytest.raises(RefusedError, match="has 3 leaves and only 2 are published"):
        restore(installed.config, backup, now_utc=NOW)


def test_a_backup_that_lacks_nothing_is_restored_without_a_loss(installed: Installation, one: Gateway) -> None:
    with Running(installed) as running:
        running.take_in(one.next())
        back_up(installed.config, installed.folder / "backup.db")
    lose(installed)
    restored = restore(installed.config, installed.folder / "backup.db", now_utc=NOW).restored
    assert restored.from_size == restored.to_size == 3
    with Running(installed) as running:
        assert (running.lost(), running.commands()) == (0, [])


# the entries beside the database


def test_the_entries_file_follows_the_log_and_takes_no_second_place(installed: Installation, one: Gateway) -> None:
    with Running(installed) as running:
        for _ in range(3):
            running.take_in(one.next())
        file = EntriesFile(installed.config.state, 0)
        assert file.size() == running.book.size(0) == 5


def test_a_torn_entry_is_written_over(tmp_path: Path) -> None:
    entries = [bytes([number]) * 32 for number in range(4)]
    file = EntriesFile(tmp_path, 0)
    file.extend(2, lambda first, end: b"".join(entries[first:end]))
    with file.path.open("ab") as stream:
        stream.write(b"torn")
    assert file.size() == 2
    file.extend(4, lambda first, end: b"".join(entries[first:end]))
    assert list(file.read(0, 4)) == entries
    assert file.path.stat().st_size == 128


def test_a_file_of_another_history_is_never_extended(tmp_path: Path) -> None:
    file = EntriesFile(tmp_path, 0)
    file.extend(1, lambda first, end: bytes(32))
    with pytest.raises(FatalError, match="another history"):
        file.extend(2, lambda first, end: b"\1" * 32 * (end - first))
    assert file.size() == 1


def test_a_file_that_ends_early_says_so(tmp_path: Path) -> None:
    file = EntriesFile(tmp_path, 0)
    file.extend(1, lambda first, end: bytes(32))
    with pytest.raises(FatalError, match="ends before entry 1"):
        list(file.read(0, 2))


# what operators ordered since


def orders(running: Running) -> list[tuple[int, HoldKind, str]]:
    return [
        (hold.number, hold.order.kind, hold.order.reason) for hold in hold_rows.open_holds(running.database.connection)
    ]


def test_a_restored_head_end_stands_down_and_says_until_when_it_knows(installed: Installation, one: Gateway) -> None:
    with Running(installed) as running:
        running.take_in(one.next())
        with running.database.transaction() as connection:
            act = Act(verb="post", about="a", by="asha", reason="r", done_utc=NOW + 60)
            hold_rows.put_act(connection, act)
        back_up(installed.config, installed.folder / "backup.db")
        with running.database.transaction() as connection:
            since = Order(
                kind=HoldKind.HOLD, connection_point="CP-1", window=None, party=None, by="asha", reason="contested"
            )
            hold_rows.open_hold(connection, since, at_utc=NOW + 120)
    lose(installed)
    recovery = restore(installed.config, installed.folder / "backup.db", now_utc=NOW + 180)
    with Running(installed) as running:
        ((number, kind, reason),) = orders(running)
    assert (number, kind) == (recovery.hold, HoldKind.STAND_DOWN)
    assert reason == (
        f"restored from a backup whose newest statement or order is of {ist_text(NOW + 60)}: holds placed since are not known"
    )


def test_a_backup_and_a_restore_tell_how_far_they_are(installed: Installation, one: Gateway) -> None:
    with Running(installed) as running:
        running.take_in(one.next())
    told: list[tuple[int, int]] = []
    made = back_up(installed.config, installed.folder / "backup.db", tell=lambda *how: told.append(how))
    assert told[-1][0] == told[-1][1] > 0
    lose(installed)
    restore(installed.config, made.path, now_utc=NOW, tell=lambda *how: told.append(how))
    assert told[-1] == (1, 1)
    assert len(told) == 2


def test_a_copy_of_several_portions_is_whole(
    installed: Installation, one: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "_MIB", 4096)
    monkeypatch.setattr(restoring, "_MIB_AT_ONCE", 3)
    with Running(installed) as running:
        running.take_in(one.next())
    made = back_up(installed.config, installed.folder / "backup.db")
    lose(installed)
    told: list[tuple[int, int]] = []
    restore(installed.config, made.path, now_utc=NOW, tell=lambda *how: told.append(how))
    total = -(-made.size_bytes // 4096)
    assert told == [(min(done, total), total) for done in range(3, total + 3, 3)]
    with Running(installed) as running:
        assert list(fsck(running.database, running.discom)) == []


def test_fsck_tells_how_much_it_read(installed: Installation, one: Gateway) -> None:
    with Running(installed) as running:
        running.take_in(one.next(), one.next())
        told: list[tuple[int, int]] = []
        assert list(fsck(running.database, running.discom, tell=lambda *how: told.append(how))) == []
    assert told == [(done, 4) for done in range(1, 5)]
