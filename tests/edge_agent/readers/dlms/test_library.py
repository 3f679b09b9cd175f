"""The DLMS client without the agent: the examples of its page run, and it loads nothing of the agent's."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_agent.readers.dlms import profile
from edge_agent.readers.dlms.codec import Data, Tag
from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.clients import DEFAULT_PASSWORD, TEST_AK, TEST_EK, Access, Ciphering
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.gcm import Keys
from firmware_sim.dlms.server import serve_device
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import Interval, parse_instant

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs" / "dlms-library.md"
NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
NOON = NOW - 451
SEAM = {"errors", "events", "registers", "readers", "readers.reader"}
"""What the client shares with the agent: names, and nothing that does anything."""


def examples() -> dict[str, Callable[..., Any]]:
    """The functions of the page, each made by its own block alone."""
    found: dict[str, Callable[..., Any]] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        names: dict[str, Any] = {"__name__": "example"}
        exec(compile(block, str(PAGE), "exec"), names)
        found |= {name: names[name] for name in re.findall(r"^(?:async )?def (\w+)", block, re.MULTILINE)}
    return found


def device() -> Device:
    keys = Keys(encryption=TEST_EK, authentication=TEST_AK)
    access = Access(keys=keys, ciphering=Ciphering.OPTIONAL, hls=Mechanism.GMAC)
    meter = Meter(MeterSpec(serial="12345678", days=2), Home(seed=7, array_w=5000))
    return Device(meter, now=lambda: NOW, access=access)


async def test_the_first_example_reads_a_load_profile() -> None:
    known, span = device(), Interval(NOON - 3600, NOON)
    async with serve_device(known) as port:
        rows = await examples()["load_profile"]("127.0.0.1", port, DEFAULT_PASSWORD, span)
    flowed = [(start + 900, known.meter.block(start, 900).energies) for start in range(NOON - 3600, NOON, 900)]
    assert rows == [(end, energies.imported_wh, energies.exported_wh) for end, energies in flowed]


async def test_the_second_example_needs_no_loop() -> None:
    async with serve_device(device()) as port:
        found = await asyncio.to_thread(examples()["serial_number"], "127.0.0.1", port, DEFAULT_PASSWORD)
    assert isinstance(found, Data)
    assert found.tag in {Tag.OCTET_STRING, Tag.VISIBLE_STRING}
    assert profile.text(found, "serial number") == "12345678"


async def test_the_third_example_reads_ciphered() -> None:
    async with serve_device(device()) as port:
        found = await examples()["ciphered_clock"]("127.0.0.1", port, TEST_EK, TEST_AK, 0)
    assert profile.clock(found, "clock").utc_s == NOW


def test_the_client_loads_nothing_of_the_agent_but_names() -> None:
    modules = sorted(file.stem for file in (ROOT / "edge_agent/readers/dlms").glob("*.py") if file.stem != "__init__")
    code = "import sys\n" + "".join(f"import edge_agent.readers.dlms.{name}\n" for name in modules)
    done = subprocess.run(
        [sys.executable, "-c", f"{code}print(*sys.modules)"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    ours = {name.removeprefix("edge_agent.") for name in loaded if name.startswith("edge_agent.")}
    assert {name for name in ours if not name.startswith("readers.dlms")} == SEAM
    assert not loaded & {"sqlite3", "paho", "pymodbus", "dlms_cosem", "tomllib", "logging.config"}


def test_every_module_of_the_client_is_on_its_page() -> None:
    table = PAGE.read_text(encoding="utf-8").rpartition("| module |")[2]
    named = set(
        re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if line.count("|") > 2))
    )
    modules = {file.stem for file in (ROOT / "edge_agent/readers/dlms").glob("*.py")} - {"__init__"}
    assert named == modules
