"""Keys and trees for the tests of notes, checkpoints and witnesses."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signing.log.checkpoint import Checkpoint
from signing.log.merkle import Frontier
from signing.log.note import SignatureKind, VerifierKey
from signing.log.proofs import Paths
from tests.signing.log import reference

ORIGIN = "discom.example/sakshi/0"
LEAVES = [reference.leaf(number) for number in range(64)]
WHOLE = Frontier.empty().extended(LEAVES)


def private(seed: int) -> Ed25519PrivateKey:
    """The key of a one-byte seed, the same in every run."""
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def log_key(seed: int = 1, name: str = ORIGIN) -> VerifierKey:
    """The public key of a log."""
    return VerifierKey(name=name, kind=SignatureKind.ED25519, public=private(seed).public_key().public_bytes_raw())


def witness_key(seed: int, name: str = "") -> VerifierKey:
    """The public key of a witness, named for its seed unless a name is given."""
    public = private(seed).public_key().public_bytes_raw()
    return VerifierKey(name=name or f"witness.example/{seed}", kind=SignatureKind.COSIGNATURE_V1, public=public)


def checkpoint(size: int, *, origin: str = ORIGIN) -> Checkpoint:
    """The checkpoint of the first `size` leaves."""
    return Checkpoint(origin=origin, size=size, root=reference.tree(LEAVES[:size]))


def consistency(old_size: int, size: int) -> tuple[bytes, ...]:
    """The path between two of those checkpoints."""
    return Paths(size, WHOLE.hash_at).consistency(old_size)
