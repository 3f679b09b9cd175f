"""What `check` says of meters at a real wire."""

from dataclasses import replace

import pytest

from edge_agent.check import Finding, _meter
from edge_agent.readers import open as opening
from edge_agent.readers.open import known_maps, open_reader
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.modbus.server import MAPS, serve
from firmware_sim.world import Home
from tests.edge_agent.gateway import MIDNIGHT
from tests.edge_agent.site import settings


async def checked(name: str = "sdm630", serial: str = "12345678", model: str = "sdm630") -> list[Finding]:
    meter = Meter(MeterSpec(serial="12345678"), Home(seed=7, array_w=5000))
    async with serve(MAPS[model](meter, 1), now=lambda: MIDNIGHT) as port:
        url = f"modbus+tcp://127.0.0.1:{port}?map={name}"
        return await _meter(replace(settings(serial=serial), url=url), open_reader)


async def test_a_map_that_nobody_verified_is_a_warning_with_the_remedy() -> None:
    good, warning = await checked()
    assert (good.is_good, good.is_warning, good.text) == (True, False, "serial number 12345678, MODBUS")
    assert (warning.is_good, warning.is_warning, warning.what) == (True, True, "meter M1")
    assert warning.text.startswith("register map 'sdm630' was never compared with a real meter: read it twice beside")


async def test_a_map_that_somebody_verified_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {name: text.replace("verified = false", "verified = true") for name, text in known_maps().items()}
    monkeypatch.setattr(opening, "known_maps", lambda: seen)
    assert [finding.text for finding in await checked()] == ["serial number 12345678, MODBUS"]


async def test_a_meter_that_describes_itself_has_no_map_to_doubt() -> None:
    assert len(await checked("sunspec", model="sunspec201")) == 1


async def test_another_meter_is_bad_and_of_its_map_nothing_is_said() -> None:
    (finding,) = await checked(serial="87654321")
    assert not finding.is_good
    assert "the meter on the wire says 12345678" in finding.text
