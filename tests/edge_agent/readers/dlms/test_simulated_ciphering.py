"""The ciphered client joined in memory with the simulated meter, which shares no code with it."""

import pytest

from edge_agent.errors import CounterRefusedError, MeterRefusedError
from edge_agent.readers.dlms.association import Association
from edge_agent.readers.dlms.cosem import BLOCK_LOAD, SERIAL
from edge_agent.readers.dlms.hls import Handshake, HlsAes, HlsGmac, Login
from edge_agent.readers.dlms.security import Cipher, CipherKeys, Secret
from edge_agent.readers.dlms.session import Answered, Released, Session
from edge_agent.readers.dlms.wrapper import WrapperLink
from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.application import Application
from firmware_sim.dlms.clients import TEST_AK, TEST_EK, TEST_HLS_SECRET, Access, Ciphering
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.gcm import Keys
from firmware_sim.dlms.session import DEFAULT_PASSWORD, WrapperSession
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import parse_instant
from tests.edge_agent.readers.dlms.ciphered import CLIENT, CTOS, Counters

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
DED = bytes(range(100, 116))


def device(*, hls: Mechanism | None = Mechanism.GMAC) -> Device:
    access = Access(keys=Keys(encryption=TEST_EK, authentication=TEST_AK), ciphering=Ciphering.OPTIONAL, hls=hls)
    return Device(
        Meter(MeterSpec(serial="12345678", days=2), Home(seed=7, array_w=5000)), now=lambda: NOW, access=access
    )


def session(
    mechanism: Mechanism,
    *,
    counters: Counters | None = None,
    dedicated: bytes | None = None,
    general: bool = False,
    secret: bytes = TEST_HLS_SECRET,
) -> Session:
    cipher = Cipher(
        keys=CipherKeys(encryption=Secret(TEST_EK), authentication=Secret(TEST_AK)),
        title=CLIENT,
        invocations=counters or Counters(),
        dedicated=None if dedicated is None else Secret(dedicated),
    )
    handshakes: dict[Mechanism, Handshake] = {
        Mechanism.HLS: HlsAes(Secret(secret), CTOS),
        Mechanism.GMAC: HlsGmac(cipher, CTOS),
    }
    login = Login(
        password=Secret(DEFAULT_PASSWORD) if mechanism is Mechanism.LLS else None,
        handshake=handshakes.get(mechanism),
        cipher=cipher,
        is_ciphered=True,
        offers_general=general,
    )
    sap = 32 if mechanism is Mechanism.LLS else 48
    return Session(WrapperLink(client=sap, server=1), login=lambda: login)


def talk(opened: Session, peer: WrapperSession, request: bytes) -> object:
    while True:
        step = opened.receive(peer.receive(request))
        if step.outcome is not None:
            return step.outcome
        assert step.send
        request = step.send


@pytest.mark.parametrize("mechanism", [Mechanism.LLS, Mechanism.HLS, Mechanism.GMAC])
@pytest.mark.parametrize("dedicated", [None, DED])
@pytest.mark.parametrize("general", [False, True])
def test_every_association_of_the_simulated_meter_is_read(
    *, mechanism: Mechanism, dedicated: bytes | None, general: bool
) -> None:
    hls = None if mechanism is Mechanism.LLS else mechanism
    peer = WrapperSession(Application(device(hls=hls)))
    opened = session(mechanism, dedicated=dedicated, general=general)
    assert isinstance(talk(opened, peer, opened.associate()), Association)
    answered = talk(opened, peer, opened.get_list((SERIAL, BLOCK_LOAD.sibling(4))))
    assert isinstance(answered, Answered)
    rows = talk(opened, peer, opened.get(BLOCK_LOAD))
    assert isinstance(rows, Answered)
    assert opened.is_verified
    assert isinstance(talk(opened, peer, opened.release()), Released)


def test_the_simulated_meter_refuses_another_key() -> None:
    opened = session(Mechanism.HLS, secret=b"another-secret!!")
    peer = WrapperSession(Application(device(hls=Mechanism.HLS)))
    with pytest.raises(MeterRefusedError, match="refuses our proof"):
        talk(opened, peer, opened.associate())


def test_the_simulated_meter_refuses_a_stale_counter_and_says_which_it_wants() -> None:
    shared = device()
    first = session(Mechanism.GMAC, counters=Counters(own=900))
    peer = WrapperSession(Application(shared))
    talk(first, peer, first.associate())
    talk(first, peer, first.release())
    stale = session(Mechanism.GMAC, counters=Counters(own=3))
    with pytest.raises(CounterRefusedError) as caught:
        talk(stale, WrapperSession(Application(shared)), stale.associate())
    assert (caught.value.expected or 0) > 900


@pytest.mark.parametrize(
    ("ciphering", "sap", "remedy"),
    [
        (Ciphering.REQUIRED, 32, "needs suite=0, keys and title in the url"),
        (Ciphering.OFF, 48, "check 'auth' against what the discom set up"),
        (Ciphering.OFF, 47, r"knows this client address \('client'\)"),
    ],
)
def test_a_refused_association_says_what_to_look_at(ciphering: Ciphering, sap: int, remedy: str) -> None:
    access = Access(keys=Keys(encryption=TEST_EK, authentication=TEST_AK), ciphering=ciphering, hls=Mechanism.HLS)
    meter = Meter(MeterSpec(serial="12345678", days=2), Home(seed=7, array_w=5000))
    peer = WrapperSession(Application(Device(meter, now=lambda: NOW, access=access)))
    opened = Session(WrapperLink(client=sap, server=1), Secret(DEFAULT_PASSWORD))
    with pytest.raises(MeterRefusedError, match=remedy):
        talk(opened, peer, opened.associate())
