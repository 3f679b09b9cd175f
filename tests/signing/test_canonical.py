"""One byte form for one value, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.canonical import MAX_DEPTH, decode, encode
from signing.errors import DecodeError
from tests.signing import tiny_cbor


def _maps(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.dictionaries(st.integers(-24, 23), inner) | st.dictionaries(st.text(max_size=300), inner, max_size=5)


ITEMS = st.recursive(
    st.none() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=30) | _maps(inner),
    max_leaves=20,
)


@given(ITEMS)
def test_p3_what_is_encoded_decodes_and_a_second_library_agrees(item: object) -> None:
    data = encode(item)
    assert data == tiny_cbor.encode(item)
    assert decode(data, "x") == item


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x18\x01",  # an integer longer than need be
        b"\x19\x00\xff",
        b"\x58\x01a",  # a length longer than need be
        b"\x9f\x01\xff",  # indefinite
        b"\x5f\x41a\xff",
        b"\xa2\x02\x01\x01\x01",  # keys out of order
        b"\xa2\x01\x01\x01\x02",  # a key twice
        b"\x01\x01",  # a byte too many
        b"\x82\x01",  # a byte too few
        b"\xfa\x3f\x80\x00\x00",  # a float longer than need be
        b"\x61\xff",  # not UTF-8
        b"\xc1\x1a\xff\xff\xff\xff\x00",
        b"\xd8\x23\x61\x28",  # a regular expression that is none
        b"\xc4\x82\x3b\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a decimal with a hostile exponent
        b"\xd8\x1e\x82\x01\x00",  # a rational over zero
        b"\xd8\x1d\x05",  # a shared reference to nothing
        b"\xff",
        b"\xa1\xf5\x01",  # the key true, which Python takes for 1
        b"\xa1\xf9\x3c\x00\x01",  # the key 1.0
        b"\xa1\xe1\x01",  # the key simple(1)
        b"\x81\xa1\xf6\x01",
        b"\xd2\x81\xa1\x41a\x01",
    ],
)
def test_other_bytes_of_a_value_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError, match="in 'here'"):
        decode(data, "here")


@pytest.mark.parametrize("bits", [64, 20_000])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_integer_beyond_64_bits_is_refused_before_any_message_has_to_print_it(bits: int, sign: int) -> None:
    # Python refuses to print more than 4300 digits by an error of its own, which no caller of `decode` expects.
    number = sign * 2**bits - (sign < 0)
    for data in (encode(number), encode([1, {1: number}]), encode([[number]])):
        with pytest.raises(DecodeError, match="in 'here'"):
            decode(data, "here")


@pytest.mark.parametrize(
    "data",
    [
        b"\xc0\x74" + b"2026-04-26T04:30:00Z",
        b"\xc1\x00",
        b"\xc4\x82\x01\x01",
        b"\xd8\x1e\x82\x01\x02",
        b"\xd8\x23\x61a",
        b"\xd8\x25\x50" + bytes(16),
        b"\xd9\x01\x02\x80",
        b"\xd9\xd9\xf7\x00",
    ],
)
def test_a_tag_that_the_library_would_resolve_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError, match="in 'here'"):
        decode(data, "here")


def test_nesting_is_bounded() -> None:
    assert decode(b"\x81" * (MAX_DEPTH - 1) + b"\x00", "x")
    for depth in (MAX_DEPTH + 1, 1000, 1_000_000):
        with pytest.raises(DecodeError):
            decode(b"\x81" * depth + b"\x00", "x")
