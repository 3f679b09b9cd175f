"""What the next revision of an actual says, if there is anything new to say. Pure: `headend.attest` signs it.

The same evidence gives no second revision. A later revision supersedes and states its difference; nothing is overwritten.
Source: EVIDENCE §4; VEE §C; docs/wire-format.md §4.5.
"""

from dataclasses import dataclass, replace

from headend.vee.validate import standing
from headend.windows import bearing, bounded, edit_heads, evidence, judge
from signing import fields
from signing.envelope import Signed
from signing.errors import DecodeError
from signing.evidence import Judgement, WindowCase
from signing.statements.window_actual import (
    MAX_PARTS,
    MAX_STATED,
    Cause,
    EditedActual,
    Status,
    Totals,
    WindowActual,
)
from signing.statements.window_part import Part, parse_part, part_item

_UNREADABLE = "the evidence is more than one statement can hold"
_SETTLED = frozenset({Status.FINAL, Status.TRUE_UP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A case with what the rules make of it, and the rule set by the digest under which it is logged."""

    case: WindowCase
    judgement: Judgement
    rule_set: bytes


def decide(case: WindowCase, rule_set: bytes) -> Decision:
    """The decision of a case by its rule set, whose digest is `rule_set`.

    A gateway can make more gaps than a statement holds. Such a window is PENDING without parts: what nobody could read back MUST NOT be
    signed.

    Raises:
        RuleSetError: this program cannot judge by the rule set.
    """
    judgement = judge(case)
    is_held = len(judgement.parts) <= MAX_PARTS and len(judgement.stated) <= MAX_STATED
    if is_held and all(map(_is_readable, judgement.parts)):
        return Decision(case=case, judgement=judgement, rule_set=rule_set)
    without = replace(case, parts=(), stated=())
    return Decision(case=without, judgement=replace(judge(without), reason=_UNREADABLE), rule_set=rule_set)


def build(
    decision: Decision,
    previous: Signed[WindowActual] | None,
    salt: bytes,
    cause: Cause | None = None,
    *,
    settled: WindowActual | None = None,
) -> WindowActual | None:
    """The revision after `previous`, or none when it would say the same. `settled` is the newest that was final, where `previous` is not.

    New is what changes status, reason, totals, coverage or evidence, and a new edit that bears on it. `cause` is derived unless an operator or a lost statement is it.
    What an operator withdrew stays withdrawn until an operator says otherwise.
    """
    case, judgement = decision.case, decision.judgement
    before = None if previous is None else previous.statement
    heads = edit_heads(case)
    actual = (EditedActual if heads else WindowActual)(
        connection_point=case.connection_point,
        posted_as=case.posted_as,
        window=case.window,
        revision=0 if before is None else before.revision + 1,
        supersedes=None if previous is None else previous.digest,
        cause=_cause(decision, before) if cause is None else cause,
        delta=None if before is None else _delta(judgement.totals, before.totals),
        status=_status(judgement, before, settled),
        reason=judgement.reason,
        basis=case.basis,
        totals=judgement.totals,
        parts=judgement.parts,
        rule_set=decision.rule_set,
        stated=judgement.stated,
        evidence=evidence(case),
        salt=salt,
        edits=heads,
    )
    if before is None or cause is not None:
        return actual
    if before.status is Status.WITHDRAWN:
        return None
    if _says(actual) == _says(before) and not _is_edited(case, before):
        return None
    return actual


def withdraw(decision: Decision, previous: Signed[WindowActual], reason: str, salt: bytes) -> WindowActual:
    """The revision by which an operator takes a figure back. It states the evidence as it stands, and no figure."""
    case, before = decision.case, previous.statement
    heads = edit_heads(case)
    return (EditedActual if heads else WindowActual)(
        connection_point=case.connection_point,
        posted_as=case.posted_as,
        window=case.window,
        revision=before.revision + 1,
        supersedes=previous.digest,
        cause=Cause.OPERATOR,
        delta=None,
        status=Status.WITHDRAWN,
        reason=fields.label(reason, "reason"),
        basis=case.basis,
        totals=None,
        parts=decision.judgement.parts,
        rule_set=decision.rule_set,
        stated=decision.judgement.stated,
        evidence=evidence(case),
        salt=salt,
        edits=heads,
    )


def _status(judgement: Judgement, before: WindowActual | None, settled: WindowActual | None) -> Status:
    """FINAL becomes TRUE_UP when another figure was final before, whatever was said in between."""
    last = before if before is not None and before.status in _SETTLED else settled
    if judgement.status is not Status.FINAL or last is None:
        return judgement.status
    return last.status if last.totals == judgement.totals else Status.TRUE_UP


def _delta(new: Totals | None, old: Totals | None) -> tuple[int, int | None] | None:
    if new is None or old is None:
        return None
    exported = None if new.export_wh is None or old.export_wh is None else new.export_wh - old.export_wh
    return new.import_wh - old.import_wh, exported


def _cause(decision: Decision, before: WindowActual | None) -> Cause:
    """What made the difference: rules, an edit, evidence (a fork or late data), a record, or the balance alone."""
    if before is None:
        return Cause.FIRST
    if decision.rule_set != before.rule_set:
        return Cause.RULES
    if _is_edited(decision.case, before):
        return Cause.OPERATOR
    if evidence(decision.case) != before.evidence:
        return Cause.FORK if _is_forked(decision.case) else Cause.LATE_DATA
    if [(part.meter, part.span, part.record) for part in decision.judgement.parts] != [
        (part.meter, part.span, part.record) for part in before.parts
    ]:
        return Cause.RECORD
    return Cause.BALANCE


def _is_edited(case: WindowCase, before: WindowActual) -> bool:
    """Whether an edit bears on the case that was not there before."""
    known = {head.meter: head.number for head in before.edits}
    return any(number > known.get(meter, -1) for meter, number in bearing(case).items())


def _is_readable(part: Part) -> bool:
    try:
        parse_part(part_item(part), "part")
    except DecodeError:
        return False
    return True


def _is_forked(case: WindowCase) -> bool:
    """Whether any chain that the case rests on has a fork that no record has resolved."""
    return any(
        standing(chain, part.records, part.span).suspect for part in map(bounded, case.parts) for chain in part.chains
    )


def _says(actual: WindowActual) -> tuple[object, ...]:
    """What a reader would call a change. Heads move with every batch, and records with every key: they are no news."""
    if actual.status is Status.NOT_MEASURABLE:
        return (actual.status, actual.reason)
    coverage = tuple(
        (
            part.meter,
            part.span,
            part.counts,
            part.measured_import_wh,
            part.measured_export_wh,
            part.estimated,
            part.origin,
        )
        for part in actual.parts
    )
    return (actual.status, actual.reason, actual.basis, actual.totals, coverage, actual.stated, actual.evidence)
