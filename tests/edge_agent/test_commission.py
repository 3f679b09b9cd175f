"""The technician's page: every step good, every step bad, with real meters, a real broker and a real log."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent import agent, commission, enrol
from edge_agent.check import Finding
from edge_agent.commission import Page, Visit, first_receipt
from edge_agent.config import Config
from edge_agent.drafts import seal
from edge_agent.errors import MeterRefusedError, MeterUnavailableError
from edge_agent.outbox.errors import StateError
from edge_agent.outbox.outbox import Outbox
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.registers import MeterClock, Origin, ProfileLayout
from edge_agent.steps import Park
from firmware_sim.dlms.server import serve
from firmware_sim.dlms.session import DEFAULT_PASSWORD
from firmware_sim.meter import Category, Energies, Meter, MeterSpec
from firmware_sim.modbus.sdm630 import Sdm630
from firmware_sim.modbus.server import MAPS
from firmware_sim.modbus.server import serve as serve_modbus
from firmware_sim.world import Home
from signing.interval import DAY_S
from signing.signer import open_signer
from signing.statements.reading_batch import ClockSource
from tests.edge_agent.broker import AnsweringDiscom, broker
from tests.edge_agent.discom import Discom, refused
from tests.edge_agent.gateway import MIDNIGHT, draft, to_send
from tests.edge_agent.meters import MemoryBench, SampledBench
from tests.edge_agent.settings import config, text

NOW = MIDNIGHT + 12 * 3600 + 451
OpenReader = Callable[[str], Reader | SampledReader]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with broker("embedded", tmp_path_factory.mktemp("broker")) as opened:
        yield opened


@pytest.fixture
async def meter_port() -> AsyncIterator[int]:
    spec = MeterSpec(serial="SERIAL1", base=Energies(imported_wh=41_000_000, exported_wh=7_000_000))
    async with serve(Meter(spec, Home(seed=7, array_w=5000)), now=lambda: NOW) as opened:
        yield opened


@pytest.fixture
def made(tmp_path: Path, discom: Discom, port: int, meter_port: int) -> Config:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD)
    url = f"dlms+tcp://127.0.0.1:{meter_port}?password=file:{tmp_path}/lls"
    settings = config(tmp_path, text(discom, port=port, url=url, extra="backfill_days = 1"))
    enrol.initialise(settings, agent.fresh_salt)
    return settings


def visit(settings: Config, opened: OpenReader = open_reader, wait_s: int = 30) -> Visit:
    return Visit(settings=settings, open_reader=opened, now_ms=lambda: NOW * 1000, wait_s=wait_s)


@pytest.fixture
def answering(discom: Discom, port: int) -> Iterator[AnsweringDiscom]:
    other = AnsweringDiscom(discom, port)
    yield other
    other.close()


def by_name(findings: tuple[Finding, ...] | list[Finding]) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings}


async def test_everything_right_is_go_with_a_receipt_end_to_end(made: Config, answering: AnsweringDiscom) -> None:
    page = await commission.commission(visit(made), made.meters[0])
    assert page.is_go, page.text()
    found = by_name(page.findings)
    assert found["origin"].text.startswith("LLS")
    assert found["serial number"].text.startswith("SERIAL1 (")
    assert "+0.0 s" in found["clock"].text
    assert found["columns"].text == "import and export; 6 columns, 40 days of memory"
    assert found["capture period"].text == "900 s"
    assert "stamps are the end of their blocks, as configured" in found["balance"].text
    assert "import register +" in found["balance"].text
    assert "export register +" in found["balance"].text
    assert "batches receipted" in found["first receipt"].text
    assert answering.received
    assert page.text().splitlines()[0] == "GO    meter M1"
    assert page.as_json()["go"] is True


async def test_start_stamps_in_the_configuration_are_refuted_by_yesterday(made: Config) -> None:
    wrong = replace(made.meters[0], url=f"{made.meters[0].url}&stamp=start")
    found = by_name(await commission._at_the_meter(visit(made), wrong))["balance"]
    assert not found.is_good
    assert 'read as the start: set stamp = "end" for meter M1' in found.text


async def test_an_import_only_meter_has_no_export_and_is_go(made: Config) -> None:
    meter = Meter(MeterSpec(serial="SERIAL1", category=Category.IMPORT_ONLY), Home(seed=7, array_w=5000))
    async with serve(meter, now=lambda: NOW) as opened:
        url = made.meters[0].url.replace(made.meters[0].url.split(":")[2].split("?")[0], str(opened))
        found = by_name(await commission._at_the_meter(visit(made), replace(made.meters[0], url=url)))
    assert found["columns"].text.startswith("import only: export is absent, not zero")
    assert found["balance"].is_good
    assert "export register" not in found["balance"].text


class Bench(MemoryBench):
    """A meter in memory with two whole days of uneven blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = NOW * 1000
        for place, start in enumerate(range(MIDNIGHT - 3 * DAY_S, MIDNIGHT + 12 * 3600, 900)):
            self.rows[start] = (place, 0)
        self.count()

    def count(self) -> None:
        """Sets the registers of every midnight to what flowed before it."""
        total = 0
        for start, (imported, _) in sorted(self.rows.items()):
            if (start - MIDNIGHT) % DAY_S == 0:
                self.midnights[start] = total
            total += imported


async def at(bench: MemoryBench | SampledBench, made: Config, **changes: Any) -> dict[str, Finding]:
    meter = replace(made.meters[0], **changes)
    return by_name(await commission._at_the_meter(visit(made, lambda _: bench), meter))


async def test_the_origin_on_the_page_is_what_all_answers_bear(made: Config) -> None:
    class Doubtful(Bench):
        origin = Origin.GMAC

        async def clock(self) -> MeterClock:
            self.origin = Origin.LLS
            return await super().clock()

    bench = Doubtful()
    findings = await commission._at_the_meter(visit(made, lambda _: bench), made.meters[0])
    assert findings[0].what == "origin"
    assert findings[0].text.startswith("LLS")


async def test_a_meter_in_memory_is_as_good_as_a_served_one(made: Config) -> None:
    assert all(finding.is_good for finding in (await at(Bench(), made)).values())


async def test_another_serial_number_is_no_go_and_none_is_a_question_for_the_plate(made: Config) -> None:
    bench = Bench()
    bench.serial = "SERIAL2"
    found = (await at(bench, made))["serial number"]
    assert not found.is_good
    assert "expected SERIAL1, the meter on the wire says SERIAL2" in found.text
    bench.serial = None
    found = (await at(bench, made))["serial number"]
    assert found.is_good
    assert "compare its plate with SERIAL1" in found.text


async def test_a_clock_is_apart_from_three_minutes_on(made: Config) -> None:
    bench = Bench()
    for offset_ms, is_good in ((180_000, True), (180_010, False), (-180_000, True), (-180_010, False)):
        bench.offset_ms = offset_ms
        assert (await at(bench, made))["clock"].is_good is is_good


async def test_another_capture_period_than_configured_is_no_go(made: Config) -> None:
    found = (await at(Bench(), made, period_s=1800))["capture period"]
    assert not found.is_good
    assert "expected 1800 s, the meter's is 900 s: correct 'period_s'" in found.text


async def test_a_period_that_no_block_has_is_no_go_and_nothing_is_balanced(made: Config) -> None:
    bench = Bench()
    bench.period_s = 600
    found = await at(bench, made)
    assert not found["capture period"].is_good
    assert "balance" not in found


async def test_a_profile_without_import_is_no_go(made: Config) -> None:
    class Empty(Bench):
        async def layout(self) -> ProfileLayout:
            return replace(await super().layout(), columns=())

    assert not (await at(Empty(), made))["columns"].is_good


async def test_blocks_that_are_not_the_registers_are_no_go_with_the_numbers(made: Config) -> None:
    bench = Bench()
    bench.midnights[MIDNIGHT] += 5000
    found = (await at(bench, made))["balance"]
    assert not found.is_good
    assert "neither reading of the stamps balances" in found.text
    rise = bench.midnights[MIDNIGHT] - bench.midnights[MIDNIGHT - DAY_S]
    assert f"import register +{rise} Wh" in found.text


async def test_a_day_without_energy_is_passed_over_for_one_that_decides(made: Config) -> None:
    bench = Bench()
    bench.rows |= dict.fromkeys(range(MIDNIGHT - DAY_S - 900, MIDNIGHT + 900, 900), (0, 0))
    bench.count()
    found = (await at(bench, made))["balance"]
    assert found.is_good
    assert found.text.startswith("2026-04-24")
    assert len(bench.asked) == 2


async def test_days_that_say_nothing_are_told_with_what_to_do(made: Config) -> None:
    bench = Bench()
    bench.rows = dict.fromkeys(bench.rows, (7, 0))
    bench.rows |= dict.fromkeys(range(MIDNIGHT - 4 * DAY_S, MIDNIGHT - 3 * DAY_S, 900), (7, 0))
    bench.midnights = {MIDNIGHT - day * DAY_S: (10 - day) * 96 * 7 for day in range(5)}
    found = (await at(bench, made))["balance"]
    assert not found.is_good
    assert "both readings balance: run again after a midnight at which energy flows" in found.text
    assert found.text.startswith("2026-04-25")
    assert len(bench.asked) == commission.DAYS_TRIED


async def test_a_meter_that_is_new_has_no_whole_day_yet(made: Config) -> None:
    bench = Bench()
    bench.rows = {start: flow for start, flow in bench.rows.items() if start >= MIDNIGHT}
    found = (await at(bench, made))["balance"]
    assert not found.is_good
    assert "run again when the meter has kept a whole day" in found.text


async def test_what_the_meter_refuses_is_one_bad_step_and_the_others_are_taken(made: Config) -> None:
    class Shy(Bench):
        async def identity(self) -> Any:
            raise MeterRefusedError("the meter refuses 0.0.96.1.0.255")

        async def daily_registers(self, span: Any) -> Any:
            raise MeterRefusedError("the meter refuses 1.0.99.2.0.255")

    found = await at(Shy(), made)
    assert [name for name, each in found.items() if not each.is_good] == ["serial number", "balance"]
    assert "1.0.99.2.0.255" in found["balance"].text


async def test_a_meter_that_is_away_is_one_line(made: Config) -> None:
    bench = Bench()
    bench.is_away = True
    (found,) = (await at(bench, made)).values()
    assert (found.what, found.is_good, found.text) == ("connection", False, "no answer")


async def test_a_meter_without_memory_shows_its_registers_and_what_they_are_worth(made: Config) -> None:
    found = await at(SampledBench(import_wh=5, export_wh=7), made)
    assert found["registers"].text == "import 5 Wh, export 7 Wh, known to 1 Wh"
    assert found["origin"].text.startswith("MODBUS")
    assert "register map" not in found


@pytest.mark.parametrize(("source", "is_good"), [(source, source is ClockSource.NTP) for source in ClockSource])
async def test_a_meter_without_a_clock_needs_a_gateway_whose_own_is_synchronised(
    made: Config, source: ClockSource, *, is_good: bool
) -> None:
    here = replace(visit(made, lambda _: SampledBench()), reference=lambda: source)
    found = by_name(await commission._at_the_meter(here, made.meters[0]))["clock"]
    assert found.is_good is is_good
    assert ("run a time service" in found.text) is not is_good


async def test_a_register_map_that_nobody_verified_is_a_warning_and_no_reason_to_leave(made: Config) -> None:
    meter = Meter(MeterSpec(serial="12345678"), Home(seed=7, array_w=5000))
    async with serve_modbus(Sdm630(meter, 1), now=lambda: NOW, unit=1) as opened:
        chosen = replace(made.meters[0], serial="12345678", url=f"modbus+tcp://127.0.0.1:{opened}?map=sdm630")
        here = replace(visit(made), reference=lambda: ClockSource.NTP)
        page = commission.Page(meter="M1", findings=tuple(await commission._at_the_meter(here, chosen)))
    assert page.is_go
    assert "warn  register map           register map 'sdm630' was never compared" in page.text()
    assert '"is_warning": true' in json.dumps(page.as_json())


async def test_a_coarse_register_says_its_step_in_watt_hours(made: Config) -> None:
    meter = Meter(MeterSpec(serial="12345678"), Home(seed=7, array_w=5000))
    async with serve_modbus(MAPS["adl400"](meter, 1), now=lambda: NOW, unit=1) as opened:
        chosen = replace(made.meters[0], serial="12345678", url=f"modbus+tcp://127.0.0.1:{opened}?map=adl400")
        found = by_name(await commission._at_the_meter(visit(made), chosen))
    assert found["registers"].text.endswith("known to 100 Wh")


# The way to the head-end


async def test_a_silent_head_end_is_no_go_within_the_patience(made: Config) -> None:
    found = await first_receipt(visit(made, lambda _: Bench(), wait_s=2), made.meters[0])
    assert not found.is_good
    assert "none receipted within 2 s; no answer: is the head-end running?" in found.text


async def test_a_meter_of_which_nothing_is_signed_says_where_to_look(made: Config) -> None:
    bench = Bench()
    bench.is_away = True
    found = await first_receipt(visit(made, lambda _: bench, wait_s=1), made.meters[0])
    assert not found.is_good
    assert "nothing was signed within 1 s" in found.text


async def test_a_state_that_was_never_made_is_no_go(tmp_path: Path, discom: Discom) -> None:
    settings = config(tmp_path, text(discom))
    found = await first_receipt(visit(settings), settings.meters[0])
    assert not found.is_good
    assert not commission.disk(settings).is_good


def sign_one(settings: Config, outbox: Outbox) -> Any:
    signer = open_signer(settings.key)
    outbox.put(draft(0), lambda place: seal(draft(0), place, salt=bytes(16), signer=signer))
    return to_send(outbox)[-1]


async def test_a_refused_batch_is_no_go_with_the_head_ends_words(made: Config) -> None:
    with Outbox(made.database, capacity=10) as outbox, agent.only_one(made):
        pending = sign_one(made, outbox)
        outbox.park(Park(digest=pending.digest, refusal=refused(pending.envelope)))
        found = await first_receipt(visit(made), made.meters[0])
    assert not found.is_good
    assert "the head-end says (5) not on record" in found.text


async def test_beside_a_running_agent_its_receipts_are_waited_for(made: Config, answering: AnsweringDiscom) -> None:
    with Outbox(made.database, capacity=1000) as outbox, agent.only_one(made):
        running = agent.Agent(made, outbox, open_signer(made.key), open_reader, lambda: float(NOW))
        task = asyncio.ensure_future(running.run())
        try:
            found = await first_receipt(visit(made), made.meters[0])
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert found.is_good, found.text


async def test_an_old_receipt_proves_nothing_of_today(made: Config, answering: AnsweringDiscom) -> None:
    first = await first_receipt(visit(made), made.meters[0])
    assert first.is_good
    later = replace(
        visit(made, wait_s=1), now_ms=lambda: (NOW + 7201) * 1000, open_reader=lambda _: SampledBench(serial="X")
    )
    answering.is_silent = True
    assert not (await first_receipt(later, made.meters[0])).is_good


async def test_an_agent_that_cannot_go_on_says_why(made: Config) -> None:
    def lost(_: str) -> Reader:
        raise StateError("the disk is gone")

    found = await first_receipt(visit(made, lost), made.meters[0])
    assert (found.is_good, found.text) == (False, "the disk is gone")


def test_a_full_disk_and_a_full_outbox_are_no_go(made: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commission.disk(made).is_good
    with Outbox(made.database, capacity=10) as outbox:
        sign_one(made, outbox)
    assert "the outbox is full" in commission.disk(replace(made, capacity=1)).text
    monkeypatch.setattr(commission, "LEAST_FREE_BYTES", 2**62)
    assert not commission.disk(made).is_good


def test_a_page_is_no_go_for_one_bad_line() -> None:
    good, bad = (Finding(what=name, is_good=name == "a", text="t") for name in "ab")
    assert Page(meter="M1", findings=(good, bad)).text().splitlines()[0] == "NO-GO meter M1"
    assert Page(meter="M1", findings=(good,)).is_go


async def test_a_meter_that_hangs_up_between_steps_is_told(made: Config) -> None:
    class Gone(Bench):
        async def clock(self) -> Any:
            raise MeterUnavailableError("the meter closed the connection")

    found = await at(Gone(), made)
    assert not found["clock"].is_good
