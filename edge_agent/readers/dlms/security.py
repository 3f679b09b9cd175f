"""Security suite 0: what leaves is ciphered under the meter's keys, and nothing that came is believed before its tag is verified.

Sans-io. A `Cipher` belongs to one association: it holds the keys, asks for the invocation counters, and knows the one form in
which requests leave and answers must come.

Source: DLMS UA Green Book, security suite 0 (AES-GCM-128, IEC 62056-5-3); METERS §3.
"""

from dataclasses import dataclass
from enum import Enum
from hmac import compare_digest
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as Primitive
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from edge_agent.errors import MeterDecodeError, MeterForgedError
from edge_agent.readers.dlms.codec import Decoder, encode_length

KEY_OCTETS: Final = 16
TITLE_OCTETS: Final = 8
TAG_OCTETS: Final = 12
COUNTER_OCTETS: Final = 4
MAX_COUNTER: Final = 0xFFFF_FFFF
"""Above it, a key is used up."""

_AUTHENTICATED: Final = 0x10
_ENCRYPTED: Final = 0x20
_FORM_OVERHEAD: Final = 1 + 3 + 1 + COUNTER_OCTETS + TAG_OCTETS
_TITLE_OVERHEAD: Final = 1 + TITLE_OCTETS

INITIATE_REQUEST: Final = 0x01
INITIATE_RESPONSE: Final = 0x08
SERVICE_ERROR: Final = 0x0E
_GLO_INITIATE_REQUEST: Final = 0x21
_GLO_INITIATE_ANSWERS: Final = {0x28: INITIATE_RESPONSE, 0x2E: SERVICE_ERROR}
GENERAL_GLO: Final = 0xDB
GENERAL_DED: Final = 0xDC


class Secret:
    """A password or key: usable, never shown."""

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def reveal(self) -> bytes:
        """The octets themselves; only for the APDU or primitive that needs them."""
        return self._octets

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not copied out of its process")


class Policy(Enum):
    """What the client does to its requests: the bits of the security control octet."""

    AUTHENTICATED = _AUTHENTICATED
    AUTHENTICATED_ENCRYPTED = _AUTHENTICATED | _ENCRYPTED


class Form(Enum):
    """Which APDUs carry what is ciphered. Negotiated: a meter answers in the form in which it was asked."""

    GLO = "glo"
    """Service-specific, under the global key."""
    DED = "ded"
    """Service-specific, under the dedicated key of this association."""
    GENERAL_GLO = "general-glo"
    GENERAL_DED = "general-ded"


# Only what a reader sends has a ciphered form here: there is none for SET.
_REQUESTS: Final[dict[Form, dict[int, int]]] = {
    Form.GLO: {0xC0: 0xC8, 0xC3: 0xCB},
    Form.DED: {0xC0: 0xD0, 0xC3: 0xD3},
    Form.GENERAL_GLO: {0xC0: GENERAL_GLO, 0xC3: GENERAL_GLO},
    Form.GENERAL_DED: {0xC0: GENERAL_DED, 0xC3: GENERAL_DED},
}
_GENERAL_ANSWERS: Final = frozenset({0xC4, 0xC7, SERVICE_ERROR, 0xD8, 0x0F, 0xC2})
_ANSWERS: Final[dict[Form, dict[int, frozenset[int]]]] = {
    Form.GLO: {0xCC: frozenset({0xC4}), 0xCF: frozenset({0xC7}), 0xCA: frozenset({0xC2}), 0x2E: frozenset({0x0E})},
    Form.DED: {0xD4: frozenset({0xC4}), 0xD7: frozenset({0xC7}), 0xD2: frozenset({0xC2}), 0x4E: frozenset({0x0E})},
    Form.GENERAL_GLO: {GENERAL_GLO: _GENERAL_ANSWERS},
    Form.GENERAL_DED: {GENERAL_DED: _GENERAL_ANSWERS},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CipherKeys:
    """The global keys of one association.

    Raises:
        ValueError: when one is not 16 octets long.
    """

    encryption: Secret
    """Global unicast encryption key."""
    authentication: Secret
    """Global authentication key: part of what every tag covers, never a key of AES."""

    def __post_init__(self) -> None:
        for name in ("encryption", "authentication"):
            if len(getattr(self, name).reveal()) != KEY_OCTETS:
                raise ValueError(f"expected an {name} key of {KEY_OCTETS} octets")


class Invocations(Protocol):
    """The invocation counters of one key and system title: whoever gives them makes them durable first."""

    @property
    def heard(self) -> int:
        """Highest counter of the meter that was ever verified under this key; -1 for none."""

    def take(self) -> int:
        """The next own counter. It MUST NOT ever be given again, crash or not: the pair (key, counter) is AES-GCM's nonce.

        Raises:
            MeterRefusedError: when there is none left.
        """

    def confirm(self, *, own: int, heard: int) -> None:
        """Notes that a verified answer proves the meter to have accepted `own`, and stands at `heard` itself."""

    def settle(self) -> None:
        """The association is over: nothing is taken afterwards. Idempotent."""


def seal(key: Secret, *, control: int, authentication: Secret, nonce: bytes, plain: bytes) -> bytes:
    """`plain` protected as `control` says: the ciphertext (or `plain` itself) and a tag of 12 octets."""
    covered = bytes([control]) + authentication.reveal()
    encryptor = Primitive(algorithms.AES(key.reveal()), modes.GCM(nonce, None, TAG_OCTETS)).encryptor()
    if not control & _ENCRYPTED:
        encryptor.authenticate_additional_data(covered + plain)
        encryptor.finalize()
        return plain + encryptor.tag[:TAG_OCTETS]
    encryptor.authenticate_additional_data(covered)
    ciphertext = encryptor.update(plain) + encryptor.finalize()
    return ciphertext + encryptor.tag[:TAG_OCTETS]


def unseal(key: Secret, *, control: int, authentication: Secret, nonce: bytes, content: bytes) -> bytes:
    """The plain octets of `content`, whose last 12 are its tag.

    Raises:
        MeterForgedError: when the tag does not verify.
    """
    body, tag = content[:-TAG_OCTETS], content[-TAG_OCTETS:]
    if len(tag) != TAG_OCTETS:
        raise MeterForgedError(f"expected a tag of {TAG_OCTETS} octets, got {len(tag)}")
    covered = bytes([control]) + authentication.reveal()
    decryptor = Primitive(algorithms.AES(key.reveal()), modes.GCM(nonce, tag, TAG_OCTETS)).decryptor()
    try:
        if not control & _ENCRYPTED:
            decryptor.authenticate_additional_data(covered + body)
            decryptor.finalize()
            return body
        decryptor.authenticate_additional_data(covered)
        return decryptor.update(body) + decryptor.finalize()
    except InvalidTag:
        raise MeterForgedError(
            "the tag of the meter's answer does not verify: another key, or octets that are not the meter's"
        ) from None


class Cipher:
    """The protection of one association. `title` is the client's own system title (8 octets)."""

    def __init__(
        self,
        *,
        keys: CipherKeys,
        title: bytes,
        invocations: Invocations,
        policy: Policy = Policy.AUTHENTICATED_ENCRYPTED,
        dedicated: Secret | None = None,
    ) -> None:
        if len(title) != TITLE_OCTETS:
            raise ValueError(f"expected a system title of {TITLE_OCTETS} octets, got {len(title)}")
        self.title = title
        self.dedicated = dedicated
        self._keys = keys
        self._invocations = invocations
        self._policy = policy
        self._form = Form.GLO if dedicated is None else Form.DED
        self._meter: bytes | None = None
        self._taken = -1
        self._heard = {False: -1, True: -1}
        """The meter's last counter, under the global and under the dedicated key."""

    def __repr__(self) -> str:
        return f"Cipher({self._form.value})"

    @property
    def form(self) -> Form:
        """In which form requests leave and answers must come."""
        return self._form

    @property
    def overhead(self) -> int:
        """Most octets that protection adds to an APDU."""
        return _FORM_OVERHEAD + (_TITLE_OVERHEAD if self._is_general() else 0)

    def use_general(self) -> None:
        """General protection was negotiated: from here on in that form."""
        self._form = Form.GENERAL_GLO if self.dedicated is None else Form.GENERAL_DED

    def require_fresh(self) -> None:
        """Nothing of this association's opening is fresh from us: the meter's counter must be beyond all that was ever heard."""
        self._heard[False] = self._invocations.heard

    def meet(self, meter: bytes) -> None:
        """Takes the meter's system title.

        Raises:
            MeterForgedError: when it is of another length, or our own: our own octets would come back as the meter's.
        """
        if len(meter) != TITLE_OCTETS or meter == self.title:
            raise MeterForgedError(f"expected the meter's own system title of {TITLE_OCTETS} octets, got {meter.hex()}")
        self._meter = meter

    def protect_initiate(self, plain: bytes) -> bytes:
        """The glo-initiate-request around an InitiateRequest: always service-specific, under the global key."""
        if plain[:1] != bytes([INITIATE_REQUEST]):
            raise ValueError("expected an InitiateRequest")
        return self._wrap(_GLO_INITIATE_REQUEST, self._keys.encryption, plain)

    def open_initiate(self, received: bytes) -> bytes:
        """The verified InitiateResponse (or service error) behind the user-information of an AARE.

        Raises:
            MeterForgedError: when it is not ciphered, or its tag does not verify.
            MeterDecodeError: when it is malformed.
        """
        plain_tag = _GLO_INITIATE_ANSWERS.get(received[0]) if received else None
        if plain_tag is None:
            raise MeterForgedError(f"expected a ciphered initiate response, got {received[:1].hex() or 'nothing'}")
        return self._unwrap(Decoder(received, 1), frozenset({plain_tag}), is_dedicated=False)

    def protect(self, plain: bytes) -> bytes:
        """`plain` in the negotiated form.

        Raises:
            ValueError: when a reader has no business sending it.
        """
        tag = _REQUESTS[self._form].get(plain[0])
        if tag is None:
            raise ValueError(f"expected a request that only reads, got tag 0x{plain[0]:02x}")
        key = self._keys.encryption if self.dedicated is None else self.dedicated
        return self._wrap(tag, key, plain)

    def open(self, received: bytes) -> bytes:
        """The verified APDU in `received`.

        Raises:
            MeterForgedError: when it is not protected in the negotiated form, its tag does not verify, or it is a replay.
            MeterDecodeError: when it is malformed.
        """
        allowed = _ANSWERS[self._form].get(received[0]) if received else None
        if allowed is None:
            got = f"0x{received[0]:02x}" if received else "nothing"
            raise MeterForgedError(
                f"expected an answer in the form {self._form.value} of this ciphered association, got {got}"
            )
        decoder = Decoder(received, 1)
        if self._is_general():
            title = decoder.take(decoder.length())
            # A dedicated key knows its two parties: an empty title is then allowed.
            if title != self._meter and (title or self.dedicated is None):
                raise MeterForgedError(f"expected the meter's system title, got {title.hex()}")
        return self._unwrap(decoder, allowed, is_dedicated=self.dedicated is not None)

    def gmac(self, challenge: bytes) -> bytes:
        """Our proof for `challenge` (HLS mechanism 5): control octet, counter, GMAC over the challenge."""
        counter = self._take()
        control = bytes([_AUTHENTICATED])
        return control + counter + self._gmac(self.title, counter, challenge)

    def check_gmac(self, challenge: bytes, proof: bytes) -> bool:
        """Whether `proof` is the meter's for our `challenge`. Fresh by the challenge, whatever its counter."""
        if len(proof) != 1 + COUNTER_OCTETS + TAG_OCTETS or proof[0] != _AUTHENTICATED or self._meter is None:
            return False
        return compare_digest(proof[5:], self._gmac(self._meter, proof[1:5], challenge))

    def settle(self) -> None:
        """The association is over. Idempotent."""
        self._invocations.settle()

    def _is_general(self) -> bool:
        return self._form in {Form.GENERAL_GLO, Form.GENERAL_DED}

    def _take(self) -> bytes:
        self._taken = self._invocations.take()
        return self._taken.to_bytes(COUNTER_OCTETS, "big")

    def _gmac(self, title: bytes, counter: bytes, challenge: bytes) -> bytes:
        sealed = seal(
            self._keys.encryption,
            control=_AUTHENTICATED,
            authentication=self._keys.authentication,
            nonce=title + counter,
            plain=challenge,
        )
        return sealed[-TAG_OCTETS:]

    def _wrap(self, tag: int, key: Secret, plain: bytes) -> bytes:
        counter = self._take()
        content = seal(
            key,
            control=self._policy.value,
            authentication=self._keys.authentication,
            nonce=self.title + counter,
            plain=plain,
        )
        body = bytes([self._policy.value]) + counter + content
        title = b"" if tag not in {GENERAL_GLO, GENERAL_DED} else bytes([TITLE_OCTETS]) + self.title
        return bytes([tag]) + title + encode_length(len(body)) + body

    def _unwrap(self, decoder: Decoder, allowed: frozenset[int], *, is_dedicated: bool) -> bytes:
        if self._meter is None:
            raise MeterForgedError(
                "expected the meter's system title in its AARE, got none: its tags cannot be verified"
            )
        body = decoder.take(decoder.length())
        decoder.finish()
        if len(body) <= 1 + COUNTER_OCTETS + TAG_OCTETS:
            raise MeterForgedError(f"expected a control octet, a counter, an APDU and a tag, got {len(body)} octets")
        control, counter = body[0], body[1 : 1 + COUNTER_OCTETS]
        # Without a tag there is nothing to verify; broadcast keys, compression and other suites were not negotiated.
        if control not in {_AUTHENTICATED, _AUTHENTICATED | _ENCRYPTED}:
            raise MeterForgedError(f"expected security control 0x10 or 0x30, got 0x{control:02x}")
        plain = unseal(
            self._keys.encryption if not is_dedicated or self.dedicated is None else self.dedicated,
            control=control,
            authentication=self._keys.authentication,
            nonce=self._meter + counter,
            content=body[1 + COUNTER_OCTETS :],
        )
        self._hear(int.from_bytes(counter, "big"), is_dedicated=is_dedicated)
        if plain[0] not in allowed:
            raise MeterDecodeError(f"expected the APDU that its ciphered form names, got 0x{plain[0]:02x}")
        return plain

    def _hear(self, counter: int, *, is_dedicated: bool) -> None:
        last = self._heard[is_dedicated]
        if counter <= last:
            raise MeterForgedError(f"expected an invocation counter of the meter above {last}, got {counter}: a replay")
        self._heard[is_dedicated] = counter
        if not is_dedicated:
            self._invocations.confirm(own=self._taken, heard=counter)
