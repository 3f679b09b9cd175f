"""The BecknTimeSeries of a question: one meter, its delivery intervals, and the words that the asker uses for them.

Source: BecknTimeSeries 1.0 (OpenADR 3.1 reports inside). The time of interval n is start + n x duration by habit only: an interval
that carries its own ``intervalPeriod`` is where that says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger_client.beckn.fields import (
    Fields,
    array_in,
    as_object,
    duration_s,
    interval,
    joined,
    object_in,
    optional_text_in,
    required,
    seconds,
    text_in,
)
from ledger_client.beckn.refusal import Code, refused
from signing.interval import Interval

ENERGY = "ENERGY_CONSUMPTION"
ENERGY_TYPES = (ENERGY, "ACTUAL_PULLED")
"""What signed energy is called: today, and until 2026-05-30. An answer uses the word of its question."""

METER_NAMES = ("resourceName", "meterId", "dataset:resourceName", "dataset:meterId")
"""The meter's field: today first, then what it was called before."""

DISCOM_NAMES = ("clientName", "discomId", "utilityId", "dataset:clientName")
"""The discom's field: today first, then what it was called before."""

MAX_SLOTS = 31 * 96
"""Most intervals of one series: a month of quarter hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One delivery interval, under the id that its series gives it."""

    id: int
    window: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRequest:
    """A question about one meter."""

    meter_id: str
    """Exactly as the asker spells it."""
    client_name: str | None
    """The discom's short code as the asker spells it."""
    payload_type: str
    """One of `ENERGY_TYPES`."""
    start: str
    """The first interval's start as the asker spells it."""
    duration: str
    """An interval's length as the asker spells it, ISO 8601."""
    period: Interval
    """The first interval, parsed."""
    slots: tuple[Slot, ...]
    """Every interval asked for, listed or only covered, ascending by time; ids are unique."""

    def __post_init__(self) -> None:
        if len({slot.id for slot in self.slots}) != len(self.slots):
            raise ValueError("expected every id once in 'slots'")

    def is_regular(self, slot: Slot) -> bool:
        """Whether `slot` is where its id says: start + id x duration."""
        return slot.window == _nth(self.period, slot.id)


def _nth(first: Interval, place: int) -> Interval:
    return Interval(first.start_utc + place * first.length_s, first.end_utc + place * first.length_s)


def read_series(value: object, path: str, coverage: Interval | None) -> SeriesRequest:
    """One series of a question, with every interval of `coverage` even where it lists fewer.

    Raises:
        RefusedError: with a ``SCH_`` code and the field's path.
    """
    fields = as_object(value, path)
    period_fields, period_path = object_in(fields, "intervalPeriod", path), joined(path, "intervalPeriod")
    start, duration = text_in(period_fields, "start", period_path), text_in(period_fields, "duration", period_path)
    start_utc = seconds(start, joined(period_path, "start"))
    length_s = duration_s(duration, joined(period_path, "duration"))
    period = interval(start_utc, start_utc + length_s, period_path)
    listed = _listed(fields, path, period)
    return SeriesRequest(
        meter_id=text_in(fields, METER_NAMES, path),
        client_name=optional_text_in(fields, DISCOM_NAMES, path),
        payload_type=_payload_type(fields, path),
        start=start,
        duration=duration,
        period=period,
        slots=_completed(listed, period, coverage, path),
    )


def _payload_type(fields: Fields, path: str) -> str:
    """The word for signed energy that the descriptors name, in kWh."""
    place = joined(path, "payloadDescriptors")
    named: list[object] = []
    for number, entry in enumerate(array_in(fields, "payloadDescriptors", path)):
        descriptor = as_object(entry, f"{place}[{number}]")
        named.append(descriptor.get("payloadType"))
        if named[-1] in ENERGY_TYPES:
            if descriptor.get("units", "KWH") != "KWH":
                raise refused(Code.INVALID_ENUM, "expected KWH", f"{place}[{number}].units")
            return str(named[-1])
    raise refused(Code.TYPE_NOT_SUPPORTED, f"expected {ENERGY}, got {named!r:.120}", place)


def _listed(fields: Fields, path: str, period: Interval) -> list[Slot]:
    """The intervals that the question lists; what their ``values`` hold is no part of a question."""
    place = joined(path, "intervals")
    entries = array_in(fields, "intervals", path)
    if len(entries) > MAX_SLOTS:
        raise refused(Code.SCHEMA_VALIDATION_FAILED, f"expected at most {MAX_SLOTS}, got {len(entries)}", place)
    found: list[Slot] = []
    seen: set[int] = set()
    for number, entry in enumerate(entries):
        here = f"{place}[{number}]"
        one = as_object(entry, here)
        name = _id(one, here)
        if name in seen:
            raise refused(Code.INVALID_FORMAT, f"expected every id once, got {name} again", f"{here}.id")
        seen.add(name)
        found.append(Slot(id=name, window=_window(one, here, period, name)))
    return found


def _id(fields: Fields, path: str) -> int:
    value = required(fields, "id", path)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 9:
        value = int(value)
    if type(value) is not int or not 0 <= value < 10**9:
        raise refused(Code.INVALID_FORMAT, "expected an integer from 0 to 10^9 - 1", f"{path}.id")
    return value


def _window(fields: Fields, path: str, period: Interval, name: int) -> Interval:
    """Where one listed interval is: its own period where it has one."""
    if fields.get("intervalPeriod") is None:
        start_utc, length_s = period.start_utc + name * period.length_s, period.length_s
    else:
        own, place = object_in(fields, "intervalPeriod", path), joined(path, "intervalPeriod")
        start_utc = seconds(text_in(own, "start", place), joined(place, "start"))
        named = own.get("duration")
        length_s = period.length_s if named is None else duration_s(named, joined(place, "duration"))
    return interval(start_utc, start_utc + length_s, path)


def _completed(listed: Sequence[Slot], period: Interval, coverage: Interval | None, path: str) -> tuple[Slot, ...]:
    """The listed intervals and every other whole one of `coverage`, ascending.

    Questions were seen that list only the first interval of a window of many, and no settlement came of the answer.
    """
    slots = list(listed)
    if coverage is not None:
        length_s = period.length_s
        if coverage.length_s > MAX_SLOTS * length_s:
            raise refused(Code.SCHEMA_VALIDATION_FAILED, f"expected a coverage of at most {MAX_SLOTS} intervals", path)
        held, taken = {slot.window for slot in listed}, {slot.id for slot in listed}
        first = coverage.start_utc + (period.start_utc - coverage.start_utc) % length_s
        for start_utc in range(first, coverage.end_utc - length_s + 1, length_s):
            window = Interval(start_utc, start_utc + length_s)
            if window not in held:
                slots.append(Slot(id=_free((start_utc - period.start_utc) // length_s, taken), window=window))
                taken.add(slots[-1].id)
    return tuple(sorted(slots, key=lambda slot: (slot.window, slot.id)))


def _free(wanted: int, taken: set[int]) -> int:
    """`wanted` where that is an id nobody has, else the next above all."""
    return wanted if wanted >= 0 and wanted not in taken else max(taken, default=-1) + 1
