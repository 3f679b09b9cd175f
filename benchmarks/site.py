"""A head-end on a folder of its own, as `sakshi-headend serve` puts it together, with a real database on the disk."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from benchmarks.fleet import Gateway
from headend.intake.worker import IntakeWorker
from headend.log.logbook import Logbook, LogKey
from headend.onboarding.enrol import Registrar
from headend.onboarding.known import Registry
from headend.store.sqlite import log_rows
from headend.store.sqlite.batch_rows import SqliteBatches
from headend.store.sqlite.database import Database, create_database, open_database
from headend.transport.transport import Transport
from signing.backends.file import FileSigner
from signing.log.note import SignatureKind, VerifierKey

NOW = 1_777_200_000
_AT_ONCE = 5_000


class Keys:
    """The discom's two keys, made for one run."""

    def __init__(self) -> None:
        log = ed25519.Ed25519PrivateKey.generate()
        verifier = VerifierKey(
            name="bench.example/sakshi/0", kind=SignatureKind.ED25519, public=log.public_key().public_bytes_raw()
        )
        self.log = LogKey(verifier=verifier, signer=FileSigner(log))
        self.statements = FileSigner(ec.generate_private_key(ec.SECP256R1()))


class Site:
    """The parts of one head-end around one database."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self.keys = keys
        self.database: Database = open_database(folder / "headend.db")
        self.book = Logbook(self.database, {0: keys.log}, folder)
        self.registry = Registry(self.database)
        self.store = SqliteBatches(self.database.connection)

    def worker(self, transport: Transport) -> IntakeWorker:
        """The intake worker, with its default settings."""
        return IntakeWorker(
            transport=transport, store=self.store, registry=self.registry, book=self.book, signer=self.keys.statements
        )

    def enrol(self, gateways: Sequence[Gateway]) -> None:
        """Enrols gateways by the product's own registrar."""
        registrar = Registrar(book=self.book, registry=self.registry, signer=self.keys.statements)
        for first in range(0, len(gateways), _AT_ONCE):
            registrar.enrol_all([one.application() for one in gateways[first : first + _AT_ONCE]], at_utc=NOW)


class Ground:
    """A folder with a head-end that has enrolled a fleet, from which every row starts with a copy."""

    def __init__(self, folder: Path, gateways: Sequence[Gateway]) -> None:
        self._folder = folder
        self._original = folder / "enrolled"
        self._original.mkdir()
        self.keys = Keys()
        create_database(self._original / "headend.db")
        database = open_database(self._original / "headend.db")
        with database.transaction() as connection:
            log_rows.add_log(connection, 0, str(self.keys.log.verifier))
        database.close()
        site = Site(self._original, self.keys)
        site.enrol(gateways)
        # Closing the last connection moves everything out of the write-ahead log.
        site.database.close()

    @contextmanager
    def site(self) -> Iterator[Site]:
        """A head-end that has enrolled the fleet and taken in nothing yet. Its folder is deleted afterwards."""
        folder = self._folder / "row"
        shutil.copytree(self._original, folder)
        site = Site(folder, self.keys)
        try:
            yield site
        finally:
            site.database.close()
            shutil.rmtree(folder)
