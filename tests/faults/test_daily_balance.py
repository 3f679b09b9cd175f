"""What the balance of every day says while a meter is read, with nobody at a desk; what is signed stays as the meter gave it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_agent.config import MeterSettings
from edge_agent.poll import MemoryMeter
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from firmware_sim.dlms.clients import DEFAULT_PASSWORD
from firmware_sim.dlms.server import serve_device
from signing.interval import DAY_S, Interval, parse_instant
from signing.statements.reading_batch import Opening, ReadingBatch
from tests.edge_agent.gateway import Gateway, to_send
from tests.faults.test_meters import TODAY, YESTERDAY, device, site, url_of

DAYS = 3
AT = "2026-04-25T10:07:00+05:30"
OUTAGE = "2026-04-25T10:00:00+05:30/2026-04-25T12:00:00+05:30"


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD)
    return Gateway(tmp_path)


async def told(
    gateway: Gateway, faults: Sequence[str], stamp: str = "end", looks: int = 1
) -> tuple[list[str], dict[int, int | None]]:
    """What an operator is told of a meter after some looks, and the import of every block that was signed."""
    befallen = device(faults)
    settings = MeterSettings(id="M1", serial="12345678", url="", period_s=None, backfill_days=DAYS, max_block_wh=None)
    words: list[str] = []
    signed: dict[int, int | None] = {}
    with gateway.open() as outbox:
        meter = MemoryMeter(site(gateway, outbox), settings)
        async with serve_device(befallen) as port:
            for _ in range(looks):
                async with open_reader(url_of(gateway, port, stamp=stamp)) as reader:
                    assert isinstance(reader, Reader)
                    words += (await meter.look(reader)).faults
        for pending in to_send(outbox, limit=1000):
            batch = ReadingBatch.parse(pending.envelope.payload)
            readings = Opening.parse(pending.opening, batch.count).readings
            signed |= {
                start: reading.import_wh for start, reading in zip(batch.span.block_starts(900), readings, strict=True)
            }
    return words, signed


@pytest.mark.parametrize(("faults", "stamp", "word"), [(["start-stamps"], "end", "start"), ([], "start", "end")])
async def test_a_stamp_that_is_configured_wrong_is_named_with_numbers_and_remedy_and_reading_goes_on(
    gateway: Gateway, faults: Sequence[str], stamp: str, word: str
) -> None:
    words, signed = await told(gateway, faults, stamp)
    (fault,) = words
    assert f'they balance when stamps name the {word} of a block: set stamp = "{word}"' in fault
    assert "import register +" in fault
    assert "export register +" in fault
    # Never moved: every figure is signed where the configured reading of its stamp puts it.
    truth = device([]).meter
    shift_s = 900 if word == "start" else -900
    whole = range(YESTERDAY.start_utc, TODAY, 900)
    assert [signed[at] for at in whole] == [truth.block(at + shift_s, 900).energies.imported_wh for at in whole]


@pytest.mark.parametrize(("faults", "stamp"), [([], "end"), (["start-stamps"], "start"), ([f"outage={OUTAGE}"], "end")])
async def test_a_meter_that_balances_is_not_told(gateway: Gateway, faults: Sequence[str], stamp: str) -> None:
    words, signed = await told(gateway, faults, stamp)
    assert words == []
    assert set(Interval(TODAY - DAYS * DAY_S, TODAY).block_starts(900)) <= set(signed)


@pytest.mark.parametrize("said", [1800, 3600])
async def test_a_firmware_that_lies_about_its_period_is_named_by_every_look(gateway: Gateway, said: int) -> None:
    words, signed = await told(gateway, [f"lies-about-period={said}"], looks=2)
    assert not signed
    assert len(words) > 1
    assert all(f"expected a row every {said} s" in fault for fault in words)


async def test_a_row_that_is_missing_is_told_with_what_flowed_in_it(gateway: Gateway) -> None:
    words, signed = await told(gateway, [f"missing-block={AT}"])
    at = parse_instant(AT, "at") // 900 * 900
    missing = device([]).meter.block(at, 900).energies
    assert signed[at] is None
    assert missing.imported_wh + (missing.exported_wh or 0) > 100
    (fault,) = words
    assert "1 of 96 blocks have no figure: rows are missing, and are asked for again" in fault


@pytest.mark.parametrize("fault", ["reset", "rollover"])
async def test_registers_that_fell_are_told(gateway: Gateway, fault: str) -> None:
    words, _ = await told(gateway, [f"{fault}={AT}"])
    assert ["a cumulative register fell" in each for each in words] == [True]


async def test_a_fault_of_one_day_is_told_once(gateway: Gateway) -> None:
    words, _ = await told(gateway, [f"reset={AT}"], looks=3)
    assert len(words) == 1
