"""The newest checkpoint somebody has seen of a log, and what may replace it.

An agent, a verifier and the log itself each remember one; a log that shrinks, or that shows two trees to one of them, is found
out here. The five checks have one numbering in every function of this module.

1. the note bears one valid signature by the pinned key
2. the origin is the one that was seen and the key's name
3. the tree has not shrunk
4. a tree of the same size has the same root
5. the path shows the new tree to extend the seen one; it is empty if nothing was seen, or nothing new
"""

from collections.abc import Sequence

from signing.errors import VerificationError
from signing.log.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from signing.log.merkle import EMPTY_ROOT
from signing.log.note import VerifierKey
from signing.log.proofs import verify_consistency


def advance(seen: Checkpoint | None, data: bytes, path: Sequence[bytes], key: VerifierKey) -> Checkpoint:
    """The checkpoint to remember after the note `data` arrived with the consistency `path` from `seen`: the note's own.

    `seen` is None before the first one. What is seen then is trusted on first use, unless a pinned checkpoint is passed.

    Raises:
        DecodeError: `data` is not a note, or its text not a checkpoint.
        VerificationError: checks 1 to 5 of this module. The seen checkpoint stays the newest; with 3, 4 or 5 an operator MUST
            be told, and `data` kept: it is the log's own signature under two histories.
    """
    return extend(seen, open_checkpoint(data, key), path)


def extend(seen: Checkpoint | None, newer: SignedCheckpoint, path: Sequence[bytes]) -> Checkpoint:
    """The checkpoint of `newer` if it extends `seen`, for callers that have opened or signed it already.

    Raises:
        VerificationError: checks 2 to 5 of this module.
    """
    require_extension(seen, newer.checkpoint, path)
    return newer.checkpoint


def require_extension(seen: Checkpoint | None, checkpoint: Checkpoint, path: Sequence[bytes]) -> None:
    """Check that `checkpoint`, whoever states it, extends `seen`. A log calls this before it signs.

    Raises:
        VerificationError: checks 2 to 5 of this module.
    """
    old_size, old_root = (0, EMPTY_ROOT) if seen is None else (seen.size, seen.root)
    if seen is not None and seen.origin != checkpoint.origin:
        raise VerificationError(2, f"expected the origin {seen.origin!r}, got {checkpoint.origin!r}")
    if checkpoint.size < old_size:
        raise VerificationError(3, f"the log shrank: seen at size {old_size}, now {checkpoint.size}")
    if checkpoint.size == old_size and checkpoint.root != old_root:
        raise VerificationError(4, f"two trees of {old_size}: seen {old_root.hex()}, now {checkpoint.root.hex()}")
    try:
        verify_consistency(old_size=old_size, old_root=old_root, size=checkpoint.size, root=checkpoint.root, path=path)
    except VerificationError as error:
        raise VerificationError(5, f"size {checkpoint.size} does not extend the seen {old_size}: {error}") from None
