"""The web in its thread: TLS, addresses, and its end."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI, Request

from headend.config import WebSettings
from headend.errors import FatalError
from headend.serving import Web, address, serving

PLAIN = WebSettings(host="127.0.0.1", port=0, certificate=None, certificate_key=None)


def app() -> FastAPI:
    made = FastAPI()
    made.add_api_route("/", lambda: "here")
    made.add_api_route("/long", length, methods=["POST"])
    return made


async def length(request: Request) -> int:
    """How long the body is, once it is there."""
    return len(await request.body())


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate of 127.0.0.1 signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    begins = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=36_500))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "c.pem", folder / "k.pem"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(files[0]), str(files[1])


def test_it_answers_until_the_block_ends() -> None:
    with serving(app(), PLAIN) as web:
        assert httpx.get(f"http://{web.address}/").json() == "here"
        assert web.works()
    assert not web.works()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{web.address}/")


def test_with_a_certificate_it_speaks_tls_only(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    with serving(app(), replace(PLAIN, certificate=chain, certificate_key=key)) as web:
        trusting = ssl.create_default_context(cafile=chain)
        assert httpx.get(f"https://{web.address}/", verify=trusting).json() == "here"
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"http://{web.address}/")


def connected(web: Web) -> socket.socket:
    host, _, port = web.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def ended(one: socket.socket) -> bool:
    """Whether the other side hung up without a word."""
    try:
        return one.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
    ],
)
def test_a_request_that_does_not_come_in_whole_is_not_waited_for(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headend.serving.REQUEST_S", 0.05)
    with serving(app(), PLAIN) as web, connected(web) as one:
        one.sendall(sent)
        assert ended(one)


def test_a_request_that_came_in_whole_may_take_longer_to_be_answered_and_so_may_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headend.serving.REQUEST_S", 0.4)
    made, turn = app(), threading.Event()
    made.add_api_route("/slow", lambda: turn.wait(0.6) or "done")
    with serving(made, PLAIN) as web, httpx.Client(base_url=f"http://{web.address}", timeout=20) as client:
        assert [client.get("/slow").json() for _ in range(2)] == ["done", "done"]
        assert client.post("/long", content=b"x" * 1_000_000).json() == 1_000_000


def test_no_more_connections_are_served_at_once_than_there_are_files_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headend.serving.MOST_CONNECTIONS", 2)
    with serving(app(), PLAIN) as web:
        with connected(web) as first, connected(web):
            # The answer shows that it was served, and that both were counted.
            first.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert first.recv(12) == b"HTTP/1.1 200"
            with connected(web) as third:
                assert ended(third)
        for _ in range(50):
            try:
                assert httpx.get(f"http://{web.address}/").json() == "here"
                break
            except httpx.TransportError:
                continue
        else:
            pytest.fail("expected a place once the others hung up")


def test_a_certificate_without_its_key_is_fatal(tmp_path: Path) -> None:
    chain, _ = certificate(tmp_path)
    settings = replace(PLAIN, certificate=chain, certificate_key=chain)
    with pytest.raises(FatalError, match=r"correct web\.certificate"), serving(app(), settings):
        pass


def test_an_ipv6_address_is_told_in_brackets() -> None:
    assert address("::1", 8080) == "[::1]:8080"
    assert address("localhost", 8080) == "localhost:8080"


def test_a_host_that_is_not_this_machine_is_fatal() -> None:
    with pytest.raises(FatalError, match="cannot listen on 192"), serving(app(), replace(PLAIN, host="192.0.2.1")):
        pass
