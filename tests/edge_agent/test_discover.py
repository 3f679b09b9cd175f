"""What is at a URL: over real sockets, from meters that give everything, little, or nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.discover import answers, discover, public_url
from edge_agent.errors import ReaderUrlError
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.readers.report import read_profile
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.server import Framing, serve_device
from firmware_sim.dlms.server import serve as serve_dlms
from firmware_sim.dlms.session import DEFAULT_PASSWORD
from firmware_sim.meter import Energies, Meter, MeterSpec
from firmware_sim.modbus.sdm630 import Sdm630
from firmware_sim.modbus.server import serve as serve_modbus
from firmware_sim.world import Home
from signing.interval import parse_instant
from tests.edge_agent.readers.dlms.wire import ScriptedMeter, array, meter, u32
from tests.edge_agent.readers.peers import listening, read_frame

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
BLOCK_LOAD, DAILY_LOAD = "1.0.99.1.0.255", "1.0.99.2.0.255"


def simulated() -> Meter:
    spec = MeterSpec(serial="12345678", base=Energies(imported_wh=41_000_000, exported_wh=7_000_000))
    return Meter(spec, Home(seed=7, array_w=5000))


@pytest.fixture
def password(tmp_path: Path) -> str:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD + b"\n")
    return f"file:{tmp_path}/lls"


async def found_at(url: str) -> dict[str, Any]:
    return await discover(url, open_reader, lambda: NOW * 1000 + 2500)


@contextlib.asynccontextmanager
async def serving(scripted: ScriptedMeter) -> AsyncIterator[int]:
    async def peer(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(scripted.answer(await read_frame(stream)))

    async with listening(peer) as port:
        yield port


async def test_a_meter_says_what_it_is_over_both_associations(password: str) -> None:
    async with serve_dlms(simulated(), now=lambda: NOW) as port:
        found = await found_at(f"dlms+tcp://127.0.0.1:{port}?password={password}")
    public, given = found["public association"], found["given association"]
    assert (public["origin"], given["origin"]) == ("PLAIN", "LLS")
    for each in (public, given):
        assert each["nameplate"]["serial number"] == "12345678"
        assert each["nameplate"]["category"] == "D1"
        assert each["clock"]["offset_ms"] == -2500
    assert {entry["obis"] for entry in public["objects"]} < {entry["obis"] for entry in given["objects"]}
    load = given["profiles"][BLOCK_LOAD]
    assert (load["period_s"], load["entries"], load["entries_in_use"]) == (900, 3840, 3840)
    assert [column["register"] for column in load["columns"]][:2] == ["0.0.1.0.0.255", "1.0.12.27.0.255"]
    assert load["columns"][1]["scaler"] == -1
    assert BLOCK_LOAD not in public["profiles"]
    assert answers(found)


async def test_every_refusal_is_listed_by_name_and_the_rest_is_still_found(password: str) -> None:
    async with serving(meter([])) as port:
        found = await found_at(f"dlms+tcp://127.0.0.1:{port}?password={password}")
    given = found["given association"]
    assert given["nameplate"] == {"serial number": "GX1234"}
    refused = given["refused"]
    assert "read write denied" in refused["0.0.96.1.1.255 (class 1) attribute 2"]
    assert "0.0.40.0.0.255 (class 15) attribute 2" in refused
    assert f"{DAILY_LOAD} (class 7) attribute 3" in refused
    # Without a list, the profiles of the standard are asked for.
    assert list(given["profiles"]) == [BLOCK_LOAD]
    assert given["profiles"][BLOCK_LOAD]["period_s"] == 1800


async def test_an_object_that_is_not_what_it_should_be_is_one_more_refusal(password: str) -> None:
    scripted = meter([])
    scripted.objects[8, "0.0.1.0.0.255", 2] = u32(1)
    scripted.objects[15, "0.0.40.0.0.255", 2] = array(u32(1))
    async with serving(scripted) as port:
        given = (await found_at(f"dlms+tcp://127.0.0.1:{port}?password={password}"))["given association"]
    assert given["clock"] is None
    assert "expected a date-time" in given["refused"]["0.0.1.0.0.255 (class 8) attribute 2"]
    assert "expected a list" in given["refused"]["0.0.40.0.0.255 (class 15) attribute 2"]
    assert BLOCK_LOAD in given["profiles"]


async def test_a_meter_that_hangs_up_in_the_middle_is_told_as_far_as_it_went(password: str) -> None:
    scripted = meter([])

    async def peer(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write(scripted.answer(await read_frame(stream)))

    async with listening(peer) as port:
        given = (await found_at(f"dlms+tcp://127.0.0.1:{port}?password={password}"))["given association"]
    assert given["nameplate"] == {"serial number": "GX1234"}
    assert "closed the connection" in given["refused"]["0.0.96.1.1.255 (class 1) attribute 2"]
    assert "expected an open" in given["refused"]["0.0.1.0.0.255 (class 8) attribute 2"]


async def test_a_wrong_password_leaves_what_the_public_may_know(password: str) -> None:
    async with serve_dlms(simulated(), now=lambda: NOW, password=b"another") as port:
        found = await found_at(f"dlms+tcp://127.0.0.1:{port}?password={password}")
    assert found["public association"]["nameplate"]["serial number"] == "12345678"
    assert "password" in found["given association"]["refused"]
    assert not answers(found)


async def test_a_modbus_meter_shows_whether_its_map_fits() -> None:
    async with serve_modbus(Sdm630(simulated(), 1), now=lambda: NOW, unit=1) as port:
        found = await found_at(f"modbus+tcp://127.0.0.1:{port}?unit=1&map=sdm630")
    assert found["meter"]["identity"]["serial"] == "12345678"
    assert found["meter"]["two samples"] == "follow one another"
    known = found["meter"]["register map"]
    assert (known["model"], known["verified"]) == ("sdm630", False)
    assert "was never compared with a real meter" in known["warning"]
    assert "as mbmd's sdm.go reads it" in known["source"]
    assert answers(found)


async def test_registers_that_jump_between_two_moments_are_told() -> None:
    instants = iter([NOW, NOW - 86_400 * 30])
    async with serve_modbus(Sdm630(simulated(), 1), now=lambda: next(instants, NOW), unit=1) as port:
        found = await found_at(f"modbus+tcp://127.0.0.1:{port}?unit=1&map=sdm630")
    assert found["meter"]["two samples"] == "the register map may be wrong: went back"


async def test_a_meter_that_is_away_is_told_and_no_answer() -> None:
    for url in (
        "modbus+tcp://127.0.0.1:1?map=sdm630",
        "dlms+tcp://127.0.0.1:1?client=16",
        "dlms-cosem+tcp://127.0.0.1:1?client=16",
    ):
        assert not answers(await found_at(url))


def test_the_public_url_is_the_same_wire_without_secrets() -> None:
    url = "dlms+tcp://h:4059?client=48&server=1&password=file:/a&auth=hls5&keys=store:M1&timeout=5"
    assert public_url(url) == "dlms+tcp://h:4059?server=1&timeout=5&client=16"
    assert (
        public_url("dlms+serial:/dev/ttyS0?baud=9600&password=file:/a") == "dlms+serial:/dev/ttyS0?baud=9600&client=16"
    )


async def test_the_second_stack_says_who_the_meter_is(password: str) -> None:
    async with serve_dlms(simulated(), now=lambda: NOW) as port:
        found = await found_at(f"dlms-cosem+tcp://127.0.0.1:{port}?password={password}")
    assert found == {"meter": {"origin": "LLS", "identity": found["meter"]["identity"]}}
    assert found["meter"]["identity"]["serial"] == "12345678"


async def test_a_meter_behind_hdlc_is_asked_over_both_associations_too(password: str) -> None:
    async with serve_device(Device(simulated(), now=lambda: NOW), framing=Framing.HDLC) as port:
        found = await found_at(f"dlms+hdlc+tcp://127.0.0.1:{port}?physical=17&password={password}")
    for each in found.values():
        assert each["nameplate"]["serial number"] == "12345678"
    profiles = found["given association"]["profiles"]
    assert {"1.0.94.91.0.255", "1.0.98.1.0.255", "0.0.99.98.0.255", BLOCK_LOAD, DAILY_LOAD} <= set(profiles)


@pytest.mark.parametrize("profile", ["1.0.94.91.0.255", "1.0.98.1.0.255", "0.0.94.91.10.255", "1.0.94.91.4.255"])
async def test_every_profile_of_a_simulated_meter_is_read_with_its_columns(password: str, profile: str) -> None:
    async with serve_device(Device(simulated(), now=lambda: NOW)) as port:
        found: dict[str, Any] = dict(await read_profile(f"dlms+tcp://127.0.0.1:{port}?password={password}", profile))
    assert found["rows"]
    for row in found["rows"]:
        assert len(row["cells"]) == len(found["columns"])
    if profile == "1.0.94.91.0.255":
        cells = dict(zip((column["register"] for column in found["columns"]), found["rows"][0]["cells"], strict=True))
        assert cells["1.0.1.8.0.255"] == str(simulated().registers(NOW).imported_wh)
        assert found["rows"][0]["at"] == "2026-04-26T06:37:31Z"


async def test_a_public_association_that_cannot_be_asked_for_is_told() -> None:
    def opened(url: str) -> Reader | SampledReader:
        if "client=16" in url:
            raise ReaderUrlError(("expected no public client",))
        return open_reader(url)

    found: dict[str, Any] = await discover("dlms+tcp://127.0.0.1:1?client=32&auth=none", opened, lambda: 0)
    assert found["public association"] == {"refused": "expected no public client"}
