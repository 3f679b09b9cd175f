"""A report is plain JSON: exact decimal text, null where the meter has nothing."""

import json
from decimal import Decimal

import pytest

from edge_agent.errors import ReaderUrlError
from edge_agent.readers import report
from edge_agent.registers import (
    EXPORT_BLOCK,
    IMPORT_BLOCK,
    CumulativeRegisters,
    MeterClock,
    MeterIdentity,
    Origin,
    ProfileRow,
    RegisterSample,
    RegisterValue,
)
from signing.interval import DAY_S, Interval
from tests.edge_agent.meters import MemoryBench, SampledBench


def energy(raw: int | None, scaler: int = 0) -> RegisterValue:
    return RegisterValue(register=IMPORT_BLOCK, raw=raw, scaler=scaler, unit=30)


def test_a_block_has_start_and_end_and_exact_energies() -> None:
    row = ProfileRow(
        stamp=b"\x07",
        stamp_utc=1800,
        end_utc=1800,
        clock_status=None,
        values={IMPORT_BLOCK: energy(12345, -1), EXPORT_BLOCK: energy(None)},
    )
    assert json.loads(json.dumps(report.block_json(row, 900))) == {
        "start": "1970-01-01T00:15:00Z",
        "end": "1970-01-01T00:30:00Z",
        "imported_wh": "1234.5",
        "exported_wh": None,
        "clock_status": None,
        "stamp": "07",
    }


def test_a_block_without_stamp_or_columns_says_null() -> None:
    row = ProfileRow(stamp=None, stamp_utc=1800, end_utc=1800, clock_status=None, values={})
    found = report.block_json(row, 900)
    assert (found["stamp"], found["imported_wh"], found["exported_wh"]) == (None, None, None)


def test_large_energies_are_written_out() -> None:
    found = report.registers_json(CumulativeRegisters(stamp_utc=0, imported=energy(5, 12), exported=None))
    assert found == {"stamp": "1970-01-01T00:00:00Z", "imported_wh": "5000000000000", "exported_wh": None}


def test_a_clock_keeps_its_octets() -> None:
    found = report.clock_json(MeterClock(utc_s=0, hundredths=None, deviation_min=-330, status=0, raw=b"\x01"))
    assert found == {
        "utc": "1970-01-01T00:00:00Z",
        "hundredths": None,
        "deviation_min": -330,
        "status": 0,
        "raw": "01",
    }


def test_an_identity_and_a_sample_are_plain() -> None:
    assert report.identity_json(MeterIdentity(serial=None))["serial"] is None
    sample = RegisterSample(
        serial="7",
        imported=energy(25, -1),
        exported=None,
        imported_wh=2,
        exported_wh=None,
        quantum_wh=Decimal("15.625"),
        words=(1, 2),
    )
    assert json.loads(json.dumps(report.sample_json(sample))) == {
        "serial": "7",
        "imported_wh": 2,
        "exported_wh": None,
        "imported_wh_exact": "2.5",
        "exported_wh_exact": None,
        "quantum_wh": "15.625",
        "words": [1, 2],
    }


class Doubtful(MemoryBench):
    """A meter of whose rows nobody vouches for the last."""

    origin = Origin.GMAC

    async def block_rows(self, span: Interval) -> tuple[ProfileRow, ...]:
        self.origin = Origin.LLS
        return await super().block_rows(span)


async def test_the_origin_of_a_report_is_what_all_of_it_bears() -> None:
    meter = Doubtful()
    meter.midnights = {0: 1}
    found = await report.read_all("dlms+tcp://m", Interval(0, DAY_S), lambda _: meter)
    assert (next(iter(found)), found["origin"]) == ("origin", "LLS")


async def test_a_span_is_refused_of_a_meter_without_a_memory_before_it_is_asked() -> None:
    meter = SampledBench(serial="S")
    with pytest.raises(ReaderUrlError, match="expected no --from and --to for a meter without a memory"):
        await report.read_all("modbus+tcp://m", Interval(0, DAY_S), lambda _: meter)
    assert not meter.asked
    assert "sample" in await report.read_all("modbus+tcp://m", None, lambda _: meter)
