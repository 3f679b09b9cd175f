"""What is sent of one meter, before it becomes JSON: energies of intervals with their quality, and registers of days. Pure.

Energies are whole Wh as the meter states them; the factors of CT, PT and meter go into the descriptor's multiplier, so that nothing is rounded.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from headend.ies.codes import Mode, ProfileKind
from headend.readings import Quality
from headend.series import IMPORTED, Day, SeriesBlock
from headend.vee.declared import Channel
from signing.interval import DAY_S, Interval

_METHODS = {
    "E1": "LINEAR",
    "E2": "CHECK",
    "E3": "LIKEDAY",
    "E4": "AVGDAY",
    "E5": "SOLAR",
    "E6": "PROFILE",
    "E7": "AGREED",
    "E8": "ZERO",
}
_STATUSES = {Quality.ESTIMATED: "ESTIMATED", Quality.MANUAL: "MANUAL", Quality.SUSPECT: "SUSPECT"}
_FAIL = "VEE-COUNT"
"""Why an energy is no measurement where no rule said more: the block was missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The quality of an energy that the meter did not say by itself."""

    status: str
    source: str
    method: str | None
    fail_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """One quantity of one interval, in Wh."""

    wh: int
    mark: Mark | None = None
    """None: VALID, from the meter."""
    opening_wh: int | None = None
    closing_wh: int | None = None
    """The registers that a usage is the difference of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyRow:
    """One interval. A channel without an energy is absent."""

    start_utc: int
    energies: Mapping[Channel, Energy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Intervals of one meter that one profile can hold: one length, one factor, one mode."""

    meter: str
    identity: str
    """The serial number."""
    connection_point: str
    kind: ProfileKind
    mode: Mode
    length_s: int
    factor: Fraction
    rows: tuple[EnergyRow, ...]
    """Ascending, at least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StampedRegister:
    """What the registers of a meter showed at an IST midnight, as its gateway signed it."""

    stamp_utc: int
    device: str
    """The serial number: registers of two devices have nothing to do with one another."""
    import_wh: int | None
    export_wh: int | None


def block_rows(day: Day, span: Interval) -> Iterator[tuple[int, EnergyRow]]:
    """The blocks of a validated day that lie in `span`, each with its length. One without any energy is left out."""
    codes: dict[int, str] = {}
    for note in day.notes:
        if note.block_utc is not None:
            codes.setdefault(note.block_utc, f"VEE-{note.code}")
    for block in day.blocks:
        if not span.contains(block.span):
            continue
        values = (
            (Channel.IMPORT, block.import_wh, block.import_method),
            (Channel.EXPORT, block.export_wh, block.export_method),
        )
        energies = {
            channel: Energy(wh=wh, mark=_mark(block, method, codes)) for channel, wh, method in values if wh is not None
        }
        if energies:
            yield block.period_s, EnergyRow(start_utc=block.start_utc, energies=energies)


def register_rows(registers: Iterable[StampedRegister], span: Interval, mode: Mode) -> Iterator[tuple[str, EnergyRow]]:
    """The days in `span` with what the registers showed when they ended, or with what was used in them; each with its device.

    Source: METERS (a daily profile is stamped 00:00 of the next day).
    """
    stamped = {(one.stamp_utc, one.device): one for one in registers}
    for (stamp, device), closing in sorted(stamped.items()):
        start = stamp - DAY_S
        if not span.start_utc <= start or stamp > span.end_utc:
            continue
        opening = stamped.get((start, device))
        energies = {
            channel: found for channel in Channel if (found := _daily(opening, closing, channel, mode)) is not None
        }
        if energies:
            yield device, EnergyRow(start_utc=start, energies=energies)


def doubted(row: EnergyRow, rule: str) -> EnergyRow:
    """The row of a meter whose signed registers a rule throws doubt on: what it says is SUSPECT, whoever signed it."""
    mark = Mark(status="SUSPECT", source="METER", method=None, fail_code=f"VEE-{rule}")
    return replace(row, energies={channel: replace(energy, mark=mark) for channel, energy in row.energies.items()})


def _daily(opening: StampedRegister | None, closing: StampedRegister, channel: Channel, mode: Mode) -> Energy | None:
    shows = _wh(closing, channel)
    if mode is Mode.READING or shows is None:
        return None if shows is None else Energy(wh=shows)
    before = None if opening is None else _wh(opening, channel)
    if before is None or before > shows:
        return None
    return Energy(wh=shows - before, opening_wh=before, closing_wh=shows)


def _wh(register: StampedRegister, channel: Channel) -> int | None:
    return register.import_wh if channel is Channel.IMPORT else register.export_wh


def _mark(block: SeriesBlock, method: str | None, codes: Mapping[int, str]) -> Mark | None:
    if method == IMPORTED:
        return Mark(status="VALID", source=IMPORTED, method=None, fail_code=None)
    if block.quality is Quality.VALID:
        return None
    status = _STATUSES.get(block.quality, "ESTIMATED")
    return Mark(
        status=status,
        source="MANUAL" if status == "MANUAL" else "ESTIMATED",
        method=None if method is None else _METHODS.get(method, method),
        fail_code=codes.get(block.start_utc, _FAIL),
    )
