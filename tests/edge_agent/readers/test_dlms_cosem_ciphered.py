"""The second stack at ciphered meters: it agrees with ours, spends each counter once, and believes nothing without the meter's tag."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from dlms_cosem.connection import DlmsConnection
from dlms_cosem.exceptions import DlmsClientException
from dlms_cosem.protocol import xdlms
from dlms_cosem.security import LowLevelSecurityAuthentication

from edge_agent.cli import main
from edge_agent.config import load
from edge_agent.errors import (
    MeterExceptionError,
    MeterForgedError,
    MeterKeyError,
    MeterRefusedError,
    MeterUnavailableError,
    ReaderUrlError,
)
from edge_agent.meter_keys import Role, open_wrapping_key, parse, seal
from edge_agent.readers import dlms_cosem_child as child
from edge_agent.readers.compare import compare
from edge_agent.readers.dlms.hls import MOST_COUNTERS, Handover
from edge_agent.readers.dlms.security import CipherKeys, Secret
from edge_agent.readers.dlms_cosem_process import if_there
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from edge_agent.registers import Origin
from edge_agent.vault import GatewayVault
from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.clients import TEST_AK, TEST_EK, Access, Ciphering
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.faulty import parse_dlms_fault, spoil
from firmware_sim.dlms.gcm import Keys
from firmware_sim.dlms.server import serve_device
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import Interval, ist_day_start, parse_instant
from tests.edge_agent.discom import Discom
from tests.edge_agent.settings import text

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
TODAY = ist_day_start(NOW)
GMAC, LLS = "client=48&auth=hls5", "client=32&auth=lls"
TITLE = bytes.fromhex("53414b0000000001")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[GatewayVault]:
    path = tmp_path / "agent.toml"
    path.write_text(text(Discom(tmp_path), port=1))
    assert main(["init", "--config", str(path)]) == 0
    settings = load(path)
    keys = {Role.ENCRYPTION: Secret(TEST_EK), Role.AUTHENTICATION: Secret(TEST_AK), Role.LLS: Secret(b"sakshi-1")}
    with GatewayVault(settings.database, wrapping=settings.wrapping_key, now_utc=lambda: NOW) as opened:
        opened.take_in(parse(seal("M1", keys, open_wrapping_key(settings.wrapping_key).public), "file"), who="A. Rao")
        yield opened


def device(ciphering: Ciphering = Ciphering.REQUIRED) -> Device:
    access = Access(keys=Keys(encryption=TEST_EK, authentication=TEST_AK), ciphering=ciphering, hls=Mechanism.GMAC)
    meter = Meter(MeterSpec(serial="12345678", days=2), Home(seed=7, array_w=5000))
    return Device(meter, now=lambda: NOW, access=access)


def url(port: int, query: str, scheme: str = "dlms-cosem+tcp") -> str:
    return f"{scheme}://127.0.0.1:{port}?{query}&suite=0&keys=store:M1&title={TITLE.hex()}"


async def serial(vault: GatewayVault, at: str) -> str | None:
    reader = open_reader(at, vault)
    assert isinstance(reader, Reader)
    async with reader:
        assert reader.origin is Origin.GMAC
        return (await reader.identity()).serial


@pytest.mark.parametrize("query", [GMAC, LLS])
async def test_both_stacks_agree_on_a_ciphered_meter_and_never_use_a_counter_twice(
    vault: GatewayVault, query: str
) -> None:
    async with serve_device(device()) as port:
        opener = partial(open_reader, vault=vault)
        # A meter refuses every counter that is not above the last one that it took.
        assert await compare(url(port, query, "dlms+tcp"), Interval(TODAY, NOW), opener) == []
        for scheme in ("dlms-cosem+tcp", "dlms+tcp", "dlms-cosem+tcp"):
            assert await serial(vault, url(port, query, scheme)) == "12345678"


async def test_a_counter_that_nobody_learned_yet_is_refused_with_the_remedy(vault: GatewayVault) -> None:
    async with serve_device(device()) as port:
        with pytest.raises(MeterRefusedError, match=r"read the meter once with dlms\+tcp:, which learns its counter"):
            await serial(vault, url(port, GMAC))


async def test_a_wrong_tag_is_forged_and_nothing_is_believed(vault: GatewayVault) -> None:
    meter = device()
    async with serve_device(meter) as port:
        assert await serial(vault, url(port, GMAC, "dlms+tcp")) == "12345678"
        spoil(meter, [parse_dlms_fault("wrong-tag")])
        with pytest.raises(MeterForgedError, match="expected an answer under the meter's own key"):
            await serial(vault, url(port, GMAC))


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("client=48&auth=hls2&suite=0", "shows the secret of auth=hls2 in clear"),
        ("client=48&auth=hls5&suite=none", "not suite=none"),
        ("client=48&auth=hls5&suite=0&dedicated=yes", "under the global key only"),
        ("client=48&auth=hls5&suite=0&protect=authenticated", "under the global key only"),
    ],
)
def test_what_it_cannot_do_is_refused_with_the_remedy(query: str, why: str) -> None:
    with pytest.raises(ReaderUrlError) as error:
        open_reader(f"dlms-cosem+tcp://h?{query}&keys=store:M1&title={TITLE.hex()}")
    (fault,) = error.value.faults
    assert why in fault
    assert "use dlms+tcp: for what this meter wants" in fault


async def test_keys_without_their_store_are_asked_for_and_no_process_is_left() -> None:
    reader = open_reader(url(1, GMAC))
    assert isinstance(reader, Reader)
    with pytest.raises(MeterKeyError, match="give --config FILE"):
        await reader.__aenter__()
    with pytest.raises(MeterUnavailableError, match="expected an open connection"):
        await reader.identity()


@dataclass
class Counted:
    """Counters that a test sees; one is somebody else's."""

    next: int = 7
    skips: int | None = None
    heard: int = -1
    taken: list[int] = field(default_factory=list)
    is_settled: bool = False

    def take(self) -> int:
        self.next += 1 + (self.next == self.skips)
        self.taken.append(self.next - 1)
        return self.taken[-1]

    def confirm(self, *, own: int, heard: int) -> None:
        raise AssertionError("nothing is proven by another process")

    def settle(self) -> None:
        self.is_settled = True


def handed(invocations: Counted) -> Handover:
    keys = CipherKeys(encryption=Secret(TEST_EK), authentication=Secret(TEST_AK))
    return Handover(password=Secret(b"hunter2"), keys=keys, title=TITLE, invocations=invocations)


@pytest.mark.parametrize(("skips", "last"), [(None, 7 + MOST_COUNTERS - 1), (9, 8)])
def test_counters_that_are_told_follow_one_another_and_count_as_used(skips: int | None, last: int) -> None:
    counted = Counted(skips=skips)
    cipher = handed(counted).told()["cipher"]
    assert cipher is not None
    assert (cipher["first"], cipher["last"], cipher["heard"]) == (7, last, -1)
    assert set(range(7, last + 1)) <= set(counted.taken)
    handed(counted).settle()
    assert counted.is_settled


def test_a_plain_handover_tells_a_password_alone_and_no_secret_is_in_its_words() -> None:
    assert Handover(password=Secret(b"pw")).told() == {"password": {"hex": "7077"}, "cipher": None}
    assert Handover().told() == {"password": None, "cipher": None}
    Handover().settle()
    assert "hunter2" not in repr(handed(Counted()))
    assert TEST_EK.hex() not in repr(handed(Counted()))


def connection(first: int = 5, last: int = 6) -> DlmsConnection:
    made = DlmsConnection(
        authentication=LowLevelSecurityAuthentication(secret=b"pw"),
        client_system_title=TITLE,
        global_encryption_key=TEST_EK,
        global_authentication_key=TEST_AK,
        client_invocation_counter=first,
    )
    child._guard(made, last=last)
    return made


def test_the_counter_of_its_gmac_is_not_that_of_the_request_which_carries_it() -> None:
    made = connection()
    made.meter_to_client_challenge = bytes(range(16))
    reply = child._gmac().hls_generate_reply_data(made)
    assert int.from_bytes(reply[1:5], "big") == 5
    _, used = made.encrypt(b"the request")
    assert used == 6


def test_it_stops_at_the_last_counter_that_it_was_given() -> None:
    made = connection()
    assert [made.encrypt(b"x")[1] for _ in range(2)] == [5, 6]
    with pytest.raises(DlmsClientException, match="read a shorter span"):
        made.encrypt(b"x")


def test_a_plain_answer_in_a_ciphered_association_is_forged() -> None:
    plain = xdlms.GetResponseNormal(data=b"\x00", invoke_id_and_priority=xdlms.InvokeIdAndPriority())
    with pytest.raises(child.ForgedError):
        connection().unprotect(plain)
    assert child._kind(child.ForgedError()) == "forged"


async def test_a_meter_that_answers_in_plain_is_forged(vault: GatewayVault) -> None:
    async with serve_device(device(Ciphering.OFF)) as port:
        with pytest.raises((MeterForgedError, MeterRefusedError)):
            await serial(vault, url(port, LLS))


async def _told(error: MeterRefusedError) -> str:
    raise error


@pytest.mark.parametrize("origin", Origin)
async def test_nothing_is_absent_from_ciphered_answers_on_an_exceptions_word(origin: Origin) -> None:
    assert await if_there(_told(MeterRefusedError("object undefined")), origin) is None
    if origin is not Origin.GMAC:
        assert await if_there(_told(MeterExceptionError("service not allowed")), origin) is None
        return
    with pytest.raises(MeterExceptionError):
        await if_there(_told(MeterExceptionError("service not allowed")), origin)
