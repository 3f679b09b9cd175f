"""Who is registered: subscribers' keys, their networks and whether a key was revoked, behind one seam."""

from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger_client.ledger import LedgerUnavailableError
from ledger_client.signature import KeyId


class DirectoryUnavailableError(LedgerUnavailableError):
    """The directory gave no answer: nobody can be believed until it does. Ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """One registered key of one subscriber."""

    key_id: KeyId
    key: Ed25519PublicKey
    networks: frozenset[str]
    """The networks that it is a member of, e.g. ``indiaenergystack.in/ies-p2p-trading-network``."""
    is_revoked: bool = False
    url: str | None = None
    """Its registered address; None where the directory names none."""


class Directory(Protocol):
    """Where subscribers are looked up. Safe to use from several threads."""

    def subscriber(self, key_id: KeyId) -> Subscriber | None:
        """The registered key, revoked or not; None where there is none.

        Raises:
            DirectoryUnavailableError: no answer; a cached one MUST NOT outlive its time to live.
        """
        ...
