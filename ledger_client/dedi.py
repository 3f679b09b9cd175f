"""The network's registry, DeDi, as a directory: one look-up over HTTP per key, remembered for a while.

Source: beckn-onix dediregistry: ``GET <base>/<subscriber>/subscribers.beckn.one/<key>``, without authentication. Unlike there,
``is_revoked`` is read: a revoked key is none.
"""

import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx

from ledger_client.beckn.context import is_callable
from ledger_client.beckn.directory import DirectoryUnavailableError, Subscriber
from ledger_client.exact_json import JsonError, loads
from ledger_client.foreign_fields import json_object, optional_text, text
from ledger_client.http import no_answer, open_client, read_bounded
from ledger_client.ledger import LedgerError, LedgerProtocolError
from ledger_client.signature import KeyId, SignatureError, public_key

DEFAULT_BASE = "https://fabric.nfh.global/registry/dedi/lookup"
REGISTRY = "subscribers.beckn.one"

DEFAULT_TTL_S = 300
"""How long a found key is believed, seconds: so long a revocation may take to be noticed."""

MISSING_TTL_S = 30
"""How long it is believed that there is no such key, seconds: a new one is in use soon after it was registered."""

MAX_REMEMBERED = 10_000
DEFAULT_TIMEOUT_S = 10.0
"""For one look-up, seconds: an asker waits 30 s for its ACK."""

_MAX_ANSWER_BYTES = 256 * 1024


def read_lookup(body: bytes, key_id: KeyId) -> Subscriber:
    """The subscriber in a 200 answer.

    Raises:
        LedgerProtocolError: it is not understood, or speaks of somebody else.
    """
    try:
        data = json_object(json_object(loads(body), "answer").get("data"), "data")
        details = json_object(data.get("details"), "data.details")
        key = public_key(text(details, "signing_public_key"))
    except (JsonError, SignatureError) as error:
        raise LedgerProtocolError(f"the registry's answer is not understood: {error}") from error
    named = optional_text(details, "subscriber_id")
    if named not in (None, key_id.subscriber_id):
        raise LedgerProtocolError(f"asked for {key_id.subscriber_id}, the registry answered for {named!r:.120}")
    memberships = data.get("network_memberships", details.get("network_memberships"))
    return Subscriber(
        key_id=key_id,
        key=key,
        networks=frozenset(_networks(memberships)),
        is_revoked=_is_revoked(data) or _is_revoked(details),
        url=_url(details),
    )


def _networks(value: object) -> list[str]:
    """The networks in a list of texts, or of objects that name one."""
    found = []
    for entry in value if isinstance(value, list) else []:
        fields = entry if isinstance(entry, dict) else {"network_id": entry}
        name = optional_text(fields, "network_id") or optional_text(fields, "networkId")
        found += [name] if name else []
    return found


def _is_revoked(fields: Mapping[str, object]) -> bool:
    """Whether the registry says so; whatever is not plainly "no" is a yes."""
    return fields.get("is_revoked") not in (None, False, "false")


def _url(details: Mapping[str, object]) -> str | None:
    url = optional_text(details, "subscriber_url") or optional_text(details, "url")
    return url if url is not None and is_callable(url) else None


@dataclass(frozen=True, slots=True)
class _Remembered:
    subscriber: Subscriber | None
    until: int


class DediDirectory:
    """A `Directory` behind DeDi. Owns its connections; safe to use from several threads."""

    def __init__(
        self,
        base: str = DEFAULT_BASE,
        *,
        now: Callable[[], int],
        ttl_s: int = DEFAULT_TTL_S,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if not is_callable(base):
            raise LedgerProtocolError(
                "expected https://host[:port]/path, or http to this machine, as the registry's base"
            )
        self._base = base.rstrip("/")
        self._now = now
        self._ttl_s = ttl_s
        self._timeout_s = timeout_s
        self._client = open_client(timeout_s, tls)
        self._remembered: dict[KeyId, _Remembered] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close connections; nothing may be looked up afterwards."""
        self._client.close()

    def subscriber(self, key_id: KeyId) -> Subscriber | None:
        """The registered key, at most `ttl_s` old; see `Directory.subscriber`."""
        now = self._now()
        with self._lock:
            known = self._remembered.get(key_id)
        if known is not None and now < known.until:
            return known.subscriber
        found = self._looked_up(key_id)
        until = now + (min(MISSING_TTL_S, self._ttl_s) if found is None else self._ttl_s)
        with self._lock:
            if len(self._remembered) >= MAX_REMEMBERED:
                # Strangers' names fill it, not the few peers of a discom: those are soon looked up again.
                self._remembered.clear()
            self._remembered[key_id] = _Remembered(found, until)
        return found

    def _looked_up(self, key_id: KeyId) -> Subscriber | None:
        """What the registry says now."""
        url = f"{self._base}/{quote(key_id.subscriber_id, safe='')}/{REGISTRY}/{quote(key_id.unique_key_id, safe='')}"
        try:
            with self._client.stream("GET", url) as answer:
                status = answer.status_code
                body = read_bounded(answer, self._timeout_s, _MAX_ANSWER_BYTES) if status == 200 else b""
        except httpx.HTTPError as error:
            raise DirectoryUnavailableError(no_answer(self._base, error)) from error
        except LedgerError as error:
            raise DirectoryUnavailableError(str(error)) from error
        if status == 404:
            return None
        if status != 200:
            raise DirectoryUnavailableError(f"HTTP {status} from {self._base}: check the registry's address")
        try:
            return read_lookup(body, key_id)
        except LedgerProtocolError as error:
            raise DirectoryUnavailableError(str(error)) from error
