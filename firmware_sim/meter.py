"""A meter: cumulative registers at any instant, and the rows its memory holds.

The cumulative registers are the truth. A block is the difference of two of them, a daily row is their value at
midnight; so blocks, days and registers balance exactly, for every span and every block length.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from firmware_sim.errors import SetupError
from firmware_sim.faults import Fault, Logged, Outage
from firmware_sim.instants import DAY_S, IST_OFFSET_S, day_of, day_start
from firmware_sim.world import QUARTER_S, QUARTERS, DayEnergy, Premises, mix

PERIODS_S = (900, 1800, 3600)
MAX_DAYS = 400
ORIGIN_DAY = 20_454
"""2026-01-01 IST: on this day every meter shows its base registers; before and after it counts exactly."""

_KEPT_DAYS = 64


class Category(Enum):
    """What a meter can register."""

    NET = "net"
    IMPORT_ONLY = "import-only"


class Tap(Enum):
    """Where in the home the meter sits."""

    GRID = "grid"
    """At the connection: import = what load exceeds solar by, export = what solar exceeds load by, per quarter."""
    SOLAR = "solar"
    """At the array: all solar energy is export (given towards the grid), import is zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Energies:
    """Two non-negative energies in Wh; export is None where the meter has no such register."""

    imported_wh: int
    exported_wh: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One row of the load profile: the energy from `start`, `length_s` seconds long (UTC seconds)."""

    start: int
    length_s: int
    energies: Energies


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSpec:
    """What is on the name plate, and how the meter was set up."""

    serial: str
    period_s: int = 900
    """Block length: 900, 1800 or 3600 s."""
    days: int = 40
    """Days of memory for both profiles; the oldest rows go first."""
    category: Category = Category.NET
    tap: Tap = Tap.GRID
    base: Energies = field(default_factory=lambda: Energies(imported_wh=0, exported_wh=0))
    """What the registers show on `ORIGIN_DAY`."""

    def __post_init__(self) -> None:
        """Refuse a plate that cannot be."""
        if self.period_s not in PERIODS_S:
            raise SetupError(f"expected a block length of 900, 1800 or 3600 s, got {self.period_s}")
        if not 1 <= self.days <= MAX_DAYS:
            raise SetupError(f"expected 1 to {MAX_DAYS} days of memory, got {self.days}")
        serial_number(self.serial)


def serial_number(text: str) -> str:
    """`text` as a serial number.

    Raises:
        SetupError: when it is not 1 to 16 ASCII letters and digits.
    """
    if not (1 <= len(text) <= 16 and text.isascii() and text.isalnum()):
        raise SetupError(f"expected a serial number of 1 to 16 letters and digits, got {text!r}")
    return text


def base_registers(seed: int, name: int, tap: Tap) -> Energies:
    """What a meter shows on `ORIGIN_DAY`: 40 to 60 MWh each at the grid; 2 to 4 MWh of export at a young array, which drew
    a little before it was switched on: SunSpec calls a register that shows 0 not accumulated.

    Few, so that the float32 kWh of a Modbus meter still tells single Wh (up to 16,384 kWh).
    """
    first, second = mix(seed, name, 11), mix(seed, name, 12)
    if tap is Tap.SOLAR:
        return Energies(imported_wh=2_000 + first % 2_000, exported_wh=2_000_000 + second % 2_000_000)
    return Energies(imported_wh=40_000_000 + first % 20_000_000, exported_wh=40_000_000 + second % 20_000_000)


def _grid(day: DayEnergy) -> list[tuple[int, int]]:
    return [(max(0, used - made), max(0, made - used)) for used, made in zip(day.load_wh, day.solar_wh, strict=True)]


def _solar(day: DayEnergy) -> list[tuple[int, int]]:
    return [(0, made) for made in day.solar_wh]


Sums = Sequence[int]
"""What had flowed since midnight at each quarter of a day, `QUARTERS` + 1 values; packed, for fleets of meters."""


def _gain(sums: Sums, quarter: int) -> int:
    return sums[quarter + 1] - sums[quarter]


_FLOWS: dict[Tap, Callable[[DayEnergy], list[tuple[int, int]]]] = {Tap.GRID: _grid, Tap.SOLAR: _solar}


class Meter:
    """A meter of one home. Asks the world for each day once or seldom; holds no clock."""

    def __init__(self, spec: MeterSpec, premises: Premises, faults: tuple[Fault, ...] = ()) -> None:
        self.spec = spec
        self.faults = faults
        self.outages = sorted((each.start, each.end) for each in faults if isinstance(each, Outage))
        """When there was no power: start and end, UTC seconds."""
        self.logged = sorted((each.at, each.code) for each in faults if isinstance(each, Logged))
        """What else happened to the meter: instant (UTC seconds) and event code."""
        self._premises = premises
        self._flow = _FLOWS[spec.tap]
        self._midnights = {ORIGIN_DAY: (spec.base.imported_wh, spec.base.exported_wh or 0)}
        self._first = self._last = ORIGIN_DAY
        self._sums: dict[int, tuple[Sums, Sums]] = {}

    def registers(self, at: int) -> Energies:
        """The cumulative registers at the instant `at` (UTC seconds), in Wh."""
        day = day_of(at)
        quarter, second = divmod(at - day_start(day), QUARTER_S)
        base_in, base_out = self._midnight(day)
        sums_in, sums_out = self._day_sums(day)
        imported = base_in + sums_in[quarter] + _gain(sums_in, quarter) * second // QUARTER_S
        exported = base_out + sums_out[quarter] + _gain(sums_out, quarter) * second // QUARTER_S
        return Energies(imported_wh=imported, exported_wh=exported if self._has_export else None)

    def block(self, start: int, length_s: int) -> Block:
        """The energy of the span that begins at `start`: the difference of the registers at its ends."""
        before, after = self.registers(start), self.registers(start + length_s)
        exported = None
        if before.exported_wh is not None and after.exported_wh is not None:
            exported = after.exported_wh - before.exported_wh
        energies = Energies(imported_wh=after.imported_wh - before.imported_wh, exported_wh=exported)
        return Block(start=start, length_s=length_s, energies=energies)

    def power_w(self, at: int) -> int:
        """Active power at `at` in W, as the registers gain: positive drawn from the grid, negative given to it."""
        day = day_of(at)
        quarter = (at - day_start(day)) // QUARTER_S
        sums_in, sums_out = self._day_sums(day)
        return (_gain(sums_in, quarter) - _gain(sums_out, quarter)) * 4

    def voltage_dv(self, at: int) -> int:
        """The grid's voltage in the quarter that holds `at`, in tenths of a volt: 225.0 to 240.0 V, for all meters; 0
        in an outage.
        """
        return 0 if self._dark(at) else 2250 + mix(13, at // QUARTER_S) % 151

    def block_stamps(self, now: int) -> list[int]:
        """End-of-block stamps in memory at `now`, oldest first: completed blocks only, without what a fault lost."""
        period = self.spec.period_s
        last = self.boundary(now)
        stamps = range(last - (self.block_capacity - 1) * period, last + 1, period)
        return [at for at in stamps if all(fault.keeps_row(at - period, period) for fault in self.faults)]

    def boundary(self, now: int) -> int:
        """The end of the last block that is complete at `now`."""
        period = self.spec.period_s
        return (now + IST_OFFSET_S) // period * period - IST_OFFSET_S

    def daily_stamps(self, now: int) -> list[int]:
        """The midnights in memory at `now`, oldest first; each row holds the registers at its stamp."""
        last = day_of(now)
        return [day_start(day) for day in range(last - self.spec.days + 1, last + 1)]

    def oldest(self, now: int) -> Energies:
        """The registers before anything that is in memory at `now`."""
        return self.registers(day_start(day_of(now) - self.spec.days - 1))

    @property
    def block_capacity(self) -> int:
        """How many rows the load profile holds."""
        return self.spec.days * DAY_S // self.spec.period_s

    @property
    def _has_export(self) -> bool:
        return self.spec.category is Category.NET

    def minutes_off(self, at: int) -> int:
        """Minutes without power from the first outage to `at`."""
        return sum(min(end, at) - start for start, end in self.outages if start < at) // 60

    def minutes_on(self, at: int) -> int:
        """Minutes with power from `ORIGIN_DAY` to `at`."""
        return max(0, at - day_start(ORIGIN_DAY)) // 60 - self.minutes_off(at)

    def _dark(self, at: int) -> bool:
        return any(start <= at < end for start, end in self.outages)

    def _midnight(self, day: int) -> tuple[int, int]:
        while self._last < day:
            imported, exported = self._midnights[self._last]
            sums_in, sums_out = self._day_sums(self._last)
            self._last += 1
            self._midnights[self._last] = (imported + sums_in[QUARTERS], exported + sums_out[QUARTERS])
        while self._first > day:
            imported, exported = self._midnights[self._first]
            self._first -= 1
            sums_in, sums_out = self._day_sums(self._first)
            self._midnights[self._first] = (imported - sums_in[QUARTERS], exported - sums_out[QUARTERS])
        return self._midnights[day]

    def _day_sums(self, day: int) -> tuple[Sums, Sums]:
        known = self._sums.get(day)
        if known is not None:
            return known
        sums = array("Q", [0]), array("Q", [0])
        imported = exported = 0
        for quarter, (flow_in, flow_out) in enumerate(self._flow(self._premises.day(day))):
            powered = not self._dark(day_start(day) + quarter * QUARTER_S)
            imported += powered * flow_in
            exported += powered * flow_out
            sums[0].append(imported)
            sums[1].append(exported)
        while len(self._sums) >= max(_KEPT_DAYS, self.spec.days + 2):
            del self._sums[next(iter(self._sums))]
        self._sums[day] = sums
        return sums
