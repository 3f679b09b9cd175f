"""A second CBOR library, written for the tests from RFC 8949: definite lengths, no floats, deterministic encoding."""

from typing import Any

import cbor2


def encode(item: Any) -> bytes:
    """The deterministic encoding of RFC 8949 §4.2.1."""
    if item is None:
        return b"\xf6"
    if isinstance(item, int):
        return _head(0, item) if item >= 0 else _head(1, -1 - item)
    if isinstance(item, (bytes, str)):
        body = item.encode() if isinstance(item, str) else item
        return _head(2 if isinstance(item, bytes) else 3, len(body)) + body
    if isinstance(item, cbor2.CBORTag):
        return _head(6, item.tag) + encode(item.value)
    if isinstance(item, dict):
        rows = sorted((encode(key), encode(value)) for key, value in item.items())
        return _head(5, len(rows)) + b"".join(key + value for key, value in rows)
    return _head(4, len(item)) + b"".join(encode(entry) for entry in item)


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | code]) + number.to_bytes(size, "big")
    raise ValueError(number)


def decode(data: bytes) -> Any:
    """The one item that `data` is."""
    item, rest = _item(data)
    if rest:
        raise ValueError("trailing bytes")
    return item


def _item(data: bytes) -> tuple[Any, bytes]:
    major, info = data[0] >> 5, data[0] & 31
    if data[0] == 0xF6:
        return None, data[1:]
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    number = int.from_bytes(data[1 : 1 + size], "big") if size else info
    rest = data[1 + size :]
    if major < 2:
        return (number if major == 0 else -1 - number), rest
    if major < 4:
        body = rest[:number]
        return (body if major == 2 else body.decode()), rest[number:]
    if major == 6:
        value, rest = _item(rest)
        return cbor2.CBORTag(number, value), rest
    entries = []
    for _ in range(number * (2 if major == 5 else 1)):
        entry, rest = _item(rest)
        entries.append(entry)
    return (dict(zip(entries[::2], entries[1::2], strict=True)) if major == 5 else entries), rest
