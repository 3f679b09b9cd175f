"""What new evidence may change."""

from hypothesis import given
from hypothesis import strategies as st

from headend.intake.report import ForkPoint, IntakeReport, Touched
from headend.touches import Touches, touches
from signing.interval import Interval

SPANS = st.tuples(st.integers(0, 50), st.integers(1, 50)).map(lambda pair: Interval(pair[0], pair[0] + pair[1]))


def test_a_step_of_intake_touches_spans_and_forks_and_gaps_touch_everything() -> None:
    report = IntakeReport(
        touched=[Touched("A", 0, 900), Touched("A", 1800, 2700), Touched("B", 0, 900), Touched("C", 0, 900)],
        forks=[ForkPoint("B", bytes(32), 3)],
        gaps_changed={"C"},
    )
    found = touches(report)
    assert {meter: found.span(meter) for meter in found} == {"A": Interval(0, 2700), "B": None, "C": None}
    assert found
    assert not touches(IntakeReport())


@given(st.lists(st.tuples(st.sampled_from("AB"), SPANS | st.none())), st.integers(0, 20))
def test_collecting_in_portions_is_collecting_at_once(changes: list[tuple[str, Interval | None]], cut: int) -> None:
    def collected(some: list[tuple[str, Interval | None]]) -> Touches:
        found = Touches()
        for meter, span in some:
            if span is None:
                found.add_whole(meter)
            else:
                found.add(meter, span)
        return found

    whole, joined = collected(changes), collected(changes[:cut])
    joined.take(collected(changes[cut:]))
    assert {meter: joined.span(meter) for meter in joined} == {meter: whole.span(meter) for meter in whole}
    for meter, span in changes:
        hull = whole.span(meter)
        assert hull is None or (span is not None and hull.start_utc <= span.start_utc and span.end_utc <= hull.end_utc)
