"""The running head-end: an intake thread, a settlement thread and the web, around one database; and the program's only clock.

Each thread owns its connection. Whatever is fatal to one ends the process: start-up recovery is the normal path. Everything else is
recorded, shown as a component that does not work, and tried again.
"""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import uvicorn

from headend.attest import Attestor
from headend.config import BrokerSettings, Config, WebSettings
from headend.errors import FatalError, UnavailableError
from headend.founding import LOG, HeadendKeys, open_keys
from headend.intake.report import IntakeReport
from headend.intake.resend import GapChaser
from headend.intake.worker import IntakeWorker
from headend.logbook import Logbook
from headend.pipeline import Settlement, SettlementReport
from headend.registry import Registry
from headend.store.sqlite.batch_rows import SqliteBatches
from headend.store.sqlite.database import Database, open_database
from headend.store.sqlite.published_log import PublishedLog
from headend.store.sqlite.read_pool import ReadPool
from headend.store.sqlite.reads import StoredReads
from headend.store.sqlite.tokens import StoredTokens
from headend.transport.mqtt import MqttSettings, MqttTransport
from headend.web.app import create_app
from headend.web.desk import Component
from ledger_client import key_file
from ledger_client.http import open_ledger
from ledger_client.signature import KeyId

log = logging.getLogger("sakshi.headend")

_FETCH_S = 0.25
_SETTLE_S = 1.0
_RETRY_S = 1.0
_ASK_S = 30
_WEB_STOP_S = 5

Step = Callable[[], None]


def now() -> int:
    """UTC seconds, from this computer's clock."""
    return int(time.time())


class Service:
    """One head-end of one discom."""

    def __init__(self, config: Config) -> None:
        """Opens what cannot be missing.

        Raises:
            KeyUnavailableError: a key cannot be opened, with the remedy.
            FatalError: the log key is of another kind.
        """
        self._config = config
        self._keys: HeadendKeys = open_keys(config)
        self._stop = threading.Event()
        self._fatal: FatalError | None = None
        self._components: dict[str, Component] = {}
        self._touched: set[str] = set()
        self._changed = threading.Condition()

    def stop(self) -> None:
        """Asks everything to end; safe to call from a signal handler."""
        self._stop.set()

    def run(self, listening: Callable[[str], None]) -> None:
        """Runs until `stop`. `listening` is told the address of the web as HOST:PORT, once it answers.

        Raises:
            FatalError: something that only a restart, or an operator, can answer.
        """
        threads = [
            threading.Thread(target=self._loop, args=("intake", self._intake), name="intake"),
            threading.Thread(target=self._loop, args=("settlement", self._settlement), name="settlement"),
        ]
        # Opened once before anything starts: the schema is brought up to date, and a wrong log is fatal here.
        with self._opened() as (database, _):
            database.data_version()
        with self._web(listening):
            for thread in threads:
                thread.start()
            self._stop.wait()
            for thread in threads:
                thread.join()
        if self._fatal is not None:
            raise self._fatal

    def components(self) -> tuple[Component, ...]:
        """What works and what does not."""
        return tuple(self._components[name] for name in sorted(self._components))

    def _loop(self, name: str, opened: Callable[[], AbstractContextManager[Step]]) -> None:
        """The supervising loop of one thread: opens what it needs, and steps until the end."""
        while not self._stop.is_set():
            try:
                with opened() as step:
                    while not self._stop.is_set():
                        step()
                        self._note(name, None)
            except FatalError as error:
                self._fatal = error
                self._stop.set()
            except UnavailableError as error:
                self._note(name, str(error))
                self._stop.wait(_RETRY_S)
            except Exception as error:
                log.exception("%s failed and starts again", name)
                self._note(name, f"failed ({type(error).__name__}) and starts again: see the log")
                self._stop.wait(_RETRY_S)

    def _note(self, name: str, trouble: str | None) -> None:
        before = self._components.get(name)
        if trouble is not None and (before is None or before.note != trouble):
            log.warning("%s: %s", name, trouble)
        self._components[name] = Component(name=name, works=trouble is None, note=trouble or "works")

    @contextmanager
    def _opened(self) -> Iterator[tuple[Database, Logbook]]:
        database = open_database(self._config.database)
        try:
            yield database, Logbook(database, {LOG: self._keys.log}, self._config.state)
        finally:
            database.close()

    @contextmanager
    def _intake(self) -> Iterator[Step]:
        transport = MqttTransport(_mqtt(self._config))
        try:
            with self._opened() as (database, book):
                registry = Registry(database)
                signer = self._keys.statements
                store = SqliteBatches(database.connection)
                worker = IntakeWorker(transport=transport, store=store, registry=registry, book=book, signer=signer)
                chaser = GapChaser(database=database, registry=registry, signer=signer, transport=transport)
                asked = 0

                def step() -> None:
                    nonlocal asked
                    self._took_in(worker.step(now(), _FETCH_S))
                    if now() - asked >= _ASK_S:
                        asked = now()
                        again_after_s = self._config.windows.resend_after_s
                        for command in chaser.ask(asked, again_after_s=again_after_s):
                            log.info("asked %s for missing batches", command.statement.gateway)

                yield step
        finally:
            transport.close()

    def _took_in(self, report: IntakeReport) -> None:
        self._note("broker", report.alarm)
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
        meters = {touched.meter for touched in report.touched} | {fork.meter for fork in report.forks}
        with self._changed:
            self._touched |= meters | report.gaps_changed
            self._changed.notify()

    @contextmanager
    def _settlement(self) -> Iterator[Step]:
        settings = self._config.ledger
        place = Path(self._config.keys.beckn.removeprefix("file:"))
        signer = key_file.load(place, KeyId(subscriber_id=settings.subscriber, unique_key_id=settings.key_id))
        with self._opened() as (database, book), open_ledger(settings.url, signer=signer, now=now) as ledger:
            registry = Registry(database)
            attestor = Attestor(
                database=database,
                book=book,
                log_keys={LOG: self._keys.log.verifier},
                registry=registry,
                signer=self._keys.statements,
            )
            settlement = Settlement(
                config=self._config, database=database, registry=registry, attestor=attestor, ledger=ledger
            )

            def step() -> None:
                with self._changed:
                    self._changed.wait_for(lambda: bool(self._touched) or self._stop.is_set(), timeout=_SETTLE_S)
                    touched, self._touched = self._touched, set()
                try:
                    self._settled(settlement.step(now(), touched))
                except BaseException:
                    # What could not be done now is done by the next step.
                    with self._changed:
                        self._touched |= touched
                    raise

            yield step

    def _settled(self, report: SettlementReport) -> None:
        self._note("ledger", "; ".join(report.alarms) or None)
        for signed in report.attested:
            actual = signed.statement
            log.info("attested %s revision %d: %s", actual.posted_as, actual.revision, actual.status.name)
        for record in () if report.posted is None else report.posted.moved:
            log.info(
                "posting of %s: %s after %d attempt(s)", record.delivery.posted_as, record.state.value, record.attempts
            )

    @contextmanager
    def _web(self, listening: Callable[[str], None]) -> Iterator[None]:
        pool = ReadPool(self._config.database)
        try:
            published = PublishedLog(log=LOG, key=self._keys.log.verifier, folder=self._config.state)
            app = create_app(
                discom=self._config.discom,
                reads=StoredReads(pool=pool, log=published, key=self._keys.statements.public_key),
                tokens=StoredTokens(pool),
                signer=self._keys.statements,
                trust_file=self._config.trust_file,
                now=now,
                components=self.components,
            )
            settings = self._config.web
            bound = _bound(settings)
            server = uvicorn.Server(
                uvicorn.Config(
                    app,
                    log_config=None,
                    access_log=False,
                    ssl_certfile=settings.certificate,
                    ssl_keyfile=settings.certificate_key,
                    timeout_graceful_shutdown=_WEB_STOP_S,
                )
            )
            thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="web")
            thread.start()
            try:
                while not server.started and thread.is_alive():
                    time.sleep(0.01)
                listening(f"{settings.host}:{bound.getsockname()[1]}")
                yield
            finally:
                server.should_exit = True
                thread.join()
                bound.close()
        finally:
            pool.close()


def _bound(settings: WebSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise FatalError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): choose another web.port"
        ) from error
    return bound


def _mqtt(config: Config) -> MqttSettings:
    broker = config.broker
    return MqttSettings(
        host=broker.host,
        port=broker.port,
        client_id=f"sakshi-headend-{config.domain}",
        shards=broker.shards,
        username=broker.username,
        password=_password(broker),
        tls=None if broker.ca_file is None else ssl.create_default_context(cafile=broker.ca_file),
    )


def _password(broker: BrokerSettings) -> str | None:
    if broker.password is None:
        return None
    path = Path(broker.password.removeprefix("file:"))
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise FatalError(f"cannot read the broker password file '{path}' ({error.strerror}): correct it") from error
