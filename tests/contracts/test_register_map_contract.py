"""What every register map keeps: it reads the simulated meter of its name, which has its registers from elsewhere."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from edge_agent.errors import MeterRefusedError
from edge_agent.readers.modbus.register_map import MAX_WORDS, parse_map
from edge_agent.readers.open import SUNSPEC, known_maps, open_reader
from edge_agent.readers.reader import SampledReader
from edge_agent.registers import Origin
from firmware_sim.meter import Energies, Meter, MeterSpec
from firmware_sim.modbus.rtu import Slaves
from firmware_sim.modbus.serial import serve_pty
from firmware_sim.modbus.server import MAPS, serve
from firmware_sim.world import Home
from signing.interval import parse_instant

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
METER = Meter(
    MeterSpec(serial="12345678", base=Energies(imported_wh=5_000_000, exported_wh=3_000_000)),
    Home(seed=7, array_w=5000),
)
MODELS = sorted(MAPS)


def map_of(model: str) -> str:
    """The agent's map for a simulated meter."""
    return SUNSPEC if model.startswith(SUNSPEC) else model


@contextlib.asynccontextmanager
async def over_tcp(model: str) -> AsyncIterator[str]:
    async with serve(MAPS[model](METER, 7), now=lambda: NOW, unit=7) as port:
        yield f"modbus+tcp://127.0.0.1:{port}?unit=7&map={map_of(model)}"


@contextlib.asynccontextmanager
async def over_serial(model: str) -> AsyncIterator[str]:
    async with serve_pty(Slaves({7: MAPS[model](METER, 7)}, now=lambda: NOW)) as path:
        yield f"modbus+rtu:{path}?unit=7&baud=115200&map={map_of(model)}"


def test_every_map_has_a_simulated_meter_and_every_meter_a_map() -> None:
    assert {map_of(model) for model in MODELS} == {*known_maps(), SUNSPEC}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("line", [over_tcp, over_serial])
async def test_a_sample_is_what_the_meter_shows(
    model: str, line: Callable[[str], contextlib.AbstractAsyncContextManager[str]]
) -> None:
    async with line(model) as url, open_reader(url) as reader:
        assert isinstance(reader, SampledReader)
        assert reader.origin is Origin.MODBUS
        sample, identity = await reader.sample(), await reader.identity()
    truth = METER.registers(NOW)
    assert sample.exported_wh is not None
    assert truth.exported_wh is not None
    assert abs(sample.imported_wh - truth.imported_wh) < sample.quantum_wh
    assert abs(sample.exported_wh - truth.exported_wh) < sample.quantum_wh
    assert truth.imported_wh - truth.exported_wh > 1000 * sample.quantum_wh
    assert sample.serial in {"12345678", None}
    assert identity.serial == sample.serial
    assert sample.ends_wh


@pytest.mark.parametrize("model", sorted(known_maps()))
def test_a_map_names_its_source_and_reads_both_energies_at_once(model: str) -> None:
    of = parse_map(known_maps()[model], model)
    assert len(of.source) > 20
    assert not of.verified, "true only once somebody compared it with the display of a real meter"
    assert of.energy_block().count <= MAX_WORDS
    assert of.exported is not None


@pytest.mark.parametrize("model", sorted(known_maps()))
async def test_a_meter_of_another_make_is_never_a_number(model: str) -> None:
    async with over_tcp("sunspec203") as url, open_reader(url.replace("map=sunspec", f"map={model}")) as reader:
        assert isinstance(reader, SampledReader)
        with pytest.raises(MeterRefusedError, match="exception 2"):
            await reader.sample()


def test_every_map_stands_in_the_page_for_operators() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "modbus.md").read_text(encoding="utf-8")
    assert [model for model in (*known_maps(), SUNSPEC) if f"`{model}`" not in page] == []
