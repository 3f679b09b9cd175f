"""Who spoke: records of each meter in their order, and batches that their keys vouch for. Check (4) of `signing.verify`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from signing.anchor import Anchor
from signing.claims import Claimed, ClaimedBatch
from signing.envelope import unseal
from signing.errors import VerificationError
from signing.keys import PublicKey
from signing.statements.meter_record import MeterRecord, Speaker
from signing.statements.reading_batch import ReadingBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The verified records 0…n of one meter, without holes, in the order of the log. Made by `history` only."""

    records: tuple[Claimed[MeterRecord], ...]

    @property
    def newest(self) -> Claimed[MeterRecord]:
        """Record n."""
        return self.records[-1]

    def speaker(self, kid: bytes) -> Speaker | None:
        """What the newest record that names the key says of it, or none."""
        named = (entry.statement.speaker(kid) for entry in reversed(self.records))
        return next((speaker for speaker in named if speaker is not None), None)

    def before(self, index: int) -> MeterRecord | None:
        """The newest record before a place in the log, or none."""
        return next((entry.statement for entry in reversed(self.records) if entry.at.index < index), None)


def history(records: Sequence[Claimed[MeterRecord]], anchor: Anchor) -> History:
    """The records of one meter, each stated by the discom in this log, numbered from 0 and linked.

    Raises:
        VerificationError: (0), (3), (4).
    """
    previous, index = None, -1
    for number, claimed in enumerate(records):
        record = claimed.statement
        name = f"record {record.number} of meter {record.meter}"
        anchor.stated(claimed, MeterRecord, name)
        # (4): a record left out could be the one that revokes a key.
        if record.number != number:
            raise VerificationError(
                4, f"record {number} of meter {record.meter} is left out, got record {record.number}"
            )
        if record.previous != previous:
            raise VerificationError(4, f"{name} does not name the record before it")
        if claimed.at.index <= index:
            raise VerificationError(4, f"{name} stands before the record that it follows, at index {claimed.at.index}")
        # (4): everything about a meter stands in one log, since only order within a log is a clock.
        if str(record.log) != anchor.log_number:
            raise VerificationError(4, f"{name} says log {record.log}, and stands in {anchor.checkpoint.origin!r}")
        previous, index = claimed.envelope.digest, claimed.at.index
    return History(records=tuple(records))


def require_vouched(batches: Iterable[ClaimedBatch], histories: dict[str, History], anchor: Anchor) -> None:
    """Check (3) and (4) for batches: places in the log, authentic by signature or by link, vouched by log order.

    Raises:
        VerificationError: (3), (4).
    """
    chains: defaultdict[tuple[str, bytes], list[ClaimedBatch]] = defaultdict(list)
    for claimed in batches:
        chains[claimed.batch.header.meter, claimed.batch.kid].append(claimed)
    for (meter, kid), rows in chains.items():
        speaker = histories[meter].speaker(kid) if meter in histories else None
        if speaker is None:
            raise VerificationError(4, f"no record lets the key of {rows[0].name} speak for the meter")
        _require_authentic(rows, speaker.key)
        for claimed in rows:
            if claimed.at is not None:
                anchor.hold(claimed.batch.digest, claimed.at, claimed.name)
                require_spoken(claimed, claimed.at.index, histories[meter])


def _require_authentic(rows: Sequence[ClaimedBatch], key: PublicKey) -> None:
    """Every header of one chain is named by an authentic successor, or its own signature verifies and the log holds it."""
    named: defaultdict[int, set[bytes]] = defaultdict(set)
    for claimed in reversed(rows):
        header, envelope = claimed.batch.header, claimed.envelope
        if claimed.batch.digest not in named[header.sequence]:
            if claimed.at is None:
                raise VerificationError(
                    4,
                    f"{claimed.name}: has no place in the log, and sequence {header.sequence + 1} that names it is left out",
                )
            try:
                unseal(envelope, ReadingBatch, key)
            except VerificationError as error:
                raise VerificationError(4, f"{claimed.name}: {error}") from None
        elif envelope.algorithm != key.algorithm:
            raise VerificationError(4, f"{claimed.name}: expected algorithm {int(key.algorithm)} for this key")
        named[header.sequence - 1].add(header.previous)


def require_spoken(claimed: ClaimedBatch, index: int, records: History) -> None:
    """Check (4): the newest record before `index` lets the key speak, whatever times the batch states.

    Raises:
        VerificationError: (4).
    """
    record = records.before(index)
    if record is None or not record.vouches(claimed.batch.kid, claimed.batch.header.sequence):
        which = "no record" if record is None else f"record {record.number}"
        raise VerificationError(4, f"{claimed.name}: at index {index}, {which} does not let this key speak")
