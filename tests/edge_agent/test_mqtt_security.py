"""TLS, certificates and passwords against Mosquitto."""

import asyncio
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_agent.config import BrokerSettings, Protocol
from edge_agent.mqtt import Credentials, Link, Purpose
from edge_agent.steps import Arrived, LinkDown, LinkUp
from signing.topics import GatewayAddress
from tests.edge_agent.broker import PATIENCE_S, broker
from tests.system import require

pytestmark = [pytest.mark.system, pytest.mark.story]

FROM = datetime(2020, 1, 1, tzinfo=UTC)


class Authority:
    """A certificate authority in `folder`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Files of a certificate for `name` on 127.0.0.1, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key, x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]))
        paths = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return paths

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(FROM).not_valid_after(FROM + timedelta(days=36_500))
        return builder.add_extension(extension, critical=True).sign(self._key, hashes.SHA256())


def settings(port: int) -> BrokerSettings:
    return BrokerSettings(
        host="127.0.0.1",
        port=port,
        protocol=Protocol.MQTT_3_1_1,
        username=None,
        password=None,
        ca_file=None,
        certificate=None,
        certificate_key=None,
        keepalive_s=60,
    )


async def outcome(
    broker_settings: BrokerSettings, credentials: Credentials | None = None
) -> LinkUp | LinkDown | Arrived:
    """What is heard first."""
    heard: asyncio.Queue[LinkUp | LinkDown | Arrived] = asyncio.Queue()
    address = GatewayAddress(shard=0, gateway="gw1")
    link = Link(broker_settings, address, Purpose.CHECK, credentials, heard.put_nowait)
    try:
        await link.open()
        async with asyncio.timeout(PATIENCE_S):
            return await heard.get()
    finally:
        await link.close()


async def test_tls_is_mutual_and_a_stranger_is_no_broker(tmp_path: Path) -> None:
    require("mosquitto")
    ours, strangers = Authority(tmp_path, "ours"), Authority(tmp_path, "strangers")
    certificate, key = ours.issue("broker")
    mine, my_key = ours.issue("gw1")
    conf = (
        f"cafile {ours.file}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate true\n"
        "use_identity_as_username true\nallow_anonymous false\nuser root\n"
    )
    with broker("mosquitto", tmp_path, conf) as port:
        whole = replace(settings(port), ca_file=str(ours.file), certificate=str(mine), certificate_key=str(my_key))
        assert await outcome(whole) == LinkUp()
        without = await outcome(replace(whole, certificate=None, certificate_key=None))
        assert isinstance(without, LinkDown)
        stranger = await outcome(replace(whole, ca_file=str(strangers.file)))
        assert isinstance(stranger, LinkDown)
        assert "certificate verify failed" in stranger.reason
        another_name = await outcome(replace(whole, host="localhost"))
        assert isinstance(another_name, LinkDown)


async def test_a_password_is_asked_for_and_a_wrong_one_is_said_without_it(tmp_path: Path) -> None:
    passwd = require("mosquitto_passwd")
    path = tmp_path / "passwords"
    await asyncio.to_thread(
        subprocess.run, [passwd, "-b", "-c", str(path), "gw1", "hunter2"], check=True, capture_output=True
    )
    conf = f"allow_anonymous false\npassword_file {path}\nuser root\n"
    with broker("mosquitto", tmp_path, conf) as port:
        assert await outcome(settings(port), Credentials(username="gw1", password="hunter2")) == LinkUp()
        wrong = await outcome(settings(port), Credentials(username="gw1", password="hunter3"))
        assert isinstance(wrong, LinkDown)
        assert "the broker refused the connection" in wrong.reason
        assert "hunter3" not in wrong.reason
