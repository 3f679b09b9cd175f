"""Whatever a DLMS meter has, asked for by name: profiles of any kind, and the scalers of their columns."""

from typing import Final

from edge_agent.errors import MeterRefusedError
from edge_agent.readers.dlms import cosem, ladder, objects, profile
from edge_agent.readers.dlms.apdu import AccessResult
from edge_agent.readers.dlms.association import Conformance
from edge_agent.readers.dlms.client import DlmsClient
from edge_agent.readers.dlms.cosem import Attribute
from edge_agent.readers.dlms.ladder import Rung
from edge_agent.readers.dlms.objects import GenericProfile, GenericRow
from edge_agent.registers import ProfileColumn
from signing.interval import DAY_S, Interval

INSTANTANEOUS: Final = Attribute(class_id=7, obis="1.0.94.91.0.255")
BILLING: Final = Attribute(class_id=7, obis="1.0.98.1.0.255")
EVENT_LOGS: Final = tuple(Attribute(class_id=7, obis=f"0.0.99.98.{log}.255") for log in range(7))
"""Voltage, current, power, transaction, other, non-rollover, control. Source: METERS §2."""
NAMEPLATE: Final = Attribute(class_id=7, obis="0.0.94.91.10.255")
PROFILES: Final = (cosem.BLOCK_LOAD, cosem.DAILY_LOAD, INSTANTANEOUS, BILLING, NAMEPLATE, *EVENT_LOGS)
"""The profiles of IS 15959 that a meter may have."""

_EVENT_SCALERS: Final = Attribute(class_id=7, obis="1.0.94.91.7.255")
_SCALERS: Final = {
    cosem.BLOCK_LOAD: cosem.BLOCK_SCALERS,
    cosem.DAILY_LOAD: cosem.DAILY_SCALERS,
    INSTANTANEOUS: Attribute(class_id=7, obis="1.0.94.91.3.255"),
    BILLING: Attribute(class_id=7, obis="1.0.94.91.6.255"),
    **dict.fromkeys(EVENT_LOGS, _EVENT_SCALERS),
}
"""The scaler profile of each profile. Source: METERS §2."""


async def scalers(
    client: DlmsClient, columns: tuple[tuple[Attribute, int], ...], scaler_profile: Attribute | None
) -> dict[str, tuple[int, int]]:
    """Scaler and unit by OBIS code, from each register; from the scaler profile where a meter does not give that."""
    asked = profile.scaled_columns(columns)
    found = dict(zip(asked, await client.get_many(asked, absence_counts=False), strict=True))
    given = {a.obis: profile.scaler_unit(r, str(a)) for a, r in found.items() if not isinstance(r, AccessResult)}
    if len(given) == len(asked) or scaler_profile is None:
        return given
    try:
        names = scaler_profile.sibling(3)
        scaled = profile.capture_objects(await client.get(names), str(names))
        row = profile.scaler_row(scaled, await client.get(scaler_profile), str(scaler_profile))
    except MeterRefusedError:
        return given
    return row | given


async def columns_of(client: DlmsClient, of: Attribute) -> tuple[ProfileColumn, ...]:
    """What the profile `of` records, in the meter's order.

    Raises:
        ReaderError: as a `Reader`, naming the object.
    """
    captured = profile.capture_objects(await client.get(of.sibling(3)), str(of.sibling(3)))
    return profile.placed(captured, await scalers(client, captured, _SCALERS.get(of)))


async def generic_profile(client: DlmsClient, obis: str, span: Interval | None = None) -> GenericProfile:
    """The profile `obis` of any kind, whole or the rows whose clock lies inside ``[start, end]`` of `span`.

    A row without a clock lies in no span.

    Raises:
        ReaderError: as a `Reader`, naming the object.
    """
    of = Attribute(class_id=7, obis=obis)
    columns = await columns_of(client, of)
    if span is None:
        rows = objects.generic_rows(await client.get(of), obis, columns)
        return GenericProfile(obis=obis, columns=columns, rows=rows)
    if objects.clock_place(columns) is None:
        raise MeterRefusedError(f"expected a clock column in {of.sibling(3)}, got none: leave out the span")
    found = await rows_within(client, of, columns, span)
    rows = tuple(row for row in found if row.clock is not None and span.start_utc <= row.clock.utc_s <= span.end_utc)
    return GenericProfile(obis=obis, columns=columns, rows=rows)


async def rows_within(
    client: DlmsClient, of: Attribute, columns: tuple[ProfileColumn, ...], span: Interval
) -> tuple[GenericRow, ...]:
    """The rows around `span` by range where the meter can, else all: logs have no period to count entries by."""
    has_clock = any(column.register == cosem.CLOCK.obis for column in columns)
    if has_clock and Conformance.SELECTIVE_ACCESS in client.granted.conformance:
        for rung in (Rung.RANGE, Rung.RANGE_WITH_DEVIATION):
            try:
                # A day more on both sides: edges are never trusted, nor the time zone that a meter takes a range for.
                rows = objects.generic_rows(
                    await client.get(of, ladder.range_access(rung, span, DAY_S)), of.obis, columns
                )
            except MeterRefusedError as error:
                if error.reason in ladder.FINAL:
                    raise
            else:
                return rows
    return objects.generic_rows(await client.get(of), of.obis, columns)
