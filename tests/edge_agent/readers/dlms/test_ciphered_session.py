"""A ciphered association end to end: every form, both handshakes, and nothing believed that is not proven."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import CounterRefusedError, MeterDecodeError, MeterForgedError, MeterRefusedError, ReaderError
from edge_agent.readers.dlms import apdu
from edge_agent.readers.dlms.association import Association
from edge_agent.readers.dlms.codec import Data, Tag
from edge_agent.readers.dlms.cosem import SERIAL
from edge_agent.readers.dlms.hls import Handshake, HlsAes, HlsGmac, Login
from edge_agent.readers.dlms.security import Policy, Secret
from edge_agent.readers.dlms.session import Answered, Session, State
from edge_agent.readers.dlms.wrapper import WrapperLink
from tests.edge_agent.readers.dlms.ciphered import CTOS, EK, HLS, CipheredMeter, Counters, client
from tests.edge_agent.readers.dlms.wire import ScriptedMeter, octets

DED = bytes(range(100, 116))


def meter(**changes: object) -> CipheredMeter:
    return CipheredMeter(inner=ScriptedMeter(objects={(1, "0.0.96.1.0.255", 2): octets(b"SN-1")}), **changes)  # type: ignore[arg-type]


def flip(at: int, bits: int) -> Callable[[bytes], bytes]:
    """Changes one octet, where there is one."""
    return lambda octets: octets[:at] + bytes([octets[at] ^ bits]) + octets[at + 1 :] if at < len(octets) else octets


def session(
    *,
    mechanism: int = 5,
    dedicated: bytes | None = None,
    general: bool = False,
    is_ciphered: bool = True,
    counters: Counters | None = None,
    policy: Policy = Policy.AUTHENTICATED_ENCRYPTED,
    ek: bytes = EK,
    hls: bytes = HLS,
) -> Session:
    cipher = client(counters, dedicated=dedicated, policy=policy, ek=ek)
    handshakes: dict[int, Callable[[], Handshake | None]] = {
        1: lambda: None,
        2: lambda: HlsAes(Secret(hls), CTOS),
        5: lambda: HlsGmac(cipher, CTOS),
    }
    login = Login(
        password=Secret(b"password") if mechanism == 1 else None,
        handshake=handshakes[mechanism](),
        cipher=cipher,
        is_ciphered=is_ciphered,
        offers_general=general,
    )
    return Session(WrapperLink(client=48, server=1), login=lambda: login)


def talk(opened: Session, peer: CipheredMeter, request: bytes) -> object:
    while True:
        step = opened.receive(peer.answer(request))
        if step.outcome is not None:
            return step.outcome
        assert step.send
        request = step.send


def associate(opened: Session, peer: CipheredMeter) -> None:
    assert isinstance(talk(opened, peer, opened.associate()), Association)


@pytest.mark.parametrize("mechanism", [1, 2, 5])
@pytest.mark.parametrize("dedicated", [None, DED])
@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("policy", Policy)
def test_every_form_reads_a_meter_made_of_primitives(
    *, mechanism: int, dedicated: bytes | None, general: bool, policy: Policy
) -> None:
    peer = meter(grants_general=general, control=policy.value)
    opened = session(mechanism=mechanism, dedicated=dedicated, general=general, policy=policy)
    associate(opened, peer)
    assert talk(opened, peer, opened.get(SERIAL)) == Answered((Data(Tag.OCTET_STRING, b"SN-1"),))
    assert opened.is_verified
    assert peer.mechanism == mechanism
    first = {(False, False): 0xC8, (False, True): 0xD0, (True, False): 0xDB, (True, True): 0xDC}
    assert peer.wire_seen[-1][0] == first[general, dedicated is not None]
    talk(opened, peer, opened.release())
    assert opened.state is State.CLOSED


def test_general_protection_that_was_not_offered_is_not_used() -> None:
    peer = meter(grants_general=True)
    opened = session()
    associate(opened, peer)
    talk(opened, peer, opened.get(SERIAL))
    assert peer.wire_seen[-1][0] == 0xC8


@pytest.mark.parametrize("mechanism", [2, 5])
def test_a_handshake_without_ciphering_proves_the_meter_and_not_its_answers(mechanism: int) -> None:
    peer = meter()
    opened = session(mechanism=mechanism, is_ciphered=False)
    associate(opened, peer)
    talk(opened, peer, opened.get(SERIAL))
    assert peer.wire_seen[-1][0] == 0xC0
    assert not opened.is_verified


@pytest.mark.parametrize("mechanism", [2, 5])
@pytest.mark.parametrize("is_ciphered", [False, True])
def test_a_meter_with_a_wrong_proof_is_refused(*, mechanism: int, is_ciphered: bool) -> None:
    for at in range(16 if mechanism == 2 else 17):
        peer = meter(proof=flip(at, 1))
        opened = session(mechanism=mechanism, is_ciphered=is_ciphered)
        with pytest.raises(MeterForgedError, match="does not prove"):
            associate(opened, peer)
        assert opened.state is State.CLOSED


def test_a_meter_that_refuses_our_proof_is_refused_without_the_key() -> None:
    opened = session(mechanism=2, is_ciphered=False, hls=b"another-secret!!")
    with pytest.raises(MeterRefusedError, match="refuses our proof") as caught:
        associate(opened, meter())
    assert "another-secret" not in repr(caught.value)
    assert opened.state is State.CLOSED


@pytest.mark.parametrize("mechanism", [2, 5])
def test_a_meter_that_leaves_the_handshake_out_is_refused(mechanism: int) -> None:
    with pytest.raises(MeterForgedError, match="prove nothing"):
        associate(session(mechanism=mechanism), meter(stoc=None))


@pytest.mark.parametrize("mechanism", [2, 5])
@pytest.mark.parametrize("stoc", [CTOS, CTOS + bytes(16), bytes(16) + CTOS, bytes(7), bytes(65)])
def test_our_own_challenge_and_no_challenge_are_not_answered(mechanism: int, stoc: bytes) -> None:
    peer = meter(stoc=stoc)
    with pytest.raises(MeterForgedError, match="challenge"):
        associate(session(mechanism=mechanism), peer)
    assert len(peer.wire_seen) == 1


def test_a_meter_with_our_own_title_is_refused() -> None:
    with pytest.raises(MeterForgedError, match="own system title"):
        associate(session(), meter(title=client().title))


@pytest.mark.parametrize("general", [False, True])
def test_any_flipped_bit_of_a_ciphered_answer_is_refused(*, general: bool) -> None:
    whole = meter(grants_general=general)
    opened = session(mechanism=1, general=general)
    associate(opened, whole)
    length = len(whole.answer(opened.get(SERIAL))) - 8
    for at in range(length):
        peer = meter(grants_general=general)
        opened = session(mechanism=1, general=general)
        associate(opened, peer)
        peer.mangle = flip(at, 0x40)
        with pytest.raises(MeterDecodeError):
            talk(opened, peer, opened.get(SERIAL))
        assert opened.is_verified


@given(st.integers(0, 200), st.integers(1, 255))
def test_any_changed_octet_of_a_ciphered_grant_never_opens_the_association_unproven(at: int, bits: int) -> None:
    peer = meter(mangle=flip(at, bits))
    opened = session(mechanism=5)
    try:
        talk(opened, peer, opened.associate())
    except ReaderError:
        return
    # What is left changed nothing that counts: neither title, challenge, services nor proof.
    assert opened.granted.max_pdu == 0x0400


def test_a_plain_answer_in_a_ciphered_association_is_refused() -> None:
    peer = meter()
    opened = session()
    associate(opened, peer)
    peer.plain_answers = True
    with pytest.raises(MeterForgedError, match="in the form glo of this ciphered association, got 0xc4"):
        talk(opened, peer, opened.get(SERIAL))
    assert opened.state is State.CLOSED


def test_a_plain_initiate_response_in_a_ciphered_association_is_refused() -> None:
    with pytest.raises(MeterForgedError, match="expected a ciphered initiate response, got 08"):
        associate(session(), meter(plain_answers=True))


def test_a_meter_that_drops_ciphering_from_its_context_is_refused() -> None:
    def plain(reply: bytes) -> bytes:
        return reply.replace(bytes.fromhex("60857405080103"), bytes.fromhex("60857405080101"))

    with pytest.raises(MeterForgedError, match="expected a ciphered association"):
        associate(session(), meter(mangle=plain))


@pytest.mark.parametrize(("asked", "answered"), [(None, DED), (DED, None)])
def test_an_answer_in_another_form_is_refused(asked: bytes | None, answered: bytes | None) -> None:
    peer = meter()
    opened = session(dedicated=asked)
    associate(opened, peer)
    request = opened.get(SERIAL)
    reply = peer.answer(request)
    other = {0xCC: 0xD4, 0xD4: 0xCC}[reply[8]]
    with pytest.raises(MeterForgedError, match="in the form"):
        opened.receive(reply[:8] + bytes([other]) + reply[9:])


def test_a_replayed_answer_is_refused() -> None:
    peer = meter()
    opened = session()
    associate(opened, peer)
    recorded = peer.answer(opened.get(SERIAL))
    assert opened.receive(recorded).outcome is not None
    opened.get(SERIAL)
    with pytest.raises(MeterForgedError, match="a replay"):
        opened.receive(recorded)


def test_a_recorded_association_without_a_challenge_is_refused() -> None:
    peer = meter()
    with pytest.raises(MeterForgedError, match="above 7, got 7: a replay"):
        associate(session(mechanism=1, counters=Counters(heard=7)), peer)
    associate(session(mechanism=1, counters=Counters(own=10, heard=6)), meter())


def test_encryption_without_a_tag_broadcast_keys_and_other_suites_are_refused() -> None:
    for control in (0x20, 0x00, 0x70, 0xB0, 0x31, 0x32):
        peer = meter()
        opened = session(mechanism=1)
        associate(opened, peer)
        peer.control = control
        with pytest.raises(MeterForgedError, match=f"got 0x{control:02x}"):
            talk(opened, peer, opened.get(SERIAL))


def test_a_meter_may_authenticate_without_encrypting() -> None:
    peer = meter(control=0x10)
    opened = session()
    associate(opened, peer)
    assert talk(opened, peer, opened.get(SERIAL)) == Answered((Data(Tag.OCTET_STRING, b"SN-1"),))


def test_a_stale_counter_is_told_from_other_refusals_and_carries_what_the_meter_wants() -> None:
    with pytest.raises(CounterRefusedError, match="invocation counter error") as caught:
        associate(session(), meter(accepted=100))
    assert caught.value.expected == 101


def test_no_counter_is_used_twice_and_what_is_verified_is_confirmed() -> None:
    counters = Counters(own=20)
    peer = meter()
    opened = session(counters=counters)
    associate(opened, peer)
    talk(opened, peer, opened.get(SERIAL))
    opened.lost()
    opened.lost()
    assert counters.taken == [20, 21, 22, 23]  # initiate, GMAC, its ACTION, GET
    assert counters.confirmed[-1] == (23, peer.counter - 1)
    assert counters.settled == 1


def test_keys_are_dropped_when_the_association_is_over() -> None:
    opened = session()
    associate(opened, meter())
    opened.lost()
    assert opened._login is None
    assert opened._prepare is None


@pytest.mark.parametrize("is_ciphered", [False, True])
@pytest.mark.parametrize("state", State)
def test_no_set_and_no_other_action_leaves_ciphered_or_not(*, is_ciphered: bool, state: State) -> None:
    opened = session(is_ciphered=is_ciphered)
    opened.associate()
    opened._state = state
    reply = apdu.reply_to_hls(1, bytes(16))
    forbidden = [
        bytes.fromhex("c101c1" "0008" "0000010000ff" "02" "00" "090c") + bytes(12),  # SET of the clock
        bytes.fromhex("c301c1" "0046" "000060030aff" "01" "01" "0f00"),  # ACTION: relay off
        *(reply[:at] + bytes([reply[at] ^ 1]) + reply[at + 1 :] for at in (0, 1, *range(3, 15))),
        reply + b"\x00",
        reply[:-1],
    ]  # fmt: skip
    counters = Counters()
    for request in forbidden:
        with pytest.raises(ValueError, match="only reads"):
            opened._emit(request)
    assert counters.taken == []
    if state is not State.PROVING:
        with pytest.raises(ValueError, match="only reads"):
            opened._emit(reply)


@pytest.mark.parametrize("tag", [tag for tag in range(256) if tag not in {0xC0, 0xC3}])
def test_the_cipher_itself_has_no_form_for_anything_else(tag: int) -> None:
    for dedicated, general in itertools.product((None, DED), (False, True)):
        cipher = client(dedicated=dedicated)
        if general:
            cipher.use_general()
        with pytest.raises(ValueError, match="only reads"):
            cipher.protect(bytes([tag, 1, 0xC1]))


def test_everything_that_leaves_a_whole_association_is_reading() -> None:
    peer = meter()
    opened = session()
    associate(opened, peer)
    talk(opened, peer, opened.get(SERIAL))
    assert [plain[0] for plain in peer.plain_seen] == [0x01, 0xC3, 0xC0]


@given(st.binary(min_size=1, max_size=60))
def test_any_octets_in_a_ciphered_association_are_refused(garbage: bytes) -> None:
    peer = meter()
    opened = session()
    associate(opened, peer)
    opened.get(SERIAL)
    frame = bytes.fromhex("000100010030") + len(garbage).to_bytes(2) + garbage
    try:
        assert opened.receive(frame).outcome is None
    except ReaderError:
        assert opened.is_verified


def test_nothing_shows_a_secret() -> None:
    opened = session(dedicated=DED)
    associate(opened, meter())
    login = opened._login
    assert login is not None
    shown = repr(login) + repr(login.cipher) + repr(login.handshake) + repr(vars(opened))
    assert login.cipher is not None
    shown += repr(vars(login.cipher))
    for secret in (EK, DED, HLS):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown


@pytest.mark.parametrize("mechanism", [2, 5])
def test_a_meter_that_answers_by_another_mechanism_is_refused(mechanism: int) -> None:
    def other(reply: bytes) -> bytes:
        return reply.replace(
            bytes.fromhex("8907608574050802") + bytes([mechanism]), bytes.fromhex("890760857405080206")
        )

    with pytest.raises(MeterForgedError, match="prove nothing"):
        associate(session(mechanism=mechanism), meter(mangle=other))


def test_a_proof_for_another_request_is_refused() -> None:
    opened = session(mechanism=2, is_ciphered=False)
    peer = meter(mangle=lambda reply: reply[:2] + b"\xc2" + reply[3:] if reply[0] == 0xC7 else reply)
    with pytest.raises(MeterDecodeError, match="expected an answer to request 1, got one to 2"):
        associate(opened, peer)
    assert opened.state is State.CLOSED


def test_answers_under_a_dedicated_key_prove_nothing_of_the_global_counters() -> None:
    counters = Counters()
    peer = meter()
    opened = session(mechanism=1, dedicated=DED, counters=counters)
    associate(opened, peer)
    talk(opened, peer, opened.get(SERIAL))
    assert counters.confirmed == [(1, 7)]


@pytest.mark.parametrize("hexed", ["c401c1000105", "cc0a30000000010102030405", "db0847585400000012340100", "d4", "07"])
def test_nothing_but_an_aare_opens_a_ciphered_association(hexed: str) -> None:
    opened = session()
    opened.associate()
    apdus = bytes.fromhex(hexed)
    with pytest.raises(MeterDecodeError):
        opened.receive(bytes.fromhex("000100010030") + len(apdus).to_bytes(2) + apdus)
    assert opened.state is State.CLOSED


def test_a_proof_in_the_wrong_order_is_refused() -> None:
    opened = session(is_ciphered=False)
    opened.associate()
    apdus = bytes.fromhex("c701c10001000900")
    with pytest.raises(MeterDecodeError, match="expected nothing while ASSOCIATING"):
        opened.receive(bytes.fromhex("000100010030") + len(apdus).to_bytes(2) + apdus)
