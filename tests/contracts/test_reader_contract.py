"""What every reader keeps, against simulated meters on a real socket that share no code with it."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_agent.errors import MeterRefusedError, MeterUnavailableError, ReaderError
from edge_agent.readers.open import READERS, open_reader
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.readers.report import read_all
from edge_agent.registers import EXPORT_BLOCK, IMPORT_BLOCK, Origin, watt_hours_exact
from firmware_sim.dlms.application import Application
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.hdlc import HdlcServerSession
from firmware_sim.dlms.serial import serve_pty
from firmware_sim.dlms.server import Framing, serve_device
from firmware_sim.dlms.server import serve as serve_dlms
from firmware_sim.dlms.session import DEFAULT_PASSWORD
from firmware_sim.faults import MissingBlock
from firmware_sim.meter import Category, Energies, Meter, MeterSpec
from firmware_sim.modbus.rtu import Slaves
from firmware_sim.modbus.serial import serve_pty as serve_rtu
from firmware_sim.modbus.server import MAPS
from firmware_sim.modbus.server import serve as serve_modbus
from firmware_sim.world import Home
from signing.interval import DAY_S, Interval, floor_to_block, ist_day_start, parse_instant, utc_text

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
TODAY = ist_day_start(NOW)
BASE = Energies(imported_wh=41_000_000, exported_wh=7_000_000)


def simulated(
    period_s: int = 900, category: Category = Category.NET, faults: tuple[MissingBlock, ...] = (), days: int = 40
) -> Meter:
    spec = MeterSpec(serial="12345678", period_s=period_s, days=days, category=category, base=BASE)
    return Meter(spec, Home(seed=7, array_w=5000), faults)


@dataclass
class Rig:
    """A served meter and the URL that reads it."""

    meter: Meter
    url: str


Serve = Callable[[Meter], AbstractAsyncContextManager[Rig]]


@pytest.fixture
def password(tmp_path: Path) -> str:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD + b"\n")
    return f"file:{tmp_path}/lls"


@pytest.fixture
def dlms_tcp(password: str) -> Serve:
    @contextlib.asynccontextmanager
    async def serve(meter: Meter) -> AsyncIterator[Rig]:
        async with serve_dlms(meter, now=lambda: NOW) as port:
            yield Rig(meter, f"dlms+tcp://127.0.0.1:{port}?client=32&password={password}")

    return serve


@pytest.fixture
def dlms_cosem_tcp(dlms_tcp: Serve) -> Serve:
    """The same meter read by the other stack."""

    @contextlib.asynccontextmanager
    async def serve(meter: Meter) -> AsyncIterator[Rig]:
        async with dlms_tcp(meter) as rig:
            yield Rig(meter, rig.url.replace("dlms+tcp:", "dlms-cosem+tcp:"))

    return serve


@pytest.fixture
def dlms_hdlc_tcp(password: str) -> Serve:
    """One of several meters behind a converter."""

    @contextlib.asynccontextmanager
    async def serve(meter: Meter) -> AsyncIterator[Rig]:
        async with serve_device(Device(meter, now=lambda: NOW), framing=Framing.HDLC) as port:
            yield Rig(meter, f"dlms+hdlc+tcp://127.0.0.1:{port}?client=32&physical=17&password={password}")

    return serve


@pytest.fixture
def dlms_serial(password: str) -> Serve:
    @contextlib.asynccontextmanager
    async def serve(meter: Meter) -> AsyncIterator[Rig]:
        async with serve_pty(HdlcServerSession(Application(Device(meter, now=lambda: NOW)))) as path:
            yield Rig(meter, f"dlms+serial:{path}?client=32&password={password}")

    return serve


MEMORY = ("dlms_tcp", "dlms_hdlc_tcp", "dlms_serial", "dlms_cosem_tcp")


@pytest.fixture(params=MEMORY)
def memory(request: pytest.FixtureRequest) -> Serve:
    """Every way to serve a meter with a memory."""
    serve: Serve = request.getfixturevalue(request.param)
    return serve


@contextlib.asynccontextmanager
async def reading(serve: Serve, meter: Meter) -> AsyncIterator[Reader]:
    async with serve(meter) as rig, open_reader(rig.url) as reader:
        assert isinstance(reader, Reader)
        yield reader


@pytest.mark.parametrize("period_s", [900, 1800, 3600])
async def test_every_block_is_the_meters_own(memory: Serve, period_s: int) -> None:
    meter = simulated(period_s)
    span = Interval(TODAY - DAY_S, floor_to_block(NOW, period_s))
    async with reading(memory, meter) as reader:
        rows = await reader.block_rows(span)
    assert [row.end_utc - period_s for row in rows] == list(span.block_starts(period_s))
    for row in rows:
        truth = meter.block(row.end_utc - period_s, period_s).energies
        assert watt_hours_exact(row.values[IMPORT_BLOCK]) == truth.imported_wh
        assert watt_hours_exact(row.values[EXPORT_BLOCK]) == truth.exported_wh
    assert any(row.values[IMPORT_BLOCK].raw != row.values[EXPORT_BLOCK].raw for row in rows)


async def test_a_single_block_is_neither_the_one_before_nor_the_one_after(memory: Serve) -> None:
    async with reading(memory, simulated()) as reader:
        for start in (TODAY, TODAY + 900, TODAY - 900):
            (row,) = await reader.block_rows(Interval(start, start + 900))
            assert row.end_utc == start + 900


async def test_a_span_before_or_after_the_memory_has_no_rows(memory: Serve) -> None:
    async with reading(memory, simulated(days=2)) as reader:
        assert await reader.block_rows(Interval(TODAY - 9 * DAY_S, TODAY - 8 * DAY_S)) == ()
        assert await reader.block_rows(Interval(NOW + 900, NOW + 1800)) == ()


async def test_the_whole_memory_is_read_in_one_call(memory: Serve) -> None:
    meter = simulated(days=35)
    async with reading(memory, meter) as reader:
        rows = await reader.block_rows(Interval(TODAY - 60 * DAY_S, NOW))
    assert [row.end_utc for row in rows] == meter.block_stamps(NOW)


async def test_a_missing_block_is_a_gap_and_never_zero(memory: Serve) -> None:
    gap = TODAY + 4 * 900
    async with reading(memory, simulated(faults=(MissingBlock(at=gap),))) as reader:
        rows = await reader.block_rows(Interval(TODAY, TODAY + 8 * 900))
    assert [row.end_utc - 900 for row in rows] == [TODAY + n * 900 for n in (0, 1, 2, 3, 5, 6, 7)]


async def test_an_import_only_meter_has_no_export_anywhere(memory: Serve) -> None:
    async with reading(memory, simulated(category=Category.IMPORT_ONLY)) as reader:
        rows = await reader.block_rows(Interval(TODAY, TODAY + 1800))
        daily = await reader.daily_registers(Interval(TODAY, TODAY + 1))
        now = await reader.registers()
        layout = await reader.layout()
    assert [EXPORT_BLOCK in row.values for row in rows] == [False, False]
    assert not layout.has(EXPORT_BLOCK)
    assert [each.exported for each in (*daily, now)] == [None, None]


async def test_the_blocks_of_a_day_balance_its_two_midnights(memory: Serve) -> None:
    day = Interval(TODAY - DAY_S, TODAY)
    async with reading(memory, simulated()) as reader:
        before, after = await reader.daily_registers(day)
        rows = await reader.block_rows(day)
    assert (before.stamp_utc, after.stamp_utc) == (day.start_utc, day.end_utc)
    for register, total in ((IMPORT_BLOCK, "imported_wh"), (EXPORT_BLOCK, "exported_wh")):
        blocks = sum(watt_hours_exact(row.values[register]) or 0 for row in rows)
        assert blocks == getattr(after, total) - getattr(before, total)


async def test_registers_clock_and_identity_are_the_meters(memory: Serve) -> None:
    meter = simulated()
    async with reading(memory, meter) as reader:
        registers, clock, identity = await reader.registers(), await reader.clock(), await reader.identity()
        assert reader.origin is Origin.LLS
    truth = meter.registers(NOW)
    assert registers.stamp_utc == NOW
    assert registers.imported_wh == truth.imported_wh
    assert registers.exported_wh == truth.exported_wh
    assert clock.utc_s == NOW
    assert identity.serial == "12345678"


async def test_the_layout_says_the_period_and_depth(memory: Serve) -> None:
    async with reading(memory, simulated(1800, days=35)) as reader:
        layout = await reader.layout()
    assert (layout.capture_period_s, layout.entries, layout.entries_in_use) == (1800, 35 * 48, 35 * 48)
    assert {column.unit for column in layout.columns if column.register in {IMPORT_BLOCK, EXPORT_BLOCK}} == {30}


async def test_a_meter_is_free_again_after_every_exit(memory: Serve) -> None:
    async with memory(simulated()) as rig:
        for _ in range(3):
            with contextlib.suppress(ZeroDivisionError):
                async with open_reader(rig.url) as reader:
                    await reader.identity()
                    raise ZeroDivisionError


async def test_closing_is_idempotent_and_ends_reading(memory: Serve) -> None:
    async with memory(simulated()) as rig:
        reader = open_reader(rig.url)
        async with reader:
            pass
        await reader.close()
        with pytest.raises(MeterUnavailableError):
            await reader.identity()


@pytest.fixture
def wrong_password(password: str) -> None:
    """The password file holds another meter's."""
    Path(password.removeprefix("file:")).write_bytes(b"wrong-pw")


@pytest.mark.usefixtures("wrong_password")
async def test_a_wrong_password_is_refused(memory: Serve) -> None:
    async with memory(simulated()) as rig:
        with pytest.raises(MeterRefusedError, match="password") as caught:
            async with open_reader(rig.url):
                pass
    assert "wrong-pw" not in str(caught.value)


async def test_a_public_client_reads_the_clock_and_is_refused_the_profile_by_name() -> None:
    async with (
        serve_dlms(simulated(), now=lambda: NOW) as port,
        open_reader(f"dlms+tcp://127.0.0.1:{port}?client=16") as reader,
    ):
        assert isinstance(reader, Reader)
        assert reader.origin is Origin.PLAIN
        assert (await reader.clock()).utc_s == NOW
        with pytest.raises(MeterRefusedError, match=r"1\.0\.99\.1\.0\.255"):
            await reader.block_rows(Interval(TODAY, TODAY + 900))


async def test_a_report_is_the_meters_own(memory: Serve) -> None:
    meter = simulated()
    async with memory(meter) as rig:
        report = await read_all(rig.url, Interval(TODAY, TODAY + 1800))
    first = meter.block(TODAY, 900).energies
    assert report["origin"] == "LLS"
    assert report["blocks"][0] == {  # type: ignore[index]
        "start": utc_text(TODAY),
        "end": utc_text(TODAY + 900),
        "imported_wh": str(first.imported_wh),
        "exported_wh": str(first.exported_wh),
        "clock_status": 0,
        "stamp": "07ea041a07000f0000feb600",
    }
    assert [each["stamp"] for each in report["daily"]] == [utc_text(TODAY)]  # type: ignore[union-attr,index,call-overload]


# Meters without a memory.

SampledServe = Callable[..., AbstractAsyncContextManager[str]]
SAMPLED = {
    "Modbus TCP": ("modbus+tcp", "sdm630", "sdm630"),
    "Modbus RTU": ("modbus+rtu", "sdm630", "sdm630"),
    "Modbus TCP, integers": ("modbus+tcp", "iem3155", "iem3155"),
    "SunSpec over TCP": ("modbus+tcp", "sunspec", "sunspec203"),
    "SunSpec over RTU": ("modbus+rtu", "sunspec", "sunspec213"),
}
"""Scheme, map and what the meter shows itself as."""


@pytest.fixture(params=SAMPLED)
def sampled(request: pytest.FixtureRequest) -> SampledServe:
    """Every way to serve a meter without a memory: gives its URL."""
    scheme, name, personality = SAMPLED[request.param]

    @contextlib.asynccontextmanager
    async def served(meter: Meter, now: Callable[[], int] = lambda: NOW, unit: int = 1) -> AsyncIterator[str]:
        registers = MAPS[personality](meter, unit)
        if scheme == "modbus+tcp":
            async with serve_modbus(registers, now=now, unit=unit) as port:
                yield f"modbus+tcp://127.0.0.1:{port}?unit={unit}&map={name}&timeout=1"
        else:
            async with serve_rtu(Slaves({unit: registers}, now=now)) as path:
                yield f"modbus+rtu:{path}?unit={unit}&map={name}&timeout=1"

    return served


def young() -> Meter:
    """A meter whose registers a float tells to a Wh."""
    base = Energies(imported_wh=4_100_000, exported_wh=700_000)
    return Meter(MeterSpec(serial="12345678", base=base), Home(seed=7, array_w=5000))


async def test_a_sample_is_the_meters_registers_to_its_own_quantum(sampled: SampledServe) -> None:
    meter = young()
    async with sampled(meter, unit=17) as url, open_reader(url) as reader:
        assert isinstance(reader, SampledReader)
        assert reader.origin is Origin.MODBUS
        sample, identity = await reader.sample(), await reader.identity()
    truth = meter.registers(NOW)
    assert sample.serial == identity.serial
    assert sample.serial in {"12345678", None}  # an iEM3155's map names no serial number
    assert identity.manufacturer
    assert abs(sample.imported_wh - truth.imported_wh) <= sample.quantum_wh
    assert abs((sample.exported_wh or 0) - (truth.exported_wh or 0)) <= sample.quantum_wh
    assert truth.exported_wh is not None
    assert abs(truth.imported_wh - truth.exported_wh) > 100 * sample.quantum_wh


async def test_samples_of_a_day_sum_to_the_day(sampled: SampledServe) -> None:
    meter, at = young(), [TODAY - DAY_S]
    samples = []
    async with sampled(meter, now=lambda: at[0]) as url, open_reader(url) as reader:
        assert isinstance(reader, SampledReader)
        for at[0] in range(TODAY - DAY_S, TODAY + 1, 3600):
            samples.append((await reader.sample()).imported_wh)
    parts = [after - before for before, after in itertools.pairwise(samples)]
    assert len(parts) == 24
    assert min(parts) >= 0
    gained = meter.registers(TODAY).imported_wh - meter.registers(TODAY - DAY_S).imported_wh
    assert abs(sum(parts) - gained) <= 10


async def test_another_units_meter_is_not_read(sampled: SampledServe) -> None:
    async with sampled(young(), unit=2) as url, open_reader(url.replace("unit=2", "unit=3")) as reader:
        assert isinstance(reader, SampledReader)
        with pytest.raises(ReaderError, match="unit 3"):
            await reader.sample()


async def test_a_sampled_meter_is_free_again_after_every_exit(sampled: SampledServe) -> None:
    async with sampled(young()) as url:
        for _ in range(3):
            with contextlib.suppress(ZeroDivisionError):
                async with open_reader(url) as reader:
                    await reader.identity()
                    raise ZeroDivisionError
        async with open_reader(url) as reader:
            await reader.close()
            await reader.close()


async def test_a_sampled_report_is_one_sample(sampled: SampledServe) -> None:
    async with sampled(young()) as url:
        report = await read_all(url)
    assert {"origin", "identity", "sample"} <= set(report)


def test_every_reader_keeps_this_contract() -> None:
    """A new scheme is not one of the agent's readers before its meters stand above."""
    memory_schemes = {"dlms+tcp:", "dlms+hdlc+tcp:", "dlms+serial:", "dlms-cosem+tcp:"}
    assert set(READERS) == memory_schemes | {f"{scheme}:" for scheme, _, _ in SAMPLED.values()}
    assert len(memory_schemes) == len(MEMORY)
