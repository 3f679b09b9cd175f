"""A meter's pushes: whole, in pieces, cut, with more behind them, forged, and as other programs make them."""

import contextlib
import datetime as dt

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from dlms_cosem.protocol.xdlms import DataNotification, GeneralGlobalCipher
from dlms_cosem.protocol.xdlms.data_notification import LongInvokeIdAndPriority
from dlms_cosem.security import SecurityControlField
from dlms_cosem.security import encrypt as peer_encrypt
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError, MeterForgedError
from edge_agent.readers.dlms import codec
from edge_agent.readers.dlms.codec import Data, Tag
from edge_agent.readers.dlms.push import (
    MAX_PUSH_OCTETS,
    EventBit,
    Kind,
    Notification,
    PushFrames,
    SealedPush,
    open_sealed,
    parse_datagram,
    parse_push,
    told,
)
from edge_agent.readers.dlms.security import CipherKeys, Secret

EK = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
AK = bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
TITLE = bytes.fromhex("4D4D4D0000BC614E")
KEYS = CipherKeys(encryption=Secret(EK), authentication=Secret(AK))
STAMP = bytes.fromhex("07EA041A07000F0000FEB600")
LAST_GASP = "0" * 85 + "1" + "0" * 42
ALERT = codec.structure(
    codec.octets(b"SKS12345678"),
    codec.octets(bytes.fromhex("0004190900FF")),
    codec.octets(STAMP),
    Data(Tag.BIT_STRING, LAST_GASP),
)
PLAIN = bytes.fromhex("0F 00000001 0C") + STAMP + codec.encode(ALERT)


def seal(plain: bytes, counter: int = 7, *, control: int = 0x30, title: bytes = TITLE, key: bytes = EK) -> bytes:
    """`plain` in general-glo-ciphering, by the primitive alone."""
    count = counter.to_bytes(4, "big")
    content = AESGCM(key).encrypt(title + count, plain, bytes([control]) + AK)[:-4]
    body = bytes([control]) + count + content
    return bytes([0xDB, len(title)]) + title + codec.encode_length(len(body)) + body


def frame(apdu: bytes, *, source: int = 1, destination: int = 64, version: int = 1) -> bytes:
    return b"".join(part.to_bytes(2, "big") for part in (version, source, destination, len(apdu))) + apdu


def plain(apdu: bytes) -> Notification:
    found = parse_push(apdu)
    assert isinstance(found, Notification)
    return found


def sealed(apdu: bytes) -> SealedPush:
    found = parse_push(apdu)
    assert isinstance(found, SealedPush)
    return found


def test_a_plain_push_says_what_it_is() -> None:
    found = plain(PLAIN)
    assert (found.invoke, found.stamp, found.body) == (1, STAMP, ALERT)
    said = told(found)
    assert (said.kind, set(said.events)) == (Kind.ALERT, {int(EventBit.LAST_GASP)})
    assert b"SKS12345678" in said.names


def test_a_push_without_date_time_has_none() -> None:
    assert plain(bytes.fromhex("0F 80000002 00") + codec.encode(ALERT)).stamp is None


@pytest.mark.parametrize("length", ["01", "0B", "0D", "09"])
def test_a_date_time_of_another_length_is_refused(length: str) -> None:
    with pytest.raises(MeterDecodeError, match="date-time"):
        parse_push(bytes.fromhex("0F 00000001" + length) + STAMP + codec.encode(ALERT))


def test_a_ciphered_push_is_opened_when_its_tag_verifies() -> None:
    found = sealed(seal(PLAIN))
    assert (found.title, found.counter) == (TITLE, 7)
    assert open_sealed(found, KEYS) == plain(PLAIN)


@given(at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_changed_bit_of_a_ciphered_push_is_believed(at: int, bit: int) -> None:
    octets = bytearray(seal(PLAIN))
    octets[at % len(octets)] ^= 1 << bit
    with pytest.raises(MeterDecodeError):
        open_sealed(sealed(bytes(octets)), KEYS)


@pytest.mark.parametrize("changed", [{"key": bytes(16)}, {"title": bytes(8)}])
def test_another_key_or_title_opens_nothing(changed: dict[str, bytes]) -> None:
    found = sealed(seal(PLAIN, **changed))  # type: ignore[arg-type]  # both are bytes
    with pytest.raises(MeterForgedError, match="tag"):
        open_sealed(SealedPush(title=TITLE, counter=found.counter, content=found.content), KEYS)


@pytest.mark.parametrize("control", [0x00, 0x10, 0x20, 0x31, 0x70, 0xB0])
def test_a_push_that_is_protected_otherwise_is_refused(control: int) -> None:
    with pytest.raises(MeterForgedError, match="security control"):
        parse_push(seal(PLAIN, control=control))


@pytest.mark.parametrize("length", [0, 7, 9])
def test_a_title_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(MeterDecodeError, match="system title"):
        parse_push(bytes([0xDB, length]) + bytes(length) + b"\x20" + bytes(32))


def test_the_shortest_protected_content_has_an_apdu_in_it() -> None:
    head = b"\xdb\x08" + TITLE
    with pytest.raises(MeterDecodeError, match="got 17 octets"):
        parse_push(head + b"\x11\x30" + bytes(16))
    assert len(sealed(head + b"\x12\x30" + bytes(17)).content) == 13


def test_a_dedicated_key_and_blocks_are_refused_by_name() -> None:
    with pytest.raises(MeterForgedError, match="general-ded"):
        parse_push(b"\xdc" + seal(PLAIN)[1:])
    with pytest.raises(MeterDecodeError, match="general-block-transfer"):
        parse_push(b"\xe0" + bytes(20))


def test_an_answer_behind_a_good_tag_is_no_push() -> None:
    with pytest.raises(MeterDecodeError, match="data-notification behind the tag"):
        open_sealed(sealed(seal(bytes.fromhex("C401C10011FF"))), KEYS)


@given(cut=st.integers(min_value=0))
def test_a_push_that_is_cut_is_refused(cut: int) -> None:
    for whole in (PLAIN, seal(PLAIN)):
        with pytest.raises(MeterDecodeError):
            parse_push(whole[: cut % len(whole)])


@given(rest=st.binary(min_size=1))
def test_nothing_may_stand_behind_a_push(rest: bytes) -> None:
    for whole in (PLAIN, seal(PLAIN)):
        with pytest.raises(MeterDecodeError, match="trailing"):
            parse_push(whole + rest)


@given(
    st.binary(max_size=80),
    st.sampled_from([b"", b"\x0f", b"\xdb\x08", b"\x0f\x00\x00\x00\x01\x00", b"\xdb\x08" + TITLE]),
)
def test_no_octets_do_anything_else_than_be_a_push_or_not(octets: bytes, head: bytes) -> None:
    try:
        found = parse_push(head + octets)
        if isinstance(found, SealedPush):
            found = open_sealed(found, KEYS)
        told(found)
    except MeterDecodeError:
        pass


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (codec.structure(codec.octets(bytes.fromhex("0000190900FF"))), Kind.INSTANT),
        (codec.structure(codec.octets(bytes.fromhex("0084190900FF"))), Kind.OTHER),
        (codec.structure(codec.octets(bytes.fromhex("0100630100FF"))), Kind.OTHER),
        (codec.array(codec.octets(bytes.fromhex("0004190900FF"))), Kind.OTHER),
        (codec.NULL, Kind.OTHER),
    ],
)
def test_the_push_setup_in_the_body_says_the_kind(body: Data, kind: Kind) -> None:
    assert told(Notification(invoke=0, stamp=None, body=body)).kind is kind


@pytest.mark.parametrize(
    ("word", "events"), [("1" + "0" * 126 + "1", {0, 127}), ("1" * 127, set()), ("1" * 129, set())]
)
def test_an_event_status_word_has_128_bits(word: str, events: set[int]) -> None:
    alert = codec.structure(codec.octets(bytes.fromhex("0004190900FF")), Data(Tag.BIT_STRING, word))
    assert told(Notification(invoke=0, stamp=None, body=alert)).events == events


def test_only_an_alert_has_events() -> None:
    body = codec.structure(codec.octets(bytes.fromhex("0000190900FF")), Data(Tag.BIT_STRING, LAST_GASP))
    assert told(Notification(invoke=0, stamp=None, body=body)).events == set()


# The wrapper


@given(pushes=st.lists(st.binary(min_size=1, max_size=40), max_size=4), pieces=st.lists(st.integers(1, 30)))
def test_pushes_come_out_of_their_frames_however_they_are_cut(pushes: list[bytes], pieces: list[int]) -> None:
    stream = b"".join(frame(apdu) for apdu in pushes)
    frames, at = PushFrames(), 0
    found: list[bytes] = []
    for size in [*pieces, len(stream)]:
        found += frames.feed(stream[at : at + size])
        at += size
    assert found == pushes
    assert frames.is_between


def test_pushes_come_out_octet_by_octet() -> None:
    frames = PushFrames()
    found: list[bytes] = []
    for octet in frame(PLAIN) + frame(seal(PLAIN)) + b"\x00":
        found += frames.feed(bytes([octet]))
    assert found == [PLAIN, seal(PLAIN)]
    assert not frames.is_between


@pytest.mark.parametrize(
    "header", ["0000 0001 0040 0001", "0002 0001 0040 0001", "0001 0001 0040 0000", "7EA0 0001 0040 0001"]
)
def test_a_header_that_is_not_the_wrappers_ends_it(header: str) -> None:
    with pytest.raises(MeterDecodeError):
        PushFrames().feed(bytes.fromhex(header))


def test_a_push_may_be_so_long_and_no_longer() -> None:
    assert PushFrames().feed(frame(bytes(MAX_PUSH_OCTETS))) == (bytes(MAX_PUSH_OCTETS),)
    with pytest.raises(MeterDecodeError, match="got 8193"):
        PushFrames().feed(frame(bytes(MAX_PUSH_OCTETS + 1))[:8])


@given(st.binary(max_size=60))
def test_no_octets_do_anything_else_to_the_wrapper_than_fit_or_not(octets: bytes) -> None:
    with contextlib.suppress(MeterDecodeError):
        PushFrames().feed(octets)


def test_a_datagram_is_one_whole_frame() -> None:
    assert parse_datagram(frame(PLAIN)) == PLAIN
    for wrong in (b"", frame(PLAIN)[:-1], frame(PLAIN) + b"\x00", frame(PLAIN) * 2):
        with pytest.raises(MeterDecodeError):
            parse_datagram(wrong)


# An independent peer


def test_dlms_cosem_and_we_say_the_same_of_a_push() -> None:
    ours, theirs = plain(PLAIN), DataNotification.from_bytes(PLAIN)
    assert theirs.long_invoke_id_and_priority.long_invoke_id == ours.invoke
    assert theirs.date_time is not None
    assert theirs.date_time.astimezone(dt.UTC).isoformat() == "2026-04-25T18:45:00+00:00"
    assert theirs.body == codec.encode(ours.body)


def test_a_push_that_dlms_cosem_ciphers_is_opened() -> None:
    control = SecurityControlField(security_suite=0, authenticated=True, encrypted=True)
    invoke = LongInvokeIdAndPriority(long_invoke_id=9)
    made = DataNotification(invoke, None, codec.encode(ALERT)).to_bytes()
    text = peer_encrypt(control, TITLE, 21, EK, made, AK)
    found = sealed(GeneralGlobalCipher(TITLE, control, 21, text).to_bytes())
    assert found.counter == 21
    assert open_sealed(found, KEYS) == Notification(invoke=9, stamp=None, body=ALERT)
