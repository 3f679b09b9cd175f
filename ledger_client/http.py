"""The transport to a ledger: signed POSTs over HTTP to one pinned host, bounded in time and size.

No redirect is followed, no proxy is taken from the environment, TLS certificates are verified, and plain HTTP reaches
this machine only. One call is one attempt: whoever owns the outbox retries.
"""

import itertools
import secrets
import ssl
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Self

import httpx

from ledger_client import deg
from ledger_client.beckn.context import is_loopback
from ledger_client.clock_offset import Offset, offset
from ledger_client.contract import Contract, WriteReceipt
from ledger_client.ledger import (
    Confirmation,
    LedgerProtocolError,
    LedgerUnavailableError,
    Listing,
    Posting,
    Receipt,
    Trade,
    TradeQuery,
    UnreadableRecord,
)
from ledger_client.recording import RecordConfirmation, RecordPosting
from ledger_client.signature import DEFAULT_LIFETIME_S, HttpSigner, digest_header

DEFAULT_TIMEOUT_S = 30.0
"""For one whole exchange, seconds. Source: DEG raised its own limits to 30 s after cold caches broke 5 s."""

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Largest answer read: a page of 500 records is below 1 MiB."""

MAX_PAGES = 2000
"""Pages read for one query, a million rows: a ledger that never ends is not understood."""

_VARIED_S = 240


class FreshSigner:
    """Signs requests, never twice the same.

    Ed25519 is deterministic, so the same body in the same second would give the same signature, and a receiver that keeps a
    replay cache would refuse an honest retry: each request takes another lifetime.
    """

    def __init__(self, signer: HttpSigner, now: Callable[[], int]) -> None:
        self._signer = signer
        self._now = now
        self._turns = itertools.count(secrets.randbelow(_VARIED_S))

    def headers(self, body: bytes, request_signature: str | None = None) -> dict[str, str]:
        """The headers of a signed POST of `body`; four lines are signed where the answered request's signature is given."""
        created = self._now()
        expires = created + DEFAULT_LIFETIME_S - next(self._turns) % _VARIED_S
        signed = self._signer.sign(body, created=created, expires=expires, request_signature=request_signature)
        return {"Content-Type": "application/json", "Authorization": signed, "Digest": digest_header(body)}


def open_client(timeout_s: float, tls: ssl.SSLContext | None) -> httpx.Client:
    """A client that follows no redirect and takes nothing from the environment; `tls` replaces the system's trust."""
    return httpx.Client(
        verify=True if tls is None else tls,
        timeout=timeout_s,
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "sakshi-ledger", "Accept-Encoding": "identity"},
    )


def read_bounded(answer: httpx.Response, timeout_s: float, most_bytes: int = MAX_ANSWER_BYTES) -> bytes:
    """The raw body of a streamed answer, within the size and the time that one exchange may take.

    Raises:
        LedgerProtocolError: it is longer, or encoded.
        LedgerUnavailableError: it took longer.
    """
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise LedgerProtocolError("expected an answer without Content-Encoding")
    # The client's own limit is per read; a body that trickles in needs a limit on the whole.
    deadline = monotonic() + timeout_s
    content = bytearray()
    for chunk in answer.iter_raw():
        content += chunk
        if len(content) > most_bytes:
            raise LedgerProtocolError(f"expected an answer of at most {most_bytes} bytes")
        if monotonic() > deadline:
            raise LedgerUnavailableError(f"the answer took longer than {timeout_s} s")
    return bytes(content)


def no_answer(url: str, error: httpx.HTTPError) -> str:
    """Why `url` gave none. httpx's texts name hosts and causes (a certificate, a port), never bodies or headers."""
    return f"no answer from {url}: " + f"{type(error).__name__}: {error}"[:300]


class PeerClocks:
    """This computer's clock against those of the peers that one client signs for. Safe to use from several threads."""

    def __init__(self, client: httpx.Client, now: Callable[[], int]) -> None:
        self._client = client
        self._now = now
        self._offsets: dict[str, Offset | None] = {}

    def measure(self, url: str) -> Offset | None:
        """How far the clock is from the peer's, by an unsigned request; none where the peer states no time.

        Raises:
            LedgerUnavailableError: no answer.
        """
        sent = self._now()
        try:
            with self._client.stream("HEAD", _origin(url) + "/") as answer:
                self.heard(url, sent, answer.headers.get("Date"))
        except httpx.HTTPError as error:
            raise LedgerUnavailableError(no_answer(_origin(url), error)) from error
        return self._offsets[_origin(url)]

    def heard(self, url: str, sent_utc: int, date: str | None) -> None:
        """Notes what an answer's ``Date`` says of the clock."""
        self._offsets[_origin(url)] = offset(sent_utc, self._now(), date)

    def require_right(self, url: str) -> None:
        """That nothing is signed by a clock that the peer's last answer showed to be wrong, and that still is.

        Raises:
            LedgerUnavailableError: it is.
        """
        known = self._offsets.get(_origin(url))
        if known is None or not known.is_apart:
            return
        found = self.measure(url)
        if found is not None and found.is_apart:
            raise LedgerUnavailableError(f"{found.words}: nothing is signed by it; set it by a time service")


def clock_offset(url: str, now: Callable[[], int], *, timeout_s: float) -> Offset | None:
    """How far this computer's clock is from that of the server at `url`; see `PeerClocks.measure`."""
    with open_client(timeout_s, None) as client:
        return PeerClocks(client, now).measure(url)


def _origin(url: str) -> str:
    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"


class Channel:
    """Signed POSTs to one ledger. Owns its connections; safe to use from several threads."""

    def __init__(
        self,
        base_url: str,
        *,
        signer: HttpSigner,
        now: Callable[[], int],
        timeout_s: float = DEFAULT_TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._base_url = base_url
        self._signer = FreshSigner(signer, now)
        self._now = now
        self._timeout_s = timeout_s
        self._client = open_client(timeout_s, tls)
        self._clocks = PeerClocks(self._client, now)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def measure_clock(self) -> Offset | None:
        """How far this computer's clock is from the ledger's; see `PeerClocks.measure`."""
        return self._clocks.measure(self._base_url)

    def call(self, path: str, body: bytes) -> bytes:
        """The body of the 200 answer to a signed POST of `body`.

        Raises:
            LedgerError: by what the caller does next.
        """
        url = self._base_url + path
        self._clocks.require_right(url)
        sent = self._now()
        try:
            with self._client.stream("POST", url, content=body, headers=self._signer.headers(body)) as answer:
                self._clocks.heard(url, sent, answer.headers.get("Date"))
                status, content = answer.status_code, read_bounded(answer, self._timeout_s, MAX_ANSWER_BYTES)
        except httpx.HTTPError as error:
            raise LedgerUnavailableError(no_answer(url, error)) from error
        if status == 200:
            return content
        raise deg.refusal(status, content)


def _listing(channel: Channel, query: TradeQuery) -> Listing:
    """Every row that `query` finds, each once, to the last page."""
    trades: dict[tuple[str, str], Trade] = {}
    unreadable: dict[UnreadableRecord, None] = {}
    offset = 0
    for _ in range(MAX_PAGES):
        page = deg.read_page(channel.call(deg.GET, deg.get_request(query, offset)))
        trades.update({(trade.transaction_id, trade.order_item_id): trade for trade in page.trades})
        unreadable.update(dict.fromkeys(page.unreadable))
        offset += page.rows
        # "count" is the number of rows in this page: only a short page ends the list.
        if page.rows < query.page_size:
            return Listing(trades=tuple(trades.values()), unreadable=tuple(unreadable))
    raise LedgerProtocolError(f"expected a short page within {MAX_PAGES} pages")


class _HttpClient:
    """What a discom's and a platform's client share: a channel, reading, and closing."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close connections; nothing may be called afterwards."""
        self._channel.close()

    def clock_offset(self) -> Offset | None:
        """How far this computer's clock is from the ledger's; see `Channel.measure_clock`."""
        return self._channel.measure_clock()

    def listing(self, query: TradeQuery) -> Listing:
        """Every row visible to this caller that `query` finds; see `Ledger.listing`."""
        return _listing(self._channel, query)

    def trades(self, query: TradeQuery) -> tuple[Trade, ...]:
        """The readable part of `listing`."""
        return self.listing(query).trades


class HttpLedger(_HttpClient):
    """A `RecordingLedger` behind the DEG Ledger API 0.4.0."""

    def post(self, posting: Posting) -> Receipt:
        """Post one actual; see `Ledger.post`."""
        return deg.read_receipt(self._channel.call(deg.ALLOCATE, deg.allocate_request(posting)))

    def confirm(self, posting: Posting, receipt: Receipt) -> Confirmation:
        """The rows of this meter and window read back and compared; see `Ledger.confirm`."""
        window = posting.window
        rows: dict[tuple[str, str], Trade] = {}
        for buyer_id, seller_id in ((posting.meter_id, None), (None, posting.meter_id)):
            query = TradeQuery(
                buyer_id=buyer_id,
                seller_id=seller_id,
                delivery_start_from_utc=window.start_utc,
                delivery_start_to_utc=window.start_utc,
            )
            rows.update({(trade.transaction_id, trade.order_item_id): trade for trade in self.trades(query)})
        return Confirmation.compared(posting, receipt, rows.values())

    def record(self, posting: RecordPosting) -> WriteReceipt:
        """Write one side of one trade; see `RecordingLedger.record`."""
        return deg.read_write_receipt(self._channel.call(deg.RECORD, deg.record_request(posting)))

    def confirm_record(self, posting: RecordPosting) -> RecordConfirmation:
        """The row read back and compared; see `RecordingLedger.confirm_record`."""
        query = TradeQuery(transaction_id=posting.transaction_id, order_item_id=posting.order_item_id)
        return RecordConfirmation.compared(posting, self.trades(query))


class HttpPlatformLedger(_HttpClient):
    """The ledger as a trading platform uses it. Discoms MUST NOT hold one: they never put."""

    def put(self, contract: Contract) -> WriteReceipt:
        """Put this platform's statement of a trade. The same again has no second effect.

        Raises:
            LedgerUnavailableError: put the same again.
            LedgerRefusedError: among others PRC_CONFLICT, when it contradicts what the other platform put.
            LedgerProtocolError: the answer is not understood.
        """
        return deg.read_write_receipt(self._channel.call(deg.PUT, deg.put_request(contract)))


LEDGERS = {"deg+http": "http", "deg+https": "https"}
"""URL schemes of ledgers, and what they speak underneath."""


def base_url(url: str) -> str:
    """The HTTP base address behind a ledger URL, without a trailing slash.

    Raises:
        LedgerProtocolError: an unknown scheme, credentials or a query in it, or plain HTTP to another machine.
    """
    scheme, separator, rest = url.partition("://")
    if scheme not in LEDGERS or not separator:
        raise LedgerProtocolError(f"expected a ledger URL with one of {', '.join(LEDGERS)}, got scheme {scheme[:40]!r}")
    try:
        parsed = httpx.URL(f"{LEDGERS[scheme]}://{rest}")
    except httpx.InvalidURL as error:
        raise LedgerProtocolError(f"expected {scheme}://host[:port][/path]: {error}") from error
    if not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        raise LedgerProtocolError(f"expected {scheme}://host[:port][/path] and nothing else")
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise LedgerProtocolError(f"plain HTTP reaches this machine only, got host {parsed.host!r}: use deg+https")
    return str(parsed).rstrip("/")


def _channel(
    url: str, signer: HttpSigner, now: Callable[[], int], timeout_s: float, tls: ssl.SSLContext | None
) -> Channel:
    return Channel(base_url(url), signer=signer, now=now, timeout_s=timeout_s, tls=tls)


def open_ledger(
    url: str,
    *,
    signer: HttpSigner,
    now: Callable[[], int],
    timeout_s: float = DEFAULT_TIMEOUT_S,
    tls: ssl.SSLContext | None = None,
) -> HttpLedger:
    """The ledger at `url` (``deg+https://host``) for a discom that signs with `signer`; nothing is sent yet.

    `now` gives UTC seconds. `tls` replaces the system's trust, for a pinned authority.

    Raises:
        LedgerProtocolError: the URL is not one of `LEDGERS`.
    """
    return HttpLedger(_channel(url, signer, now, timeout_s, tls))


def open_platform_ledger(
    url: str,
    *,
    signer: HttpSigner,
    now: Callable[[], int],
    timeout_s: float = DEFAULT_TIMEOUT_S,
    tls: ssl.SSLContext | None = None,
) -> HttpPlatformLedger:
    """The ledger at `url` for a trading platform; otherwise as `open_ledger`."""
    return HttpPlatformLedger(_channel(url, signer, now, timeout_s, tls))
