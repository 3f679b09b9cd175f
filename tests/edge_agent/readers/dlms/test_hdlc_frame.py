"""HDLC frames: byte for byte, however they are cut, between noise, and damaged at every place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.readers.dlms.hdlc_frame import (
    LONGEST_FRAME,
    Deframer,
    Frame,
    checksum,
    client_address,
    encode,
    server_address,
)

SERVERS = (server_address(1), server_address(1, 17), server_address(1, 17, 4), server_address(1, 0x1234))

# Frames that the standard's text and other clients' manuals print; both checksums in them are theirs.
SNRM = bytes.fromhex("7ea0070321930f017e")
UA = bytes.fromhex("7ea01e210373c37a81801205018006018007040000000108040000000153 3b7e".replace(" ", ""))
AARQ = bytes.fromhex("7ea02b032110fbafe6e600601da109060760857405080101be10040e01000000065f1f0400001e1dffffc5e47e")


def octets(frame: Frame, server: bytes = SERVERS[0], client: int = 32) -> bytes:
    """As the meter sends it."""
    return encode(frame, destination=client_address(client), source=server)


def deframer(server: bytes = SERVERS[0], client: int = 32) -> Deframer:
    return Deframer(destination=client_address(client), source=server)


frames = st.builds(Frame, st.integers(0, 255), st.binary(max_size=200), st.booleans())
quiet = st.binary(max_size=40).map(lambda noise: noise.replace(b"\x7e", b"\x00"))


@pytest.mark.parametrize(
    ("whole", "control"),
    [(SNRM, 0x93), (AARQ, 0x10)],
    ids=["SNRM", "AARQ"],
)
def test_frames_are_the_printed_ones(whole: bytes, control: int) -> None:
    frame = Frame(control, whole[8:-3])
    assert encode(frame, destination=server_address(1), source=client_address(16)) == whole


def test_a_printed_ua_is_read() -> None:
    (frame,) = deframer(client=16).feed(UA)
    assert frame == Frame(0x73, bytes.fromhex("8180120501800601800704000000010804000000 01".replace(" ", "")))


def test_the_checksum_is_the_x25_one() -> None:
    assert checksum(b"123456789").hex() == "6e90"  # 0x906e, least significant octet first


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (server_address(1), "03"),
        (server_address(127), "ff"),
        (server_address(1, 17), "0223"),
        (server_address(1, 17, 4), "00020023"),
        (server_address(1, None, 2), "0201"),
        (server_address(128, 17), "02000023"),
        (server_address(1, 0x3FFF), "0002feff"),
        (client_address(1), "03"),
        (client_address(127), "ff"),
    ],
)
def test_addresses_are_shifted_and_end_with_the_odd_octet(address: bytes, expected: str) -> None:
    assert address.hex() == expected


@pytest.mark.parametrize(
    ("logical", "physical", "size"),
    [(0, None, None), (128, None, 1), (1, 17, 1), (1, 128, 2), (1, 0x4000, None), (0x4000, 1, 4), (1, 1, 3)],
)
def test_an_address_that_the_form_cannot_hold_is_refused(logical: int, physical: int | None, size: int | None) -> None:
    with pytest.raises(ValueError, match="1, 2 or 4 octets"):
        server_address(logical, physical, size)


@pytest.mark.parametrize("sap", [0, 128])
def test_a_client_that_one_octet_cannot_hold_is_refused(sap: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 127"):
        client_address(sap)


@pytest.mark.parametrize("size", [2038, 2039])
def test_a_frame_is_as_long_as_its_length_field_can_say(size: int) -> None:
    frame = Frame(0x10, bytes(size))
    if size == 2038:
        assert len(octets(frame)) == LONGEST_FRAME + 2
        assert deframer().feed(octets(frame)) == (frame,)
    else:
        with pytest.raises(ValueError, match="at most 2047"):
            octets(frame)


@given(st.lists(frames, max_size=4), st.integers(1, 60), st.sampled_from(SERVERS))
def test_frames_arrive_however_the_octets_are_cut(sent: list[Frame], chunk: int, server: bytes) -> None:
    stream = b"".join(octets(frame, server) for frame in sent)
    receiver = deframer(server)
    got = [frame for at in range(0, len(stream), chunk) for frame in receiver.feed(stream[at : at + chunk])]
    assert got == sent


@given(frames, st.sampled_from(SERVERS))
def test_a_frame_is_given_with_its_last_octet_and_not_before(frame: Frame, server: bytes) -> None:
    receiver = deframer(server)
    whole = octets(frame, server)
    given_at = [at for at, octet in enumerate(whole) if receiver.feed(bytes([octet]))]
    assert given_at == [len(whole) - 1]


@given(st.binary(min_size=1, max_size=60), st.integers(0, 59), st.integers(1, 4))
def test_a_flag_may_stand_at_every_place_of_the_payload(payload: bytes, place: int, run: int) -> None:
    at = place % len(payload)
    frame = Frame(0x30, payload[:at] + b"\x7e" * run + payload[at:])
    receiver = deframer()
    assert [each for octet in octets(frame) for each in receiver.feed(bytes([octet]))] == [frame]


def test_a_flag_may_be_the_last_octet_of_the_checksum() -> None:
    found = [f for n in range(1 << 16) if octets(f := Frame(0x30, n.to_bytes(2)))[-2] == 0x7E][:50]
    assert len(found) == 50
    for frame in found:
        receiver = deframer()
        assert [each for octet in octets(frame) for each in receiver.feed(bytes([octet]))] == [frame]


@given(st.lists(frames, min_size=2, max_size=4))
def test_one_flag_may_end_a_frame_and_begin_the_next(sent: list[Frame]) -> None:
    stream = b"".join(octets(frame)[:-1] for frame in sent) + b"\x7e"
    assert list(deframer().feed(stream)) == sent


@given(quiet, frames, quiet, frames)
def test_noise_around_frames_is_passed_over(before: bytes, first: Frame, between: bytes, second: Frame) -> None:
    stream = before + octets(first) + between + octets(second)
    assert deframer().feed(stream) == (first, second)


@given(st.binary(max_size=14), frames)
def test_noise_with_flags_delays_a_frame_at_most_until_the_next(noise: bytes, frame: Frame) -> None:
    # Noise that happens to check out as a header may swallow what follows it: once in 65,536 times, and never for good.
    receiver = deframer()
    assert frame in receiver.feed(noise + octets(frame) + octets(frame))


def test_noise_that_begins_as_a_frame_does_not_hide_the_one_behind_it() -> None:
    frame = Frame(0x73)
    for noise in ("7ea0", "7ea0080203", "7ea7ff", "7e7e7e", "7ea00700020200", "7ea0070200020003"):
        assert deframer().feed(bytes.fromhex(noise) + octets(frame)) == (frame,), noise


@given(frames, st.data())
def test_a_damaged_octet_never_makes_another_frame(frame: Frame, data: st.DataObject) -> None:
    whole = octets(frame)
    place = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.integers(1, 255))
    damaged = whole[:place] + bytes([whole[place] ^ value]) + whole[place + 1 :]
    receiver = deframer()
    assert receiver.feed(damaged) == ()
    assert frame in receiver.feed(octets(frame) * 2)


def test_every_damaged_octet_is_noticed_and_the_next_frame_read() -> None:
    frame = Frame(0x30, bytes.fromhex("e6e700c401c1007e7e09020aa0"))
    whole = octets(frame)
    for place in range(len(whole)):
        receiver = deframer()
        assert receiver.feed(whole[:place] + bytes([whole[place] ^ 0x21]) + whole[place + 1 :]) == ()
        assert frame in receiver.feed(whole + whole), place


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("destination", "source"),
    [
        (client_address(33), None),
        (None, server_address(2)),
        (None, server_address(1, 18)),
        (client_address(16), server_address(1, 17, 2)),
    ],
)
def test_frames_between_others_are_passed_over(server: bytes, destination: bytes | None, source: bytes | None) -> None:
    ours = Frame(0x30, b"ours")
    inside = octets(Frame(0x30, b"not ours"), server)
    other = encode(Frame(0x30, inside), destination=destination or client_address(32), source=source or server)
    assert deframer(server).feed(other + octets(ours, server)) == (ours,)


def test_what_we_sent_ourselves_is_no_answer() -> None:
    echo = encode(Frame(0x93), destination=server_address(1), source=client_address(32))
    assert deframer().feed(echo) == ()


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_no_more_than_one_unfinished_frame_is_held(chunks: list[bytes]) -> None:
    receiver = deframer()
    for chunk in chunks:
        receiver.feed(chunk)
        assert len(receiver._pending) <= LONGEST_FRAME + 1


def test_a_stream_of_flags_and_of_headers_is_passed_in_time() -> None:
    receiver = deframer()
    header = octets(Frame(0x30, bytes(2000)))[:8]
    for _ in range(20):
        receiver.feed(b"\x7e" * 10_000)
        receiver.feed(header * 1_000)
        assert len(receiver._pending) <= LONGEST_FRAME + 1
    assert receiver.feed(b"\x00" * LONGEST_FRAME + octets(Frame(0x73))) == (Frame(0x73),)


@pytest.mark.parametrize("beyond", [1, 2])
def test_a_header_that_leaves_no_room_for_a_checksum_is_none(beyond: int) -> None:
    head = (0xA000 | (7 + beyond)).to_bytes(2) + client_address(32) + server_address(1) + b"\x30"
    stream = b"\x7e" + head + checksum(head) + bytes(beyond) + b"\x7e"
    assert deframer().feed(stream + octets(Frame(0x73))) == (Frame(0x73),)
