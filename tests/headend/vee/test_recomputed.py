"""What an actual says of estimates and stated findings is recomputed from its bundle, and refused where it is otherwise."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from headend.revision import build, decide
from headend.vee.ruleset import RULE_SET_1
from headend.verify import main
from headend.windows import judge
from signing.envelope import Signed
from signing.errors import VerificationError
from signing.statements.window_actual import StatedFinding, Status, Verdict, WindowActual
from signing.statements.window_part import Bounds, Counts, Estimated
from signing.trust import trust_text
from signing.verify import Outcome, verify
from tests.headend.discom import LATER, SUBJECT, attestor, exported, log_rules, stated, trust
from tests.headend.premises import DAY, Gateway, Headend

TEN = DAY + 10 * 3600
SUSPECT = StatedFinding(rule="V32", version=1, block_utc=TEN, verdict=Verdict.SUSPECT)
NOTE = StatedFinding(rule="V26", version=1, block_utc=TEN, verdict=Verdict.VALID)

Change = Callable[[WindowActual], WindowActual]


def with_a_hole(headend: Headend, one: Gateway) -> None:
    """The usual two hours with a missing quarter between registers: 95 Wh are left for it."""
    headend.take_in(stated(one, 10, (100, None, 90, 100, 100, 110, 90, 100), registers=((10, 1000), (12, 1785))))


def whole(headend: Headend, one: Gateway) -> None:
    """The usual two hours, balanced."""
    headend.take_in(stated(one, 10, (100, 110, 90, 100) * 2, registers=((10, 1000), (12, 1800))))


def logged(headend: Headend, *said: StatedFinding, change: Change | None = None) -> Signed[WindowActual]:
    """The actual of the usual window with these findings stated, changed before it is signed."""
    one = attestor(headend)
    case, rule_set = one._case(headend.database.connection, SUBJECT)
    actual = build(decide(replace(case, stated=said), rule_set), None, bytes(16))
    assert actual is not None
    with headend.book.transaction() as transaction:
        return one._log(transaction, actual if change is None else change(actual), 0, LATER)


def outcome(headend: Headend, signed: Signed[WindowActual]) -> Outcome:
    return verify(exported(headend, signed.digest), trust(headend), judge).outcome


def refused(headend: Headend, signed: Signed[WindowActual]) -> str:
    with pytest.raises(VerificationError) as caught:
        outcome(headend, signed)
    assert caught.value.check == 8
    return str(caught.value)


def estimated(actual: WindowActual, found: Estimated | None) -> WindowActual:
    return replace(actual, parts=(replace(actual.parts[0], estimated=found),))


class TestEstimated:
    """E1 in a part."""

    def test_a_missing_block_is_estimated_apart_and_the_window_stays_pending(
        self, headend: Headend, premises: Gateway
    ) -> None:
        with_a_hole(headend, premises)
        signed = logged(headend)
        actual = signed.statement
        assert (actual.status, actual.reason, actual.totals) == (Status.PENDING, "1 of 8 blocks estimated", None)
        (part,) = actual.parts
        assert part.counts == Counts(expected=8, valid=7, estimated=1, manual=0, suspect=0, missing=0)
        assert (part.measured_import_wh, part.measured_export_wh) == (690, 35)
        assert part.estimated == Estimated(
            imported=Bounds(low_wh=85, value_wh=95, high_wh=105),
            exported=Bounds(low_wh=0, value_wh=5, high_wh=15),
            method="E1",
        )
        assert WindowActual.parse(actual.payload()) == actual
        assert outcome(headend, signed) is Outcome.VALID

    def test_the_verifier_prints_what_was_estimated_apart_from_what_counts(
        self, headend: Headend, premises: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with_a_hole(headend, premises)
        bundle, root = tmp_path / "bundle.cbor", tmp_path / "trust.toml"
        bundle.write_bytes(exported(headend, logged(headend).digest))
        root.write_text(trust_text(trust(headend)))
        assert main(["--json", "--trust", str(root), str(bundle)]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["import_kwh"], found["blocks"]["estimated"]) == (None, 1)
        assert found["estimated_and_not_counted"] == [
            "SKS00000001, import of 1 blocks by E1: 0.095 kWh, between 0.085 and 0.105",
            "SKS00000001, export of 1 blocks by E1: 0.005 kWh, between 0.000 and 0.015",
        ]

    @pytest.mark.parametrize(
        ("found", "message"),
        [
            (None, "'estimated'"),
            (
                Estimated(imported=Bounds(low_wh=85, value_wh=96, high_wh=105), exported=None, method="E1"),
                "'estimated'",
            ),
            (
                Estimated(
                    imported=Bounds(low_wh=85, value_wh=95, high_wh=105),
                    exported=Bounds(low_wh=0, value_wh=5, high_wh=15),
                    method="E3",
                ),
                "'estimated'",
            ),
        ],
    )
    def test_another_estimate_than_the_recomputed_one_is_refused(
        self, headend: Headend, premises: Gateway, found: Estimated | None, message: str
    ) -> None:
        with_a_hole(headend, premises)
        assert message in refused(headend, logged(headend, change=lambda actual: estimated(actual, found)))

    def test_by_version_1_the_same_block_is_missing_and_nothing_is_estimated(
        self, headend: Headend, premises: Gateway
    ) -> None:
        log_rules(headend, RULE_SET_1)
        with_a_hole(headend, premises)
        signed = logged(headend)
        (part,) = signed.statement.parts
        assert (part.counts.missing, part.counts.estimated, part.estimated) == (1, 0, None)
        assert signed.statement.reason == "1 of 8 blocks missing"
        assert outcome(headend, signed) is Outcome.VALID

    def test_found_later_the_block_is_a_revision_and_the_estimate_is_gone(
        self, headend: Headend, premises: Gateway
    ) -> None:
        with_a_hole(headend, premises)
        logged(headend)
        headend.take_in(stated(premises, 10, (100, 95)))
        (signed,) = attestor(headend).attest([SUBJECT], at_utc=LATER)
        assert (signed.statement.status, signed.statement.revision) == (Status.FINAL, 1)
        assert signed.statement.parts[0].estimated is None
        assert outcome(headend, signed) is Outcome.VALID


class TestStated:
    """Stated findings in a bundle."""

    def test_they_are_given_back_to_the_rules_and_printed(
        self, headend: Headend, premises: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        whole(headend, premises)
        signed = logged(headend, SUSPECT, NOTE)
        assert signed.statement.status is Status.PENDING
        assert signed.statement.parts[0].counts.suspect == 1
        bundle, root = tmp_path / "bundle.cbor", tmp_path / "trust.toml"
        bundle.write_bytes(exported(headend, signed.digest))
        root.write_text(trust_text(trust(headend)))
        assert main(["--json", "--trust", str(root), str(bundle)]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["result"], found["status"]) == ("VALID", "PENDING")
        assert found["stated_not_recomputed"] == [
            "V26 version 1: VALID at 2026-04-26 10:00:00 IST",
            "V32 version 1: SUSPECT at 2026-04-26 10:00:00 IST",
        ]

    def test_a_note_leaves_the_window_final(self, headend: Headend, premises: Gateway) -> None:
        whole(headend, premises)
        signed = logged(headend, NOTE)
        assert signed.statement.status is Status.FINAL
        assert outcome(headend, signed) is Outcome.VALID

    def test_a_suspect_taken_out_of_the_statement_is_missed_in_its_counts(
        self, headend: Headend, premises: Gateway
    ) -> None:
        whole(headend, premises)
        signed = logged(headend, SUSPECT, change=lambda actual: replace(actual, stated=()))
        assert "'counts'" in refused(headend, signed)

    def test_a_suspect_put_into_a_final_statement_is_refused(self, headend: Headend, premises: Gateway) -> None:
        whole(headend, premises)
        signed = logged(headend, change=lambda actual: replace(actual, stated=(SUSPECT,)))
        assert "stated FINAL, the rules recompute to PENDING" in refused(headend, signed)

    def test_a_note_on_a_missing_block_makes_nothing_of_it(self, headend: Headend, premises: Gateway) -> None:
        headend.take_in(stated(premises, 10, (None, 110, 90, 100) * 2))
        signed = logged(headend, NOTE)
        assert signed.statement.parts[0].counts.missing == 2
        assert outcome(headend, signed) is Outcome.VALID

    @pytest.mark.parametrize(
        "told",
        [
            (replace(NOTE, verdict=Verdict.SUSPECT), "expected at worst VALID, got SUSPECT"),
            (replace(NOTE, rule="V23"), "states nothing by version 1 of this rule"),
        ],
    )
    def test_what_a_rule_may_not_say_is_refused(
        self,
        headend: Headend,
        premises: Gateway,
        told: tuple[StatedFinding, str],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        entry, message = told
        headend.take_in(stated(premises, 10, (None, 110, 90, 100) * 2))
        signed = logged(headend, change=lambda actual: replace(actual, stated=(entry,)))
        bundle, root = tmp_path / "bundle.cbor", tmp_path / "trust.toml"
        bundle.write_bytes(exported(headend, signed.digest))
        root.write_text(trust_text(trust(headend)))
        assert main(["--trust", str(root), str(bundle)]) == 1
        said = capsys.readouterr().out
        assert "check: 8" in said
        assert message in said
