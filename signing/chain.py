"""What the admitted batches of one chain say together: base, head, gaps, forks, and which of them stand.

A chain is (meter, kid). Nothing here depends on the order of arrival. Source: EVIDENCE §§1, 3, 4; docs/wire-format.md §§4.1, 7, 9.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from signing.canonical import encode
from signing.interval import Interval
from signing.statements.meter_record import Place
from signing.statements.reading_batch import Opening, ReadingBatch
from signing.statements.window_part import ChainState


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedBatch:
    """An authentic, vouched batch: its header, and its opening where that is at hand."""

    kid: bytes
    digest: bytes
    header: ReadingBatch
    opening: Opening | None


def evidence_item(batch: AdmittedBatch) -> tuple[str, bytes, int, bytes]:
    """The row by which a batch enters `evidence`, and its sort key."""
    return (batch.header.meter, batch.kid, batch.header.sequence, batch.digest)


def evidence_bytes(batches: Iterable[AdmittedBatch]) -> bytes:
    """What the `evidence` field of a WindowActual is the SHA-256 of: the sorted rows, each once."""
    return encode([list(row) for row in sorted({evidence_item(batch) for batch in batches})])


class Chain:
    """The admitted batches of one (meter, kid), each digest once.

    `enrolment` is what sequence 0 has to name; None leaves that unasked.
    """

    def __init__(self, kid: bytes, batches: Iterable[AdmittedBatch], *, enrolment: bytes | None = None) -> None:
        self.kid = kid
        self._enrolment = enrolment
        self._fork: tuple[int | None] | None = None
        rows: defaultdict[int, dict[bytes, AdmittedBatch]] = defaultdict(dict)
        for batch in batches:
            rows[batch.header.sequence][batch.digest] = batch
        self.by_sequence: Mapping[int, tuple[AdmittedBatch, ...]] = {
            sequence: tuple(rows[sequence][digest] for digest in sorted(rows[sequence])) for sequence in sorted(rows)
        }

    @property
    def batches(self) -> tuple[AdmittedBatch, ...]:
        """All batches, by sequence, then digest."""
        return tuple(batch for branch in self.by_sequence.values() for batch in branch)

    @property
    def head(self) -> Place | None:
        """The highest admitted sequence; of two branches, the lesser digest. None when nothing is admitted."""
        if not self.by_sequence:
            return None
        sequence = max(self.by_sequence)
        return Place(sequence=sequence, digest=self.by_sequence[sequence][0].digest)

    def base(self, context: Interval) -> int:
        """The greatest sequence below which nothing can bear on `context`; 0 when there is none.

        `reach` before the context's start says so for the branch of the batch that carries it. A batch that ends where the
        context starts may hold its register; a fork may hide a lower batch in another branch, and it condemns every block
        above it: so no admitted batch below may meet the context, and the base stays below the fork point.
        """
        meeting = (sequence for sequence, branch in self.by_sequence.items() if any(_meets(b, context) for b in branch))
        bounds = [bound for bound in (min(meeting, default=None), self._below_fork()) if bound is not None]
        candidates = (
            sequence
            for sequence, branch in self.by_sequence.items()
            if all(batch.header.reach_utc < context.start_utc for batch in branch)
            and all(sequence <= bound for bound in bounds)
        )
        return max(candidates, default=0)

    def _below_fork(self) -> int | None:
        fork = self.fork_point()
        return None if fork is None else fork - 1

    def gaps(self, base: int) -> tuple[tuple[int, int], ...]:
        """The ranges of sequences (first, last, both included) from `base` to the head that are not admitted."""
        ranges = []
        expected = base
        for sequence in self.by_sequence:
            if sequence < base:
                continue
            if sequence > expected:
                ranges.append((expected, sequence - 1))
            expected = sequence + 1
        return tuple(ranges)

    def state(self, context: Interval) -> ChainState:
        """The chain as a WindowActual states it."""
        return ChainState(kid=self.kid, head=self.head, gaps=self.gaps(self.base(context)))

    def fork_point(self) -> int | None:
        """The lowest sequence at which two histories differ, or none.

        Two digests for one sequence; or a successor that names another digest than its neighbour's, which says that there is
        another batch with the neighbour's sequence; or a `reach` that does not follow. Before sequence 0 stands the enrolment.
        """
        if self._fork is None:
            # Asked for by every rule that looks at the chain, and found by walking all of it.
            self._fork = (self._found_fork(),)
        return self._fork[0]

    def _found_fork(self) -> int | None:
        if any(self._strays(batch.header) for batch in self.by_sequence.get(0, ())):
            return 0
        for sequence, branch in self.by_sequence.items():
            if len(branch) > 1:
                return sequence
            successors = self.by_sequence.get(sequence + 1, ())
            if any(after.header.previous != branch[0].digest for after in successors):
                return sequence
            reach = max(branch[0].header.reach_utc, branch[0].header.end_utc)
            if any(after.header.reach_utc != reach for after in successors):
                return sequence + 1
        return None

    def _strays(self, first: ReadingBatch) -> bool:
        return first.reach_utc != 0 or (self._enrolment is not None and first.previous != self._enrolment)

    def standing(self, good: Place | None) -> tuple[tuple[AdmittedBatch, ...], tuple[AdmittedBatch, ...]]:
        """The batches that count, and those that count only as SUSPECT.

        Without a fork all count. After a fork, those below the fork point count and the others are suspect; when the record
        names a `good` batch, its branch counts, what cannot be tied to it above is suspect, and the other branch is neither.
        """
        fork = self.fork_point()
        if fork is None:
            return self.batches, ()
        below = tuple(batch for batch in self.batches if batch.header.sequence < fork)
        at_and_after = tuple(batch for batch in self.batches if batch.header.sequence >= fork)
        branch = () if good is None else self._branch(good)
        if not branch:
            return below, at_and_after
        tied = {batch.digest for batch in branch}
        last = branch[-1]
        top = last.header.sequence
        counting = below + tuple(batch for batch in branch if batch.header.sequence >= fork)
        # A successor of the last one that counts is here only when there are two: the branch forked again.
        untied = tuple(
            b
            for b in at_and_after
            if b.digest not in tied
            and (b.header.sequence > top + 1 or (b.header.sequence, b.header.previous) == (top + 1, last.digest))
        )
        return counting, untied

    def _branch(self, good: Place) -> tuple[AdmittedBatch, ...]:
        """The batch that `good` names with all that link to it without a hole, by sequence; empty when it is not admitted."""
        found = [batch for batch in self.by_sequence.get(good.sequence, ()) if batch.digest == good.digest]
        while found:
            first = found[0]
            before = [
                b for b in self.by_sequence.get(first.header.sequence - 1, ()) if b.digest == first.header.previous
            ]
            if not before:
                break
            found.insert(0, before[0])
        while found:
            after = [
                b
                for b in self.by_sequence.get(found[-1].header.sequence + 1, ())
                if b.header.previous == found[-1].digest
            ]
            if len(after) != 1:
                break
            found.append(after[0])
        return tuple(found)


def touches(batch: AdmittedBatch, span: Interval) -> bool:
    """Whether any block of the batch lies in `span`."""
    return batch.header.start_utc < span.end_utc and span.start_utc < batch.header.end_utc


def _meets(batch: AdmittedBatch, span: Interval) -> bool:
    """Whether the batch touches `span` or ends or starts at its edge: whether it may hold a register of it."""
    return batch.header.start_utc <= span.end_utc and span.start_utc <= batch.header.end_utc
