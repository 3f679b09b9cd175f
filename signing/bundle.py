"""Evidence bundle: everything that proves one window, or one actual, or one batch, in one file.

Parsing proves nothing: it gives values whose envelopes, paths and openings nobody has checked. `signing.verify` checks them.
Source: docs/wire-format.md §7; EVIDENCE §5.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self, TypeVar

from signing import fields
from signing.canonical import decode, encode
from signing.envelope import Envelope, from_item
from signing.errors import DecodeError
from signing.messages import parse_path
from signing.topics import MAX_MESSAGE

VERSION = 1
EDITED_VERSION = 2
"""Of a bundle that holds edits; all others are version 1."""

MAX_BUNDLE = 2**26
"""Longest bundle that is read, in bytes: a hundred thousand headers and their openings."""

MAX_STATEMENTS = 4096
"""Most actuals, records, rule sets or edits in one bundle."""

MAX_BATCHES = 200_000
MAX_EXTENSIONS = 64
MAX_CHECKPOINT = 2**14

ERASED = b""
"""The opening of a batch whose readings were erased while its header stays."""

T = TypeVar("T")


class Kind(IntEnum):
    """What a bundle is for."""

    ACTUAL = 0
    """What an exchange holds: the discom's word, with its place in the log."""
    WINDOW = 1
    """What recomputes the actual from readings."""
    BATCH = 2
    """One batch with the records of its meter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedAt:
    """A place in the log: the leaf's index, and the path from it to the bundle's checkpoint."""

    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A statement and its place in the log."""

    envelope: Envelope
    at: LoggedAt


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledBatch:
    """A header; its opening where the window rests on it; its place in the log where that must be shown."""

    envelope: Envelope
    opening: bytes | None
    """None where it is not needed, `ERASED` where it is and was erased."""
    at: LoggedAt | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """The consistency path from a tree of `old_size` leaves to the bundle's checkpoint."""

    old_size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle whose parts nobody has verified. What its kind does not name is empty."""

    kind: Kind
    checkpoint: bytes
    """The signed note, as published."""
    consistency: tuple[Extension, ...]
    actuals: tuple[Logged, ...]
    """The newest first, then each one that it supersedes, to revision 0."""
    records: tuple[Logged, ...]
    """By meter, then number."""
    rule_sets: tuple[Logged, ...]
    batches: tuple[BundledBatch, ...]
    """By meter, kid, sequence, digest."""
    edits: tuple[Logged, ...] = ()
    """By meter, then number; numbers 0 to the one that the newest actual names."""

    def __post_init__(self) -> None:
        if (self.kind is Kind.BATCH) != (not self.actuals):
            raise DecodeError(f"expected actuals for every kind but BATCH, got {len(self.actuals)} in 'bundle.actuals'")
        if self.kind is Kind.ACTUAL and self.records:
            raise DecodeError("expected no records in a bundle of kind ACTUAL, got some in 'bundle.records'")
        if self.kind is Kind.BATCH and not self.records:
            raise DecodeError("expected the records of the batch's meter, got none in 'bundle.records'")
        if len(self.rule_sets) != (self.kind is Kind.WINDOW):
            raise DecodeError(
                f"expected one rule set in a bundle of kind WINDOW and none in others, got {len(self.rule_sets)} "
                "in 'bundle.rulesets'"
            )
        if self.edits and self.kind is not Kind.WINDOW:
            raise DecodeError(f"expected no edits in a bundle of kind {self.kind.name}, got some in 'bundle.edits'")
        least, most = {Kind.ACTUAL: (0, 0), Kind.WINDOW: (0, MAX_BATCHES), Kind.BATCH: (1, 1)}[self.kind]
        if not least <= len(self.batches) <= most:
            raise DecodeError(
                f"expected {least} to {most} batches in a bundle of kind {self.kind.name}, got {len(self.batches)} "
                "in 'bundle.batches'"
            )

    def encoded(self) -> bytes:
        """The canonical bytes."""
        edits = [[_logged_item(entry) for entry in self.edits]] if self.edits else []
        return encode(
            [
                EDITED_VERSION if edits else VERSION,
                int(self.kind),
                self.checkpoint,
                [[step.old_size, list(step.path)] for step in self.consistency],
                [_logged_item(entry) for entry in self.actuals],
                [_logged_item(entry) for entry in self.records],
                [_logged_item(entry) for entry in self.rule_sets],
                [_batch_item(entry) for entry in self.batches],
                *edits,
            ]
        )

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The bundle in canonical bytes.

        Raises:
            DecodeError: naming the path; also when it is longer than `MAX_BUNDLE`.
        """
        if len(data) > MAX_BUNDLE:
            raise DecodeError(f"expected at most {MAX_BUNDLE} bytes, got {len(data)} in 'bundle'")
        row = fields.sequence(decode(data, "bundle"), "bundle", least=8, most=9)
        version = fields.integer(row[0], "bundle.version", least=VERSION, most=EDITED_VERSION)
        fields.array(row, 9 if version == EDITED_VERSION else 8, "bundle")
        return cls(
            kind=fields.member(row[1], Kind, "bundle.kind"),
            checkpoint=fields.byte_string(row[2], "bundle.checkpoint", most=MAX_CHECKPOINT),
            consistency=_each(row[3], _extension, "bundle.consistency", most=MAX_EXTENSIONS),
            actuals=_each(row[4], _logged, "bundle.actuals"),
            records=_each(row[5], _logged, "bundle.records"),
            rule_sets=_each(row[6], _logged, "bundle.rulesets"),
            batches=_each(row[7], _batch, "bundle.batches", most=MAX_BATCHES),
            edits=_each(row[8], _logged, "bundle.edits", least=1) if version == EDITED_VERSION else (),
        )


def _each(
    value: object, check: Callable[[object, str], T], path: str, *, least: int = 0, most: int = MAX_STATEMENTS
) -> tuple[T, ...]:
    rows = fields.sequence(value, path, least=least, most=most)
    return tuple(check(row, f"{path}[{place}]") for place, row in enumerate(rows))


def _at(index: object, nodes: object, path: str) -> LoggedAt:
    return LoggedAt(index=fields.uint(index, f"{path}.index"), path=parse_path(nodes, f"{path}.path"))


def _place(value: object, path: str) -> LoggedAt:
    index, nodes = fields.array(value, 2, path)
    return _at(index, nodes, path)


def _extension(value: object, path: str) -> Extension:
    old_size, nodes = fields.array(value, 2, path)
    return Extension(old_size=fields.uint(old_size, f"{path}.old_size"), path=parse_path(nodes, f"{path}.path"))


def _logged(value: object, path: str) -> Logged:
    item, index, nodes = fields.array(value, 3, path)
    return Logged(envelope=from_item(item, f"{path}.sign1"), at=_at(index, nodes, path))


def _batch(value: object, path: str) -> BundledBatch:
    item, opening, at = fields.array(value, 3, path)
    return BundledBatch(
        envelope=from_item(item, f"{path}.sign1"),
        opening=None if opening is None else fields.byte_string(opening, f"{path}.opening", most=MAX_MESSAGE),
        at=None if at is None else _place(at, f"{path}.logged_at"),
    )


def _at_item(at: LoggedAt) -> list[object]:
    return [at.index, list(at.path)]


def _logged_item(entry: Logged) -> list[object]:
    return [entry.envelope.item(), *_at_item(entry.at)]


def _batch_item(entry: BundledBatch) -> list[object]:
    return [entry.envelope.item(), entry.opening, None if entry.at is None else _at_item(entry.at)]
