"""Telling people: by e-mail and by webhook. A message that did not go is sent again, whole, until it went.

A webhook's body is JSON, ``Sakshi-Signature: t=<UTC seconds>,v1=<hex>`` is HMAC-SHA256 over ``<t>.<body>``: whoever receives it can tell ours from
anybody's, and an old one from a new one.
"""

import hashlib
import hmac
import json
import smtplib
import ssl
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Protocol

import httpx

from headend.duties.alerts import Alert, message
from headend.errors import FatalError, UnavailableError
from headend.settings.alerts import AlertSettings, EmailSettings, Security, WebhookSettings
from signing.interval import utc_text

_TIMEOUT_S = 20


class MessageUnsentError(UnavailableError):
    """Nobody was told: try again later."""


class Messenger(Protocol):
    """One way to tell people."""

    def tell(self, discom: str, alerts: Iterable[Alert], now_utc: int) -> None:
        """Tells of `alerts` in one message.

        Raises:
            MessageUnsentError: it did not go, or nobody knows whether it did.
        """


class Email:
    """By a mail server."""

    def __init__(self, settings: EmailSettings) -> None:
        """Reads the password.

        Raises:
            FatalError: it cannot be read, with the remedy.
        """
        self._settings = settings
        self._password = None if settings.password is None else secret(settings.password)

    def tell(self, discom: str, alerts: Iterable[Alert], now_utc: int) -> None:
        """Sends one e-mail. Raises `MessageUnsentError`."""
        settings = self._settings
        letter = EmailMessage()
        subject, body = message(discom, alerts)
        letter["Subject"], letter["From"], letter["To"] = subject, settings.sender, ", ".join(settings.recipients)
        letter["Date"] = format_datetime(datetime.fromtimestamp(now_utc, UTC))
        letter["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2])
        letter.set_content(body)
        try:
            with self._connected() as server:
                if settings.username is not None and self._password is not None:
                    server.login(settings.username, self._password)
                server.send_message(letter)
        except (OSError, smtplib.SMTPException) as error:
            raise MessageUnsentError(
                f"the mail server {settings.server} did not take it ({type(error).__name__}): see [alerts.email]"
            ) from error

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        if settings.security is Security.TLS:
            return smtplib.SMTP_SSL(
                settings.server, settings.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
            )
        server = smtplib.SMTP(settings.server, settings.port, timeout=_TIMEOUT_S)
        if settings.security is Security.STARTTLS:
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                with suppress(OSError):
                    server.close()
                raise
        return server


class Webhook:
    """By a post to an address."""

    def __init__(self, settings: WebhookSettings) -> None:
        """Reads the secret.

        Raises:
            FatalError: it cannot be read, with the remedy.
        """
        self._settings = settings
        self._secret = secret(settings.secret).encode()

    def tell(self, discom: str, alerts: Iterable[Alert], now_utc: int) -> None:
        """Posts one message. Raises `MessageUnsentError`."""
        body = json.dumps({"discom": discom, "alerts": [_fields(alert) for alert in alerts]}).encode()
        try:
            post_signed(self._settings.url, self._secret, body, now_utc)
        except MessageUnsentError as error:
            raise MessageUnsentError(f"{error}: see [alerts.webhook]") from error


def post_signed(url: str, key: bytes, body: bytes, now_utc: int) -> None:
    """Posts JSON with the proof of who posts it and when.

    Raises:
        MessageUnsentError: there was no answer, or none of success.
    """
    headers = {"Content-Type": "application/json", "Sakshi-Signature": signature(key, now_utc, body)}
    try:
        # What it says beside its status is not read: one that never ends its answer would keep everybody else from being told.
        with httpx.stream("POST", url, content=body, headers=headers, timeout=_TIMEOUT_S) as answer:
            status, is_success = answer.status_code, answer.is_success
    except httpx.HTTPError as error:
        raise MessageUnsentError(f"the webhook does not answer ({type(error).__name__})") from error
    if not is_success:
        raise MessageUnsentError(f"the webhook answers {status}")


def messengers(settings: AlertSettings) -> tuple[Messenger, ...]:
    """Every way that is configured.

    Raises:
        FatalError: a secret cannot be read, with the remedy.
    """
    found: list[Messenger] = []
    if settings.email is not None:
        found.append(Email(settings.email))
    if settings.webhook is not None:
        found.append(Webhook(settings.webhook))
    return tuple(found)


def signature(key: bytes, now_utc: int, body: bytes) -> str:
    """What proves to a webhook who posts and when."""
    return f"t={now_utc},v1={hmac.new(key, f'{now_utc}.'.encode() + body, hashlib.sha256).hexdigest()}"


def secret(uri: str) -> str:
    """The secret behind ``file:PATH``, without the line's end.

    Raises:
        FatalError: it cannot be read or is empty; the message never holds it.
    """
    place = uri.removeprefix("file:")
    try:
        found = Path(place).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FatalError(f"cannot read the secret in '{place}' ({type(error).__name__}): correct [alerts]") from error
    if not found:
        raise FatalError(f"the secret in '{place}' is empty: write one")
    return found


def _fields(alert: Alert) -> dict[str, object]:
    trouble = alert.trouble
    return {
        "number": alert.number,
        "kind": trouble.kind.value,
        "about": trouble.about,
        "text": trouble.text,
        "opened": utc_text(alert.opened_utc),
        "closed": None if alert.closed_utc is None else utc_text(alert.closed_utc),
    }
