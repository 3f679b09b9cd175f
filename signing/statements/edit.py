"""Edit: two persons say what blocks of a meter are worth, whatever its readings say, and why. Source: docs/wire-format.md §4.9.

An edit is no measurement: its blocks are MANUAL, or missing where it takes a value away. The newest edit of a block holds.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Self

from signing import fields
from signing.canonical import decode, encode
from signing.energy import watt_hours
from signing.errors import DecodeError
from signing.interval import Interval, instant, is_aligned, ist_day_start, period
from signing.statements.persons import Person, parse_person, person_item, require_two

MAX_BLOCKS = 96
"""Blocks of one edit: an IST day of the shortest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedBlock:
    """What one block is worth from now on, in Wh as the meter would state it, before factors."""

    start_utc: int
    import_wh: int | None
    """Absent takes the block's value away: it is missing."""
    export_wh: int | None
    """Absent also where the meter has no such register."""

    def __post_init__(self) -> None:
        if self.import_wh is None and self.export_wh is not None:
            raise DecodeError("expected no export without an import in 'edit.blocks'")


@dataclass(frozen=True, slots=True, kw_only=True)
class EditProposal:
    """What two persons sign: the next edit of a meter."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.edit-proposal+cbor;v=1"

    meter: str
    number: int
    """Counts the edits of the meter from 0."""
    previous: bytes | None
    """Digest of the edit before; none exactly at 0."""
    period_s: int
    blocks: tuple[EditedBlock, ...]
    """Ascending, of one IST day."""
    reason: str
    salt: bytes

    def __post_init__(self) -> None:
        if (self.number == 0) != (self.previous is None):
            raise DecodeError(f"expected 'previous' exactly when the number is above 0, got number {self.number}")
        if not 1 <= len(self.blocks) <= MAX_BLOCKS:
            raise DecodeError(f"expected 1 to {MAX_BLOCKS} blocks, got {len(self.blocks)} in 'edit.blocks'")
        starts = [block.start_utc for block in self.blocks]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise DecodeError("expected blocks in ascending order, each once, in 'edit.blocks'")
        if not all(is_aligned(start, self.period_s) for start in starts):
            raise DecodeError(f"expected blocks on the grid of {self.period_s} s in 'edit.blocks'")
        if ist_day_start(starts[0]) != ist_day_start(starts[-1]):
            raise DecodeError("expected blocks of one IST day in 'edit.blocks'")

    @property
    def span(self) -> Interval:
        """From the first block to the end of the last."""
        return Interval(self.blocks[0].start_utc, self.blocks[-1].start_utc + self.period_s)

    def fields(self) -> list[object]:
        """The items that the proposal and its edit share, in order."""
        blocks = [[block.start_utc, block.import_wh, block.export_wh] for block in self.blocks]
        return [self.meter, self.number, self.previous, self.period_s, blocks, self.reason]

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        return encode([*self.fields(), self.salt])

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The proposal in canonical bytes. Raises `DecodeError` naming the field."""
        path = "edit-proposal"
        return cls.read(fields.array(decode(payload, path), 7, path), path)

    @classmethod
    def read(cls, row: list[object], path: str) -> Self:
        """The proposal in its seven decoded items. Raises `DecodeError` naming the field."""
        meter, number, previous, period_s, blocks, reason, salt = row
        rows = fields.sequence(blocks, f"{path}.blocks", least=1, most=MAX_BLOCKS)
        return cls(
            meter=fields.identifier(meter, f"{path}.meter"),
            number=fields.uint(number, f"{path}.number"),
            previous=fields.optional(previous, fields.digest, f"{path}.previous"),
            period_s=period(period_s, f"{path}.period"),
            blocks=tuple(_block(one, f"{path}.blocks[{place}]") for place, one in enumerate(rows)),
            reason=fields.label(reason, f"{path}.reason"),
            salt=fields.salt(salt, f"{path}.salt"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A proposal with the signatures of its author and of another person who approved it. The discom signs both with it."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.edit+cbor;v=1"

    proposal: EditProposal
    author: Person
    approver: Person

    def require_two_persons(self) -> None:
        """That two different persons signed the proposal. Parsing does not say so.

        Raises:
            VerificationError: (1), (4) as `require_two`.
        """
        require_two(self.proposal, self.author, self.approver)

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        persons = [person_item(self.author), person_item(self.approver)]
        return encode([*self.proposal.fields(), *persons, self.proposal.salt])

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The edit in canonical bytes; nobody's signature is checked. Raises `DecodeError` naming the field."""
        path = "edit"
        row = fields.array(decode(payload, path), 9, path)
        return cls(
            proposal=EditProposal.read([*row[:6], row[8]], path),
            author=parse_person(row[6], f"{path}.author"),
            approver=parse_person(row[7], f"{path}.approver"),
        )


def _block(value: object, path: str) -> EditedBlock:
    start, imported, exported = fields.array(value, 3, path)
    return EditedBlock(
        start_utc=instant(start, f"{path}.start"),
        import_wh=fields.optional(imported, watt_hours, f"{path}.import"),
        export_wh=fields.optional(exported, watt_hours, f"{path}.export"),
    )
