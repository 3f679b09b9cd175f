"""The columns of a registry sheet: what a cell says, what it may say, and how it is written again.

Pure. A blank cell of a column says that there is nothing; a column that is left out keeps what is recorded.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum

from signing import fields
from signing.energy import ONE, Fraction, parse_fraction
from signing.errors import DecodeError
from signing.interval import IST, PERIODS_S, parse_instant
from signing.statements.meter_record import Role, Stamps

LIST_SEPARATOR = "|"
"""Between several ids in one cell."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_KILO = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,3}))?")


class Group(Enum):
    """What a column is about, which decides where it is kept."""

    KEY = "key"
    TERM = "term"
    """A fact of the MeterRecord: evidence rests on it."""
    SUPPLY = "supply"
    """Of the connection point; stands in the row of its REVENUE meter."""
    NAMES = "names"
    GATEWAY = "gateway"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column."""

    name: str
    """As the header spells it."""
    group: Group
    field: str
    """Of the value that it becomes a part of."""
    expected: str
    """What a cell holds, in words."""
    parse: Callable[[str], object]
    """What a cell that is not blank says; raises `DecodeError` or `ValueError`."""
    show: Callable[[object], str]
    """The cell of a value that is there."""
    blank: object = None
    """What a blank cell says."""
    is_needed: bool = False
    """Whether a blank cell is refused."""


def day_or_instant(text: str) -> int:
    """RFC 3339 text with an offset, or a date, which means its IST midnight, as UTC seconds.

    Raises:
        DecodeError: it is neither.
    """
    return parse_instant(f"{text}T00:00:00+05:30" if _DAY.fullmatch(text) else text, "time")


def kilo(text: str) -> int:
    """A decimal number of kW or kWh with up to three places as whole W or Wh; exact.

    Raises:
        DecodeError: it is no such number.
    """
    found = _KILO.fullmatch(text)
    if found is None:
        raise DecodeError(f"expected a decimal number with up to three places, got {text!r:.40}")
    return int(found[1]) * 1000 + int((found[2] or "").ljust(3, "0"))


def instant_cell(at_utc: object) -> str:
    """An instant as a sheet has it: RFC 3339 in IST."""
    assert isinstance(at_utc, int)
    return datetime.fromtimestamp(at_utc, IST).isoformat()


def kilo_cell(value: object) -> str:
    """Whole W or Wh as a decimal number of kW or kWh without needless places."""
    assert isinstance(value, int)
    whole, rest = divmod(value, 1000)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".")


def names(text: str) -> tuple[str, ...]:
    """Several ids, sorted, each once.

    Raises:
        DecodeError: one is no label.
    """
    found = {fields.label(part.strip(), "posted_as") for part in text.split(LIST_SEPARATOR)}
    return tuple(sorted(found))


def _names_cell(value: object) -> str:
    assert isinstance(value, tuple)
    return LIST_SEPARATOR.join(value)


def _label(text: str) -> str:
    return fields.label(text, "cell")


def _identifier(text: str) -> str:
    return fields.identifier(text, "cell")


def _fraction(text: str) -> Fraction:
    return parse_fraction(text, "cell")


def _fraction_cell(value: object) -> str:
    assert isinstance(value, Fraction)
    return str(value.numerator) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"


def _period(text: str) -> int:
    known = {str(seconds): seconds for seconds in PERIODS_S}
    if text not in known:
        raise ValueError(text)
    return known[text]


def _member(kind: type[IntEnum]) -> Callable[[str], object]:
    def parsed(text: str) -> IntEnum:
        members = {member.name: member for member in kind}
        if text not in members:
            raise ValueError(text)
        return members[text]

    return parsed


def _member_cell(value: object) -> str:
    assert isinstance(value, IntEnum)
    return value.name


_LABEL = "1 to 128 printable characters"
_TIME = "a date, or an RFC 3339 time such as 2026-04-01T00:00:00+05:30"
_ID = "an id of 1 to 64 characters [A-Za-z0-9._:%-]"
_RATIO = "a ratio such as 100/5 or 2"
_KILO_WORDS = "a decimal number with up to three places, such as 5 or 7.5"


def _text(name: str, group: Group, *, field: str = "", is_needed: bool = False) -> Column:
    return Column(
        name=name, group=group, field=field or name, expected=_LABEL, parse=_label, show=str, is_needed=is_needed
    )


def _ratio(name: str) -> Column:
    return Column(
        name=name, group=Group.TERM, field=name, expected=_RATIO, parse=_fraction, show=_fraction_cell, blank=ONE
    )


def _kilo(name: str, group: Group, field: str) -> Column:
    return Column(name=name, group=group, field=field, expected=_KILO_WORDS, parse=kilo, show=kilo_cell)


def _time(name: str, group: Group, field: str, *, is_needed: bool = False) -> Column:
    return Column(
        name=name,
        group=group,
        field=field,
        expected=_TIME,
        parse=day_or_instant,
        show=instant_cell,
        is_needed=is_needed,
    )


def _choice(name: str, kind: type[IntEnum], default: IntEnum) -> Column:
    return Column(
        name=name,
        group=Group.TERM,
        field=name,
        expected=f"one of {', '.join(member.name for member in kind)}",
        parse=_member(kind),
        show=_member_cell,
        blank=default,
    )


COLUMNS: tuple[Column, ...] = (
    Column(name="meter", group=Group.KEY, field="meter", expected=_ID, parse=_identifier, show=str, is_needed=True),
    _time("from", Group.KEY, "from_utc", is_needed=True),
    _text("consumer", Group.SUPPLY),
    _text("identity", Group.TERM, is_needed=True),
    _text("connection_point", Group.TERM, is_needed=True),
    Column(
        name="posted_as",
        group=Group.NAMES,
        field="posted_as",
        expected=f"ids of {_LABEL} each, with {LIST_SEPARATOR} between them",
        parse=names,
        show=_names_cell,
        blank=(),
    ),
    _choice("role", Role, Role.REVENUE),
    _text("feeder", Group.SUPPLY),
    _text("dt", Group.SUPPLY),
    _kilo("sanctioned_kw", Group.TERM, "sanctioned_w"),
    _kilo("installed_kw", Group.TERM, "installed_w"),
    _kilo("storage_kwh", Group.SUPPLY, "storage_wh"),
    _ratio("ct"),
    _ratio("pt"),
    _ratio("factor"),
    Column(
        name="period_s",
        group=Group.TERM,
        field="period_s",
        expected="900, 1800 or 3600",
        parse=_period,
        show=str,
        blank=900,
    ),
    _choice("stamps", Stamps, Stamps.END),
    Column(name="gateway", group=Group.GATEWAY, field="gateway", expected=_ID, parse=_identifier, show=str),
    _text("consent_purpose", Group.CONSENT, field="purpose"),
    _text("consent_grantee", Group.CONSENT, field="grantee"),
    _time("consent_from", Group.CONSENT, "from_utc"),
    _time("consent_until", Group.CONSENT, "until_utc"),
)
"""In the order of an exported sheet."""

BY_NAME = {column.name: column for column in COLUMNS}
