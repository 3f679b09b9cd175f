"""A head-end as an operator has it: a configuration file, a founded state, and keys that the sandbox exchange knows."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.demo import ports
from headend import founding
from headend.config import Config, load
from headend.founding import LOG
from headend.log.logbook import Logbook
from headend.onboarding.enrol import Application, Enrolled, Registrar
from headend.onboarding.facts import parse as parse_facts
from headend.onboarding.known import Registry
from headend.store.sqlite.database import open_database
from ledger_client import key_file
from ledger_client.signature import KeyId
from tests.headend.premises import NOW, Gateway, gateway
from tests.ledger_client.rehearsal import SELLER_DISCOM

SUBSCRIBER = "discom-s.example.org"
FACTS = """
[[meter]]
id = "SKS00000001"
identity = "SKS00000001"
connection_point = "CP-1"
posted_as = ["LEDGER-SKS00000001"]
from = "2026-01-01T00:00:00+05:30"
"""


def free_port() -> int:
    """A port that nothing listens on, and that no other test is given."""
    return ports.reserve()


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A folder with `headend.toml`."""

    folder: Path
    file: Path

    @property
    def config(self) -> Config:
        return load(self.file)

    def found(self) -> founding.Founded:
        """What `init` does, with the ledger key that the sandbox knows."""
        keys = self.folder / "keys"
        keys.mkdir(exist_ok=True)
        beckn = keys / "beckn.pem"
        if not beckn.exists():
            key_file.create(beckn, KeyId(subscriber_id=SUBSCRIBER, unique_key_id="k1"))
            beckn.write_bytes(_sandbox_key())
        return founding.found(self.config, now_utc=NOW)

    def enrol(self, one: Gateway) -> Enrolled:
        """What `enrol` does."""
        config = self.config
        keys = founding.open_keys(config)
        database = open_database(config.database)
        try:
            book = Logbook(database, {LOG: keys.log}, config.state)
            registrar = Registrar(book=book, registry=Registry(database), signer=keys.statements)
            stated = parse_facts(FACTS, "facts.toml")
            return registrar.enrol(Application(file=one.file(), meters=stated.meters, shard=stated.shard), at_utc=NOW)
        finally:
            database.close()

    def request(self, one: Gateway | None = None) -> tuple[Path, Path]:
        """An enrolment file and the facts, as files."""
        file, facts = self.folder / "gw.enrol", self.folder / "facts.toml"
        file.write_bytes((one or gateway()).file())
        facts.write_text(FACTS)
        return file, facts


def installation(folder: Path, *, broker_port: int, ledger: str, web: str = "port = 0") -> Installation:
    """A configuration; nothing is founded yet."""
    file = folder / "headend.toml"
    file.write_text(
        f"""discom = "{SELLER_DISCOM}"
domain = "pavvnl.example"
state = "state"
[keys]
statements = "file:keys/statements.pem"
log = "file:keys/log.pem"
beckn = "file:keys/beckn.pem"
[broker]
port = {broker_port}
[web]
{web}
[ledger]
url = "deg+http://{ledger}"
subscriber = "{SUBSCRIBER}"
key_id = "k1"
poll_s = 1
[windows]
pending_after_s = 0
"""
    )
    return Installation(folder=folder, file=file)


def _sandbox_key() -> bytes:
    seed = hashlib.sha256(SUBSCRIBER.encode()).digest()
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
