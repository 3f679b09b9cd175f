"""The way out for Beckn messages: one signed POST, one attempt, and what the other side said to it at once.

Whoever owns the outbox retries: a lost answer says nothing, and the same ``on_status`` again overwrites itself.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

from ledger_client.beckn.ack import Ack, read_ack
from ledger_client.beckn.context import is_callable
from ledger_client.http import DEFAULT_TIMEOUT_S, FreshSigner, PeerClocks, no_answer, open_client, read_bounded
from ledger_client.ledger import LedgerError, LedgerProtocolError, LedgerRefusedError, LedgerUnavailableError
from ledger_client.signature import HttpSigner, KeyLookup, SignatureError, parse_header, verify

MAX_ACK_BYTES = 64 * 1024
"""Largest synchronous answer read."""

_RETRY_STATUS = frozenset({401, 408, 425, 429})
_FINAL_CODE = "AUT_UNAUTHORIZED_ACTION"
"""The one code of its family that no moment and no new signature changes: the ids or the network are wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReceipt:
    """The other side's ACK, and the bytes and the signature that prove it."""

    ack: Ack
    body: bytes
    """The raw answer."""
    signature: str | None
    """Its ``Signature`` header, not verified here; None where it sent none."""
    request_signature: str
    """The ``Authorization`` header that was sent: the fourth line of `signature` names its signature."""

    def is_signed(self, keys: KeyLookup, *, now: int) -> bool:
        """Whether the ACK is signed, over this very push, by a key of `keys`. Source: beckn-onix warns where it is not."""
        quoted = parse_header(self.request_signature).signature_text
        try:
            header = verify(self.signature, self.body, now=now, keys=keys, request_signature=quoted)
        except SignatureError:
            return False
        return header.names_request


class BecknPusher:
    """Sends Beckn messages. Owns its connections; safe to use from several threads."""

    def __init__(
        self,
        *,
        signer: HttpSigner,
        now: Callable[[], int],
        timeout_s: float = DEFAULT_TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._signer = FreshSigner(signer, now)
        self._now = now
        self._timeout_s = timeout_s
        self._client = open_client(timeout_s, tls)
        self._clocks = PeerClocks(self._client, now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close connections; nothing may be pushed afterwards."""
        self._client.close()

    def push(self, url: str, body: bytes, *, request_signature: str | None = None) -> PushReceipt:
        """One signed POST of `body` to `url`, e.g. `Context.callback_url`; the other side said ACK.

        Three lines are signed, which every receiver takes. `request_signature` (base64) signs the fourth, for one that asks for it.

        Raises:
            LedgerUnavailableError: no answer, or one that says "later": push the same again.
            LedgerRefusedError: a NACK that will be one again, with the network's code.
            LedgerProtocolError: the URL may not be called, or what answers there speaks no Beckn.
        """
        if not is_callable(url):
            raise LedgerProtocolError(
                "expected https://host[:port]/path, or http to this machine, in the callback address"
            )
        self._clocks.require_right(url)
        headers = self._signer.headers(body, request_signature)
        sent = self._now()
        try:
            with self._client.stream("POST", url, content=body, headers=headers) as answer:
                self._clocks.heard(url, sent, answer.headers.get("Date"))
                status, content = answer.status_code, read_bounded(answer, self._timeout_s, MAX_ACK_BYTES)
                signature = answer.headers.get("Signature")
        except httpx.HTTPError as error:
            raise LedgerUnavailableError(no_answer(url, error)) from error
        return PushReceipt(
            ack=_accepted(status, content),
            body=content,
            signature=signature,
            request_signature=headers["Authorization"],
        )


def _accepted(status: int, body: bytes) -> Ack:
    """The ACK in an answer; an answer that is none raises what the caller does next."""
    try:
        ack = read_ack(body)
    except LedgerProtocolError as error:
        raise _not_understood(status, error) from error
    if ack.is_ack and 200 <= status < 300:
        return ack
    if ack.is_ack:
        raise _not_understood(status, LedgerProtocolError(f"HTTP {status} says that it failed, its body says ACK"))
    # Codes of these families are about the way, the moment or the key, as HTTP 401 and 5xx are: nothing is wrong with the message.
    is_later = ack.code.startswith(("NET_", "AUT_")) or status >= 500 or status in _RETRY_STATUS
    if is_later and ack.code != _FINAL_CODE:
        raise LedgerUnavailableError(f"HTTP {status}: {ack.code or 'NACK'}: {ack.message}")
    place = f" in '{ack.path}'" if ack.path else ""
    raise LedgerRefusedError(ack.code or f"HTTP_{status}", (ack.message or "NACK") + place)


def _not_understood(status: int, error: LedgerError) -> LedgerError:
    """What an answer without an ACK or NACK is, by its HTTP status."""
    if status >= 500 or status in _RETRY_STATUS:
        return LedgerUnavailableError(f"HTTP {status} without a NACK")
    if 400 <= status < 500 and status != 404:
        return LedgerRefusedError(f"HTTP_{status}", "refused without a NACK")
    return LedgerProtocolError(f"HTTP {status}: {error}: check the callback address")
