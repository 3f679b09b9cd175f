"""The least of a profile is counted in octets that were really made: by the frame and cipher codecs, and by a whole reading."""

from pathlib import Path

import pytest

from benchmarks import least, line
from benchmarks.least import block_octets, ciphered, least_octets, length_octets, message_octets, room, rows_octets
from edge_agent.readers.dlms import apdu, codec
from edge_agent.readers.dlms.codec import Data, Tag
from edge_agent.readers.dlms.hdlc_frame import Frame, client_address, encode, server_address
from edge_agent.readers.dlms.security import Secret, seal

KEY = Secret(bytes(16))


def framed(message: bytes, size: int) -> int:
    """Octets of `message` in frames, with a receive-ready for each but the last."""
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    ends = {"destination": client_address(32), "source": server_address(1)}
    frames = [encode(Frame(0x10, part), **ends) for part in parts]
    ready = encode(Frame(0x11), destination=server_address(1), source=client_address(32))
    return sum(map(len, frames)) + len(ready) * (len(parts) - 1)


def protected(plain: bytes) -> bytes:
    content = b"\x30" + bytes(4) + seal(KEY, control=0x30, authentication=KEY, nonce=bytes(12), plain=plain)
    return b"\xcc" + codec.encode_length(len(content)) + content


@pytest.mark.parametrize("octets", [1, 124, 125, 126, 253, 254, 1021, 1022, 5000])
@pytest.mark.parametrize("frame", [32, 128, 2030])
def test_a_message_takes_what_its_frames_take(octets: int, frame: int) -> None:
    assert message_octets(octets, frame) == framed(bytes(least.LLC + octets), frame)


@pytest.mark.parametrize("data", [1, 99, 100, 101, 102, 127, 128, 226, 227, 228, 255, 256, 988, 60_000])
def test_a_block_takes_what_its_request_and_answer_take(data: int) -> None:
    request = protected(apdu.get_next(1, 7))
    answer = protected(bytes.fromhex("c402c10000000001") + b"\x00" + codec.encode_length(data) + bytes(data))
    assert len(request) == ciphered(least.NEXT)
    assert len(answer) == ciphered(least.BLOCK_HEADER + length_octets(data) + data)
    assert block_octets(data, 128) == framed(bytes(3) + request, 128) + framed(bytes(3) + answer, 128)


def test_rows_are_an_array_of_the_length_of_a_row() -> None:
    row = codec.structure(
        codec.octets(bytes(12)), Data(Tag.UINT16, 2300), *(Data(Tag.UINT32, energy) for energy in range(4))
    )
    assert len(codec.encode(row)) == line.ROW
    for rows in (1, 127, 128, 3360):
        assert rows_octets(rows, line.ROW) == len(codec.encode(codec.array(*[row] * rows)))


@pytest.mark.parametrize("pdu", [64, 128, 150, 151, 152, 153, 154, 256, 290, 1024])
def test_a_block_fills_its_pdu_and_no_more(pdu: int) -> None:
    full, more = (ciphered(least.BLOCK_HEADER + length_octets(data) + data) for data in (room(pdu), room(pdu) + 1))
    assert full <= pdu < more


def test_the_least_is_that_of_the_best_block() -> None:
    # 512 octets and 3 of LLC need five frames of 128; 509 need four.
    assert least_octets(100_000, pdu=512, frame=128) == least_octets(100_000, pdu=509, frame=128)
    assert least_octets(100_000, pdu=509, frame=128) < least_octets(100_000, pdu=508, frame=128)
    by_hand = 300 * block_octets(room(509), 128) + block_octets(5, 128)
    assert least_octets(300 * room(509) + 5, pdu=512, frame=128) == by_hand


def test_a_pdu_without_room_for_a_block_has_no_least() -> None:
    with pytest.raises(ValueError, match="holds a block"):
        least_octets(10, pdu=28, frame=128)


@pytest.mark.slow
@pytest.mark.parametrize("pdu", [256, 1024])
def test_no_reading_takes_less_than_the_least_and_none_much_more(tmp_path: Path, pdu: int) -> None:
    found = line.octets(tmp_path / "wire", pdu, days=3)
    assert found.rows == 3 * 96
    assert found.least <= found.profile <= found.least * 1.01
    assert found.profile < found.later < found.first
