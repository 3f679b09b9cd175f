"""One batch on its own, and receipts that speak against a bundle.

A customer holds the batches that their gateway signed and the receipts that it got. Both are evidence against whoever leaves a
batch out. Source: docs/wire-format.md §§5, 7, 9; EVIDENCE §§0, 5.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from signing.anchor import Anchor
from signing.bundle import Kind
from signing.chain import AdmittedBatch, touches
from signing.claims import ClaimedBatch, Claims
from signing.envelope import unseal
from signing.errors import DecodeError, SigningError, VerificationError
from signing.evidence import context, device
from signing.log.checkpoint import Checkpoint, open_checkpoint
from signing.log.merkle import leaf_hash
from signing.log.proofs import verify_consistency, verify_inclusion
from signing.messages import Inclusion, Receipts, parse_down, parse_up
from signing.statements.reading_batch import ReadingBatch
from signing.statements.window_part import Part
from signing.trust import TrustRoot
from signing.verify import decoded
from signing.verify_batches import History, history, require_spoken
from signing.verify_chains import require_openings


class BatchOutcome(Enum):
    """What a batch on its own is worth."""

    AUTHENTIC = "AUTHENTIC"
    """Signed by a key that spoke for the meter when the log took it in."""
    NOT_LOGGED = "NOT LOGGED"
    """Signed by a key that a record names; no place in the log is shown."""
    UNANCHORED = "UNANCHORED"
    """Nothing outside the file vouches for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchVerdict:
    """What verification of one batch found."""

    outcome: BatchOutcome
    reason: str | None
    """Why it is UNANCHORED; None otherwise."""
    batch: AdmittedBatch
    index: int | None
    """Its place in the log."""
    tree_size: int | None


def verify_batch(data: bytes, trust: TrustRoot | None) -> BatchVerdict:
    """What the bundle `data` of kind BATCH is worth: checks (0) to (5) of `signing.verify`, as far as one batch has them.

    Raises:
        VerificationError: with the number of the check that fails.
    """
    claims = decoded(data, frozenset({Kind.BATCH}))
    claimed = claims.batches[0]
    if trust is None:
        return _verdict(
            BatchOutcome.UNANCHORED, claimed, None, "no trust file: nothing outside the file vouches for it"
        )
    anchor = Anchor.drop(claims.bundle, trust)
    records = _only_history(claims, anchor)
    _require_signed(claimed, records)
    require_openings((claimed,))
    if claimed.at is None:
        return _verdict(BatchOutcome.NOT_LOGGED, claimed, anchor, None)
    anchor.hold(claimed.batch.digest, claimed.at, claimed.name)
    require_spoken(claimed, claimed.at.index, records)
    if anchor.unreached is not None:
        return _verdict(BatchOutcome.UNANCHORED, claimed, anchor, anchor.unreached)
    return _verdict(BatchOutcome.AUTHENTIC, claimed, anchor, None)


def _only_history(claims: Claims, anchor: Anchor) -> History:
    meter = claims.batches[0].batch.header.meter
    if list(claims.records) != [meter]:
        raise VerificationError(
            4, f"expected the records of meter {meter} and no other, got {', '.join(claims.records)}"
        )
    return history(claims.records[meter], anchor)


def _require_signed(claimed: ClaimedBatch, records: History) -> None:
    speaker = records.speaker(claimed.batch.kid)
    if speaker is None:
        raise VerificationError(4, f"no record lets the key of {claimed.name} speak for the meter")
    try:
        unseal(claimed.envelope, ReadingBatch, speaker.key)
    except VerificationError as error:
        raise VerificationError(4, f"{claimed.name}: {error}") from None


def _verdict(outcome: BatchOutcome, claimed: ClaimedBatch, anchor: Anchor | None, reason: str | None) -> BatchVerdict:
    return BatchVerdict(
        outcome=outcome,
        reason=reason,
        batch=claimed.batch,
        index=None if claimed.at is None else claimed.at.index,
        tree_size=None if anchor is None else anchor.checkpoint.size,
    )


def lone_header(data: bytes) -> tuple[bytes, bytes, ReadingBatch]:
    """Kid, digest and header of the batch in an `up` message or a bundle of kind BATCH; nothing is verified.

    Raises:
        DecodeError: it is neither.
    """
    try:
        envelope = parse_up(data).envelope
        return envelope.kid, envelope.digest, ReadingBatch.parse(envelope.payload)
    except DecodeError as not_up:
        try:
            batch = decoded(data, frozenset({Kind.BATCH})).batches[0].batch
        except VerificationError as not_bundle:
            raise DecodeError(f"expected an up message ({not_up}) or a bundle of kind BATCH ({not_bundle})") from None
        return batch.kid, batch.digest, batch.header


def confront(data: bytes, trust: TrustRoot, receipts: Iterable[bytes], batches: Iterable[bytes]) -> tuple[str, ...]:
    """Holds receipts against a bundle that `verify` has accepted under `trust`, and gives what they leave open, in words.

    `receipts` are `down` messages, `batches` what `lone_header` reads: a receipt names a digest only, its batch says what it
    bears on.

    Raises:
        DecodeError: a receipt is not one of this log, or a batch is none: it proves nothing.
        VerificationError: (2) the log has two histories (5) the bundle leaves out a batch that the log held before the actual.
    """
    claims = decoded(data, frozenset({Kind.WINDOW, Kind.ACTUAL}))
    anchor = Anchor.drop(claims.bundle, trust)
    headers = {
        digest: AdmittedBatch(kid=k, digest=digest, header=h, opening=None)
        for k, digest, h in map(lone_header, batches)
    }
    shown = _shown(claims)
    remarks: list[str] = []
    for data_of_receipt in receipts:
        receipt = _receipt(data_of_receipt, anchor)
        for entry in receipt.inclusions:
            if shown.get(entry.index, entry.digest) != entry.digest:
                raise VerificationError(
                    2, f"two histories: the receipt and the bundle hold two statements at {entry.index}"
                )
            if entry.index not in shown and entry.index < claims.actuals[0].at.index:
                remarks += _left_out(entry, headers, claims)
    return tuple(remarks)


def _shown(claims: Claims) -> dict[int, bytes]:
    """The digest at every index that the bundle shows."""
    shown = {entry.at.index: entry.envelope.digest for entry in claims.actuals}
    shown |= {entry.at.index: entry.envelope.digest for entries in claims.records.values() for entry in entries}
    shown |= {entry.at.index: entry.envelope.digest for edits in claims.edits.values() for entry in edits}
    shown |= {row.at.index: row.batch.digest for row in claims.batches if row.at is not None}
    if claims.rule_set is not None:
        shown[claims.rule_set.at.index] = claims.rule_set.envelope.digest
    return shown


def _receipt(data: bytes, anchor: Anchor) -> Receipts:
    """The receipts of a message, each proved by its own checkpoint of the anchor's log."""
    message = parse_down(data)
    if not isinstance(message, Receipts):
        raise DecodeError(f"expected receipts, got a {message.kind.name}")
    key = anchor.trust.log(anchor.checkpoint.origin)
    assert key is not None
    try:
        checkpoint = open_checkpoint(message.checkpoint, key).checkpoint
        for entry in message.inclusions:
            leaf = leaf_hash(entry.digest)
            verify_inclusion(leaf=leaf, index=entry.index, size=checkpoint.size, path=entry.path, root=checkpoint.root)
    except SigningError as error:
        raise DecodeError(f"the receipt proves nothing: {error}") from None
    _require_one_history(message, checkpoint, anchor.checkpoint)
    return message


def _require_one_history(receipt: Receipts, checkpoint: Checkpoint, shown: Checkpoint) -> None:
    if checkpoint.size == shown.size and checkpoint.root != shown.root:
        raise VerificationError(2, f"two histories: the log signed two trees of size {shown.size}")
    if receipt.old_size == shown.size:
        try:
            verify_consistency(
                old_size=shown.size,
                old_root=shown.root,
                size=checkpoint.size,
                root=checkpoint.root,
                path=receipt.consistency,
            )
        except VerificationError as error:
            raise VerificationError(
                2, f"two histories: the receipt's log does not extend the bundle's: {error}"
            ) from None


def _left_out(entry: Inclusion, headers: Mapping[bytes, AdmittedBatch], claims: Claims) -> list[str]:
    """Nothing when the batch has no bearing on the window, a remark when its header is not at hand."""
    if any(row.batch.digest == entry.digest for row in claims.batches):
        return []
    batch = headers.get(entry.digest)
    if batch is None:
        place = (
            f"the log holds {entry.digest.hex()} at index {entry.index}, before the actual; the bundle does not show it"
        )
        return [f"{place}. Give its batch with --batch to learn whether it bears on the window."]
    for part in claims.actuals[0].statement.parts:
        if part.meter == batch.header.meter and _bears_on(batch, part, claims):
            raise VerificationError(
                5,
                f"the bundle leaves out sequence {batch.header.sequence} of meter {part.meter}, which the log holds at index "
                f"{entry.index}, before the actual: digest {entry.digest.hex()}",
            )
    return []


def _bears_on(batch: AdmittedBatch, part: Part, claims: Claims) -> bool:
    """Whether an admitted batch would have to be shown for the part: it touches the context, or fills a stated gap.

    An actual alone shows no context. It states heads: a batch of the part's time above them is none of those that it rests on.
    """
    shown = [row.batch for row in claims.batches if row.batch.header.meter == part.meter]
    if claims.bundle.kind is Kind.WINDOW:
        measuring = device(claims.records[part.meter][-1].statement, part.span.start_utc)
        if touches(batch, context(part.span, shown, measuring)):
            return True
    sequence, is_of_the_time = batch.header.sequence, touches(batch, part.span)
    return any(
        (is_of_the_time and (state.head is None or sequence > state.head.sequence))
        or any(first <= sequence <= last for first, last in state.gaps)
        for state in part.chains
        if state.kid == batch.kid
    )
