"""Verification of a bundle: offline, from a trust file and the bundle alone.

The checks, by their numbers (docs/wire-format.md §9); a `VerificationError` carries the number of the one that fails.

(0) the log key and the discom keys are the trust file's, the latter at the index of what they sign
(1) everything decodes canonically, is the statement that its place says, and stands in order
(2) the checkpoint is signed by the log key, by the witnesses that the policy asks for, and extends the pinned one
(3) every inclusion path leads to the checkpoint
(4) every signature; the records of each meter from 0 to the one that the actual names, linked, in one log; every header by its
    own signature or by an authentic successor; every logged batch vouched by the newest record before it in the log; the
    edits of each meter from 0 to the one that the actual names, linked, each signed by two persons
(5) openings, heads and gaps are as stated, links that disagree are forks; exactly the context batches are opened
(6) `evidence` covers exactly these
(7) rule set, records, edits and batches stand before the actual in the log; each revision before the next, down to 0
(8) every rule recomputes to the same verdict; a stated finding never turns SUSPECT into VALID
(9) the sums: parts, totals, delta

Rules are an argument: `headend.windows.judge` in the command. Blocks resolve by the one-value rule within it, by
`signing.evidence.resolve`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from signing.anchor import Anchor
from signing.bundle import Kind
from signing.claims import Claims, read_claims
from signing.errors import DecodeError, VerificationError
from signing.evidence import Judge
from signing.statements.edit import Edit
from signing.statements.meter_record import MeterRecord
from signing.statements.rule_set import RuleSet
from signing.statements.window_actual import WindowActual
from signing.trust import TrustRoot
from signing.verify_batches import History, history, require_vouched
from signing.verify_chains import require_chains, require_evidence, require_opened, require_openings, rests
from signing.verify_edits import verified_edits
from signing.verify_window import require_judgement, require_order, require_revisions, require_sums


class Outcome(Enum):
    """What a bundle without a fault is worth."""

    VALID = "VALID"
    """The figure recomputes from readings signed at the premises."""
    ATTESTED = "ATTESTED"
    """The discom said this, in this log; not recomputed."""
    ERASED = "ERASED"
    """As VALID in every check that needs no readings; some were erased."""
    UNANCHORED = "UNANCHORED"
    """Nothing is known against it, and nothing outside the bundle vouches for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verification found. Claims of an UNANCHORED bundle are claims, no more."""

    outcome: Outcome
    reason: str | None
    """Why it is UNANCHORED; None otherwise."""
    actual: WindowActual
    """The newest revision in the bundle. That none is newer cannot be shown offline."""
    digest: bytes
    """The evidence digest: that of the newest revision."""
    origin: str | None
    """The log; None without a trust file."""
    tree_size: int | None
    """Size of the verified checkpoint; None without a trust file."""
    rule_set: RuleSet | None
    """By which the figure was judged; None where the bundle does not hold it."""
    records: Mapping[str, MeterRecord]
    """The newest record of each meter of the bundle: factors, serial number and block length are its word."""
    edits: tuple[Edit, ...]
    """Every edit of the bundle, by meter and number; one need not bear on the window."""

    @property
    def never_admitted(self) -> int:
        """How many sequences were never admitted, by the actual's own gaps, over all of its chains."""
        chains = {(part.meter, chain.kid, chain.gaps): chain for part in self.actual.parts for chain in part.chains}
        return sum(chain.missing for chain in chains.values())


def verify(data: bytes, trust: TrustRoot | None, judge: Judge) -> Verdict:
    """What the bundle `data` of kind ACTUAL or WINDOW is worth under `trust`; UNANCHORED without one.

    Raises:
        VerificationError: INVALID, with the number of the check that fails.
    """
    # (1): first, since nothing else can be asked of bytes that do not decode.
    claims = decoded(data, frozenset({Kind.ACTUAL, Kind.WINDOW}))
    if trust is None:
        return _verdict(claims, Outcome.UNANCHORED, None, "no trust file: nothing outside the bundle vouches for it")
    # (0), (2): whose log it is, and that it still is the one that was seen before.
    anchor = Anchor.drop(claims.bundle, trust)
    # (0), (3), (4): what the discom stated.
    for entry in claims.actuals:
        anchor.stated(entry, type(entry.statement), f"revision {entry.statement.revision}")
    # (7), (9): between revisions.
    require_revisions(claims.actuals)
    outcome = Outcome.ATTESTED if claims.bundle.kind is Kind.ACTUAL else _recomputed(claims, anchor, judge)
    if anchor.unreached is not None:
        return _verdict(claims, Outcome.UNANCHORED, anchor, anchor.unreached)
    return _verdict(claims, outcome, anchor, None)


def decoded(data: bytes, kinds: frozenset[Kind]) -> Claims:
    """The claims of a bundle of one of the `kinds`: check (1).

    Raises:
        VerificationError: (1).
    """
    try:
        claims = read_claims(data)
    except DecodeError as error:
        raise VerificationError(1, str(error)) from None
    if claims.bundle.kind not in kinds:
        names = " or ".join(kind.name for kind in sorted(kinds))
        raise VerificationError(1, f"expected a bundle of kind {names}, got {claims.bundle.kind.name}")
    return claims


def _recomputed(claims: Claims, anchor: Anchor, judge: Judge) -> Outcome:
    """VALID or ERASED, for a bundle of kind WINDOW whose actuals are verified."""
    actual = claims.actuals[0].statement
    assert claims.rule_set is not None
    # (0), (3), (4): rule set and records, then the batches that the records let speak.
    rule_set = anchor.stated(claims.rule_set, RuleSet, "the rule set").statement
    histories = verified_histories(claims, anchor)
    parts = rests(claims, histories, verified_edits(claims, anchor))
    # (5): what the window rests on is all there, and nothing else.
    require_openings(claims.batches)
    require_chains(parts)
    require_opened(parts)
    require_evidence(actual, parts)  # (6)
    require_order(claims, claims.rule_set)  # (7)
    erased = any(row.is_erased for row in claims.batches)
    if not erased:
        require_judgement(actual, rule_set, parts, judge)  # (8)
    require_sums(actual, parts)  # (9)
    return Outcome.ERASED if erased else Outcome.VALID


def verified_histories(claims: Claims, anchor: Anchor) -> dict[str, History]:
    """The records of every meter of the bundle, and its batches vouched by them: check (4).

    Raises:
        VerificationError: (0), (3), (4).
    """
    histories = {meter: history(records, anchor) for meter, records in claims.records.items()}
    require_vouched(claims.batches, histories, anchor)
    return histories


def _verdict(claims: Claims, outcome: Outcome, anchor: Anchor | None, reason: str | None) -> Verdict:
    newest = claims.actuals[0]
    return Verdict(
        outcome=outcome,
        reason=reason,
        actual=newest.statement,
        digest=newest.envelope.digest,
        origin=None if anchor is None else anchor.checkpoint.origin,
        tree_size=None if anchor is None else anchor.checkpoint.size,
        rule_set=None if claims.rule_set is None else claims.rule_set.statement,
        records={meter: entries[-1].statement for meter, entries in claims.records.items()},
        edits=tuple(entry.statement for entries in claims.edits.values() for entry in entries),
    )
