"""The web in its thread: TLS, addresses, and its end."""

import datetime as dt
import ipaddress
import ssl
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI

from headend.config import WebSettings
from headend.errors import FatalError
from headend.serving import address, serving

PLAIN = WebSettings(host="127.0.0.1", port=0, certificate=None, certificate_key=None)


def app() -> FastAPI:
    made = FastAPI()
    made.add_api_route("/", lambda: "here")
    return made


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
