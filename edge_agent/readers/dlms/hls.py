"""How a client opens an association: what it shows, how it proves itself, and what it wants proven.

High-level security works both ways: each side sends a challenge and answers the other's. A meter that cannot answer ours is
refused, whatever else it says. Mechanisms 3, 4 and 6 (digests of a shared secret) and 7 (ECDSA) are not spoken here.

Source: DLMS UA Green Book, HLS authentication mechanisms 2 and 5; METERS §3 for mechanism 2 in Indian meters.
"""

from dataclasses import dataclass
from hmac import compare_digest
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher as Primitive
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from edge_agent.errors import MeterForgedError
from edge_agent.readers.dlms.association import (
    OFFERED,
    Association,
    Conformance,
    Grant,
    Mechanism,
    aarq,
    initiate_response,
)
from edge_agent.readers.dlms.security import KEY_OCTETS, Cipher, CipherKeys, Invocations, Secret

CHALLENGE_OCTETS: Final = 16
"""Of our challenge: enough that none repeats, few enough that no AARQ needs a long length."""
_CHALLENGES: Final = range(8, 65)
"""Octets that a meter's challenge may have."""


MOST_COUNTERS: Final = 1024
"""Invocation counters that an association in another process gets: it cannot ask for more, and none of them is ever given again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """Everything that an association of another stack, in a process of its own, shows. Holds secrets, as `Login` does."""

    password: Secret | None = None
    keys: CipherKeys | None = None
    title: bytes = b""
    """The client's own system title."""
    invocations: Invocations | None = None

    def told(self) -> dict[str, dict[str, str | int] | None]:
        """The secrets in words, for a pipe and nothing else; the counters in them count as used.

        Raises:
            MeterRefusedError: there is no counter left.
        """
        told: dict[str, dict[str, str | int] | None] = {"password": None, "cipher": None}
        if self.password is not None:
            told["password"] = {"hex": self.password.reveal().hex()}
        if self.keys is not None and self.invocations is not None:
            counters = _run(self.invocations)
            told["cipher"] = {
                "encryption": self.keys.encryption.reveal().hex(),
                "authentication": self.keys.authentication.reveal().hex(),
                "title": self.title.hex(),
                "first": counters.start,
                "last": counters.stop - 1,
                "heard": self.invocations.heard,
            }
        return told

    def settle(self) -> None:
        """The association is over."""
        if self.invocations is not None:
            self.invocations.settle()


def _run(invocations: Invocations) -> range:
    """Counters that follow one another: another process may have some between two that are given here."""
    first = last = invocations.take()
    while last - first + 1 < MOST_COUNTERS:
        taken = invocations.take()
        if taken != last + 1:
            break
        last = taken
    return range(first, last + 1)


class Handshake(Protocol):
    """One run of a high-level mechanism."""

    @property
    def mechanism(self) -> Mechanism:
        """Its number in the AARQ."""

    @property
    def challenge(self) -> bytes:
        """Ours: random, and never anything else."""

    def reply(self, challenge: bytes) -> bytes:
        """Our proof for the meter's `challenge`.

        Raises:
            MeterForgedError: when no honest meter sends that challenge.
        """

    def is_proven(self, proof: bytes) -> bool:
        """Whether `proof` is what only a holder of the key can make of our challenge."""


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % KEY_OCTETS)


def _blocks(octets: bytes) -> set[bytes]:
    whole = _padded(octets)
    return {whole[at : at + KEY_OCTETS] for at in range(0, len(whole), KEY_OCTETS)}


def _require_challenge(theirs: bytes, ours: bytes) -> None:
    if len(theirs) not in _CHALLENGES:
        raise MeterForgedError(f"expected a challenge of 8 to 64 octets, got {len(theirs)}")
    # A peer without the key could have us answer our own challenge; AES-ECB answers block by block.
    if _blocks(theirs) & _blocks(ours):
        raise MeterForgedError("expected a challenge of the meter's own, got ours back")


class HlsAes:
    """Mechanism 2: AES-128-ECB of the challenge, padded with zeros to blocks, under the shared key.

    `challenge` comes from a random source. A key shorter than 16 octets is padded with zeros, as meters do.

    Raises:
        ValueError: when the key is empty or longer than 16 octets, or the challenge too short.
    """

    mechanism = Mechanism.HLS_AES

    def __init__(self, key: Secret, challenge: bytes) -> None:
        if not 0 < len(key.reveal()) <= KEY_OCTETS:
            raise ValueError(f"expected an HLS key of 1 to {KEY_OCTETS} octets")
        _require_own(challenge)
        self.challenge = challenge
        self._key = key

    def reply(self, challenge: bytes) -> bytes:
        """See `Handshake.reply`."""
        _require_challenge(challenge, self.challenge)
        return self._encrypted(challenge)

    def is_proven(self, proof: bytes) -> bool:
        """See `Handshake.is_proven`."""
        return compare_digest(proof, self._encrypted(self.challenge))

    def _encrypted(self, challenge: bytes) -> bytes:
        # ECB is what the mechanism is; a random challenge has no pattern for it to show.
        encryptor = Primitive(algorithms.AES(_padded(self._key.reveal())), modes.ECB()).encryptor()  # noqa: S305 - as said
        return encryptor.update(_padded(challenge)) + encryptor.finalize()


class HlsGmac:
    """Mechanism 5: a GMAC over the challenge, under the global keys and both system titles.

    Raises:
        ValueError: when the challenge is too short.
    """

    mechanism = Mechanism.HLS_GMAC

    def __init__(self, cipher: Cipher, challenge: bytes) -> None:
        _require_own(challenge)
        self.challenge = challenge
        self._cipher = cipher

    def reply(self, challenge: bytes) -> bytes:
        """See `Handshake.reply`."""
        _require_challenge(challenge, self.challenge)
        return self._cipher.gmac(challenge)

    def is_proven(self, proof: bytes) -> bool:
        """See `Handshake.is_proven`."""
        return self._cipher.check_gmac(self.challenge, proof)


def _require_own(challenge: bytes) -> None:
    if not CHALLENGE_OCTETS <= len(challenge) <= _CHALLENGES[-1]:
        raise ValueError(f"expected a challenge of {CHALLENGE_OCTETS} to 64 random octets, got {len(challenge)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Everything that one association shows and agrees on. Holds secrets: made when it is opened, dropped when it is over."""

    password: Secret | None = None
    """Shown in the AARQ (LLS); alone, or with a cipher."""
    handshake: Handshake | None = None
    cipher: Cipher | None = None
    """Titles and keys. Mechanism 5 needs them even where the APDUs stay plain."""
    is_ciphered: bool = False
    """Whether every APDU is protected."""
    offers_general: bool = False
    """Whether general protection is offered; a meter that grants it is then spoken to in that form."""

    def __post_init__(self) -> None:
        if self.is_ciphered and self.cipher is None:
            raise ValueError("expected keys for a ciphered association")
        if self.password is not None and self.handshake is not None:
            raise ValueError("expected a password or a handshake, got both")

    @property
    def protection(self) -> Cipher | None:
        """The cipher that every APDU goes through, if there is one."""
        return self.cipher if self.is_ciphered else None

    @property
    def offered(self) -> Conformance:
        """The services offered: reading, and what this login needs."""
        offered = OFFERED
        if self.handshake is not None:
            offered |= Conformance.ACTION
        if self.is_ciphered and self.offers_general:
            offered |= Conformance.GENERAL_PROTECTION
        return offered

    def request(self, max_pdu: int = 0xFFFF) -> bytes:
        """The AARQ; the meter's answers are to have at most `max_pdu` octets."""
        protection, handshake = self.protection, self.handshake
        return aarq(
            self.password if handshake is None else Secret(handshake.challenge),
            conformance=self.offered,
            max_pdu=max_pdu,
            mechanism=Mechanism.LLS if handshake is None else handshake.mechanism,
            title=None if self.cipher is None else self.cipher.title,
            dedicated=None if protection is None else protection.dedicated,
            protect=None if protection is None else protection.protect_initiate,
        )

    def agree(self, grant: Grant) -> Association:
        """What `grant` agrees on: verified, and with the form of everything that follows settled.

        Raises:
            MeterForgedError: when it is not authentic.
            MeterRefusedError: as `association.initiate_response`.
            MeterDecodeError: when it is malformed.
        """
        if self.cipher is not None:
            self.cipher.meet(grant.title or b"")
        protection = self.protection
        if protection is None:
            return initiate_response(grant.initiate, self.offered)
        if self.handshake is None and protection.dedicated is None:
            # No challenge, no key of this hour: only a counter beyond every other tells this answer from a recorded one.
            protection.require_fresh()
        agreed = initiate_response(protection.open_initiate(grant.initiate), self.offered)
        if Conformance.GENERAL_PROTECTION in agreed.conformance:
            protection.use_general()
        return agreed

    def prove(self, grant: Grant) -> bytes | None:
        """Our proof for the challenge in `grant`; None where no handshake was asked for.

        Raises:
            MeterForgedError: when the meter does not take part in the handshake, or its challenge is none.
        """
        if self.handshake is None:
            return None
        if grant.challenge is None or grant.mechanism != self.handshake.mechanism.value:
            raise MeterForgedError("expected the meter's challenge in its AARE, got none: it would prove nothing")
        return self.handshake.reply(grant.challenge)
