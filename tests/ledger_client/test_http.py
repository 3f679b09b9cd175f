"""The transport: what it sends, what it bounds, and what it never follows."""

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ledger_client import http
from ledger_client.beckn.context import is_loopback
from ledger_client.http import open_ledger, open_platform_ledger
from ledger_client.ledger import (
    Ledger,
    LedgerProtocolError,
    LedgerRefusedError,
    LedgerUnavailableError,
    Side,
    TradeQuery,
)
from ledger_client.sandbox.faults import Fault
from ledger_client.signature import digest_header, parse_header
from tests.ledger_client.rehearsal import NOW, SELLER_PLATFORM, Rehearsal, contract, posting, signer

EMPTY = b'{"records":[],"count":0}'


def answer(body: bytes = EMPTY, status: str = "200 OK", extra: str = "", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n{extra}\r\n"
    return head.encode() + body


class Peer:
    """A peer that answers each connection with the next scripted bytes and keeps what it was sent."""

    def __init__(self, answers: list[bytes], tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.received: list[bytes] = []
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for scripted in self._answers:
            connection, _ = self._socket.accept()
            connection.settimeout(10)
            with connection, contextlib.suppress(ssl.SSLError):
                spoken = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
                with spoken:
                    self.received.append(_request(spoken))
                    spoken.sendall(scripted)

    def close(self) -> None:
        self._thread.join()
        self._socket.close()


def _request(connection: socket.socket) -> bytes:
    """One whole request."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(
        next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def scripted(*answers: bytes) -> Iterator[tuple[Peer, Ledger]]:
    peer = Peer(list(answers))
    try:
        with open_ledger(
            f"deg+http://{peer.address}", signer=signer("d.example"), now=lambda: NOW, timeout_s=5
        ) as ledger:
            yield peer, ledger
    finally:
        peer.close()


def _header(request: bytes, name: str) -> str:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return next(value.strip() for key, _, value in (line.partition(":") for line in lines) if key.lower() == name)


def test_a_request_is_signed_over_the_bytes_that_are_sent() -> None:
    with scripted(answer()) as (peer, ledger):
        ledger.trades(TradeQuery())
    (request,) = peer.received
    body = request.partition(b"\r\n\r\n")[2]
    assert request.startswith(b"POST /ledger/get HTTP/1.1\r\n")
    assert _header(request, "digest") == digest_header(body)
    signed = parse_header(_header(request, "authorization"))
    assert signed.created == NOW
    assert 60 <= signed.expires - signed.created <= 300
    assert _header(request, "content-type") == "application/json"


def test_the_same_request_in_the_same_second_is_never_signed_the_same() -> None:
    with scripted(*[answer()] * 5) as (peer, ledger):
        for _ in range(5):
            ledger.trades(TradeQuery())
    assert len({_header(request, "authorization") for request in peer.received}) == 5


def test_a_redirect_is_not_followed() -> None:
    with (
        scripted(answer(b"", "307 Temporary Redirect", "Location: http://127.0.0.1:1/\r\n")) as (_, ledger),
        pytest.raises(LedgerProtocolError, match="307"),
    ):
        ledger.trades(TradeQuery())


def test_an_answer_that_is_cut_short_is_no_answer() -> None:
    with scripted(answer(EMPTY[:-1], length=len(EMPTY))) as (_, ledger), pytest.raises(LedgerUnavailableError):
        ledger.trades(TradeQuery())


def test_a_peer_that_hangs_up_is_no_answer() -> None:
    with scripted(b"") as (_, ledger), pytest.raises(LedgerUnavailableError):
        ledger.post(posting(1))


def test_garbage_is_no_answer() -> None:
    with scripted(b"SSH-2.0-OpenSSH_9\r\n") as (_, ledger), pytest.raises(LedgerUnavailableError):
        ledger.trades(TradeQuery())


def test_nobody_there_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    with (
        open_ledger(f"deg+http://{address}", signer=signer("d.example"), now=lambda: NOW) as ledger,
        pytest.raises(LedgerUnavailableError, match=address),
    ):
        ledger.trades(TradeQuery())


def test_an_answer_above_the_bound_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", len(EMPTY))
    with scripted(answer(), answer(EMPTY + b" ")) as (_, ledger):
        assert ledger.trades(TradeQuery()) == ()
        with pytest.raises(LedgerProtocolError, match="at most 24 bytes"):
            ledger.trades(TradeQuery())


def test_a_compressed_answer_is_refused() -> None:
    with (
        scripted(answer(extra="Content-Encoding: gzip\r\n")) as (_, ledger),
        pytest.raises(LedgerProtocolError, match="Content-Encoding"),
    ):
        ledger.trades(TradeQuery())


def test_a_body_that_trickles_in_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 6.0])
    monkeypatch.setattr("ledger_client.http.monotonic", lambda: next(ticks, 6.0))  # the transport's own stop-watch
    with scripted(answer()) as (_, ledger), pytest.raises(LedgerUnavailableError, match="longer than 5"):
        ledger.trades(TradeQuery())


def test_a_ledger_whose_pages_never_end_is_not_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_PAGES", 2)
    full = answer(b'{"records":[{}],"count":1}')
    with scripted(full, full) as (_, ledger), pytest.raises(LedgerProtocolError, match="short page"):
        ledger.trades(TradeQuery(page_size=1))


def test_unreadable_rows_count_as_rows_and_come_back_once() -> None:
    with scripted(answer(b'{"records":[{}]}'), answer(b'{"records":[{}]}'), answer()) as (_, ledger):
        listing = ledger.listing(TradeQuery(page_size=1))
    assert listing.trades == ()
    assert len(listing.unreadable) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://ledger.example.org", "scheme"),
        ("deg+ftp://ledger.example.org", "scheme"),
        ("deg+https:ledger.example.org", "scheme"),
        ("deg+http://ledger.example.org", "this machine only"),
        ("deg+http://192.168.1.5:80", "this machine only"),
        ("deg+http://127.0.0.1.example.org", "this machine only"),
        ("deg+https://user:secret-text@ledger.example.org", "nothing else"),
        ("deg+https://ledger.example.org/?a=b", "nothing else"),
        ("deg+https://", "nothing else"),
        ("deg+https://ledger.example.org:port", "host"),
    ],
)
def test_a_ledger_url_is_checked_before_anything_is_sent(url: str, said: str) -> None:
    with pytest.raises(LedgerProtocolError, match=said) as caught:
        open_ledger(url, signer=signer("d.example"), now=lambda: NOW)
    assert "secret-text" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["deg+https://ledger.example.org", "deg+http://[::1]:8000/base/", "deg+http://localhost:1"]
)
def test_a_ledger_url_opens_without_sending(url: str) -> None:
    open_ledger(url, signer=signer("d.example"), now=lambda: NOW).close()
    open_platform_ledger(url, signer=signer("d.example"), now=lambda: NOW).close()


@pytest.mark.parametrize(
    ("host", "here"), [("127.0.0.1", 1), ("127.8.9.1", 1), ("::1", 1), ("[::1]", 1), ("localhost", 1), ("0.0.0.0", 0), ("10.0.0.1", 0), ("localhost.x", 0)]
)  # fmt: skip
def test_this_machine_is_told_from_others(host: str, here: int) -> None:
    assert is_loopback(host) == bool(here)


def test_a_platform_puts_and_a_contradiction_is_refused(exchange: Rehearsal) -> None:
    with exchange.platform() as platform:
        first = platform.put(contract(Side.SELLER))
        assert first == platform.put(contract(Side.SELLER))
        assert first.record_id == "tx-1_it-1"
        with pytest.raises(LedgerRefusedError, match="PRC_CONFLICT"):
            platform.put(contract(Side.SELLER, quantity_wh=7000))


def test_a_put_whose_answer_was_lost_is_put_again_with_one_effect(exchange: Rehearsal) -> None:
    exchange.faults.switch_on(Fault.LOST_ANSWER, 1)
    with exchange.platform() as platform:
        with pytest.raises(LedgerUnavailableError):
            platform.put(contract(Side.SELLER))
        before = exchange.settlement()
        platform.put(contract(Side.SELLER))
    assert exchange.settlement() == before


def test_a_platform_sees_its_own_trades(exchange: Rehearsal) -> None:
    exchange.put_both()
    for name, count in ((SELLER_PLATFORM, 1), ("platform-x.example.org", 0)):
        with exchange.platform(name) as platform:
            assert len(platform.trades(TradeQuery())) == count


def test_a_read_back_sees_what_was_overwritten_since(exchange: Rehearsal) -> None:
    exchange.put_both()
    with exchange.ledger() as ledger:
        receipt = ledger.post(posting(-4000))
        ledger.post(posting(-3000, evidence="later"))
        confirmation = ledger.confirm(posting(-4000), receipt)
    assert confirmation.differences == ("tx-1_it-1: expected ACTUAL_PUSHED 4.000 kWh, the ledger shows 3.000 kWh",)


def _authority(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of its own for 127.0.0.1, and a client's that trusts nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ledger")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    path = directory / "server.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=pem.decode())


def test_a_ledger_with_an_unknown_certificate_gets_nothing(tmp_path: Path) -> None:
    server, _ = _authority(tmp_path)
    peer = Peer([answer()], server)
    ledger = open_ledger(f"deg+https://{peer.address}", signer=signer("d.example"), now=lambda: NOW)
    with ledger, pytest.raises(LedgerUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        ledger.trades(TradeQuery())
    peer.close()
    assert peer.received == []


def test_a_pinned_authority_is_trusted(tmp_path: Path) -> None:
    server, client = _authority(tmp_path)
    peer = Peer([answer()], server)
    with open_ledger(f"deg+https://{peer.address}", signer=signer("d.example"), now=lambda: NOW, tls=client) as ledger:
        assert ledger.trades(TradeQuery()) == ()
    peer.close()


def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with scripted(answer()) as (_, ledger):
        assert ledger.trades(TradeQuery()) == ()
