"""A DLMS meter behind the `Reader` seam: knows which objects to ask for, and what they mean."""

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Final, Self

from edge_agent.errors import MeterExceptionError, MeterRefusedError
from edge_agent.events import EventLog, MeterEvent
from edge_agent.readers.dlms import cosem, event_logs, ladder, null_clocks, profile
from edge_agent.readers.dlms.apdu import AccessResult
from edge_agent.readers.dlms.client import DlmsClient, Renewal, given
from edge_agent.readers.dlms.codec import Data
from edge_agent.readers.dlms.cosem import Attribute
from edge_agent.readers.dlms.ladder import Rung
from edge_agent.readers.dlms.profile import StampMeans
from edge_agent.readers.dlms.session import Session
from edge_agent.readers.dlms.survey import scalers
from edge_agent.readers.dlms.transport import Transport
from edge_agent.readers.reader import Glance, Learned
from edge_agent.registers import (
    EXPORT_BLOCK,
    EXPORT_TOTAL,
    IMPORT_BLOCK,
    IMPORT_TOTAL,
    UNIT_WATT_HOURS,
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

_ENERGIES: Final = frozenset({IMPORT_BLOCK, EXPORT_BLOCK, IMPORT_TOTAL, EXPORT_TOTAL})


class DlmsReader:
    """A meter with a memory, read over one association. Implements `Reader`; one task at a time.

    `connect` gives the byte stream, within `connect_s` where that differs from `timeout_s`; `session` is new and unused,
    and `again` gives another like it (see `DlmsClient`).
    """

    def __init__(
        self,
        *,
        connect: Callable[[], Awaitable[Transport]],
        session: Session,
        origin: Origin,
        timeout_s: float,
        stamp_means: StampMeans = StampMeans.END,
        connect_s: float | None = None,
        renewal: Renewal | None = None,
        again: Callable[[], Session] | None = None,
    ) -> None:
        self.client = DlmsClient(
            connect=connect, session=session, timeout_s=timeout_s, connect_s=connect_s, renewal=renewal, again=again
        )
        self._origin = origin
        self._stamp_means = stamp_means
        self._layouts: dict[Attribute, ProfileLayout] = {}
        self._rungs: dict[Attribute, tuple[Rung, ...]] = {}
        self._event_columns: dict[EventLog, tuple[ProfileColumn, ...]] = {}

    @property
    def origin(self) -> Origin:
        """See `Reader.origin`. Never more than the answers that came can bear."""
        return self._origin if self._origin is not Origin.GMAC or self.client.is_verified else Origin.LLS

    @property
    def octets(self) -> int:
        """See `Counting.octets`."""
        return self.client.traffic.sent_octets + self.client.traffic.received_octets

    @property
    def gives_parts(self) -> bool:
        """See `Selecting.gives_parts`. As far as is known: a meter may say that it selects, and not do so."""
        ways = self._rungs.get(cosem.BLOCK_LOAD) or ladder.rungs(self.client.granted.conformance)
        return ways[0] in {Rung.RANGE, Rung.RANGE_WITH_DEVIATION}

    async def __aenter__(self) -> Self:
        """See `Reader.__aenter__`."""
        await self.client.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `Reader.__aexit__`."""
        await self.close()

    async def close(self) -> None:
        """See `Reader.close`."""
        await self.client.close()

    async def identity(self) -> MeterIdentity:
        """See `Reader.identity`."""
        asked = (cosem.SERIAL, cosem.MANUFACTURER, cosem.FIRMWARE, cosem.CATEGORY)
        found = zip(asked, await self.client.get_many(asked), strict=True)
        texts = [None if isinstance(r, AccessResult) else profile.text(r, str(a)) or None for a, r in found]
        return MeterIdentity(serial=texts[0], manufacturer=texts[1], firmware=texts[2], category=texts[3])

    async def clock(self) -> MeterClock:
        """See `Reader.clock`."""
        return profile.clock(await self.client.get(cosem.CLOCK), str(cosem.CLOCK))

    async def layout(self) -> ProfileLayout:
        """See `Reader.layout`."""
        return await self._layout(cosem.BLOCK_LOAD, cosem.BLOCK_SCALERS)

    async def glance(self) -> Glance:
        """See `Recalling.glance`."""
        period, in_use = (cosem.BLOCK_LOAD.sibling(attribute) for attribute in (4, 7))
        asked = (cosem.SERIAL, cosem.CLOCK, period, in_use)
        found = dict(zip(asked, await self.client.get_many(asked), strict=True))
        serial = found[cosem.SERIAL]
        return Glance(
            serial=None if isinstance(serial, AccessResult) else profile.text(serial, str(cosem.SERIAL)) or None,
            clock=profile.clock(given(cosem.CLOCK, found[cosem.CLOCK]), str(cosem.CLOCK)),
            capture_period_s=profile.integer(given(period, found[period]), str(period)),
            entries_in_use=profile.integer(given(in_use, found[in_use]), str(in_use)),
        )

    def learned(self) -> Learned:
        """See `Recalling.learned`."""
        ways = len(ladder.rungs(self.client.granted.conformance))
        return Learned(
            load=self._layouts[cosem.BLOCK_LOAD],
            layouts={of.obis: layout for of, layout in self._layouts.items()},
            refused_ways={of.obis: ways - len(rungs) for of, rungs in self._rungs.items()},
            event_columns=dict(self._event_columns),
        )

    def recall(self, learned: Learned) -> None:
        """See `Recalling.recall`."""
        ways = ladder.rungs(self.client.granted.conformance)
        for of in (cosem.BLOCK_LOAD, cosem.DAILY_LOAD):
            if of.obis in learned.layouts:
                self._layouts[of] = learned.layouts[of.obis]
            self._rungs[of] = ways[learned.refused_ways.get(of.obis, 0) :]
        self._event_columns = dict(learned.event_columns)

    async def block_rows(self, span: Interval) -> tuple[ProfileRow, ...]:
        """See `Reader.block_rows`."""
        layout = await self.layout()
        rows = await self._rows(cosem.BLOCK_LOAD, layout, span)
        period_s = layout.capture_period_s
        return tuple(row for row in rows if span.start_utc <= row.end_utc - period_s < span.end_utc)

    async def daily_registers(self, span: Interval) -> tuple[CumulativeRegisters, ...]:
        """See `Reader.daily_registers`."""
        layout = await self._layout(cosem.DAILY_LOAD, cosem.DAILY_SCALERS)
        if not layout.has(IMPORT_TOTAL):
            raise MeterRefusedError(f"expected a column {IMPORT_TOTAL} in {cosem.DAILY_LOAD.sibling(3)}, got none")
        rows = await self._rows(cosem.DAILY_LOAD, layout, span)
        return tuple(
            CumulativeRegisters(
                stamp_utc=row.stamp_utc, imported=row.values[IMPORT_TOTAL], exported=row.values.get(EXPORT_TOTAL)
            )
            for row in rows
            if span.start_utc <= row.stamp_utc <= span.end_utc
        )

    async def event_counts(self) -> Mapping[EventLog, int | None]:
        """See `EventReader.event_counts`."""
        return await event_logs.counts(self.client)

    async def events(self, log: EventLog, span: Interval | None) -> tuple[MeterEvent, ...]:
        """See `EventReader.events`."""
        try:
            columns = self._event_columns.get(log)
            if columns is None:
                columns = self._event_columns[log] = await event_logs.columns(self.client, log)
            return await event_logs.rows(self.client, log, columns, span)
        except MeterExceptionError:
            # The caller goes on without what the log would say of the blocks.
            self.client.doubt()
            raise

    async def registers(self) -> CumulativeRegisters:
        """See `Reader.registers`."""
        imported, exported = (Attribute(class_id=3, obis=obis) for obis in (IMPORT_TOTAL, EXPORT_TOTAL))
        asked = (cosem.CLOCK, imported, imported.sibling(3), exported, exported.sibling(3))
        found = await self.client.get_many(asked)
        clock = profile.clock(given(cosem.CLOCK, found[0]), str(cosem.CLOCK))
        absent = isinstance(found[3], AccessResult)
        return CumulativeRegisters(
            stamp_utc=clock.utc_s,
            imported=_energy(imported, found[1], found[2]),
            exported=None if absent else _energy(exported, found[3], found[4]),
        )

    async def _layout(self, of: Attribute, scaler_profile: Attribute) -> ProfileLayout:
        known = self._layouts.get(of)
        if known is None:
            known = self._layouts[of] = await self._read_layout(of, scaler_profile)
        return known

    async def _read_layout(self, of: Attribute, scaler_profile: Attribute) -> ProfileLayout:
        objects = of.sibling(3)
        columns = profile.capture_objects(await self.client.get(objects), str(objects))
        period, in_use, entries, sort = asked = tuple(of.sibling(attribute) for attribute in (4, 7, 8, 5))
        found = dict(zip(asked, await self.client.get_many(asked), strict=True))
        numbers = [profile.integer(given(each, found[each]), str(each)) for each in (period, in_use, entries)]
        order = found[sort]
        layout = profile.layout(
            of,
            columns,
            await scalers(self.client, columns, scaler_profile),
            capture_period_s=numbers[0],
            # A meter that keeps its sort method to itself is FIFO, as IS 15959 profiles are.
            sort_method=profile.FIFO if isinstance(order, AccessResult) else profile.integer(order, str(sort)),
            entries_in_use=numbers[1],
            entries=numbers[2],
        )
        for column in layout.columns:
            if column.register in _ENERGIES and column.unit != UNIT_WATT_HOURS:
                raise MeterRefusedError(
                    f"expected unit 30 (Wh), got {column.unit} for column {column.register} of {objects}"
                )
        return layout

    async def _rows(self, of: Attribute, layout: ProfileLayout, span: Interval) -> tuple[ProfileRow, ...]:
        """The rows around `span`, ascending by stamp, by the first way of asking that the meter accepts."""
        remaining = self._rungs.get(of) or ladder.rungs(self.client.granted.conformance)
        for place, rung in enumerate(remaining):
            try:
                rows = await self._ask(rung, of, layout, span)
            except MeterRefusedError as error:
                if error.reason in ladder.FINAL or rung is remaining[-1]:
                    raise
                continue
            self._rungs[of] = remaining[place:]
            return tuple(sorted(rows, key=lambda row: row.stamp_utc))
        raise MeterRefusedError(f"the meter accepts no way of asking for {of}")

    async def _ask(self, rung: Rung, of: Attribute, layout: ProfileLayout, span: Interval) -> tuple[ProfileRow, ...]:
        match rung:
            case Rung.RANGE | Rung.RANGE_WITH_DEVIATION:
                access = ladder.range_access(rung, span, layout.capture_period_s)
                rows = profile.rows(await self.client.get(of, access), layout, self._stamp_means)
                await self._prove_range(rung, of, layout, span, rows)
                if rows and not ladder.any_near(rows, span, layout.capture_period_s):
                    # A meter that takes the range for another time zone would turn its data into a gap.
                    raise MeterRefusedError(f"expected rows of {of} in the range asked for, got only others")
                return rows
            case Rung.ENTRY:
                return await self._by_entry(of, layout, span)
            case Rung.WHOLE:
                rows = profile.rows(await self.client.get(of), layout, self._stamp_means)
                await self._prove_whole(layout, rows)
                return rows

    async def _prove_range(
        self, rung: Rung, of: Attribute, layout: ProfileLayout, span: Interval, rows: tuple[ProfileRow, ...]
    ) -> None:
        """Asks, where rows have no clock, for what the range must not hold besides if the capture period is as the meter says.

        Raises:
            MeterDecodeError: it is another one.
        """
        run = null_clocks.last_run(rows)
        if run is None:
            return
        period_s = layout.capture_period_s
        first, last = ladder.range_of(span, period_s)
        empty = null_clocks.unproved(
            run, first_utc=first, last_utc=last, period_s=period_s, newest_first=layout.newest_first, of=layout.obis
        )
        if empty is None:
            return
        access = profile.by_range(*empty, deviation_min=ladder.deviation_of(rung))
        if profile.parts(await self.client.get(of, access), str(of)):
            raise null_clocks.wrong_period(run, layout.obis, period_s)

    async def _prove_whole(self, layout: ProfileLayout, rows: tuple[ProfileRow, ...]) -> None:
        """Nothing more can be asked: rows without a clock are believed where they lead to the meter's own time.

        Raises:
            MeterDecodeError: they lead elsewhere, or nowhere that is known.
        """
        run = null_clocks.last_run(rows)
        if run is None:
            return
        behind_s = (await self.clock()).utc_s - run.end_utc
        is_newest = run.next_utc is None and not layout.newest_first
        if not is_newest or not 0 <= behind_s < 2 * layout.capture_period_s:
            raise null_clocks.wrong_period(run, layout.obis, layout.capture_period_s)

    async def _by_entry(self, of: Attribute, layout: ProfileLayout, span: Interval) -> tuple[ProfileRow, ...]:
        in_use = profile.integer(await self.client.get(of.sibling(7)), str(of.sibling(7)))
        now_utc = (await self.clock()).utc_s
        widen = 1
        while True:
            wanted = ladder.entries(
                span=span,
                now_utc=now_utc,
                period_s=layout.capture_period_s,
                in_use=in_use,
                newest_first=layout.newest_first,
                widen=widen,
            )
            if wanted is None:
                return ()
            rows = profile.rows(await self.client.get(of, wanted.access()), layout, self._stamp_means)
            await self._prove_entries(of, layout, wanted, rows)
            reaches_back = any(row.stamp_utc <= span.start_utc for row in rows)
            if reaches_back or wanted.last - wanted.first + 1 >= in_use:
                return rows
            widen *= 2

    async def _prove_entries(
        self, of: Attribute, layout: ProfileLayout, wanted: ladder.Entries, rows: tuple[ProfileRow, ...]
    ) -> None:
        """Asks, where rows have no clock, for the last such row alone, which then has one.

        Raises:
            MeterDecodeError: it is another than its place says: the capture period is not what the meter says.
        """
        run = null_clocks.last_run(rows)
        if run is None:
            return
        entry = wanted.first + run.place
        alone = profile.rows(await self.client.get(of, profile.by_entry(entry, entry)), layout, self._stamp_means)
        if [row.stamp_utc for row in alone] != [run.end_utc]:
            raise null_clocks.wrong_period(run, layout.obis, layout.capture_period_s)


def _energy(register: Attribute, value: Data | AccessResult, scale: Data | AccessResult) -> RegisterValue:
    scaler, unit = profile.scaler_unit(given(register.sibling(3), scale), str(register.sibling(3)))
    if unit != UNIT_WATT_HOURS:
        raise MeterRefusedError(f"expected unit 30 (Wh), got {unit} for {register}")
    return profile.register_value(given(register, value), register.obis, scaler, unit)
