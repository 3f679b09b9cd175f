"""Meters in memory behind the real reader protocols: a memory that a test fills, and a register that it turns."""

from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Self

from edge_agent.errors import MeterUnavailableError, ReaderError
from edge_agent.registers import (
    EXPORT_BLOCK,
    EXPORT_TOTAL,
    IMPORT_BLOCK,
    IMPORT_TOTAL,
    CumulativeRegisters,
    MeterClock,
    MeterIdentity,
    Origin,
    ProfileColumn,
    ProfileLayout,
    ProfileRow,
    RegisterSample,
    RegisterValue,
)
from signing.interval import DAY_S, Interval


class Bench:
    """What both kinds share: a clock that the test moves, and a line that can be cut."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.is_away = False
        self.is_open = False

    async def __aenter__(self) -> Self:
        if self.is_away:
            raise MeterUnavailableError("no answer")
        self.is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        self.is_open = False


class MemoryBench(Bench):
    """A meter with a memory: `rows` by block start, as (import, export) in 10^`scaler` Wh."""

    origin = Origin.LLS

    def __init__(self, serial: str = "SERIAL1", period_s: int = 900) -> None:
        super().__init__()
        self.serial: str | None = serial
        self.period_s = period_s
        self.scaler = 0
        self.rows: dict[int, tuple[int, int]] = {}
        self.midnights: dict[int, int] = {}
        self.offset_ms = 0
        self.asked: list[Interval] = []
        self.asked_registers: list[Interval] = []
        self.refuses: dict[Interval, ReaderError] = {}

    async def identity(self) -> MeterIdentity:
        return MeterIdentity(serial=self.serial)

    async def clock(self) -> MeterClock:
        at = self.now_ms + self.offset_ms
        return MeterClock(utc_s=at // 1000, hundredths=at % 1000 // 10, deviation_min=-330, status=None, raw=bytes(12))

    async def layout(self) -> ProfileLayout:
        columns = tuple(
            ProfileColumn(class_id=3, obis=obis, attribute=2, data_index=0, scaler=self.scaler, unit=30)
            for obis in (IMPORT_BLOCK, EXPORT_BLOCK)
        )
        return ProfileLayout(
            obis="1.0.99.1.0.255",
            columns=columns,
            capture_period_s=self.period_s,
            entries=3360,
            entries_in_use=len(self.rows),
            newest_first=False,
        )

    async def block_rows(self, span: Interval) -> tuple[ProfileRow, ...]:
        self.asked.append(span)
        if span in self.refuses:
            raise self.refuses[span]
        return tuple(
            ProfileRow(
                stamp=bytes(12),
                stamp_utc=start + self.period_s,
                end_utc=start + self.period_s,
                clock_status=None,
                values={
                    IMPORT_BLOCK: RegisterValue(register=IMPORT_BLOCK, raw=imported, scaler=self.scaler, unit=30),
                    EXPORT_BLOCK: RegisterValue(register=EXPORT_BLOCK, raw=exported, scaler=self.scaler, unit=30),
                },
            )
            for start, (imported, exported) in sorted(self.rows.items())
            if span.start_utc <= start < span.end_utc
        )

    async def daily_registers(self, span: Interval) -> tuple[CumulativeRegisters, ...]:
        self.asked_registers.append(span)
        return tuple(
            CumulativeRegisters(
                stamp_utc=stamp,
                imported=RegisterValue(register=IMPORT_TOTAL, raw=wh, scaler=0, unit=30),
                exported=RegisterValue(register=EXPORT_TOTAL, raw=0, scaler=0, unit=30),
            )
            for stamp, wh in sorted(self.midnights.items())
            if span.start_utc <= stamp <= span.end_utc
        )

    async def registers(self) -> CumulativeRegisters:
        (row,) = await self.daily_registers(Interval(0, DAY_S))
        return row

    def fill(self, first: int, until: int, wh: int = 100) -> None:
        """Rows for every block that starts in [`first`, `until`)."""
        for start in range(first, until, self.period_s):
            self.rows[start] = (wh, 0)


@dataclass
class SampledBench(Bench):
    """A meter without memory."""

    import_wh: int = 0
    export_wh: int = 0
    serial: str | None = "SERIAL1"
    delay_ms: int = 0
    origin: Origin = Origin.MODBUS
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def identity(self) -> MeterIdentity:
        return MeterIdentity(serial=self.serial)

    async def sample(self) -> RegisterSample:
        self.now_ms += self.delay_ms
        self.asked.append(self.now_ms // 1000)
        return RegisterSample(
            serial=self.serial,
            imported=RegisterValue(register="import", raw=self.import_wh, scaler=0, unit=30),
            exported=RegisterValue(register="export", raw=self.export_wh, scaler=0, unit=30),
            imported_wh=self.import_wh,
            exported_wh=self.export_wh,
            quantum_wh=Decimal(1),
            words=(),
        )
