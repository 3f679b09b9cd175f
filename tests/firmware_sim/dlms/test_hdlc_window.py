"""The meter on an HDLC line that may send several frames before it is acknowledged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.dlms.hdlc import Sizes
from tests.firmware_sim.dlms.ciphered_wire import device
from tests.firmware_sim.dlms.hdlc_wire import DM, SNRM, UA, Line, frame, parts
from tests.firmware_sim.dlms.wire import AARQ_READER, BLOCK_LOAD, CLOCK
from tests.firmware_sim.dlms.wire import reader as wrapper_reader

SHARED = device()
FIRST = b"\xe6\xe6\x00" + bytes.fromhex(f"C001C1{BLOCK_LOAD}0200")
WHOLE = b"\xe6\xe7\x00" + wrapper_reader().get(BLOCK_LOAD + "02")


def proposal(window: int) -> str:
    return f"81800C 050180 060180 070101 0801{window:02x}"


def line(window: int, theirs: int = 7) -> Line:
    """A reader whose association stands over a link with so many frames in a turn."""
    talking = Line(SHARED, sizes=Sizes(window=theirs))
    talking.connect(proposal(window))
    assert talking.request(AARQ_READER)[:1] == b"\x61"
    return talking


def split(said: bytes) -> list[tuple[int, bytes, bool]]:
    """Every frame of a turn."""
    found = []
    while said:
        size = (int.from_bytes(said[1:3], "big") & 0x7FF) + 2
        found.append(parts(said[:size]))
        said = said[size:]
    return found


def turn(talking: Line, control: int, information: bytes = b"") -> list[tuple[int, bytes, bool]]:
    return split(talking.session.receive(frame(control, information)))


def begin(talking: Line) -> list[tuple[int, bytes, bool]]:
    """The first turn of a long answer."""
    control = talking.received << 5 | 0x10 | talking.sent << 1
    talking.sent = (talking.sent + 1) % 8
    return turn(talking, control, FIRST)


@pytest.mark.parametrize(
    ("asked", "theirs", "agreed"), [(1, 7, 1), (7, 7, 7), (7, 1, 1), (3, 5, 3), (5, 3, 3), (255, 7, 7)]
)
def test_a_window_is_the_least_of_both(asked: int, theirs: int, agreed: int) -> None:
    told = Line(SHARED, sizes=Sizes(window=theirs)).connect(proposal(asked))
    assert told == bytes.fromhex(f"818012 050180 060180 0704000000{agreed:02x} 080400000001")


@pytest.mark.parametrize("fields", ["070100", "080100"])
def test_a_window_without_a_frame_is_not_connected(fields: str) -> None:
    assert Line(SHARED).ask(SNRM, bytes.fromhex("818003" + fields))[0] == DM
    assert Line(SHARED).ask(SNRM, bytes.fromhex("818003" + fields[:-2] + "01"))[0] == UA


@pytest.mark.parametrize("window", range(1, 8))
def test_a_turn_has_as_many_frames_and_only_its_last_gives_the_turn_back(window: int) -> None:
    talking = line(window)
    said = begin(talking)
    assert len(said) == window
    assert [control & 0x10 for control, _, _ in said] == [0] * (window - 1) + [0x10]
    numbers = [control >> 1 & 7 for control, _, _ in said]
    assert numbers == [(talking.received + place) & 7 for place in range(window)]


def test_a_long_answer_is_whole_and_its_last_turn_as_short_as_it_needs_to_be() -> None:
    talking, answer, turns = line(4), b"", []
    said = begin(talking)
    while True:
        turns.append(len(said))
        answer += b"".join(part for _, part, _ in said)
        talking.received = (talking.received + len(said)) % 8
        if not said[-1][2]:
            break
        said = turn(talking, talking.ready())
    assert answer == WHOLE
    assert turns == [4, 4, 1]


@pytest.mark.parametrize("heard", range(5))
def test_a_turn_goes_on_from_the_first_frame_that_was_not_heard(heard: int) -> None:
    talking = line(4)
    first = begin(talking)
    talking.received = (talking.received + heard) % 8
    again = turn(talking, talking.ready())
    assert [part for _, part, _ in again[: 4 - heard]] == [part for _, part, _ in first[heard:]]
    assert len(again) == 4
    assert [control & 0x10 for control, _, _ in again] == [0, 0, 0, 0x10]


def test_a_number_that_was_never_sent_gets_the_last_turn_again() -> None:
    talking = line(3)
    first = begin(talking)
    talking.received = (talking.received + 5) % 8
    assert turn(talking, talking.ready()) == first


def test_a_question_that_comes_again_gets_its_whole_turn_again() -> None:
    talking = line(3)
    first = begin(talking)
    talking.sent = (talking.sent - 1) % 8
    assert begin(talking) == first


def test_a_new_question_ends_an_answer_of_which_a_part_was_not_heard() -> None:
    talking = line(7)
    begin(talking)
    talking.received = (talking.received + 7) % 8
    assert talking.request(f"C001C1{CLOCK}0400").hex() == "c401c1001100"


@given(st.integers(1, 7), st.lists(st.integers(0, 7), max_size=40))
def test_whatever_part_of_each_turn_is_heard_the_answer_is_the_same(window: int, losses: list[int]) -> None:
    talking, answer = line(window), b""
    said = begin(talking)
    for loss in [*losses, *[0] * 20]:
        heard = said[: max(0, len(said) - loss)]
        answer += b"".join(part for _, part, _ in heard)
        talking.received = (talking.received + len(heard)) % 8
        if heard and not heard[-1][2]:
            break
        said = turn(talking, talking.ready())
    assert answer == WHOLE
