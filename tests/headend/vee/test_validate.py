"""Validation of a part: forks and clones, erased openings, contexts."""

from dataclasses import replace
from typing import Any

from headend.readings import Quality
from headend.vee.ruleset import DEFAULT_RULE_SET
from headend.vee.validate import validate
from headend.windows import bounded, judge, validated
from signing.evidence import Judgement
from signing.interval import Interval
from signing.statements.meter_record import SpeakerState
from signing.statements.window_actual import Status
from tests.headend.vee import world
from tests.headend.vee.world import Gateway, Premises, at, place, premises, readings, record, register, speaker

HOUR = (100,) * 4


def forked() -> tuple[Premises, Gateway, Gateway]:
    """A gateway that stated 8 to 12, and its clone that restored the image of 10:00 and went its own way."""
    gateway = Gateway()
    gateway.state("08:00", readings(HOUR), registers=[register("08:00", 0)])
    gateway.state("10:00", readings(HOUR))
    clone = gateway.copy()
    gateway.state("11:00", readings(HOUR), registers=[register("12:00", 1200)])
    clone.state("11:00", readings((90,) * 4))
    return premises(gateway, clone), gateway, clone


def named(home: Premises, **fields: Any) -> Judgement:
    """The judgement after one more record that says `fields` of the first speaker."""
    first = home.records[-1]
    speakers = [replace(first.speakers[0], **fields), *first.speakers[1:]]
    return judge(Premises(gateways=home.gateways, records=(first, record(speakers, number=1))).case())


def test_p7_a_restored_image_makes_a_fork_and_the_blocks_at_and_after_it_suspect() -> None:
    home, _, _ = forked()
    judgement = judge(home.case())
    (part,) = judgement.parts
    assert (judgement.status, part.counts.suspect, part.counts.valid) == (Status.PENDING, 4, 4)
    assert part.measured_import_wh == 400
    assert judgement.reason is not None
    assert "fork in chain" in judgement.reason
    assert "at sequence 2" in judgement.reason


def test_p7_equal_values_in_both_branches_are_suspect_all_the_same() -> None:
    gateway = Gateway()
    gateway.state("10:00", readings(HOUR))
    clone = gateway.copy()
    gateway.state("11:00", readings(HOUR))
    clone.state("11:00", readings(HOUR), read_at_utc=at("12:05"))
    judgement = judge(premises(gateway, clone).case())
    assert judgement.parts[0].counts.suspect == 4


def test_p7_a_block_of_before_the_fork_that_a_branch_states_again_is_suspect() -> None:
    home, _, clone = forked()
    clone.state("10:00", readings((100,)))
    assert judge(home.case()).parts[0].counts.suspect == 5


def test_a_window_before_the_fork_point_stays_valid() -> None:
    home, _, _ = forked()
    judgement = judge(home.case(world.span("10:00", "11:00")))
    assert judgement.parts[0].counts.valid == 4


def test_p7_once_the_record_names_the_good_branch_its_blocks_are_valid_again() -> None:
    home, gateway, clone = forked()
    healed = named(home, good=place(gateway.batches[2]))
    assert healed.status is Status.PROVISIONAL
    assert healed.parts[0].measured_import_wh == 800
    other = named(home, good=place(clone.batches[2]))
    assert other.parts[0].measured_import_wh == 760


def test_what_cannot_be_tied_to_the_good_branch_stays_suspect() -> None:
    home, gateway, _ = forked()
    gateway.state("11:45", readings((100,)), sequence=9)
    healed = named(home, good=place(gateway.batches[2]))
    assert healed.parts[0].counts.suspect == 1


def test_a_revoked_key_that_the_newest_record_names_good_still_counts_as_far_as_it_is_good() -> None:
    home, gateway, _ = forked()
    healed = named(home, good=place(gateway.batches[2]), state=SpeakerState.REVOKED)
    assert healed.parts[0].counts.valid == 8


def test_the_newest_record_that_names_a_key_says_which_branch_is_good() -> None:
    home, gateway, _ = forked()
    first = home.records[0]
    good = record([speaker(gateway.key, good=place(gateway.batches[2]))], number=1)
    gone = record([], number=2)
    case = Premises(gateways=home.gateways, records=(first, good, gone)).case()
    assert judge(case).parts[0].counts.valid == 8


def test_a_reach_that_does_not_follow_is_a_fork_of_what_comes_after() -> None:
    gateway = Gateway()
    gateway.state("10:00", readings(HOUR))
    gateway.state("11:00", readings(HOUR), reach_utc=at("10:45"))
    judgement = judge(premises(gateway).case())
    assert judgement.parts[0].counts.suspect == 4


def test_a_chain_that_does_not_begin_at_its_keys_enrolment_is_suspect() -> None:
    gateway = Gateway()
    gateway.state("10:00", readings(HOUR), previous=b"x" * 32)
    gateway.state("11:00", readings(HOUR))
    judgement = judge(premises(gateway).case())
    assert judgement.parts[0].counts.suspect == 8
    assert judgement.reason is not None
    assert judgement.reason.endswith("at sequence 0")
    known = premises(gateway, enrolment=b"x" * 32)
    assert judge(known.case()).status is Status.PROVISIONAL
    # The newest record that names the key says what its enrolment was.
    gone = Premises(gateways=known.gateways, records=(*known.records, record([], number=1)))
    assert judge(gone.case()).status is Status.PROVISIONAL


def test_registers_of_a_suspect_branch_balance_nothing() -> None:
    home, _, _ = forked()
    (part,) = validated(home.case())
    assert part.validation.context == Interval(at("08:00"), at("12:00"))
    assert not [finding for finding in part.validation.findings if finding.rule in {"V23", "V24"}]
    assert not part.validation.balanced


def test_an_erased_opening_leaves_its_blocks_missing() -> None:
    gateway = Gateway()
    gateway.state("10:00", readings(HOUR))
    gateway.state("11:00", readings(HOUR))
    gateway.batches[0] = replace(gateway.batches[0], opening=None)
    judgement = judge(premises(gateway).case())
    assert judgement.reason == "4 of 8 blocks missing"


def test_a_gap_is_a_note_and_changes_no_verdict() -> None:
    gateway = Gateway()
    gateway.state("10:00", readings(HOUR))
    gateway.state("11:00", readings(HOUR), sequence=3)
    (part,) = validated(premises(gateway).case())
    notes = [finding for finding in part.validation.findings if finding.code == "GAP"]
    assert [dict(note.numbers) for note in notes] == [{"first": 1, "last": 2}]
    assert "sequences 1 to 2 of chain" in notes[0].because
    assert {interval.quality for interval in part.intervals} == {Quality.VALID}


def test_two_keys_of_one_meter_fill_one_window() -> None:
    first, second = Gateway(0), Gateway(1)
    first.state("10:00", readings(HOUR))
    second.state("11:00", readings(HOUR))
    judgement = judge(premises(first, second).case())
    assert judgement.status is Status.PROVISIONAL
    assert len(judgement.parts[0].chains) == 2


def test_validation_covers_the_whole_context_and_findings_of_nothing_else() -> None:
    gateway = Gateway()
    gateway.state("08:00", readings((-1, 100, 100, 100)), registers=[register("09:00", 0)])
    gateway.state("09:00", readings(HOUR))
    gateway.state("10:00", readings((100,) * 8), registers=[register("12:00", 1200)])
    (whole,) = premises(gateway).case().parts
    validation = validate(bounded(whole), 900, DEFAULT_RULE_SET)
    assert validation.context == Interval(at("09:00"), at("12:00"))
    assert [interval.block.start_utc for interval in validation.intervals] == list(range(at("09:00"), at("12:00"), 900))
    assert {finding.rule for finding in validation.findings} == {"V21", "V23"}
    assert validation.balanced


def test_a_context_is_balanced_when_every_channel_is() -> None:
    gateway = Gateway()
    gateway.state("10:00", readings((100,) * 8), registers=[register("10:00", 0), register("12:00", 900)])
    (part,) = validated(premises(gateway).case())
    sums = [finding.verdict.name for finding in part.validation.findings if finding.rule == "V23"]
    assert sums == ["SUSPECT", "VALID"]
    assert not part.validation.balanced
