"""A second opinion: a DLMS meter read by the package dlms-cosem, in a process of its own. Never the default.

What it can do is little: TCP wrapper, no authentication, a password or GMAC, general-glo. Source: METERS, Decisions.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.readers.dlms.association import RETRY_REFUSED_S
from edge_agent.readers.dlms.cosem import meter_clock
from edge_agent.readers.dlms.hls import Handover
from edge_agent.readers.dlms.profile import StampMeans
from edge_agent.readers.dlms_cosem_process import CosemProcess, if_there, integers, octets, parts
from edge_agent.registers import (
    EXPORT_TOTAL,
    IMPORT_TOTAL,
    CumulativeRegisters,
    MeterClock,
    MeterIdentity,
    Origin,
    ProfileColumn,
    ProfileLayout,
    ProfileRow,
    RegisterValue,
)
from signing.interval import Interval

BLOCK_LOAD: Final = "1.0.99.1.0.255"
DAILY_LOAD: Final = "1.0.99.2.0.255"
_CLOCK: Final = "0.0.1.0.0.255"
_NEWEST_FIRST: Final = frozenset({2, 5})


class CosemReader:
    """A meter with a memory, read by the other stack. Implements `Reader`; one task at a time.

    `meter` is where it is, as the child is told first, with what `shown` gives. A child that has not answered after
    `deadline_s` is killed.
    """

    def __init__(
        self,
        *,
        meter: dict[str, str | int],
        shown: Callable[[], Handover],
        origin: Origin,
        deadline_s: float,
        stamp_means: StampMeans,
    ) -> None:
        self._meter = meter
        self._shown = shown
        self._handover = Handover()
        self._origin = origin
        self._process = CosemProcess(deadline_s=deadline_s, retry_after_s=RETRY_REFUSED_S)
        self._shift = stamp_means is StampMeans.START
        self._layouts: dict[str, ProfileLayout] = {}

    @property
    def origin(self) -> Origin:
        """See `Reader.origin`."""
        return self._origin

    async def __aenter__(self) -> Self:
        """See `Reader.__aenter__`."""
        await self._process.start()
        try:
            self._handover = self._shown()
            await self._process.ask({**self._meter, **self._handover.told()}, "the request to associate")
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `Reader.__aexit__`."""
        await self.close()

    async def close(self) -> None:
        """See `Reader.close`."""
        handover, self._handover = self._handover, Handover()
        await self._process.close()
        handover.settle()

    async def identity(self) -> MeterIdentity:
        """See `Reader.identity`."""
        names = ("0.0.96.1.0.255", "0.0.96.1.1.255", "1.0.0.2.0.255", "0.0.94.91.11.255")
        texts = [await self._text(obis) for obis in names]
        return MeterIdentity(serial=texts[0], manufacturer=texts[1], firmware=texts[2], category=texts[3])

    async def clock(self) -> MeterClock:
        """See `Reader.clock`."""
        return meter_clock(octets(await self._get(8, _CLOCK), _CLOCK))

    async def layout(self) -> ProfileLayout:
        """See `Reader.layout`."""
        return await self._layout(BLOCK_LOAD)

    async def block_rows(self, span: Interval) -> tuple[ProfileRow, ...]:
        """See `Reader.block_rows`."""
        period_s = (await self.layout()).capture_period_s
        rows = await self._rows(BLOCK_LOAD, span)
        return tuple(row for row in rows if span.start_utc <= row.end_utc - period_s < span.end_utc)

    async def daily_registers(self, span: Interval) -> tuple[CumulativeRegisters, ...]:
        """See `Reader.daily_registers`."""
        rows = await self._rows(DAILY_LOAD, span)
        if rows and IMPORT_TOTAL not in rows[0].values:
            raise MeterRefusedError(f"expected a column {IMPORT_TOTAL} in {DAILY_LOAD}, got none")
        return tuple(
            CumulativeRegisters(
                stamp_utc=row.stamp_utc, imported=row.values[IMPORT_TOTAL], exported=row.values.get(EXPORT_TOTAL)
            )
            for row in rows
            if span.start_utc <= row.stamp_utc <= span.end_utc
        )

    async def registers(self) -> CumulativeRegisters:
        """See `Reader.registers`."""
        clock, imported = await self.clock(), await self._register(IMPORT_TOTAL)
        exported = await if_there(self._register(EXPORT_TOTAL), self._origin)
        return CumulativeRegisters(stamp_utc=clock.utc_s, imported=imported, exported=exported)

    async def _register(self, obis: str) -> RegisterValue:
        value = integers([await self._get(3, obis)], 1, obis)[0]
        scaler, unit = integers(await self._get(3, obis, 3), 2, obis)
        return RegisterValue(register=obis, raw=value, scaler=scaler, unit=unit)

    async def _text(self, obis: str) -> str | None:
        value = await if_there(self._get(1, obis), self._origin)
        if value is None:
            return None
        text = octets(value, obis).decode("latin-1") if isinstance(value, dict) else str(value)
        return text.strip("\x00\xff ") or None

    async def _layout(self, obis: str) -> ProfileLayout:
        if obis not in self._layouts:
            columns = [await self._column(entry, obis) for entry in parts(await self._get(7, obis, 3), obis)]
            sizes = [await self._get(7, obis, number) for number in (4, 7, 8, 5)]
            period_s, in_use, entries, order = integers(sizes, 4, obis)
            self._layouts[obis] = ProfileLayout(
                obis=obis,
                columns=tuple(columns),
                capture_period_s=period_s,
                entries=entries,
                entries_in_use=in_use,
                newest_first=order in _NEWEST_FIRST,
            )
        return self._layouts[obis]

    async def _column(self, entry: Any, of: str) -> ProfileColumn:  # noqa: ANN401 - whatever the meter holds
        class_id, name, attribute, index = parts(entry, of, 4)
        class_id, attribute, index = integers([class_id, attribute, index], 3, of)
        obis = ".".join(map(str, octets(name, of)))
        scaler, unit = 0, None
        if class_id in {3, 4} and attribute == 2:
            scaler, unit = integers(await self._get(class_id, obis, 3), 2, obis)
        return ProfileColumn(
            class_id=class_id, obis=obis, attribute=attribute, data_index=index, scaler=scaler, unit=unit
        )

    async def _rows(self, obis: str, span: Interval) -> tuple[ProfileRow, ...]:
        layout = await self._layout(obis)
        margin_s = 2 * layout.capture_period_s
        try:
            found = await self._get(7, obis, span=Interval(max(0, span.start_utc - margin_s), span.end_utc + margin_s))
        except MeterRefusedError:
            found = await self._get(7, obis)
        rows: list[ProfileRow] = []
        for cells in parts(found, obis):
            rows.append(self._row(cells, layout, rows[-1].stamp_utc if rows else None))
        return tuple(sorted(rows, key=lambda row: row.stamp_utc))

    def _row(self, row: Any, layout: ProfileLayout, before_utc: int | None) -> ProfileRow:  # noqa: ANN401 - likewise
        cells = parts(row, layout.obis, len(layout.columns))
        period_s, raw, status, values = layout.capture_period_s, None, None, {}
        stamp_utc = None if before_utc is None else before_utc + (-period_s if layout.newest_first else period_s)
        for column, cell in zip(layout.columns, cells, strict=True):
            if column.obis == _CLOCK and cell is not None:
                clock = meter_clock(octets(cell, layout.obis))
                raw, stamp_utc, status = clock.raw, clock.utc_s, clock.status
            elif column.obis != _CLOCK and (cell is None or isinstance(cell, int)):
                name, scaler, unit = column.register, column.scaler, column.unit
                values[name] = RegisterValue(register=name, raw=cell, scaler=scaler, unit=unit)
        if stamp_utc is None:
            raise MeterDecodeError(f"expected a clock in the first row of {layout.obis}, got none")
        end_utc = stamp_utc + (period_s if self._shift else 0)
        return ProfileRow(stamp=raw, stamp_utc=stamp_utc, end_utc=end_utc, clock_status=status, values=values)

    async def _get(self, class_id: int, obis: str, attribute: int = 2, *, span: Interval | None = None) -> Any:  # noqa: ANN401
        limits = None if span is None else [span.start_utc, span.end_utc]
        name = f"{obis} (class {class_id}) attribute {attribute}"
        return await self._process.ask({"get": [class_id, obis, attribute], "range": limits}, name)
