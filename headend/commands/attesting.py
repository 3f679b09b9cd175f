"""An attestor for one command, on the database that it acts on."""

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager

from headend import founding
from headend.attest import Attestor
from headend.commands.command import acting
from headend.config import Config
from headend.founding import LOG
from headend.log.logbook import Logbook
from headend.onboarding.known import Registry
from headend.store.sqlite.database import Database


@contextmanager
def attesting(settings: Config, arguments: argparse.Namespace) -> Iterator[tuple[Database, Registry, Attestor]]:
    """The database, what it knows, and what decides windows by it; without ``--apply`` nothing that is written stays.

    Raises:
        FatalError, StoreUnavailableError: as `open_database` and `Logbook`.
        KeyUnavailableError: a key cannot be used.
    """
    keys = founding.open_keys(settings)
    with closing(acting(settings, arguments)) as database:
        registry = Registry(database)
        attestor = Attestor(
            database=database,
            book=Logbook(database, {LOG: keys.log}, settings.state),
            log_keys={LOG: keys.log.verifier},
            registry=registry,
            signer=keys.statements,
            basis=settings.ledger.basis,
        )
        yield database, registry, attestor
