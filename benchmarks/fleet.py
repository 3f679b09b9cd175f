"""Gateways with a key each, and the batches that they sign. Making them is set-up: nothing here is measured.

Every envelope is made by the product's own statements, so what is measured is fed with what a gateway sends.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from headend.onboarding.enrol import Application, MeterFacts
from signing.energy import Fraction
from signing.envelope import sign
from signing.keys import PublicKey, from_cryptography
from signing.messages import Up
from signing.statements.enrolment import EnrolRequest, enrolment_file
from signing.statements.meter_record import Fact, Role, Stamps
from signing.statements.reading import Columns
from signing.statements.reading_batch import ClockSource, Opening, Origin, ReadingBatch, Register

DAY = 1_777_141_800
"""2026-04-26 00:00 IST, in UTC seconds."""
PERIOD_S = 900
SHARD = 0
_HASH = ec.ECDSA(hashes.SHA256())


class BenchSigner:
    """A P-256 key in memory. Random nonces: quicker to make than deterministic ones, and the same to verify."""

    __slots__ = ("key", "public_key")

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.public_key: PublicKey = from_cryptography(self.key.public_key())

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`."""
        r, s = decode_dss_signature(self.key.sign(message, _HASH))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Sent:
    """One `up` message."""

    topic: str
    payload: bytes


class Gateway:
    """One meter behind one gateway, and how far its chain has come."""

    __slots__ = (
        "_day_utc", "_first_previous", "end_utc", "exported_wh", "file", "imported_wh", "meter", "name", "previous", "seen_size",
        "sequence", "signer",
    )  # fmt: skip

    def __init__(self, number: int, day_utc: int = DAY) -> None:
        self._day_utc = day_utc
        self.name = f"gw-{number:06d}"
        self.meter = f"SKS{number:08d}"
        self.signer = BenchSigner()
        request = EnrolRequest(
            gateway=self.name, key=self.signer.public_key, meters=(self.meter,), retires=(), salt=bytes(16)
        )
        signed = sign(request, self.signer)
        self.file = enrolment_file(signed)
        self._first_previous = signed.digest
        self.restart()

    @property
    def topic(self) -> str:
        """Where it publishes."""
        return f"sakshi/1/{SHARD}/{self.name}/up"

    def restart(self) -> None:
        """Begins the chain again, for a head-end that has seen nothing of it."""
        self.sequence, self.previous, self.end_utc, self.seen_size = 0, self._first_previous, self._day_utc, 0
        self.imported_wh, self.exported_wh = 4_000_000, 1_000_000

    def application(self) -> Application:
        """What enrols it."""
        fact = Fact(
            from_utc=0,
            identity=self.meter,
            connection_point=f"CP-{self.meter}",
            role=Role.REVENUE,
            period_s=PERIOD_S,
            stamps=Stamps.END,
            ct=Fraction(1, 1),
            pt=Fraction(1, 1),
            factor=Fraction(1, 1),
            sanctioned_w=5000,
            installed_w=None,
        )
        return Application(
            file=self.file, meters={self.meter: MeterFacts(facts=(fact,), blocks_from_utc=0)}, shard=SHARD
        )

    def next(self, blocks: int, chance: random.Random) -> Sent:
        """The next batch of the chain, of `blocks` blocks."""
        start, end = self.end_utc, self.end_utc + blocks * PERIOD_S
        opening = self._opening(end, blocks, chance)
        batch = ReadingBatch(
            meter=self.meter,
            sequence=self.sequence,
            previous=self.previous,
            start_utc=start,
            period_s=PERIOD_S,
            count=blocks,
            reach_utc=start if self.sequence else 0,
            read_at_utc=end + 20,
            clock_offset_ms=chance.randint(-900, 900),
            clock_source=ClockSource.NTP,
            origin=Origin.LLS,
            software=bytes(32),
            contents=opening.contents(),
        )
        envelope = sign(batch, self.signer).envelope
        self.sequence, self.previous, self.end_utc = self.sequence + 1, envelope.digest, end
        return Sent(self.topic, Up(envelope, opening.encoded(), self.seen_size).encoded())

    def _opening(self, end_utc: int, blocks: int, chance: random.Random) -> Opening:
        """Readings that add up to the register at their end."""
        imports = tuple(chance.randint(0, 900) for _ in range(blocks))
        exports = tuple(chance.randint(0, 900) for _ in range(blocks))
        self.imported_wh += sum(imports)
        self.exported_wh += sum(exports)
        register = Register(stamp_utc=end_utc, import_wh=self.imported_wh, export_wh=self.exported_wh)
        zeros = (0,) * blocks
        columns = Columns(import_wh=imports, export_wh=exports, absence=zeros, flags=zeros, provenance=zeros)
        return Opening(salt=chance.randbytes(16), identity=self.meter, registers=(register,), columns=columns)


class Fleet:
    """All gateways, in one order at first and a new one every round."""

    def __init__(self, size: int, seed: int, day_utc: int = DAY) -> None:
        """`day_utc` is the IST midnight at which their first block begins."""
        self.chance = random.Random(seed)
        self.gateways = [Gateway(number, day_utc) for number in range(size)]
        self._by_meter = {one.meter: one for one in self.gateways}

    def restart(self) -> None:
        """Begins every chain again."""
        for one in self.gateways:
            one.restart()

    def round(self, blocks: int) -> list[Sent]:
        """One batch of every gateway, in random order."""
        return [one.next(blocks, self.chance) for one in self.some(len(self.gateways))]

    def some(self, count: int) -> Sequence[Gateway]:
        """`count` different gateways in random order."""
        return self.chance.sample(self.gateways, count)

    def receipted(self, meters: Iterable[str], tree_size: int) -> None:
        """These meters' gateways have verified the log up to `tree_size`: their next messages say so."""
        for meter in meters:
            self._by_meter[meter].seen_size = tree_size
