"""A gateway with sealed keys reads a ciphered simulated meter over TCP: counters, recovery, roll-back and secrets end to end."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.check import shared_associations
from edge_agent.cli import main
from edge_agent.config import Config, load
from edge_agent.errors import CounterBackError, ReaderError
from edge_agent.meter_keys import Role, open_wrapping_key, parse, seal
from edge_agent.readers.dlms.security import Secret
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from edge_agent.registers import Origin
from edge_agent.vault import GatewayVault
from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.ciphering import Counters
from firmware_sim.dlms.clients import TEST_AK, TEST_EK, TEST_HLS_SECRET, Access, Ciphering
from firmware_sim.dlms.device import Device, Stale
from firmware_sim.dlms.gcm import Keys
from firmware_sim.dlms.server import Framing, serve_device
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import parse_instant
from tests.edge_agent.discom import Discom
from tests.edge_agent.settings import text

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
SECRETS = {
    Role.ENCRYPTION: Secret(TEST_EK),
    Role.AUTHENTICATION: Secret(TEST_AK),
    Role.HLS: Secret(TEST_HLS_SECRET),
    Role.LLS: Secret(b"sakshi-1"),
}


@pytest.fixture
def settings(tmp_path: Path, discom: Discom) -> Config:
    path = tmp_path / "agent.toml"
    path.write_text(text(discom, port=1))
    assert main(["init", "--config", str(path)]) == 0
    return load(path)


@pytest.fixture
def vault(settings: Config) -> Iterator[GatewayVault]:
    with GatewayVault(settings.database, wrapping=settings.wrapping_key, now_utc=lambda: NOW) as opened:
        public = open_wrapping_key(settings.wrapping_key).public
        opened.take_in(parse(seal("M1", SECRETS, public), "file"), who="A. Rao")
        yield opened


def device(
    *, hls: Mechanism = Mechanism.GMAC, counters: Counters | None = None, stale: Stale = Stale.EXCEPTION
) -> Device:
    return Device(
        Meter(MeterSpec(serial="12345678", days=2), Home(seed=7, array_w=5000)),
        now=lambda: NOW,
        access=Access(keys=Keys(encryption=TEST_EK, authentication=TEST_AK), ciphering=Ciphering.REQUIRED, hls=hls),
        counters=counters,
        stale=stale,
    )


def url(port: int, query: str = "client=48&auth=hls5", scheme: str = "dlms+tcp") -> str:
    return f"{scheme}://127.0.0.1:{port}?{query}&suite=0&keys=store:M1&title=53414b0000000001"


async def serial(vault: GatewayVault, at: str) -> str | None:
    reader = open_reader(at, vault)
    assert isinstance(reader, Reader)
    async with reader:
        found = (await reader.identity()).serial
        assert (await reader.registers()).imported_wh is not None
        assert reader.origin is Origin.GMAC
    return found


@pytest.mark.parametrize(
    ("query", "hls"),
    [
        ("client=48&auth=hls5", Mechanism.GMAC),
        ("client=48&auth=hls5&dedicated=yes", Mechanism.GMAC),
        ("client=48&auth=hls2", Mechanism.HLS),
        ("client=48&auth=hls2&general=yes", Mechanism.HLS),
        ("client=32&auth=lls", Mechanism.GMAC),
        ("client=32&auth=lls&dedicated=yes&general=yes", Mechanism.GMAC),
    ],
)
async def test_a_ciphered_meter_is_read_again_and_again(vault: GatewayVault, query: str, hls: Mechanism) -> None:
    async with serve_device(device(hls=hls)) as port:
        for _ in range(3):
            assert await serial(vault, url(port, query)) == "12345678"


async def test_ciphering_works_over_hdlc(vault: GatewayVault) -> None:
    async with serve_device(device(), framing=Framing.HDLC) as port:
        at = url(port, "client=48&auth=hls5&physical=17", "dlms+hdlc+tcp")
        assert await serial(vault, at) == "12345678"


@pytest.mark.parametrize("stale", Stale)
async def test_a_stale_counter_is_recovered_whatever_the_meter_does_about_it(vault: GatewayVault, stale: Stale) -> None:
    counters = Counters(accepted={48: 5000})
    async with serve_device(device(counters=counters, stale=stale)) as port:
        assert await serial(vault, url(port)) == "12345678"
        counters.accept(48, 90_000)  # the head-end reads through the same association
        assert await serial(vault, url(port)) == "12345678"
    assert vault.journal.shared_since("M1") == NOW


async def test_a_meter_whose_counter_went_back_is_refused_and_alarmed(vault: GatewayVault) -> None:
    async with serve_device(device()) as port:
        await serial(vault, url(port))
    swapped = device()
    # The other meter accepts nothing yet and has other keys, so that the association fails and the counter is looked at.
    swapped.clients[48] = device(hls=Mechanism.HLS).clients[48]
    async with serve_device(swapped) as port:
        with pytest.raises(CounterBackError, match="accept-counter"):
            await serial(vault, url(port))
    assert [event.kind for event in vault.events()] == ["IMPORTED", "COUNTER_BACK"]


async def test_no_secret_is_in_any_error_log_or_repr(vault: GatewayVault, caplog: pytest.LogCaptureFixture) -> None:
    shown = []
    with caplog.at_level(logging.DEBUG):
        async with serve_device(device(hls=Mechanism.HLS)) as port:
            for query in ("client=48&auth=hls2", "client=48&auth=hls5", "client=32&auth=lls", "client=47&auth=lls"):
                reader = open_reader(url(port, query), vault)
                shown.append(repr(reader) + repr(vars(reader)))
                try:
                    await serial(vault, url(port, query))
                except ReaderError as error:
                    shown.append(repr(error) + repr(error.__cause__) + repr(error.__context__))
    everything = "".join(shown) + caplog.text + repr(vault) + repr(vars(vault))
    for secret in (TEST_EK, TEST_AK, TEST_HLS_SECRET, b"sakshi-1"):
        assert secret.hex() not in everything
        assert repr(secret)[2:-1] not in everything


def test_check_warns_of_an_association_that_the_head_end_probably_uses(settings: Config, tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(path.read_text().replace("dlms+tcp://127.0.0.1:4059?client=16", url(1, "client=32&auth=lls")))
    (warning,) = shared_associations(load(path), lambda _: None)
    assert warning.is_good
    assert warning.is_warning
    assert "probably the head-end's" in warning.text
    (seen,) = shared_associations(settings, lambda _: NOW)
    assert "were seen in this association at 2026-04-26" in seen.text
    assert shared_associations(settings, lambda _: None) == []


def test_check_reads_a_ciphered_meter_with_its_keys(
    settings: Config, vault: GatewayVault, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "agent.toml"

    async def run() -> int:
        async with serve_device(device()) as port:
            at = url(port, "client=32&auth=lls")
            path.write_text(
                path.read_text()
                .replace("dlms+tcp://127.0.0.1:4059?client=16", at)
                .replace('serial = "SERIAL1"', 'serial = "12345678"')
            )
            return await asyncio.to_thread(main, ["check", "--config", str(path)])

    assert asyncio.run(run()) == 1  # there is no broker
    shown = capsys.readouterr().out
    assert "ok   meter M1: serial number 12345678, GMAC" in shown
    assert "warn meter M1" in shown
