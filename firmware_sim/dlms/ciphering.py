"""Ciphered APDUs: service-specific with the global or the dedicated key, and general.

Source: IEC 62056-5-3, 5.3.5 and the tags of 9.5: glo-get-request 0xC8 … glo-action-response 0xCF, ded 0xD0 … 0xD7,
general-glo-ciphering 0xDB, general-ded-ciphering 0xDC, glo-initiateRequest 0x21 and -Response 0x28.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from firmware_sim.dlms.axdr import Reader, length
from firmware_sim.dlms.gcm import BOTH, TAG_SIZE, Keys, TagError, seal, unseal
from firmware_sim.errors import DecodeError, SimulatorError

GENERAL_GLO, GENERAL_DED = 0xDB, 0xDC
INITIATE_REQUEST, INITIATE_RESPONSE, GLO = 0x01, 0x08, 0x20
CIPHERED = frozenset((*range(0xC8, 0xD8), GENERAL_GLO, GENERAL_DED))
"""Tags of every ciphered APDU that stands alone."""
OVERHEAD = 30
"""Most bytes that ciphering adds: tag, title with its length, three of length, control, counter, tag of GCM."""


class StaleCounterError(SimulatorError):
    """An invocation counter that is not above the last accepted one; `expected` is the least that is."""

    def __init__(self, expected: int) -> None:
        super().__init__(f"expected an invocation counter of at least {expected}")
        self.expected = expected


class ProtectionError(SimulatorError):
    """An APDU that cannot be deciphered, or is protected less than it must be."""


class Form(Enum):
    """How an APDU is ciphered; it is answered in the same form."""

    GLO = "glo"
    DED = "ded"
    GENERAL_GLO = "general-glo"
    GENERAL_DED = "general-ded"


_DEDICATED = (Form.DED, Form.GENERAL_DED)
_GENERAL = {Form.GENERAL_GLO: GENERAL_GLO, Form.GENERAL_DED: GENERAL_DED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A ciphered APDU, taken apart. `title` is empty where the form carries none."""

    form: Form
    tag: int
    title: bytes
    control: int
    counter: int
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A deciphered APDU, and what its answer is to be ciphered like."""

    plain: bytes = field(repr=False)
    form: Form
    control: int


class Counters:
    """The invocation counters of one meter: the last accepted one of every client, and its own. They only rise."""

    def __init__(self, *, own: int = 0, accepted: Mapping[int, int] | None = None) -> None:
        self.own = own
        """The last counter that this meter used."""
        self._accepted = dict(accepted or {})

    def accepted(self, sap: int) -> int:
        """The last counter accepted from the client at `sap`; 0 before the first."""
        return self._accepted.get(sap, 0)

    def accept(self, sap: int, counter: int) -> None:
        """Note `counter` as accepted; a lower one than before changes nothing."""
        self._accepted[sap] = max(counter, self.accepted(sap))

    def next(self) -> int:
        """A counter that this meter has never used."""
        self.own += 1
        return self.own


def parse_envelope(apdu: bytes) -> Envelope:
    """The parts of a ciphered APDU.

    Raises:
        DecodeError: when it is none, or cut, or longer than it says.
    """
    reader = Reader(apdu)
    tag = reader.number(1)
    title = b""
    if tag in (GENERAL_GLO, GENERAL_DED):
        form = Form.GENERAL_GLO if tag == GENERAL_GLO else Form.GENERAL_DED
        title = reader.take(reader.length())
    elif 0xD0 <= tag <= 0xD7:
        form = Form.DED
    elif 0xC8 <= tag <= 0xCF or tag in (GLO | INITIATE_REQUEST, GLO | INITIATE_RESPONSE):
        form = Form.GLO
    else:
        raise DecodeError(f"expected a ciphered APDU, got tag {tag:#x}")
    body = Reader(reader.take(reader.length()))
    reader.end()
    control, counter = body.number(1), body.number(4)
    return Envelope(form=form, tag=tag, title=title, control=control, counter=counter, content=body.take(body.left))


def _plain_tag(envelope: Envelope) -> int | None:
    match envelope.form:
        case Form.GLO:
            return envelope.tag - (8 if envelope.tag >= 0xC8 else GLO)
        case Form.DED:
            return envelope.tag - 16
        case _:
            return None


def enclose(form: Form, plain_tag: int, title: bytes, body: bytes) -> bytes:
    """A ciphered APDU around `body` (control, counter, sealed content), whose plain APDU has `plain_tag`."""
    if form in _GENERAL:
        return bytes([_GENERAL[form]]) + length(len(title)) + title + length(len(body)) + body
    if plain_tag in (INITIATE_REQUEST, INITIATE_RESPONSE):
        tag = plain_tag | GLO
    else:
        tag = plain_tag + (16 if form is Form.DED else 8)
    return bytes([tag]) + length(len(body)) + body


@dataclass(slots=True, kw_only=True)
class Shield:
    """The ciphering of one association, at the meter's end."""

    sap: int
    keys: Keys
    policy: int
    """Bits of the security control byte that every request must have."""
    client_title: bytes
    own_title: bytes
    counters: Counters
    general: bool = False
    """Whether general ciphering was agreed."""
    dedicated: Keys | None = None
    # A dedicated key is fresh: its counter begins anew with it, or goes on with the global one, as the client likes.
    _last_dedicated: int = -1

    def open(self, apdu: bytes) -> Opened:
        """The plain APDU, its counter accepted.

        Raises:
            DecodeError: when it is not built as a ciphered APDU is, or holds another service than its tag says.
            StaleCounterError: when its counter is not above the last one.
            ProtectionError: when its tag is wrong, it is protected too little, or in a form that was not agreed.
        """
        envelope = parse_envelope(apdu)
        keys = self._keys(envelope)
        if envelope.control & ~BOTH or envelope.control & self.policy != self.policy or not envelope.control:
            raise ProtectionError(f"expected security control {self.policy:#04x}, got {envelope.control:#04x}")
        dedicated = envelope.form in _DEDICATED
        last = self._last_dedicated if dedicated else self.counters.accepted(self.sap)
        if envelope.counter <= last:
            raise StaleCounterError(min(last + 1, 0xFFFFFFFF))
        try:
            plain = unseal(keys, envelope.control, self.client_title, envelope.counter, envelope.content)
        except TagError as wrong:
            raise ProtectionError(str(wrong)) from None
        # Only now: a forged counter must not lock the client out.
        if dedicated:
            self._last_dedicated = envelope.counter
        else:
            self.counters.accept(self.sap, envelope.counter)
        expected = _plain_tag(envelope)
        if not plain or (expected is not None and plain[0] != expected):
            raise DecodeError("expected the service that the tag names")
        return Opened(plain=plain, form=envelope.form, control=envelope.control)

    def close(self, plain: bytes, like: Opened) -> bytes:
        """`plain` ciphered in the form and with the protection of the request."""
        keys = self.keys
        if like.form in _DEDICATED:
            assert self.dedicated is not None
            keys = self.dedicated
        counter = self.counters.next()
        content = seal(keys, like.control, self.own_title, counter, plain)
        body = bytes([like.control]) + counter.to_bytes(4, "big") + content
        return enclose(like.form, plain[0], self.own_title, body)

    def room(self, size: int, like: Form) -> int:
        """How long a plain answer may be so that it is at most `size` bytes when ciphered."""
        head = 1 + 3 + 5 + (1 + len(self.own_title) if like in _GENERAL else 0)
        return size - head - TAG_SIZE

    def _keys(self, envelope: Envelope) -> Keys:
        if envelope.form in _GENERAL and not self.general:
            raise ProtectionError("expected service-specific ciphering: general protection was not agreed")
        if envelope.title not in (b"", self.client_title):
            raise ProtectionError("expected the system title of the association")
        if envelope.form not in _DEDICATED:
            return self.keys
        if self.dedicated is None:
            raise ProtectionError("expected the global key: no dedicated key was agreed")
        return self.dedicated
