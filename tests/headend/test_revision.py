"""What the next revision says: nothing without news, differences against the one before, causes."""

import hashlib
from dataclasses import replace
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from headend.revision import Decision, build, decide, withdraw
from headend.windows import evidence, judge
from signing.backends.file import FileSigner
from signing.chain import evidence_bytes
from signing.energy import Fraction
from signing.envelope import Signed, sign
from signing.errors import DecodeError
from signing.evidence import Judgement
from signing.interval import Interval
from signing.statements.window_actual import MAX_PARTS, Cause, Status, Totals, WindowActual
from signing.statements.window_part import MAX_GAPS
from tests.headend.vee.world import (
    Gateway,
    Premises,
    at,
    fact,
    part,
    place,
    premises,
    readings,
    record,
    register,
    window_case,
)

SIGNER = FileSigner(ec.derive_private_key(99, ec.SECP256R1()))
RULES = b"r" * 32
SALT = bytes(16)


def home(*values: int) -> Premises:
    """Premises with one batch over the window."""
    gateway = Gateway()
    gateway.state("10:00", readings(values or (100,) * 8))
    return premises(gateway)


def decided(premises_: Premises, **changes: object) -> Decision:
    """The decision of the usual window, its judgement overridden by `changes`."""
    case = premises_.case()
    judgement = judge(case)
    overridden = {name: changes.get(name, getattr(judgement, name)) for name in Judgement.__slots__}
    return Decision(case=case, judgement=Judgement(**overridden), rule_set=RULES)  # type: ignore[arg-type]  # by name


def signed(actual: WindowActual | None) -> Signed[WindowActual]:
    """`actual`, which there must be, signed."""
    assert actual is not None
    return sign(actual, SIGNER)


def first(decision: Decision) -> Signed[WindowActual]:
    """Revision 0."""
    return signed(build(decision, None, SALT))


def test_the_first_revision_supersedes_nothing_and_rests_on_its_evidence() -> None:
    decision = decided(home())
    actual = first(decision).statement
    assert (actual.revision, actual.supersedes, actual.cause, actual.delta) == (0, None, Cause.FIRST, None)
    assert (actual.evidence, actual.rule_set, actual.salt) == (evidence(decision.case), RULES, SALT)
    assert (actual.connection_point, actual.posted_as) == (decision.case.connection_point, "TEST_METER_1")


def test_without_news_there_is_no_revision() -> None:
    decision = decided(home())
    assert build(decision, first(decision), b"x" * 16) is None
    assert build(replace(decision, rule_set=b"s" * 32), first(decision), SALT) is None


def test_an_operator_may_say_the_same_again() -> None:
    decision = decided(home())
    again = signed(build(decision, first(decision), SALT, Cause.LOST)).statement
    assert (again.revision, again.cause, again.delta) == (1, Cause.LOST, (0, 0))
    assert again.supersedes == first(decision).digest


@pytest.mark.parametrize(
    ("change", "delta"),
    [
        ({"totals": Totals(import_wh=750, export_wh=30)}, (-50, 30)),
        ({"totals": Totals(import_wh=800, export_wh=None)}, (0, None)),
        ({"status": Status.PENDING, "totals": None, "reason": "1 of 8 blocks missing"}, None),
        ({"status": Status.FINAL}, (0, 0)),
    ],
)
def test_what_changes_a_figure_or_its_worth_is_news(
    change: dict[str, object], delta: tuple[int, int | None] | None
) -> None:
    actual = signed(build(decided(home(), **change), first(decided(home())), SALT)).statement
    assert (actual.revision, actual.delta) == (1, delta)
    assert actual.cause is Cause.BALANCE


def test_a_reason_that_changes_is_news() -> None:
    pending = {"status": Status.PENDING, "totals": None}
    before = first(decided(home(), reason="one", **pending))
    assert build(decided(home(), reason="one", **pending), before, SALT) is None
    assert build(decided(home(), reason="two", **pending), before, SALT) is not None


def test_an_export_total_that_was_absent_has_no_delta() -> None:
    before = first(decided(home(), totals=Totals(import_wh=1, export_wh=None)))
    assert signed(build(decided(home()), before, SALT)).statement.delta == (799, None)


@pytest.mark.parametrize(
    ("before", "totals", "status"),
    [
        (Status.PROVISIONAL, 700, Status.FINAL),
        (Status.FINAL, 700, Status.TRUE_UP),
        (Status.TRUE_UP, 700, Status.TRUE_UP),
        (Status.FINAL, 800, Status.FINAL),
        (Status.TRUE_UP, 800, Status.TRUE_UP),
    ],
)
def test_a_final_figure_that_changes_is_a_true_up(before: Status, totals: int, status: Status) -> None:
    old = replace(first(decided(home())).statement, status=before, totals=Totals(import_wh=totals, export_wh=0))
    decision = decided(home(), status=Status.FINAL)
    actual = build(decision, signed(old), SALT, Cause.OPERATOR)
    assert signed(actual).statement.status is status


def test_a_figure_that_is_no_longer_final_is_not_a_true_up() -> None:
    old = replace(first(decided(home())).statement, status=Status.FINAL)
    assert signed(
        build(decided(home(), totals=Totals(import_wh=1, export_wh=0)), signed(old), SALT)
    ).statement.status is (Status.PROVISIONAL)


class TestCause:
    """What made the difference, in this order: rules, evidence, record, balance."""

    before = first(decided(home(100, 100, 100, 100)))

    def cause(self, decision: Decision) -> Cause:
        return signed(build(decision, self.before, SALT)).statement.cause

    def test_rules(self) -> None:
        assert self.cause(replace(decided(home()), rule_set=b"s" * 32)) is Cause.RULES

    def test_late_data(self) -> None:
        assert self.cause(decided(home())) is Cause.LATE_DATA

    def test_a_fork(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((100,) * 4))
        clone = gateway.copy()
        gateway.state("11:00", readings((100,) * 4))
        clone.state("11:00", readings((90,) * 4))
        forked = premises(gateway, clone)
        assert self.cause(decided(forked)) is Cause.FORK
        assert self.cause(decided(premises(gateway, clone, good=place(gateway.batches[1])))) is Cause.LATE_DATA

    def test_a_fork_whose_key_the_newest_record_no_longer_names(self) -> None:
        gateway = Gateway()
        clone = gateway.copy()
        gateway.state("10:00", readings((100,) * 8))
        clone.state("10:00", readings((90,) * 8))
        forked = premises(gateway, clone)
        gone = Premises(gateways=forked.gateways, records=(*forked.records, record([], number=1)))
        assert self.cause(decided(gone)) is Cause.FORK

    def test_a_record(self) -> None:
        gateway = Gateway()
        gateway.state("10:00", readings((100,) * 4))
        doubled = premises(gateway, facts=[fact(factor=Fraction(2, 1))])
        decision = decided(doubled, reason="another")
        assert self.cause(decision) is Cause.RECORD

    def test_the_balance(self) -> None:
        assert self.cause(decided(home(100, 100, 100, 100), reason="another")) is Cause.BALANCE


def test_a_window_that_cannot_be_measured_is_said_once_whatever_arrives() -> None:
    cut = {"status": Status.NOT_MEASURABLE, "totals": None, "reason": "cuts a block"}
    before = first(decided(home(100, 100), **cut))
    assert build(decided(home(), **cut), before, SALT) is None
    assert build(decided(home(), **{**cut, "reason": "cuts another block"}), before, SALT) is not None


def test_withdrawn_stays_withdrawn_until_an_operator_says_otherwise() -> None:
    decision = decided(home())
    taken_back = signed(withdraw(decision, first(decision), "disputed", SALT))
    actual = taken_back.statement
    assert (actual.status, actual.reason, actual.totals, actual.delta) == (Status.WITHDRAWN, "disputed", None, None)
    assert (actual.cause, actual.revision, actual.supersedes) == (Cause.OPERATOR, 1, first(decision).digest)
    assert actual.evidence == evidence(decision.case)
    assert build(decided(home(1, 2)), taken_back, SALT) is None
    restored = signed(build(decision, taken_back, SALT, Cause.OPERATOR)).statement
    assert (restored.status, restored.revision) == (Status.PROVISIONAL, 2)


@pytest.mark.parametrize("reason", ["", "x" * 129, "line\nbreak"])
def test_a_reason_is_a_label(reason: str) -> None:
    decision = decided(home())
    with pytest.raises(DecodeError, match=r"printable characters, got .* in 'reason'"):
        withdraw(decision, first(decision), reason, SALT)


def test_a_register_that_arrives_in_the_same_evidence_is_not_lost() -> None:
    gateway = Gateway()
    gateway.state("10:00", readings((100,) * 8), registers=[register("10:00", 0), register("12:00", 800)])
    assert first(decided(premises(gateway))).statement.status is Status.FINAL


@pytest.mark.parametrize(("gaps", "parts"), [(MAX_GAPS, 1), (MAX_GAPS + 1, 0)])
def test_a_gateway_that_makes_more_gaps_than_a_statement_holds_gets_no_parts(gaps: int, parts: int) -> None:
    gateway = Gateway()
    gateway.state("10:00", readings((100,) * 8))
    for number in range(gaps):
        gateway.state("12:00", readings((100,)), sequence=2 * number + 2)
    decision = decide(premises(gateway).case(), RULES)
    actual = first(decision).statement
    assert len(actual.parts) == parts
    assert WindowActual.parse(actual.payload()) == actual
    if not parts:
        assert (actual.status, actual.reason) == (
            Status.PENDING,
            "the evidence is more than one statement can hold",
        )
        assert actual.evidence == hashlib.sha256(evidence_bytes(())).digest()


@pytest.mark.parametrize(("count", "stated"), [(MAX_PARTS, MAX_PARTS), (MAX_PARTS + 1, 0)])
def test_more_parts_than_a_statement_holds_are_none(count: int, stated: int) -> None:
    edges = [at("10:00") + 60 * place for place in range(count)] + [at("12:00")]
    parts = [part([record([])], (), Interval(start, end)) for start, end in pairwise(edges)]
    assert len(decide(window_case(parts), RULES).judgement.parts) == stated
