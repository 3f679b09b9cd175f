"""Every wire, period, object model, association and home: what the agent signs is what flowed, block for block."""

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from edge_agent.cli import main
from edge_agent.config import load
from edge_agent.meter_keys import Role, open_wrapping_key, parse, seal
from edge_agent.readers.dlms.security import Secret
from edge_agent.vault import GatewayVault
from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.catalogue import Model
from firmware_sim.dlms.clients import DEFAULT_PASSWORD, TEST_AK, TEST_EK, TEST_HLS_SECRET, Access, Ciphering
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.gcm import Keys
from firmware_sim.meter import Category, Energies, Meter, MeterSpec
from firmware_sim.replay import parse_record
from firmware_sim.world import Home, Premises
from signing.statements.reading_batch import Origin
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import Gateway
from tests.edge_agent.settings import text
from tests.faults.looks import NOW, SERIAL, Wire, keyed, looked, wired

PERIODS = (900, 1800, 3600)


def _recorded() -> Premises:
    """Three days as a recorder would write them, with odd energies in every half-hour and twice the sun."""
    lines = ["block,local_start,load_wh,solar_wh"]
    for half in range(3 * 48):
        sun = max(0, 13 - abs(half % 48 - 24)) * 97
        clock = f"{half % 48 // 2:02}:{half % 2 * 30:02}:00"
        lines.append(f"{half},2013-07-{half // 48 + 1:02} {clock},{151 + half * 37 % 411},{sun}")
    return parse_record(lines, Fraction(2))


HOMES: dict[str, Premises] = {"simulated": Home(seed=7, array_w=5000), "recorded": _recorded()}


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD)
    return Gateway(tmp_path)


def metered(home: str, period_s: int = 900, category: Category = Category.NET) -> Meter:
    base = Energies(imported_wh=41_000_000, exported_wh=7_000_000)
    return Meter(MeterSpec(serial=SERIAL, period_s=period_s, days=5, category=category, base=base), HOMES[home])


MATRIX = list(itertools.product(Wire, PERIODS, Model, Category, HOMES))


@pytest.mark.parametrize(("wire", "period_s", "model", "category", "home"), MATRIX)
async def test_what_is_signed_is_what_flowed(  # noqa: PLR0917 - the axes of the matrix
    gateway: Gateway, wire: Wire, period_s: int, model: Model, category: Category, home: str
) -> None:
    device = Device(metered(home, period_s, category), now=lambda: NOW, model=model)
    async with wired(device, wire) as url:
        seen = await looked(gateway, device, keyed(url, ["client=32", f"password=file:{gateway.path.parent}/lls"]))
    assert seen.is_whole(), seen.words()
    assert seen.is_balanced()
    assert seen.origins == {Origin.LLS}
    told = list(seen.figures().values())
    assert all((exported is None) == (category is Category.IMPORT_ONLY) for _, exported in told)
    # Neither column is constant, and no column stands for another.
    assert len({imported for imported, _ in told}) > 2
    assert category is Category.IMPORT_ONLY or any(exported and exported != imported for imported, exported in told)


def test_the_recorded_home_is_another_home() -> None:
    simulated, recorded = metered("simulated"), metered("recorded")
    at = NOW // 900 * 900 - 3600
    assert simulated.block(at, 900) != recorded.block(at, 900)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[GatewayVault]:
    """A gateway that holds every secret of meter M1."""
    path = tmp_path / "agent.toml"
    path.write_text(text(Discom(tmp_path), port=1))
    assert main(["init", "--config", str(path)]) == 0
    loaded = load(path)
    secrets = {
        Role.ENCRYPTION: Secret(TEST_EK),
        Role.AUTHENTICATION: Secret(TEST_AK),
        Role.HLS: Secret(TEST_HLS_SECRET),
        Role.LLS: Secret(DEFAULT_PASSWORD),
    }
    with GatewayVault(loaded.database, wrapping=loaded.wrapping_key, now_utc=lambda: NOW) as opened:
        opened.take_in(parse(seal("M1", secrets, open_wrapping_key(loaded.wrapping_key).public), "file"), who="A. Rao")
        yield opened


ASSOCIATIONS = {
    "LLS": ("client=32&auth=lls", None),
    "LLS, dedicated key": ("client=32&auth=lls&dedicated=yes", None),
    "LLS, general": ("client=32&auth=lls&general=yes", None),
    "AES-128": ("client=48&auth=hls2", Mechanism.HLS),
    "AES-128, dedicated key, general": ("client=48&auth=hls2&dedicated=yes&general=yes", Mechanism.HLS),
    "GMAC": ("client=48&auth=hls5", Mechanism.GMAC),
    "GMAC, dedicated key": ("client=48&auth=hls5&dedicated=yes", Mechanism.GMAC),
}


@pytest.mark.parametrize(("wire", "model", "name"), list(itertools.product(Wire, Model, ASSOCIATIONS)))
async def test_what_is_signed_of_a_ciphered_meter_is_what_flowed(
    gateway: Gateway, vault: GatewayVault, wire: Wire, model: Model, name: str
) -> None:
    query, hls = ASSOCIATIONS[name]
    access = Access(keys=Keys(encryption=TEST_EK, authentication=TEST_AK), ciphering=Ciphering.REQUIRED, hls=hls)
    device = Device(metered("recorded", 1800), now=lambda: NOW, model=model, access=access)
    async with wired(device, wire) as url:
        at = keyed(url, [query, "suite=0", "keys=store:M1", "title=53414b0000000001"])
        seen = await looked(gateway, device, at, vault=vault, looks=2)
    assert seen.is_whole(), seen.words()
    assert seen.is_balanced()
    assert seen.origins == {Origin.GMAC}
