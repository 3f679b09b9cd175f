"""The one byte form: deterministic CBOR, refused unless it re-encodes to itself.

Source: RFC 8949 §4.2.1; docs/wire-format.md §2.
"""

from collections.abc import Mapping
from typing import NoReturn, TypeAlias

import cbor2

from signing.errors import DecodeError

Item: TypeAlias = "int | bytes | str | bool | list[Item] | dict[int | str, Item] | cbor2.CBORTag | None"
"""What canonical bytes can hold, before its fields are checked."""

MAX_DEPTH = 16
"""Deepest nesting that any structure of the wire format has room for; deeper input is refused before it is walked."""

_RESOLVED_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
"""Tags that the library would turn into other types. A bignum is the trap: it is an `int` to every check of a field, and to put one of
thousands of digits into a message raises `ValueError`.
"""

DIGEST_SIZE = 32
SALT_SIZE = 16


def encode(item: object) -> bytes:
    """The canonical bytes of `item`, built of integers, byte and text strings, null, lists and maps.

    Keys of a map MUST be all text, or all integers from -24 to 23: the library sorts keys by length first, and only for these
    is that the bytewise order of RFC 8949 §4.2.1.
    """
    return cbor2.dumps(item, canonical=True)


def _refused(_decoder: object) -> NoReturn:
    raise ValueError("a tag that no structure has")


_REFUSED = dict.fromkeys(_RESOLVED_TAGS, _refused)


def _keyed(mapping: Mapping[object, object], _is_immutable: object) -> Mapping[object, object]:
    """`mapping`, if its keys are integers and texts. Python takes `true`, 1.0 and simple(1) for the key 1: one value would have several
    encodings, and one key of a gateway several thumbprints.
    """
    if not all(type(key) is int or type(key) is str for key in mapping):
        raise ValueError("a key that is neither an integer nor a text")
    return mapping


def decode(data: bytes, path: str) -> Item:
    """What `data` holds, whole: trailing bytes, other encodings of the same value, duplicate keys are refused.

    So are the tags that the library resolves by itself: none of them is ours, and an integer is never longer than 64 bits. So are maps
    with other keys than integers and texts.

    Raises:
        DecodeError: naming `path`.
    """
    try:
        item: Item = cbor2.loads(
            data,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_REFUSED,
            object_hook=_keyed,
        )
        again = cbor2.dumps(item, canonical=True)
    except (
        cbor2.CBORError,
        ValueError,
        TypeError,
        OverflowError,
        ArithmeticError,
        LookupError,
        RecursionError,
    ) as error:
        raise DecodeError(f"expected canonical CBOR, got {type(error).__name__} in '{path}'") from error
    if again != data:
        raise DecodeError(f"expected canonical CBOR, got bytes that do not re-encode to themselves in '{path}'")
    return item
