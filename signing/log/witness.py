"""Witnesses: what one agrees to cosign, and how many a verifier asks for.

A witness remembers, for each log, the newest checkpoint it has cosigned, and cosigns only what extends it: two views of one log
cannot both be cosigned. It keeps no state here: the newest checkpoints come in as a value, and what to store goes out as one.

Source: C2SP tlog-witness, "add-checkpoint"; tlog-cosignature.
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Self

from signing.errors import DecodeError, VerificationError
from signing.log.checkpoint import Checkpoint, SignedCheckpoint
from signing.log.merkle import require_hash, require_size
from signing.log.note import (
    MessageSigner,
    Note,
    Signature,
    SignatureKind,
    SignatureLine,
    VerifierKey,
    cosign_text,
    decode_base64,
    known_signatures,
    verify_note,
)
from signing.log.proofs import Path
from signing.log.seen import require_extension

MAX_PATH = 63
"""Most hashes that a request's consistency path may have."""

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessPolicy:
    """How many of which witnesses must have cosigned a checkpoint: `required` of `witnesses`."""

    required: int
    """Number of different witnesses asked for, from 0 to all of them."""

    witnesses: tuple[VerifierKey, ...]
    """The witnesses that count. Each has its own key: the cosigned message does not name the witness."""

    def __post_init__(self) -> None:
        if any(key.kind is not SignatureKind.COSIGNATURE_V1 for key in self.witnesses):
            raise DecodeError("expected witness keys (type 4), got a log key in 'witnesses'")
        if len({key.public for key in self.witnesses}) != len(self.witnesses):
            raise DecodeError("expected another public key for each witness, got one twice in 'witnesses'")
        if not 0 <= self.required <= len(self.witnesses):
            raise DecodeError(f"expected 0 to {len(self.witnesses)} witnesses, got {self.required} in 'required'")

    def verify(self, signed: SignedCheckpoint) -> tuple[Signature, ...]:
        """The witnesses' cosignatures on `signed`, with their times; whether those lie in the future is the caller's to judge.

        1. no line by one of the witnesses fails to verify
        2. no witness has signed twice
        3. at least `required` witnesses have signed

        Raises:
            VerificationError: with the number of the first check that fails.
        """
        found = known_signatures(signed.note, self.witnesses)
        if len(found) < self.required:
            raise VerificationError(3, f"expected cosignatures of {self.required} witnesses, got {len(found)}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """A log's request to a witness: the body of ``POST <prefix>/add-checkpoint``."""

    old_size: int
    """Size of the checkpoint that, as the log knows, the witness cosigned last; 0 for none."""

    path: Path
    """Consistency path from there, at most 63 hashes."""

    note: Note
    """The checkpoint to be cosigned, with the log's signature."""

    def __post_init__(self) -> None:
        require_size(self.old_size, "old_size")
        if len(self.path) > MAX_PATH:
            raise DecodeError(f"expected at most {MAX_PATH} hashes, got {len(self.path)} in 'path'")
        for place, value in enumerate(self.path):
            require_hash(value, f"path[{place}]")

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The request that `data` is.

        Raises:
            DecodeError: it is anything but what `bytes` writes.
        """
        head, _, note = data.partition(b"\n\n")
        if not head.isascii():
            raise DecodeError("expected ASCII before the checkpoint")
        first, *lines = head.decode("ascii").split("\n")
        old = _OLD.fullmatch(first)
        if old is None:
            raise DecodeError(f"expected 'old' and a tree size, got {first!r}")
        path = tuple(decode_base64(line, f"path[{place}]") for place, line in enumerate(lines))
        request = cls(old_size=int(old[1]), path=path, note=Note.parse(note))
        if bytes(request) != data:
            raise DecodeError("expected canonical base64 in 'path'")
        return request

    def __bytes__(self) -> bytes:
        lines = [f"old {self.old_size}", *(b64encode(value).decode() for value in self.path), "", ""]
        return "\n".join(lines).encode() + bytes(self.note)


class Refusal(Enum):
    """Why a witness does not cosign; the value is the HTTP status that says so, and a name."""

    MALFORMED = (400, "malformed")
    """The signed text is no checkpoint, or its size lies below the request's old size."""

    UNKNOWN_LOG = (404, "unknown log")
    """The witness has no key for this origin."""

    UNSIGNED = (403, "unsigned")
    """There is no valid signature by a key that the witness trusts for this origin."""

    STALE = (409, "stale")
    """The old size is not the newest that the witness cosigned; the answer tells that size."""

    FORK = (409, "fork")
    """A tree of the same size with another root: two views, both signed by the log."""

    INCONSISTENT = (422, "inconsistent")
    """The path does not show the tree to extend the newest cosigned one."""

    @property
    def http_status(self) -> int:
        """The status of C2SP tlog-witness."""
        return self.value[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """The witness agrees.

    `checkpoint` MUST be durable before `line` leaves, and stored only if `previous` is still the newest one (compare and swap):
    of two requests at once, the later must not roll the earlier back.
    """

    previous: Checkpoint | None
    """The newest checkpoint that the decision rests on, None for the first one of this origin."""

    checkpoint: Checkpoint
    """The newest one from now on."""

    line: SignatureLine
    """The cosignature: the answer's body, and a newline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The witness does not agree; nothing is to be stored."""

    refusal: Refusal
    """Why, as a closed set."""

    known_size: int
    """Size of the newest checkpoint cosigned for this log, 0 for none: the answer's body when STALE."""

    reason: str
    """Why, in words: expected and got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One who watches logs and says so under its own key."""

    key: VerifierKey
    """The witness's public key, of kind COSIGNATURE_V1."""

    logs: tuple[VerifierKey, ...]
    """The logs it watches; a log's name is its origin, and it may have several keys."""

    def cosign(
        self, request: AddCheckpoint, newest: Mapping[str, Checkpoint], signer: MessageSigner, *, at_utc: int
    ) -> Cosigned | Refused:
        """The decision on `request`, given the newest checkpoint cosigned for each origin so far, at `at_utc` (UTC seconds).

        Raises:
            KeyUnavailableError: `signer` does not hold the witness's private key.
        """
        try:
            checkpoint = Checkpoint.parse(request.note.text)
        except DecodeError as error:
            return Refused(refusal=Refusal.MALFORMED, known_size=0, reason=str(error))
        previous = newest.get(checkpoint.origin)
        refused = self._refused(request, checkpoint, previous)
        if refused is not None:
            refusal, reason = refused
            return Refused(refusal=refusal, known_size=0 if previous is None else previous.size, reason=reason)
        line = cosign_text(request.note.text, self.key, signer, at_utc=at_utc)
        return Cosigned(previous=previous, checkpoint=checkpoint, line=line)

    def _refused(
        self, request: AddCheckpoint, checkpoint: Checkpoint, previous: Checkpoint | None
    ) -> tuple[Refusal, str] | None:
        """Why not, in the order of checks of C2SP tlog-witness."""
        keys = [key for key in self.logs if key.name == checkpoint.origin]
        if not keys:
            return Refusal.UNKNOWN_LOG, f"expected one of {len(self.logs)} logs, got {checkpoint.origin!r}"
        try:
            verify_note(request.note, keys)
        except VerificationError as error:
            return Refusal.UNSIGNED, str(error)
        if request.old_size > checkpoint.size:
            return Refusal.MALFORMED, f"expected an old size up to {checkpoint.size}, got {request.old_size}"
        known_size = 0 if previous is None else previous.size
        if request.old_size != known_size:
            return Refusal.STALE, f"expected the old size {known_size}, got {request.old_size}"
        return _two_views(previous, checkpoint, request.path)


def _two_views(
    previous: Checkpoint | None, checkpoint: Checkpoint, path: Sequence[bytes]
) -> tuple[Refusal, str] | None:
    try:
        require_extension(previous, checkpoint, path)
    except VerificationError as error:
        same_size = previous is not None and previous.size == checkpoint.size and previous.root != checkpoint.root
        return (Refusal.FORK if same_size else Refusal.INCONSISTENT), str(error)
    return None
