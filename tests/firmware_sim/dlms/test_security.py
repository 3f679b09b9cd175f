"""Ciphered associations and HLS, byte for byte, as a client that shares no code sees them."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.ciphering import Counters, parse_envelope
from firmware_sim.dlms.clients import Access, Ciphering
from firmware_sim.dlms.device import Stale
from firmware_sim.errors import DecodeError, SetupError
from tests.firmware_sim.dlms.ciphered_wire import (
    AK,
    CLIENT,
    CONTEXT,
    CTOS,
    DEDICATED,
    EK,
    HLS_KEY,
    INITIATE,
    INITIATE_DEDICATED,
    INITIATE_GENERAL,
    METER,
    PLAIN_CONTEXT,
    STOC,
    CipheredWire,
    aarq,
    device,
    elements,
    protect,
    tlv,
)
from tests.firmware_sim.dlms.wire import AARQ_PUBLIC, AARQ_READER, BLOCK_LOAD, CLOCK, PASSWORD

GET_CLOCK = f"C001C1{CLOCK}0200"
CLOCK_ANSWER = "c401c100090c07ea0b13040c071e00feb600"
NOT_ASSOCIATED, UNDECIPHERABLE, NOT_UNDERSTOOD = "d80101", "d80105", "d80103"
ACCEPTED = bytes.fromhex("020100")
SUCCESS, AUTHENTICATION_REQUIRED = bytes.fromhex("A103020100"), bytes.fromhex("A10302010E")


def reader(**options: object) -> CipheredWire:
    wire = CipheredWire(device(**options))  # type: ignore[arg-type]
    told = wire.associate()
    assert told[0xA2] == ACCEPTED
    return wire


def utility(mechanism: Mechanism, initiate: str = INITIATE) -> CipheredWire:
    """A utility client that has sent its challenge and heard the meter's."""
    wire = CipheredWire(device(hls=mechanism), sap=48)
    told = wire.associate(initiate, mechanism=mechanism, shown=CTOS)
    assert (told[0xA2], told[0xA3]) == (ACCEPTED, AUTHENTICATION_REQUIRED)
    assert told[0xAA] == tlv(0x80, STOC)
    assert told[0x88] == bytes.fromhex("0780")
    assert told[0x89] == bytes.fromhex("608574050802") + bytes([mechanism])
    return wire


def hls_request(answer: bytes) -> str:
    return "C301C1 000F 0000280000FF 01 01" + tlv(0x09, answer).hex()


def gmac(title: bytes, counter: int, challenge: bytes) -> bytes:
    return protect(0x10, title, counter, challenge)[-12:]


def aes(challenge: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    encryptor = Cipher(algorithms.AES(HLS_KEY), modes.ECB()).encryptor()
    return encryptor.update(challenge) + encryptor.finalize()


def test_a_ciphered_reader_is_told_the_meters_title_and_what_was_agreed() -> None:
    wire = CipheredWire(device())
    told = wire.associate()
    assert told[0xA1] == tlv(0x06, bytes.fromhex(CONTEXT))
    assert (told[0xA2], told[0xA3]) == (ACCEPTED, SUCCESS)
    assert told[0xA4] == tlv(0x04, METER)
    assert told[0xBE][:2] == bytes([4, len(told[0xBE]) - 2])
    assert told[0xBE][2] == 0x28
    assert wire.uncovered(told[0xBE][4:]).hex() == "0800065f1f040000521d04000007"


def test_a_request_with_the_global_key_is_answered_with_it() -> None:
    assert reader().glo(GET_CLOCK).hex() == CLOCK_ANSWER


def test_a_long_answer_is_ciphered_block_by_block_and_fits() -> None:
    wire = reader()
    answer = wire.glo(f"C001C1{BLOCK_LOAD}0200")
    assert answer[:4].hex() == "c402c100"
    assert 1024 - 2 <= len(answer) + 9 + 12 <= 1024
    assert wire.glo("C002C100000001")[:8].hex() == "c402c10000000002"
    assert wire.heard == sorted(set(wire.heard))


@pytest.mark.parametrize("control", [0x10, 0x20, 0x30])
def test_a_request_is_answered_with_its_own_protection_where_the_meter_allows_it(control: int) -> None:
    wire = CipheredWire(device(policy=0), control=control)
    wire.associate()
    assert wire.glo(GET_CLOCK).hex() == CLOCK_ANSWER


@pytest.mark.parametrize(
    ("policy", "control", "answer"),
    [
        (0x30, 0x10, UNDECIPHERABLE),
        (0x30, 0x20, UNDECIPHERABLE),
        (0x10, 0x20, UNDECIPHERABLE),
        (0x10, 0x10, CLOCK_ANSWER),
        (0x10, 0x30, CLOCK_ANSWER),
        (0x20, 0x10, UNDECIPHERABLE),
        (0x20, 0x20, CLOCK_ANSWER),
    ],
)
def test_a_request_must_be_protected_as_the_policy_says(policy: int, control: int, answer: str) -> None:
    wire = CipheredWire(device(policy=policy))
    wire.associate()
    wire.control = control
    assert wire.glo(GET_CLOCK).hex() == answer


@pytest.mark.parametrize("control", [0x00, 0x31, 0x70, 0xB0])
def test_another_suite_broadcast_keys_compression_and_no_protection_are_refused(control: int) -> None:
    wire = CipheredWire(device(policy=0 if control == 0 else 0x30))
    wire.associate()
    plain = bytes.fromhex(GET_CLOCK)
    head = bytes([control]) + (9).to_bytes(4, "big")
    content = plain if control == 0 else AESGCM(EK).encrypt(CLIENT + head[1:], plain, head[:1] + AK)[:-4]
    assert wire.raw(tlv(0xC8, head + content)).hex() == UNDECIPHERABLE
    assert wire.device.counters.accepted(32) == 1


def test_a_plain_request_in_a_ciphered_association_is_refused() -> None:
    wire = reader()
    assert wire.raw(GET_CLOCK).hex() == NOT_ASSOCIATED
    assert wire.glo(GET_CLOCK).hex() == CLOCK_ANSWER


def test_a_ciphered_request_in_a_plain_association_is_not_known() -> None:
    wire = CipheredWire(device())
    assert wire.raw(AARQ_READER)[:1] == b"\x61"
    assert wire.raw(GET_CLOCK).hex() == CLOCK_ANSWER
    assert wire.glo(GET_CLOCK).hex() == "d80202"


@pytest.mark.parametrize(
    ("ciphering", "context", "diagnostic"),
    [
        (Ciphering.OFF, CONTEXT, "02"),
        (Ciphering.REQUIRED, PLAIN_CONTEXT, "02"),
        (Ciphering.REQUIRED, CONTEXT, "00"),
    ],
)
def test_a_context_that_the_client_does_not_have_is_refused(
    ciphering: Ciphering, context: str, diagnostic: str
) -> None:
    wire = CipheredWire(device(ciphering=ciphering))
    information = bytes.fromhex(INITIATE)
    if context == CONTEXT:
        information = tlv(0x21, wire.covered(INITIATE))
    told = elements(wire.raw(aarq(information, context=context, mechanism=1, shown=PASSWORD)))
    assert told[0xA3].hex() == "a1030201" + diagnostic


def test_the_public_client_is_never_ciphered() -> None:
    wire = CipheredWire(device(ciphering=Ciphering.REQUIRED), sap=16)
    assert wire.associate(mechanism=None)[0xA3].hex() == "a103020102"
    assert wire.raw(AARQ_PUBLIC)[:1] == b"\x61"


@pytest.mark.parametrize("title", [None, b"", CLIENT[:7], CLIENT + b"x"])
def test_a_ciphered_client_without_a_title_of_eight_bytes_is_not_recognised(title: bytes | None) -> None:
    wire = CipheredWire(device())
    information = tlv(0x21, wire.covered(INITIATE))
    told = elements(wire.raw(aarq(information, mechanism=1, shown=PASSWORD, title=title)))
    assert told[0xA3].hex() == "a103020103"


def test_a_wrong_tag_in_the_aarq_is_an_authentication_failure() -> None:
    wire = CipheredWire(device())
    good = wire.covered(INITIATE)
    told = elements(wire.raw(aarq(tlv(0x21, good[:-1] + bytes([good[-1] ^ 1])), mechanism=1, shown=PASSWORD)))
    assert (told[0xA2].hex(), told[0xA3].hex()) == ("020101", "a10302010d")
    assert wire.device.counters.accepted(32) == 0
    assert wire.raw(GET_CLOCK).hex() == NOT_ASSOCIATED


@pytest.mark.parametrize("information", [bytes.fromhex(INITIATE), b"\x21\x00", b"\x21", b"\x99"])
def test_an_unprotected_or_cut_initiate_is_an_authentication_failure(information: bytes) -> None:
    told = elements(CipheredWire(device()).raw(aarq(information, mechanism=1, shown=PASSWORD)))
    assert told[0xA3].hex() == "a10302010d"


def test_a_wrong_password_is_told_before_anything_is_deciphered() -> None:
    wire = CipheredWire(device())
    assert wire.associate(shown=b"12345679")[0xA3].hex() == "a10302010d"
    assert wire.device.counters.accepted(32) == 0


def test_a_client_whose_answers_would_not_fit_is_refused() -> None:
    for size, verdict in (("0029", "0e010603"), ("002a", None)):
        wire = CipheredWire(device())
        told = wire.associate(INITIATE[:-4] + size)
        assert told[0xA3].hex() == ("a103020101" if verdict else "a103020100")
        if verdict:
            assert told[0xBE].hex() == "0404" + verdict
        else:
            assert len(wire.glo(f"C001C1{BLOCK_LOAD}0200")) + 19 <= 42


@pytest.mark.parametrize("place", [5, 10, -1])
def test_a_wrong_tag_is_refused_and_moves_no_counter(place: int) -> None:
    wire = reader()
    before = wire.device.counters.accepted(32)
    bent = bytearray(wire.covered(GET_CLOCK))
    bent[place] ^= 0x40
    assert wire.raw(tlv(0xC8, bytes(bent))).hex() == UNDECIPHERABLE
    assert wire.device.counters.accepted(32) == before
    wire.counter = before
    assert wire.glo(GET_CLOCK).hex() == CLOCK_ANSWER


def test_a_service_that_is_not_the_tags_is_not_understood() -> None:
    wire = reader()
    assert wire.raw(tlv(0xC9, wire.covered(GET_CLOCK))).hex() == NOT_UNDERSTOOD
    assert wire.raw(tlv(0xC8, wire.covered(b""))).hex() == NOT_UNDERSTOOD


@pytest.mark.parametrize(
    "cut", ["C8", "C800", "C80430000000", "C8053000000001", "C8063000000009", "DB", "DB08", "DB0000"]
)
def test_a_cut_ciphered_apdu_is_refused_and_the_meter_goes_on(cut: str) -> None:
    wire = reader()
    assert wire.raw(cut).hex()[:4] == "d801"
    assert wire.glo(GET_CLOCK).hex() == CLOCK_ANSWER


# Counters


def test_a_counter_must_rise_and_may_jump() -> None:
    wire = reader()
    wire.counter = 1000
    assert wire.glo(GET_CLOCK).hex() == CLOCK_ANSWER
    wire.counter = 1000  # 1001 once more
    assert wire.glo(GET_CLOCK).hex() == "d80106" + "000003ea"
    wire.counter = 4
    assert wire.glo(GET_CLOCK).hex() == "d80106" + "000003ea"
    wire.counter = 1001
    assert wire.glo(GET_CLOCK).hex() == CLOCK_ANSWER


def test_a_stale_counter_in_the_aarq_draws_the_expected_one() -> None:
    shared = device(counters=Counters(accepted={32: 500}))
    wire = CipheredWire(shared)
    wire.counter = 499
    assert wire.raw(aarq(tlv(0x21, wire.covered(INITIATE)), mechanism=1, shown=PASSWORD)).hex() == "d80106000001f5"
    assert wire.associate()[0xA2] == ACCEPTED


def test_counters_live_as_long_as_the_meter_and_are_read_by_the_public_client() -> None:
    shared = device()
    first = CipheredWire(shared)
    first.associate()
    first.counter = 76
    first.glo(GET_CLOCK)
    public = CipheredWire(shared, sap=16)
    public.raw(AARQ_PUBLIC)
    assert public.raw("C001C1 0001 00002B0102FF 02 00").hex() == "c401c100" + "060000004d"
    assert public.raw("C001C1 0001 00002B0103FF 02 00").hex() == "c401c100" + "0600000000"
    assert public.raw("C001C1 0001 00002B0106FF 02 00").hex() == "c401c100" + "0600000000"
    again = CipheredWire(shared)
    again.counter = 76
    assert again.raw(aarq(tlv(0x21, again.covered(INITIATE)), mechanism=1, shown=PASSWORD)).hex() == "d801060000004e"


def test_the_meters_own_counter_only_rises_over_all_connections() -> None:
    shared = device()
    heard = []
    for start in (0, 100):
        wire = CipheredWire(shared, counter=start)
        told = wire.associate()
        wire.uncovered(told[0xBE][4:])
        wire.glo(GET_CLOCK)
        wire.glo(GET_CLOCK)
        heard += wire.heard
    assert heard == sorted(set(heard))
    assert len(heard) == 6


@pytest.mark.parametrize(
    ("stale", "answer", "refusal"),
    [(Stale.REJECT, UNDECIPHERABLE, "a10302010d"), (Stale.SILENCE, "", None)],
)
def test_a_stale_counter_can_draw_a_refusal_or_silence(stale: Stale, answer: str, refusal: str | None) -> None:
    wire = reader(stale=stale)
    wire.counter = 0
    assert wire.glo.__self__.raw(tlv(0xC8, wire.covered(GET_CLOCK))).hex() == answer  # type: ignore[attr-defined]
    assert wire.application.closed == (stale is Stale.SILENCE)
    late = CipheredWire(wire.device)
    told = late.raw(aarq(tlv(0x21, late.covered(INITIATE)), mechanism=1, shown=PASSWORD))
    if refusal is None:
        assert told == b""
        assert late.application.closed
        assert late.raw(AARQ_PUBLIC) == b""
    else:
        assert elements(told)[0xA3].hex() == refusal


def test_the_last_counter_there_is_cannot_be_passed() -> None:
    wire = CipheredWire(device(counters=Counters(accepted={32: 0xFFFFFFFF})), counter=0xFFFFFFFE)
    assert wire.raw(aarq(tlv(0x21, wire.covered(INITIATE)), mechanism=1, shown=PASSWORD)).hex() == "d80106ffffffff"


# Dedicated keys and general ciphering


def dedicated() -> CipheredWire:
    wire = CipheredWire(device())
    assert wire.associate(INITIATE_DEDICATED)[0xA2] == ACCEPTED
    return wire


def test_a_dedicated_key_serves_beside_the_global_one() -> None:
    wire = dedicated()
    assert wire.ded(GET_CLOCK).hex() == CLOCK_ANSWER
    assert wire.glo(GET_CLOCK).hex() == CLOCK_ANSWER


def test_a_fresh_dedicated_key_may_begin_at_zero_and_then_rises() -> None:
    wire = dedicated()
    for counter, answer in ((-1, CLOCK_ANSWER), (-1, "d8010600000001"), (0, CLOCK_ANSWER)):
        wire.counter = counter
        assert wire.ded(GET_CLOCK).hex() == answer


def test_the_dedicated_form_without_such_a_key_is_refused() -> None:
    wire = reader()
    assert wire.raw(tlv(0xD0, wire.covered(GET_CLOCK, DEDICATED))).hex() == UNDECIPHERABLE


@pytest.mark.parametrize("key", ["0101 10", "01010F" + "00" * 15])
def test_a_dedicated_key_of_another_length_is_refused(key: str) -> None:
    bad = INITIATE.replace("01 00", key, 1) if len(key) > 8 else INITIATE_DEDICATED.replace("10", "0f", 1)
    wire = CipheredWire(device())
    answer = wire.raw(aarq(tlv(0x21, wire.covered(bad)), mechanism=1, shown=PASSWORD))
    assert answer[:1] in (b"\xd8", b"\x61")
    assert wire.raw(GET_CLOCK).hex() == NOT_ASSOCIATED


def test_a_dedicated_key_in_the_clear_is_refused() -> None:
    wire = CipheredWire(device())
    told = elements(
        wire.raw(aarq(bytes.fromhex(INITIATE_DEDICATED), context=PLAIN_CONTEXT, mechanism=1, shown=PASSWORD))
    )
    assert told[0xBE].hex() == "04040e010602"


@pytest.mark.parametrize(("tag", "title"), [(0xDB, CLIENT), (0xDB, b""), (0xDC, CLIENT), (0xDC, b"")])
def test_general_ciphering_is_answered_in_kind(tag: int, title: bytes) -> None:
    assert dedicated().general(GET_CLOCK, tag, title).hex() == CLOCK_ANSWER


def test_a_long_answer_in_general_ciphering_fits_too() -> None:
    wire = dedicated()
    content = wire.covered(f"C001C1{BLOCK_LOAD}0200")
    answer = wire.raw(b"\xdb\x08" + CLIENT + tlv(0, content)[1:])
    assert 1024 - 2 <= len(answer) <= 1024


@pytest.mark.parametrize("tag", [0xC0, 0x99, 0xD8, 0xDD, 0x01])
def test_another_tag_is_no_ciphered_apdu(tag: int) -> None:
    with pytest.raises(DecodeError, match="expected a ciphered APDU, got tag"):
        parse_envelope(tlv(tag, bytes(20)))


def test_general_ciphering_must_be_agreed() -> None:
    wire = reader()
    assert wire.general(GET_CLOCK).hex() == UNDECIPHERABLE
    agreed = CipheredWire(device())
    told = agreed.associate(INITIATE_GENERAL)
    assert agreed.uncovered(told[0xBE][4:]).hex() == "0800065f1f040040521d04000007"
    assert agreed.general(GET_CLOCK).hex() == CLOCK_ANSWER
    assert agreed.general(GET_CLOCK, title=METER).hex() == UNDECIPHERABLE


def test_a_release_may_be_ciphered_and_is_answered_so() -> None:
    wire = reader()
    told = elements(
        wire.raw(tlv(0x62, bytes.fromhex("800100") + tlv(0xBE, tlv(0x04, tlv(0x21, wire.covered(INITIATE))))))
    )
    assert told[0x80] == b"\x00"
    assert wire.uncovered(told[0xBE][4:])[:1] == b"\x08"
    assert wire.raw(GET_CLOCK).hex() == NOT_ASSOCIATED
    bent = reader()
    content = bytearray(bent.covered(INITIATE))
    content[-1] ^= 1
    release = tlv(0x62, tlv(0xBE, tlv(0x04, tlv(0x21, bytes(content)))))
    assert bent.raw(release).hex() == UNDECIPHERABLE
    assert bent.glo(GET_CLOCK).hex() == CLOCK_ANSWER


# HLS


def test_gmac_is_verified_both_ways() -> None:
    wire = utility(Mechanism.GMAC)
    counter = wire.counter + 1
    answer = b"\x10" + counter.to_bytes(4, "big") + gmac(CLIENT, counter, STOC)
    told = wire.glo(hls_request(answer))
    assert told[:6].hex() == "c701c1000100"
    assert told[6:8].hex() == "0911"
    assert told[8] == 0x10
    meters = int.from_bytes(told[9:13], "big")
    assert told[13:] == gmac(METER, meters, CTOS)
    assert meters not in wire.heard
    assert wire.glo(GET_CLOCK).hex() == CLOCK_ANSWER
    assert wire.glo(hls_request(answer)).hex() == "c701c10300"


def test_aes_of_the_challenge_is_verified_both_ways() -> None:
    wire = utility(Mechanism.HLS)
    told = wire.glo(hls_request(aes(STOC)))
    assert told.hex() == "c701c1000100" + "0910" + aes(CTOS).hex()
    assert wire.glo(GET_CLOCK).hex() == CLOCK_ANSWER


@pytest.mark.parametrize(
    ("mechanism", "answer"),
    [
        (Mechanism.HLS, aes(CTOS)),
        (Mechanism.HLS, aes(STOC)[:15]),
        (Mechanism.HLS, b""),
        (Mechanism.GMAC, b"\x10\x00\x00\x00\x02" + gmac(METER, 2, STOC)),
        (Mechanism.GMAC, b"\x10\x00\x00\x00\x03" + gmac(CLIENT, 2, STOC)),
        (Mechanism.GMAC, b"\x30\x00\x00\x00\x02" + gmac(CLIENT, 2, STOC)),
        (Mechanism.GMAC, b"\x10\x00\x00\x00\x02" + gmac(CLIENT, 2, CTOS)),
        (Mechanism.GMAC, b"\x10\x00\x00\x00\x02" + gmac(CLIENT, 2, STOC)[:-1]),
        (Mechanism.GMAC, b""),
    ],
)
def test_a_wrong_answer_to_the_challenge_ends_the_association(mechanism: Mechanism, answer: bytes) -> None:
    wire = utility(mechanism)
    assert wire.glo(hls_request(answer)).hex() == "c701c10300"
    assert wire.raw(tlv(0xC8, wire.covered(GET_CLOCK))).hex() == NOT_ASSOCIATED


@pytest.mark.parametrize("mechanism", [Mechanism.HLS, Mechanism.GMAC])
def test_nothing_is_served_before_the_challenge_is_answered(mechanism: Mechanism) -> None:
    wire = utility(mechanism)
    assert wire.glo(GET_CLOCK).hex() == NOT_ASSOCIATED
    assert wire.glo("C301C1 0046 000060030AFF 01 00").hex() == NOT_ASSOCIATED
    assert wire.glo("C301C1 000F 0000280000FF 01 00").hex() == NOT_UNDERSTOOD
    assert wire.glo(hls_request(aes(CTOS))).hex() == "c701c10300"


def test_a_utility_without_ciphering_is_authenticated_all_the_same() -> None:
    wire = CipheredWire(device(ciphering=Ciphering.OFF), sap=48)
    told = elements(wire.raw(aarq(bytes.fromhex(INITIATE), context=PLAIN_CONTEXT, mechanism=5, shown=CTOS)))
    assert told[0xA4] == tlv(0x04, METER)
    assert told[0xAA] == tlv(0x80, STOC)
    assert wire.raw(GET_CLOCK).hex() == NOT_ASSOCIATED
    answer = b"\x10\x00\x00\x00\x09" + gmac(CLIENT, 9, STOC)
    assert wire.raw(hls_request(answer))[:6].hex() == "c701c1000100"
    assert wire.raw(GET_CLOCK).hex() == CLOCK_ANSWER
    assert wire.device.counters.accepted(48) == 9


@pytest.mark.parametrize(("size", "accepted"), [(7, False), (8, True), (64, True), (65, False)])
def test_a_challenge_has_8_to_64_bytes(size: int, accepted: bool) -> None:  # noqa: FBT001 - a table of cases
    wire = CipheredWire(device(ciphering=Ciphering.OFF), sap=48)
    request = aarq(bytes.fromhex(INITIATE), context=PLAIN_CONTEXT, mechanism=5, shown=bytes(size))
    assert elements(wire.raw(request))[0xA3].hex() == ("a10302010e" if accepted else "a10302010d")


def test_another_mechanism_than_the_clients_is_not_recognised() -> None:
    wire = CipheredWire(device(hls=Mechanism.GMAC), sap=48)
    for mechanism, diagnostic in ((2, "0b"), (1, "0b"), (None, "0e")):
        assert wire.associate(mechanism=mechanism, shown=CTOS)[0xA3].hex() == "a1030201" + diagnostic


def test_a_meter_without_a_utility_association_does_not_know_it() -> None:
    wire = CipheredWire(device(hls=None, ciphering=Ciphering.OFF), sap=48)
    request = aarq(bytes.fromhex(INITIATE), context=PLAIN_CONTEXT, mechanism=5, shown=CTOS)
    assert elements(wire.raw(request))[0xA3].hex() == "a103020101"


@pytest.mark.parametrize("sap", [64, 96])
def test_declared_associations_are_listed_and_take_no_request(sap: int) -> None:
    wire = CipheredWire(device(), sap=sap)
    assert elements(wire.raw(AARQ_PUBLIC))[0xA3].hex() == "a103020101"
    assert wire.raw(GET_CLOCK).hex() == NOT_ASSOCIATED
    number = 4 if sap == 64 else 6
    seen = reader().glo(f"C001C1 000F 00002800{number:02x}FF 03 00")
    assert seen.hex() == f"c401c10002020f{sap:02x}120001"


def test_an_association_can_be_had_without_keys_only_where_none_are_needed() -> None:
    with pytest.raises(SetupError, match="expected keys for client 32"):
        Access(ciphering=Ciphering.REQUIRED).clients()
    with pytest.raises(SetupError, match="expected keys for client 48"):
        Access(hls=Mechanism.GMAC).clients()
    with pytest.raises(SetupError, match="16 bytes for mechanism 2, got 3"):
        Access(hls=Mechanism.HLS, hls_secret=b"abc").clients()
    assert "sakshi" not in repr(Access())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_bent_ciphered_request_is_refused_and_the_meter_goes_on(data: st.DataObject) -> None:
    wire = dedicated()
    good = [
        tlv(0xC8, wire.covered(GET_CLOCK)),
        tlv(0xD0, wire.covered(GET_CLOCK, DEDICATED)),
        b"\xdb" + tlv(8, CLIENT)[1:] + tlv(0, wire.covered(GET_CLOCK))[1:],
        aarq(tlv(0x21, wire.covered(INITIATE)), mechanism=1, shown=PASSWORD),
    ]
    bent = bytearray(data.draw(st.sampled_from(good)))
    for _ in range(data.draw(st.integers(1, 3))):
        bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(st.integers(0, 255))
    answer = wire.raw(bytes(bent)[: data.draw(st.integers(1, len(bent)))])
    assert answer
    assert len(answer) <= 1024
    late = CipheredWire(wire.device, counter=wire.device.counters.accepted(32))
    if late.counter < 0xFFFFFFFF:
        assert late.associate()[0xA2] == ACCEPTED
    assert EK.hex() not in answer.hex()
    assert AK.hex() not in answer.hex()


def test_a_declared_association_lists_what_its_client_sees() -> None:
    wire = reader()

    def listed(number: int) -> bytes:
        answer = wire.glo(f"C001C1 000F 00002800{number:02x}FF 02 00")
        content = answer[12:] if answer[1] == 2 else answer[4:]
        block = 0
        while answer[1] == 2 and not answer[3]:
            block += 1
            answer = wire.glo("C002C1" + block.to_bytes(4, "big").hex())
            content += answer[10 + (answer[9] & 0x7F if answer[9] & 0x80 else 0) :]
        return content

    profile, itself = bytes.fromhex("0906" + BLOCK_LOAD[5:]), bytes.fromhex("09060000280000FF")
    assert profile in listed(3)
    assert itself in listed(3)
    assert profile not in listed(1)
    assert itself in listed(1)
