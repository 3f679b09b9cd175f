"""A meter whose links never last is read all the same: smaller and smaller pieces, nothing lost and nothing twice."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.config import MeterSettings
from edge_agent.errors import MeterUnavailableError
from edge_agent.outbox.outbox import Outbox
from edge_agent.poll import MemoryMeter
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from firmware_sim.dlms.clients import DEFAULT_PASSWORD
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.faulty import parse_dlms_fault, spoil
from firmware_sim.dlms.server import Framing, serve_device
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import DAY_S, Interval, floor_to_block
from signing.statements.reading import Reading
from signing.statements.reading_batch import Opening, ReadingBatch
from tests.edge_agent.gateway import Gateway, to_send
from tests.faults.test_meters import BASE, NOW, TODAY, site, url_of

DAYS = 6
WHOLE = Interval(TODAY - DAYS * DAY_S, floor_to_block(NOW - 30, 900))


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD)
    return Gateway(tmp_path)


@pytest.fixture
def outbox(gateway: Gateway) -> Iterator[Outbox]:
    with gateway.open() as opened:
        yield opened


class Past:
    """Days of a meter with faults, read in as many connections as it takes."""

    def __init__(self, gateway: Gateway, outbox: Outbox, *faults: str, max_pdu: int = 1024) -> None:
        spec = MeterSpec(serial="12345678", days=DAYS + 1, base=BASE)
        device = Device(Meter(spec, Home(seed=7, array_w=5000)), now=lambda: NOW, max_pdu=max_pdu)
        self.device = spoil(device, [parse_dlms_fault(fault) for fault in faults])
        self.settings = MeterSettings(
            id="M1", serial="12345678", url="", period_s=None, backfill_days=DAYS, max_block_wh=None
        )
        self.gateway, self.outbox = gateway, outbox
        self.meter = MemoryMeter(site(gateway, outbox), self.settings)
        self.lost = 0
        self.faults: list[str] = []

    async def read(self, most: int, framing: Framing = Framing.WRAPPER) -> None:
        """Connections until everything is read, `most` at most."""
        async with serve_device(self.device, framing=framing) as port:
            for _ in range(most):
                try:
                    async with open_reader(url_of(self.gateway, port, framing)) as reader:
                        assert isinstance(reader, Reader)
                        outcome = await self.meter.look(reader)
                except MeterUnavailableError:
                    self.lost += 1
                    continue
                self.faults += outcome.faults
                return
        pytest.fail(f"expected an end after {most} connections, {len(self.blocks())} blocks are signed")

    def batches(self) -> list[tuple[ReadingBatch, Opening]]:
        found = []
        for pending in to_send(self.outbox, limit=10_000):
            batch = ReadingBatch.parse(pending.envelope.payload)
            found.append((batch, Opening.parse(pending.opening, batch.count)))
        return found

    def blocks(self) -> list[tuple[int, Reading]]:
        return [
            (start, reading)
            for batch, opening in self.batches()
            for start, reading in zip(batch.span.block_starts(900), opening.readings, strict=True)
        ]

    def require_whole(self) -> None:
        """Every block is signed once, with what flowed, and every midnight with its registers."""
        blocks = self.blocks()
        assert Counter(start for start, _ in blocks) == Counter(WHOLE.block_starts(900))
        for start, reading in blocks:
            truth = self.device.meter.block(start, 900).energies
            assert (reading.import_wh, reading.export_wh) == (truth.imported_wh, truth.exported_wh)
        stamps = {register.stamp_utc for _, opening in self.batches() for register in opening.registers}
        assert stamps == set(range(WHOLE.start_utc, TODAY + 1, DAY_S))
        assert not self.faults


@pytest.mark.parametrize("framing", Framing)
@pytest.mark.parametrize(("blocks", "most"), [(0, 12), (1, 12), (3, 12)])
async def test_a_link_that_drops_inside_long_answers_is_asked_for_shorter_ones(
    gateway: Gateway, outbox: Outbox, blocks: int, most: int, framing: Framing
) -> None:
    past = Past(gateway, outbox, f"drop-after-block={blocks}")
    await past.read(most, framing)
    past.require_whole()
    assert past.lost


async def test_a_meter_with_small_answers_whose_links_drop_is_read_down_to_single_blocks(
    gateway: Gateway, outbox: Outbox
) -> None:
    past = Past(gateway, outbox, "drop-after-block=12", max_pdu=128)
    await past.read(40)
    past.require_whole()


async def test_what_was_read_before_the_link_was_lost_is_not_asked_for_again(gateway: Gateway, outbox: Outbox) -> None:
    """Its links die after so few answers that no connection brings the rows that prove its period."""
    past = Past(gateway, outbox, "drop-after-block=9", max_pdu=96)
    await past.read(130)
    past.require_whole()
