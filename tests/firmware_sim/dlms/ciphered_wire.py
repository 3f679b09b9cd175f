"""A client of ciphered meters, made by hand from the standard and the primitives of `cryptography` alone."""

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.application import Application
from firmware_sim.dlms.catalogue import Model
from firmware_sim.dlms.ciphering import Counters
from firmware_sim.dlms.clients import Access, Ciphering
from firmware_sim.dlms.device import Device, Occupancy, Stale
from firmware_sim.dlms.gcm import Keys
from firmware_sim.meter import Meter
from tests.firmware_sim.dlms.wire import PASSWORD
from tests.firmware_sim.meters import now, seller

# The keys, titles and challenges of the DLMS UA Green Book's examples.
EK = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
AK = bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
CLIENT = bytes.fromhex("4D4D4D0000000001")
METER = bytes.fromhex("4D4D4D0000BC614E")
STOC = b"P6wRJ21F" * 2
CTOS = b"K56iVagY" * 2
HLS_KEY = b"0123456789abcdef"
DEDICATED = bytes(range(16, 32))
INITIATE = "01 00 00 00 06 5F1F 04 00 007E1F 04B0"
INITIATE_GENERAL = "01 00 00 00 06 5F1F 04 00 407E1F 04B0"
INITIATE_DEDICATED = f"01 01 10 {DEDICATED.hex()} 00 00 06 5F1F 04 00 407E1F 04B0"
CONTEXT = "60857405080103"
PLAIN_CONTEXT = "60857405080101"
KEYS = Keys(encryption=EK, authentication=AK)


def tlv(tag: int, content: bytes) -> bytes:
    """A BER or A-XDR element of less than 128 bytes."""
    assert len(content) < 128
    return bytes([tag, len(content)]) + content


def protect(control: int, title: bytes, counter: int, plain: bytes, key: bytes = EK) -> bytes:
    """Security control, counter and protected content."""
    head = bytes([control]) + counter.to_bytes(4, "big")
    nonce = title + counter.to_bytes(4, "big")
    aad = bytes([control]) + AK
    if control == 0x30:
        whole = AESGCM(key).encrypt(nonce, plain, aad)
        return head + whole[:-4]
    if control == 0x10:
        return head + plain + AESGCM(key).encrypt(nonce, b"", aad + plain)[:12]
    assert control == 0x20
    return head + AESGCM(key).encrypt(nonce, plain, b"")[:-16]


def uncover(title: bytes, content: bytes, key: bytes = EK) -> bytes:
    """What stands in security control, counter and protected content; asserts the tag."""
    control, counter, body = content[0], int.from_bytes(content[1:5], "big"), content[5:]
    if control == 0x30:
        mode = modes.GCM(title + content[1:5], body[-12:], min_tag_length=12)
        decryptor = Cipher(algorithms.AES(key), mode).decryptor()
        decryptor.authenticate_additional_data(bytes([control]) + AK)
        return decryptor.update(body[:-12]) + decryptor.finalize()
    if control == 0x10:
        assert content == protect(control, title, counter, body[:-12], key)
        return body[:-12]
    # Encrypting twice with the same counter is decrypting.
    return protect(control, title, counter, body, key)[5:]


def aarq(
    information: bytes,
    *,
    context: str = CONTEXT,
    mechanism: int | None = None,
    shown: bytes = b"",
    title: bytes | None = CLIENT,
) -> bytes:
    """An AARQ around user-information."""
    body = tlv(0xA1, tlv(0x06, bytes.fromhex(context)))
    if title is not None:
        body += tlv(0xA6, tlv(0x04, title))
    if mechanism is not None:
        body += bytes.fromhex("8A020780") + tlv(0x8B, bytes.fromhex("608574050802") + bytes([mechanism]))
        body += tlv(0xAC, tlv(0x80, shown))
    body += tlv(0xBE, tlv(0x04, information))
    return tlv(0x60, body)


def elements(content: bytes) -> dict[int, bytes]:
    """The BER elements of a short APDU by tag, without its own."""
    assert len(content) == 2 + content[1]
    found, at = {}, 2
    while at < len(content):
        size = content[at + 1]
        found[content[at]] = content[at + 2 : at + 2 + size]
        at += 2 + size
    return found


@dataclass
class CipheredWire:
    """A client of one device, with its counter."""

    device: Device
    sap: int = 32
    counter: int = 0
    control: int = 0x30
    title: bytes = CLIENT
    heard: list[int] = field(default_factory=list)
    """The meter's counters, in order."""

    def __post_init__(self) -> None:
        self.application = Application(self.device)

    def raw(self, apdu: bytes | str) -> bytes:
        """The answer to an APDU as it is."""
        return self.application.answer(self.sap, bytes.fromhex(apdu) if isinstance(apdu, str) else apdu)

    def covered(self, plain: str | bytes, key: bytes = EK) -> bytes:
        """Protected content with the next counter."""
        self.counter += 1
        content = bytes.fromhex(plain) if isinstance(plain, str) else plain
        return protect(self.control, self.title, self.counter, content, key)

    def uncovered(self, content: bytes, key: bytes = EK) -> bytes:
        self.heard.append(int.from_bytes(content[1:5], "big"))
        assert content[0] == self.control
        return uncover(METER, content, key)

    def glo(self, plain: str) -> bytes:
        """The plain answer to a plain request, ciphered with the global key both ways."""
        return self._service(plain, 8, EK)

    def ded(self, plain: str) -> bytes:
        """The same with the dedicated key."""
        return self._service(plain, 16, DEDICATED)

    def _service(self, plain: str, shift: int, key: bytes) -> bytes:
        request = bytes.fromhex(plain)
        answer = self.raw(tlv(request[0] + shift, self.covered(request, key)))
        if answer[0] == 0xD8:
            return answer
        found = self.uncovered(behind_length(answer[1:]), key)
        assert answer[0] == found[0] + shift
        return found

    def general(self, plain: str, tag: int = 0xDB, title: bytes = CLIENT) -> bytes:
        """The plain answer to a plain request in general ciphering."""
        key = EK if tag == 0xDB else DEDICATED
        answer = self.raw(bytes([tag]) + tlv(len(title), b"")[:1] + title + tlv(0, self.covered(plain, key))[1:])
        if answer[0] == 0xD8:
            return answer
        assert answer[:10] == bytes([tag, 8]) + METER
        return self.uncovered(behind_length(answer[10:]), key)

    def associate(
        self, initiate: str = INITIATE, mechanism: int | None = 1, shown: bytes = PASSWORD
    ) -> dict[int, bytes]:
        """The elements of the answer to a ciphered AARQ."""
        information = tlv(0x21, self.covered(initiate))
        return elements(self.raw(aarq(information, mechanism=mechanism, shown=shown, title=self.title)))


def behind_length(content: bytes) -> bytes:
    """What a length announces, which must be all there is."""
    first = content[0]
    if first < 0x80:
        assert first == len(content) - 1
        return content[1:]
    size = first & 0x7F
    assert int.from_bytes(content[1 : 1 + size], "big") == len(content) - 1 - size
    return content[1 + size :]


def device(
    meter: Meter | None = None,
    *,
    clock: Callable[[], int] = now,
    ciphering: Ciphering = Ciphering.OPTIONAL,
    hls: Mechanism | None = Mechanism.GMAC,
    policy: int = 0x30,
    stale: Stale = Stale.EXCEPTION,
    occupancy: Occupancy | None = None,
    model: Model = Model.D1,
    counters: Counters | None = None,
) -> Device:
    """A meter with the Green Book's keys, whose challenge is known."""
    access = Access(password=PASSWORD, keys=KEYS, ciphering=ciphering, policy=policy, hls=hls, hls_secret=HLS_KEY)
    return Device(
        meter or seller(),
        now=clock,
        access=access,
        model=model,
        title=METER,
        counters=counters,
        stale=stale,
        occupancy=occupancy,
        challenge=lambda size: STOC[:size],
    )
