"""The agent as a process, against a simulated meter on its real wire and a real broker."""

import asyncio
import json
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge_agent import agent, enrol
from edge_agent.config import Config, load
from edge_agent.outbox.outbox import Outbox
from firmware_sim.dlms.server import serve
from firmware_sim.dlms.session import DEFAULT_PASSWORD
from firmware_sim.meter import Meter
from signing.envelope import parse
from signing.statements.reading_batch import Opening, Origin, ReadingBatch
from tests.edge_agent.broker import AnsweringDiscom, broker
from tests.edge_agent.discom import Discom
from tests.edge_agent.settings import text
from tests.firmware_sim.meters import seller

RUN = [sys.executable, "-c", "import sys; from edge_agent.cli import main; sys.exit(main())"]
LIMIT_S = 60

pytestmark = [pytest.mark.story, pytest.mark.slow]


@asynccontextmanager
async def running(settings: Path) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *RUN, "run", "--config", str(settings), stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def lines(process: Process, event: str) -> AsyncIterator[dict[str, object]]:
    """The log lines of `event`, as they come."""
    assert process.stderr is not None
    async with asyncio.timeout(LIMIT_S):
        async for line in process.stderr:
            values = json.loads(line)
            if values["event"] == event:
                yield values


async def first(process: Process, event: str) -> dict[str, object]:
    async for values in lines(process, event):
        return values
    raise AssertionError(f"the agent ended before it said {event!r}")


def configure(folder: Path, discom: Discom, broker_port: int, meter_port: int) -> Path:
    password = folder / "meter.lls"
    password.write_bytes(DEFAULT_PASSWORD)
    password.chmod(0o600)
    path = folder / "agent.toml"
    url = f"dlms+tcp://127.0.0.1:{meter_port}?password=file:{password}"
    content = text(discom, port=broker_port, url=url, extra="backfill_days = 2\n\n[poll]\ninterval_s = 1\nsettle_s = 0")
    path.write_text(content.replace("SERIAL1", "10000001"))
    return path


def truth_of(settings: Config, meter: Meter) -> int:
    """Checks the outbox against the meter itself; gives the number of batches."""
    with Outbox(settings.database, capacity=1) as outbox:
        rows = outbox._database.all(
            "SELECT sequence, digest, envelope, content FROM batch JOIN opening USING (place) ORDER BY sequence"
        )
        assert outbox.report.backlog().waiting == 0
    seen: dict[int, tuple[int | None, int | None]] = {}
    previous: bytes | None = None
    for place, (sequence, digest, envelope, opening) in enumerate(rows):
        assert isinstance(envelope, bytes)
        assert isinstance(opening, bytes)
        batch = ReadingBatch.parse(parse(envelope).payload)
        assert batch.sequence == sequence == place
        assert batch.previous == previous or place == 0
        assert batch.origin is Origin.LLS
        for block, reading in enumerate(Opening.parse(opening, batch.count).readings):
            start = batch.start_utc + block * batch.period_s
            assert start not in seen
            seen[start] = (reading.import_wh, reading.export_wh)
        assert isinstance(digest, bytes)
        previous = digest
    expected = {start: meter.block(start, 900) for start in seen}
    assert seen == {
        start: (block.energies.imported_wh, block.energies.exported_wh) for start, block in expected.items()
    }
    assert len(seen) >= 2 * 96
    return len(rows)


@pytest.mark.parametrize("kind", ["embedded", pytest.param("mosquitto", marks=pytest.mark.system)])
async def test_p23_an_agent_that_is_killed_again_and_again_loses_and_doubles_nothing(tmp_path: Path, kind: str) -> None:
    discom = Discom(tmp_path)
    meter = seller(days=5)
    with broker(kind, tmp_path) as broker_port:
        head_end = AnsweringDiscom(discom, broker_port)
        try:
            async with serve(meter, now=lambda: int(time.time())) as meter_port:
                path = configure(tmp_path, discom, broker_port, meter_port)
                settings = load(path)
                enrol.initialise(settings, agent.fresh_salt)
                head_end.is_silent = True
                for event in ("signed", "broker connected", "broker connected"):
                    async with running(path) as process:
                        await first(process, event)
                        process.send_signal(signal.SIGKILL)
                        assert await process.wait() == -signal.SIGKILL
                head_end.is_silent = False
                async with running(path) as process:
                    await first(process, "receipted")
                    while await asyncio.to_thread(unanswered, settings):
                        await first(process, "receipted")
                    process.terminate()
                    assert await process.wait() == 0
        finally:
            head_end.close()
    batches = truth_of(settings, meter)
    assert len(discom.log.digests) == batches
    assert set(head_end.received) == set(discom.log.digests)


def unanswered(settings: Config) -> int:
    with Outbox(settings.database, capacity=1) as outbox:
        return outbox.report.backlog().waiting


async def test_check_reaches_meter_and_broker_and_read_prints_the_meter(tmp_path: Path) -> None:
    discom = Discom(tmp_path)
    with broker("embedded", tmp_path) as broker_port:
        async with serve(seller(days=5), now=lambda: int(time.time())) as meter_port:
            path = configure(tmp_path, discom, broker_port, meter_port)
            enrol.initialise(load(path), agent.fresh_salt)
            checked = await ended(["check", "--config", str(path)])
            read = await ended(["read", load(path).meters[0].url, "--json"])
    assert checked[0] == 0, checked[1]
    assert "serial number 10000001, LLS" in checked[1]
    assert checked[1].splitlines()[-1].startswith("ok   broker")
    assert json.loads(read[1])["identity"]["serial"] == "10000001"


async def ended(arguments: list[str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(*RUN, *arguments, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(LIMIT_S):
        out, _ = await process.communicate()
    return process.returncode, out.decode()
