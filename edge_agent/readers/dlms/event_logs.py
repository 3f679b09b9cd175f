"""The event logs of a DLMS meter: how much was logged, and the rows since.

Source: METERS §2 (0.0.99.98.n, event code 0.0.96.11.n, sequence number 0.0.96.15.n).
"""

from typing import Final

from edge_agent.errors import MeterRefusedError
from edge_agent.events import EventLog, MeterEvent
from edge_agent.readers.dlms import objects, profile, survey
from edge_agent.readers.dlms.apdu import AccessResult
from edge_agent.readers.dlms.client import DlmsClient
from edge_agent.readers.dlms.cosem import Attribute
from edge_agent.registers import ProfileColumn
from signing.interval import Interval

_COUNTS: Final = {log: Attribute(class_id=1, obis=f"0.0.96.15.{int(log)}.255") for log in EventLog}
_CODE: Final = "0.0.96.11."
_NOTHING: Final = 0
"""The code in a row that some firmware keeps for events to come."""


async def counts(client: DlmsClient) -> dict[EventLog, int | None]:
    """The sequence number of every log, in one exchange.

    Raises:
        ReaderError: as a `Reader`, naming the object.
    """
    found = zip(_COUNTS.items(), await client.get_many(tuple(_COUNTS.values())), strict=True)
    return {log: None if isinstance(r, AccessResult) else profile.integer(r, str(of)) for (log, of), r in found}


async def columns(client: DlmsClient, log: EventLog) -> tuple[ProfileColumn, ...]:
    """What `log` records, without scalers: nothing that has one is read of it.

    Raises:
        ReaderError: as a `Reader`, naming the object.
    """
    names = survey.EVENT_LOGS[log].sibling(3)
    captured = profile.placed(profile.capture_objects(await client.get(names), str(names)), {})
    if objects.clock_place(captured) is None or _code_place(captured) is None:
        shown = ", ".join(column.register for column in captured)
        raise MeterRefusedError(f"expected a clock and an event code in {names}, got {shown}")
    return captured


async def rows(
    client: DlmsClient, log: EventLog, captured: tuple[ProfileColumn, ...], span: Interval | None
) -> tuple[MeterEvent, ...]:
    """The events in `log`, whose columns are `captured`; those around `span` where it is given and the meter selects.

    Raises:
        ReaderError: as a `Reader`, naming the object.
    """
    of, place = survey.EVENT_LOGS[log], _code_place(captured)
    assert place is not None  # `columns` saw to it
    if span is None:
        found = objects.generic_rows(await client.get(of), of.obis, captured)
    else:
        found = await survey.rows_within(client, of, captured, span)
    events = ((row.clock, profile.integer(row.cells[place], f"event code of {of}")) for row in found)
    return tuple(
        MeterEvent(log=log, at_utc=clock.utc_s, code=code)
        for clock, code in events
        if clock is not None and code != _NOTHING
    )


def _code_place(captured: tuple[ProfileColumn, ...]) -> int | None:
    return next((place for place, column in enumerate(captured) if column.register.startswith(_CODE)), None)
