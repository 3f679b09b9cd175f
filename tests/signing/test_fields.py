"""Each field check: last good, first bad, and the path in the words."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import pytest

from signing import fields
from signing.errors import DecodeError


class Colour(IntEnum):
    RED = 0
    BLUE = 1


Check = Callable[[object, str], Any]


def _array(value: object, path: str) -> list[object]:
    return fields.array(value, 2, path)


def _sequence(value: object, path: str) -> list[object]:
    return fields.sequence(value, path, least=1, most=2)


def _integer(value: object, path: str) -> int:
    return fields.integer(value, path, least=-1, most=1)


def _bytes(value: object, path: str) -> bytes:
    return fields.byte_string(value, path, most=2)


def _member(value: object, path: str) -> Colour:
    return fields.member(value, Colour, path)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (_array, [[1, 2]], [[1], [1, 2, 3], (1, 2), None, "ab", {}]),
        (_sequence, [[1], [1, 2]], [[], [1, 2, 3], (1,), None]),
        (_integer, [-1, 0, 1], [-2, 2, True, 1.0, "1", None]),
        (fields.uint, [0, 2**63 - 1], [-1, 2**63, False, None]),
        (_bytes, [b"", b"ab"], [b"abc", "ab", bytearray(b"a"), None]),
        (fields.digest, [bytes(32)], [bytes(31), bytes(33), "x" * 32, None]),
        (fields.salt, [bytes(16)], [bytes(15), bytes(17), None]),
        (
            fields.identifier,
            ["a", "A1._:%-", "x" * 64],
            ["", "x" * 65, "-a", "a b", "a/b", "a+b", "a#", "ä", "a\n", 1, None],
        ),
        (fields.label, ["a", "π r²", "x" * 128], ["", "x" * 129, "a\n", "a\x00", "\u202e", 5, None]),
        (_member, [0, 1], [2, -1, True, "0", None, Colour]),
    ],
)
def test_a_field_takes_what_it_says_and_nothing_beside(check: Check, good: list[object], bad: list[object]) -> None:
    for value in good:
        assert check(value, "the.path") == value
    for value in bad:
        with pytest.raises(DecodeError, match=r"'the\.path'"):
            check(value, "the.path")


def test_an_optional_field_is_null_or_checked() -> None:
    assert fields.optional(None, fields.uint, "x") is None
    assert fields.optional(3, fields.uint, "x") == 3
    with pytest.raises(DecodeError):
        fields.optional(-3, fields.uint, "x")


def test_a_message_is_short_whatever_it_is_about() -> None:
    for check in (fields.uint, fields.digest, fields.identifier, fields.label, _array, _member):
        with pytest.raises(DecodeError) as caught:
            check("x" * 100_000, "path")
        assert len(str(caught.value)) < 400
