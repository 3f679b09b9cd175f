"""Event logs of scripted meters: whole and by range, with surprises in their columns and rows."""

import pytest

from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.events import EventLog, MeterEvent
from edge_agent.readers.dlms import event_logs
from edge_agent.readers.dlms.codec import NULL, Data, Tag
from signing.interval import Interval
from tests.edge_agent.readers.dlms.test_survey import MIDNIGHT, asking, with_profile
from tests.edge_agent.readers.dlms.wire import ScriptedMeter, capture, meter, octets, stamp, structure, u16, u32

LOG = "0.0.99.98.4.255"
CLOCK = capture(8, "0.0.1.0.0.255")
CODE = capture(1, "0.0.96.11.4.255")
ENERGY = capture(3, "1.0.1.8.0.255")


def logged(*rows: Data, columns: tuple[Data, ...] = (CLOCK, CODE)) -> ScriptedMeter:
    return with_profile(LOG, list(columns), list(rows))


async def read(scripted: ScriptedMeter, span: Interval | None = None) -> list[tuple[int, int]]:
    """Hour of the day and code of every event."""
    async with asking(scripted) as client:
        columns = await event_logs.columns(client, EventLog.OTHER)
        found = await event_logs.rows(client, EventLog.OTHER, columns, span)
    assert all(isinstance(each, MeterEvent) and each.log is EventLog.OTHER for each in found)
    return [((each.at_utc - MIDNIGHT) // 3600, each.code) for each in found]


async def test_a_log_is_read_with_its_columns_in_any_place_and_no_scaler_is_asked_for() -> None:
    scripted = logged(structure(u32(7), u16(201), stamp(26, 10, 0)), columns=(ENERGY, CODE, CLOCK))
    assert await read(scripted) == [(10, 201)]
    assert not any(bytes.fromhex("00030100010800ff") in apdu for apdu in scripted.seen)


async def test_a_span_is_asked_for_by_range() -> None:
    scripted = logged(structure(stamp(26, 10, 0), u16(201)))
    assert await read(scripted, Interval(MIDNIGHT, MIDNIGHT + 86_400)) == [(10, 201)]
    assert scripted.seen[-2][12] == 1  # with selective access


async def test_rows_for_events_to_come_say_nothing() -> None:
    unset = octets(bytes.fromhex("ffffffffffffffffff8000ff"))
    scripted = logged(
        structure(unset, u16(0)), structure(NULL, u16(201)), structure(stamp(26, 9, 0), u16(0)),
        structure(stamp(26, 10, 0), u16(202)),
    )  # fmt: skip
    assert await read(scripted) == [(10, 202)]


@pytest.mark.parametrize("columns", [(CODE, ENERGY), (CLOCK, ENERGY)])
async def test_a_log_without_clock_or_code_is_refused_by_name(columns: tuple[Data, ...]) -> None:
    with pytest.raises(MeterRefusedError, match=r"expected a clock and an event code in 0\.0\.99\.98\.4\.255"):
        await read(logged(columns=columns))


async def test_a_code_that_is_no_number_is_an_error_by_name() -> None:
    with pytest.raises(MeterDecodeError, match=r"event code of 0\.0\.99\.98\.4\.255"):
        await read(logged(structure(stamp(26, 10, 0), Data(Tag.VISIBLE_STRING, "x"))))


async def test_a_log_that_the_meter_has_not_is_refused() -> None:
    with pytest.raises(MeterRefusedError, match=r"0\.0\.99\.98\.4\.255 \(class 7\) attribute 3"):
        await read(meter([]))


async def test_counts_are_one_exchange_and_none_where_the_meter_gives_none() -> None:
    scripted = meter([])
    scripted.objects[1, "0.0.96.15.2.255", 2] = u16(14)
    async with asking(scripted) as client:
        before = len(scripted.seen)
        assert await event_logs.counts(client) == {log: 14 if log is EventLog.POWER else None for log in EventLog}
        assert len(scripted.seen) == before + 1
