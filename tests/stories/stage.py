"""One discom, its customer's premises and an exchange, as processes that stories start, kill and start again."""

import json
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from deploy.demo import broker, ports, world
from deploy.demo.broker import Broker
from deploy.demo.processes import Processes, program, run
from deploy.demo.world import BUYER, SELLER, Meter
from signing.interval import DAY_S, Interval, utc_text
from tests.headend.premises import Gateway

START_S = 60
PATIENCE_S = 90
SIDE = replace(SELLER, meters=SELLER.meters[:1])
METER = SIDE.meters[0]
AGENT, HEADEND, EXCHANGE, BROKER = "agent", "headend", "exchange", "broker"


def until(what: str, holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Waits until `holds` does."""
    ends = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < ends, f"not in {patience_s:g} s: {what}"
        time.sleep(0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command that ended by itself said."""

    code: int
    out: str
    err: str


def said_by(command: Sequence[str], cwd: Path | None = None) -> Said:
    done = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_S, check=False
    )
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


class Stage:
    """Where everything is. Nothing runs until it is asked to."""

    def __init__(
        self,
        folder: Path,
        processes: Processes,
        *,
        kind: Broker = Broker.EMBEDDED,
        backfill_days: int = 2,
        poll_s: int = 2,
        settings: str = "",
        beside: Meter | None = None,
    ) -> None:
        """`settings` are keys of `[windows]` and more tables of the head-end's TOML; `beside` is a second meter at the premises."""
        self.folder = folder
        self.processes = processes
        self.kind = kind
        self.window = world.delivery_window(int(time.time()))
        self.side = SIDE if beside is None else replace(SIDE, meters=(METER, beside))
        self.broker_port = ports.reserve()
        self.exchange_port = ports.reserve()
        self.token = ""
        self.headend_folder = folder / "discom"
        self.gateway_folder = folder / "gateway"
        self.truth = folder / "truth.json"
        self._poll_s = poll_s
        self._settings = settings
        self._backfill_days = backfill_days
        self._told: dict[str, str] = {}
        self.url = ""

    # What is made before anything runs

    def prepare(self) -> None:
        """Founds the head-end, registers everybody at the exchange, initialises and enrols the gateway; starts the meter."""
        self.found()
        self._make_exchange()
        self._make_gateway({meter.id: self.start_meter(meter) for meter in self.side.meters})

    def found(self) -> None:
        """The head-end's keys, database and log."""
        self.headend_folder.mkdir()
        text = world.headend(SIDE, broker_port=self.broker_port, ledger=f"127.0.0.1:{self.exchange_port}")
        text = text.replace("poll_s = 2", f"poll_s = {self._poll_s}")
        if "pending_after_s" in self._settings:
            text = text.replace("pending_after_s = 20\n", "")
        text += "resend_after_s = 1\n" + self._settings
        self.headend_config.write_text(text)
        self._told = json.loads(run([*self.headend("init"), "--json"]))
        scopes = ("read:meters", "read:windows", "read:evidence", "read:operations", "read:outcomes", "console")
        options = [word for scope in scopes for word in ("--scope", scope)]
        self.token = run([*self.headend("token", "create"), "--name", "story", *options]).strip()

    @property
    def headend_config(self) -> Path:
        return self.headend_folder / "headend.toml"

    @property
    def agent_config(self) -> Path:
        return self.gateway_folder / "agent.toml"

    @property
    def database(self) -> Path:
        return self.headend_folder / "state" / "headend.db"

    def headend(self, *verb: str) -> list[str]:
        return [program("sakshi-headend"), *verb, "--config", str(self.headend_config)]

    def agent(self, *verb: str) -> list[str]:
        return [program("sakshi-agent"), *verb, "--config", str(self.agent_config)]

    def enrol(self, gateway: Gateway, *, connection_point: str) -> None:
        """Enrols a gateway whose key the story holds."""
        request, facts = self.folder / f"{gateway.name}.cbor", self.folder / f"{gateway.name}.toml"
        request.write_bytes(gateway.file())
        blocks = [
            f'[[meter]]\nid = "{meter}"\nidentity = "{meter}"\nconnection_point = "{connection_point}"\n'
            'period_s = 900\nfrom = "2026-01-01T00:00:00Z"\n'
            for meter in gateway.meters
        ]
        facts.write_text("\n".join([f"shard = {gateway.shard}", *blocks]))
        run([*self.headend("enrol"), str(request), str(facts), "--apply"])

    def _make_exchange(self) -> None:
        keys: dict[str, tuple[str, str | None]] = {
            SIDE.platform: (self._key(SIDE.platform), None),
            BUYER.platform: (self._key(BUYER.platform), None),
            SIDE.subscriber: (self._told["beckn_public_key"], SIDE.discom),
            BUYER.subscriber: (self._key(BUYER.subscriber), BUYER.discom),
        }
        (self.folder / "participants.toml").write_text(world.participants(keys))
        run([program("sakshi-ledger"), "sandbox-init", "--state", str(self.folder / "exchange")])

    def _key(self, subscriber: str) -> str:
        file = str(self.folder / f"{subscriber}.pem")
        key = run([program("sakshi-ledger"), "key", "init", "--subscriber", subscriber, "--json", file])
        return str(json.loads(key)["public_key"])

    def _make_gateway(self, addresses: dict[str, str]) -> None:
        self.gateway_folder.mkdir()
        password = self.gateway_folder / "meter.password"
        password.touch(mode=0o600)
        password.write_text(world.PASSWORD)
        text = world.agent(
            self.side,
            broker_port=self.broker_port,
            log_key=self._told["log_key"],
            statement_key=self._told["statement_key"],
            urls=addresses,
            password_file=password,
        ).replace("backfill_days = 2", f"backfill_days = {self._backfill_days}")
        self.agent_config.write_text(text + "\n[uplink]\nanswer_s = 2\nfirst_s = 1\nlongest_s = 2\nin_flight = 2\n")
        run(self.agent("init"))
        facts = self.headend_folder / "facts.toml"
        window = Interval(self.window.start_utc - 30 * DAY_S, self.window.end_utc)
        facts.write_text(world.facts(self.side, window, 900))
        (request,) = (self.gateway_folder / "state").glob("enrol-*.cbor")
        run([*self.headend("enrol"), str(request), str(facts), "--apply"])

    # What runs

    def start_broker(self) -> None:
        broker.start(self.processes, self.folder, self.kind, self.broker_port)

    def start_meter(self, meter: Meter = METER) -> str:
        name, truth = ("meter", self.truth) if meter is METER else (meter.id, self.folder / f"truth-{meter.id}.json")
        arguments = ["dlms", "--listen", "127.0.0.1:0", "--serial", meter.serial, "--truth", str(truth)]
        self.processes.start(name, [program("sakshi-sim"), *arguments])
        return self.processes.wait_for(name, "listening ", START_S)

    def start_exchange(self, *faults: str) -> None:
        command = ["sandbox", "--listen", f"127.0.0.1:{self.exchange_port}", "--state", str(self.folder / "exchange")]
        command += ["--participants", str(self.folder / "participants.toml"), "--slow-seconds", "2"]
        command += [word for fault in faults for word in ("--fault", fault)]
        self.processes.start(EXCHANGE, [program("sakshi-ledger"), *command])
        self.processes.wait_for(EXCHANGE, "listening ", START_S)

    def start_headend(self) -> None:
        self.processes.start(HEADEND, self.headend("serve"))
        self.url = "http://" + self.processes.wait_for(HEADEND, "listening ", START_S)

    def start_agent(self) -> None:
        self.processes.start(AGENT, self.agent("run"))

    def start(self, name: str) -> None:
        starts = {
            BROKER: self.start_broker,
            AGENT: self.start_agent,
            HEADEND: self.start_headend,
            EXCHANGE: self.start_exchange,
        }
        starts[name]()

    def kill(self, name: str) -> None:
        assert self.processes.end(name, signal.SIGKILL) == -signal.SIGKILL

    def put(self, window: Interval | None = None, *, item: str = "item-1", quantity_kwh: int = 6) -> None:
        """Both platforms put one contract."""
        span = self.window if window is None else window
        for platform, role in ((SIDE.platform, "SELLER"), (BUYER.platform, "BUYER")):
            command = [program("sakshi-ledger"), "put", "--ledger", f"deg+http://127.0.0.1:{self.exchange_port}"]
            command += ["--key", str(self.folder / f"{platform}.pem"), "--subscriber", platform, "--role", role]
            command += ["--transaction", "tx-1", "--order-item", item, "--price", "5"]
            command += ["--platform-buyer", BUYER.platform, "--platform-seller", SIDE.platform]
            command += ["--buyer", BUYER.posted_as, "--seller", SIDE.posted_as]
            command += ["--discom-buyer", BUYER.discom, "--discom-seller", SIDE.discom]
            command += ["--start", utc_text(span.start_utc), "--end", utc_text(span.end_utc)]
            run([*command, "--quantity-kwh", str(quantity_kwh)])

    def record_buyer(self, *, item: str = "item-1", quantity_kwh: str = "6") -> None:
        """The buyer's discom says what its customer drew."""
        command = [program("sakshi-ledger"), "record", "--ledger", f"deg+http://127.0.0.1:{self.exchange_port}"]
        command += ["--key", str(self.folder / f"{BUYER.subscriber}.pem"), "--subscriber", BUYER.subscriber]
        command += ["--side", "BUYER", "--discom", BUYER.discom, "--transaction", "tx-1", "--order-item", item]
        run([*command, "--quantity-kwh", quantity_kwh, "--status", "COMPLETED", "--evidence", "00" * 32])

    def named(self) -> list[str]:
        """The arguments that name the window to the head-end's commands."""
        start, end = utc_text(self.window.start_utc), utc_text(self.window.end_utc)
        return ["--posted-as", SIDE.posted_as, "--start", start, "--end", end]

    # What is seen from outside

    def get(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(
            self.url + path, params=parameters, headers={"Authorization": f"Bearer {self.token}"}, timeout=20
        )
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def components(self) -> dict[str, dict[str, Any]]:
        """The head-end's parts by name, whether they work or not."""
        headers = {"Authorization": f"Bearer {self.token}"}
        parts = httpx.get(f"{self.url}/v1/health", headers=headers, timeout=20).json()["components"]
        return {part["name"]: part for part in parts}

    def works(self) -> bool:
        """Whether the parts that depend on others have all been heard of, and every part works."""
        found = self.components()
        return {"broker", "ledger"} <= set(found) and all(part["works"] for part in found.values())

    def postings(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get("/v1/postings")["items"]
        return items

    def trades(self) -> list[dict[str, Any]]:
        answer = httpx.get(f"http://127.0.0.1:{self.exchange_port}/sandbox/trades", timeout=20).raise_for_status()
        trades: list[dict[str, Any]] = answer.json()["trades"]
        return trades

    def effects(self) -> list[tuple[str, int]]:
        """What the exchange keeps of the discom's posts: delivery start and Wh, one row for every effect."""
        with closing(sqlite3.connect(self.folder / "exchange" / "exchange.sqlite3")) as connection:
            return connection.execute("SELECT delivery_start, actual_imported_wh FROM posting ORDER BY 1").fetchall()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the head-end's database, read only."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def backlog(self) -> list[dict[str, Any]]:
        """What the agent has not been answered for."""
        return [json.loads(line) for line in run([*self.agent("outbox"), "--json"]).splitlines()]

    def is_confirmed(self) -> bool:
        """Whether every figure is posted and read back; a revision that came before the first answer took its place."""
        states = [posting["state"] for posting in self.postings()]
        return "CONFIRMED" in states and set(states) <= {"CONFIRMED", "SUPERSEDED"}

    def verify(self) -> str:
        """Fetches the evidence of the newest window and has it verified by a process of its own."""
        digest = self.get("/v1/windows")["items"][0]["evidence_digest"]
        headers = {"Authorization": f"Bearer {self.token}"}
        bundle = self.folder / "evidence.cbor"
        answer = httpx.get(f"{self.url}/v1/evidence/{digest}", headers=headers, timeout=20)
        bundle.write_bytes(answer.raise_for_status().content)
        return run([program("sakshi-verify"), "--trust", self._told["trust_file"], "--digest", digest, str(bundle)])

    def copy_database(self, target: Path) -> None:
        """A consistent copy, as a backup program makes it."""
        with closing(sqlite3.connect(self.database)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)

    def restore_database(self, copy: Path) -> None:
        """The copy in place of the database."""
        for suffix in ("-wal", "-shm"):
            self.database.with_name(self.database.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(copy, self.database)
