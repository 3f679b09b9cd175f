"""The meter on an HDLC line: connecting, negotiating, exchanging, repeating, and keeping silent."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.dlms.application import Application
from firmware_sim.dlms.device import Stale
from firmware_sim.dlms.hdlc import HdlcServerSession, Sizes
from tests.firmware_sim.dlms.ciphered_wire import INITIATE, CipheredWire, aarq, device, tlv
from tests.firmware_sim.dlms.hdlc_wire import DISC, DM, FRMR, SNRM, UA, Line, frame, parts
from tests.firmware_sim.dlms.wire import AARQ_PUBLIC, AARQ_READER, BLOCK_LOAD, CLOCK, PASSWORD, RLRQ
from tests.firmware_sim.dlms.wire import reader as wrapper_reader

GET_CLOCK = f"C001C1{CLOCK}0200"
DEFAULTS = "818012 050180 060180 070400000001 080400000001"


def talking(**options: object) -> Line:
    line = Line(**options)  # type: ignore[arg-type]
    line.connect()
    assert line.request(AARQ_READER)[:1] == b"\x61"
    return line


def test_a_client_connects_with_the_standards_defaults() -> None:
    assert Line().connect() == bytes.fromhex(DEFAULTS)


@pytest.mark.parametrize(
    ("proposal", "agreed"),
    [
        (DEFAULTS, DEFAULTS),
        # What the client transmits is what the meter receives.
        ("81800C 050140 060160 0701010801 01", "818012 050160 060140 070400000001 080400000001"),
        ("818008 05020400 06020800", "818014 05020200 06020200 070400000001 080400000001"),
        ("818008 05020100 06020100", "818014 05020100 06020100 070400000001 080400000001"),
        ("818008 050200FF 060200FF", "818012 0501FF 0601FF 070400000001 080400000001"),
        ("818003 060120", "818012 050120 060180 070400000001 080400000001"),
        ("818006 070400000007", DEFAULTS),
        ("818000", DEFAULTS),
        ("818003 630101", DEFAULTS),
    ],
    ids=[
        "defaults",
        "less",
        "more",
        "two bytes",
        "one byte",
        "one way",
        "a wider window",
        "nothing",
        "unknown parameter",
    ],
)
def test_sizes_are_the_least_of_both(proposal: str, agreed: str) -> None:
    assert Line(sizes=Sizes(transmit=512, receive=512)).connect(proposal) == bytes.fromhex(agreed)


def test_a_client_that_does_not_negotiate_gets_128_from_a_meter_that_can_more() -> None:
    line = talking(sizes=Sizes(transmit=512, receive=512))
    line.request(f"C001C1{BLOCK_LOAD}0200")
    assert line.frames == 1 + 9  # 1024 bytes and LLC, in parts of 128


@pytest.mark.parametrize("proposal", ["8180", "81800A0501", "828000", "81800305011F", "818003050180FF", "00"])
def test_a_proposal_that_is_none_is_not_connected(proposal: str) -> None:
    line = Line()
    assert line.ask(SNRM, bytes.fromhex(proposal))[0] == DM
    assert line.ask(0x10, b"\xe6\xe6\x00")[0] == DM


def test_before_a_connection_everything_is_answered_with_its_absence() -> None:
    line = Line()
    for control in (DISC, 0x10, 0x11, 0x15):
        assert line.ask(control) == (DM, b"", False)
    assert line.session.receive(frame(0x00)) == b""


def test_a_disconnected_client_has_no_association_left() -> None:
    line = talking()
    assert line.request(GET_CLOCK).hex()[:8] == "c401c100"
    assert line.ask(DISC) == (UA, b"", False)
    assert line.ask(DISC) == (DM, b"", False)
    line.connect()
    assert line.request(GET_CLOCK).hex() == "d80101"


def test_connecting_anew_begins_anew() -> None:
    line = talking()
    line.connect()
    assert line.request(GET_CLOCK).hex() == "d80101"


def test_a_long_answer_is_segmented_and_the_same_as_over_the_wrapper() -> None:
    whole = wrapper_reader().get(BLOCK_LOAD + "02")
    assert talking().request(f"C001C1{BLOCK_LOAD}0200") == whole
    assert talking(sizes=Sizes(transmit=32, receive=32), size=32).request(f"C001C1{BLOCK_LOAD}0200") == whole


def test_a_long_request_is_taken_in_segments() -> None:
    line = Line(size=32)
    line.connect()
    assert line.request(AARQ_READER)[:1] == b"\x61"
    assert line.request(f"C003C1 08 {8 * (CLOCK + '0400')}").hex() == "c403c108" + 8 * "001100"


def test_a_whole_profile_passes_whatever_bytes_it_holds() -> None:
    line, wrapper = talking(), wrapper_reader()
    answer, expected = line.request(f"C001C1{BLOCK_LOAD}0200"), wrapper.get(BLOCK_LOAD + "02")
    number = 0
    while True:
        assert answer == expected
        if answer[3]:
            break
        number += 1
        answer = line.request("C002C1" + number.to_bytes(4, "big").hex())
        expected = wrapper.ask("C002C1" + number.to_bytes(4, "big").hex())
    assert number > 100


def test_ciphered_requests_pass_over_hdlc() -> None:
    ciphered = CipheredWire(device())
    line = Line(ciphered.device)
    line.connect()
    assert line.request(aarq(tlv(0x21, ciphered.covered(INITIATE)), mechanism=1, shown=PASSWORD))[:1] == b"\x61"
    assert line.request(tlv(0xC8, ciphered.covered(GET_CLOCK)))[:1] == b"\xcc"


def test_a_repeated_request_is_answered_again_and_not_done_again() -> None:
    ciphered = CipheredWire(device())
    line = Line(ciphered.device)
    line.connect()
    line.request(aarq(tlv(0x21, ciphered.covered(INITIATE)), mechanism=1, shown=PASSWORD))
    request = b"\xe6\xe6\x00" + tlv(0xC8, ciphered.covered(GET_CLOCK))
    again = frame(line.received << 5 | 0x10 | line.sent << 1, request)
    answer = line.session.receive(again)
    assert parts(answer)[1][3] == 0xCC  # and not an exception: the counter is not looked at twice
    assert line.session.receive(again) == answer


def test_an_answer_that_was_not_heard_is_sent_again() -> None:
    line = talking()
    first = line.information(b"\xe6\xe6\x00" + bytes.fromhex(f"C001C1{BLOCK_LOAD}0200"))
    assert line.ask(line.ready()) == first
    line.received += 1
    second = line.ask(line.ready())
    assert second != first
    assert line.ask(line.ready()) == second
    assert line.ask(line.ready() | 4) == second


def test_a_client_that_is_not_ready_gets_no_segment() -> None:
    line = talking()
    line.information(b"\xe6\xe6\x00" + bytes.fromhex(f"C001C1{BLOCK_LOAD}0200"))
    line.received += 1
    assert line.ask(line.received << 5 | 0x15) == (line.sent << 5 | 0x11, b"", False)
    assert line.ask(line.ready())[2]


def test_a_segment_that_was_acknowledged_twice_is_acknowledged_again() -> None:
    line = Line(size=32)
    line.connect()
    first = frame(0x10, b"\xe6\xe6\x00" + AARQ_READER[:29], segmented=True)
    answer = line.session.receive(first)
    assert parts(answer) == (0x31, b"", False)
    assert line.session.receive(first) == answer
    line.sent = 1
    assert line.information(AARQ_READER[29:])[1][3:4] == b"\x61"


def test_a_frame_out_of_sequence_is_told_where_the_meter_stands() -> None:
    line = talking()
    line.sent = (line.sent + 2) % 8
    assert line.information(b"\xe6\xe6\x00" + bytes.fromhex(GET_CLOCK)) == (1 << 5 | 0x11, b"", False)


def test_sequence_numbers_go_round() -> None:
    line = talking()
    for _ in range(20):
        assert line.request(f"C001C1{CLOCK}0400").hex() == "c401c1001100"


def test_a_new_request_ends_an_answer_under_way() -> None:
    line = talking()
    line.information(b"\xe6\xe6\x00" + bytes.fromhex(f"C001C1{BLOCK_LOAD}0200"))
    line.received += 1
    assert line.request(f"C001C1{CLOCK}0400").hex() == "c401c1001100"


@pytest.mark.parametrize("content", [b"\xe6\xe7\x00" + AARQ_READER, b"\xe6\xe6", b"\x00", AARQ_READER])
def test_what_has_no_llc_header_is_acknowledged_and_not_answered(content: bytes) -> None:
    line = Line()
    line.connect()
    assert line.information(content) == (0x31, b"", False)


def test_a_field_longer_than_agreed_is_rejected() -> None:
    line = talking()
    assert line.information(bytes(128))[0] != FRMR
    control = line.received << 5 | 0x10 | line.sent << 1
    assert line.ask(control, bytes(129)) == (FRMR, bytes([control, 0x42, 0x04]), False)


def test_a_command_that_no_meter_has_is_rejected() -> None:
    assert talking().ask(0x1B) == (FRMR, bytes([0x1B, 0x22, 0x01]), False)


def test_an_endless_request_is_refused_and_not_kept() -> None:
    line = talking(sizes=Sizes(transmit=2030, receive=2030))
    line.connect("818008 050207EE 060207EE")
    line.size = 2030
    line.request(AARQ_READER)
    assert line.request(bytes(200_000)).hex() == "d80104"
    assert line.request(f"C001C1{CLOCK}0400").hex() == "c401c1001100"


@pytest.mark.parametrize(
    "destination",
    ["0225", "0423", "FEFF", "05", "FF", "00020025", "0002 FEFF", "FEFEFEFF"],
    ids=["physical", "logical", "all", "logical alone", "all, one byte", "physical of four", "all of four", "all, all"],
)
def test_another_address_gets_silence(destination: str) -> None:
    line = Line()
    assert line.session.receive(frame(SNRM, to=bytes.fromhex(destination))) == b""
    assert line.session.receive(frame(SNRM)) != b""


@pytest.mark.parametrize("address", ["03", "0223", "00020023"], ids=["one byte", "two", "four"])
def test_a_meter_answers_at_its_address_in_the_form_it_was_called(address: str) -> None:
    session = HdlcServerSession(Application(device()))
    to = bytes.fromhex(address)
    assert parts(session.receive(frame(SNRM, to=to)), to=to)[0] == UA


def test_a_client_address_of_two_bytes_gets_silence() -> None:
    assert Line().session.receive(frame(SNRM, by=bytes.fromhex("0021"))) == b""


def test_a_damaged_frame_gets_silence_and_the_next_an_answer() -> None:
    line = Line()
    good = frame(SNRM)
    for place in range(1, len(good) - 1):
        bent = bytearray(good)
        bent[place] ^= 0x10
        assert line.session.receive(bytes(bent)) == b""
        line.session.quiet()
    assert parts(line.session.receive(good))[0] == UA


def test_what_is_not_polled_is_not_taken() -> None:
    line = talking()
    control = line.received << 5 | line.sent << 1
    assert line.session.receive(frame(control, b"\xe6\xe6\x00" + bytes.fromhex(GET_CLOCK))) == b""
    assert line.request(GET_CLOCK).hex()[:8] == "c401c100"


def test_clients_of_one_line_have_links_of_their_own() -> None:
    line = talking()
    public = bytes([16 << 1 | 1])
    assert parts(line.session.receive(frame(0x11, by=public)), by=public)[0] == DM
    assert parts(line.session.receive(frame(SNRM, by=public)), by=public)[0] == UA
    line.session.receive(frame(0x10, b"\xe6\xe6\x00" + AARQ_PUBLIC, by=public))
    assert line.session.receive(frame(DISC, by=public)) != b""
    assert line.request(GET_CLOCK).hex()[:8] == "c401c100"


def test_a_meter_that_gave_up_is_silent_until_the_line_was_quiet() -> None:
    ciphered = CipheredWire(device(stale=Stale.SILENCE))
    line = Line(ciphered.device)
    line.connect()
    line.request(aarq(tlv(0x21, ciphered.covered(INITIATE)), mechanism=1, shown=PASSWORD))
    ciphered.counter = 0
    stale = b"\xe6\xe6\x00" + tlv(0xC8, ciphered.covered(GET_CLOCK))
    assert line.session.receive(frame(line.received << 5 | 0x10 | line.sent << 1, stale)) == b""
    assert line.session.closed
    assert line.session.receive(frame(SNRM)) == b""
    line.session.quiet()
    assert line.ask(0x11)[0] == DM
    line.connect()
    assert line.request(GET_CLOCK).hex() == "d80101"


def test_a_release_is_answered_before_the_link_ends() -> None:
    line = talking()
    assert line.request(RLRQ).hex() == "6303800100"
    assert line.ask(DISC)[0] == UA


SHARED = device()
TALK = [
    frame(SNRM),
    frame(0x10, b"\xe6\xe6\x00" + AARQ_READER),
    frame(0x32, b"\xe6\xe6\x00" + bytes.fromhex(f"C001C1{BLOCK_LOAD}0300")),
    frame(0x51),
    frame(DISC),
]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, sum(map(len, TALK)))))
def test_portions_do_not_matter(cuts: list[int]) -> None:
    stream = b"".join(TALK)
    whole = Line(SHARED).session.receive(stream)
    ends = [0, *sorted(cuts), len(stream)]
    slow = Line(SHARED).session
    assert b"".join(slow.receive(stream[a:b]) for a, b in itertools.pairwise(ends)) == whole
    assert whole.count(b"\xe6\xe7\x00") == 2


@settings(deadline=None, max_examples=200)
@given(st.lists(st.one_of(st.sampled_from(TALK), st.binary(max_size=60)), max_size=12))
def test_noise_and_frames_in_any_order_never_raise_and_the_meter_goes_on(sent: list[bytes]) -> None:
    line = Line()
    for each in sent:
        line.session.receive(each)
    line.session.quiet()
    line.connect()
    assert line.request(AARQ_READER)[:1] == b"\x61"


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=20), st.booleans()), max_size=12))
def test_good_frames_with_any_control_never_raise_and_the_meter_goes_on(sent: list[tuple[int, bytes, bool]]) -> None:
    line = Line()
    line.connect()
    for control, information, segmented in sent:
        answer = line.session.receive(frame(control, information, segmented=segmented))
        if answer:
            parts(answer)
    line.connect()
    assert line.request(AARQ_READER)[:1] == b"\x61"
