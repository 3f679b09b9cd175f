"""``[alerts]``: what people are told of, and how.

::

    [alerts]
    silent_after_s = 7200
    disk_free_mib = 1024
    certificate_days = 14
    component_after_s = 120
    [alerts.email]
    server = "smtp.discom.example"
    port = 587
    security = "starttls"                  # or "tls"; "none" to this machine only
    username = "sakshi"
    password = "file:keys/smtp"
    from = "sakshi@discom.example"
    to = ["duty@discom.example"]
    [alerts.webhook]
    url = "https://desk.discom.example/sakshi"
    secret = "file:keys/webhook"           # HMAC-SHA256 of what is sent
"""

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from signing.tables import Table

_ADDRESS = re.compile(r"[^@\s,<>]{1,64}@[^@\s,<>]{1,255}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Security(Enum):
    """How the way to the mail server is protected."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSettings:
    """A mail server and whom it tells."""

    server: str
    port: int
    security: Security
    username: str | None
    password: str | None
    """URI of the password, `file:PATH`."""
    sender: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """An address that is posted to."""

    url: str
    secret: str
    """URI of the secret, `file:PATH`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """What is a trouble, and who hears of it. Without e-mail and webhook the console and the log still show it."""

    silent_after_s: int
    """A gateway is silent when the newest block of all of its meters ended longer ago."""
    disk_free_mib: int
    certificate_days: int
    component_after_s: int
    """A part of the program is a trouble when it has not worked for so long."""
    email: EmailSettings | None
    webhook: WebhookSettings | None


def alerts(table: Table, base: Path) -> AlertSettings:
    """The section; every key has a default. Relative paths are under `base`."""
    return AlertSettings(
        silent_after_s=table.integer("silent_after_s", least=900, most=30 * 86_400, default=7200),
        disk_free_mib=table.integer("disk_free_mib", least=0, most=2**31, default=1024),
        certificate_days=table.integer("certificate_days", least=0, most=365, default=14),
        component_after_s=table.integer("component_after_s", least=0, most=86_400, default=120),
        email=_email(table.table("email"), base) if table.has("email") else None,
        webhook=webhook(table.table("webhook"), base) if table.has("webhook") else None,
    )


def _email(table: Table, base: Path) -> EmailSettings:
    word = table.text("security", default=Security.STARTTLS.value)
    kinds = {kind.value: kind for kind in Security}
    if word not in kinds:
        table.faults.add(table.key("security"), f"expected one of {', '.join(kinds)}, got {word!r:.40}")
    server = table.text("server")
    security = kinds.get(word, Security.STARTTLS)
    if security is Security.NONE and server not in _LOOPBACK:
        table.faults.add(table.key("security"), "expected tls or starttls: without them only this machine is spoken to")
    username = table.optional_text("username")
    password = _secret(table, "password", base) if table.has("password") else None
    if (username is None) != (password is None):
        table.faults.add(table.key("username"), "expected both username and password, or neither")
    recipients = table.texts("to", least=1)
    sender = table.text("from")
    for name, address in (("from", sender), *(("to", one) for one in recipients)):
        if not _ADDRESS.fullmatch(address):
            table.faults.add(table.key(name), f"expected an address such as duty@discom.example, got {address!r:.80}")
    found = EmailSettings(
        server=server,
        port=table.integer("port", least=1, most=65_535, default=587),
        security=security,
        username=username,
        password=password,
        sender=sender,
        recipients=recipients,
    )
    table.close()
    return found


def webhook(table: Table, base: Path) -> WebhookSettings:
    """An address and its secret; the table is closed."""
    url = table.text("url")
    parts = urlsplit(url)
    is_here = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if parts.username or not parts.hostname or not (parts.scheme == "https" or is_here):
        table.faults.add(
            table.key("url"), "expected https://host/path without a user: plain HTTP reaches this machine only"
        )
    found = WebhookSettings(url=url, secret=_secret(table, "secret", base))
    table.close()
    return found


def _secret(table: Table, name: str, base: Path) -> str:
    scheme, separator, rest = table.text(name).partition(":")
    if not separator or scheme != "file":
        table.faults.add(table.key(name), "expected file:PATH, never the secret itself")
    return f"file:{base / rest}"
