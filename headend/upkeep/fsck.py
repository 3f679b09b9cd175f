"""Reading the whole database again and checking everything that it claims. Changes nothing.

1. SQLite finds the file sound, and every row's reference exists
2. the entries of each log are its size, and their tree is the one that its signed checkpoint states
3. every logged statement stands behind its own leaf, with its own digest, signed by the discom; so does every record
4. the records of each meter are numbered from 0 and linked
5. every batch decodes, stands behind its own leaf, with its own digest, and its row says what it says
6. every batch is signed by its key, or named by an admitted batch after it
7. every opening that is kept is the one that its header commits to
8. gaps and forks are what the batches say
9. no leaf is without a statement
10. every logged actual has its row, the rows say what the actuals say, and the revisions of a window follow one another
11. every posting is of an actual of its window, and of its figure
12. the edits of each meter are numbered from 0 and linked, and two persons signed each
13. every import is what its statement commits to, and the newest of each block and register is the one that holds
14. every contract is signed by the key of its platform that the directory gave then, and its row says what it says
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from headend.counting import Tell, untold
from headend.errors import FatalError
from headend.intake.chain import Chain, place
from headend.store.sqlite import contract_rows, import_rows, log_rows, lost_rows, registry_rows
from headend.store.sqlite.database import Database
from headend.store.sqlite.log_rows import StoredNodes, leaf_place, leaf_row
from headend.store.store import Gap, Link
from headend.trading.contracts import contradiction
from headend.trading.posting import figure_wh
from ledger_client.ledger import Side
from signing.envelope import Envelope, parse, unseal
from signing.errors import SigningError, VerificationError
from signing.keys import PublicKey, parse_cose_key
from signing.log.checkpoint import open_checkpoint
from signing.log.merkle import HASH_BYTES, Frontier, leaf_hash
from signing.log.note import VerifierKey
from signing.log.tiles import TILE_WIDTH
from signing.statements.edit import Edit
from signing.statements.meter_record import MeterRecord
from signing.statements.reading_batch import Opening, ReadingBatch
from signing.statements.window_actual import EditedActual, WindowActual, parse_actual

_RESTORE = "stop the head-end and restore the newest sound copy of the database"
_WAIT = "its gateway is asked for it; what stays lost the discom signed itself and must say again"
_TELL = "keep a copy of the database and find out who wrote to it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Something that the database claims and that is not so."""

    check: int
    """Its number in this module's list."""
    what: str
    remedy: str


class _Tally:
    """How much of what takes long was read."""

    __slots__ = ("_done", "_tell", "_total")

    def __init__(self, database: Database, tell: Tell) -> None:
        self._tell = tell
        self._done = 0
        (self._total,) = database.connection.execute(
            "SELECT (SELECT count(*) FROM statements) + (SELECT count(*) FROM batches)"
        ).fetchone()

    def along(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """`rows`, each counted once it was looked at."""
        for row in rows:
            yield row
            self._done += 1
            self._tell(self._done, self._total)


def fsck(database: Database, discom: PublicKey, *, tell: Tell = untold) -> Iterator[Damage]:
    """Everything that is wrong with the database; nothing when it is sound. `discom` is the key of its statements; `tell` is told how many
    statements and batches were read, and of how many.

    The time grows with the database: about one signature check for each stored batch. Run it on one unchanging state: inside
    a transaction, or while nothing writes.
    """
    tally = _Tally(database, tell)
    for text in database.integrity():
        yield Damage(check=1, what=text, remedy=_RESTORE)
    entries: dict[int, bytes] = {}
    for log, key in log_rows.logs(database.connection).items():
        yield from _log(database, log, VerifierKey.parse(key), entries)
    yield from _statements(database, discom, entries, tally)
    yield from _records(database)
    yield from _batches(database, entries, tally)
    said, damages = _actuals(database)
    yield from damages
    yield from _postings(database, said)
    yield from _edits(database)
    for text in import_rows.contradictions(database.connection):
        yield Damage(check=13, what=text, remedy=_RESTORE)
    for contract in contract_rows.every(database.connection):
        if (why := contradiction(contract)) is not None:
            what = f"contract {contract.number} of {contract.terms.platform}: {why}"
            yield Damage(check=14, what=what, remedy=_TELL)
    lost = {leaf: digest for digest, leaf in lost_rows.lost(database.connection).items()}
    # What was found behind a leaf was taken out on the way.
    for leaf, digest in entries.items():
        log, index = leaf_place(leaf)
        if lost.get(leaf) == digest:
            yield Damage(
                check=9, what=f"the statement of leaf {index} of log {log} was lost by a restore", remedy=_WAIT
            )
        else:
            yield Damage(check=9, what=f"leaf {index} of log {log} has no statement", remedy=_RESTORE)


def _log(database: Database, log: int, key: VerifierKey, entries: dict[int, bytes]) -> Iterator[Damage]:
    try:
        size, note = log_rows.tip(database.connection, log)
        stated = open_checkpoint(note, key).checkpoint if note else None
    except (SigningError, FatalError) as error:
        yield Damage(check=2, what=f"the checkpoint of log {log}: {error}", remedy=_RESTORE)
        return
    found = list(_entries(database, log, size))
    entries.update((leaf_row(log, index), entry) for index, entry in enumerate(found))
    root = Frontier.empty().extended(map(leaf_hash, found)).after.root()
    if len(found) != size or (stated is not None and (stated.size, stated.root) != (size, root)):
        yield Damage(
            check=2, what=f"log {log}: {len(found)} entries are not the tree of its checkpoint", remedy=_RESTORE
        )
        return
    try:
        if Frontier.read(size, StoredNodes(database.connection, log)).root() != root:
            yield Damage(check=2, what=f"log {log}: its stored nodes are not those of its entries", remedy=_RESTORE)
    except LookupError as error:
        yield Damage(check=2, what=f"log {log}: {error}", remedy=_RESTORE)


def _entries(database: Database, log: int, size: int) -> Iterator[bytes]:
    for tile in range(-(-size // TILE_WIDTH)):
        hashes = log_rows.tile_hashes(database.connection, log, 0, tile)
        yield from (hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES))


def _statements(database: Database, discom: PublicKey, entries: dict[int, bytes], tally: "_Tally") -> Iterator[Damage]:
    rows = database.connection.execute("SELECT leaf, digest, sign1 FROM statements ORDER BY leaf")
    for leaf, digest, sign1 in tally.along(rows):
        where = _where(leaf)
        try:
            envelope = parse(sign1, where)
        except SigningError as error:
            yield Damage(check=3, what=str(error), remedy=_RESTORE)
            continue
        if not envelope.digest == digest == entries.pop(leaf, None):
            yield Damage(
                check=3, what=f"the statement at {where} is not the one that was logged there", remedy=_RESTORE
            )
        if envelope.kid != discom.kid or not discom.verifies(envelope.signature, envelope.to_be_signed):
            yield Damage(check=3, what=f"the statement at {where} is not signed by the discom's key", remedy=_TELL)


def _records(database: Database) -> Iterator[Damage]:
    names = database.connection.execute("SELECT name FROM meters ORDER BY name").fetchall()
    for (meter,) in names:
        previous: Envelope | None = None
        for number, row in enumerate(registry_rows.records(database.connection, meter)):
            try:
                envelope = parse(row.sign1)
                record = MeterRecord.parse(envelope.payload)
            except SigningError as error:
                yield Damage(check=4, what=f"record {number} of {meter}: {error}", remedy=_RESTORE)
                break
            expected = (meter, number, previous.digest if previous else None, leaf_place(row.leaf)[0])
            if (record.meter, record.number, record.previous, record.log) != expected:
                yield Damage(check=4, what=f"record {number} of {meter} does not follow the one before", remedy=_TELL)
            previous = envelope


def _actuals(database: Database) -> tuple[dict[bytes, WindowActual], list[Damage]]:
    """The logged actuals by digest, and what is wrong with their rows."""
    said: dict[bytes, WindowActual] = {}
    damages: list[Damage] = []
    rows = database.connection.execute(
        "SELECT leaf, statements.digest, sign1, connection_point, posted_as, start_utc, end_utc, revision, actuals.digest, "
        "status, is_newest FROM statements LEFT JOIN actuals USING (leaf) WHERE content_type IN (?, ?) OR actuals.leaf NOT NULL "
        "ORDER BY leaf",
        (WindowActual.CONTENT_TYPE, EditedActual.CONTENT_TYPE),
    )
    newest: dict[tuple[str, int, int], tuple[bytes, WindowActual]] = {}
    flagged: dict[tuple[str, int, int], set[bytes]] = {}
    for leaf, digest, sign1, *row, is_newest in rows:
        try:
            envelope = parse(sign1, _where(leaf))
            actual = parse_actual(envelope.content_type, envelope.payload)
        except SigningError as error:
            damages.append(Damage(check=10, what=f"the actual at {_where(leaf)}: {error}", remedy=_RESTORE))
            continue
        said[bytes(digest)] = actual
        if row != _actual_row(actual, digest):
            damages.append(
                Damage(check=10, what=f"the actual at {_where(leaf)} is not what its row says", remedy=_RESTORE)
            )
        window = (actual.posted_as, actual.window.start_utc, actual.window.end_utc)
        before = newest.get(window)
        follows = (0, None) if before is None else (before[1].revision + 1, before[0])
        if (actual.revision, actual.supersedes) != follows:
            damages.append(
                Damage(check=10, what=f"the actual at {_where(leaf)} does not follow the one before", remedy=_TELL)
            )
        newest[window] = (digest, actual)
        if is_newest:
            flagged.setdefault(window, set()).add(digest)
    damages += [
        Damage(check=10, what=f"another actual of {name} than the newest passes for it", remedy=_RESTORE)
        for (name, start, end), (digest, _) in newest.items()
        if flagged.get((name, start, end)) != {digest}
    ]
    return said, damages


def _edits(database: Database) -> Iterator[Damage]:
    """What is wrong with the edits, which the statements behind their leaves say."""
    rows = database.connection.execute(
        "SELECT leaf, statements.digest, sign1, meter, number, edits.digest, start_utc, end_utc FROM statements LEFT JOIN edits USING (leaf) "
        "WHERE content_type = ? OR edits.leaf NOT NULL ORDER BY leaf",
        (Edit.CONTENT_TYPE,),
    )
    newest: dict[str, bytes] = {}
    counts: Counter[str] = Counter()
    for leaf, digest, sign1, *row in rows:
        try:
            edit = Edit.parse(parse(sign1, _where(leaf)).payload)
            edit.require_two_persons()
        except SigningError as error:
            yield Damage(check=12, what=f"the edit at {_where(leaf)}: {error}", remedy=_TELL)
            continue
        proposal = edit.proposal
        span = proposal.span
        if row != [proposal.meter, proposal.number, digest, span.start_utc, span.end_utc]:
            yield Damage(check=12, what=f"the edit at {_where(leaf)} is not what its row says", remedy=_RESTORE)
        if (proposal.number, proposal.previous) != (counts[proposal.meter], newest.get(proposal.meter)):
            yield Damage(check=12, what=f"the edit at {_where(leaf)} does not follow the one before", remedy=_TELL)
        counts[proposal.meter] += 1
        newest[proposal.meter] = bytes(digest)


def _actual_row(actual: WindowActual, digest: bytes) -> list[object]:
    window = actual.window
    return [
        actual.connection_point,
        actual.posted_as,
        window.start_utc,
        window.end_utc,
        actual.revision,
        digest,
        int(actual.status),
    ]


def _postings(database: Database, said: Mapping[bytes, WindowActual]) -> Iterator[Damage]:
    rows = database.connection.execute(
        "SELECT posting, actual, posted_as, start_utc, end_utc, revision, net_wh FROM postings ORDER BY posting"
    )
    for posting, digest, *row in rows:
        actual = said.get(bytes(digest))
        if actual is None:
            yield Damage(check=11, what=f"posting {posting} is of an actual that no log holds", remedy=_TELL)
            continue
        window = actual.window
        *told, net_wh = row
        figures = {
            figure_wh(actual, sides) for sides in (frozenset(), frozenset({Side.SELLER}), frozenset({Side.BUYER}))
        }
        if told != [actual.posted_as, window.start_utc, window.end_utc, actual.revision] or net_wh not in figures:
            yield Damage(check=11, what=f"posting {posting} is not of the figure that its actual states", remedy=_TELL)


def _batches(database: Database, entries: dict[int, bytes], tally: "_Tally") -> Iterator[Damage]:
    keys = _keys(database)
    rows = database.connection.execute(
        "SELECT chain, name, kid, leaf, branch, digest, sequence, start_utc, end_utc, reach_utc, sign1, opening "
        "FROM batches JOIN chains USING (chain) JOIN meters USING (meter) JOIN keys USING (key) "
        "ORDER BY chain, sequence, branch"
    )
    for chain, some in groupby(tally.along(rows), key=lambda row: int(row[0])):
        found: dict[int, list[tuple[Link, Envelope]]] = {}
        key: PublicKey | None = None
        for _, meter, kid, leaf, _, digest, sequence, start, end, reach, sign1, opening in some:
            key = keys.get(kid)
            try:
                envelope = parse(sign1, _where(leaf))
                header = ReadingBatch.parse(envelope.payload)
            except SigningError as error:
                yield Damage(check=5, what=str(error), remedy=_RESTORE)
                continue
            said = (header.meter, header.sequence, header.start_utc, header.end_utc, header.reach_utc, envelope.kid)
            if said != (meter, sequence, start, end, reach, kid) or not (
                envelope.digest == digest == entries.pop(leaf, None)
            ):
                yield Damage(check=5, what=f"the batch at {_where(leaf)} is not what its row says", remedy=_RESTORE)
            if opening is not None:
                yield from _opening(header, opening, leaf)
            link = Link(sequence, envelope.digest, header.previous, header.reach_utc, header.end_utc, leaf)
            found.setdefault(sequence, []).append((link, envelope))
        yield from _signatures(found, key)
        yield from _shape(database, chain, {number: [link for link, _ in links] for number, links in found.items()})


def _opening(header: ReadingBatch, opening: bytes, leaf: int) -> Iterator[Damage]:
    try:
        if Opening.parse(opening, header.count).contents() == header.contents:
            return
        reason = "is not the one that its header commits to"
    except SigningError as error:
        reason = str(error)
    yield Damage(check=7, what=f"the opening of the batch at {_where(leaf)} {reason}", remedy=_RESTORE)


def _signatures(found: Mapping[int, Iterable[tuple[Link, Envelope]]], key: PublicKey | None) -> Iterator[Damage]:
    for sequence, links in found.items():
        named = {link.previous for link, _ in found.get(sequence + 1, ())}
        for link, envelope in links:
            try:
                if key is None:
                    raise VerificationError(1, "its key is not registered")  # noqa: TRY301 - one place to report from
                if link.digest not in named:
                    unseal(envelope, ReadingBatch, key)
            except VerificationError as error:
                yield Damage(check=6, what=f"the batch at {_where(link.leaf)}: {error}", remedy=_TELL)


def _shape(database: Database, chain: int, found: Mapping[int, list[Link]]) -> Iterator[Damage]:
    """Gaps and forks, worked out again from the batches in the order of their sequences."""
    again = Chain(chain, _enrolment(database, chain), ())
    forks: set[int] = set()
    seen: dict[int, list[Link]] = {}
    for sequence in sorted(found):
        for link in found[sequence]:
            forks.update(fork.sequence for fork in place(again, link, seen).forks)
            seen.setdefault(sequence, []).append(link)
    gaps = database.connection.execute("SELECT first, last FROM gaps WHERE chain = ? ORDER BY first", (chain,))
    if [Gap(*row) for row in gaps] != again.gaps:
        yield Damage(check=8, what=f"the gaps of chain {chain} are not those of its batches", remedy=_RESTORE)
    stored = database.connection.execute("SELECT sequence FROM forks WHERE chain = ?", (chain,))
    if {sequence for (sequence,) in stored} != forks:
        yield Damage(check=8, what=f"the forks of chain {chain} are not those of its batches", remedy=_RESTORE)


def _enrolment(database: Database, chain: int) -> bytes:
    """What sequence 0 of a chain names, from the newest record of its meter that lists its key."""
    row = database.connection.execute(
        "SELECT sign1, kid FROM chains JOIN keys USING (key) JOIN records USING (meter) JOIN statements USING (leaf) "
        "WHERE chain = ? ORDER BY number DESC LIMIT 1",
        (chain,),
    ).fetchone()
    speaker = None if row is None else MeterRecord.parse(parse(row[0]).payload).speaker(row[1])
    return b"" if speaker is None else speaker.enrolment


def _keys(database: Database) -> dict[bytes, PublicKey]:
    rows = database.connection.execute("SELECT kid, cose_key FROM keys")
    return {bytes(kid): parse_cose_key(cose_key) for kid, cose_key in rows}


def _where(leaf: int) -> str:
    log, index = leaf_place(leaf)
    return f"leaf {index} of log {log}"
