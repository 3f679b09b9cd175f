"""Frames: found by length whatever they hold, refused when damaged, found again behind noise."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.dlms.hdlc_frame import Address, Deframer, Frame, check_sequence, encode
from tests.firmware_sim.dlms import hdlc_wire as wire

METER, READER = Address(logical=1, physical=17, size=2), Address(logical=32)

addresses = st.one_of(
    st.builds(Address, logical=st.integers(0, 127)),
    st.builds(Address, logical=st.integers(0, 127), physical=st.integers(0, 127), size=st.just(2)),
    st.builds(Address, logical=st.integers(0, 16_383), physical=st.integers(0, 16_383), size=st.just(4)),
)
frames = st.builds(
    Frame,
    destination=addresses,
    source=addresses,
    control=st.integers(0, 255),
    information=st.one_of(st.binary(max_size=200), st.integers(0, 60).map(lambda n: b"\x7e" * n)),
    segmented=st.booleans(),
)


def fed(*portions: bytes) -> list[Frame]:
    deframer = Deframer()
    return [each for portion in portions for each in deframer.feed(portion)]


def test_the_check_sequence_is_that_of_x25() -> None:
    assert check_sequence(b"123456789") == bytes.fromhex("6e90")


def test_a_published_request_to_connect_is_found_and_built() -> None:
    # SNRM of a public client to logical device 1, as it stands in every trace of a meter.
    published = bytes.fromhex("7EA00703219 30F017E".replace(" ", ""))
    assert fed(published) == [Frame(destination=Address(logical=1), source=Address(logical=16), control=0x93)]
    assert encode(fed(published)[0]) == published


def test_a_frame_is_built_as_by_hand() -> None:
    assert encode(Frame(destination=READER, source=METER, control=0x73)) == wire.frame(
        0x73, to=wire.READER, by=wire.METER
    )
    information = bytes(range(120, 140))
    built = encode(Frame(destination=READER, source=METER, control=0x30, information=information, segmented=True))
    assert built == wire.frame(0x30, information, to=wire.READER, by=wire.METER, segmented=True)


def test_a_four_byte_address_is_two_and_two() -> None:
    assert Address(logical=1, physical=1234, size=4).encoded() == bytes.fromhex("0002 12 A5")
    found = fed(wire.frame(0x93, to=bytes.fromhex("000212A5")))
    assert found[0].destination == Address(logical=1, physical=1234, size=4)


@pytest.mark.parametrize("address", ["020203", "0202020203", "02020202"])
def test_an_address_of_three_or_five_bytes_is_none(address: str) -> None:
    assert fed(wire.frame(0x93, to=bytes.fromhex(address))) == []


@settings(deadline=None)
@given(st.lists(frames, min_size=1, max_size=4), st.data())
def test_frames_are_found_in_any_portions(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(encode(each) for each in sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    ends = [0, *sorted(cuts), len(stream)]
    assert fed(*(stream[a:b] for a, b in itertools.pairwise(ends))) == sent
    assert fed(*(stream[at : at + 1] for at in range(len(stream)))) == sent


@settings(deadline=None)
@given(st.lists(frames, min_size=2, max_size=4))
def test_one_flag_may_end_a_frame_and_begin_the_next(sent: list[Frame]) -> None:
    stream = b"\x7e" + b"".join(encode(each)[1:] for each in sent)
    assert fed(stream) == sent


def test_a_flag_may_stand_at_every_place() -> None:
    for place in range(40):
        information = bytearray(40)
        information[place] = 0x7E
        frame = Frame(destination=METER, source=READER, control=0x10, information=bytes(information))
        assert fed(encode(frame)) == [frame]


def test_a_check_sequence_may_end_with_a_flag() -> None:
    found = 0
    for number in range(3000):
        frame = Frame(destination=METER, source=READER, control=0x10, information=number.to_bytes(4, "big"))
        built = encode(frame)
        if 0x7E in built[-3:-1] or 0x7E in built[7:9]:
            found += 1
            assert fed(built) == [frame]
            assert fed(*(built[at : at + 1] for at in range(len(built)))) == [frame]
    assert found > 10


def test_every_flipped_bit_is_noticed() -> None:
    good = wire.frame(0x10, b"\xe6\xe6\x00\xc0\x01")
    for place, bit in itertools.product(range(len(good)), range(8)):
        bent = bytearray(good)
        bent[place] ^= 1 << bit
        assert fed(bytes(bent)) == []


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40).filter(lambda noise: 0x7E not in noise), frames)
def test_noise_without_a_flag_costs_nothing(noise: bytes, sent: Frame) -> None:
    assert fed(noise + encode(sent)) == [sent]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_after_any_noise_a_quiet_line_finds_the_next_frame(noise: bytes) -> None:
    deframer = Deframer()
    deframer.feed(noise)
    deframer.forget()
    sent = Frame(destination=METER, source=READER, control=0x93)
    assert deframer.feed(encode(sent)) == [sent]


def test_a_bad_header_is_left_at_once_however_long_it_says_it_is() -> None:
    sent = Frame(destination=METER, source=READER, control=0x93)
    # Claims 2,047 bytes: without its check sequence the good frame would be swallowed.
    assert fed(bytes.fromhex("7EA7FF0223411000 00".replace(" ", "")) + encode(sent)) == [sent]


def test_a_good_header_whose_rest_is_lost_gives_way_to_the_repetition() -> None:
    whole = wire.frame(0x10, bytes(60))
    deframer = Deframer()
    assert deframer.feed(whole[:30]) == []
    assert [each.control for each in deframer.feed(whole + whole)] == [0x10, 0x10]


@pytest.mark.parametrize("size", range(7))
def test_a_frame_too_short_to_be_one_is_passed_over(size: int) -> None:
    sent = Frame(destination=METER, source=READER, control=0x93)
    assert fed(b"\x7e" + (0xA000 | size).to_bytes(2, "big") + bytes(9) + encode(sent)) == [sent]


@pytest.mark.parametrize("gap", [1, 2])
def test_a_length_between_a_frame_without_and_one_with_information_is_none(gap: int) -> None:
    head = (0xA000 | 7 + gap).to_bytes(2, "big") + b"\x03\x41\x93"
    content = head + bytes(gap)
    assert fed(b"\x7e" + content + check_sequence(content) + b"\x7e") == []


def test_a_header_check_with_nothing_behind_it_is_none() -> None:
    # "The HCS is not used where the frame has no information field."
    head = (0xA000 | 9).to_bytes(2, "big") + b"\x03\x41\x93"
    content = head + check_sequence(head)
    assert fed(b"\x7e" + content + check_sequence(content) + b"\x7e") == []


def test_another_format_type_is_passed_over() -> None:
    content = bytes.fromhex("B0070341 93")
    assert fed(b"\x7e" + content + check_sequence(content) + b"\x7e") == []


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=5000))
def test_no_more_than_a_frame_is_kept(noise: bytes) -> None:
    deframer = Deframer()
    for at in range(0, len(noise), 100):
        deframer.feed(noise[at : at + 100])
        assert len(deframer._buffer) <= 2049


def test_a_sea_of_flags_is_crossed_quickly() -> None:
    assert fed(b"\x7e" * 200_000 + b"\x7e\xa0" * 100_000) == []
