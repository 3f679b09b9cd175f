"""Laws: order of arrival never matters, coverage sums, energy is conserved, worse evidence never gives a better window."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from headend.readings import Quality, worst
from headend.revision import Decision, build
from headend.vee.rules import STATED
from headend.windows import evidence, judge, validated
from signing.chain import AdmittedBatch
from signing.evidence import WindowCase
from signing.statements.reading_batch import ClockSource, Register
from signing.statements.window_actual import StatedFinding, Status, Verdict, WindowActual
from tests.headend.vee.world import Gateway, Premises, at, fact, premises, reading

_PERIODS = st.sampled_from([900, 1800, 3600])
_ENERGY = st.one_of(st.none(), st.integers(-2, 400))


@st.composite
def homes(draw: st.DrawFn) -> tuple[Premises, int]:
    """One meter, one to three gateways, some of them clones, that state what they like about the hours around the window."""
    period_s = draw(_PERIODS)
    gateways = [Gateway(0)]
    for _ in range(draw(st.integers(1, 7))):
        if draw(st.integers(0, 5)) == 0 and len(gateways) < 3:
            gateways.append(gateways[0].copy() if draw(st.booleans()) else Gateway(len(gateways)))
        gateway = draw(st.sampled_from(gateways))
        start = at("08:00") + draw(st.integers(0, 5)) * 3600
        count = draw(st.integers(1, 4))
        end = start + count * period_s
        rows = [
            reading(
                draw(_ENERGY),
                draw(st.integers(-1, 50)),
                flags=draw(st.sampled_from([0, 0, 0, 0, 4, 8, 16, 64, 128, 256])),
            )
            for _ in range(count)
        ]
        registers = [
            Register(stamp_utc=stamp, import_wh=draw(st.integers(0, 900)), export_wh=draw(st.integers(0, 90)))
            for stamp in (start, end)
            if draw(st.booleans())
        ]
        gateway.state(
            start,
            rows,
            registers=registers,
            period_s=draw(st.sampled_from([period_s, period_s, period_s, 900])),
            clock_offset_ms=draw(st.sampled_from([None, 0, 9_500, 181_000, -3_600_000])),
            clock_source=draw(st.sampled_from([ClockSource.NTP, ClockSource.NTP, ClockSource.GATEWAY])),
            read_at_utc=end + draw(st.sampled_from([-100, 0, 60, 7200])),
            sequence=len(gateway.batches) + draw(st.sampled_from([0, 0, 0, 1])),
        )
    watts = draw(st.sampled_from([None, 300, 5000]))
    return premises(*gateways, facts=[fact(period_s=period_s, sanctioned_w=watts, installed_w=watts)]), period_s


def arrived(case: WindowCase, batches: Sequence[AdmittedBatch]) -> WindowCase:
    """The same case after its batches arrived in this order."""
    return replace(case, parts=(replace(case.parts[0], batches=tuple(batches)),))


def actual(case: WindowCase) -> bytes:
    """The bytes that would be signed."""
    found = build(Decision(case=case, judgement=judge(case), rule_set=bytes(32)), None, bytes(16))
    assert found is not None
    return found.payload()


@settings(max_examples=75, deadline=None)
@given(home=homes(), data=st.data())
def test_p6_shuffled_doubled_and_delayed_batches_give_the_same_bytes(
    home: tuple[Premises, int], data: st.DataObject
) -> None:
    case = home[0].case()
    batches = case.parts[0].batches
    shuffled = data.draw(st.permutations([*batches, *data.draw(st.lists(st.sampled_from(batches), max_size=3))]))
    assert actual(arrived(case, shuffled)) == actual(case)
    assert evidence(arrived(case, shuffled)) == evidence(case)
    (one,), (other,) = validated(case), validated(arrived(case, shuffled))
    assert one.validation == other.validation


@settings(max_examples=75, deadline=None)
@given(home=homes())
def test_coverage_sums_and_measured_energy_is_that_of_the_valid_blocks(home: tuple[Premises, int]) -> None:
    premises_, period_s = home
    case = premises_.case()
    judgement = judge(case)
    (part,), (found,) = judgement.parts, validated(case)
    counts = part.counts
    assert counts.expected == 7200 // period_s == len(found.blocks)
    assert counts.expected == counts.valid + counts.estimated + counts.manual + counts.suspect + counts.missing
    valid = [interval for interval in found.intervals if interval.quality is Quality.VALID]
    assert len(valid) == counts.valid
    assert (part.measured_import_wh or 0) == sum(interval.import_wh or 0 for interval in valid)
    assert (part.measured_export_wh or 0) == sum(interval.export_wh or 0 for interval in valid)
    assert all(interval.import_wh is not None and interval.import_wh >= 0 for interval in valid)
    assert all(interval.import_wh is None for interval in found.intervals if interval.quality is Quality.MISSING)


@settings(max_examples=75, deadline=None)
@given(home=homes())
def test_totals_exist_exactly_when_every_block_is_valid(home: tuple[Premises, int]) -> None:
    judgement = judge(home[0].case())
    (part,) = judgement.parts
    whole = part.counts.valid == part.counts.expected
    assert whole == (judgement.status in {Status.PROVISIONAL, Status.FINAL}) == (judgement.totals is not None)
    assert (judgement.reason is None) == whole
    if judgement.totals is not None:
        assert (judgement.totals.import_wh, judgement.totals.export_wh) == (
            part.measured_import_wh,
            part.measured_export_wh,
        )


@settings(max_examples=50, deadline=None)
@given(home=homes())
def test_whatever_was_stated_the_actual_can_be_signed_and_read_back(home: tuple[Premises, int]) -> None:
    payload = actual(home[0].case())
    assert WindowActual.parse(payload).payload() == payload


@settings(max_examples=50, deadline=None)
@given(home=homes(), data=st.data())
def test_p4_taking_a_batch_away_never_makes_a_missing_block_valid_in_silence(
    home: tuple[Premises, int], data: st.DataObject
) -> None:
    case = home[0].case()
    batches = case.parts[0].batches
    gone = data.draw(st.sampled_from(batches))
    fewer = arrived(case, [batch for batch in batches if batch is not gone])
    (whole,), (less,) = validated(case), validated(fewer)
    if evidence(case) == evidence(fewer):
        return
    # Taken from the evidence, a batch leaves another evidence digest: never the same figure under the same name.
    assert actual(case) != actual(fewer)
    assert len(whole.blocks) == len(less.blocks)


_STATED = st.builds(
    lambda rule, place, verdict: StatedFinding(
        rule=rule, version=1, block_utc=at("10:00") + place * 60, verdict=min(verdict, STATED[rule].worst)
    ),
    st.sampled_from(sorted(STATED)),
    st.integers(0, 119),
    st.sampled_from(list(Verdict)),
)


@settings(max_examples=50, deadline=None)
@given(home=homes(), stated=st.lists(_STATED, max_size=6), data=st.data())
def test_stated_findings_in_any_order_only_take_away(
    home: tuple[Premises, int], stated: list[StatedFinding], data: st.DataObject
) -> None:
    case = home[0].case()
    with_them = replace(case, stated=tuple(stated))
    shuffled = replace(case, stated=tuple(data.draw(st.permutations(stated))))
    assert actual(shuffled) == actual(with_them)
    (before,), (after,) = judge(case).parts, judge(with_them).parts
    assert after.counts.valid <= before.counts.valid
    assert after.counts.estimated <= before.counts.estimated
    assert after.counts.suspect >= before.counts.suspect
    if judge(with_them).totals is not None:
        assert judge(with_them).totals == judge(case).totals
        assert all(entry.verdict < Verdict.SUSPECT for entry in stated)


@settings(max_examples=100, deadline=None)
@given(
    energies=st.lists(st.integers(0, 400), min_size=8, max_size=8),
    holes=st.sets(st.integers(1, 6), min_size=1),
    slack=st.integers(-30, 30),
)
def test_what_is_estimated_and_what_was_measured_sum_to_the_registers(
    energies: list[int], holes: set[int], slack: int
) -> None:
    gateway = Gateway()
    rows = [reading(None if place in holes else wh) for place, wh in enumerate(energies)]
    rise = max(0, sum(energies) + slack)
    ends = [
        Register(stamp_utc=at("10:00"), import_wh=7000, export_wh=0),
        Register(stamp_utc=at("12:00"), import_wh=7000 + rise, export_wh=0),
    ]
    gateway.state("10:00", rows, registers=ends)
    (found,) = validated(premises(gateway).case())
    part = found.statement()
    assert part.counts.estimated in {0, len(holes)}
    if part.estimated is None or part.estimated.imported is None:
        # Only a line that would have to go below zero is not drawn here.
        assert sum(energies[place] for place in holes) + slack < 0
        return
    bounds = part.estimated.imported
    assert bounds.value_wh + (part.measured_import_wh or 0) == rise
    assert sum(found.validation.filled[0].values.values()) == bounds.value_wh
    assert all(wh >= 0 for filling in found.validation.filled for wh in filling.values.values())
    truth = sum(energies[place] for place in holes)
    if abs(slack) <= 10:
        assert bounds.low_wh <= truth <= bounds.high_wh


@given(st.lists(st.sampled_from(Quality)), st.lists(st.sampled_from(Quality)), st.lists(st.sampled_from(Quality)))
def test_the_worst_wins_however_blocks_are_put_together(
    first: list[Quality], second: list[Quality], third: list[Quality]
) -> None:
    assert worst([*first, *second, *third]) is worst([*third, *second, *first])
    if first and second and third:
        assert worst([worst([*first, *second]), worst(third)]) is worst([worst(first), worst([*second, *third])])
        assert worst([worst(first), worst(first)]) is worst(first)
    assert worst([]) is Quality.MISSING
    assert worst(Quality) is Quality.MISSING
