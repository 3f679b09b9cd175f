"""The running head-end: an intake thread, a settlement thread and the web, around one database; and the program's only clock.

Each thread owns its connection. Whatever is fatal to one ends the process: start-up recovery is the normal path. Everything else is
recorded, shown as a component that does not work, and tried again.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from headend.attest import Attestor
from headend.config import Config
from headend.duties.component import Component
from headend.editing.desk import StoredEditDesk
from headend.errors import FatalError, UnavailableError
from headend.exchange.contract_door import opened_contract_door
from headend.exchange.notice_desk import StoredNoticeDesk
from headend.exchange.receiving import ExchangeDoor, opened_door
from headend.founding import LOG, HeadendKeys, open_keys
from headend.intake.report import IntakeReport
from headend.intake.resend import GapChaser
from headend.intake.worker import IntakeWorker
from headend.jobs import Office, Step, jobs
from headend.meter_data.desk import StoredDataDesk
from headend.onboarding.desk import StoredRegistryDesk
from headend.onboarding.known import Registry
from headend.peers import ledger, mqtt_settings
from headend.pipeline import Settlement, SettlementReport
from headend.reads.duty import StoredDuty
from headend.reads.evidence import StoredReads
from headend.reads.market import StoredMarket
from headend.rereading import Rereader
from headend.state_lock import only_one
from headend.store.sqlite import lost_rows
from headend.store.sqlite.batch_rows import SqliteBatches
from headend.store.sqlite.database import Database
from headend.store.sqlite.published_log import PublishedLog
from headend.store.sqlite.read_pool import ReadPool
from headend.store.sqlite.tokens import StoredTokens
from headend.touches import Touches, touches
from headend.transport.mqtt import MqttTransport

if TYPE_CHECKING:
    from headend.serving import Web

log = logging.getLogger("sakshi.headend")

_FETCH_S = 0.25
_SETTLE_S = 1.0
_RETRY_S = 1.0
_ASK_S = 5
_WATCH_S = 1.0


def now() -> int:
    """UTC seconds, from this computer's clock."""
    return int(time.time())


class Service:
    """One head-end of one discom. Runs once."""

    def __init__(self, config: Config) -> None:
        """Opens what cannot be missing.

        Raises:
            KeyUnavailableError, KeyFileError: a key cannot be opened, with the remedy.
            FatalError: the log key is of another kind, or the broker's password cannot be read.
        """
        self._config = config
        self._keys: HeadendKeys = open_keys(config)
        ledger(config, now).close()
        self._mqtt = mqtt_settings(config)
        # A simple queue may be put to while the same thread waits for it: a signal handler does just that.
        self._ends: SimpleQueue[FatalError | None] = SimpleQueue()
        self._stop = threading.Event()
        self._components: dict[str, Component] = {}
        self._door: ExchangeDoor | None = None
        self._touched = Touches()
        self._changed = threading.Condition()
        self._office = Office(config=config, keys=self._keys, now=now, stop=self._stop, components=self.components)

    def stop(self) -> None:
        """Asks everything to end; safe to call from a signal handler and from any thread."""
        self._ends.put(None)

    def run(self, listening: Callable[[str], None]) -> None:
        """Runs until `stop`; every thread has ended when it returns. `listening` is told HOST:PORT of the web once it answers.

        Raises:
            FatalError: something that only a restart, or an operator, can answer.
        """
        threads = [
            threading.Thread(target=self._loop, args=("intake", self._intake), name="intake"),
            threading.Thread(target=self._loop, args=("settlement", self._settlement), name="settlement"),
            *(
                threading.Thread(target=self._loop, args=(name, partial(job, self._office)), name=name)
                for name, job in jobs(self._config).items()
            ),
        ]
        with only_one(self._config.state), self._web() as web:
            listening(web.address)
            try:
                for thread in threads:
                    thread.start()
                fatal = self._ended(web)
            finally:
                self._stop.set()
                with self._changed:
                    self._changed.notify_all()
                for thread in threads:
                    if thread.ident is not None:
                        thread.join()
        if fatal is not None:
            raise fatal

    def components(self) -> tuple[Component, ...]:
        """What works and what does not."""
        clock = None if self._door is None else self._door.clock(now())
        return (*(self._components[name] for name in sorted(self._components)), *(() if clock is None else (clock,)))

    def _ended(self, web: "Web") -> FatalError | None:
        """Waits for the end, and gives what was fatal, if anything was."""
        while web.works():
            with suppress(Empty):
                return self._ends.get(timeout=_WATCH_S)
        return FatalError("the web ended by itself: see the lines above in the log")

    def _loop(self, name: str, opened: Callable[[], AbstractContextManager[Step]]) -> None:
        """The supervising loop of one thread: opens what it needs, and steps until the end."""
        while not self._stop.is_set():
            try:
                with opened() as step:
                    while not self._stop.is_set():
                        trouble = step()
                        self._note(name, trouble)
                        if trouble is not None:
                            self._stop.wait(_RETRY_S)
            except FatalError as error:
                self._note(name, str(error))
                self._ends.put(error)
                return
            except UnavailableError as error:
                self._note(name, str(error))
                self._stop.wait(_RETRY_S)
            except Exception as error:
                if self._note(name, f"failed ({type(error).__name__}) and starts again: see the log"):
                    log.exception("%s failed", name)
                self._stop.wait(_RETRY_S)

    def _note(self, name: str, trouble: str | None) -> bool:
        """Notes how a component does; whether that is news. What is no news is not logged again."""
        component = Component(name=name, works=trouble is None, note=trouble or "works")
        before = self._components.get(name)
        if component == before:
            return False
        self._components[name] = component
        if trouble is not None:
            log.warning("%s: %s", name, trouble)
        elif before is not None:
            log.info("%s works again", name)
        return True

    @contextmanager
    def _intake(self) -> Iterator[Step]:
        transport = MqttTransport(self._mqtt)
        try:
            with self._office.opened() as (database, book):
                registry = Registry(database)
                signer = self._keys.statements
                store = SqliteBatches(database.connection)
                worker = IntakeWorker(transport=transport, store=store, registry=registry, book=book, signer=signer)
                chaser = GapChaser(database=database, registry=registry, signer=signer, transport=transport)
                rereader = Rereader(database=database, registry=registry, signer=signer, transport=transport)
                asked = 0

                def step() -> str | None:
                    nonlocal asked
                    report = worker.step(now(), _FETCH_S)
                    is_ready = transport.ready()
                    self._note("broker", None if is_ready else report.alarm or "not connected yet")
                    self._took_in(report)
                    if is_ready and now() - asked >= _ASK_S:
                        asked = now()
                        self._asked(chaser, rereader, asked)
                    return report.alarm if is_ready else None

                yield step
        finally:
            transport.close()

    def _took_in(self, report: IntakeReport) -> None:
        if not report.settled:
            return
        log.info(
            "intake: %d admitted, %d again, %d noise, %d refused",
            report.admitted,
            report.again,
            report.noise.total(),
            report.refused.total(),
        )
        for fork in report.forks:
            log.warning("FORK of %s at sequence %d: name the good branch, or revoke the key", fork.meter, fork.sequence)
        with self._changed:
            self._touched.take(touches(report))
            self._changed.notify()

    def _asked(self, chaser: GapChaser, rereader: Rereader, now_utc: int) -> None:
        for command in chaser.ask(now_utc, again_after_s=self._config.windows.resend_after_s):
            log.info("asked %s for missing batches of %s", command.statement.gateway, command.statement.meter)
        for command in rereader.ask(now_utc):
            log.info("asked %s to read blocks of %s again", command.statement.gateway, command.statement.meter)

    @contextmanager
    def _settlement(self) -> Iterator[Step]:
        with self._office.opened() as (database, book), ledger(self._config, now) as opened:
            registry = Registry(database)
            attestor = Attestor(
                database=database,
                book=book,
                log_keys={LOG: self._keys.log.verifier},
                registry=registry,
                signer=self._keys.statements,
                basis=self._config.ledger.basis,
            )
            settlement = Settlement(
                config=self._config, database=database, registry=registry, attestor=attestor, ledger=opened
            )

            def step() -> None:
                touched = self._take_touched()
                self._note_lost(database)
                try:
                    self._settled(settlement.step(now(), touched))
                except BaseException:
                    # What could not be done now is done by the next step.
                    with self._changed:
                        self._touched.take(touched)
                    raise

            yield step

    def _note_lost(self, database: Database) -> None:
        lost, name = lost_rows.count(database.connection), "restored log"
        if lost:
            self._note(
                name, f"{lost} statement(s) are lost: gateways are asked for theirs; say again what the discom signed"
            )
        elif name in self._components:
            self._note(name, None)

    def _take_touched(self) -> Touches:
        """What new evidence came for; waits a little for some."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._touched) or self._stop.is_set(), timeout=_SETTLE_S)
            touched, self._touched = self._touched, Touches()
        return touched

    def _settled(self, report: SettlementReport) -> None:
        self._note("ledger", report.ledger_trouble)
        for alarm in report.alarms:
            log.warning("%s", alarm)
        for signed in report.attested:
            actual = signed.statement
            log.info("attested %s revision %d: %s", actual.posted_as, actual.revision, actual.status.name)
        for word in report.recorded:
            log.info("round %d of trade %s, %s: %s", word.round, word.record_id, word.side.value, word.state.value)
        for record in () if report.posted is None else report.posted.moved:
            log.info(
                "posting of %s: %s after %d attempt(s)", record.delivery.posted_as, record.state.value, record.attempts
            )

    @contextmanager
    def _web(self) -> "Iterator[Web]":
        # Imported here: no other command needs a web, and it takes longer to load than most of them to run.
        from headend.serving import serving  # noqa: PLC0415 - see above
        from headend.web.app import create_app  # noqa: PLC0415 - see above

        # Opened once before anything starts: the schema is brought up to date, and a wrong log is fatal here.
        with self._office.opened():
            pass
        pool = ReadPool(self._config.database)
        with (
            closing(pool),
            opened_door(self._config, now) as door,
            opened_contract_door(self._config, now) as contract_desk,
        ):
            self._door = door
            reads = StoredReads(pool=pool, log=self._published(), key=self._keys.statements.public_key)
            app = create_app(
                discom=self._config.discom,
                reads=reads,
                tokens=StoredTokens(pool),
                signer=self._keys.statements,
                trust_file=self._config.trust_file,
                now=now,
                components=self.components,
                registry=StoredRegistryDesk(
                    database=self._config.database,
                    folder=self._config.state,
                    key=self._keys.log,
                    signer=self._keys.statements,
                ),
                door=door,
                market=StoredMarket(config=self._config, pool=pool, log=self._published()),
                domain=self._config.domain,
                duty=StoredDuty(
                    config=self._config, pool=pool, log=self._published(), key=self._keys.statements.public_key
                ),
                notices=StoredNoticeDesk(self._config.database),
                edits=StoredEditDesk(
                    database=self._config.database,
                    folder=self._config.state,
                    key=self._keys.log,
                    signer=self._keys.statements,
                ),
                data=StoredDataDesk(config=self._config, keys=self._keys),
                contract_desk=contract_desk,
            )
            with serving(app, self._config.web) as web:
                yield web

    def _published(self) -> PublishedLog:
        return PublishedLog(log=LOG, key=self._keys.log.verifier, folder=self._config.state)
