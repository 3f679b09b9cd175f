"""Exact JSON: decimals stay what they were, and nothing but one error escapes."""

import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.exact_json import JsonError, decimal_text, dumps, kwh, loads, loads_strict


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (kwh(-19200), "-19.2"),
        (kwh(6000), "6"),
        (kwh(0), "0"),
        (kwh(1), "0.001"),
        (kwh(100_000), "100"),
        (kwh(2**53 - 1), "9007199254740.991"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0"), "0"),
        (Decimal("0.10"), "0.1"),
    ],
)
def test_decimals_are_written_exactly_and_shortly(value: Decimal, text: str) -> None:
    assert decimal_text(value) == text


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_what_is_no_number_is_not_written(text: str) -> None:
    with pytest.raises(JsonError):
        decimal_text(Decimal(text))


def test_a_float_is_not_written() -> None:
    with pytest.raises(TypeError, match="float"):
        dumps({"a": 0.1})


def test_keys_keep_their_order_and_no_space_is_written() -> None:
    assert dumps({"b": [1, True, None, "é"], "a": {"x": Decimal("1.5")}}) == (
        b'{"b":[1,true,null,"\\u00e9"],"a":{"x":1.5}}'
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_what_is_written_reads_back_equal(value: object) -> None:
    assert loads(dumps(value)) == value
    json.loads(dumps(value))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"NaN",
        b'{"a":Infinity}',
        b"[1] x",
        b"[" * 100_000,
        b'{"a":1e99999999999999999999}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_bytes_that_are_not_json_raise_the_one_error(body: bytes) -> None:
    with pytest.raises(JsonError) as caught:
        loads(body)
    assert len(str(caught.value)) < 100


def test_an_integer_of_thousands_of_digits_stays_beside_what_can_be_read() -> None:
    assert loads(b"[1," + b"1" * 5000 + b"]") == [1, Decimal("1" * 5000)]
    with pytest.raises(JsonError):
        loads_strict(b"1" * 5000)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for read in (loads, loads_strict):
        with contextlib.suppress(JsonError):
            read(body)


def test_the_strict_reader_refuses_a_key_twice() -> None:
    assert loads(b'{"a":1,"a":2}') == {"a": 2}
    with pytest.raises(JsonError, match="every key once"):
        loads_strict(b'{"a":1,"a":2}')
    with pytest.raises(JsonError):
        loads_strict(b'[{"x":{"a":1,"a":1}}]')
