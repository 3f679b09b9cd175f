"""A gateway with eight meters, the broker between, and a head-end that answers every batch: what a real agent needs around it."""

import base64
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.broker import RunningBroker
from benchmarks.fleet import SHARD
from benchmarks.simulated import AUTHENTICATION, ENCRYPTION, PASSWORD, running
from benchmarks.site import Site
from edge_agent import agent, enrol
from edge_agent.config import Config, load
from edge_agent.meter_keys import Role, open_wrapping_key, parse, seal
from edge_agent.readers.dlms.security import Secret
from edge_agent.vault import GatewayVault
from headend.onboarding.enrol import Application, MeterFacts, Registrar
from headend.transport.mqtt import MqttSettings, MqttTransport
from signing.energy import Fraction
from signing.statements.meter_record import Fact, Stamps
from signing.statements.meter_record import Role as Duty

METERS = 8
FLEET = ("--meters", str(METERS), "--suite0", "required")
_GATEWAY = "gw-bench"
_READY_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a process has cost so far."""

    peak_rss: int
    """Bytes."""
    rss: int
    written: int
    """Bytes handed to the disk: what the kernel charges to the process, files, journals and all."""


def spent(pid: int) -> Spent:
    """From the kernel's own books. Source: proc(5), status and io."""
    status = _numbers(Path(f"/proc/{pid}/status"))
    return Spent(
        peak_rss=status["VmHWM"] * 1024,
        rss=status["VmRSS"] * 1024,
        written=_numbers(Path(f"/proc/{pid}/io"))["write_bytes"],
    )


def _numbers(file: Path) -> dict[str, int]:
    lines = (line.partition(":") for line in file.read_text(encoding="utf-8").splitlines())
    return {name: int(words[0]) for name, _, rest in lines if (words := rest.split()) and words[0].isdecimal()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """What stands around a gateway."""

    broker: RunningBroker
    cores: tuple[int, ...] = ()
    """Of the meters' process; any where none is named."""


@contextmanager
def meters(
    street: Street, days: int, command: tuple[str, ...] = ("firmware_sim.cli", "fleet"), period_s: int = 900
) -> Iterator[int]:
    """The eight, ciphered, in one process; gives the first one's port, the others stand behind it."""
    options = [*FLEET, "--days", str(days), "--period", str(period_s), "--listen", "127.0.0.1:0"]
    with running([sys.executable, "-m", *command, *options], street.cores) as said:
        yield int(said.rpartition(":")[2].partition("-")[0])


def prepare(folder: Path, *, broker: RunningBroker, site: Site, first_port: int, backfill_days: int) -> Config:
    """A gateway in `folder`, enrolled at `site`, with the keys of its meters."""
    folder.mkdir()
    path = folder / "agent.toml"
    key = base64.b64encode(site.keys.statements.public_key.cose_key).decode()
    head = f"""gateway = "{_GATEWAY}"
shard = {SHARD}
key = "file:gateway.pem"
state = "state"

[broker]
host = "127.0.0.1"
port = {broker.port}

[discom]
log_key = "{site.keys.log.verifier}"
statement_keys = ["{key}"]

[poll]
interval_s = 1
"""
    path.write_text(head + "".join(_meter(number, first_port, backfill_days) for number in range(METERS)))
    config = load(path)
    request = enrol.initialise(config, agent.fresh_salt)
    registrar = Registrar(book=site.book, registry=site.registry, signer=site.keys.statements)
    facts = {_name(number): MeterFacts(facts=(_fact(number),), blocks_from_utc=0) for number in range(METERS)}
    registrar.enrol_all([Application(file=request.file.read_bytes(), meters=facts, shard=SHARD)], at_utc=0)
    _keys(config)
    return config


def _name(number: int) -> str:
    return f"M{number}"


def _serial(number: int) -> str:
    # As `sakshi-sim fleet --help` says.
    return f"5{number:07d}"


def _meter(number: int, first_port: int, backfill_days: int) -> str:
    url = f"dlms+tcp://127.0.0.1:{first_port + number}?suite=0&keys=store:{_name(number)}&title=53414b0000000001"
    return (
        f'\n[[meter]]\nid = "{_name(number)}"\nserial = "{_serial(number)}"\nurl = "{url}"\n'
        f"backfill_days = {backfill_days}\n"
    )


def _fact(number: int) -> Fact:
    one = Fraction(1, 1)
    return Fact(
        from_utc=0,
        identity=_serial(number),
        connection_point=f"CP-{number}",
        role=Duty.REVENUE,
        period_s=900,
        stamps=Stamps.END,
        ct=one,
        pt=one,
        factor=one,
        sanctioned_w=5000,
        installed_w=None,
    )


def _keys(config: Config) -> None:
    public = open_wrapping_key(config.wrapping_key).public
    with GatewayVault(config.database, wrapping=config.wrapping_key, now_utc=lambda: 0) as vault:
        for number in range(METERS):
            secrets = {
                Role.ENCRYPTION: Secret(ENCRYPTION[:12] + number.to_bytes(4, "big")),
                Role.AUTHENTICATION: Secret(AUTHENTICATION),
                Role.LLS: Secret(PASSWORD.encode()),
            }
            vault.take_in(parse(seal(_name(number), secrets, public), "keys"), who="benchmark")


@contextmanager
def answering(site: Site, broker: RunningBroker) -> Iterator["HeadEnd"]:
    """The head-end's intake behind the broker."""
    transport = MqttTransport(
        MqttSettings(host="127.0.0.1", port=broker.port, client_id="bench-gateway", shards=(SHARD,))
    )
    try:
        if not transport.wait_ready(_READY_S):
            raise AssertionError(f"the broker did not grant the subscription in {_READY_S} s")
        yield HeadEnd(site, transport)
    finally:
        transport.close()


class HeadEnd:
    """Answers what arrives, and counts it."""

    def __init__(self, site: Site, transport: MqttTransport) -> None:
        self._worker = site.worker(transport)
        self.admitted = 0

    def step(self, now_utc: int) -> None:
        """Takes in what has arrived."""
        report = self._worker.step(now_utc, 0.05)
        if report.alarm is not None or report.refused or report.noise:
            raise AssertionError(f"expected a clean step, got {report}")
        self.admitted += report.admitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """How far a gateway is."""

    blocks: int
    """About which something is signed."""
    until_utc: int
    """Up to where something is signed of every meter."""
    waiting: int
    """Batches without a receipt."""


def signed(config: Config) -> Signed:
    """From the state of a running agent, which is not disturbed."""
    with closing(sqlite3.connect(f"file:{config.database}?mode=ro", uri=True)) as connection:
        (blocks,) = connection.execute("SELECT count(*) FROM block").fetchone()
        newest = connection.execute("SELECT max(start_utc + period_s) FROM block GROUP BY meter").fetchall()
        (waiting,) = connection.execute("SELECT count(*) FROM waiting WHERE again = 0").fetchone()
    until_utc = min((each for (each,) in newest), default=0) if len(newest) == METERS else 0
    return Signed(blocks=blocks, until_utc=until_utc, waiting=waiting)
