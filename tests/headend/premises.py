"""A discom and its gateways for tests: real keys, real statements, a real database; only the clock and the broker are here."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from headend.intake.report import IntakeReport
from headend.intake.worker import IntakeWorker, Step
from headend.log.logbook import Logbook, LogKey
from headend.onboarding.enrol import Application, Enrolled, MeterFacts, Registrar
from headend.onboarding.known import Registry
from headend.store.sqlite import log_rows
from headend.store.sqlite.batch_rows import SqliteBatches
from headend.store.sqlite.database import Database, create_database, open_database
from headend.transport.memory import MemoryTransport
from signing.backends.file import FileSigner
from signing.energy import Fraction
from signing.envelope import Envelope, Signed, sign
from signing.log.merkle import leaf_hash
from signing.log.note import SignatureKind, VerifierKey
from signing.log.proofs import verify_inclusion
from signing.log.seen import advance
from signing.messages import Down, Receipts, SignedAnswer, Up, parse_down
from signing.statements.enrolment import EnrolRequest, Retirement, enrolment_file
from signing.statements.meter_record import Fact, MeterRecord, Role, Stamps
from signing.statements.reading import Columns
from signing.statements.reading_batch import ClockSource, Opening, Origin, ReadingBatch
from signing.topics import GatewayAddress

DAY = 1_777_141_800
"""2026-04-26 00:00 IST."""
NOW = DAY + 40_000
ORIGIN = "pavvnl.example/sakshi/0"


def p256(seed: int) -> FileSigner:
    return FileSigner(ec.derive_private_key(seed + 1, ec.SECP256R1()))


def log_key(number: int = 0, seed: int = 7) -> LogKey:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big"))
    public = private.public_key().public_bytes_raw()
    name = f"pavvnl.example/sakshi/{number}"
    return LogKey(
        verifier=VerifierKey(name=name, kind=SignatureKind.ED25519, public=public), signer=FileSigner(private)
    )


def fact(meter: str, **changes: object) -> Fact:
    plain = Fact(
        from_utc=0,
        identity=meter,
        connection_point=f"CP-{meter}",
        role=Role.REVENUE,
        period_s=900,
        stamps=Stamps.END,
        ct=Fraction(1, 1),
        pt=Fraction(1, 1),
        factor=Fraction(1, 1),
        sanctioned_w=5000,
        installed_w=None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # the caller names fields


@dataclass
class Message:
    """A batch on its way, and what the agent knows of it."""

    batch: ReadingBatch
    opening: Opening
    envelope: Envelope
    seen_size: int = 0

    @property
    def digest(self) -> bytes:
        return self.envelope.digest

    def encoded(self) -> bytes:
        return Up(self.envelope, self.opening.encoded(), self.seen_size).encoded()

    def with_signature(self, signature: bytes) -> "Message":
        return replace(self, envelope=replace(self.envelope, signature=signature))


@dataclass
class Gateway:
    """An agent's key and the chains that it has signed."""

    name: str
    signer: FileSigner
    meters: tuple[str, ...]
    shard: int = 0
    retires: tuple[Retirement, ...] = ()
    old: FileSigner | None = None
    chains: dict[str, list[Message]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        statement = EnrolRequest(
            gateway=self.name, key=self.signer.public_key, meters=self.meters, retires=self.retires, salt=bytes(16)
        )
        self.request: Signed[EnrolRequest] = sign(statement, self.signer)
        self.by_old = None if self.old is None else sign(statement, self.old).envelope

    @property
    def kid(self) -> bytes:
        return self.signer.public_key.kid

    @property
    def address(self) -> GatewayAddress:
        return GatewayAddress(shard=self.shard, gateway=self.name)

    def file(self) -> bytes:
        return enrolment_file(self.request, self.by_old)

    def next(self, meter: str | None = None, **changes: object) -> Message:
        """The next batch of a chain: one hour, four blocks."""
        meter = meter or self.meters[0]
        chain = self.chains.setdefault(meter, [])
        message = self.after(chain[-1] if chain else None, meter, **changes)  # type: ignore[arg-type]  # as above
        chain.append(message)
        return message

    def after(self, last: Message | None, meter: str, *, wh: int = 10, **changes: object) -> Message:
        """A batch that follows `last`, not noted anywhere."""
        sequence = last.batch.sequence + 1 if last else 0
        start = last.batch.end_utc if last else DAY
        opening = Opening(
            salt=sequence.to_bytes(16, "big"),
            identity=meter,
            registers=(),
            columns=Columns(
                import_wh=(wh, wh, wh, wh + sequence),
                export_wh=(0, 1, 2, 3),
                absence=(0,) * 4,
                flags=(0,) * 4,
                provenance=(0,) * 4,
            ),
        )
        batch = ReadingBatch(
            meter=meter,
            sequence=sequence,
            previous=last.digest if last else self.request.digest,
            start_utc=start,
            period_s=900,
            count=4,
            reach_utc=max(last.batch.reach_utc, last.batch.end_utc) if last else 0,
            read_at_utc=start + 3612,
            clock_offset_ms=None,
            clock_source=ClockSource.NONE,
            origin=Origin.LLS,
            software=bytes(32),
            contents=opening.contents(),
        )
        batch = replace(batch, **changes)  # type: ignore[arg-type]  # the caller names fields
        return Message(batch, opening, sign(batch, self.signer).envelope)

    def signed(self, batch: ReadingBatch, opening: Opening) -> Message:
        return Message(batch, opening, sign(batch, self.signer).envelope)


def gateway(number: int = 1, meters: Sequence[str] = ("SKS00000001",), **changes: object) -> Gateway:
    return Gateway(f"gw-{number}", p256(number), tuple(meters), **changes)  # type: ignore[arg-type]


class Headend:
    """One head-end on one folder; `restarted` opens the same folder again."""

    def __init__(self, folder: Path, *, passed: object = None) -> None:
        self.folder = folder
        self.key = log_key()
        path = folder / "headend.db"
        if not path.exists():
            create_database(path)
            with_logs = open_database(path)
            with with_logs.transaction() as connection:
                log_rows.add_log(connection, 0, str(self.key.verifier))
            with_logs.close()
        self.database: Database = open_database(path)
        self.statement_signer = p256(1000)
        try:
            self.book = Logbook(self.database, {0: self.key}, folder)
        except BaseException:
            self.database.close()
            raise
        self.registry = Registry(self.database)
        self.registrar = Registrar(book=self.book, registry=self.registry, signer=self.statement_signer)
        self.store = SqliteBatches(self.database.connection)
        self.transport = MemoryTransport()
        self.steps: list[Step] = []
        self.worker = IntakeWorker(
            transport=self.transport,
            store=self.store,
            registry=self.registry,
            book=self.book,
            signer=self.statement_signer,
            passed=passed or self.steps.append,  # type: ignore[arg-type]
        )

    def restarted(self) -> "Headend":
        self.close()
        return Headend(self.folder)

    def close(self) -> None:
        self.database.close()

    def enrol(self, *gateways: Gateway, at_utc: int = NOW) -> tuple[Enrolled, ...]:
        applications = [
            Application(
                file=one.file(),
                meters={
                    meter: MeterFacts(
                        facts=() if self.registry.meter(meter) else (fact(meter),),
                        blocks_from_utc=0,
                        posted_as=(f"LEDGER-{meter}",),
                    )
                    for meter in one.meters
                },
                shard=one.shard,
            )
            for one in gateways
        ]
        return self.registrar.enrol_all(applications, at_utc=at_utc)

    def send(self, *messages: Message, topic: str = "sakshi/1/0/gw-1/up") -> None:
        for message in messages:
            self.transport.deliver(topic, message.encoded())

    def step(self) -> IntakeReport:
        return self.worker.step(NOW)

    def take_in(self, *messages: Message, topic: str = "sakshi/1/0/gw-1/up") -> IntakeReport:
        self.send(*messages, topic=topic)
        return self.step()

    def answers(self) -> list[tuple[str, Down]]:
        return [(topic, parse_down(payload)) for topic, payload in self.transport.take()]

    def receipts(self) -> dict[bytes, int]:
        """Leaf index by digest of what was receipted since the last call; every path is verified."""
        found: dict[bytes, int] = {}
        for _, answer in self.answers():
            if isinstance(answer, Receipts):
                found |= check_receipts(answer, self.key.verifier)
        return found

    def refusals(self) -> list[tuple[str, SignedAnswer]]:
        return [(topic, answer) for topic, answer in self.answers() if isinstance(answer, SignedAnswer)]

    def stored(self) -> list[tuple[int, int, bytes]]:
        """Chain, sequence and digest of every admitted batch."""
        rows = self.database.connection.execute(
            "SELECT chain, sequence, digest FROM batches ORDER BY chain, sequence, digest"
        )
        return rows.fetchall()

    def record(self, meter: str) -> MeterRecord:
        registered = self.registry.meter(meter)
        assert registered is not None
        return registered.record


def check_receipts(answer: Receipts, key: VerifierKey) -> dict[bytes, int]:
    seen = advance(None, answer.checkpoint, (), key)
    for entry in answer.inclusions:
        verify_inclusion(
            leaf=leaf_hash(entry.digest), index=entry.index, size=seen.size, path=entry.path, root=seen.root
        )
    return {entry.digest: entry.index for entry in answer.inclusions}
