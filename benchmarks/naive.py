"""A head-end as a typical user would write it: paho, a JSON Web Signature, one INSERT and one COMMIT after the other.

It verifies every signature and stores durably, as ours does. It has no log, no receipts, no chain and no canonical form, and
acknowledges when paho does. Its keys stand as PEM text in a table and are loaded for each message, as with PyJWT given PEM; one variant
keeps loaded keys, to be fair to the careful user.
"""

import base64
import json
import sqlite3
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.anchor import Anchor
from benchmarks.broker import publishing, write_packets
from benchmarks.fleet import DAY, PERIOD_S, Fleet, Gateway, Sent
from benchmarks.intake import Rounds
from benchmarks.over_mqtt import Place

_TOPIC = "naive/{}/up"
_HASH = ec.ECDSA(hashes.SHA256())


class Style(Enum):
    """Where the typical user commits, and whether loaded keys are kept."""

    ROW = "insert and commit per row"
    MESSAGE = "insert per row, commit per message"
    CAREFUL = "commit per message, loaded keys kept"


def live(fleet: Fleet, style: Style, anchor: Anchor, place: Place, *, blocks: int, count: int, repeats: int) -> Rounds:
    """`count` messages of random gateways, `repeats` times, each time with a new database."""
    rounds = Rounds()
    keys = {one.name: _pem(one) for one in fleet.gateways}
    for _ in range(repeats):
        gateways = [fleet.chance.choice(fleet.gateways) for _ in range(count)]
        messages = [_message(one, number, blocks, fleet) for number, one in enumerate(gateways)]
        rounds.add(_round(keys, messages, blocks, style, place), count, anchor.sample())
    return rounds


class NaiveHeadend:
    """The typical user's program."""

    def __init__(self, path: Path, keys: dict[str, str], style: Style) -> None:
        self._style = style
        self._loaded: dict[str, ec.EllipticCurvePublicKey] = {}
        self.stored = 0
        self.database = sqlite3.connect(path)
        # As durable as ours, and quicker than SQLite's default journal.
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.execute("CREATE TABLE keys (gateway TEXT PRIMARY KEY, pem TEXT NOT NULL)")
        self.database.execute(
            "CREATE TABLE readings (meter TEXT NOT NULL, start INTEGER NOT NULL, import_wh INTEGER, export_wh INTEGER, "
            "PRIMARY KEY (meter, start))"
        )
        self.database.executemany("INSERT INTO keys VALUES (?, ?)", keys.items())
        self.database.commit()

    def take_in(self, token: bytes) -> None:
        """Verifies one message and stores its readings."""
        claims = self._verified(token)
        for reading in claims["readings"]:
            self.database.execute(
                "INSERT OR IGNORE INTO readings VALUES (?, ?, ?, ?)",
                (claims["meter"], reading["start"], reading["import_wh"], reading["export_wh"]),
            )
            if self._style is Style.ROW:
                self.database.commit()
        self.database.commit()
        self.stored += 1

    def _verified(self, token: bytes) -> dict[str, list[dict[str, int]]]:
        """The claims of a compact JWS signed with ES256."""
        head, body, signature = token.split(b".")
        header = json.loads(_unbase64(head))
        if header["alg"] != "ES256":
            raise InvalidSignature
        raw = _unbase64(signature)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        self._key(header["kid"]).verify(der, head + b"." + body, _HASH)
        claims: dict[str, list[dict[str, int]]] = json.loads(_unbase64(body))
        return claims

    def _key(self, gateway: str) -> ec.EllipticCurvePublicKey:
        if gateway in self._loaded:
            return self._loaded[gateway]
        (pem,) = self.database.execute("SELECT pem FROM keys WHERE gateway = ?", (gateway,)).fetchone()
        key = serialization.load_pem_public_key(pem.encode())
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise InvalidSignature
        if self._style is Style.CAREFUL:
            self._loaded[gateway] = key
        return key


def _round(keys: dict[str, str], messages: Sequence[Sent], blocks: int, style: Style, place: Place) -> float:
    file, path = place.folder / "naive-packets", place.folder / "naive.db"
    for old in place.folder.glob("naive.db*"):
        old.unlink()
    write_packets(messages, file)
    headend = NaiveHeadend(path, keys, style)
    try:
        client = Client(CallbackAPIVersion.VERSION2, client_id="naive")
        client.on_message = _stop_after(len(messages), headend)
        client.connect("127.0.0.1", place.broker.port)
        client.subscribe("naive/+/up", qos=1)
        before = place.spent_s()
        with publishing(place.broker, file, place.cores):
            client.loop_forever()
        spent = place.spent_s() - before
        (rows,) = headend.database.execute("SELECT count(*) FROM readings").fetchone()
    finally:
        headend.database.close()
    if (headend.stored, rows) != (len(messages), len(messages) * blocks):
        raise AssertionError(
            f"expected {len(messages)} messages of {blocks} rows, got {headend.stored} and {rows} rows"
        )
    return spent


def _stop_after(count: int, headend: NaiveHeadend) -> Callable[[Client, object, MQTTMessage], None]:
    def received(client: Client, _data: object, message: MQTTMessage) -> None:
        headend.take_in(bytes(message.payload))
        if headend.stored == count:
            client.disconnect()

    return received


def _message(gateway: Gateway, number: int, blocks: int, fleet: Fleet) -> Sent:
    start = DAY + number * blocks * PERIOD_S
    claims = {
        "meter": gateway.meter,
        "sequence": number,
        "readings": [
            {
                "start": start + block * PERIOD_S,
                "import_wh": fleet.chance.randint(0, 900),
                "export_wh": fleet.chance.randint(0, 900),
            }
            for block in range(blocks)
        ],
    }
    signed = (
        _base64(json.dumps({"alg": "ES256", "kid": gateway.name}).encode())
        + b"."
        + _base64(json.dumps(claims).encode())
    )
    return Sent(_TOPIC.format(gateway.name), signed + b"." + _base64(gateway.signer.sign(signed)))


def _pem(gateway: Gateway) -> str:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return gateway.signer.key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _unbase64(data: bytes) -> bytes:
    return base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))
