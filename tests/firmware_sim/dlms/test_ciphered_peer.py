"""An independent client, dlms-cosem, against ciphered meters, HLS and HDLC, as far as it can.

It knows general-glo-ciphering only, and waits for ever where an HDLC check sequence ends with 0x7E: it reads little here.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from dlms_cosem import exceptions, utils
from dlms_cosem.client import DlmsClient, HLSError
from dlms_cosem.io import BlockingTcpIO, HdlcTransport, SerialIO, TcpTransport
from dlms_cosem.parsers import AssociationObjectListParser
from dlms_cosem.protocol.xdlms import DataNotification, GeneralGlobalCipher
from dlms_cosem.security import (
    HighLevelSecurityCommonAuthentication,
    HighLevelSecurityGmacAuthentication,
    LowLevelSecurityAuthentication,
    decrypt,
)

from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.catalogue import Model
from firmware_sim.dlms.ciphering import Counters
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.hdlc import HdlcServerSession
from firmware_sim.dlms.notification import Notifier
from firmware_sim.dlms.push_setup import Push, columns_of
from firmware_sim.dlms.serial import serve_pty
from firmware_sim.dlms.server import Framing, serve_device, session_of
from tests.firmware_sim.dlms.ciphered_wire import AK, CLIENT, CTOS, EK, HLS_KEY, KEYS, METER, device
from tests.firmware_sim.dlms.peer import attribute
from tests.firmware_sim.dlms.wire import PASSWORD
from tests.firmware_sim.meters import NOW, seller

T = TypeVar("T")


pytestmark = pytest.mark.usefixtures("quiet")


def client(transport: Any, authentication: Any, *, keys: tuple[bytes, bytes] = (EK, AK), counter: int = 1) -> Any:
    return DlmsClient(
        transport=transport,
        authentication=authentication,
        encryption_key=keys[0],
        authentication_key=keys[1],
        client_system_title=CLIENT,
        client_initial_invocation_counter=counter,
        max_pdu_size=1024,
    )


def transport(port: int, framing: Framing, sap: int) -> Any:
    io = BlockingTcpIO("127.0.0.1", port)
    if framing is Framing.WRAPPER:
        return TcpTransport(sap, 1, io)
    return HdlcTransport(
        client_logical_address=sap, server_logical_address=1, server_physical_address=17, io=io, timeout=5
    )


def gmac() -> Any:
    shown = HighLevelSecurityGmacAuthentication(challenge_length=16)
    # A challenge by chance would put 0x7E where the peer cannot bear it, once in a hundred runs.
    shown.calling_authentication_value = CTOS
    return shown


def energies(peer: Any) -> None:
    """Assert what is small enough for one frame."""
    truth = seller().registers(NOW)
    assert utils.parse_as_dlms_data(peer.get(attribute(3, (1, 0, 1, 8, 0), 2))) == truth.imported_wh
    assert utils.parse_as_dlms_data(peer.get(attribute(3, (1, 0, 2, 8, 0), 2))) == truth.exported_wh
    assert utils.parse_as_dlms_data(peer.get(attribute(3, (1, 0, 2, 8, 0), 3))) == [0, 30]


async def at(shared: Device, framing: Framing, work: Callable[[int], T]) -> T:
    async with serve_device(shared, framing=framing) as port:
        return await asyncio.wait_for(asyncio.to_thread(work, port), 60)


@pytest.mark.parametrize("framing", list(Framing))
@pytest.mark.parametrize("mechanism", [Mechanism.HLS, Mechanism.GMAC])
async def test_the_utility_reads_ciphered(framing: Framing, mechanism: Mechanism) -> None:
    shown = gmac() if mechanism is Mechanism.GMAC else HighLevelSecurityCommonAuthentication(secret=HLS_KEY)

    def work(port: int) -> None:
        with client(transport(port, framing, 48), shown).session() as peer:
            energies(peer)

    await at(device(hls=mechanism), framing, work)


async def test_a_ciphered_reader_reads_what_the_utility_sees_listed() -> None:
    def work(port: int) -> None:
        shown = LowLevelSecurityAuthentication(secret=PASSWORD)
        with client(transport(port, Framing.WRAPPER, 32), shown).session() as peer:
            energies(peer)
            listed = AssociationObjectListParser.parse_bytes(peer.get(attribute(15, (0, 0, 40, 0, 3), 2)))
            assert {15, 7, 4, 3, 1, 8} <= {int(item.interface) for item in listed}
            rows = utils.parse_as_dlms_data(peer.get(attribute(7, (1, 0, 99, 1, 0), 2)))
            assert len(rows) == 40 * 96

    await at(device(), Framing.WRAPPER, work)


@pytest.mark.parametrize("keys", [(AK, AK), (EK, EK)], ids=["encryption key", "authentication key"])
async def test_wrong_keys_are_an_authentication_failure(keys: tuple[bytes, bytes]) -> None:
    def work(port: int) -> None:
        peer = client(transport(port, Framing.WRAPPER, 48), gmac(), keys=keys)
        peer.connect()
        try:
            with pytest.raises(exceptions.DlmsClientException, match="AUTHENTICATION_FAILED"):
                peer.associate()
        finally:
            peer.disconnect()

    await at(device(), Framing.WRAPPER, work)


async def test_a_wrong_hls_secret_is_refused() -> None:
    def work(port: int) -> None:
        shown = HighLevelSecurityCommonAuthentication(secret=bytes(16))
        peer = client(transport(port, Framing.WRAPPER, 48), shown)
        peer.connect()
        try:
            with pytest.raises(HLSError):
                peer.associate()
        finally:
            peer.disconnect()

    await at(device(hls=Mechanism.HLS), Framing.WRAPPER, work)


async def test_the_public_client_learns_the_counter_to_go_on_with() -> None:
    shared = device(counters=Counters(accepted={48: 4711}))

    def work(port: int) -> None:
        public = DlmsClient(transport=transport(port, Framing.WRAPPER, 16), authentication=_nobody())
        with public.session() as peer:
            last = utils.parse_as_dlms_data(peer.get(attribute(1, (0, 0, 43, 1, 3), 2)))
        assert last == 4711
        with client(transport(port, Framing.WRAPPER, 48), gmac(), counter=last + 1).session() as peer:
            energies(peer)

    await at(shared, Framing.WRAPPER, work)


def _nobody() -> Any:
    from dlms_cosem.security import NoSecurityAuthentication

    return NoSecurityAuthentication()


async def test_the_utility_reads_over_a_serial_line() -> None:
    session = session_of(device(), Framing.HDLC)
    assert isinstance(session, HdlcServerSession)

    def work(path: str) -> None:
        line = HdlcTransport(
            client_logical_address=48,
            server_logical_address=1,
            server_physical_address=17,
            io=SerialIO(path, timeout=5),
        )
        with client(line, gmac()).session() as peer:
            energies(peer)

    async with serve_pty(session) as path:
        await asyncio.wait_for(asyncio.to_thread(work, path), 60)


@pytest.mark.parametrize("push", Push)
def test_the_peer_opens_a_ciphered_push_and_reads_its_body(push: Push) -> None:
    of = device()
    apdu = Notifier(of, KEYS).apdu(push)
    sealed = GeneralGlobalCipher.from_bytes(apdu)
    assert (bytes(sealed.system_title), sealed.invocation_counter) == (METER, 1)
    plain = decrypt(sealed.security_control, METER, sealed.invocation_counter, EK, sealed.ciphered_text, AK)
    told = DataNotification.from_bytes(plain)
    assert told.long_invoke_id_and_priority.long_invoke_id == 1
    assert told.date_time.timestamp() == NOW
    assert bytes(told.body[:2]) == bytes([2, len(columns_of(push, of.objects))])
    if push is Push.INSTANT:  # the peer knows no bit-strings, and an alert ends with one
        body = utils.parse_as_dlms_data(told.body)
        assert bytes(body[1]) == push.value
        assert seller().registers(NOW).imported_wh in body


@pytest.mark.parametrize("mechanism", [Mechanism.HLS, Mechanism.GMAC])
@pytest.mark.parametrize("model", list(Model))
async def test_the_utility_reads_the_whole_ciphered_profile_in_blocks_and_it_is_the_truth(
    mechanism: Mechanism, model: Model
) -> None:
    shown = gmac() if mechanism is Mechanism.GMAC else HighLevelSecurityCommonAuthentication(secret=HLS_KEY)
    shared = device(hls=mechanism, model=model)

    def work(port: int) -> Any:
        with client(transport(port, Framing.WRAPPER, 48), shown).session() as peer:
            captured = utils.parse_as_dlms_data(peer.get(attribute(7, (1, 0, 99, 1, 0), 3)))
            return captured, utils.parse_as_dlms_data(peer.get(attribute(7, (1, 0, 99, 1, 0), 2)))

    captured, rows = await at(shared, Framing.WRAPPER, work)
    place = {bytes(each[1]).hex(): number for number, each in enumerate(captured)}
    stamps = shared.meter.block_stamps(NOW)
    assert len(rows) == len(stamps)
    for row, stamp in zip(rows, stamps, strict=True):
        truth = shared.meter.block(stamp - 900, 900).energies
        assert row[place["0100011d00ff"]] == truth.imported_wh
        assert row[place["0100021d00ff"]] == truth.exported_wh
