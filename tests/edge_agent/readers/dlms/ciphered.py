"""A ciphered meter made of primitives: it shares no code with the client, and misbehaves as a test says."""

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge_agent.readers.dlms.security import Cipher as ClientCipher
from edge_agent.readers.dlms.security import CipherKeys, Policy, Secret
from tests.edge_agent.readers.dlms.wire import ScriptedMeter, size

EK = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
AK = bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")
HLS = b"hls-secret-16oct"
CLIENT = bytes.fromhex("53414b0000000001")
METER = bytes.fromhex("4758540000001234")
STOC = bytes.fromhex("f0e1d2c3b4a5968778695a4b3c2d1e0f")
CTOS = bytes.fromhex("00112233445566778899aabbccddeeff")


def gcm(key: bytes, control: int, ak: bytes, nonce: bytes, plain: bytes) -> bytes:
    """Protected `plain`: from the one-shot primitive, its tag cut to 12 octets."""
    if control & 0x20:
        return AESGCM(key).encrypt(nonce, plain, bytes([control]) + ak)[:-4]
    return plain + AESGCM(key).encrypt(nonce, b"", bytes([control]) + ak + plain)[:12]


def ungcm(key: bytes, control: int, ak: bytes, nonce: bytes, content: bytes) -> bytes:
    """The plain octets; counter mode is its own inverse, and the tag is compared by doing it again."""
    body = content[:-12]
    plain = AESGCM(key).encrypt(nonce, body, b"")[:-16] if control & 0x20 else body
    assert gcm(key, control, ak, nonce, plain) == content, "the client's tag is wrong"
    return plain


def ecb(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


@dataclass
class Counters:
    """Invocation counters in memory."""

    own: int = 1
    heard: int = -1
    taken: list[int] = field(default_factory=list)
    confirmed: list[tuple[int, int]] = field(default_factory=list)
    settled: int = 0

    def take(self) -> int:
        self.taken.append(self.own)
        self.own += 1
        return self.taken[-1]

    def confirm(self, *, own: int, heard: int) -> None:
        self.confirmed.append((own, heard))

    def settle(self) -> None:
        self.settled += 1


def keys(ek: bytes = EK, ak: bytes = AK) -> CipherKeys:
    return CipherKeys(encryption=Secret(ek), authentication=Secret(ak))


def client(
    counters: Counters | None = None,
    *,
    dedicated: bytes | None = None,
    policy: Policy = Policy.AUTHENTICATED_ENCRYPTED,
    ek: bytes = EK,
) -> ClientCipher:
    return ClientCipher(
        keys=keys(ek),
        title=CLIENT,
        invocations=counters or Counters(),
        policy=policy,
        dedicated=None if dedicated is None else Secret(dedicated),
    )


def same(octets: bytes) -> bytes:
    return octets


@dataclass
class CipheredMeter:
    """A meter on wrapper frames: suite 0, all four forms, no HLS, mechanism 2 or 5."""

    inner: ScriptedMeter = field(default_factory=ScriptedMeter)
    ek: bytes = EK
    ak: bytes = AK
    hls: bytes = HLS
    title: bytes = METER
    stoc: bytes | None = STOC
    counter: int = 7
    """Its own, next."""
    accepted: int = 0
    """The client's last."""
    grants_general: bool = False
    plain_answers: bool = False
    control: int | None = None
    max_pdu: int = 0x400
    mangle: Callable[[bytes], bytes] = same
    """What becomes of each APDU before it leaves."""
    proof: Callable[[bytes], bytes] = same
    """What becomes of f(CtoS)."""
    plain_seen: list[bytes] = field(default_factory=list)
    """Every APDU behind its protection."""
    wire_seen: list[bytes] = field(default_factory=list)
    mechanism: int | None = None
    _ctos: bytes = b""
    _dedicated: bytes | None = None
    _general: bool = False
    _ciphered: bool = False
    _client: bytes = b""

    def answer(self, frame: bytes) -> bytes:
        apdu = frame[8:]
        self.wire_seen.append(apdu)
        reply = self.mangle(self._reply(apdu))
        return b"\x00\x01" + frame[4:6] + frame[2:4] + len(reply).to_bytes(2) + reply

    def _reply(self, apdu: bytes) -> bytes:
        if apdu[0] == 0x60:
            return self._associate(apdu)
        if apdu[0] == 0x62:
            return bytes.fromhex("6303800100")
        if not self._ciphered:
            self.plain_seen.append(apdu)
            return self._serve(apdu)
        tag, at = apdu[0], 1
        key = self.ek if self._dedicated is None else self._dedicated
        assert (tag in {0xDB, 0xDC}) is self._general
        if self._general:
            assert apdu[1:10] == b"\x08" + self._client
            at = 10
        at += 1 if apdu[at] < 0x80 else 1 + apdu[at] - 0x80
        plain = self._accept(key, apdu[at:])
        if plain is None:
            return bytes.fromhex("d80106") + (self.accepted + 1).to_bytes(4)
        expected = {0xC0: (0xC8, 0xD0), 0xC3: (0xCB, 0xD3)}[plain[0]][self._dedicated is not None]
        assert tag == ((0xDB if self._dedicated is None else 0xDC) if self._general else expected)
        self.plain_seen.append(plain)
        return self._protect(self._serve(plain), key)

    def _accept(self, key: bytes, body: bytes) -> bytes | None:
        counter = int.from_bytes(body[1:5])
        if counter <= self.accepted:
            return None
        plain = ungcm(key, body[0], self.ak, self._client + body[1:5], body[5:])
        self.accepted = counter
        return plain

    def _protect(self, plain: bytes, key: bytes, tag: int | None = None) -> bytes:
        if self.plain_answers:
            return plain
        control = 0x30 if self.control is None else self.control
        counter = self.counter.to_bytes(4)
        self.counter += 1
        body = bytes([control]) + counter + gcm(key, control, self.ak, self.title + counter, plain)
        if tag is None and self._general:
            head = (b"\xdb" if self._dedicated is None else b"\xdc") + b"\x08" + self.title
            return head + size(len(body)) + body
        forms = {0xC4: (0xCC, 0xD4), 0xC7: (0xCF, 0xD7)}
        form = tag if tag is not None else forms[plain[0]][self._dedicated is not None]
        return bytes([form]) + size(len(body)) + body

    def _associate(self, apdu: bytes) -> bytes:
        fields = _ber(apdu[2:] if apdu[1] < 0x80 else apdu[3:])
        self._ciphered = fields[0xA1].endswith(b"\x03")
        self._client = fields[0xA6][2:] if 0xA6 in fields else b""
        self.mechanism = fields[0x8B][-1] if 0x8B in fields else None
        self._ctos = fields[0xAC][2:] if 0xAC in fields else b""
        initiate = fields[0xBE][2:]
        if self._ciphered:
            assert initiate[0] == 0x21
            plain = self._accept(self.ek, initiate[2:])
            if plain is None:
                return bytes.fromhex("d80106") + (self.accepted + 1).to_bytes(4)
            initiate = plain
        self.plain_seen.append(initiate)
        self._dedicated = initiate[3:19] if initiate[1] else None
        offered = int.from_bytes(initiate[-5:-2])
        self._general = self.grants_general and bool(offered & 0x400000)
        granted = offered if self._general else offered & ~0x400000
        response = bytes.fromhex("0800065f1f0400") + granted.to_bytes(3) + self.max_pdu.to_bytes(2) + b"\x00\x07"
        return self._aare(self._protect(response, self.ek, 0x28) if self._ciphered else response)

    def _aare(self, initiate: bytes) -> bytes:
        is_hls = (self.mechanism or 0) > 1
        body = bytes.fromhex("a109060760857405080103" if self._ciphered else "a109060760857405080101")
        body += bytes.fromhex("a203020100a305a10302010e" if is_hls else "a203020100a305a103020100")
        if self._client:
            body += bytes([0xA4, len(self.title) + 2, 4, len(self.title)]) + self.title
        if is_hls and self.stoc is not None:
            body += bytes.fromhex("880207808907608574050802") + bytes([self.mechanism or 0])
            body += bytes([0xAA, len(self.stoc) + 2, 0x80, len(self.stoc)]) + self.stoc
        body += b"\xbe" + size(len(initiate) + 2) + b"\x04" + size(len(initiate)) + initiate
        return b"\x61" + size(len(body)) + body

    def _serve(self, plain: bytes) -> bytes:
        if plain[0] == 0xC3:
            assert plain[3:12] == bytes.fromhex("000f0000280000ff01")
            assert plain[12:14] == b"\x01\x09"
            if plain[15:] != self._expected():
                return bytes([0xC7, 1, plain[2], 3, 0])
            proof = self.proof(self._own_proof())
            return bytes([0xC7, 1, plain[2], 0, 1, 0, 9, len(proof)]) + proof
        return self.inner._reply(plain)

    def _expected(self) -> bytes:
        assert self.stoc is not None
        if self.mechanism == 2:
            return ecb(self.hls, self.stoc)
        counter = self.accepted - 1 if self._ciphered else 1
        return self._gmac(self._client, counter, self.stoc)

    def _own_proof(self) -> bytes:
        if self.mechanism == 2:
            return ecb(self.hls, self._ctos)
        self.counter += 1
        return self._gmac(self.title, self.counter - 1, self._ctos)

    def _gmac(self, title: bytes, counter: int, challenge: bytes) -> bytes:
        nonce = title + counter.to_bytes(4)
        return b"\x10" + counter.to_bytes(4) + AESGCM(self.ek).encrypt(nonce, b"", b"\x10" + self.ak + challenge)[:12]


def _ber(data: bytes) -> dict[int, bytes]:
    fields = {}
    while data:
        assert data[1] < 0x80
        fields[data[0]] = data[2 : 2 + data[1]]
        data = data[2 + data[1] :]
    return fields
