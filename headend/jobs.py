"""What a running head-end does beside intake and settlement: each job is a thread's steps over its own connection.

The service supervises them all alike; a job that fails starts again, and says so as a component. A new job is one function here and its
row in `JOBS`.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from headend.config import Channel, Config
from headend.days.validating import Validating
from headend.duties.component import Component
from headend.exchange.answering import Answering
from headend.exchange.contract_door import forget_unknown
from headend.exchange.feeding import Feeding
from headend.exchange.outcome_log import OutcomeLog
from headend.exchange.proven import ProvenActuals
from headend.exchange.pushing import Pushing
from headend.exchange.reconciling import Reconciling
from headend.founding import LOG, HeadendKeys
from headend.log.logbook import Logbook
from headend.messengers import messengers
from headend.meter_data.comparing import Comparing
from headend.meter_data.drop_folder import DropFolder
from headend.meter_data.importing import Importing
from headend.onboarding.known import Registry
from headend.peers import ledger, ledger_signer
from headend.store.sqlite.database import Database, open_database
from headend.store.sqlite.published_log import PublishedLog
from headend.upkeep.retention import Retention
from headend.watching.telling import Telling
from headend.watching.watch import Watch
from ledger_client.beckn_http import BecknPusher
from ledger_client.ledger import LedgerError
from signing.interval import DAY_S

_LOOK_S = 60.0
_VALIDATE_S = 5.0
_FEED_S = 10.0
_RETAIN_S = 3600.0
_ERASE_S = 0.5
_IMPORT_S = 10.0
_ANSWER_S = 1.0

_LOG = logging.getLogger("sakshi.headend")

Step = Callable[[], str | None]
"""One step of a thread; gives what does not work, with the remedy, or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What every job is given."""

    config: Config
    keys: HeadendKeys
    now: Callable[[], int]
    """UTC seconds."""
    stop: threading.Event
    """Set when the service ends: a job MUST wait on it, and on nothing longer."""
    components: Callable[[], tuple[Component, ...]]

    @contextmanager
    def opened(self) -> Iterator[tuple[Database, Logbook]]:
        """A connection and the log, for one thread."""
        database = open_database(self.config.database)
        try:
            yield database, Logbook(database, {LOG: self.keys.log}, self.config.state)
        finally:
            database.close()


@contextmanager
def validation(office: Office) -> Iterator[Step]:
    """Keeps the validated days up with the evidence."""
    with office.opened() as (database, _):
        validating = Validating(
            database=database,
            registry=Registry(database),
            key=office.keys.statements.public_key,
            settings=office.config.series,
        )

        def step() -> None:
            if not validating.step(office.now()):
                office.stop.wait(_VALIDATE_S)

        yield step


@contextmanager
def alerts(office: Office) -> Iterator[Step]:
    """Looks for troubles and tells of them."""
    ways = messengers(office.config.alerts)
    with office.opened() as (database, _):
        key = office.keys.statements.public_key
        watch = Watch(config=office.config, database=database, registry=Registry(database), key=key)
        telling = Telling(discom=office.config.discom, database=database, messengers=ways)

        def step() -> str | None:
            telling.keep(watch.look(office.components(), office.now()), office.now())
            trouble = telling.tell(office.now())
            office.stop.wait(_LOOK_S)
            return trouble

        yield step


@contextmanager
def outcomes(office: Office) -> Iterator[Step]:
    """Says what came of trades, and tells the feeds."""
    config = office.config
    with office.opened() as (database, book):
        signer = office.keys.statements
        saying = OutcomeLog(database=database, book=book, signer=signer, discom=config.discom)
        feeding = Feeding(database=database, key=signer.public_key, discom=config.discom, feeds=config.feeds)

        def step() -> str | None:
            now = office.now()
            _, alarms = saying.say(now - config.followed_days * DAY_S, at_utc=now)
            trouble = feeding.tell(now)
            office.stop.wait(_FEED_S)
            return trouble or "; ".join(alarms) or None

        yield step


@contextmanager
def answers(office: Office) -> Iterator[Step]:
    """Answers the exchange's questions. Only where the configuration says who may ask."""
    config, settings = office.config, office.config.beckn
    assert settings is not None
    with office.opened() as (database, _), BecknPusher(signer=ledger_signer(config), now=office.now) as pusher:
        log = PublishedLog(log=LOG, key=office.keys.log.verifier, folder=config.state)
        proven = ProvenActuals(database=database, log=log, key=office.keys.statements.public_key)
        answering = Answering(config=config, settings=settings, database=database, proven=proven, pusher=pusher)
        pushing = Pushing(config=config, settings=settings, database=database)

        def step() -> str | None:
            pushing.step(office.now())
            report = answering.step(office.now())
            for one in report.moved:
                _LOG.info("question %d of %s: %s %s", one.number, one.subscriber, one.state.value, one.note)
            if not report.looked_at:
                office.stop.wait(_ANSWER_S)
            return report.trouble

        yield step


@contextmanager
def retention(office: Office) -> Iterator[Step]:
    """Erases what may not be kept any longer."""
    with office.opened() as (database, _):
        erasing = Retention(database=database, settings=office.config.retention)
        look_back_s = office.config.ledger.look_back_days * DAY_S

        def step() -> None:
            _, more = erasing.step(office.now())
            forgotten = forget_unknown(database, office.now() - look_back_s)
            office.stop.wait(_ERASE_S if more or forgotten else _RETAIN_S)

        yield step


@contextmanager
def imports(office: Office) -> Iterator[Step]:
    """Takes files of the drop folder, and compares what another system read with what was signed."""
    config, signer = office.config, office.keys.statements
    with office.opened() as (database, book):
        importing = Importing(
            database=database, book=book, registry=Registry(database), signer=signer, stamps=config.imports.stamps
        )
        folder = DropFolder(importing, config.imports)
        comparing = Comparing(database=database, key=signer.public_key)

        def step() -> None:
            dropped = folder.step(office.now())
            for one in dropped:
                _LOG.log(logging.INFO if one.is_taken else logging.WARNING, "import of %s: %s", one.name, one.words)
            changed = comparing.step(office.now())
            for meter in changed:
                _LOG.warning("origin of %s: what is said of its registers changed, see the alerts", meter)
            if not dropped and not changed:
                office.stop.wait(_IMPORT_S)

        yield step


@contextmanager
def reconciliation(office: Office) -> Iterator[Step]:
    """Compares with the ledger once a day. Only where the ledger is told figures."""
    with office.opened() as (database, _), ledger(office.config, office.now) as opened:
        reconciling = Reconciling(office.config, database, opened, since_utc=office.now())

        def step() -> str | None:
            try:
                found = reconciling.step(office.now())
            except LedgerError as error:
                return f"trades cannot be read: {error}"
            if found is not None:
                level = logging.WARNING if found.differing else logging.INFO
                _LOG.log(level, "%d of %d deliveries differ from the ledger", found.differing, found.deliveries)
            office.stop.wait(_LOOK_S)
            return None

        yield step


Job = Callable[[Office], AbstractContextManager[Step]]

_ANSWERS = "exchange"
_RECONCILES = "reconciliation"
JOBS: Mapping[str, Job] = {
    "validation": validation,
    "alerts": alerts,
    "outcomes": outcomes,
    "retention": retention,
    "imports": imports,
    _RECONCILES: reconciliation,
    _ANSWERS: answers,
}
"""By the name under which the job is shown as a component."""


def jobs(config: Config) -> Mapping[str, Job]:
    """The jobs that a configuration asks for."""
    left = {_ANSWERS} if config.beckn is None else set()
    if config.ledger.channel is Channel.NONE:
        left.add(_RECONCILES)
    return {name: job for name, job in JOBS.items() if name not in left}
