"""Readers of the fields of a Beckn message: every refusal names its path and carries the network's code."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from ledger_client.beckn.refusal import Code, refused
from ledger_client.exact_json import JsonError, loads_strict
from signing.errors import SigningError
from signing.interval import DAY_S, Interval, instant

MAX_TEXT = 512
"""Longest text read, characters."""

MAX_BODY_BYTES = 32 * 1024 * 1024
"""Largest message read: a question that lists 24 hours of ten thousand meters is some 20 MiB."""

MAX_DURATION_S = 31 * DAY_S
"""Longest delivery interval, seconds: a head-end looks at every block of one."""

_DURATION = re.compile(r"P(?:([0-9]{1,3})D)?(?:T(?:([0-9]{1,4})H)?(?:([0-9]{1,5})M)?(?:([0-9]{1,7})S)?)?")

Fields = Mapping[str, object]


def message(body: bytes) -> Fields:
    """The object in a raw body; an object that names a key twice is refused, as two readers would read it as two messages."""
    if len(body) > MAX_BODY_BYTES:
        raise refused(Code.INVALID_FORMAT, f"expected at most {MAX_BODY_BYTES} bytes, got {len(body)}")
    try:
        value = loads_strict(body)
    except JsonError as error:
        raise refused(Code.INVALID_JSON, str(error)) from error
    return as_object(value, "")


def as_object(value: object, path: str) -> Fields:
    """`value` as an object."""
    if not isinstance(value, dict):
        raise refused(Code.INVALID_FORMAT, f"expected an object, got {_kind(value)}", path)
    return value


def as_array(value: object, path: str) -> Sequence[object]:
    """`value` as an array that is not empty."""
    if not isinstance(value, list):
        raise refused(Code.INVALID_FORMAT, f"expected an array, got {_kind(value)}", path)
    if not value:
        raise refused(Code.SCHEMA_VALIDATION_FAILED, "expected at least one entry, got none", path)
    return value


def as_text(value: object, path: str) -> str:
    """`value` as a text of 1 to `MAX_TEXT` characters that a database can keep."""
    if not isinstance(value, str):
        raise refused(Code.INVALID_FORMAT, f"expected a text, got {_kind(value)}", path)
    if not 0 < len(value) <= MAX_TEXT:
        raise refused(Code.INVALID_FORMAT, f"expected 1 to {MAX_TEXT} characters, got {len(value)}", path)
    # A lone surrogate is not printable either: no database could keep it.
    if not value.isprintable():
        raise refused(Code.INVALID_FORMAT, "expected printable Unicode text", path)
    return value


def required(fields: Fields, name: str, path: str) -> object:
    """The field `name`, which MUST be there and not null."""
    value = fields.get(name)
    if value is None:
        raise refused(Code.REQUIRED_FIELD_MISSING, "missing", joined(path, name))
    return value


def object_in(fields: Fields, name: str, path: str) -> Fields:
    """The required object `name`."""
    return as_object(required(fields, name, path), joined(path, name))


def array_in(fields: Fields, name: str, path: str) -> Sequence[object]:
    """The required array `name`, not empty."""
    return as_array(required(fields, name, path), joined(path, name))


def text_in(fields: Fields, names: str | tuple[str, ...], path: str) -> str:
    """The required text under the first of `names` that is there; a refusal names the first."""
    spellings = (names,) if isinstance(names, str) else names
    for name in spellings:
        if fields.get(name) is not None:
            return as_text(fields[name], joined(path, name))
    raise refused(Code.REQUIRED_FIELD_MISSING, "missing", joined(path, spellings[0]))


def optional_text_in(fields: Fields, names: str | tuple[str, ...], path: str) -> str | None:
    """The text under the first of `names` that is there, or None."""
    spellings = (names,) if isinstance(names, str) else names
    for name in spellings:
        if fields.get(name) is not None:
            return as_text(fields[name], joined(path, name))
    return None


def joined(path: str, name: str) -> str:
    """`name` below `path`."""
    return f"{path}.{name}" if path else name


def seconds(value: object, path: str) -> int:
    """An RFC 3339 date-time with an offset as UTC seconds; a fraction MUST be zero."""
    at = _moment(value, path)
    if at.microsecond:
        raise refused(Code.INVALID_FORMAT, "expected a whole second", path)
    return _checked(at, path)


def rough_seconds(value: object, path: str) -> int:
    """An RFC 3339 date-time with an offset as UTC seconds, a fraction cut off: when a message was written is no window."""
    return _checked(_moment(value, path), path)


def _moment(value: object, path: str) -> datetime:
    spelled = as_text(value, path)
    try:
        at = datetime.fromisoformat(spelled)
    except ValueError as error:
        raise refused(Code.INVALID_FORMAT, f"expected an RFC 3339 date-time, got {spelled[:60]!r}", path) from error
    if at.tzinfo is None:
        raise refused(Code.INVALID_FORMAT, f"expected an offset (Z or +05:30), got {spelled[:60]!r}", path)
    return at


def _checked(at: datetime, path: str) -> int:
    try:
        return instant(int(at.timestamp()), path)
    except (SigningError, OverflowError) as error:
        raise refused(Code.INVALID_FORMAT, "expected a time from 1970 to 2106", path) from error


def duration_s(value: object, path: str) -> int:
    """An ISO 8601 duration of days, hours, minutes and seconds (``PT1H``, ``PT15M``, ``P1D``), 1 to `MAX_DURATION_S` s."""
    spelled = as_text(value, path)
    found = _DURATION.fullmatch(spelled)
    total = 0
    if found and not spelled.endswith(("P", "T")):
        days, hours, minutes, rest = (int(part or 0) for part in found.groups())
        total = days * DAY_S + hours * 3600 + minutes * 60 + rest
    if not 0 < total <= MAX_DURATION_S:
        raise refused(Code.INVALID_FORMAT, f"expected a duration such as PT1H, got {spelled[:40]!r}", path)
    return total


def duration_text(length_s: int) -> str:
    """So many seconds as an ISO 8601 duration: ``PT1H``, ``PT15M``, ``PT1H30M``, ``PT10S``."""
    hours, rest = divmod(length_s, 3600)
    minutes, left = divmod(rest, 60)
    parts = (f"{hours}H" if hours else "", f"{minutes}M" if minutes else "", f"{left}S" if left else "")
    return "PT" + "".join(parts)


def span(value: object, path: str) -> Interval:
    """``start/end`` (or ``start/duration``) as an interval."""
    start, slash, end = as_text(value, path).partition("/")
    if not slash:
        raise refused(Code.INVALID_FORMAT, "expected start/end", path)
    start_utc = seconds(start, path)
    end_utc = start_utc + duration_s(end, path) if end.startswith("P") else seconds(end, path)
    return interval(start_utc, end_utc, path)


def interval(start_utc: int, end_utc: int, path: str) -> Interval:
    """The span between two instants, at most `MAX_DURATION_S` long."""
    try:
        found = Interval(start_utc, end_utc)
    except SigningError as error:
        raise refused(Code.INVALID_FORMAT, "expected an end after the start, before 2106", path) from error
    if found.length_s > MAX_DURATION_S:
        raise refused(Code.INVALID_FORMAT, f"expected at most {MAX_DURATION_S} s, got {found.length_s} s", path)
    return found


def _kind(value: object) -> str:
    """What a JSON value is, in JSON's words."""
    kinds = {dict: "an object", list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
