"""A discom in a test: a statement key, a real log, and the answers that a head-end would give."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signing.backends.file import FileSigner, create_key
from signing.envelope import Envelope, sign
from signing.keys import Algorithm
from signing.log.checkpoint import Checkpoint, sign_checkpoint
from signing.log.merkle import leaf_hash, node_hash, root
from signing.log.note import SignatureKind, VerifierKey
from signing.log.proofs import Paths
from signing.messages import DownKind, Inclusion, Receipts, SignedAnswer, Up, encode_down
from signing.statements.answers import Command, CommandKind, Disposition, Refusal

ORIGIN = "discom.example/sakshi/0"


def refused(envelope: Envelope, disposition: Disposition = Disposition.PARK) -> Refusal:
    """A no to a batch: check 5."""
    return Refusal(
        kid=envelope.kid,
        statement=envelope.digest,
        message=bytes(32),
        number=5,
        reason="not on record",
        disposition=disposition,
        tree_size=0,
    )


class Log:
    """A log of digests, signed by one key."""

    def __init__(self, key: Ed25519PrivateKey, digests: list[bytes] | None = None) -> None:
        self._key = key
        self.digests = list(digests or [])
        self.public = VerifierKey(name=ORIGIN, kind=SignatureKind.ED25519, public=key.public_key().public_bytes_raw())

    def admit(self, *digests: bytes) -> None:
        for digest in digests:
            if digest not in self.digests:
                self.digests.append(digest)

    def checkpoint(self, size: int) -> bytes:
        checkpoint = Checkpoint(origin=ORIGIN, size=size, root=root(map(leaf_hash, self.digests[:size])))
        return bytes(sign_checkpoint(checkpoint, self.public, self._key))

    def receipts(self, *digests: bytes, old_size: int, size: int | None = None) -> Receipts:
        size = len(self.digests) if size is None else size
        paths = Paths(size, self._hash_at)
        return Receipts(
            checkpoint=self.checkpoint(size),
            old_size=old_size,
            consistency=paths.consistency(old_size) if old_size <= size else (),
            inclusions=tuple(
                Inclusion(
                    digest=digest,
                    index=self.digests.index(digest),
                    path=paths.inclusion(self.digests.index(digest)),
                )
                for digest in digests
            ),
        )

    def _hash_at(self, level: int, index: int, /) -> bytes:
        if level == 0:
            return leaf_hash(self.digests[index])
        return node_hash(self._hash_at(level - 1, 2 * index), self._hash_at(level - 1, 2 * index + 1))


class Discom:
    """Keys, a log, and answers."""

    def __init__(self, directory: Path) -> None:
        self.log_key = Ed25519PrivateKey.generate()
        self.log = Log(self.log_key)
        self.signer = create_key(str(directory / "statements.pem"), Algorithm.ES256)

    def answer(self, *ups: Up) -> bytes:
        """Admits the batches and gives their receipts, as docs/wire-format.md §5 says."""
        digests = [up.envelope.digest for up in ups]
        self.log.admit(*digests)
        return encode_down(self.log.receipts(*digests, old_size=max(up.seen_size for up in ups)))

    def refuse(
        self,
        up: Up,
        *,
        number: int = 5,
        disposition: Disposition = Disposition.PARK,
        tree_size: int | None = None,
        message: bytes | None = None,
        kid: bytes | None = None,
        signer: FileSigner | None = None,
    ) -> bytes:
        refusal = Refusal(
            kid=kid or up.envelope.kid,
            statement=up.envelope.digest,
            message=message or up.identity(),
            number=number,
            reason="the key is not on record",
            disposition=disposition,
            tree_size=len(self.log.digests) if tree_size is None else tree_size,
        )
        return encode_down(SignedAnswer(DownKind.REFUSAL, sign(refusal, signer or self.signer).envelope))

    def command(
        self,
        *,
        number: int,
        kid: bytes,
        meter: str = "M1",
        first: int,
        last: int,
        kind: CommandKind = CommandKind.RESEND,
        gateway: str = "gw1",
        signer: FileSigner | None = None,
    ) -> bytes:
        command = Command(kind=kind, number=number, gateway=gateway, meter=meter, kid=kid, first=first, last=last)
        return encode_down(SignedAnswer(DownKind.COMMAND, sign(command, signer or self.signer).envelope))
