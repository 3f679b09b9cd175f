"""Bytes of the wire format made without the code under test: cbor2, cryptography, and a Merkle tree of its own.

Vectors test the code rather than echo it, so nothing here imports `signing`. Signatures are deterministic (RFC 6979), so the
same script gives the same bytes on every machine. Source: docs/wire-format.md; RFC 9052; RFC 9162 §2.1; C2SP signed-note.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

TEN = 1_777_177_800
"""2026-04-26 10:00 IST: the start of most windows here."""
HOUR = 3600
METER = "SKS00000001"
POINT = "CP-MEERUT-1"
POSTED_AS = "98765432-IN"
ORIGIN = "pavvnl.example/sakshi/0"


def dumps(item: Any) -> bytes:
    """Canonical CBOR by cbor2."""
    return cbor2.dumps(item, canonical=True)


def digest_of(text: str) -> bytes:
    """A digest that stands for something that is not there: an agent's software, say."""
    return sha256(text.encode()).digest()


class Key:
    """A P-256 key from a small number."""

    def __init__(self, seed: int) -> None:
        self._key = ec.derive_private_key(int.from_bytes(digest_of(f"key {seed}"), "big") >> 1, ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        self.cose = {1: 2, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        self.kid = sha256(dumps(self.cose)).digest()
        self.algorithm = -7

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class EdKey:
    """An Ed25519 key from a small number."""

    def __init__(self, seed: int) -> None:
        self._key = ed25519.Ed25519PrivateKey.from_private_bytes(digest_of(f"ed25519 {seed}"))
        self.public = self._key.public_key().public_bytes_raw()
        self.cose = {1: 1, -1: 6, -2: self.public}
        self.kid = sha256(dumps(self.cose)).digest()
        self.algorithm = -8

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def verifier(self, name: str, kind: int = 1) -> str:
        return f"{name}+{self.key_id(name, kind).hex()}+{b64encode(bytes([kind]) + self.public).decode()}"

    def key_id(self, name: str, kind: int = 1) -> bytes:
        return sha256(name.encode() + b"\n" + bytes([kind]) + self.public).digest()[:4]


def content_type(name: str, version: int = 1) -> str:
    return f"application/vnd.sakshi.{name}+cbor;v={version}"


def to_be_signed(protected: bytes, payload: bytes) -> bytes:
    return dumps(["Signature1", protected, b"", payload])


@dataclass
class Statement:
    """A signed statement and where the log holds it."""

    protected: bytes
    payload: bytes
    signature: bytes
    index: int | None = None

    @property
    def tag(self) -> cbor2.CBORTag:
        return cbor2.CBORTag(18, [self.protected, {}, self.payload, self.signature])

    @property
    def digest(self) -> bytes:
        return sha256(to_be_signed(self.protected, self.payload)).digest()


@dataclass
class Batch(Statement):
    """A signed header with its opening."""

    meter: str = ""
    kid: bytes = b""
    sequence: int = 0
    start: int = 0
    end: int = 0
    opening: bytes = b""


def signed(key: Key | EdKey, name: str, item: Any, algorithm: int | None = None, *, version: int = 1) -> Statement:
    protected = dumps({1: algorithm or key.algorithm, 3: content_type(name, version), 4: key.kid})
    payload = dumps(item)
    return Statement(protected, payload, key.sign(to_be_signed(protected, payload)))


def leaf(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def _split(count: int) -> int:
    half = 1
    while half * 2 < count:
        half *= 2
    return half


def root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1, over leaf hashes."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else sha256(b"").digest()
    at = _split(len(leaves))
    return sha256(b"\x01" + root(leaves[:at]) + root(leaves[at:])).digest()


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162 §2.1.3.1."""
    if len(leaves) <= 1:
        return []
    at = _split(len(leaves))
    if index < at:
        return [*path(index, leaves[:at]), root(leaves[at:])]
    return [*path(index - at, leaves[at:]), root(leaves[:at])]


def consistency(old: int, leaves: Sequence[bytes], *, known: bool = True) -> list[bytes]:
    """PROOF of RFC 9162 §2.1.4.1."""
    if old == len(leaves):
        return [] if known else [root(leaves)]
    at = _split(len(leaves))
    if old <= at:
        return [*consistency(old, leaves[:at], known=known), root(leaves[at:])]
    return [*consistency(old - at, leaves[at:], known=False), root(leaves[:at])]


def energy(start: int) -> tuple[int, int]:
    """Import and export of the block at `start`, in Wh: any function will do."""
    block = start // 900
    return 10 + block % 7, 800 + block * 37 % 100


def register(stamp: int) -> list[int]:
    """The cumulative register at `stamp`, by the same function."""
    blocks = [energy(start) for start in range(TEN - 6 * HOUR, stamp, 900)]
    return [stamp, 1_000_000 + sum(b[0] for b in blocks), 5_000_000 + sum(b[1] for b in blocks)]


def column(values: Sequence[int | None]) -> Any:
    return values[0] if len(set(values)) == 1 else list(values)


def column_set(values: Sequence[tuple[int | None, int | None]]) -> list[Any]:
    """The five columns of blocks that are present, or that the meter gave no row for."""
    absence = [2 if imported is None else 0 if exported is not None else 1 for imported, exported in values]
    return [column([v[0] for v in values]), column([v[1] for v in values]), column(absence), 0, 0]


@dataclass
class Chain:
    """Where the next batch of (meter, kid) goes."""

    previous: bytes
    sequence: int = 0
    reach: int = 0


RAO, SEN = Key(31), EdKey(32)
"""Two operators of the discom."""


@dataclass
class World:
    """A discom, its log and its gateways: every statement it makes, in the order of the log."""

    discom: Key = field(default_factory=lambda: Key(1))
    log: EdKey = field(default_factory=lambda: EdKey(2))
    gateway: Key = field(default_factory=lambda: Key(3))
    origin: str = ORIGIN
    leaves: list[bytes] = field(default_factory=list)
    chains: dict[tuple[str, bytes], Chain] = field(default_factory=dict)
    _salts: int = 0

    def salt(self) -> bytes:
        self._salts += 1
        return digest_of(f"salt {self._salts}")[:16]

    def logged(self, statement: Any) -> Any:
        """`statement` as the next entry of the log."""
        statement.index = len(self.leaves)
        self.leaves.append(leaf(statement.digest))
        return statement

    def enrol(self, key: Key, *meters: str, gateway: str = "gw-meerut-1") -> bytes:
        request = signed(key, "enrol-request", [gateway, key.cose, list(meters), [], self.salt()])
        for meter in meters:
            self.chains[meter, key.kid] = Chain(request.digest)
        return request.digest

    def speaker(self, key: Key, enrolment: bytes, state: int = 0, last: Any = None, good: Any = None) -> list[Any]:
        return [key.cose, "gw-meerut-1", enrolment, TEN - 30 * 86_400, state, last, good]

    def fact(self, identity: str = "SN-0001", role: int = 0, since: int = TEN - 90 * 86_400, **more: Any) -> list[Any]:
        ct, point = more.get("ct", [1, 1]), more.get("point", POINT)
        return [since, identity, point, role, 900, 0, ct, [1, 1], [1, 1], 5000, 4000]

    def record(self, meter: str, number: int, previous: bytes | None, speakers: Any, facts: Any = None) -> Statement:
        item = [meter, number, previous, 0, facts or [self.fact()], speakers, self.salt()]
        stated: Statement = self.logged(signed(self.discom, "meter-record", item))
        return stated

    def rules(self, items: Any = None) -> Statement:
        stated: Statement = self.logged(signed(self.discom, "rule-set", ["tests", 1, items or RULES]))
        return stated

    def batch(
        self,
        start: int,
        blocks: int = 4,
        *,
        meter: str = METER,
        key: Key | None = None,
        registers: Sequence[int] = (),
        into_log: bool = True,
        value: Callable[[int], tuple[int | None, int | None]] = energy,
        registered: Callable[[int], list[int]] = register,
        identity: str = "SN-0001",
        header: dict[int, Any] | None = None,
        algorithm: int | None = None,
    ) -> Batch:
        """The next batch of the chain; `header` overrides fields by position."""
        key = key or self.gateway
        chain = self.chains[meter, key.kid]
        end = start + blocks * 900
        values = [value(start + place * 900) for place in range(blocks)]
        opening = dumps([self.salt(), identity, [registered(stamp) for stamp in registers], column_set(values)])
        item: list[Any] = [
            meter,
            chain.sequence,
            chain.previous,
            start,
            900,
            blocks,
            chain.reach,
            end + 60,
            [-1200, 2],
            2,
        ]
        item += [digest_of("software"), sha256(opening).digest()]
        for place, field_value in (header or {}).items():
            item[place] = field_value
        stated = signed(key, "reading-batch", item, algorithm)
        batch = Batch(stated.protected, stated.payload, stated.signature, None, meter, key.kid, item[1], start, end)
        batch.opening = opening
        chain.sequence, chain.previous, chain.reach = item[1] + 1, batch.digest, max(item[6], end)
        if into_log:
            self.logged(batch)
        return batch

    def skip(self, start: int, blocks: int = 4, *, meter: str = METER) -> Batch:
        """A batch that is signed and never admitted."""
        return self.batch(start, blocks, meter=meter, into_log=False)

    def actual(self, item: list[Any], *, version: int = 1) -> Statement:
        stated: Statement = self.logged(signed(self.discom, "window-actual", item, version=version))
        return stated

    def edit(
        self,
        number: int,
        previous: Statement | None,
        blocks: list[Any],
        *,
        meter: str = METER,
        reason: str = "seal broken, figures agreed with the customer",
        author: tuple[Any, str] = (RAO, "A. Rao"),
        approver: tuple[Any, str] = (SEN, "B. Sen"),
        signed_by_approver: list[Any] | None = None,
        into_log: bool = True,
    ) -> Statement:
        """The discom's edit of one meter; `signed_by_approver` is what the second person signed instead of the proposal."""
        salt = self.salt()
        shared = [meter, number, None if previous is None else previous.digest, 900, blocks, reason]
        said = [[*shared, salt], signed_by_approver or [*shared, salt]]
        persons = [
            [key.cose, name, signed(key, "edit-proposal", item).signature]
            for (key, name), item in zip((author, approver), said, strict=True)
        ]
        stated = signed(self.discom, "edit", [*shared, *persons, salt])
        if into_log:
            self.logged(stated)
        return stated

    def checkpoint(self, size: int | None = None) -> bytes:
        size = len(self.leaves) if size is None else size
        text = f"{self.origin}\n{size}\n{b64encode(root(self.leaves[:size])).decode()}\n"
        signature = self.log.key_id(self.origin) + self.log.sign(text.encode())
        return f"{text}\n\u2014 {self.origin} {b64encode(signature).decode()}\n".encode()

    def cosignature(self, key: EdKey, name: str, at: int = TEN) -> bytes:
        """A witness's line under the newest checkpoint."""
        text = self.checkpoint().decode().partition("\n\n")[0] + "\n"
        signature = key.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
        line = key.key_id(name, 4) + at.to_bytes(8, "big") + signature
        return f"\u2014 {name} {b64encode(line).decode()}\n".encode()

    def place(self, statement: Statement, size: int | None = None) -> list[Any]:
        assert statement.index is not None
        return [statement.index, path(statement.index, self.leaves[:size])]

    def entry(self, statement: Statement, size: int | None = None) -> list[Any]:
        return [statement.tag, *self.place(statement, size)]

    def batch_entry(self, batch: Batch, *, opened: bool = True, end: bool = False) -> list[Any]:
        return [batch.tag, batch.opening if opened else None, self.place(batch) if opened or end else None]

    def bundle(
        self,
        actuals: Iterable[Statement],
        records: Iterable[Statement] = (),
        rules: Iterable[Statement] = (),
        batches: Iterable[list[Any]] = (),
        *,
        kind: int = 1,
        old_sizes: Sequence[int] = (),
        edits: Sequence[Statement] = (),
    ) -> list[Any]:
        """A bundle as of now, as an array that a test may still change; version 2 where it holds edits."""
        steps = [[size, consistency(size, self.leaves)] for size in old_sizes]
        head = [2 if edits else 1, kind, self.checkpoint(), steps]
        rows = [[self.entry(entry) for entry in entries] for entries in (actuals, records, rules)]
        return [*head, *rows, list(batches), *([[self.entry(entry) for entry in edits]] if edits else [])]

    def receipt(self, *batches: Batch, old: int = 0, size: int | None = None) -> list[Any]:
        """A `down` message for these batches."""
        steps = consistency(old, self.leaves[:size]) if old else []
        rows = [[batch.digest, *self.place(batch, size)] for batch in batches]
        return [1, 0, self.checkpoint(size), old, steps, rows]

    def trust(self, *, pin: bytes | None = None, more: str = "", until: int | None = None) -> str:
        """The trust file of this world."""
        key = b64encode(dumps(self.discom.cose)).decode()
        lines = [
            "version = 1\n\n[[log]]",
            f'origin = "{self.origin}"\nkey = "{self.log.verifier(self.origin)}"\n\n[[discom]]',
            f'key = "{key}"\nfrom_index = 0',
        ]
        if until is not None:
            lines.append(f"until_index = {until}")
        if pin is not None:
            lines.append(f'\n[pin]\ncheckpoint = """\n{pin.decode()}"""')
        return "\n".join([*lines, more]) + "\n"


RULES: list[Any] = [
    ["V03", 1, {}],
    ["V05", 1, {}],
    ["V06", 1, {"required_from_origin_rank": 1}],
    ["V15", 1, {}],
    ["V23", 1, {"digit_wh": 10, "tolerance_permille": 5}],
]


def evidence(batches: Iterable[Batch]) -> bytes:
    rows = {(batch.meter, batch.kid, batch.sequence, batch.digest) for batch in batches}
    return sha256(dumps([list(row) for row in sorted(rows)])).digest()
