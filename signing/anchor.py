"""What a bundle hangs on: a log and discom keys that the trust file names. Checks (0), (2), (3) and (4) of `signing.verify`
for what the discom states.
"""

from dataclasses import dataclass
from typing import Self

from signing.bundle import Bundle, LoggedAt
from signing.claims import Claimed
from signing.envelope import S, Signed, unseal
from signing.errors import DecodeError, VerificationError
from signing.log.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from signing.log.merkle import leaf_hash
from signing.log.note import Note, VerifierKey
from signing.log.proofs import verify_inclusion
from signing.log.seen import require_extension
from signing.trust import TrustRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A verified checkpoint of a trusted log. Made by `drop` only."""

    trust: TrustRoot
    checkpoint: Checkpoint
    unreached: str | None
    """Why the pinned checkpoint is not reached; None when it is, or when nothing is pinned."""

    @classmethod
    def drop(cls, bundle: Bundle, trust: TrustRoot) -> Self:
        """The anchor of `bundle` under `trust`.

        Raises:
            VerificationError: (0) another log, or another key (1) not a checkpoint (2) signature, witnesses, consistency.
        """
        note, origin = _note(bundle.checkpoint)
        signed = _opened(note, _log_key(note, origin, trust))
        # (2): "by the witnesses that the policy asks for".
        if trust.witnesses is not None:
            try:
                trust.witnesses.verify(signed)
            except VerificationError as error:
                raise VerificationError(2, f"the checkpoint lacks witnesses: {error}") from None
        return cls(trust=trust, checkpoint=signed.checkpoint, unreached=_unreached(bundle, signed.checkpoint, trust))

    @property
    def log_number(self) -> str:
        """The last part of the origin, ``<discom domain>/sakshi/<n>``."""
        return self.checkpoint.origin.rpartition("/")[2]

    def hold(self, digest: bytes, at: LoggedAt, name: str) -> None:
        """Check (3): the log holds `digest` at its place. `name` says what it is, in messages."""
        checkpoint = self.checkpoint
        try:
            verify_inclusion(
                leaf=leaf_hash(digest), index=at.index, size=checkpoint.size, path=at.path, root=checkpoint.root
            )
        except VerificationError as error:
            raise VerificationError(3, f"the log does not hold {name} at index {at.index}: {error}") from None

    def stated(self, claimed: Claimed[S], kind: type[S], name: str) -> Signed[S]:
        """What the discom stated, in the log: checks (0), (3) and (4)."""
        # (0): by the index, so that a key that was replaced cannot sign the present.
        key = self.trust.discom_key(claimed.envelope.kid, claimed.at.index)
        if key is None:
            raise VerificationError(
                0,
                f"{name} is signed by key {claimed.envelope.kid.hex()[:16]}, which is not the discom's at index "
                f"{claimed.at.index}: the trust file names others",
            )
        self.hold(claimed.envelope.digest, claimed.at, name)
        # (4): its signature.
        try:
            return unseal(claimed.envelope, kind, key)
        except VerificationError as error:
            raise VerificationError(4, f"{name}: {error}") from None


def _note(data: bytes) -> tuple[Note, str]:
    """The note and the origin that it states."""
    try:
        note = Note.parse(data)
        return note, Checkpoint.parse(note.text).origin
    except DecodeError as error:
        raise VerificationError(1, f"the checkpoint is none: {error}") from None


def _log_key(note: Note, origin: str, trust: TrustRoot) -> VerifierKey:
    # (0): an origin is a name that anybody can write; the signature line must claim the very key of the trust file.
    key = trust.log(origin)
    if key is None:
        raise VerificationError(0, f"the bundle is of the log {origin!r}, which the trust file does not name")
    if not any((line.name, line.key_id) == (key.name, key.key_id) for line in note.signatures):
        raise VerificationError(0, f"the checkpoint of {origin!r} is not signed by the log key of the trust file")
    return key


def _opened(note: Note, key: VerifierKey) -> SignedCheckpoint:
    # (2): the log's signature.
    try:
        return open_checkpoint(bytes(note), key)
    except VerificationError as error:
        raise VerificationError(2, str(error)) from None


def _unreached(bundle: Bundle, checkpoint: Checkpoint, trust: TrustRoot) -> str | None:
    pin = None if trust.pin is None else trust.pin.checkpoint
    if pin is None:
        return None
    if pin.origin != checkpoint.origin:
        return f"the pinned checkpoint is of the log {pin.origin!r}, the bundle of {checkpoint.origin!r}"
    if checkpoint.size < pin.size:
        return f"the bundle ends at tree size {checkpoint.size}, before the pinned {pin.size}"
    paths = [step.path for step in bundle.consistency if step.old_size == pin.size]
    if not paths and pin.size not in {0, checkpoint.size}:
        return f"the bundle holds no consistency path from the pinned tree size {pin.size}"
    # (2): "and extends the pinned one".
    try:
        require_extension(pin, checkpoint, paths[0] if paths else ())
    except VerificationError as error:
        raise VerificationError(2, f"the checkpoint does not extend the pinned one: {error}") from None
    return None
