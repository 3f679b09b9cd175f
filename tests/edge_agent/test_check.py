"""What `check` says of meters at a real wire."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.check import Finding, _meter, check, plain_passwords
from edge_agent.readers import open as opening
from edge_agent.readers.open import known_maps, open_reader
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.modbus.server import MAPS, serve
from firmware_sim.world import Home
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import MIDNIGHT
from tests.edge_agent.settings import config, text
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


@pytest.mark.parametrize(("mode", "open_to"), [(0o600, ""), (0o640, ", which is open to others (`chmod 600`)")])
async def test_a_password_in_plain_is_a_warning_with_the_remedy(tmp_path: Path, mode: int, open_to: str) -> None:
    file = tmp_path / "meter.lls"
    file.write_text("swordfish")
    file.chmod(mode)
    known = config(tmp_path, text(Discom(tmp_path), port=1, url=f"dlms+tcp://127.0.0.1:1?password=file:{file}"))
    (warning,) = plain_passwords(known)
    assert (warning.is_good, warning.is_warning, warning.what) == (True, True, "meter M1")
    assert warning.text.startswith(
        f"its password is in plain in {file}{open_to}: have it sealed by `sakshi-agent keys wrap"
    )
    assert "swordfish" not in warning.text
    assert warning in await check(known, open_reader)


@pytest.mark.parametrize("url", ["dlms+tcp://127.0.0.1:1?client=16", "dlms+tcp://127.0.0.1:1?keys=store:M1"])
def test_a_meter_without_a_password_or_with_a_sealed_one_draws_no_such_warning(tmp_path: Path, url: str) -> None:
    assert plain_passwords(config(tmp_path, text(Discom(tmp_path), url=url))) == []
