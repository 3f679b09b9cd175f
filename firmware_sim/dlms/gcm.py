"""The cryptography of security suite 0: AES-GCM-128 with 12-byte tags, GMAC, and AES-128 of a challenge.

Source: IEC 62056-5-3, 5.3.4 (security suite 0); NIST SP 800-38D (GCM): initialization vector = system title (8 bytes) and
invocation counter (4 bytes, big-endian); additional data = security control byte, authentication key.
"""

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from firmware_sim.errors import SetupError, SimulatorError

KEY_SIZE, TITLE_SIZE, TAG_SIZE = 16, 8, 12
AUTHENTICATED, ENCRYPTED = 0x10, 0x20
"""Bits of the security control byte; the low four bits are the suite, 0 here."""
BOTH = AUTHENTICATED | ENCRYPTED


class TagError(SimulatorError):
    """The tag is not the one that key, system title, counter and content give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The encryption key (EK) and the authentication key (AK) of one association, 16 bytes each."""

    encryption: bytes = field(repr=False)
    authentication: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse keys of another length."""
        for name, key in (("encryption key", self.encryption), ("authentication key", self.authentication)):
            if len(key) != KEY_SIZE:
                raise SetupError(f"expected 16 bytes, got {len(key)} in '{name}'")

    def with_dedicated(self, key: bytes) -> "Keys":
        """The same with a session's own encryption key; the authentication key stays."""
        return Keys(encryption=key, authentication=self.authentication)


def _vector(title: bytes, counter: int) -> bytes:
    return title + counter.to_bytes(4, "big")


def _tag(keys: Keys, title: bytes, counter: int, additional: bytes, plain: bytes) -> tuple[bytes, bytes]:
    mode = modes.GCM(_vector(title, counter))
    encryptor = Cipher(algorithms.AES(keys.encryption), mode).encryptor()
    encryptor.authenticate_additional_data(additional)
    ciphered = encryptor.update(plain) + encryptor.finalize()
    return ciphered, encryptor.tag[:TAG_SIZE]


def _count(keys: Keys, title: bytes, counter: int, content: bytes) -> bytes:
    # GCM encrypts as CTR does, from block 2 on; without a tag there is nothing else to it.
    mode = modes.CTR(_vector(title, counter) + b"\x00\x00\x00\x02")
    encryptor = Cipher(algorithms.AES(keys.encryption), mode).encryptor()
    return encryptor.update(content) + encryptor.finalize()


def seal(keys: Keys, control: int, title: bytes, counter: int, plain: bytes) -> bytes:
    """`plain` protected as the bits of `control` say, one of them at least: what stands after control and counter."""
    additional = bytes([control]) + keys.authentication
    match control & BOTH:
        case 0x30:
            return b"".join(_tag(keys, title, counter, additional, plain))
        case 0x10:
            return plain + _tag(keys, title, counter, additional + plain, b"")[1]
        case _:
            return _count(keys, title, counter, plain)


def unseal(keys: Keys, control: int, title: bytes, counter: int, content: bytes) -> bytes:
    """What `seal` had, its tag verified where there is one.

    Raises:
        TagError: when the tag does not fit, or there is none.
    """
    if not control & AUTHENTICATED:
        return _count(keys, title, counter, content)
    if len(content) < TAG_SIZE:
        raise TagError(f"expected a tag of {TAG_SIZE} bytes, got {len(content)}")
    body, tag = content[:-TAG_SIZE], content[-TAG_SIZE:]
    additional = bytes([control]) + keys.authentication
    mode = modes.GCM(_vector(title, counter), tag, min_tag_length=TAG_SIZE)
    decryptor = Cipher(algorithms.AES(keys.encryption), mode).decryptor()
    encrypted = bool(control & ENCRYPTED)
    decryptor.authenticate_additional_data(additional if encrypted else additional + body)
    try:
        plain = decryptor.update(body if encrypted else b"") + decryptor.finalize()
    except InvalidTag:
        raise TagError("expected a tag that fits its content") from None
    return plain if encrypted else body


def gmac(keys: Keys, title: bytes, counter: int, challenge: bytes) -> bytes:
    """The 12-byte GMAC over a challenge: mechanism 5's answer without its security control and counter.

    Source: IEC 62056-5-3, 5.3.4.7: "f(challenge) = SC || IC || GMAC(SC || AK || challenge)".
    """
    additional = bytes([AUTHENTICATED]) + keys.authentication + challenge
    return _tag(keys, title, counter, additional, b"")[1]


def encrypt_challenge(key: bytes, challenge: bytes) -> bytes:
    """AES-128 in ECB of `challenge`, padded with zeros to whole blocks: the answer of mechanism 2 in Indian meters."""
    padded = challenge + bytes(-len(challenge) % 16)
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the mechanism is defined so
    return encryptor.update(padded) + encryptor.finalize()
