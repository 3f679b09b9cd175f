"""AARQ and AARE byte for byte."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError
from edge_agent.readers.dlms import association
from edge_agent.readers.dlms.association import (
    OFFERED,
    Association,
    Conformance,
    Secret,
    aarq,
    elements,
    initiate_response,
    parse_grant,
    rlrq,
)
from tests.edge_agent.readers.dlms.wire import AARE_OK

REJECTED = "6129a109060760857405080101a20302010{}a305a10302010{}be10040e0800065f1f040000121404000007"


def parse_aare(apdu: bytes) -> Association:
    """What an answer without ciphering grants."""
    return initiate_response(parse_grant(apdu, is_ciphered=False).initiate)


def test_a_public_request_is_byte_for_byte_the_green_books() -> None:
    assert aarq(None).hex() == "601da109060760857405080101be10040e01000000065f1f0400001214ffff"


def test_a_password_request_is_byte_for_byte_the_green_books() -> None:
    assert aarq(Secret(b"12345678")).hex() == (
        "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738"
        "be10040e01000000065f1f0400001214ffff"
    )


def test_nothing_but_reading_is_offered() -> None:
    assert OFFERED == 0x001214
    assert Conformance.GET in OFFERED
    # SET is bit 20 (0x08), ACTION bit 23 (0x01) of the conformance block.
    assert not int(OFFERED) & 0x000009


@pytest.mark.parametrize("size", [0, 65])
def test_a_password_that_cannot_be_is_refused_without_showing_it(size: int) -> None:
    with pytest.raises(ValueError, match=r"^expected a password of 1 to 64 octets$"):
        aarq(Secret(b"k" * size))


def test_a_dedicated_key_never_leaves_in_plain() -> None:
    with pytest.raises(ValueError, match="ciphered InitiateRequest around a dedicated key"):
        aarq(None, dedicated=Secret(bytes(16)))


def test_a_ciphered_request_with_a_long_password_has_a_long_length() -> None:
    request = aarq(
        Secret(b"k" * 64), title=bytes(8), protect=lambda plain: b"\x21" + bytes([len(plain) + 17]) + bytes(17) + plain
    )
    assert request[:2] == b"\x60\x81"
    assert len(request) == 3 + request[2]


def test_a_long_password_still_fits() -> None:
    assert aarq(Secret(b"k" * 64))[0] == 0x60


def test_a_secret_shows_itself_to_nobody() -> None:
    assert "hunter2" not in f"{Secret(b'hunter2')!r} {Secret(b'hunter2')}"


def test_release_is_the_green_books() -> None:
    assert rlrq().hex() == "6203800100"


def test_a_grant_is_read() -> None:
    assert parse_aare(AARE_OK) == Association(conformance=OFFERED, max_pdu=0x0400)


def test_what_was_not_offered_is_not_granted() -> None:
    granted = parse_aare(AARE_OK.replace(bytes.fromhex("001214"), bytes.fromhex("ffffff")))
    assert granted.conformance == OFFERED


def test_a_pdu_size_of_zero_means_no_limit() -> None:
    assert parse_aare(AARE_OK[:-4] + bytes.fromhex("00000007")).max_pdu == 0xFFFF


def test_a_quality_of_service_is_skipped() -> None:
    with_it = bytes.fromhex("612aa109060760857405080101a203020100a305a103020100be11040f080100065f1f040000121404000007")
    assert parse_aare(with_it).max_pdu == 0x0400


def test_a_wrong_password_is_refused_for_good() -> None:
    with pytest.raises(MeterRefusedError, match="check the password") as caught:
        parse_aare(bytes.fromhex(REJECTED.format(1, "d")))
    assert caught.value.reason == 13


def test_a_busy_meter_is_left_alone_for_longer_than_its_time_out() -> None:
    with pytest.raises(MeterUnavailableError, match="for now") as caught:
        parse_aare(bytes.fromhex(REJECTED.format(2, 1)))
    assert (caught.value.retry_after_s or 0) > 120


def test_a_meter_that_grants_no_get_is_refused() -> None:
    with pytest.raises(MeterRefusedError, match="GET"):
        parse_aare(AARE_OK.replace(bytes.fromhex("001214"), bytes.fromhex("001204")))


def test_ciphering_nobody_asked_for_is_refused() -> None:
    with pytest.raises(MeterRefusedError, match="application context"):
        parse_aare(AARE_OK.replace(bytes.fromhex("0760857405080101"), bytes.fromhex("0760857405080103")))


def test_a_service_error_is_a_refusal() -> None:
    hexed = "6118a109060760857405080101a203020100be0604040e010601"
    data = bytes.fromhex(hexed)
    with pytest.raises(MeterRefusedError, match="refuses to initiate"):
        parse_aare(data[:1] + bytes([len(data) - 2]) + data[2:])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a203020100", "a203020200", "AARE result|expected"),
        ("0007", "fa00", "VAA"),
        ("5f1f0400", "5f1f0300", "conformance"),
        ("0800065f", "0900065f", "InitiateResponse"),
        ("a203020100", "a303020100", "0xa3 twice"),
    ],
)
def test_a_malformed_grant_is_refused(old: str, new: str, message: str) -> None:
    wrong = AARE_OK.hex().replace(old, new)
    with pytest.raises(MeterDecodeError, match=message):
        parse_aare(bytes.fromhex(wrong))


@pytest.mark.parametrize(
    ("hexed", "found"),
    [
        ("a101ff", (0xA1, b"\xff")),
        ("a18101ff", (0xA1, b"\xff")),
        ("a1820001ff", (0xA1, b"\xff")),
        ("a17f" + "00" * 127, (0xA1, bytes(127))),
        ("a18180" + "00" * 128, (0xA1, bytes(128))),
    ],
)
def test_lengths_come_short_and_long(hexed: str, found: tuple[int, bytes]) -> None:
    assert list(elements(bytes.fromhex(hexed), "x")) == [found]


@pytest.mark.parametrize("hexed", ["a180ff0000", "a183000001ff", "a181", "a18200", "a1", "a102ff"])
def test_indefinite_and_cut_lengths_are_refused(hexed: str) -> None:
    with pytest.raises(MeterDecodeError, match="in x"):
        list(elements(bytes.fromhex(hexed), "x"))


def test_no_request_needs_a_long_length() -> None:
    assert association._tlv(0x60, bytes(127))[1] == 127
    with pytest.raises(ValueError, match="at most 127 octets"):
        association._tlv(0x60, bytes(128))


def test_a_result_has_one_octet() -> None:
    longer = AARE_OK.replace(bytes.fromhex("6129"), bytes.fromhex("612a"))
    with pytest.raises(MeterDecodeError, match="expected one octet in AARE result, got 0000"):
        parse_aare(longer.replace(bytes.fromhex("a203020100"), bytes.fromhex("a20402020000")))


def test_another_dlms_version_is_refused() -> None:
    with pytest.raises(MeterRefusedError, match="version 6, got 5"):
        parse_aare(AARE_OK.replace(bytes.fromhex("0800065f"), bytes.fromhex("0800055f")))


@given(st.integers(0, len(AARE_OK) - 1))
def test_a_cut_grant_is_refused(cut: int) -> None:
    with pytest.raises(MeterDecodeError):
        parse_aare(AARE_OK[:cut])


@given(st.integers(0, len(AARE_OK) - 1), st.integers(0, 255))
def test_a_grant_with_one_wrong_octet_never_crashes(at: int, octet: int) -> None:
    with contextlib.suppress(MeterDecodeError, MeterRefusedError, MeterUnavailableError):
        parse_aare(AARE_OK[:at] + bytes([octet]) + AARE_OK[at + 1 :])
