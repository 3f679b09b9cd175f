"""The rows of admitted batches and their chains. Plain SQL: this is the hot path.

Where a gateway fleet speaks in random order, each row costs one page of the index by chain; there is no second index. What
touches a window is found from the chain's newest end: `reach` says when to stop.
"""

import sqlite3
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from headend.errors import FatalError
from headend.readings import VerifiedBatch
from headend.store.store import Fork, ForkKind, Gap, Link, NewBatch
from signing.envelope import parse
from signing.interval import Interval
from signing.statements.reading_batch import Opening, ReadingBatch

_PUT = (
    "INSERT INTO batches (leaf, chain, sequence, branch, digest, start_utc, end_utc, reach_utc, sign1, opening) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class OpenGap(NamedTuple):
    """An open gap with whom to ask."""

    chain: int
    meter: str
    kid: bytes
    first: int
    last: int
    opened_utc: int
    asked_utc: int | None


class SqliteBatches:
    """`BatchStore` over one connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def head(self, chain: int) -> tuple[Link, ...]:
        """The batches with the chain's greatest sequence: none, one, or both branches."""
        rows = self._connection.execute(
            "SELECT leaf, sign1 FROM batches WHERE chain = ?1 AND sequence = "
            "(SELECT max(sequence) FROM batches WHERE chain = ?1) ORDER BY branch",
            (chain,),
        )
        return tuple(_link(*row) for row in rows)

    def links(self, chain: int, first: int, last: int) -> tuple[Link, ...]:
        """The batches with sequences `first` to `last`, by sequence and branch."""
        rows = self._connection.execute(
            "SELECT leaf, sign1 FROM batches WHERE chain = ? AND sequence BETWEEN ? AND ? ORDER BY sequence, branch",
            (chain, first, last),
        )
        return tuple(_link(*row) for row in rows)

    def put(self, batches: Sequence[NewBatch]) -> None:
        """Stores batches."""
        try:
            self._connection.executemany(_PUT, batches)
        except sqlite3.IntegrityError as error:
            raise FatalError(
                f"a batch is stored already ({error}): two programs take in one shard; give each shard to one worker"
            ) from error

    def gaps(self, chain: int) -> tuple[Gap, ...]:
        """The open gaps of a chain, ascending."""
        rows = self._connection.execute("SELECT first, last FROM gaps WHERE chain = ? ORDER BY first", (chain,))
        return tuple(Gap(*row) for row in rows)

    def replace_gaps(self, chain: int, gaps: Sequence[Gap], *, at_utc: int) -> None:
        """Makes these the open gaps of a chain; those that were open keep when they opened and were asked for."""
        before = self._connection.execute(
            "SELECT first, last, opened_utc, asked_utc FROM gaps WHERE chain = ? ORDER BY first", (chain,)
        ).fetchall()
        # Only what changes is written and compared: a chain may have thousands of gaps, and every batch comes by here.
        kept = {row[:2] for row in before} & {(gap.first, gap.last) for gap in gaps}
        gone = [row for row in before if row[:2] not in kept]
        firsts = [row[0] for row in gone]
        self._connection.executemany(
            "DELETE FROM gaps WHERE chain = ? AND first = ?", [(chain, first) for first in firsts]
        )
        for gap in gaps:
            if (gap.first, gap.last) in kept:
                continue
            # What is left of a gap that was partly filled is as old as that gap.
            place = bisect_right(firsts, gap.first) - 1
            inside = place >= 0 and gap.last <= gone[place][1]
            opened, asked = gone[place][2:] if inside else (at_utc, None)
            self._connection.execute(
                "INSERT INTO gaps (chain, first, last, opened_utc, asked_utc) VALUES (?, ?, ?, ?, ?)",
                (chain, gap.first, gap.last, opened, asked),
            )

    def forks(self, chain: int) -> tuple[Fork, ...]:
        """Where the chain has two histories, by sequence."""
        rows = self._connection.execute(
            "SELECT sequence, kind, leaf FROM forks WHERE chain = ? ORDER BY sequence", (chain,)
        )
        return tuple(Fork(sequence, ForkKind(kind), leaf) for sequence, kind, leaf in rows)

    def put_fork(self, chain: int, fork: Fork, *, at_utc: int) -> None:
        """Stores a fork; one that is known already stays as it is."""
        self._connection.execute(
            "INSERT INTO forks (chain, sequence, kind, leaf, found_utc) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (chain, sequence) DO NOTHING",
            (chain, fork.sequence, fork.kind.value, fork.leaf, at_utc),
        )

    def chains(self, meter: str) -> tuple[tuple[bytes, int], ...]:
        """Kid and chain of every key that any record of the meter ever listed, by kid."""
        rows = self._connection.execute(
            "SELECT kid, chain FROM chains JOIN keys USING (key) JOIN meters USING (meter) WHERE name = ? ORDER BY kid",
            (meter,),
        )
        return tuple((bytes(kid), int(chain)) for kid, chain in rows)

    def base(self, chain: int, at_utc: int) -> int | None:
        """The greatest admitted sequence whose `reach` ≤ `at_utc`, else the least admitted one; none without batches.

        Source: docs/wire-format.md §7.
        """
        row = self._connection.execute(
            "SELECT sequence FROM batches WHERE chain = ? AND reach_utc <= ? ORDER BY sequence DESC LIMIT 1",
            (chain, at_utc),
        ).fetchone()
        if row is None:
            row = self._connection.execute("SELECT min(sequence) FROM batches WHERE chain = ?", (chain,)).fetchone()
        return None if row is None or row[0] is None else int(row[0])

    def batches(self, kid: bytes, chain: int, first: int, last: int) -> Iterator[VerifiedBatch]:
        """The batches of a chain with sequences `first` to `last`, by sequence and branch."""
        rows = self._connection.execute(
            "SELECT leaf, digest, sign1, opening FROM batches "
            "WHERE chain = ? AND sequence BETWEEN ? AND ? ORDER BY sequence, branch",
            (chain, first, last),
        )
        return (_verified(kid, *row) for row in rows)

    def places(self, meter: str, span: Interval) -> tuple[tuple[int, int, Interval], ...]:
        """Leaf, sequence and span of every admitted batch of a meter whose span overlaps `span`, by span and leaf."""
        found = [place for _, chain in self.chains(meter) for place in self._touching(chain, span)]
        return tuple(sorted(found, key=lambda one: (one[2], one[0])))

    def at_leaf(self, leaf: int) -> VerifiedBatch | None:
        """The batch behind a leaf, or none when another statement stands there."""
        row = self._connection.execute(
            "SELECT kid, leaf, digest, sign1, opening FROM batches JOIN chains USING (chain) JOIN keys USING (key) "
            "WHERE leaf = ?",
            (leaf,),
        ).fetchone()
        return None if row is None else _verified(*row)

    def open_gaps(self, *, asked_before_utc: int, most: int) -> tuple[OpenGap, ...]:
        """Open gaps of any chain that nobody asked for since `asked_before_utc`, oldest first."""
        rows = self._connection.execute(
            "SELECT chain, name, kid, first, last, opened_utc, asked_utc FROM gaps JOIN chains USING (chain) "
            "JOIN meters USING (meter) JOIN keys USING (key) WHERE coalesce(asked_utc, 0) < ? "
            "ORDER BY opened_utc, chain, first LIMIT ?",
            (asked_before_utc, most),
        )
        return tuple(OpenGap(*row) for row in rows)

    def asked(self, gap: OpenGap, *, at_utc: int) -> None:
        """Notes that a gap was asked for."""
        self._connection.execute(
            "UPDATE gaps SET asked_utc = ? WHERE chain = ? AND first = ?", (at_utc, gap.chain, gap.first)
        )

    def _touching(self, chain: int, span: Interval) -> Iterator[tuple[int, int, Interval]]:
        rows = self._connection.execute(
            "SELECT start_utc, end_utc, reach_utc, leaf, sequence FROM batches WHERE chain = ? "
            "ORDER BY sequence DESC, branch DESC",
            (chain,),
        )
        # A reach that all before it confirm bounds all before it. Across a fork or a gap nothing is confirmed.
        bounded = not self.forks(chain) and not self.gaps(chain)
        for start, end, reach, leaf, sequence in rows:
            if start < span.end_utc and span.start_utc < end:
                yield leaf, sequence, Interval(start, end)
            if bounded and reach <= span.start_utc:
                break


def _link(leaf: int, sign1: bytes) -> Link:
    envelope = parse(sign1)
    header = ReadingBatch.parse(envelope.payload)
    return Link(header.sequence, envelope.digest, header.previous, header.reach_utc, header.end_utc, leaf)


def _verified(kid: bytes, leaf: int, digest: bytes, sign1: bytes, opening: bytes | None) -> VerifiedBatch:
    header = ReadingBatch.parse(parse(sign1).payload)
    return VerifiedBatch(
        leaf=leaf,
        kid=kid,
        digest=digest,
        header=header,
        sign1=sign1,
        opening=None if opening is None else Opening.parse(opening, header.count),
    )
