"""The HDLC link: opened, numbered, segmented, acknowledged and taken down, whatever the meter says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError, MeterUnavailableError, ReaderError
from edge_agent.readers.dlms.hdlc import (
    DEFAULT_LIMITS,
    MOST_STRIKES,
    AnswerSize,
    HdlcLimits,
    HdlcLink,
    Phase,
    parameters,
)
from edge_agent.readers.dlms.hdlc_frame import Deframer, Frame, client_address, encode, server_address

SERVER = server_address(1)
CLIENT = client_address(16)
SNRM = bytes.fromhex("7ea0070321930f017e")
UA_128 = bytes.fromhex("7ea01e210373c37a818012050180060180070400000001080400000001533b7e")
AARQ = bytes.fromhex("601da109060760857405080101be10040e01000000065f1f0400001e1dffff")
AARQ_FRAME = bytes.fromhex("7ea02b032110fbafe6e600601da109060760857405080101be10040e01000000065f1f0400001e1dffffc5e47e")
RESPONSE = bytes.fromhex("e6e700")
UA, DM, FRMR, DISC = 0x73, 0x1F, 0x97, 0x53


def meter(control: int, information: bytes = b"", *, more: bool = False) -> bytes:
    """A frame of the meter's."""
    return encode(Frame(control, information, more), destination=CLIENT, source=SERVER)


def i_frame(sent: int, received: int, information: bytes, *, more: bool = False, final: bool = True) -> bytes:
    """An information frame of the meter's."""
    return meter(received << 5 | final << 4 | sent << 1, information, more=more)


def rr(received: int, kind: int = 0x01) -> bytes:
    """A supervisory frame of the meter's, with the final bit."""
    return meter(received << 5 | 0x10 | kind)


def client(data: bytes) -> list[Frame]:
    """The client's frames in `data`."""
    return list(Deframer(destination=SERVER, source=CLIENT).feed(data))


def fresh(limits: HdlcLimits = DEFAULT_LIMITS) -> HdlcLink:
    return HdlcLink(client=16, server=SERVER, limits=limits)


def opened(limits: HdlcLimits = DEFAULT_LIMITS, ua: bytes = b"") -> HdlcLink:
    """A link whose first question is answered."""
    link = fresh(limits)
    link.send(b"first")
    link.receive(meter(UA, ua))
    assert link.receive(i_frame(0, 1, RESPONSE + b"answer")).apdus == (b"answer",)
    return link


def test_opening_is_as_the_standard_prints_it() -> None:
    link = fresh()
    assert link.send(AARQ) == SNRM
    received = link.receive(UA_128)
    assert received.apdus == ()
    assert received.reply == AARQ_FRAME
    assert link.phase is Phase.OPEN


def test_an_answer_in_one_frame_needs_no_acknowledgement_but_the_next_question() -> None:
    link = fresh()
    link.send(b"question")
    link.receive(UA_128)
    received = link.receive(i_frame(0, 1, RESPONSE + b"\xc4\x7e"))
    assert (received.apdus, received.reply) == ((b"\xc4\x7e",), b"")
    (frame,) = client(link.send(b"next"))
    assert frame == Frame(0x32, b"\xe6\xe6\x00next")  # N(R) 1, P, N(S) 1


def test_larger_frames_and_windows_are_asked_for_in_the_snrm() -> None:
    (frame,) = client(fresh(HdlcLimits(information=512, window=7)).send(b"x"))
    assert frame.control == 0x93
    assert frame.information.hex() == "81801405020200060202000704000000010804" + "00000007"


def test_small_limits_take_one_octet() -> None:
    (frame,) = client(fresh(HdlcLimits(information=255)).send(b"x"))
    assert frame.information.hex() == "8180120501ff0601ff070400000001080400000001"


@pytest.mark.parametrize(("information", "window"), [(31, 1), (2031, 1), (128, 0), (128, 8)])
def test_limits_that_the_standard_has_not_are_refused(information: int, window: int) -> None:
    with pytest.raises(ValueError, match="32 to 2030"):
        HdlcLimits(information=information, window=window)


@pytest.mark.parametrize(
    ("ua", "wanted", "size"),
    [
        ("", 128, 128),
        ("", 512, 128),
        ("818012050180060180070400000001080400000001", 512, 128),
        ("81801405020200060202000704000000010804" + "00000001", 512, 512),
        ("81801405020200060202000704000000010804" + "00000001", 128, 128),
        ("818003060140", 128, 64),
        ("818003050140", 128, 128),
        ("818009090105060180070101", 128, 128),
    ],
)
def test_a_segment_is_as_long_as_the_meter_takes_and_the_client_asked_for(ua: str, wanted: int, size: int) -> None:
    link = fresh(HdlcLimits(information=wanted))
    link.send(bytes(1000))
    (frame,) = client(link.receive(meter(UA, bytes.fromhex(ua))).reply)
    assert len(frame.information) == size
    assert frame.segmented


@pytest.mark.parametrize(
    "ua",
    [
        "00",
        "8180",
        "818001",
        "81800105",
        "8180020501",
        "818003050201",
        "818003050100",
        "8280120501800601",
        "8180020500",
    ],
)
def test_parameters_that_are_cut_or_nothing_are_refused(ua: str) -> None:
    with pytest.raises(MeterDecodeError, match="HDLC parameters"):
        parameters(bytes.fromhex(ua))


def test_a_long_question_goes_in_segments_each_acknowledged() -> None:
    link = opened()
    apdu = bytes(range(200)) + bytes(100)
    sent = client(link.send(apdu))
    for received in (2, 3):
        assert len(sent) == received - 1
        sent += client(link.receive(rr(received)).reply)
    assert [frame.segmented for frame in sent] == [True, True, False]
    assert [frame.control for frame in sent] == [0x32, 0x34, 0x36]
    assert b"".join(frame.information for frame in sent) == b"\xe6\xe6\x00" + apdu
    assert link.receive(i_frame(1, 4, RESPONSE + b"ok")).apdus == (b"ok",)


@pytest.mark.parametrize(("octets", "frames"), [(125, [128]), (126, [128, 1]), (253, [128, 128]), (254, [128, 128, 1])])
def test_a_question_that_fills_its_frames_has_no_empty_one(octets: int, frames: list[int]) -> None:
    link = opened()
    sent = client(link.send(bytes(octets)))
    for received in range(2, 1 + len(frames)):
        sent += client(link.receive(rr(received)).reply)
    assert [len(frame.information) for frame in sent] == frames
    assert [frame.segmented for frame in sent] == [True] * (len(frames) - 1) + [False]


def test_what_is_sent_before_the_link_is_open_waits_for_the_meter() -> None:
    link = fresh()
    assert link.send(b"first") == SNRM
    assert link.send(b"second") == b""
    assert [frame.information[3:] for frame in client(link.receive(UA_128).reply)] == [b"first"]
    received = link.receive(i_frame(0, 1, RESPONSE + b"a"))
    assert [frame.information[3:] for frame in client(received.reply)] == [b"second"]


@given(st.binary(min_size=1, max_size=3000), st.integers(1, 128), st.integers(1, 80))
def test_a_long_answer_is_joined_however_it_is_segmented_and_cut(apdu: bytes, size: int, chunk: int) -> None:
    link = opened()
    link.send(b"question")
    message = RESPONSE + apdu
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    apdus: list[bytes] = []
    for number, part in enumerate(parts, start=1):
        more = number < len(parts)
        frame = i_frame(number & 7, 2, part, more=more)
        replies = b""
        for at in range(0, len(frame), chunk):
            received = link.receive(frame[at : at + chunk])
            apdus += received.apdus
            replies += received.reply
        assert [each.control for each in client(replies)] == ([(number + 1 & 7) << 5 | 0x11] if more else [])
    assert apdus == [apdu]


def test_a_window_of_answers_is_acknowledged_once() -> None:
    link = opened(HdlcLimits(window=3))
    link.send(b"question")
    assert link.receive(i_frame(1, 2, RESPONSE + b"a", more=True, final=False)).reply == b""
    assert link.receive(i_frame(2, 2, b"b", more=True, final=False)).reply == b""
    (frame,) = client(link.receive(i_frame(3, 2, b"c", more=True)).reply)
    assert frame.control == 0x91  # RR 4
    assert link.receive(i_frame(4, 2, b"d")).apdus == (b"abcd",)


def test_a_gap_in_a_window_is_asked_for_again() -> None:
    link = opened(HdlcLimits(window=3))
    link.send(b"question")
    link.receive(i_frame(1, 2, RESPONSE + b"a", more=True, final=False))
    (frame,) = client(link.receive(i_frame(3, 2, b"c", more=True)).reply)
    assert frame.control == 0x51  # RR 2
    link.receive(i_frame(2, 2, b"b", more=True, final=False))
    link.receive(i_frame(3, 2, b"c", more=True))
    assert link.receive(i_frame(4, 2, b"d")).apdus == (b"abcd",)


def test_a_frame_that_comes_twice_is_taken_once_and_not_answered_twice() -> None:
    link = opened()
    link.send(b"question")
    part = i_frame(1, 2, RESPONSE + b"a", more=True)
    assert len(client(link.receive(part + part).reply)) == 1
    assert link.receive(part).reply == b""
    assert link.receive(i_frame(2, 2, b"b")).apdus == (b"ab",)
    assert link.receive(i_frame(2, 2, b"b")) == link.receive(b"")
    assert len(client(link.send(b"next"))) == 1
    assert link.receive(i_frame(2, 2, b"b")) == link.receive(b"")
    assert link.receive(i_frame(3, 3, RESPONSE + b"c")).apdus == (b"c",)


@pytest.mark.parametrize(
    ("window", "ahead", "answered"),
    [
        (1, 0, True),
        *((1, ahead, False) for ahead in range(1, 8)),
        (3, 2, True),
        (3, 3, False),
        (7, 6, True),
        (7, 7, False),
    ],
)
def test_only_what_the_window_may_hold_is_looked_at(window: int, ahead: int, *, answered: bool) -> None:
    link = opened(HdlcLimits(window=window))
    link.send(b"question")
    received = link.receive(i_frame(1 + ahead & 7, 2, RESPONSE + b"a", more=True))
    assert (received.apdus, bool(received.reply)) == ((), answered)
    expected = (b"aa",) if ahead == 0 else (b"a",)
    number = 2 if ahead == 0 else 1
    assert link.receive(i_frame(number, 2, (b"" if ahead == 0 else RESPONSE) + b"a")).apdus == expected


def test_a_meter_that_has_nothing_to_say_again_and_again_is_left() -> None:
    link = opened()
    link.send(b"question")
    for _ in range(MOST_STRIKES + 1):
        link.receive(rr(2))
    with pytest.raises(MeterUnavailableError, match=f"repeats itself on the HDLC link, {MOST_STRIKES + 1} times"):
        link.receive(rr(2))


def test_progress_forgives_what_came_before() -> None:
    link = opened()
    link.send(b"question")
    for number in range(1, 5):
        for _ in range(MOST_STRIKES):
            link.receive(rr(2))
        link.receive(i_frame(number, 2, RESPONSE + b"a", more=True))


@pytest.mark.parametrize("received", [0, 3, 7])
def test_an_acknowledgement_of_what_was_never_sent_is_named(received: int) -> None:
    link = opened()
    link.send(b"question")  # number 1: only 1 and 2 can be wanted next
    with pytest.raises(MeterDecodeError, match=rf"expected N.R. 2 .*, got {received}"):
        link.receive(rr(received))


def test_a_question_that_the_meter_rejects_is_sent_again() -> None:
    link = opened()
    sent = link.send(b"question")
    assert link.receive(rr(1, 0x09)).reply == sent
    assert link.receive(i_frame(1, 2, RESPONSE + b"a")).apdus == (b"a",)


def test_a_question_that_the_meter_has_not_got_is_sent_again_when_it_was_asked() -> None:
    link = opened()
    sent = link.send(b"question")
    assert link.receive(rr(1)).reply == b""
    link.ask_again()
    assert link.receive(rr(1)).reply == sent
    assert link.receive(rr(1)).reply == b""
    assert link.receive(i_frame(1, 2, RESPONSE + b"a")).apdus == (b"a",)


def test_a_meter_that_has_no_answer_yet_is_polled_and_then_left_to_the_caller() -> None:
    link = opened()
    link.send(b"question")
    polls = [link.receive(rr(2)).reply for _ in range(3)]
    assert [len(client(poll)) for poll in polls] == [1, 1, 0]
    assert client(link.ask_again())[0].control == 0x31
    assert link.receive(i_frame(1, 2, RESPONSE + b"a")).apdus == (b"a",)


def test_a_busy_meter_is_left_to_the_caller() -> None:
    link = opened()
    link.send(b"question")
    for _ in range(9):
        assert link.receive(rr(1, 0x05)).reply == b""
        assert client(link.ask_again())[0].control == 0x31
    (again,) = client(link.receive(rr(1)).reply)
    assert again.information == b"\xe6\xe6\x00question"


def test_a_lost_ua_is_asked_for_once_more() -> None:
    link = fresh()
    link.send(AARQ)
    assert link.ask_again() == SNRM
    assert link.ask_again() == b""
    assert link.receive(UA_128).reply == AARQ_FRAME
    assert link.receive(UA_128).reply == b""


def test_a_lost_answer_is_asked_for_without_asking_the_question_again() -> None:
    link = opened()
    link.send(b"question")
    (poll,) = client(link.ask_again())
    assert poll.control == 0x31  # RR 1
    assert link.ask_again() == b""
    assert link.receive(i_frame(1, 2, RESPONSE + b"a")).apdus == (b"a",)


def test_a_link_that_owes_and_is_owed_nothing_does_not_ask() -> None:
    assert fresh().ask_again() == b""
    assert opened().ask_again() == b""
    link = opened()
    link.disconnect()
    assert link.ask_again() == b""


def test_what_is_sent_while_the_meter_speaks_waits_for_the_end() -> None:
    link = opened()
    link.send(b"question")
    assert link.send(b"release") == b""
    (frame,) = client(link.receive(i_frame(1, 2, RESPONSE + b"a", more=True)).reply)
    assert frame.control & 0x0F == 1
    received = link.receive(i_frame(2, 2, b"b"))
    assert received.apdus == (b"ab",)
    assert client(received.reply)[0].information == b"\xe6\xe6\x00release"


def test_unasked_frames_are_passed_over() -> None:
    link = opened()
    link.send(b"question")
    assert link.receive(meter(0x03, b"\xe6\xe7\x00push") + UA_128) == opened().receive(b"")
    stale = i_frame(3, 2, RESPONSE + b"stale")
    fresh_link = fresh()
    fresh_link.send(AARQ)
    assert fresh_link.receive(stale).apdus == ()
    assert fresh_link.receive(UA_128).reply == AARQ_FRAME


def test_taking_down_is_disc_and_ua() -> None:
    link = opened()
    assert client(link.disconnect()) == [Frame(DISC)]
    assert link.disconnect() == b""
    assert link.receive(i_frame(1, 2, RESPONSE + b"late")).apdus == ()
    assert not link.is_gone
    link.receive(meter(UA))
    with pytest.raises(MeterUnavailableError, match="one that is over"):
        link.send(b"more")


def test_a_meter_that_says_ua_to_the_disc_leaves_nothing() -> None:
    link = opened()
    link.disconnect()
    link.receive(meter(UA))
    assert link.is_gone


def test_a_meter_that_was_gone_before_says_dm() -> None:
    link = opened()
    link.disconnect()
    link.receive(meter(DM))
    assert link.is_gone


def test_a_link_that_was_never_asked_for_has_nothing_to_take_down() -> None:
    link = fresh()
    assert link.is_gone
    assert link.disconnect() == b""


def test_a_link_that_was_never_granted_is_taken_down_all_the_same() -> None:
    # The meter may have taken the SNRM and its UA been lost.
    link = fresh()
    link.send(AARQ)
    assert client(link.disconnect()) == [Frame(DISC)]


def test_a_meter_that_refuses_the_link_is_unavailable() -> None:
    link = fresh()
    link.send(AARQ)
    with pytest.raises(MeterUnavailableError, match=r"refuses the HDLC link for now .DM."):
        link.receive(meter(DM))
    assert link.is_gone


def test_a_meter_that_leaves_the_link_is_unavailable() -> None:
    link = opened()
    link.send(b"question")
    with pytest.raises(MeterUnavailableError, match=r"left the HDLC link .DM."):
        link.receive(meter(DM))
    assert link.disconnect() == b""


@pytest.mark.parametrize("is_open", [True, False])
def test_a_rejected_frame_is_named_with_the_meters_reason(*, is_open: bool) -> None:
    link = opened() if is_open else fresh()
    link.send(b"question")
    with pytest.raises(MeterDecodeError, match=r"rejects .*FRMR 323001"):
        link.receive(meter(FRMR, bytes.fromhex("323001")))
    assert client(link.disconnect()) == [Frame(DISC)]


@pytest.mark.parametrize("message", [b"\xe6\xe6\x00ok", b"\xe6\xe7", b"\xe6\xe7\x00", b"ok", b"\xe6\xe7\x01ok"])
def test_a_message_without_its_llc_header_or_apdu_is_refused(message: bytes) -> None:
    link = opened()
    link.send(b"question")
    with pytest.raises(MeterDecodeError, match="expected an LLC header e6e700 and an APDU"):
        link.receive(i_frame(1, 2, message))


def test_an_empty_information_frame_is_refused_as_an_answer() -> None:
    link = opened()
    link.send(b"question")
    with pytest.raises(MeterDecodeError, match="got nothing"):
        link.receive(i_frame(1, 2, b""))


def test_a_message_without_end_is_refused() -> None:
    link = opened()
    link.send(b"question")
    for number in range(1, 33):
        link.receive(i_frame(number & 7, 2, RESPONSE.ljust(2000, b"x"), more=True))
    with pytest.raises(MeterDecodeError, match="at most 65538 octets"):
        link.receive(i_frame(1, 2, RESPONSE.ljust(2000, b"x"), more=True))


def test_a_message_of_the_longest_apdu_is_taken() -> None:
    link = opened()
    link.send(b"question")
    message = RESPONSE + bytes(65_535)
    parts = [message[at : at + 2000] for at in range(0, len(message), 2000)]
    received = [
        link.receive(i_frame(number & 7, 2, part, more=number < len(parts))).apdus
        for number, part in enumerate(parts, start=1)
    ]
    assert [len(apdu) for apdus in received for apdu in apdus] == [65_535]


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.builds(meter, st.integers(0, 255), st.binary(max_size=20)),
            st.sampled_from(["send", "ask", "leave"]),
        ),
        max_size=40,
    )
)
def test_whatever_comes_ends_in_bytes_or_a_reader_error(events: list[bytes | str]) -> None:
    link = fresh()
    for event in events:
        try:
            if event == "send":
                link.send(b"question")
            elif event == "ask":
                link.ask_again()
            elif event == "leave":
                link.disconnect()
            elif isinstance(event, bytes):
                received = link.receive(event)
                assert len(client(received.reply)) <= 1 + event.count(b"\x7e")
        except ReaderError:
            assert len(client(link.disconnect())) <= 1
            return


# How long an answer is asked for.


@pytest.mark.parametrize(
    ("message", "frame", "octets"),
    [
        (1027, 128, 1021),
        (515, 128, 509),
        (1024, 128, 65_535),
        (1023, 128, 65_535),
        (131, 128, 125),
        (160, 128, 125),
        (255, 128, 65_535),
        (65_538, 128, 65_533),
        (100, 128, 65_535),
    ],
)
def test_answers_are_asked_for_in_full_frames_where_that_is_cheaper(message: int, frame: int, octets: int) -> None:
    size = AnswerSize()
    size.learn(message, frame)
    assert size.octets == octets


def test_what_one_link_learns_the_next_asks_for() -> None:
    size = AnswerSize()
    for expected in (65_535, 253):
        link = HdlcLink(client=16, server=SERVER, size=size)
        assert link.answer_octets == expected
        link.send(b"question")
        link.receive(meter(UA))
        parts = ((RESPONSE.ljust(128, b"x"), True), (bytes(128), True), (bytes(3), False))
        for number, (part, more) in enumerate(parts):
            link.receive(i_frame(number, 1, part, more=more))
        link.was_block()


def test_an_answer_in_one_frame_teaches_nothing() -> None:
    link = opened()
    link.was_block()
    assert link.answer_octets == 65_535
    assert link.gain == 0


def test_what_another_length_would_save_is_known_with_the_first_block() -> None:
    size = AnswerSize()
    for message, gains in ((128 + 3, True), (128, False)):
        link = HdlcLink(client=16, server=SERVER, size=size)
        link.send(b"question")
        link.receive(meter(UA))
        content = RESPONSE.ljust(message, b"x")
        link.receive(i_frame(0, 1, content[:128], more=message > 128))
        if message > 128:
            link.receive(i_frame(1, 1, content[128:]))
        link.was_block()
        assert (link.gain > 0.1) is gains
        assert gains or link.gain == 0
    unused = fresh()
    unused.was_block()
    assert unused.answer_octets == 65_535
