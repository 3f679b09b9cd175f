import pytest

from edge_agent.outbox.outbox import Outbox
from edge_agent.sampled import SampledMeter
from edge_agent.site import IdentityError
from signing.statements.reading import Absence
from signing.statements.reading_batch import ClockSource, Opening, ReadingBatch
from signing.statements.reading_batch import Origin as WireOrigin
from tests.edge_agent.gateway import MIDNIGHT, PERIOD_S, Gateway, to_send
from tests.edge_agent.meters import SampledBench
from tests.edge_agent.site import POLL, settings, site

TEN = MIDNIGHT + 10 * 3600


class Sampled:
    """A meter without memory, and the agent's side of it."""

    def __init__(self, gateway: Gateway, outbox: Outbox, **changes: object) -> None:
        self.bench = SampledBench()
        self.outbox = outbox
        self.site = site(gateway, outbox, lambda: self.bench.now_ms)
        self.meter = SampledMeter(self.site, settings(**changes))

    async def at(self, now_utc: int, import_wh: int) -> bool:
        """Samples if a boundary is to be witnessed; gives whether it was."""
        self.bench.now_ms, self.bench.import_wh = now_utc * 1000, import_wh
        boundary = self.meter.boundary_to_witness()
        return boundary is not None and await self.meter.sample(self.bench, boundary)

    def readings(self) -> list[tuple[int, Absence, int | None]]:
        found = []
        for pending in to_send(self.outbox, limit=1000):
            batch = ReadingBatch.parse(pending.envelope.payload)
            opening = Opening.parse(pending.opening, batch.count)
            found += [
                (batch.start_utc + place * PERIOD_S, reading.absence, reading.import_wh)
                for place, reading in enumerate(opening.readings)
            ]
        return found


@pytest.fixture
def sampled(gateway: Gateway, outbox: Outbox) -> Sampled:
    return Sampled(gateway, outbox)


async def test_the_first_block_is_signed_at_the_first_witnessed_pair(sampled: Sampled) -> None:
    assert not await sampled.at(TEN - 100, 5)
    assert sampled.meter.sign_due().batches == 0
    assert await sampled.at(TEN, 10)
    assert sampled.meter.sign_due().batches == 0
    assert await sampled.at(TEN + PERIOD_S, 35)
    outcome = sampled.meter.sign_due()
    assert (outcome.batches, outcome.next_utc) == (1, TEN + 2 * PERIOD_S)
    assert sampled.readings() == [(TEN, Absence.NONE, 25)]
    assert sampled.meter.sign_due().batches == 0


async def test_the_samples_travel_as_registers_and_the_clock_as_what_put_the_boundaries(sampled: Sampled) -> None:
    await sampled.at(TEN, 10)
    await sampled.at(TEN + PERIOD_S, 35)
    sampled.meter.sign_due()
    (pending,) = to_send(sampled.outbox)
    batch = ReadingBatch.parse(pending.envelope.payload)
    opening = Opening.parse(pending.opening, 1)
    assert (batch.clock_offset_ms, batch.clock_source, batch.origin) == (None, ClockSource.NTP, WireOrigin.MODBUS)
    assert [(entry.stamp_utc, entry.import_wh) for entry in opening.registers] == [(TEN, 10), (TEN + PERIOD_S, 35)]
    assert opening.identity == "SERIAL1"


async def test_a_boundary_counts_only_within_the_witness_time_and_once(sampled: Sampled) -> None:
    assert await sampled.at(TEN + POLL.witness_s, 10)
    assert sampled.meter.boundary_to_witness() is None
    assert not await sampled.at(TEN + PERIOD_S + POLL.witness_s + 1, 10)


async def test_an_answer_that_comes_too_late_does_not_count(sampled: Sampled) -> None:
    sampled.bench.delay_ms = (POLL.witness_s + 1) * 1000
    assert not await sampled.at(TEN, 10)
    assert sampled.outbox.memory.first_witnessed_utc("M1") is None


async def test_a_missed_boundary_makes_two_blocks_not_witnessed_even_over_a_restart(
    sampled: Sampled, gateway: Gateway
) -> None:
    await sampled.at(TEN, 10)
    await sampled.at(TEN + PERIOD_S, 20)
    sampled.meter.sign_due()
    again = Sampled(gateway, sampled.outbox)
    await again.at(TEN + 3 * PERIOD_S, 50)
    again.meter.sign_due()
    assert again.readings() == [
        (TEN, Absence.NONE, 10),
        (TEN + PERIOD_S, Absence.NOT_WITNESSED, None),
        (TEN + 2 * PERIOD_S, Absence.NOT_WITNESSED, None),
    ]


async def test_a_batch_names_the_meter_as_its_own_samples_did(sampled: Sampled) -> None:
    sampled.bench.serial = None
    await sampled.at(TEN, 10)
    sampled.bench.serial = "SERIAL1"
    for block in (2, 3):
        await sampled.at(TEN + block * PERIOD_S, 50)
        sampled.meter.sign_due()
    batches = [(ReadingBatch.parse(each.envelope.payload), each.opening) for each in to_send(sampled.outbox)]
    openings = [Opening.parse(opening, batch.count) for batch, opening in batches]
    assert [opening.identity for opening in openings] == [None, "SERIAL1"]


async def test_v06_another_meter_is_never_witnessed(sampled: Sampled) -> None:
    sampled.bench.serial = "SERIAL2"
    with pytest.raises(IdentityError):
        await sampled.at(TEN, 10)
    assert sampled.outbox.memory.first_witnessed_utc("M1") is None


async def test_more_than_the_connection_can_carry_is_signed_as_implausible(gateway: Gateway, outbox: Outbox) -> None:
    sampled = Sampled(gateway, outbox, max_block_wh=100)
    await sampled.at(TEN, 0)
    await sampled.at(TEN + PERIOD_S, 101)
    sampled.meter.sign_due()
    assert sampled.readings() == [(TEN, Absence.IMPLAUSIBLE, None)]
