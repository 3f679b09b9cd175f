"""What validation and estimation may be told that no evidence bundle holds, each as a value of its own.

The head-end fills these from its store; the rules and methods that take them are pure. Energies are whole Wh as the meter states them, import
and export apart. Source: VEE §A V25 to V32, §B E2 to E8; docs/vee-rules.md "Stated rules", "Estimates".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from headend.readings import Quality
from signing.interval import DAY_S, Interval
from signing.statements.reading_batch import Register


class Channel(Enum):
    """Which of the two energies."""

    IMPORT = "import"
    EXPORT = "export"


class DayKind(Enum):
    """Which days are alike. A holiday is none of the others, whatever day of the week it falls on."""

    WORKDAY = "workday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"
    HOLIDAY = "holiday"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryBlock:
    """One block of another day as it was settled."""

    import_wh: int | None
    export_wh: int | None
    quality: Quality
    is_supplied: bool
    """False where the supply failed in it."""
    is_imported: bool = False
    """Whether another system of the discom's read it, as it does of meters without a gateway."""

    @property
    def is_estimated(self) -> bool:
        """Whether nobody read it: it is estimated, stated by hand, or missing."""
        return not self.is_imported and self.quality in {Quality.ESTIMATED, Quality.MANUAL, Quality.MISSING}

    def wh(self, channel: Channel) -> int | None:
        """Its energy, whatever its quality."""
        return self.import_wh if channel is Channel.IMPORT else self.export_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryDay:
    """One IST day of the meter."""

    start_utc: int
    """Its midnight."""
    kind: DayKind
    period_s: int
    blocks: tuple[HistoryBlock, ...]
    """In order from midnight on, `DAY_S / period_s` of them."""

    @property
    def is_pattern(self) -> bool:
        """Whether the day may stand for another: every block VALID, and the supply never failed."""
        whole = len(self.blocks) * self.period_s == DAY_S
        return whole and all(block.quality is Quality.VALID and block.is_supplied for block in self.blocks)

    @property
    def is_estimated(self) -> bool:
        """Whether any of its energy was not measured."""
        return any(block.is_estimated for block in self.blocks)

    def series(self, channel: Channel) -> tuple[int, ...] | None:
        """Its energies, or none where the channel lacks one."""
        values = tuple(wh for block in self.blocks if (wh := block.wh(channel)) is not None)
        return values if len(values) == len(self.blocks) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Days of the meter, ascending, each once."""

    days: tuple[HistoryDay, ...]

    def before(self, at_utc: int, days: int) -> tuple[HistoryDay, ...]:
        """Those that began before `at_utc` and no more than so many days before it, ascending."""
        return tuple(day for day in self.days if at_utc - days * DAY_S <= day.start_utc < at_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """What a check meter beside this one recorded, by block start."""

    meter: str
    import_wh: Mapping[int, int]
    export_wh: Mapping[int, int]

    def series(self, channel: Channel) -> Mapping[int, int]:
        """The energies of one channel."""
        return self.import_wh if channel is Channel.IMPORT else self.export_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanPower:
    """Mean import power in W by block start, as the meter's load profile states it beside its energies."""

    mean_w: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeederBalance:
    """What a feeder or transformer gave less what its meters took, in Wh a day; losses are in it.

    Below 0 where the meters took more than came, which no line does.
    """

    difference_wh: int
    history_wh: tuple[int, ...]
    """The same of earlier days."""
    name: str = "the feeder"
    """In words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradedExport:
    """Export that was sold in trades of one IST day, and the generation that stands behind it."""

    traded_wh: int
    installed_w: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRegisters:
    """Cumulative registers of this meter that the AMISP's own system read, and the `ImportedBatch` that holds them."""

    registers: tuple[Register, ...]
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """One block's sun: what a clear sky would have given this meter, and what the neighbours gave of theirs."""

    clear_wh: int
    neighbours: int
    """How many of them said anything."""
    neighbours_wh: int
    neighbours_clear_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How customers of the meter's category use energy through a day, and how much this one does."""

    weights: Mapping[Channel, tuple[int, ...]]
    """One a block from midnight on, in any unit."""
    daily_wh: Mapping[Channel, int]
    """Average daily use, for where no register says it."""
    days: Mapping[Channel, int]
    """Of how many measured days that is the average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Energies that two persons entered, with the digest of the `Edit` that says who and why."""

    values: Mapping[Channel, Mapping[int, int]]
    edit: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnection:
    """A time in which the connection was open, by the discom's own record of the work."""

    span: Interval
    reference: str
