"""The TCP wrapper: frames whole, in pieces, and wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.dlms.wrapper import WrapperLink


def frame(apdu: bytes, source: int = 1, destination: int = 32) -> bytes:
    return b"\x00\x01" + source.to_bytes(2) + destination.to_bytes(2) + len(apdu).to_bytes(2) + apdu


def link() -> WrapperLink:
    return WrapperLink(client=32, server=1)


def test_a_request_goes_from_the_client_to_the_server() -> None:
    assert link().send(b"\xc0\x01").hex() == "0001002000010002c001"


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.integers(1, 50))
def test_apdus_arrive_however_the_bytes_are_cut(apdus: list[bytes], chunk: int) -> None:
    stream = b"".join(frame(apdu) for apdu in apdus)
    receiver = link()
    arrived = [apdu for at in range(0, len(stream), chunk) for apdu in receiver.receive(stream[at : at + chunk]).apdus]
    assert arrived == apdus


@pytest.mark.parametrize(
    "header", ["0002000100200001", "0001000200200001", "0001000100100001", "7ea0000100200001", "ffffffffffffffff"]
)
def test_a_header_of_another_protocol_or_party_is_refused(header: str) -> None:
    with pytest.raises(MeterDecodeError, match="expected a wrapper header version 1 from 1 to 32"):
        link().receive(bytes.fromhex(header))


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(MeterDecodeError, match="length 0"):
        link().receive(frame(b""))


@pytest.mark.parametrize("size", [0, 65_536])
def test_an_apdu_that_no_header_can_count_is_not_sent(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 65535"):
        link().send(bytes(size))


@given(
    apdus=st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.booleans()), max_size=5), chunk=st.integers(1, 50)
)
def test_what_the_meter_pushes_between_its_answers_is_no_answer(apdus: list[tuple[bytes, bool]], chunk: int) -> None:
    stream = b"".join(frame(apdu, destination=64 if is_push else 32) for apdu, is_push in apdus)
    receiver = link()
    arrived = [apdu for at in range(0, len(stream), chunk) for apdu in receiver.receive(stream[at : at + chunk]).apdus]
    assert arrived == [apdu for apdu, is_push in apdus if not is_push]


def test_a_push_of_another_device_on_this_connection_is_refused() -> None:
    with pytest.raises(MeterDecodeError, match="from 2 to 64"):
        link().receive(frame(b"\x0f", source=2, destination=64))


def test_the_push_client_itself_has_answers() -> None:
    assert WrapperLink(client=64, server=1).receive(frame(b"\xc4", destination=64)).apdus == (b"\xc4",)
