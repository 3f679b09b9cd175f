"""Meter data in and out over the web: each request opens the database and the log for itself, as a command does.

Requests are rare and may come while the head-end serves; programs of one head-end take turns by the database's own lock.
"""

import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from headend.config import Config
from headend.founding import LOG, HeadendKeys
from headend.ies.credential import Issuer, did
from headend.ies.document import MeterData, read
from headend.ies.page import Answer
from headend.ies.rendering import Form
from headend.ies.request import MeterDataRequest, NotAuthorisedError, RequestRefusedError, read_request, require_covered
from headend.imports.file import Parser
from headend.imports.report import ImportOutcome
from headend.log.logbook import Logbook
from headend.meter_data.disclosing import Disclosing, Grantee
from headend.meter_data.drop_folder import PARSERS
from headend.meter_data.importing import Importing
from headend.onboarding.known import Registry
from headend.registry.plan import Rejected
from headend.store.sqlite import disclosure_rows
from headend.store.sqlite.database import Database, open_database
from ledger_client.exact_json import JsonError, loads_text

_KINDS: Mapping[str, Parser] = {"text/csv": PARSERS[".csv"], "application/json": PARSERS[".json"]}


class StoredDataDesk:
    """One head-end's. Safe to call from several threads: they take turns."""

    __slots__ = ("_config", "_keys", "_turn")

    def __init__(self, *, config: Config, keys: HeadendKeys) -> None:
        self._config = config
        self._keys = keys
        self._turn = threading.Lock()

    def looked_at(self, content: bytes, media_type: str) -> ImportOutcome:
        """What taking a file would do now.

        Raises:
            ImportRefusedError: it is no such file.
        """
        with self._opened() as (database, book):
            return self._importing(database, book).preview(content, _KINDS[media_type])

    def taken(
        self, content: bytes, media_type: str, rejected: Rejected, *, source: str | None, by: str, at_utc: int
    ) -> ImportOutcome:
        """Takes a file; `source` is the configured one unless it is given.

        Raises:
            ImportRefusedError: it is no such file.
            DecodeError: the source is no name.
            StoreUnavailableError: nothing was taken.
        """
        named = self._config.imports.source if source is None else source
        with self._opened() as (database, book):
            importing = self._importing(database, book)
            return importing.take(content, _KINDS[media_type], source=named, by=by, at_utc=at_utc, rejected=rejected)

    def meter_data(self, body: bytes, form: Form, cursor: str | None, *, holder: str, at_utc: int) -> Answer:
        """One page of what a MeterDataRequest asks for.

        Raises:
            RequestRefusedError: it is no request that can be answered.
            NotAuthorisedError, ConsentRefusedError: it may not be answered, or not to `holder`.
            StoreUnavailableError: nothing was given.
        """
        asked = read_asked(body)
        grantee = self._grantee(asked, holder, at_utc)
        with self._opened() as (database, _):
            return self._disclosing(database).meter_data(asked, grantee, form, cursor, at_utc=at_utc)

    def credential(self, body: bytes, form: Form, *, holder: str, at_utc: int) -> Answer:
        """The same as a MeterDataCredential of one connection point.

        Raises:
            CredentialRefusedError: no licence number is configured, or the key cannot sign one.
            RequestRefusedError, NotAuthorisedError, ConsentRefusedError, StoreUnavailableError: as `meter_data`.
        """
        asked = read_asked(body)
        grantee = self._grantee(asked, holder, at_utc)
        with self._opened() as (database, _):
            return self._disclosing(database).credential(
                asked,
                grantee,
                form,
                issuer=issuer(self._config),
                number=str(uuid.uuid4()),
                days=self._config.ies.credential_days,
                signer=self._keys.statements,
                at_utc=at_utc,
            )

    def revoked_utc(self, number: str) -> int | None:
        """Since when a credential is revoked; none for one that holds, and for one that was never issued."""
        with closing(open_database(self._config.database)) as database:
            found = disclosure_rows.credential(database.connection, number)
            return None if found is None else found.revoked_utc

    def revocations(self, *, skip: int, limit: int) -> tuple[int, tuple[tuple[str, int], ...]]:
        """How many credentials are revoked, and the numbers of some of them with since when, earliest first."""
        with closing(open_database(self._config.database)) as database:
            connection = database.connection
            # In this order: a revocation between the two is counted later, and no page is announced that is not there.
            total = disclosure_rows.count_revoked(connection)
            return total, disclosure_rows.revocations(connection, skip=skip, limit=min(limit, max(total - skip, 0)))

    def _grantee(self, asked: MeterDataRequest, holder: str, at_utc: int) -> Grantee:
        given = require_covered(asked, did(self._config.domain), at_utc)
        if given.grantee != holder:
            raise NotAuthorisedError(
                f"expected a token of the grantee {given.grantee}, got one of {holder}: the operator names tokens for grantees"
            )
        return Grantee(name=given.grantee, purpose=given.purpose, holder=holder)

    def _importing(self, database: Database, book: Logbook) -> Importing:
        return Importing(
            database=database,
            book=book,
            registry=Registry(database),
            signer=self._keys.statements,
            stamps=self._config.imports.stamps,
        )

    def _disclosing(self, database: Database) -> Disclosing:
        return Disclosing(database=database, registry=Registry(database), domain=self._config.domain)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Database, Logbook]]:
        with self._turn, closing(open_database(self._config.database)) as database:
            yield database, Logbook(database, {LOG: self._keys.log}, self._config.state)


def issuer(config: Config) -> Issuer:
    """How the discom names itself in credentials.

    Raises:
        CredentialRefusedError: no licence number is configured.
    """
    return Issuer(
        domain=config.domain, name=config.ies.name or config.discom, license_number=config.ies.license_number or ""
    )


def checked(content: bytes) -> MeterData:
    """A MeterData document with everything that is wrong with it.

    Raises:
        RequestRefusedError: it is no JSON.
    """
    return read(_json(content))


def read_asked(body: bytes) -> MeterDataRequest:
    """The MeterDataRequest in JSON.

    Raises:
        RequestRefusedError: it is none, with every fault.
    """
    return read_request(_json(body))


def _json(body: bytes) -> object:
    try:
        return loads_text(body)
    except JsonError as error:
        raise RequestRefusedError(f"{error}: send JSON") from error
