"""The gateway's vault: meters' sealed keys and their counters in the state database, opened by the gateway's wrapping key.

Every change is one transaction with its line in the audit trail: when, what meter, which sealed file, who says so.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from edge_agent.counters import CounterJournal, Lease, counter_key
from edge_agent.errors import MeterKeyError
from edge_agent.meter_keys import Role, Sealed, open_wrapping_key, parse, unseal
from edge_agent.outbox.database import Database, Hook, no_hook
from edge_agent.outbox.errors import OutboxError
from edge_agent.readers.access import MeterKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKeys:
    """One meter's keys, as an operator sees them."""

    meter: str
    roles: tuple[Role, ...]
    fingerprint: bytes
    since_utc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEvent:
    """One line of the audit trail."""

    at_utc: int
    meter: str
    kind: str
    fingerprint: bytes | None
    who: str
    detail: str


class GatewayVault:
    """Implements `readers.access.Vault` and keeps what it needs. Use as a context manager; one thread.

    `wrapping` is the URI of the gateway's wrapping key, opened each time a key is needed; `now_utc` the clock, in seconds.
    """

    def __init__(self, path: Path, *, wrapping: str, now_utc: Callable[[], int], hook: Hook = no_hook) -> None:
        self._database = Database(path, hook)
        self._wrapping = wrapping
        self._now_utc = now_utc
        try:
            self._database.migrate()
        except BaseException:
            self._database.close()
            raise
        self.journal = CounterJournal(self._database)

    def __enter__(self) -> "GatewayVault":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            # On a disk that takes no more, the rest of a block is lost, as in a crash, and nothing else.
            with contextlib.suppress(OutboxError):
                self.journal.close()
        finally:
            self._database.close()

    def unlock(self, uri: str) -> MeterKeys:
        """See `Vault.unlock`."""
        return unseal(self._sealed(uri), open_wrapping_key(self._wrapping))

    def lease(self, uri: str, title: bytes) -> Lease:
        """See `Vault.lease`."""
        return self.journal.lease(self._sealed(uri).meter, self._counter_key(uri, title))

    def take_look(self, uri: str, title: bytes) -> bool:
        """See `Vault.take_look`."""
        return self.journal.take_look(self._sealed(uri).meter, self._counter_key(uri, title), now_utc=self._now_utc())

    def learn(self, uri: str, title: bytes, counter: int) -> bool:
        """See `Vault.learn`."""
        key = self._counter_key(uri, title)
        return self.journal.learn(self._sealed(uri).meter, key, counter=counter, now_utc=self._now_utc())

    def hear(self, uri: str, title: bytes, counter: int) -> bool:
        """See `CounterJournal.hear`; `title` is the meter's."""
        return self.journal.hear(self._sealed(uri).meter, self._counter_key(uri, title), counter)

    def take_in(self, sealed: Sealed, *, who: str) -> None:
        """Imports a meter's first keys, having opened them once.

        Raises:
            MeterKeyError: they are not for this gateway, or there are keys already.
        """
        if self._stored(sealed.meter) is not None:
            raise MeterKeyError(f"meter {sealed.meter} has keys already: run `sakshi-agent keys rotate`")
        self._put(sealed, "IMPORTED", who)

    def rotate(self, sealed: Sealed, *, who: str) -> None:
        """Replaces a meter's keys, having opened the new ones once; the next association uses them.

        Raises:
            MeterKeyError: they are not for this gateway, they are the same file, or there are none to replace.
        """
        stored = self._stored(sealed.meter)
        if stored is None:
            raise MeterKeyError(f"meter {sealed.meter} has no keys yet: run `sakshi-agent keys import`")
        if stored == sealed.octets:
            raise MeterKeyError(f"meter {sealed.meter} has these keys already: nothing was changed")
        self._put(sealed, "ROTATED", who)

    def forget(self, meter: str, *, who: str) -> None:
        """Deletes a meter's keys. What was noted of their counters stays: they may come back.

        Raises:
            MeterKeyError: there are none.
        """
        stored = self._stored(meter)
        if stored is None:
            raise MeterKeyError(f"meter {meter} has no keys")
        with self._database.transaction("keys"):
            self._database.run("DELETE FROM meter_key WHERE meter = ?", meter)
            self._note(parse(stored, meter), "FORGOTTEN", who)

    def stored(self) -> list[StoredKeys]:
        """Every meter's keys."""
        rows = self._database.all("SELECT meter, sealed, since_utc FROM meter_key ORDER BY meter")
        found = []
        for meter, octets, since_utc in cast("list[tuple[str, bytes, int]]", rows):
            sealed = parse(octets, meter)
            roles = tuple(sealed.ciphertexts)
            found.append(StoredKeys(meter=meter, roles=roles, fingerprint=sealed.fingerprint, since_utc=since_utc))
        return found

    def events(self) -> list[KeyEvent]:
        """The audit trail, oldest first."""
        rows = self._database.all(
            "SELECT at_utc, meter, kind, fingerprint, who, detail FROM meter_key_event ORDER BY number"
        )
        return [
            KeyEvent(at_utc=at_utc, meter=meter, kind=kind, fingerprint=fingerprint, who=who, detail=detail)
            for at_utc, meter, kind, fingerprint, who, detail in cast(
                "list[tuple[int, str, str, bytes | None, str, str]]", rows
            )
        ]

    def accept_counter(self, meter: str, *, who: str) -> int:
        """See `CounterJournal.accept_lower`."""
        return self.journal.accept_lower(meter, who=who, now_utc=self._now_utc())

    def _put(self, sealed: Sealed, kind: str, who: str) -> None:
        unseal(sealed, open_wrapping_key(self._wrapping))
        with self._database.transaction("keys"):
            self._database.run(
                "INSERT INTO meter_key (meter, sealed, since_utc) VALUES (?, ?, ?) "
                "ON CONFLICT (meter) DO UPDATE SET sealed = excluded.sealed, since_utc = excluded.since_utc",
                sealed.meter,
                sealed.octets,
                self._now_utc(),
            )
            self._note(sealed, kind, who)

    def _note(self, sealed: Sealed, kind: str, who: str) -> None:
        self._database.run(
            "INSERT INTO meter_key_event (at_utc, meter, kind, fingerprint, who, detail) VALUES (?, ?, ?, ?, ?, ?)",
            self._now_utc(),
            sealed.meter,
            kind,
            sealed.fingerprint,
            who,
            ", ".join(role.value for role in sealed.ciphertexts),
        )

    def _stored(self, meter: str) -> bytes | None:
        row = self._database.first("SELECT sealed FROM meter_key WHERE meter = ?", meter)
        return None if row is None else cast("bytes", row[0])

    def _sealed(self, uri: str) -> Sealed:
        scheme, _, rest = uri.partition(":")
        if scheme == "file":
            return read_sealed(Path(rest))
        octets = self._stored(rest)
        if octets is None:
            raise MeterKeyError(f"there are no keys of meter {rest}: run `sakshi-agent keys import`")
        return parse(octets, uri)

    def _counter_key(self, uri: str, title: bytes) -> bytes:
        keys = self.unlock(uri)
        if keys.encryption is None:
            raise MeterKeyError(f"expected a key of the role 'encryption' in '{uri}', got none: import it")
        return counter_key(keys.encryption.reveal(), title)


def read_sealed(path: Path) -> Sealed:
    """The sealed file at `path`.

    Raises:
        MeterKeyError: it cannot be read, or is none.
    """
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise MeterKeyError(f"cannot read sealed keys '{path}' ({error.strerror}): check the path") from None
