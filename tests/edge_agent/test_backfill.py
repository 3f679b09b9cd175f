import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.backfill import (
    FIRST_ROUNDS,
    LEAST_ROWS,
    MOST_ROUNDS,
    Estimate,
    Pace,
    Wire,
    plan_text,
    remaining,
    row_octets,
    wire_octets,
)
from edge_agent.registers import EXPORT_BLOCK, IMPORT_BLOCK, ProfileColumn, ProfileLayout
from signing.interval import Interval

HOLD_S = 20
NETWORK = Wire()
SERIAL = Wire(bps=9600, frame_octets=128)


def layout(columns: int = 2, period_s: int = 900) -> ProfileLayout:
    clock = ProfileColumn(class_id=8, obis="0.0.1.0.0.255", attribute=2, data_index=0, scaler=0, unit=None)
    energies = [
        ProfileColumn(class_id=3, obis=obis, attribute=2, data_index=0, scaler=0, unit=30)
        for obis in (IMPORT_BLOCK, EXPORT_BLOCK, *(f"1.0.{n}.29.0.255" for n in range(3, 40)))
    ]
    return ProfileLayout(
        obis="1.0.99.1.0.255",
        columns=(clock, *energies[:columns]),
        capture_period_s=period_s,
        entries=3360,
        entries_in_use=0,
        newest_first=False,
    )


def blocks(pace: Pace, of: ProfileLayout | None = None, spent_ms: int = 0) -> int:
    return pace.piece_blocks(of or layout(), is_ciphered=False, spent_ms=spent_ms)


def read(pace: Pace, size: int, block_ms: int = 0) -> None:
    pace.survived(size, rows=size, octets=50 * size, elapsed_ms=block_ms * size)


def test_a_row_is_its_clock_and_its_numbers() -> None:
    assert row_octets(layout(2)) == 2 + 14 + 2 * 5


@pytest.mark.parametrize(
    ("content", "wire", "is_ciphered", "octets"),
    [
        # One block: a question of 65 octets, a header of 12, and a wrapper each way.
        (100, Wire(), False, 65 + 112 + 16),
        (100, Wire(), True, 65 + 112 + 16 + 2 * 21),
        # 112 octets and the LLC fit into one frame of 128: a frame each way, LLC each way.
        (100, SERIAL, False, 65 + 112 + 6 + 2 * 12),
        # Into three of 40 they do not: two more frames, and two acknowledgements.
        (100, Wire(frame_octets=40), False, 65 + 112 + 6 + 4 * 12 + 2 * 10),
        # Two blocks of at most 1012 octets: a second question and a second header.
        (1013, Wire(), False, 65 + 7 + 1013 + 24 + 32),
        (1012, Wire(), False, 65 + 1012 + 12 + 16),
    ],
)
def test_octets_on_the_wire_are_counted_with_everything_around_them(
    content: int, wire: Wire, *, is_ciphered: bool, octets: int
) -> None:
    assert wire_octets(content, wire, is_ciphered=is_ciphered) == octets


@pytest.mark.parametrize(
    ("rows", "columns", "wire", "is_ciphered", "octets"),
    [
        # Measured with an independent client and meter: METERS §7. The voltage of these rows has 16 bits.
        (3360, 5, Wire(), False, 135_600),
        (3360, 5, Wire(), True, 141_021),
        (3360, 5, Wire(frame_octets=128), True, 163_757),
        (3360, 5, Wire(frame_octets=512), True, 147_897),
        (96, 5, Wire(frame_octets=128), False, 4_571),
    ],
)
def test_the_estimate_is_near_what_was_measured(
    rows: int, columns: int, wire: Wire, *, is_ciphered: bool, octets: int
) -> None:
    assert wire_octets(rows * row_octets(layout(columns)), wire, is_ciphered=is_ciphered) == pytest.approx(
        octets, rel=0.07
    )


def test_where_nothing_is_known_to_hold_it_up_a_piece_is_a_day() -> None:
    assert blocks(Pace(NETWORK, hold_s=HOLD_S)) == 96
    assert blocks(Pace(NETWORK, hold_s=HOLD_S), layout(period_s=3600)) == 24


def test_an_unmeasured_meter_is_given_twice_the_time_of_its_line() -> None:
    pace = Pace(Wire(bps=1200, frame_octets=128), hold_s=HOLD_S)
    size = blocks(pace)
    ms = wire_octets(size * row_octets(layout()), Wire(frame_octets=128), is_ciphered=False) * 10_000 / 1200
    assert 0.8 * HOLD_S / 2 < ms / 1000 + 10 * 1200 / 1200 / 2 <= HOLD_S / 2 + 1


@pytest.mark.parametrize(("block_ms", "size"), [(100, 96), (208, 96), (209, 95), (400, 50), (20_000, 1), (90_000, 1)])
def test_a_measured_piece_takes_no_longer_than_the_hold_and_is_at_least_one_block(block_ms: int, size: int) -> None:
    pace = Pace(NETWORK, hold_s=HOLD_S)
    read(pace, 96, block_ms)
    assert blocks(pace) == size


def test_what_of_a_turn_is_spent_and_what_it_costs_beside_rows_is_no_time_for_rows() -> None:
    pace = Pace(NETWORK, hold_s=HOLD_S)
    read(pace, 96, 1000)
    assert (blocks(pace), blocks(pace, spent_ms=15_000), blocks(pace, spent_ms=60_000)) == (20, 5, 1)
    serial = Pace(Wire(bps=2400, frame_octets=128), hold_s=HOLD_S)
    read(serial, 96, 1000)
    assert blocks(serial) == 15


def test_a_dearer_piece_counts_at_once_and_a_cheaper_one_by_halves() -> None:
    pace = Pace(NETWORK, hold_s=HOLD_S)
    read(pace, 20, 1000)
    read(pace, 20, 2000)
    assert blocks(pace) == 10
    read(pace, 20, 1000)
    assert blocks(pace) == 13


def test_a_few_rows_teach_nothing() -> None:
    pace = Pace(NETWORK, hold_s=HOLD_S)
    read(pace, LEAST_ROWS - 1, 20_000)
    assert blocks(pace) == 96
    read(pace, LEAST_ROWS, 20_000)
    assert blocks(pace) == 1


def test_rows_that_a_meter_lacks_cost_nothing_and_are_not_counted() -> None:
    pace = Pace(NETWORK, hold_s=HOLD_S)
    pace.survived(96, rows=10, octets=500, elapsed_ms=10_000)
    assert blocks(pace) == 20


def test_a_lost_link_halves_the_piece_down_to_one_block() -> None:
    pace, sizes = Pace(NETWORK, hold_s=HOLD_S), []
    for _ in range(8):
        sizes.append(blocks(pace))
        pace.lost(sizes[-1])
    assert sizes == [96, 48, 24, 12, 6, 3, 1, 1]


def test_a_piece_grows_again_after_those_that_were_survived_and_ever_later_after_each_loss() -> None:
    pace = Pace(NETWORK, hold_s=HOLD_S)
    pace.lost(96)
    for _ in range(2 * FIRST_ROUNDS - 1):
        read(pace, 48)
    assert blocks(pace) == 48
    read(pace, 48)
    assert blocks(pace) == 96
    pace.lost(96)
    for _ in range(4 * FIRST_ROUNDS - 1):
        read(pace, 48)
    assert blocks(pace) == 48
    read(pace, 48)
    assert blocks(pace) == 96
    for _ in range(20):
        pace.lost(97)
    pace.lost(2)
    for _ in range(MOST_ROUNDS):
        read(pace, 1)
    assert blocks(pace) == 2


def test_a_link_that_bore_several_such_pieces_before_it_was_lost_does_not_make_pieces_smaller() -> None:
    pace = Pace(NETWORK, hold_s=HOLD_S)
    pace.lost(96)
    read(pace, 48)
    read(pace, 96)
    pace.lost(48)
    assert blocks(pace) == 48
    read(pace, 48)
    pace.lost(48)
    assert blocks(pace) == 24
    read(pace, 23)
    read(pace, 23)
    pace.lost(24)
    assert blocks(pace) == 12


def test_a_smaller_piece_than_the_link_may_bear_proves_nothing() -> None:
    pace = Pace(NETWORK, hold_s=HOLD_S)
    pace.lost(96)
    for _ in range(10 * MOST_ROUNDS):
        read(pace, 47)
    assert blocks(pace) == 48


def test_a_plan_says_days_octets_time_and_pieces() -> None:
    estimate = Estimate(octets=160_000, ms=166_600)
    assert plan_text(3360, estimate, SERIAL, period_s=900, piece_blocks=96) == (
        "3360 blocks (35.0 days), about 160000 octets, about 167 s at 9600 bps, in pieces of at most 96 blocks"
    )
    unknown = Estimate(octets=160_000, ms=None)
    assert "octets, as fast as the meter answers, in pieces" in plan_text(
        96, unknown, NETWORK, period_s=900, piece_blocks=96
    )


SPANS = st.tuples(st.integers(0, 40), st.integers(1, 10)).map(lambda pair: Interval(pair[0], pair[0] + pair[1]))


@given(span=SPANS, without=st.lists(SPANS, max_size=5))
def test_what_remains_is_the_first_part_that_nothing_covers(span: Interval, without: list[Interval]) -> None:
    free = [
        at
        for at in range(span.start_utc, span.end_utc)
        if not any(each.start_utc <= at < each.end_utc for each in without)
    ]
    part = remaining(span, without)
    if part is None:
        assert not free
        return
    assert list(range(part.start_utc, part.end_utc)) == free[: part.length_s]
    assert part.end_utc == span.end_utc or part.end_utc not in free
