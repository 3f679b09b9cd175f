"""What goes back to the gateways: receipts in as few messages as fit, and signed refusals.

Source: docs/wire-format.md §§4.6, 5.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from headend.intake.claims import Claim
from headend.log.logbook import Appended, Logbook
from signing.envelope import sign
from signing.keys import Signer
from signing.log.proofs import Paths
from signing.messages import DownKind, SignedAnswer, encode_down, receipt, receipts, receipts_head
from signing.statements.answers import Disposition, Refusal
from signing.topics import MAX_MESSAGE

_COUNT_BYTES = 3
"""The head of the array of receipts: a message holds fewer than 65,536."""

REASONS = {
    3: ("this key is not registered: the discom has not taken up its enrolment yet", Disposition.RETRY),
    5: ("the newest record of the meter does not list this key", Disposition.PARK),
    6: (
        "the newest record of the meter does not let this key say this: revoked, or retired before it",
        Disposition.PARK,
    ),
    7: ("this sequence has two other batches already", Disposition.PARK),
}
"""What a refusal says, and what it asks of the agent, by the number of its check."""


class Receipted(NamedTuple):
    """A batch that stands in the log."""

    claim: Claim
    place: int
    """Index of its leaf."""


class Refused(NamedTuple):
    """A claim that failed a check from 3 on."""

    claim: Claim
    number: int


class Receipter:
    """Makes the receipts of one step for one log: everything rests on the log's newest checkpoint."""

    __slots__ = ("_checkpoint", "_heads", "_paths", "_size")

    def __init__(self, book: Logbook, log: int, appended: Appended | None) -> None:
        tip = book.tip(log) if appended is None else appended.tip
        self._checkpoint = tip.checkpoint
        self._size = tip.size
        self._paths = Paths(tip.size, book.nodes(log)) if appended is None else appended.paths()
        self._heads: dict[int, bytes] = {}

    def messages(self, batches: Sequence[Receipted]) -> Sequence[bytes]:
        """The messages that receipt `batches`, all of one gateway, each at most 65,536 bytes long."""
        seen = 0
        for one in batches:
            # An agent that claims to have seen more than there is gets no path: it finds out by itself, and alarms.
            if seen < one.claim.batch.seen_size <= self._size:
                seen = one.claim.batch.seen_size
        head = self._heads.get(seen)
        if head is None:
            head = self._heads[seen] = receipts_head(self._checkpoint, seen, self._paths.consistency(seen))
        inclusion = self._paths.inclusion
        entries = [receipt(one.claim.batch.digest, one.place, inclusion(one.place)) for one in batches]
        if len(entries) == 1:
            return (receipts(head, entries),)
        return [receipts(head, some) for some in _fitting(entries, MAX_MESSAGE - _COUNT_BYTES - len(head))]


def refusal(refused: Refused, signer: Signer, *, tree_size: int) -> bytes:
    """The message that refuses a claim, signed by the discom's statement key."""
    reason, disposition = REASONS[refused.number]
    statement = Refusal(
        kid=refused.claim.batch.kid,
        statement=refused.claim.batch.digest,
        message=refused.claim.batch.identity(),
        number=refused.number,
        reason=reason,
        disposition=disposition,
        tree_size=tree_size,
    )
    return encode_down(SignedAnswer(kind=DownKind.REFUSAL, envelope=sign(statement, signer).envelope))


def _fitting(entries: Sequence[bytes], room: int) -> Iterator[Sequence[bytes]]:
    """The entries in runs of at most `room` bytes."""
    some: list[bytes] = []
    left = room
    for entry in entries:
        if some and len(entry) > left:
            yield some
            some, left = [], room
        some.append(entry)
        left -= len(entry)
    if some:
        yield some
