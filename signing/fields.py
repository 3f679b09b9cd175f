"""Checked fields of decoded items: each gives the value or a `DecodeError` that names the path, expected and got.

Types are compared with `type(x) is …` on purpose: a bool is an int to `isinstance`, and a float must never pass for one.
"""

import re
from collections.abc import Callable
from enum import IntEnum
from typing import TypeVar

from signing.canonical import DIGEST_SIZE, SALT_SIZE
from signing.errors import DecodeError

T = TypeVar("T")
E = TypeVar("E", bound=IntEnum)

MAX_UINT = 2**63 - 1
"""Largest counter accepted: a signed 64-bit column holds it."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:%-]{0,63}")
_LABEL_LENGTH = 128


def array(value: object, length: int, path: str) -> list[object]:
    """`value` as an array of exactly `length` items."""
    if type(value) is not list or len(value) != length:
        raise DecodeError(f"expected an array of {length}, got {_shape(value)} in '{path}'")
    return value


def sequence(value: object, path: str, *, least: int = 0, most: int = 4096) -> list[object]:
    """`value` as an array of `least` to `most` items."""
    if type(value) is not list or not least <= len(value) <= most:
        raise DecodeError(f"expected an array of {least} to {most}, got {_shape(value)} in '{path}'")
    return value


def integer(value: object, path: str, *, least: int = -MAX_UINT, most: int = MAX_UINT) -> int:
    """`value` as an integer from `least` to `most`."""
    if type(value) is not int:
        raise DecodeError(f"expected an integer, got {value!r:.80} in '{path}'")
    if not least <= value <= most:
        raise DecodeError(f"expected {least} to {most}, got {value} in '{path}'")
    return value


def uint(value: object, path: str) -> int:
    """`value` as a counter, 0…`MAX_UINT`."""
    return integer(value, path, least=0)


def byte_string(value: object, path: str, *, most: int) -> bytes:
    """`value` as a byte string of at most `most` bytes."""
    if type(value) is not bytes or len(value) > most:
        raise DecodeError(f"expected a byte string of at most {most} bytes, got {_shape(value)} in '{path}'")
    return value


def fixed_bytes(value: object, size: int, path: str) -> bytes:
    """`value` as a byte string of exactly `size` bytes."""
    if type(value) is not bytes or len(value) != size:
        raise DecodeError(f"expected {size} bytes, got {_shape(value)} in '{path}'")
    return value


def digest(value: object, path: str) -> bytes:
    """`value` as a SHA-256 digest."""
    return fixed_bytes(value, DIGEST_SIZE, path)


def salt(value: object, path: str) -> bytes:
    """`value` as a 16-byte salt."""
    return fixed_bytes(value, SALT_SIZE, path)


def identifier(value: object, path: str) -> str:
    """`value` as an `id`: it may stand in an MQTT topic (docs/wire-format.md §2)."""
    if type(value) is not str or _IDENTIFIER.fullmatch(value) is None:
        raise DecodeError(f"expected an id of 1 to 64 characters [A-Za-z0-9._:%-], got {value!r:.80} in '{path}'")
    return value


def label(value: object, path: str) -> str:
    """`value` as text of 1 to 128 printable characters."""
    if type(value) is not str or not 1 <= len(value) <= _LABEL_LENGTH or not value.isprintable():
        raise DecodeError(f"expected 1 to {_LABEL_LENGTH} printable characters, got {value!r:.160} in '{path}'")
    return value


def member(value: object, kind: type[E], path: str) -> E:
    """`value` as a member of the closed set `kind`."""
    if type(value) is int:
        try:
            return kind(value)
        except ValueError:
            pass
    raise DecodeError(
        f"expected one of {', '.join(f'{m.value} {m.name}' for m in kind)}, got {value!r:.80} in '{path}'"
    )


def optional(value: object, check: Callable[[object, str], T], path: str) -> T | None:
    """`None` for null, else what `check` makes of `value`."""
    return None if value is None else check(value, path)


def _shape(value: object) -> str:
    if isinstance(value, (list, bytes, str)):
        return f"{type(value).__name__} of {len(value)}"
    return f"{value!r:.80}"
