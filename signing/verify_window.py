"""What follows from the evidence: order, revisions, rules, sums. Checks (7) to (9) of `signing.verify`."""

from collections.abc import Sequence
from itertools import pairwise

from signing.claims import Claimed, Claims
from signing.energy import scaled
from signing.errors import VerificationError
from signing.evidence import Judge, Judgement, WindowCase
from signing.interval import ist_text
from signing.statements.meter_record import Fact, MeterRecord, Role
from signing.statements.rule_set import RuleSet
from signing.statements.window_actual import WITH_TOTALS, Status, Totals, Verdict, WindowActual
from signing.statements.window_part import Part
from signing.verify_chains import Rest

_JUDGED: dict[Status, frozenset[Status]] = {
    Status.FINAL: frozenset({Status.FINAL}),
    Status.TRUE_UP: frozenset({Status.FINAL}),
    Status.PROVISIONAL: frozenset({Status.PROVISIONAL, Status.FINAL}),
    Status.NOT_MEASURABLE: frozenset({Status.NOT_MEASURABLE}),
    Status.PENDING: frozenset(Status),
    Status.WITHDRAWN: frozenset(Status),
}
"""What the rules must have made of a window for each status. A figure may be held back whatever they made of it."""


def require_order(claims: Claims, rule_set: Claimed[RuleSet]) -> None:
    """Check (7): the actual stands in the log after everything that it rests on, and each revision after the one before.

    Raises:
        VerificationError: (7).
    """
    newest = claims.actuals[0]
    if rule_set.envelope.digest != newest.statement.rule_set:
        raise VerificationError(7, "the rule set is not the one that the actual names")
    before = [("the rule set", rule_set.at.index)]
    before += [
        (f"record {entry.statement.number} of meter {meter}", entry.at.index)
        for meter, entries in claims.records.items()
        for entry in entries
    ]
    before += [
        (f"edit {entry.statement.proposal.number} of meter {meter}", entry.at.index)
        for meter, edits in claims.edits.items()
        for entry in edits
    ]
    before += [(row.name, row.at.index) for row in claims.batches if row.at is not None]
    for name, index in before:
        if index >= newest.at.index:
            raise VerificationError(7, f"{name} stands at index {index}, after the actual at {newest.at.index}")


def require_revisions(actuals: Sequence[Claimed[WindowActual]]) -> None:
    """Check (7) and (9) between revisions: down to 0, each naming the one before, in the order of the log; and `delta`.

    Raises:
        VerificationError: (7), (9).
    """
    if actuals[-1].statement.revision != 0:
        raise VerificationError(7, f"revision {actuals[-1].statement.revision - 1} is left out")
    for later, earlier in pairwise(actuals):
        new, old = later.statement, earlier.statement
        if old.revision != new.revision - 1:
            raise VerificationError(7, f"revision {new.revision - 1} is left out")
        if new.supersedes != earlier.envelope.digest:
            raise VerificationError(7, f"revision {new.revision} does not supersede the revision {old.revision} shown")
        if earlier.at.index >= later.at.index:
            raise VerificationError(7, f"revision {old.revision} stands after revision {new.revision} in the log")
        if (new.connection_point, new.posted_as, new.window) != (old.connection_point, old.posted_as, old.window):
            raise VerificationError(7, f"revision {old.revision} is of another subject or window")
        _require_delta(new, old.totals)
    _require_delta(actuals[-1].statement, None)


def _require_delta(new: WindowActual, old: Totals | None) -> None:
    expected = None
    if new.totals is not None and old is not None:
        exports = (new.totals.export_wh, old.export_wh)
        exported = None if exports[0] is None or exports[1] is None else exports[0] - exports[1]
        expected = (new.totals.import_wh - old.import_wh, exported)
    if new.delta != expected:
        raise VerificationError(9, f"revision {new.revision}: expected the delta {expected}, got {new.delta}")


def require_judgement(actual: WindowActual, rule_set: RuleSet, parts: Sequence[Rest], judge: Judge) -> None:
    """Check (8): the rules recompute to what is stated; stated findings make nothing better.

    Raises:
        VerificationError: (8).
    """
    case = WindowCase(
        connection_point=actual.connection_point,
        posted_as=actual.posted_as,
        window=actual.window,
        rule_set=rule_set,
        basis=actual.basis,
        parts=tuple(rest.case for rest in parts),
        stated=actual.stated,
    )
    judgement = judge(case)
    if judgement.status not in _JUDGED[actual.status]:
        raise VerificationError(8, f"stated {actual.status.name}, the rules recompute to {judgement.status.name}")
    _require_stated(actual, rule_set)
    if actual.status is Status.WITHDRAWN:
        return
    _require_parts(actual.parts, judgement)
    if actual.totals is not None and actual.totals != judgement.totals:
        raise VerificationError(8, f"stated {_energies(actual.totals)}, recomputed {_energies(judgement.totals)}")


def _require_parts(stated: Sequence[Part], judgement: Judgement) -> None:
    if len(stated) != len(judgement.parts):
        raise VerificationError(8, f"stated {len(stated)} parts, recomputed {len(judgement.parts)}")
    for part, judged in zip(stated, judgement.parts, strict=True):
        for name in Part.__slots__:
            one, other = getattr(part, name), getattr(judged, name)
            if one != other:
                raise VerificationError(8, f"part of meter {part.meter}, '{name}': stated {one}, recomputed {other}")


def _require_stated(actual: WindowActual, rule_set: RuleSet) -> None:
    for entry in actual.stated:
        rule = rule_set.rule(entry.rule)
        name = f"stated finding {entry.rule} at {ist_text(entry.block_utc)}"
        if rule is None or rule.version != entry.version:
            raise VerificationError(8, f"{name}: the rule set holds no version {entry.version} of this rule")
        if not actual.window.start_utc <= entry.block_utc < actual.window.end_utc:
            raise VerificationError(8, f"{name}: the block lies outside the window")
        # What cannot be recomputed may only take away.
        if entry.verdict >= Verdict.SUSPECT and actual.status in {Status.FINAL, Status.TRUE_UP}:
            raise VerificationError(8, f"{name} says {entry.verdict.name}, and the status is {actual.status.name}")


def require_sums(actual: WindowActual, parts: Sequence[Rest]) -> None:
    """Check (9): parts are disjoint, cover the window and are the subject's REVENUE meters; totals are their sums.

    Raises:
        VerificationError: (9).
    """
    _require_cover(actual)
    for rest in parts:
        for fact in _facts(rest.case.record, rest.part):
            if fact is None or (fact.connection_point, fact.role) != (actual.connection_point, Role.REVENUE):
                raise VerificationError(
                    9,
                    f"meter {rest.part.meter} is not a REVENUE meter of {actual.connection_point} throughout its part",
                )
    if actual.totals is not None:
        expected = _totals(parts)
        if actual.totals != expected:
            raise VerificationError(9, f"stated {_energies(actual.totals)}, the parts sum to {_energies(expected)}")


def _require_cover(actual: WindowActual) -> None:
    if not actual.parts and actual.status not in WITH_TOTALS:
        return
    at = actual.window.start_utc
    for part in actual.parts:
        if part.span.start_utc != at:
            raise VerificationError(
                9, f"parts do not meet at {ist_text(at)}: the next starts {ist_text(part.span.start_utc)}"
            )
        at = part.span.end_utc
    if at != actual.window.end_utc:
        raise VerificationError(9, f"parts end at {ist_text(at)}, the window at {ist_text(actual.window.end_utc)}")


def _facts(record: MeterRecord, part: Part) -> list[Fact | None]:
    """The fact that holds at the start of the part, and every one that begins within it."""
    within = [fact for fact in record.facts if part.span.start_utc < fact.from_utc < part.span.end_utc]
    return [record.fact(part.span.start_utc), *within]


def _totals(parts: Sequence[Rest]) -> Totals | None:
    """The sums over the parts after factors, each part rounded once; None when nothing was measured and nothing edited."""
    imports = [_scaled(rest, _sum(rest.part.measured_import_wh, rest.part.manual_import_wh)) for rest in parts]
    exports = [_scaled(rest, _sum(rest.part.measured_export_wh, rest.part.manual_export_wh)) for rest in parts]
    measured = [wh for wh in imports if wh is not None]
    exported = [wh for wh in exports if wh is not None]
    return Totals(import_wh=sum(measured), export_wh=sum(exported) if exported else None) if measured else None


def _sum(measured: int | None, manual: int | None) -> int | None:
    return None if measured is None and manual is None else (measured or 0) + (manual or 0)


def _scaled(rest: Rest, wh: int | None) -> int | None:
    fact = rest.case.record.fact(rest.part.span.start_utc)
    return None if wh is None or fact is None else scaled(wh, fact.ct, fact.pt, fact.factor)


def _energies(totals: Totals | None) -> str:
    return "no totals" if totals is None else f"import {totals.import_wh} Wh and export {totals.export_wh} Wh"
