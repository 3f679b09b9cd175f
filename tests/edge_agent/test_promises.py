"""The promises of EVIDENCE §6 that the agent keeps: P9 (its half), P10 and P11.

P9's other half, the estimates that a head-end makes, is in `tests/signing` and `tests/headend`; so are the rules that P10's flags
lead to (`tests/headend/vee/test_clock_rules.py`) and what a head-end makes of a rotation (`tests/headend/onboarding/test_enrol.py`).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cbor2 import CBORTag

from edge_agent.clock import Uptime
from edge_agent.drafts import seal
from edge_agent.enrol import initialise, replace_key
from edge_agent.outbox.outbox import Outbox
from edge_agent.poll import MemoryMeter
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from edge_agent.sampled import SampledMeter
from firmware_sim.dlms.clients import DEFAULT_PASSWORD
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.faulty import parse_dlms_fault, spoil
from firmware_sim.dlms.server import serve_device
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.canonical import Item, decode, encode
from signing.envelope import from_item, unseal
from signing.errors import VerificationError
from signing.interval import floor_to_block, utc_text
from signing.signer import open_signer
from signing.statements.enrolment import open_enrolment
from signing.statements.reading import Absence, Columns, Flag, Provenance, Reading
from signing.statements.reading_batch import ClockSource, Opening, ReadingBatch
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import MIDNIGHT, PERIOD_S, Gateway, draft, to_send
from tests.edge_agent.meters import SampledBench
from tests.edge_agent.settings import config, text
from tests.edge_agent.site import settings, site

TEN = MIDNIGHT + 10 * 3600
WRONG_S = (10, -10, 3600, -3600)
"""By how much P10's clocks are wrong."""


def signed(outbox: Outbox) -> list[tuple[ReadingBatch, Opening]]:
    """Every batch with its opening, in the order of signing."""
    batches = [(ReadingBatch.parse(each.envelope.payload), each.opening) for each in to_send(outbox, limit=1000)]
    return [(batch, Opening.parse(opening, batch.count)) for batch, opening in batches]


def blocks(outbox: Outbox) -> dict[int, Reading]:
    """The newest reading of every block, by start."""
    return {
        batch.start_utc + place * batch.period_s: reading
        for batch, opening in signed(outbox)
        for place, reading in enumerate(opening.readings)
    }


# P9: estimated marks stay under signature. The agent estimates nothing; what it marks is how it came by a number, or why it has none.

MARKED = Reading(
    import_wh=0,
    export_wh=0,
    absence=Absence.NONE,
    flags=int(Flag.FILLER | Flag.POWER_FAIL | Flag.CLOCK_DOUBTFUL),
    provenance=Provenance.SAMPLED,
)
ABSENT = Reading(import_wh=None, export_wh=None, absence=Absence.NOT_WITNESSED, flags=0, provenance=Provenance.SAMPLED)


@pytest.mark.parametrize(
    "changed",
    [
        *(replace(MARKED, flags=MARKED.flags ^ flag) for flag in Flag),
        replace(MARKED, provenance=Provenance.LOAD_PROFILE),
        ABSENT,
    ],
)
def test_p9_no_mark_of_a_number_can_be_taken_off_or_put_on(gateway: Gateway, outbox: Outbox, changed: Reading) -> None:
    made = draft(0, [MARKED, ABSENT])
    outbox.put(made, lambda place: seal(made, place, salt=bytes(16), signer=gateway.signer))
    ((batch, opening),) = signed(outbox)
    assert batch.contents == hashlib.sha256(opening.encoded()).digest()
    forged = replace(opening, columns=Columns.of([changed, ABSENT]))
    assert hashlib.sha256(forged.encoded()).digest() != batch.contents


@pytest.mark.parametrize("absence", [Absence.NULL_DATA, Absence.NO_ROW, Absence.IMPLAUSIBLE, Absence.NONE])
def test_p9_no_reason_of_an_absence_can_be_changed_nor_a_zero_put_in_its_place(
    gateway: Gateway, outbox: Outbox, absence: Absence
) -> None:
    made = draft(0, [MARKED, ABSENT])
    outbox.put(made, lambda place: seal(made, place, salt=bytes(16), signer=gateway.signer))
    ((batch, opening),) = signed(outbox)
    zero = 0 if absence is Absence.NONE else None
    changed = replace(ABSENT, absence=absence, import_wh=zero, export_wh=zero)
    forged = replace(opening, columns=Columns.of([MARKED, changed]))
    assert hashlib.sha256(forged.encoded()).digest() != batch.contents


@pytest.mark.parametrize(("place", "value"), [(8, [-1200, 2]), (8, [None, 1]), (9, 3), (9, 0)])
def test_p9_neither_origin_nor_clock_of_a_header_can_be_changed(
    gateway: Gateway, outbox: Outbox, place: int, value: Item
) -> None:
    made = draft(0, [MARKED])
    outbox.put(made, lambda where: seal(made, where, salt=bytes(16), signer=gateway.signer))
    (pending,) = to_send(outbox)
    key = gateway.signer.public_key
    assert unseal(pending.envelope, ReadingBatch, key).statement.contents
    fields = decode(pending.envelope.payload, "payload")
    assert isinstance(fields, list)
    changed = encode([*fields[:place], value, *fields[place + 1 :]])
    forged = from_item(CBORTag(18, [pending.envelope.protected, {}, changed, pending.envelope.signature]))
    with pytest.raises(VerificationError):
        unseal(forged, ReadingBatch, key)


async def test_p9_what_was_not_witnessed_is_signed_as_that_and_is_never_a_number(
    gateway: Gateway, outbox: Outbox
) -> None:
    bench = SampledBench()
    meter = SampledMeter(site(gateway, outbox, lambda: bench.now_ms), settings())
    for block in (0, 1, 4, 5):
        bench.now_ms, bench.import_wh = (TEN + block * PERIOD_S) * 1000, 100 * block
        boundary = meter.boundary_to_witness()
        assert boundary is not None
        await meter.sample(bench, boundary)
        meter.sign_due()
    found = blocks(outbox)
    assert {(start - TEN) // PERIOD_S: (each.absence, each.import_wh) for start, each in found.items()} == {
        0: (Absence.NONE, 100),
        **dict.fromkeys((1, 2, 3), (Absence.NOT_WITNESSED, None)),
        4: (Absence.NONE, 100),
    }
    assert {each.provenance for each in found.values()} == {Provenance.SAMPLED}


# P10: a clock wrong by 10 s or 1 h, or stepped at a block edge, is flagged.


class Looking:
    """A simulated meter whose clock is wrong, and a gateway whose clock is right; `utc` is the true time."""

    def __init__(self, gateway: Gateway, outbox: Outbox, fault: str) -> None:
        self.utc = TEN
        self.outbox = outbox
        self.secret = gateway.path.parent / "lls"
        self.secret.write_bytes(DEFAULT_PASSWORD)
        spec = MeterSpec(serial="12345678", days=5)
        self.device = spoil(
            Device(Meter(spec, Home(seed=7, array_w=5000)), now=lambda: self.utc), [parse_dlms_fault(fault)]
        )
        shared = site(gateway, outbox, lambda: self.utc * 1000)
        self.meter = MemoryMeter(shared, settings(serial="12345678", backfill_days=1))

    async def look(self, utc: int) -> list[str]:
        """One look at that time; gives what an operator is told."""
        self.utc = utc
        async with (
            serve_device(self.device) as port,
            open_reader(f"dlms+tcp://127.0.0.1:{port}?password=file:{self.secret}") as reader,
        ):
            assert isinstance(reader, Reader)
            return (await self.meter.look(reader)).faults


@pytest.mark.parametrize("wrong_s", WRONG_S)
async def test_p10_a_meters_wrong_clock_stands_in_every_header(gateway: Gateway, outbox: Outbox, wrong_s: int) -> None:
    case = Looking(gateway, outbox, f"clock-step={wrong_s}")
    told = await case.look(TEN + 451)
    headers = [batch for batch, _ in signed(outbox)]
    assert headers
    assert {(batch.clock_offset_ms, batch.clock_source) for batch in headers} == {(wrong_s * 1000, ClockSource.NTP)}
    assert (told == [f"the clocks are apart: meter minus gateway is {wrong_s} s"]) is (abs(wrong_s) > 180)


@pytest.mark.parametrize("step_s", WRONG_S)
async def test_p10_a_meters_clock_that_steps_at_a_block_edge_shows_between_two_headers_and_is_told(
    gateway: Gateway, outbox: Outbox, step_s: int
) -> None:
    edge = TEN + 8 * PERIOD_S
    case = Looking(gateway, outbox, f"clock-step={step_s}@{utc_text(edge)}")
    before = await case.look(edge - 60)
    right = len(signed(outbox))
    # The sooner a step is looked at, the less of it can be drift.
    after = await case.look(edge + (9 if abs(step_s) > PERIOD_S else 1) * PERIOD_S + 60)
    offsets = [batch.clock_offset_ms for batch, _ in signed(outbox)]
    assert before == []
    assert set(offsets[:right]) == {0}
    assert set(offsets[right:]) == {step_s * 1000}
    assert [fault for fault in after if f"the meter's clock was set by {step_s:+d} s since the last look" in fault]


class Dating:
    """A meter without a clock, whose blocks the gateway dates; `utc` is the true time."""

    def __init__(self, gateway: Gateway, outbox: Outbox) -> None:
        self.utc, self.wrong_s, self.source = TEN, 0, ClockSource.NTP
        self.outbox = outbox
        self.bench = SampledBench()
        shared = site(gateway, outbox, self.wall_ms, lambda: Uptime(boot="boot", ms=self.utc * 1000))
        self.meter = SampledMeter(replace(shared, reference=lambda: self.source), settings())

    def wall_ms(self) -> int:
        return (self.utc + self.wrong_s) * 1000

    async def at(self, wall_utc: int) -> list[str]:
        """Lets the gateway's clock show that time; gives what an operator is told."""
        self.utc = wall_utc - self.wrong_s
        self.bench.import_wh = self.utc - MIDNIGHT
        boundary = self.meter.boundary_to_witness()
        if boundary is not None:
            await self.meter.sample(self.bench, boundary)
        return self.meter.sign_due().faults

    def flags(self) -> set[int]:
        return {each.flags for each in blocks(self.outbox).values()}


@pytest.mark.parametrize("wrong_s", WRONG_S)
async def test_p10_a_gateways_clock_that_nobody_vouches_for_flags_every_block_that_it_dates(
    gateway: Gateway, outbox: Outbox, wrong_s: int
) -> None:
    case = Dating(gateway, outbox)
    case.wrong_s, case.source = wrong_s, ClockSource.GATEWAY
    told = [fault for block in range(3) for fault in await case.at(TEN + block * PERIOD_S)]
    assert case.flags() == {Flag.CLOCK_DOUBTFUL}
    assert {batch.clock_source for batch, _ in signed(outbox)} == {ClockSource.GATEWAY}
    assert [fault for fault in told if "was not synchronised since it started" in fault] == told


@pytest.mark.parametrize("step_s", WRONG_S)
async def test_p10_a_gateways_clock_that_steps_at_a_block_edge_flags_the_block_and_is_told(
    gateway: Gateway, outbox: Outbox, step_s: int
) -> None:
    case = Dating(gateway, outbox)
    edge = TEN + 8 * PERIOD_S
    for boundary in range(TEN, edge + 1, PERIOD_S):
        assert await case.at(boundary) == []
    case.wrong_s = step_s
    told: list[str] = []
    for boundary in range(
        floor_to_block(edge + step_s, PERIOD_S) + PERIOD_S, edge + abs(step_s) + 3 * PERIOD_S, PERIOD_S
    ):
        told += await case.at(boundary)
    flagged = {start for start, each in blocks(outbox).items() if each.flags & Flag.CLOCK_STEP}
    assert edge in flagged
    # No energy of a time that is not the block's own stands under it unflagged: the meter counts 1 Wh a second.
    for start, each in blocks(outbox).items():
        assert start in flagged or each.import_wh in {PERIOD_S, None}
    assert [fault for fault in told if "the gateway's clock was set between" in fault] == told
    assert len(told) == 1


# P11: a rotation with a backlog leaves no hole.


def test_p11_a_rotation_with_a_backlog_leaves_no_hole(tmp_path: Path, discom: Discom) -> None:
    chosen = config(tmp_path, text(discom))

    def sign(blocks: Iterable[int]) -> None:
        signer = open_signer(chosen.key)
        with Outbox(chosen.database, capacity=10) as outbox:
            for block in blocks:
                made = draft(block)
                outbox.put(made, partial(seal, made, salt=bytes(16), signer=signer))

    first = initialise(chosen, lambda: bytes(16)).kid
    sign(range(3))
    enrolment = replace_key(chosen, lambda: bytes(16))
    sign(range(3, 5))
    with Outbox(chosen.database, capacity=10) as outbox:
        sent = to_send(outbox)
        headers = [ReadingBatch.parse(each.envelope.payload) for each in sent]
    # The backlog is still there, under the old key and in its place; the new chain goes on where it ends.
    assert [each.envelope.kid for each in sent] == [first] * 3 + [enrolment.kid] * 2
    assert [header.sequence for header in headers] == [0, 1, 2, 0, 1]
    assert [header.start_utc for header in headers] == [MIDNIGHT + block * PERIOD_S for block in range(5)]
    request = open_enrolment(enrolment.file.read_bytes())
    (retired,) = request.statement.retires
    assert (retired.kid, retired.last, retired.digest) == (first, 2, sent[2].envelope.digest)
    assert headers[3].previous == request.digest
