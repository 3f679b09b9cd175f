"""What each part of a window rests on: chains, openings, context. Checks (5) and (6) of `signing.verify`."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TypeAlias

from signing.chain import AdmittedBatch, Chain, evidence_bytes, touches
from signing.claims import ClaimedBatch, Claims
from signing.errors import VerificationError
from signing.evidence import PartCase
from signing.interval import Interval
from signing.statements.window_actual import WindowActual
from signing.statements.window_part import ChainState, Part
from signing.verify_batches import History
from signing.verify_edits import Edits

Range: TypeAlias = tuple[int, int]
"""Sequences from the first to the last, both included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What one part rests on, as the bundle shows it. Made by `rests` only."""

    part: Part
    history: History
    rows: tuple[ClaimedBatch, ...]
    """Every batch of the meter."""
    is_erased: bool
    """Whether readings of the meter were erased."""
    context: Interval
    chains: tuple[Chain, ...]
    """One chain for every key that any record names, with all that the bundle holds of it."""
    context_batches: tuple[AdmittedBatch, ...]
    """The batches that the part rests on. Where readings were erased, the bundle's own word for which they are."""
    case: PartCase
    """The part as the judge sees it: every chain from its base."""


def _rest(part: Part, records: History, rows: tuple[ClaimedBatch, ...], edits: Edits) -> Rest:
    batches = tuple(row.batch for row in rows)
    is_erased = any(row.is_erased for row in rows)
    everything = PartCase(
        span=part.span,
        records=tuple(entry.statement for entry in records.records),
        record_digests=tuple(entry.envelope.digest for entry in records.records),
        batches=batches,
        edits=tuple(entry.statement for entry in edits.get(part.meter, ())),
        edit_digests=tuple(entry.envelope.digest for entry in edits.get(part.meter, ())),
    )
    whole = everything.context()
    chains = everything.chains
    bases = {chain.kid: chain.base(whole) for chain in chains}
    from_base = tuple(batch for batch in batches if batch.header.sequence >= bases[batch.kid])
    rested_on = everything.context_batches()
    if is_erased:
        rested_on = tuple(row.batch for row in rows if row.opening is not None or touches(row.batch, part.span))
    return Rest(
        part=part,
        history=records,
        rows=rows,
        is_erased=is_erased,
        context=whole,
        chains=chains,
        context_batches=rested_on,
        case=replace(everything, batches=from_base),
    )


def rests(claims: Claims, histories: dict[str, History], edits: Edits) -> tuple[Rest, ...]:
    """What each part of the newest actual rests on; the record that it names is the newest of the bundle.

    Raises:
        VerificationError: (4) a record is left out (5) records or batches of a meter that is in no part.
    """
    found = []
    for part in claims.actuals[0].statement.parts:
        if part.meter not in histories:
            raise VerificationError(4, f"the records of meter {part.meter} are left out")
        records = histories[part.meter]
        newest = records.newest
        # (4): the newest record decides who may speak; leaving it out could hide a revocation.
        if (part.record.sequence, part.record.digest) != (newest.statement.number, newest.envelope.digest):
            raise VerificationError(
                4,
                f"record {part.record.sequence} of meter {part.meter} is left out: the actual rests on it, and the bundle "
                f"ends at record {newest.statement.number}",
            )
        rows = tuple(row for row in claims.batches if row.batch.header.meter == part.meter)
        found.append(_rest(part, records, rows, edits))
    meters = {rest.part.meter for rest in found}
    named = histories.keys() | edits.keys() | {row.batch.header.meter for row in claims.batches}
    strangers = sorted(named - meters)
    if strangers:
        raise VerificationError(5, f"the bundle speaks of meter {strangers[0]}, which is in no part of the window")
    return tuple(found)


def require_openings(rows: Iterable[ClaimedBatch]) -> None:
    """Check (5): every opening is the one that its header commits to.

    Raises:
        VerificationError: (5).
    """
    for row in rows:
        if row.opening is None or row.is_erased:
            continue
        if hashlib.sha256(row.opening).digest() != row.batch.header.contents:
            raise VerificationError(5, f"{row.name}: the opening is not the one that the header commits to")


def require_chains(parts: Sequence[Rest]) -> None:
    """Check (5): heads and gaps of every chain are as stated.

    Raises:
        VerificationError: (5).
    """
    for rest in parts:
        kids = [state.kid for state in rest.part.chains]
        if kids != [chain.kid for chain in rest.chains]:
            raise VerificationError(
                5, f"meter {rest.part.meter}: expected the chain of every key that its records name, got {len(kids)}"
            )
        for chain, state in zip(rest.chains, rest.part.chains, strict=True):
            name = f"the chain of meter {rest.part.meter}, key {chain.kid.hex()[:16]}"
            _require_head(chain, state, name)
            _require_gaps(chain, state, rest, name)


def _require_head(chain: Chain, state: ChainState, name: str) -> None:
    if chain.head != state.head:
        stated = "no batch" if state.head is None else f"sequence {state.head.sequence}, {state.head.digest.hex()[:16]}"
        shown = "no batch" if chain.head is None else f"sequence {chain.head.sequence}, {chain.head.digest.hex()[:16]}"
        raise VerificationError(5, f"{name}: stated head {stated} is left out, the bundle ends at {shown}")


def _require_gaps(chain: Chain, state: ChainState, rest: Rest, name: str) -> None:
    bases = [chain.base(rest.context)]
    if rest.is_erased:
        # An erased opening may have held the register that says where the chain begins to matter.
        bases = [min(chain.by_sequence, default=0), 0]
    shown = [chain.gaps(base) for base in bases]
    if state.gaps in shown:
        return
    differing = next((one, other) for one, other in zip_longest(shown[0], state.gaps) if one != other)
    sequence, is_stated = _first_difference(*differing)
    what = "is stated as a gap, and is none" if is_stated else "is left out, and no gap is stated there"
    raise VerificationError(5, f"{name}: sequence {sequence} {what}")


def _first_difference(shown: Range | None, stated: Range | None) -> tuple[int, bool]:
    """The lowest sequence that lies in one of two different ranges, and whether it lies in the stated one."""
    if shown is None or stated is None:
        present = stated or shown or (0, 0)
        return present[0], shown is None
    place = 0 if shown[0] != stated[0] else 1
    least = min(shown[place], stated[place])
    return least + place, (stated[place] == least) == (place == 0)


def require_opened(parts: Sequence[Rest]) -> None:
    """Check (5): exactly the context batches are opened, logged, and nothing lies below the base.

    Raises:
        VerificationError: (5).
    """
    needed: set[bytes] = set()
    present: set[bytes] = set()
    for rest in parts:
        needed |= {batch.digest for batch in rest.context_batches}
        present |= {batch.digest for batch in rest.case.batches}
    for row in (row for rest in parts for row in rest.rows):
        if row.batch.digest in needed and row.opening is None:
            raise VerificationError(5, f"{row.name}: touches the context and is not opened")
        if row.batch.digest in needed and row.at is None:
            raise VerificationError(5, f"{row.name}: the window rests on it, and it has no place in the log")
        if row.batch.digest not in needed and row.opening is not None:
            raise VerificationError(5, f"{row.name}: is opened, and the window does not rest on it")
        if row.batch.digest not in present and not any(rest.is_erased for rest in parts):
            raise VerificationError(5, f"{row.name}: lies below the base of its chain, and nothing rests on it")


def require_evidence(actual: WindowActual, parts: Sequence[Rest]) -> None:
    """Check (6): `evidence` covers exactly the context batches.

    Raises:
        VerificationError: (6).
    """
    rows = [batch for rest in parts for batch in rest.context_batches]
    if hashlib.sha256(evidence_bytes(rows)).digest() != actual.evidence:
        raise VerificationError(
            6, f"'evidence' does not cover exactly the {len(rows)} batches that the window rests on"
        )
