"""Checkpoints: what a log says its tree is, and that note signed.

::

    discom.example/sakshi/0                          origin: which log
    20852163                                         size: number of leaves
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=      root at that size
                                                     further non-empty lines are opaque: kept, signed, never read
    — discom.example/sakshi/0 Az3grlgtzPIC…          signature by the log's key, whose name is the origin

Source: C2SP tlog-checkpoint.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from signing.errors import DecodeError, VerificationError
from signing.log.merkle import EMPTY_ROOT, require_hash, require_size
from signing.log.note import (
    MessageSigner,
    Note,
    SignatureLine,
    VerifierKey,
    decode_base64,
    require_encodable,
    sign_text,
    verify_note,
)

# int() takes other alphabets' digits, underscores and unbounded length; this pattern leaves it none of them.
_SIZE = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A tree of a log: what was said, whoever said it."""

    origin: str
    """The log's identity, ``<discom domain>/sakshi/<n>`` for this project's own; not empty, one line."""

    size: int
    """Number of leaves."""

    root: bytes
    """Root of the tree of these leaves, 32 bytes."""

    def __post_init__(self) -> None:
        if not self.origin or any(character < " " for character in require_encodable(self.origin, "origin")):
            raise DecodeError(f"expected one line, got {self.origin!r} in 'origin'")
        require_size(self.size, "size")
        require_hash(self.root, "root")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise DecodeError(f"expected the empty tree's root for size 0, got {self.root.hex()} in 'root'")

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """The checkpoint that a note's text states.

        Raises:
            DecodeError: the text is not one of three or more non-empty lines, or the first three are not what `text` writes.
        """
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 3 or not all(lines):
            raise DecodeError("expected three or more non-empty lines in a checkpoint")
        if _SIZE.fullmatch(lines[1]) is None:
            raise DecodeError(f"expected a tree size in decimal, got {lines[1][:20]!r}")
        checkpoint = cls(origin=lines[0], size=int(lines[1]), root=decode_base64(lines[2], "root"))
        if checkpoint.text().split("\n")[:3] != lines[:3]:
            raise DecodeError(f"expected the canonical form of size and root, got {lines[1]!r} and {lines[2]!r}")
        return checkpoint

    def text(self) -> str:
        """The note text that states this checkpoint and nothing else."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint with the log's valid signature; only `sign_checkpoint` and `open_checkpoint` make one."""

    checkpoint: Checkpoint
    """What is signed."""

    note: Note
    """The whole note: any extension lines, and signatures of others (not verified) beside the log's."""

    def __bytes__(self) -> bytes:
        return bytes(self.note)

    def with_lines(self, lines: Iterable[SignatureLine]) -> "SignedCheckpoint":
        """This checkpoint with further signature lines, such as cosignatures, at its end."""
        note = Note(text=self.note.text, signatures=(*self.note.signatures, *lines))
        return SignedCheckpoint(checkpoint=self.checkpoint, note=note)


def sign_checkpoint(checkpoint: Checkpoint, key: VerifierKey, signer: MessageSigner) -> SignedCheckpoint:
    """`checkpoint` signed by the log whose public key is `key`.

    MUST only be called for a checkpoint that extends the last one signed for this origin (`signing.log.seen.require_extension`), and that
    one MUST be durable before this one leaves the program.

    Raises:
        ValueError: the key's name is not the origin, or it is a witness's.
        KeyUnavailableError: `signer` holds another private key.
    """
    if key.name != checkpoint.origin:
        raise ValueError(f"expected the log key of {checkpoint.origin!r}, got that of {key.name!r}")
    text = checkpoint.text()
    return SignedCheckpoint(checkpoint=checkpoint, note=Note(text=text, signatures=(sign_text(text, key, signer),)))


def open_checkpoint(data: bytes, key: VerifierKey) -> SignedCheckpoint:
    """The checkpoint in the note `data`, signed by the log whose pinned key is `key`.

    1. the note bears one valid signature by the key
    2. the origin is the key's name

    Raises:
        DecodeError: `data` is not a note, or its text not a checkpoint.
        VerificationError: with the number of the first check that fails.
    """
    note = Note.parse(data)
    try:
        verify_note(note, (key,))
    except VerificationError as error:
        raise VerificationError(1, f"the checkpoint is not the log's: {error}") from None
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != key.name:
        raise VerificationError(2, f"expected the origin {key.name!r}, got {checkpoint.origin!r}")
    return SignedCheckpoint(checkpoint=checkpoint, note=note)
