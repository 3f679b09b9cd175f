"""Who speaks for which meter now: keys, gateways, newest records, connection points and the ledgers' names for them.

Everything is in memory, since intake asks for every batch. `refresh` takes over what enrolment, perhaps in another program,
has stored since; intake calls it inside the transaction in which it admits, so that the newest record in the log decides.
"""

from dataclasses import dataclass

from headend.errors import FatalError
from headend.registry.dated import History, holding
from headend.store.sqlite import registry_rows
from headend.store.sqlite.database import Database
from headend.store.sqlite.registry_rows import RecordRow
from signing.envelope import parse
from signing.errors import DecodeError
from signing.keys import PublicKey, parse_cose_key
from signing.statements.meter_record import MeterRecord, Role, Speaker
from signing.topics import GatewayAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredKey:
    """A key that some enrolment brought. Being registered says nothing about any meter."""

    key: PublicKey
    address: GatewayAddress
    """Where answers to this key go, whatever topic its messages come on."""
    down: str
    """The topic of `address` for answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredMeter:
    """A meter as its newest record states it."""

    meter: int
    """Row id."""
    record: MeterRecord
    digest: bytes
    """Of the record."""
    leaf: int
    """Row id of the record's leaf."""
    speakers: dict[bytes, Speaker]
    """The record's speakers by kid."""
    chains: dict[bytes, int]
    """Row id of the chain by kid, for every key that any record of the meter ever listed."""


class Registry:
    """The registry of one database. Owned by the thread that owns the database's connection."""

    __slots__ = (
        "_aliases", "_database", "_gateways", "_keys", "_last_key", "_last_record", "_meters", "_points", "_version",
    )  # fmt: skip

    def __init__(self, database: Database) -> None:
        """Loads the registry.

        Raises:
            FatalError: a stored record or key cannot be read; with the remedy.
        """
        self._database = database
        self._keys: dict[bytes, RegisteredKey] = {}
        self._meters: dict[str, RegisteredMeter] = {}
        self._points: dict[str, set[str]] = {}
        self._gateways: dict[str, int] = {}
        self._aliases: dict[str, History[str | None]] = {}
        self._last_key = 0
        self._last_record = 0
        self._version = -1
        self.refresh()

    def refresh(self) -> None:
        """Takes over what another program stored since. Cheap when there is nothing new."""
        version = self._database.data_version()
        if version != self._version:
            self.reload()
            self._version = version

    def reload(self) -> None:
        """Takes over what was stored since, through this connection too."""
        connection = self._database.connection
        self._gateways = registry_rows.gateways(connection)
        self._aliases = registry_rows.aliases(connection)
        try:
            for row in registry_rows.keys_after(connection, self._last_key):
                key = parse_cose_key(row.cose_key)
                address = GatewayAddress(shard=row.shard, gateway=row.gateway)
                self._keys[key.kid] = RegisteredKey(key=key, address=address, down=address.down)
                self._last_key = row.key
            for record in registry_rows.newest_records_after(connection, self._last_record):
                self._take(record)
                self._last_record = max(self._last_record, record.record)
        except DecodeError as error:
            raise FatalError(f"the stored registry cannot be read ({error}): run `sakshi-headend fsck`") from error

    def key(self, kid: bytes) -> RegisteredKey | None:
        """The registered key with this thumbprint."""
        return self._keys.get(kid)

    def meter(self, name: str) -> RegisteredMeter | None:
        """The meter, or none when it has no record."""
        return self._meters.get(name)

    def meters(self) -> tuple[str, ...]:
        """Every meter that has a record, sorted."""
        return tuple(sorted(self._meters))

    def gateway(self, name: str) -> GatewayAddress | None:
        """Where a gateway is spoken to, or none when it was never enrolled."""
        shard = self._gateways.get(name)
        return None if shard is None else GatewayAddress(shard=shard, gateway=name)

    def shards(self) -> tuple[int, ...]:
        """Every shard that has a gateway, ascending."""
        return tuple(sorted(set(self._gateways.values())))

    def connection_point(self, posted_as: str, at_utc: int | None = None) -> str | None:
        """The connection point that a ledger calls `posted_as`, compared exactly: at an instant, or the latest that it named."""
        history = self.alias(posted_as)
        if at_utc is not None:
            return holding(history, at_utc)
        return next((entry.value for entry in reversed(history) if entry.value is not None), None)

    def alias(self, posted_as: str) -> History[str | None]:
        """What a ledger's id names, and since when; none from where it names nothing."""
        return self._aliases.get(posted_as, ())

    def posted_as(self, connection_point: str) -> tuple[str, ...]:
        """The ids by which ledgers ever called a connection point, sorted."""
        return tuple(
            sorted(
                alias
                for alias, history in self._aliases.items()
                if any(entry.value == connection_point for entry in history)
            )
        )

    def meters_at(self, connection_point: str) -> tuple[RegisteredMeter, ...]:
        """The meters that any fact of their newest record places at a connection point, by name."""
        return tuple(self._meters[name] for name in sorted(self._points.get(connection_point, ())))

    def companions(self, connection_point: str, at_utc: int) -> tuple[RegisteredMeter, ...]:
        """The CHECK and GENERATION meters at a connection point at an instant, by name: they are compared with, and never settle."""
        return tuple(
            meter
            for meter in self.meters_at(connection_point)
            if (fact := meter.record.fact(at_utc)) is not None
            and fact.connection_point == connection_point
            and fact.role is not Role.REVENUE
        )

    def _take(self, row: RecordRow) -> None:
        envelope = parse(row.sign1, f"record of {row.name}")
        record = MeterRecord.parse(envelope.payload)
        before = self._meters.get(row.name)
        for fact in before.record.facts if before else ():
            self._points[fact.connection_point].discard(row.name)
        for fact in record.facts:
            self._points.setdefault(fact.connection_point, set()).add(row.name)
        self._meters[row.name] = RegisteredMeter(
            meter=row.meter,
            record=record,
            digest=envelope.digest,
            leaf=row.leaf,
            speakers={speaker.key.kid: speaker for speaker in record.speakers},
            chains=registry_rows.chains_of(self._database.connection, row.meter),
        )
