"""The agent at simulated meters with every fault by name: a finding, an absence or a clear error, and never a wrong number."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_agent.balance import DayBalance, Verdict, day_balance
from edge_agent.cli import main
from edge_agent.clock import Uptime
from edge_agent.config import MeterSettings, PollSettings, load
from edge_agent.errors import MeterDecodeError, MeterForgedError, MeterRefusedError, MeterUnavailableError, ReaderError
from edge_agent.meter_keys import Role, open_wrapping_key, parse, seal
from edge_agent.outbox.outbox import Outbox
from edge_agent.poll import MemoryMeter
from edge_agent.readers.dlms.security import Secret
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from edge_agent.registers import Origin
from edge_agent.site import Outcome, Site
from edge_agent.vault import GatewayVault
from firmware_sim.dlms.clients import DEFAULT_PASSWORD, TEST_AK, TEST_EK, Access, Ciphering
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.faulty import DLMS_FAULTS, is_of_every_meter, parse_dlms_fault, spoil
from firmware_sim.dlms.gcm import Keys
from firmware_sim.dlms.server import Framing, serve_device
from firmware_sim.faults import FAULTS, parse_fault
from firmware_sim.meter import Energies, Meter, MeterSpec
from firmware_sim.modbus.line_faults import LINE_FAULTS
from firmware_sim.modbus.shown import REGISTER_FAULTS
from firmware_sim.world import Home
from signing.interval import DAY_S, Interval, floor_to_block, ist_day_start, parse_instant
from signing.statements.reading import Absence, Flag, Reading
from signing.statements.reading_batch import ClockSource, Opening, ReadingBatch, Register
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import SOFTWARE, Gateway, to_send
from tests.edge_agent.settings import text

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
TODAY = ist_day_start(NOW)
YESTERDAY = Interval(TODAY - DAY_S, TODAY)
NOON = TODAY + 10 * 3600
POLL = PollSettings(interval_s=60, settle_s=30, patience_s=1800, absent_retry_s=21_600, witness_s=10)
BASE = Energies(imported_wh=41_000_000, exported_wh=7_000_000)


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD)
    return Gateway(tmp_path)


@dataclass
class Seen:
    """What became of one meter: its outcome or error, and what was signed of it."""

    meter: Meter
    period_s: int
    outcome: Outcome | None = None
    error: ReaderError | None = None
    blocks: dict[int, Reading] = field(default_factory=dict)
    registers: list[Register] = field(default_factory=list)
    offsets_ms: set[int | None] = field(default_factory=set)

    def wrong(self) -> list[int]:
        """Starts of the blocks whose signed figure is not what flowed."""
        return [
            start
            for start, reading in self.blocks.items()
            if reading.import_wh is not None and not self._is_true(start)
        ]

    def absent(self) -> dict[int, Absence]:
        """Blocks that are signed without a figure, by start, and why."""
        return {start: reading.absence for start, reading in self.blocks.items() if reading.import_wh is None}

    def flagged(self) -> dict[int, int]:
        """Blocks with flags, by start."""
        return {start: reading.flags for start, reading in self.blocks.items() if reading.flags}

    def is_whole(self) -> bool:
        """Whether every block of today and yesterday is signed with what flowed, and nothing is wrong in words."""
        return self.outcome is not None and not self.outcome.faults and self.is_right()

    def is_right(self) -> bool:
        """Whether every block of today and yesterday is signed with what flowed."""
        span = Interval(YESTERDAY.start_utc, floor_to_block(NOW, self.period_s))
        return set(self.blocks) == set(span.block_starts(self.period_s)) and not (self.absent() or self.wrong())

    def is_balanced(self) -> bool:
        """Whether the registers at both ends of yesterday are signed as they stood."""
        told = {each.stamp_utc: (each.import_wh, each.export_wh) for each in self.registers}
        truth = {at: self.meter.registers(at) for at in (YESTERDAY.start_utc, YESTERDAY.end_utc)}
        return told == {at: (each.imported_wh, each.exported_wh) for at, each in truth.items()}

    def _is_true(self, start: int) -> bool:
        truth = self.meter.block(start, self.period_s).energies
        return (self.blocks[start].import_wh, self.blocks[start].export_wh) == (truth.imported_wh, truth.exported_wh)


def device(faults: Sequence[str], period_s: int = 900) -> Device:
    """A meter with `faults` by name."""
    own = [parse_dlms_fault(fault) for fault in faults if not is_of_every_meter(fault)]
    every = tuple(parse_fault(fault) for fault in faults if is_of_every_meter(fault))
    spec = MeterSpec(serial="12345678", period_s=period_s, days=5, base=BASE)
    return spoil(Device(Meter(spec, Home(seed=7, array_w=5000), every), now=lambda: NOW), own)


def site(gateway: Gateway, outbox: Outbox) -> Site:
    return Site(
        poll=POLL,
        outbox=outbox,
        signer=gateway.signer,
        software=SOFTWARE,
        now_ms=lambda: NOW * 1000,
        reference=lambda: ClockSource.NTP,
        uptime=lambda: Uptime(boot="boot", ms=NOW * 1000),
        salt=lambda: bytes(16),
    )


def url_of(gateway: Gateway, port: int, framing: Framing = Framing.WRAPPER, **keys: object) -> str:
    scheme = {Framing.WRAPPER: "dlms+tcp", Framing.HDLC: "dlms+hdlc+tcp"}[framing]
    query = {"client": 32, "password": f"file:{gateway.path.parent}/lls"}
    if framing is Framing.HDLC:
        query |= {"physical": 17}
    return f"{scheme}://127.0.0.1:{port}?" + "&".join(f"{key}={value}" for key, value in (query | keys).items())


async def look(
    gateway: Gateway,
    *faults: str,
    period_s: int = 900,
    framing: Framing = Framing.WRAPPER,
    keys: Mapping[str, object] | None = None,
) -> Seen:
    """One look of the agent at a meter with `faults`, over a real socket."""
    befallen = device(faults, period_s)
    seen = Seen(befallen.meter, period_s)
    settings = MeterSettings(id="M1", serial="12345678", url="", period_s=None, backfill_days=1, max_block_wh=None)
    with gateway.open() as outbox:
        async with serve_device(befallen, framing=framing) as port:
            try:
                async with open_reader(url_of(gateway, port, framing, **(keys or {}))) as reader:
                    assert isinstance(reader, Reader)
                    seen.outcome = await MemoryMeter(site(gateway, outbox), settings).look(reader)
            except ReaderError as error:
                seen.error = error
        for pending in to_send(outbox, limit=1000):
            batch = ReadingBatch.parse(pending.envelope.payload)
            opening = Opening.parse(pending.opening, batch.count)
            starts = Interval(batch.start_utc, batch.end_utc).block_starts(batch.period_s)
            seen.blocks |= dict(zip(starts, opening.readings, strict=True))
            seen.registers += opening.registers
            seen.offsets_ms.add(batch.clock_offset_ms)
    return seen


async def test_a_meter_without_faults_is_read_whole(gateway: Gateway) -> None:
    seen = await look(gateway)
    assert seen.is_whole()
    assert not seen.flagged()


@pytest.mark.parametrize(
    "faults",
    [
        ("shuffled-columns",),
        ("null-clocks",),
        ("lifo",),
        ("lifo", "null-clocks", "shuffled-columns"),
        ("deviation=+330",),
        ("deviation=-330",),
        ("deviation=unspecified",),
        ("clock-status-ff", "deviation=unspecified"),
        ("exclusive-edges",),
        ("no-selective-access",),
        ("no-selective-access=unsaid",),
        ("no-range",),
        ("no-range", "lifo"),
        ("slow-link=200000",),
    ],
    ids=" ".join,
)
async def test_a_habit_of_firmware_changes_no_figure(gateway: Gateway, faults: tuple[str, ...]) -> None:
    seen = await look(gateway, *faults)
    assert seen.is_whole()
    assert seen.is_balanced()
    assert not seen.flagged()


AT = "2026-04-26T10:07:00+05:30"
HALTED = Interval(
    parse_instant("2026-04-25T10:00:00+05:30", "start"), parse_instant("2026-04-25T12:00:00+05:30", "end")
)
OUTAGE = "2026-04-25T10:00:00+05:30/2026-04-25T12:00:00+05:30"


async def test_null_values_are_absent_and_never_zero(gateway: Gateway) -> None:
    seen = await look(gateway, f"null-values={AT}")
    assert seen.absent() == {NOON: Absence.NULL_DATA}
    assert not seen.wrong()


async def test_zero_rows_of_an_outage_are_marked_as_filler(gateway: Gateway) -> None:
    seen = await look(gateway, f"outage={OUTAGE}")
    assert seen.is_whole()
    assert seen.flagged() == dict.fromkeys(HALTED.block_starts(900), Flag.FILLER | Flag.POWER_FAIL)


async def test_rows_that_an_outage_left_out_are_absent(gateway: Gateway) -> None:
    seen = await look(gateway, f"outage-without-rows={OUTAGE}")
    assert seen.absent() == dict.fromkeys(HALTED.block_starts(900), Absence.NO_ROW)
    assert seen.flagged() == dict.fromkeys(HALTED.block_starts(900), Flag.POWER_FAIL)
    assert not seen.wrong()


async def test_an_outage_inside_a_block_is_marked_and_its_energy_stays(gateway: Gateway) -> None:
    failed = ("event=101@2026-04-25T10:02:00+05:30", "event=102@2026-04-25T10:09:00+05:30")
    seen = await look(gateway, *failed)
    assert seen.is_whole()
    assert seen.flagged() == {HALTED.start_utc: Flag.POWER_FAIL}


async def test_blocks_between_a_magnet_and_its_removal_are_marked_as_tampered_with(gateway: Gateway) -> None:
    magnet = ("event=201@2026-04-25T10:07:00+05:30", "event=202@2026-04-25T10:31:00+05:30")
    seen = await look(gateway, *magnet)
    assert seen.is_whole()
    quarters = [HALTED.start_utc + 900 * number for number in range(3)]
    assert seen.flagged() == dict.fromkeys(quarters, Flag.TAMPER)


async def test_a_cover_that_was_opened_marks_the_block_in_which_it_was(gateway: Gateway) -> None:
    seen = await look(gateway, f"event=251@{AT}")
    assert seen.is_whole()
    assert seen.flagged() == {NOON: Flag.TAMPER}


async def test_a_clock_that_somebody_set_is_marked_though_it_is_right_again(gateway: Gateway) -> None:
    seen = await look(gateway, f"event=151@{AT}")
    assert seen.is_whole()
    assert seen.flagged() == {NOON: Flag.CLOCK_STEP}


async def test_events_are_found_where_a_meter_selects_nothing(gateway: Gateway) -> None:
    seen = await look(gateway, f"event=251@{AT}", "no-selective-access", "lifo", "shuffled-columns")
    assert seen.flagged() == {NOON: Flag.TAMPER}


async def test_an_event_that_bears_on_no_reading_marks_nothing(gateway: Gateway) -> None:
    seen = await look(gateway, f"event=301@{AT}", f"event=7@{AT}", f"event=51@{AT}", f"event=152@{AT}")
    assert seen.is_whole()
    assert not seen.flagged()


async def proof(gateway: Gateway, *faults: str) -> DayBalance:
    """The balance of yesterday at a meter with `faults`, read as end stamps."""
    async with (
        serve_device(device(faults)) as port,
        open_reader(url_of(gateway, port)) as reader,
    ):
        assert isinstance(reader, Reader)
        around = Interval(YESTERDAY.start_utc - 900, YESTERDAY.end_utc + 900)
        rows, registers = await reader.block_rows(around), await reader.daily_registers(YESTERDAY)
    return day_balance(YESTERDAY, rows, registers, period_s=900)


async def test_start_stamps_are_proved_by_the_balance_and_read_right_once_configured(gateway: Gateway) -> None:
    assert (await proof(gateway)).verdict is Verdict.END
    assert (await proof(gateway, "start-stamps")).verdict is Verdict.START
    seen = await look(gateway, "start-stamps", keys={"stamp": "start"})
    assert seen.is_whole()


@pytest.mark.parametrize("seconds", [600, 3000, -600, -3000])
async def test_a_moved_clock_is_told_and_flagged_and_only_blocks_after_it_are_in_doubt(
    gateway: Gateway, seconds: int
) -> None:
    seen = await look(gateway, f"clock-step={seconds}@{AT}")
    assert seen.outcome is not None
    assert seen.outcome.faults == [f"the clocks are apart: meter minus gateway is {seconds} s"]
    # Every header carries the offset, by which rule V09 doubts every block since the last good check.
    assert seen.offsets_ms == {seconds * 1000}
    assert seen.flagged()[NOON] & Flag.CLOCK_STEP
    earliest = NOON + min(0, seconds // 900 * 900)
    assert min([*seen.wrong(), *seen.absent()]) >= earliest
    assert not [start for start in seen.wrong() if start < NOON]


@pytest.mark.parametrize("seconds", [600, -600])
async def test_a_clock_that_was_always_off_is_told_and_stands_in_every_header(gateway: Gateway, seconds: int) -> None:
    seen = await look(gateway, f"clock-step={seconds}")
    assert seen.outcome is not None
    assert seen.outcome.faults == [f"the clocks are apart: meter minus gateway is {seconds} s"]
    assert seen.offsets_ms == {seconds * 1000}
    assert not seen.absent()


async def test_rows_that_were_written_twice_and_disagree_are_absent(gateway: Gateway) -> None:
    seen = await look(gateway, f"clock-step=-3000@{AT}")
    twice = [NOON - 2700, NOON - 1800, NOON - 900]
    assert seen.absent() == dict.fromkeys(twice, Absence.METER_ERROR)
    assert all(seen.flagged()[start] & Flag.REPEATED_ROW for start in twice)


async def test_a_link_that_drops_inside_a_long_answer_keeps_what_came_before(gateway: Gateway) -> None:
    seen = await look(gateway, "drop-after-block=1")
    assert isinstance(seen.error, MeterUnavailableError)
    assert "1.0.99.1.0.255 (class 7) attribute 2" in str(seen.error)
    # The last hour fitted into one answer; the days before are not signed as absent, since nobody was asked.
    assert sorted(seen.blocks) == [floor_to_block(NOW, 900) - 900 * number for number in (4, 3, 2, 1)]
    assert not seen.wrong()
    assert not seen.absent()


@pytest.mark.parametrize("framing", Framing)
async def test_a_silent_meter_is_away_and_nothing_of_it_is_signed(gateway: Gateway, framing: Framing) -> None:
    seen = await look(gateway, "silent", framing=framing, keys={"timeout": 1})
    assert isinstance(seen.error, MeterUnavailableError)
    assert "no answer" in str(seen.error)
    assert not seen.blocks


async def test_noise_between_frames_is_passed_over_by_hdlc(gateway: Gateway) -> None:
    seen = await look(gateway, "noise-bytes", framing=Framing.HDLC)
    assert seen.is_whole()


async def test_noise_puts_a_stream_without_frame_marks_out_of_step_and_nothing_is_signed(gateway: Gateway) -> None:
    seen = await look(gateway, "noise-bytes")
    assert isinstance(seen.error, MeterDecodeError)
    assert "wrapper header" in str(seen.error)
    assert not seen.blocks


@pytest.mark.parametrize("fault", ["reset", "rollover"])
async def test_registers_that_began_again_are_signed_as_they_fell_and_the_blocks_stay_right(
    gateway: Gateway, fault: str
) -> None:
    name = f"{fault}=2026-04-25T10:07:00+05:30"
    seen = await look(gateway, name)
    assert seen.is_right()
    assert seen.outcome is not None
    assert [fault[-73:] for fault in seen.outcome.faults] == [
        "a cumulative register fell: the meter was reset, rolled over or exchanged; tell the discom"[-73:]
    ]
    told = {each.stamp_utc: each.import_wh for each in seen.registers}
    # Rule V24 rejects the day by these two; that they rose by less than nothing is not hidden.
    before, after = told[YESTERDAY.start_utc], told[YESTERDAY.end_utc]
    assert before is not None
    assert after is not None
    assert after < before
    # Only a counter that was full balances over its end; V24 lets that register fall.
    flagged = {YESTERDAY.end_utc - 900: Flag.ROLLED_OVER}
    assert seen.flagged() == (flagged if fault == "rollover" else {})
    assert (await proof(gateway, name)).verdict is Verdict.NEITHER


async def test_swapped_transformers_balance_and_are_signed_as_the_meter_says(gateway: Gateway) -> None:
    """No reading tells a swapped transformer from a home that gives at night: whoever installs a meter compares with the sun."""
    seen = await look(gateway, "swapped-ct")
    for start, reading in seen.blocks.items():
        truth = seen.meter.block(start, 900).energies
        assert (reading.import_wh, reading.export_wh) == (truth.exported_wh, truth.imported_wh)
    assert (await proof(gateway, "swapped-ct")).verdict is Verdict.END


@pytest.mark.parametrize(("period_s", "said"), [(900, 1800), (900, 3600), (1800, 900), (3600, 900), (1800, 3600)])
async def test_a_firmware_that_lies_about_its_period_is_refused_by_name_and_nothing_is_signed(
    gateway: Gateway, period_s: int, said: int
) -> None:
    seen = await look(gateway, f"lies-about-period={said}", period_s=period_s)
    assert not seen.blocks
    assert seen.outcome is not None
    assert seen.outcome.faults
    for fault in seen.outcome.faults:
        assert (
            f"expected a row every {said} s in profile 1.0.99.1.0.255, as it says, got one every {period_s} s" in fault
        )


async def test_a_period_that_no_settlement_knows_is_refused_by_name(gateway: Gateway) -> None:
    seen = await look(gateway, "lies-about-period=60")
    assert isinstance(seen.error, MeterRefusedError)
    assert "profile 1.0.99.1.0.255, got 60" in str(seen.error)
    assert not seen.blocks


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[GatewayVault]:
    """A gateway that holds the keys of meter M1."""
    path = tmp_path / "agent.toml"
    path.write_text(text(Discom(tmp_path), port=1))
    assert main(["init", "--config", str(path)]) == 0
    settings = load(path)
    keys = {Role.ENCRYPTION: Secret(TEST_EK), Role.AUTHENTICATION: Secret(TEST_AK), Role.LLS: Secret(DEFAULT_PASSWORD)}
    with GatewayVault(settings.database, wrapping=settings.wrapping_key, now_utc=lambda: NOW) as opened:
        opened.take_in(parse(seal("M1", keys, open_wrapping_key(settings.wrapping_key).public), "file"), who="A. Rao")
        yield opened


def ciphered() -> Device:
    access = Access(keys=Keys(encryption=TEST_EK, authentication=TEST_AK), ciphering=Ciphering.REQUIRED)
    spec = MeterSpec(serial="12345678", days=5, base=BASE)
    return Device(Meter(spec, Home(seed=7, array_w=5000)), now=lambda: NOW, access=access)


async def last_blocks(vault: GatewayVault, port: int) -> list[int]:
    """Starts of the blocks of the last hour, as read with the keys of `vault`; that they are the meter's own is proved."""
    span = Interval(floor_to_block(NOW, 900) - 3600, floor_to_block(NOW, 900))
    url = f"dlms+tcp://127.0.0.1:{port}?client=32&auth=lls&suite=0&keys=store:M1&title=53414b0000000001"
    async with open_reader(url, vault) as reader:
        assert isinstance(reader, Reader)
        rows = await reader.block_rows(span)
        assert reader.origin is Origin.GMAC
    return [row.end_utc - 900 for row in rows]


async def test_a_stale_counter_is_found_out_and_mended_once(vault: GatewayVault) -> None:
    meter = ciphered()
    async with serve_device(meter) as port:
        assert len(await last_blocks(vault, port)) == 4
        parse_dlms_fault("stale-counter").befall(meter)
        assert len(await last_blocks(vault, port)) == 4
    assert vault.journal.shared_since("M1") == NOW


async def test_nothing_under_a_wrong_tag_is_believed(vault: GatewayVault) -> None:
    async with serve_device(spoil(ciphered(), [parse_dlms_fault("wrong-tag")])) as port:
        with pytest.raises(MeterForgedError, match=r"tag"):
            await last_blocks(vault, port)


def test_every_fault_is_explained_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "meter-faults.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z-]+[a-z])(?:=[^`]*)?`", row)}
    assert named - {"unspecified"} == {*DLMS_FAULTS, *FAULTS, *LINE_FAULTS, *REGISTER_FAULTS}
