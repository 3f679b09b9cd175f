"""The running head-end: threads that start, fail, start again and end; a real broker, a real exchange, real sockets."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from headend.duties.component import Component
from headend.errors import FatalError
from headend.service import Service
from headend.serving import Web
from ledger_client.ledger import LedgerError
from signing.errors import KeyUnavailableError
from signing.messages import Receipts, parse_down
from tests.edge_agent.broker import broker
from tests.headend.founded import Installation, free_port, installation
from tests.headend.peer import Peer
from tests.headend.premises import gateway
from tests.ledger_client.rehearsal import Rehearsal, kept_right

PATIENCE_S = 30.0


@pytest.fixture
def exchange(exchange: Rehearsal) -> Iterator[Rehearsal]:
    """At the real time, which whole programs sign by."""
    with kept_right(exchange.clock):
        yield exchange


@pytest.fixture
def installed(tmp_path: Path, exchange: Rehearsal) -> Installation:
    """Founded, with a broker that nobody started."""
    made = installation(tmp_path, broker_port=free_port(), ledger=exchange.address)
    made.found()
    return made


@dataclass
class Run:
    """A service that runs in a thread, and how it ended."""

    service: Service
    address: str = ""
    ended: list[FatalError | None] = field(default_factory=list)
    listening: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def start(self) -> None:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.service.run(self._listens)
        except FatalError as error:
            self.ended.append(error)
        else:
            self.ended.append(None)
        self.listening.set()

    def _listens(self, address: str) -> None:
        self.address = address
        self.listening.set()

    def component(self, name: str) -> Component | None:
        return next((one for one in self.service.components() if one.name == name), None)

    def join(self) -> FatalError | None:
        assert self.thread is not None
        self.thread.join(PATIENCE_S)
        (ended,) = self.ended
        return ended


def eventually(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.05)):
        if holds():
            return
        pause.wait(0.05)
    raise AssertionError("it did not come to that")


@contextmanager
def serving(installed: Installation) -> Iterator[Run]:
    before = set(threading.enumerate())
    run = Run(Service(installed.config))
    run.start()
    try:
        assert run.listening.wait(PATIENCE_S)
        yield run
    finally:
        run.service.stop()
        run.join()
        # Nothing is left: neither our threads, nor uvicorn's, nor paho's. Handlers of the exchange come and go.
        eventually(lambda: not {one for one in set(threading.enumerate()) - before if one.name in OURS})


OURS = {"intake", "settlement", "web"}


def test_a_head_end_without_a_broker_serves_and_says_what_is_missing(installed: Installation) -> None:
    with serving(installed) as run:
        eventually(lambda: (found := run.component("broker")) is not None and "start it" in found.note)
        eventually(lambda: run.component("ledger") == Component(name="ledger", works=True, note="works"))
        assert run.component("intake") == Component(name="intake", works=True, note="works")
        assert httpx.get(f"http://{run.address}/api/v1/health").status_code == 401
    assert run.ended == [None]


def test_a_batch_from_the_broker_is_admitted_and_receipted_on_its_topic(tmp_path: Path, exchange: Rehearsal) -> None:
    (tmp_path / "broker").mkdir()
    with broker("embedded", tmp_path / "broker") as port:
        installed = installation(tmp_path, broker_port=port, ledger=exchange.address)
        installed.found()
        one = gateway()
        installed.enrol(one)
        with serving(installed) as run:
            eventually(lambda: run.component("broker") == Component(name="broker", works=True, note="works"))
            with closing(Peer(port, one.address)) as peer:
                message = one.next()
                peer.publish(message.encoded())
                answer = parse_down(peer.received())
        assert isinstance(answer, Receipts)
        assert [entry.digest for entry in answer.inclusions] == [message.digest]


def test_something_fatal_in_a_thread_ends_the_program_with_its_remedy(installed: Installation) -> None:
    with serving(installed) as run:
        eventually(lambda: run.component("settlement") is not None)
        with closing(sqlite3.connect(installed.config.database, isolation_level=None)) as other:
            other.executescript(
                "BEGIN; INSERT INTO statements VALUES (99, zeroblob(32), 'x', x'00', 0);"
                "INSERT INTO meters (meter, name, log) VALUES (9, 'M', 0); INSERT INTO records VALUES (9, 9, 0, 99); COMMIT"
            )
        ended = run.join()
    assert isinstance(ended, FatalError)
    assert "run `sakshi-headend fsck`" in str(ended)


def test_a_step_that_fails_is_shown_and_starts_again(installed: Installation) -> None:
    with serving(installed) as run, closing(sqlite3.connect(installed.config.database, isolation_level=None)) as other:
        other.execute("ALTER TABLE postings RENAME TO elsewhere")
        eventually(lambda: (found := run.component("settlement")) is not None and "starts again" in found.note)
        assert run.component("intake") == Component(name="intake", works=True, note="works")
        other.execute("ALTER TABLE elsewhere RENAME TO postings")
        eventually(lambda: run.component("settlement") == Component(name="settlement", works=True, note="works"))


def test_a_step_that_cannot_do_its_work_is_not_repeated_in_a_hot_loop(installed: Installation) -> None:
    service = Service(installed.config)
    steps: list[int] = []

    def step() -> str:
        steps.append(1)
        return "the disk is full: free space"

    thread = threading.Thread(target=service._loop, args=("intake", lambda: nullcontext(step)))
    thread.start()
    eventually(lambda: service.components() != ())
    threading.Event().wait(0.3)
    service._stop.set()
    thread.join()
    assert len(steps) == 1
    assert service.components() == (Component(name="intake", works=False, note="the disk is full: free space"),)


def test_evidence_that_could_not_be_settled_now_is_settled_by_the_next_step(installed: Installation) -> None:
    service = Service(installed.config)
    service._touched.add_whole("SKS00000001")
    with (
        closing(sqlite3.connect(installed.config.database, isolation_level=None)) as other,
        service._settlement() as step,
    ):
        other.execute("ALTER TABLE postings RENAME TO elsewhere")
        with pytest.raises(sqlite3.OperationalError):
            step()
        assert list(service._touched) == ["SKS00000001"]
        other.execute("ALTER TABLE elsewhere RENAME TO postings")
        step()
        assert list(service._touched) == []


def test_trouble_is_logged_when_it_comes_and_when_it_goes_and_not_in_between(
    installed: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(installed.config)
    with caplog.at_level("INFO", logger="sakshi.headend"):
        said = [service._note("ledger", trouble) for trouble in (None, "down", "down", "refuses", None, None)]
    assert said == [True, True, False, True, True, False]
    assert [record.getMessage() for record in caplog.records] == [
        "ledger: down",
        "ledger: refuses",
        "ledger works again",
    ]


def test_a_ledger_that_is_down_is_a_component_that_does_not_work(installed: Installation, exchange: Rehearsal) -> None:
    with serving(installed) as run:
        eventually(lambda: (found := run.component("ledger")) is not None and found.works)
        exchange.clock[0] = 0
        eventually(lambda: (found := run.component("ledger")) is not None and not found.works)
        exchange.clock[0] = int(time.time())
        eventually(lambda: (found := run.component("ledger")) is not None and found.works)


def test_a_second_service_on_one_state_is_refused(installed: Installation) -> None:
    with (
        serving(installed),
        pytest.raises(FatalError, match=r"another `sakshi-headend serve` runs on .*: stop it first"),
    ):
        Service(installed.config).run(lambda _: None)


def test_a_state_that_is_not_there_is_fatal_before_anything_starts(installed: Installation) -> None:
    service = Service(installed.config)
    installed.config.state.rename(installed.folder / "elsewhere")
    with pytest.raises(FatalError, match="run `sakshi-headend init` once"):
        service.run(lambda _: None)


def test_a_web_that_ended_by_itself_ends_the_program(installed: Installation) -> None:
    thread = threading.Thread()
    thread.start()
    thread.join()
    ended = Service(installed.config)._ended(Web(address="", thread=thread))
    assert "the web ended by itself" in str(ended)


def test_a_stop_before_the_start_ends_at_once(installed: Installation) -> None:
    service = Service(installed.config)
    service.stop()
    service.run(lambda _: None)


def test_a_taken_port_is_fatal_and_leaves_no_thread(tmp_path: Path, exchange: Rehearsal) -> None:
    port = int(exchange.address.rpartition(":")[2])
    installed = installation(tmp_path, broker_port=free_port(), ledger=exchange.address, web=f"port = {port}")
    installed.found()
    service = Service(installed.config)
    with pytest.raises(FatalError, match=r"cannot listen on 127\.0\.0\.1:.*choose another web\.port"):
        service.run(lambda _: None)
    assert not {one.name for one in threading.enumerate()} & OURS


def test_a_certificate_that_cannot_be_used_is_fatal(tmp_path: Path, exchange: Rehearsal) -> None:
    web = 'port = 0\ncertificate = "c.pem"\ncertificate_key = "k.pem"'
    installed = installation(tmp_path, broker_port=free_port(), ledger=exchange.address, web=web)
    installed.found()
    with pytest.raises(FatalError, match=r"correct web\.certificate"):
        Service(installed.config).run(lambda _: None)


def test_a_database_that_is_not_there_is_fatal_before_anything_starts(installed: Installation) -> None:
    installed.config.database.unlink()
    with pytest.raises(FatalError, match="run `sakshi-headend init` once"):
        Service(installed.config).run(lambda _: None)


@pytest.mark.parametrize("name", ["statements", "log"])
def test_a_key_that_cannot_be_opened_is_found_at_once(installed: Installation, name: str) -> None:
    (installed.folder / "keys" / f"{name}.pem").unlink()
    with pytest.raises(KeyUnavailableError):
        Service(installed.config)


def test_a_ledger_key_that_cannot_be_opened_is_found_at_once(installed: Installation) -> None:
    (installed.folder / "keys" / "beckn.pem").unlink()
    with pytest.raises(LedgerError, match="cannot read the key"):
        Service(installed.config)


@pytest.mark.parametrize(
    ("addition", "remedy"),
    [
        ('password = "file:absent"\nusername = "u"', "cannot read the broker's password"),
        ('password = "vault:x"\nusername = "u"', "give file:PATH"),
        ('ca_file = "absent.pem"', r"correct broker\.ca_file"),
    ],
)
def test_broker_credentials_that_cannot_be_read_are_found_at_once(
    installed: Installation, addition: str, remedy: str
) -> None:
    text = installed.file.read_text()
    installed.file.write_text(text.replace("[web]", f"{addition}\n[web]"))
    with pytest.raises(FatalError, match=remedy):
        Service(installed.config)
