"""What goes back to the gateways: receipts in as few messages as fit, and signed refusals.

Source: docs/wire-format.md §§4.6, 5.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from headend.intake.claims import Claim
from headend.logbook import Appended, Logbook
from signing.envelope import sign
from signing.keys import Signer
from signing.log.proofs import Path, Paths
from signing.messages import DownKind, Inclusion, Receipts, SignedAnswer, encode_down
from signing.statements.answers import Disposition, Refusal
from signing.topics import MAX_MESSAGE

_HASH_ON_WIRE = 34
_ENTRY_OVERHEAD = 64
_HEAD_OVERHEAD = 64

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


@dataclass(frozen=True, slots=True)
class Receipted:
    """A batch that stands in the log."""

    claim: Claim
    index: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A claim that failed a check from 3 on."""

    claim: Claim
    number: int


class Receipter:
    """Makes the receipts of one step for one log: everything rests on the log's newest checkpoint."""

    __slots__ = ("_checkpoint", "_consistency", "_paths", "_size")

    def __init__(self, book: Logbook, log: int, appended: Appended | None) -> None:
        tip = book.tip(log) if appended is None else appended.tip
        self._checkpoint = tip.checkpoint
        self._size = tip.size
        self._paths = Paths(tip.size, book.nodes(log)) if appended is None else appended.paths()
        self._consistency: dict[int, Path] = {}

    def messages(self, batches: Sequence[Receipted]) -> Iterator[bytes]:
        """The messages that receipt `batches`, all of one gateway, each at most 65,536 bytes long."""
        # An agent that claims to have seen more than there is gets no path: it finds out by itself, and alarms.
        seen = max((one.claim.up.seen_size for one in batches if one.claim.up.seen_size <= self._size), default=0)
        consistency = self._consistency.get(seen)
        if consistency is None:
            consistency = self._consistency[seen] = self._paths.consistency(seen)
        inclusions = (
            Inclusion(digest=one.claim.digest, index=one.index, path=self._paths.inclusion(one.index))
            for one in batches
        )
        room = MAX_MESSAGE - _HEAD_OVERHEAD - len(self._checkpoint) - _HASH_ON_WIRE * len(consistency)
        for some in _fitting(inclusions, room):
            yield encode_down(
                Receipts(checkpoint=self._checkpoint, old_size=seen, consistency=consistency, inclusions=tuple(some))
            )


def refusal(refused: Refused, signer: Signer, *, tree_size: int) -> bytes:
    """The message that refuses a claim, signed by the discom's statement key."""
    reason, disposition = REASONS[refused.number]
    statement = Refusal(
        kid=refused.claim.kid,
        statement=refused.claim.digest,
        message=refused.claim.up.identity(),
        number=refused.number,
        reason=reason,
        disposition=disposition,
        tree_size=tree_size,
    )
    return encode_down(SignedAnswer(kind=DownKind.REFUSAL, envelope=sign(statement, signer).envelope))


def _fitting(inclusions: Iterable[Inclusion], room: int) -> Iterator[list[Inclusion]]:
    """The inclusions in runs that fit into a message."""
    some: list[Inclusion] = []
    left = room
    for inclusion in inclusions:
        size = _ENTRY_OVERHEAD + _HASH_ON_WIRE * len(inclusion.path)
        if some and size > left:
            yield some
            some, left = [], room
        some.append(inclusion)
        left -= size
    if some:
        yield some
