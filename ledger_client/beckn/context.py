"""The context of a Beckn message: who asks whom, in which network, under which ids."""

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from ledger_client.beckn.fields import Fields, joined, object_in, rough_seconds, text_in
from ledger_client.beckn.refusal import Code, refused
from signing.interval import utc_text

VERSION = "2.0.0"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Action(Enum):
    """The two actions of the wave-2 flow that reach a discom or leave it."""

    STATUS = "status"
    ON_STATUS = "on_status"


class Identifiers(Enum):
    """Which transaction and message ids are taken. What this node makes are always UUIDs."""

    ANY = "any"
    """Any text: the published examples use ids such as ``sdiscom-allocate-001``."""
    UUID = "uuid"
    """UUIDs only, as the core schema says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One message's context. `bap_*` is the side that asks (the ledger provider), `bpp_*` the side that answers (the discom)."""

    action: Action
    network_id: str
    bap_id: str
    bap_uri: str
    """Where an ``on_status`` goes, without the action, e.g. ``https://ledger.example.org/bap/receiver``."""
    bpp_id: str
    bpp_uri: str
    transaction_id: str
    """Constant over one exchange."""
    message_id: str
    """The same in a ``status`` and its ``on_status``, however often it is answered."""

    @property
    def caller_id(self) -> str:
        """Who must have signed the message: who asks in a ``status``, who answers in an ``on_status``."""
        return self.bap_id if self.action is Action.STATUS else self.bpp_id

    @property
    def callback_url(self) -> str:
        """Where the ``on_status`` that answers is sent."""
        return f"{self.bap_uri.rstrip('/')}/{Action.ON_STATUS.value}"


def read_context(envelope: Fields, action: Action, identifiers: Identifiers = Identifiers.ANY) -> Context:
    """The context of a message that was sent to the address of `action`.

    Raises:
        RefusedError: with a ``SCH_`` code and the field's path.
    """
    fields, path = object_in(envelope, "context", ""), "context"
    for name, wanted in (("version", VERSION), ("action", action.value)):
        if text_in(fields, name, path) != wanted:
            raise refused(Code.INVALID_ENUM, f"expected {wanted!r}, got {fields[name]!r:.60}", joined(path, name))
    rough_seconds(text_in(fields, "timestamp", path), "context.timestamp")
    return Context(
        action=action,
        network_id=text_in(fields, "networkId", path),
        bap_id=text_in(fields, "bapId", path),
        bap_uri=_uri(fields, "bapUri"),
        bpp_id=text_in(fields, "bppId", path),
        bpp_uri=_uri(fields, "bppUri"),
        transaction_id=_identifier(fields, "transactionId", identifiers),
        message_id=_identifier(fields, "messageId", identifiers),
    )


def message_id_of(envelope: Fields) -> str | None:
    """The id to name in an answer to a message that may be wrong in everything else; None where it has none that can be."""
    context = envelope.get("context")
    found = context.get("messageId") if isinstance(context, dict) else None
    return found if isinstance(found, str) and re.fullmatch(r"[\x21-\x7e]{1,128}", found) else None


def _identifier(fields: Fields, name: str, identifiers: Identifiers) -> str:
    value = text_in(fields, name, "context")
    if identifiers is Identifiers.UUID and not is_uuid(value):
        raise refused(Code.INVALID_FORMAT, "expected a UUID", f"context.{name}")
    return value


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in its usual spelling."""
    return _UUID.fullmatch(text) is not None


def _uri(fields: Fields, name: str) -> str:
    value = text_in(fields, name, "context")
    if not is_callable(value):
        raise refused(Code.INVALID_FORMAT, "expected https://host[:port][/path]", f"context.{name}")
    return value


def is_callable(uri: str) -> bool:
    """Whether this node may call `uri`: HTTPS, or HTTP to this machine; no credentials, query or fragment."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or parts.query or parts.fragment or not re.fullmatch(r"[\x21-\x7e]+", uri):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def host_of(uri: str) -> str:
    """The host of `uri`, in lower case; empty where it has none."""
    return urlsplit(uri).hostname or ""


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def context_fields(context: Context, now: int) -> dict[str, object]:
    """`context` as it is written at `now`, UTC seconds."""
    return {
        "networkId": context.network_id,
        "version": VERSION,
        "action": context.action.value,
        "bapId": context.bap_id,
        "bapUri": context.bap_uri,
        "bppId": context.bpp_id,
        "bppUri": context.bpp_uri,
        "transactionId": context.transaction_id,
        "messageId": context.message_id,
        "timestamp": utc_text(now),
    }
