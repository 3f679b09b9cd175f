"""Checks 3 and 4: which claims of one chain are the word of its key.

A hash link from signed bytes says as much as a signature over what it names, so of a contiguous backlog only the newest
signature is checked; where one fails, the next lower one is. Nothing is dropped because of a neighbour, and nothing believed
without a path to a signature. Source: EVIDENCE §§1, 3; docs/wire-format.md §5.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from headend.intake.claims import Claim, Noise
from headend.store.store import Link
from signing.keys import PublicKey
from signing.statements.reading_batch import ReadingBatch


class Authentic(NamedTuple):
    """The claims of one chain, sorted out."""

    claims: list[Claim]
    """Authentic ones, one for each digest, by descending sequence."""
    again: list[Claim]
    """Further messages with the digest of an authentic one: they add nothing."""
    noise: list[Noise]


def speaks(claim: Claim, key: PublicKey) -> bool:
    """Whether `key` itself signed `claim`: key, algorithm, content type, signature."""
    batch = claim.batch
    return (
        batch.kid == key.kid
        and batch.algorithm == key.algorithm
        and batch.content_type == ReadingBatch.CONTENT_TYPE
        and key.verifies(batch.signature, batch.to_be_signed)
    )


def authenticate(
    claims: Sequence[Claim],
    key: PublicKey,
    stored: Mapping[int, Sequence[Link]],
    counts: Callable[[int], bool],
) -> Authentic:
    """Check 4 for the claims of one chain, none of them stored.

    `stored` has admitted batches of the chain by sequence, at least those right after a claim. `counts` says whether a batch
    with that sequence may be admitted: a header that will stand in the log vouches for the one before it without another look.
    """
    found = Authentic([], [], [])
    named: dict[int, set[bytes]] = {
        sequence - 1: {link.previous for link in links} for sequence, links in stored.items()
    }
    hearsay: dict[int, set[bytes]] = {}
    for copies in _descending(claims):
        header = copies[0].batch
        chosen = _chosen(copies, key, named.get(header.sequence, set()), hearsay.get(header.sequence, set()))
        if chosen is None:
            found.noise.extend(unsigned(copy) for copy in copies)
            continue
        found.claims.append(chosen)
        found.again.extend(copy for copy in copies if copy is not chosen)
        into = named if counts(header.sequence) else hearsay
        into.setdefault(header.sequence - 1, set()).add(header.previous)
    return found


def _descending(claims: Iterable[Claim]) -> list[list[Claim]]:
    """The claims by digest, highest sequence first."""
    by_digest: dict[bytes, list[Claim]] = {}
    for claim in claims:
        by_digest.setdefault(claim.batch.digest, []).append(claim)
    return sorted(by_digest.values(), key=lambda copies: copies[0].batch.sequence, reverse=True)


def _chosen(copies: Sequence[Claim], key: PublicKey, named: set[bytes], hearsay: set[bytes]) -> Claim | None:
    """The copy that is authentic: any, where a header names their digest; else one that the key signed."""
    right = [copy for copy in copies if copy.batch.algorithm == key.algorithm]
    if not right:
        return None
    digest = right[0].batch.digest
    if digest in named:
        return right[0]
    # A forged copy of the same bytes must not hide the genuine one.
    signed = next((copy for copy in right if speaks(copy, key)), None)
    return right[0] if signed is None and digest in hearsay else signed


def unsigned(claim: Claim) -> Noise:
    """A claim whose signature does not verify, as noise."""
    return Noise(claim.delivery, 4, f"the signature is not that of key {claim.batch.kid.hex()[:16]} over this batch")
