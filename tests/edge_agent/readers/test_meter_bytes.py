"""Whatever a meter sends, to every parser of its bytes: a value or a reader's error, in bounded time and memory."""

import contextlib
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError, ReaderError
from edge_agent.readers.dlms import apdu, association, codec, objects, profile, push
from edge_agent.readers.dlms.codec import Data, Tag, decode, encode
from edge_agent.readers.dlms.cosem import BLOCK_LOAD, CLOCK, meter_clock, obis_text
from edge_agent.readers.dlms.hdlc import HdlcLimits, HdlcLink, parameters
from edge_agent.readers.dlms.hdlc_frame import Deframer, client_address
from edge_agent.readers.dlms.security import Secret
from edge_agent.readers.dlms.session import Session
from edge_agent.readers.dlms.wrapper import WrapperLink
from edge_agent.readers.modbus import decode as modbus
from edge_agent.readers.modbus import sunspec
from edge_agent.readers.modbus.register_map import parse_map
from edge_agent.readers.open import known_maps
from edge_agent.registers import ProfileColumn, ProfileLayout
from firmware_sim.dlms.application import Application
from firmware_sim.dlms.catalogue import Model
from firmware_sim.dlms.clients import DEFAULT_PASSWORD
from firmware_sim.dlms.device import Device
from tests.edge_agent.readers.dlms.ciphered import METER as TITLE
from tests.edge_agent.readers.dlms.ciphered import client, gcm
from tests.edge_agent.readers.dlms.test_hdlc_peer import METER, NOW, QUESTIONS, SERVER, Line, converse, link, meter

LAYOUT = ProfileLayout(
    obis=BLOCK_LOAD.obis,
    columns=tuple(
        ProfileColumn(class_id=c, obis=obis, attribute=2, data_index=0, scaler=0, unit=unit)
        for c, obis, unit in (
            (8, CLOCK.obis, None),
            *((3, f"1.0.{quantity}.27.0.255", 33) for quantity in (31, 51, 71, 32, 52, 72)),
            *((3, f"1.0.{quantity}.29.0.255", 30) for quantity in (1, 9, 2, 10)),
        )
    ),
    capture_period_s=900,
    entries=3360,
    entries_in_use=3360,
    newest_first=False,
)
WORDS = "the bytes under test"


def _answers() -> dict[str, bytes]:
    """What an independent meter says: one answer of each kind."""
    application = Application(Device(METER, now=lambda: NOW, model=Model.D2))
    asked = {
        "aare": association.aarq(Secret(DEFAULT_PASSWORD)),
        "clock": apdu.get_normal(1, CLOCK),
        "columns": apdu.get_normal(1, BLOCK_LOAD.sibling(3)),
        "block": apdu.get_normal(1, BLOCK_LOAD),
        "rows": apdu.get_normal(1, BLOCK_LOAD, profile.by_entry(1, 5)),
        "list": apdu.get_with_list(1, (CLOCK, BLOCK_LOAD.sibling(4), BLOCK_LOAD.sibling(9))),
        "refused": apdu.get_normal(1, BLOCK_LOAD.sibling(9)),
    }
    return {name: application.answer(32, request) for name, request in asked.items()}


ANSWERS = _answers()
_GIVEN = tuple(answer for name, answer in ANSWERS.items() if name != "aare")
_ROWS = ANSWERS["rows"][4:]
_LISTED = bytes.fromhex(
    "0101 0204 120007 1101 09060100630100ff 0202 0102 0203 0f01 1601 00 0203 0f02 1601 01020f010f02 0100"
)


def _cipher(sealed: bytes) -> object:
    cipher = client()
    cipher.meet(TITLE)
    return cipher.open(sealed)


def _initiate(sealed: bytes) -> object:
    cipher = client()
    cipher.meet(TITLE)
    return cipher.open_initiate(sealed)


def _sealed(tag: int, plain: bytes) -> bytes:
    counter = bytes([0, 0, 0, 9])
    body = b"\x30" + counter + gcm(bytes(range(16)), 0x30, bytes(range(0xD0, 0xE0)), TITLE + counter, plain)
    return bytes([tag]) + codec.encode_length(len(body)) + body


def _session(said: bytes) -> object:
    session = Session(WrapperLink(client=32, server=1), Secret(DEFAULT_PASSWORD))
    session.associate()
    for each in (ANSWERS["aare"], said):
        outcome = session.receive(bytes.fromhex("0001 0001 0020") + len(each).to_bytes(2, "big") + each)
        if session.state.name == "READY":
            session.get(BLOCK_LOAD)
    return outcome


def _pushed(raw: bytes) -> object:
    found = push.parse_push(raw)
    return push.told(found) if isinstance(found, push.Notification) else found


def _words(raw: bytes) -> list[int]:
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw) - 1, 2)]


def _granted(raw: bytes) -> object:
    return association.initiate_response(association.parse_grant(raw, is_ciphered=False).initiate)


PARSERS: dict[str, tuple[Callable[[bytes], object], tuple[bytes, ...]]] = {
    "A-XDR": (decode, (_ROWS, ANSWERS["columns"][4:], bytes.fromhex("13 0202 110f 06 010502060307"))),
    "date-time": (meter_clock, (bytes.fromhex("07ea041a000c071fff8000ff"), bytes.fromhex("ffffffffffffffffff8000ff"))),
    "logical name": (obis_text, (bytes.fromhex("0100630100ff"),)),
    "rows": (lambda raw: profile.rows(decode(raw), LAYOUT, profile.StampMeans.END), (_ROWS,)),
    "columns": (lambda raw: profile.capture_objects(decode(raw), WORDS), (ANSWERS["columns"][4:],)),
    "scaler": (lambda raw: profile.scaler_unit(decode(raw), WORDS), (bytes.fromhex("02020fff161e"),)),
    "clock": (lambda raw: profile.clock(decode(raw), WORDS), (ANSWERS["clock"][4:],)),
    "text": (lambda raw: profile.text(decode(raw), WORDS), (bytes.fromhex("0a03535450"), bytes.fromhex("0903ff0041"))),
    "object list": (lambda raw: objects.object_list(decode(raw), WORDS), (_LISTED,)),
    "generic rows": (lambda raw: objects.generic_rows(decode(raw), BLOCK_LOAD.obis, LAYOUT.columns), (_ROWS,)),
    "APDU": (apdu.parse, _GIVEN),
    "results": (apdu.parse_results, (ANSWERS["list"][3:],)),
    "AARE": (_granted, (ANSWERS["aare"],)),
    "session": (_session, _GIVEN),
    "ciphered": (_cipher, (_sealed(0xCC, ANSWERS["clock"]),)),
    "ciphered initiate": (_initiate, (_sealed(0x28, bytes.fromhex("0800065f1f040000121404000007")),)),
    "wrapper": (lambda raw: WrapperLink(client=32, server=1).receive(raw), (bytes.fromhex("0001000100200002 c401"),)),
    "push": (_pushed, (bytes.fromhex("0f000000010c07ea041a000c071fff8000ff0201060000000a"),)),
    "push, as a datagram": (push.parse_datagram, (bytes.fromhex("0001000100400003") + b"\x0f\x00\x00",)),
    "HDLC parameters": (parameters, (bytes.fromhex("818012050180060180070400000001080400000001"),)),
    "SunSpec header": (
        lambda raw: sunspec.header(sunspec.header_block(40002), _words(raw)),
        (bytes.fromhex("00010042"),),
    ),
}
"""Every parser by name, with bytes that it takes."""


@st.composite
def spoiled(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Good bytes with a few places changed, cut, doubled or filled in; or any bytes at all."""
    if not seeds or draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=120))
    raw = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        more = draw(st.sampled_from([b"", b"\x7e", b"\x00", b"\xff", b"\x13", b"\x01\x84\xff\xff\xff\xff"]))
        kind = draw(st.integers(0, 3))
        if kind == 0 and at < len(raw):
            raw[at] = draw(st.integers(0, 255))
        elif kind == 1:
            raw[at:at] = more
        elif kind == 2:
            del raw[at : at + draw(st.integers(1, 9))]
        else:
            raw[at : at + len(more)] = more
    return bytes(raw)


def taken(parser: Callable[[bytes], object], raw: bytes) -> None:
    """A value or a reader's error, at once and in little memory."""
    began = time.process_time()
    tracemalloc.start()
    try:
        with contextlib.suppress(ReaderError):
            parser(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 1
    assert peak < 1_000_000 + 20_000 * len(raw)


@pytest.mark.parametrize("name", PARSERS)
def test_what_is_spoiled_was_good(name: str) -> None:
    parser, seeds = PARSERS[name]
    for seed in seeds:
        # Not a date-time of which nothing is known, nor answers that refuse, or that were not asked for.
        if seed[:4] != b"\xff\xff\xff\xff" and (name != "session" or seed not in (ANSWERS["list"], ANSWERS["refused"])):
            parser(seed)


@pytest.mark.parametrize("name", PARSERS)
@given(st.data())
def test_spoiled_bytes_are_a_value_or_a_readers_error(name: str, data: st.DataObject) -> None:
    parser, seeds = PARSERS[name]
    taken(parser, data.draw(spoiled(seeds)))


@pytest.mark.parametrize("name", [name for name, (_, seeds) in PARSERS.items() if seeds])
def test_every_octet_may_be_any_other_and_the_end_anywhere(name: str) -> None:
    parser, seeds = PARSERS[name]
    for seed in seeds:
        for at in range(min(len(seed), 160)):
            with contextlib.suppress(ReaderError):
                parser(seed[:at])
            for octet in (0x00, 0x01, 0x02, 0x13, 0x7E, 0x7F, 0x80, 0x84, 0xFF):
                with contextlib.suppress(ReaderError):
                    parser(seed[:at] + bytes([octet]) + seed[at + 1 :])


BOMBS = [
    bytes.fromhex("13 0202 01ffff00 11 0f") + bytes(15),
    bytes.fromhex("13 01ffff 01ffff 01ffff 00 01 00"),
    bytes.fromhex("13 02 84ffffffff"),
    bytes.fromhex("01 84ffffffff"),
    bytes.fromhex("09 84ffffffff"),
    bytes.fromhex("04 84ffffffff"),
    b"\x01\x01" * 5000,
    b"\x02\x01" * 5000 + b"\x00",
    b"\x01\x82\xff\xff" + b"\x13\x00\x00" * 20_000,
    b"\x01\x82\xff\xff" + b"\x01\x00" * 30_000,
]


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_few_octets_never_become_much_memory_or_time(bomb: bytes) -> None:
    taken(decode, bomb)
    for name in ("rows", "columns", "generic rows"):
        taken(PARSERS[name][0], bomb)


def test_a_row_of_nulls_in_a_compact_array_may_have_as_many_columns_as_octets_allow() -> None:
    wide = Data(Tag.STRUCTURE, (*[Data(Tag.NULL, None)] * 40, Data(Tag.UINT8, 7)))
    rows = Data(Tag.COMPACT_ARRAY, (wide,) * 30)
    assert decode(encode(rows)) == rows


@pytest.mark.parametrize("place", range(len(ANSWERS["clock"])))
@pytest.mark.parametrize("run", [1, 2, 3])
def test_a_flag_at_every_place_of_an_answer_changes_no_frame(place: int, run: int) -> None:
    """Between two stations that share no code: the meter's frame, whatever its octets, is the client's answer."""
    content = bytearray(ANSWERS["clock"])
    content[place : place + run] = b"\x7e" * len(content[place : place + run])

    class Flagged(Application):
        def answer(self, sap: int, request: bytes) -> bytes:
            told = super().answer(sap, request)
            return bytes(content) if request == QUESTIONS[1] else told

    peer = meter()
    peer._application = Flagged(Device(METER, now=lambda: NOW))
    for chunk in (1, 2, 7, 1 << 16):
        peer = meter()
        peer._application = Flagged(Device(METER, now=lambda: NOW))
        assert converse(link(), peer, Line(), chunk)[1] == bytes(content)


@given(st.lists(st.binary(max_size=300), max_size=12), st.booleans(), st.integers(1, 7))
@example([b"\x7e" * 5000, b"\x7e\xa7\xff" * 900], True, 7)  # noqa: FBT003 - the arguments above
def test_any_bytes_on_an_hdlc_line_end_in_a_readers_error_or_nothing(
    said: list[bytes],
    is_open: bool,  # noqa: FBT001 - drawn
    window: int,
) -> None:
    client_link = HdlcLink(client=32, server=SERVER, limits=HdlcLimits(window=window))
    opening = client_link.send(QUESTIONS[0])
    if is_open:
        client_link.receive(meter().receive(opening))
    began = time.process_time()
    with contextlib.suppress(ReaderError):
        for each in said:
            client_link.receive(each)
            client_link.ask_again()
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "stream",
    [
        b"\x7e" * 200_000,
        b"\x7e\xa7\xff" * 60_000,
        b"\x7e\xa0\x07\x41\x03\x1f" * 30_000,
        b"\xa0\x7e" * 100_000,
        bytes(200_000),
    ],
    ids=["flags", "long frames", "short frames", "headers", "zeros"],
)
def test_an_endless_stream_is_passed_over_in_linear_time_and_constant_memory(stream: bytes) -> None:
    deframer = Deframer(destination=client_address(32), source=SERVER)
    began = time.process_time()
    tracemalloc.start()
    try:
        for at in range(0, len(stream), 4096):
            deframer.feed(stream[at : at + 4096])
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 5
    assert held < 50_000


def test_a_wrapper_frame_octet_by_octet_is_taken_in_linear_time() -> None:
    receiver = WrapperLink(client=32, server=1)
    frame = bytes.fromhex("000100010020ffff") + bytes(0xFFFF)
    began = time.process_time()
    found = [each for octet in frame for each in receiver.receive(bytes([octet])).apdus]
    assert [len(each) for each in found] == [0xFFFF]
    assert time.process_time() - began < 5


@pytest.mark.parametrize("name", sorted(known_maps()))
@given(st.binary(max_size=40))
def test_any_words_of_any_map_are_a_sample_or_an_error(name: str, raw: bytes) -> None:
    known = parse_map(known_maps()[name], name)
    with contextlib.suppress(ReaderError):
        modbus.sample(known, _words(raw), None)


@pytest.mark.parametrize("deviation", ["feb6", "014a", "8000"])
@pytest.mark.parametrize("status", ["00", "ff", "80", "01"])
@pytest.mark.parametrize("hundredths", ["00", "63", "ff"])
@pytest.mark.parametrize("weekday", ["00", "07", "ff"])
def test_every_unspecified_part_that_meters_leave_out_is_the_same_instant(
    deviation: str, status: str, hundredths: str, weekday: str
) -> None:
    found = meter_clock(bytes.fromhex(f"07ea041a{weekday}0c071f{hundredths}{deviation}{status}"))
    assert found.utc_s == NOW
    assert found.status == (None if status == "ff" else int(status, 16))


@pytest.mark.parametrize("part", ["ffff041a", "07eaff1a", "07ea04ff", "07ea04fd", "07eafe1a", "07ea041aff0c07ff"])
def test_a_date_of_which_a_part_is_missing_is_no_instant(part: str) -> None:
    whole = bytes.fromhex("07ea041aff0c071fff8000ff")
    raw = bytes.fromhex(part)
    with pytest.raises(MeterDecodeError, match="wildcard"):
        meter_clock(raw + whole[len(raw) :])
