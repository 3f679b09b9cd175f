"""Whose push it is and what it is worth: verified once, refused by name, and seldom an occasion."""

import contextlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterKeyError
from edge_agent.push_desk import PushDesk, PushRefusedError, Refusal, Sender
from edge_agent.push_settings import MeterPush, Plain, PushSettings
from edge_agent.readers.access import MeterKeys
from edge_agent.readers.dlms.push import EventBit, Kind
from edge_agent.readers.dlms.security import Secret
from tests.edge_agent.pushes import AK, ALERT, EK, TITLE, plain, sealed

OTHER = bytes.fromhex("534B530000000002")
SETTINGS = PushSettings(authentic_s=60, hint_s=900)
KEYS = MeterKeys(encryption=Secret(EK), authentication=Secret(AK))


class Keys:
    """Keys by URI, and counters as the journal keeps them."""

    def __init__(self, keys: Mapping[str, MeterKeys]) -> None:
        self.keys = keys
        self.heard: dict[tuple[str, bytes], int] = {}

    def unlock(self, uri: str) -> MeterKeys:
        if uri not in self.keys:
            raise MeterKeyError(f"there are no keys {uri}")
        return self.keys[uri]

    def hear(self, uri: str, title: bytes, counter: int) -> bool:
        is_new = counter > self.heard.get((uri, title), -1)
        if is_new:
            self.heard[uri, title] = counter
        return is_new


class Bench:
    """A desk with three meters, and a clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.vault = Keys({"store:M1": KEYS, "store:half": MeterKeys(encryption=Secret(EK))})
        meters = (
            Sender(meter="M1", serial="SERIAL1", push=MeterPush(title=TITLE, keys="store:M1")),
            Sender(meter="M2", serial="SERIAL2", push=MeterPush(title=OTHER, plain=Plain.HINT)),
            Sender(meter="M3", serial="SERIAL3", push=MeterPush(title=bytes(8), keys="store:half")),
            Sender(meter="M4", serial="SERIAL4", push=MeterPush(title=b"\x01" * 8, keys="store:gone")),
        )
        self.desk = PushDesk(SETTINGS, meters, self.vault, lambda: self.now_s)

    def refused(self, apdu: bytes) -> tuple[Refusal, str | None]:
        with pytest.raises(PushRefusedError) as caught:
            self.desk.take(apdu)
        assert EK.hex() not in str(caught.value)
        return caught.value.refusal, caught.value.meter


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_verified_push_of_a_known_meter_is_an_occasion(bench: Bench) -> None:
    heard = bench.desk.take(sealed(plain(), 5))
    assert (heard.meter, heard.kind, heard.events) == ("M1", Kind.INSTANT, frozenset())
    assert heard.is_authentic
    assert heard.is_occasion


def test_an_alert_says_which_event_bits_are_set(bench: Bench) -> None:
    heard = bench.desk.take(sealed(plain(setup=ALERT, bit=86), 5))
    assert (heard.kind, heard.events) == (Kind.ALERT, frozenset({int(EventBit.FIRST_BREATH)}))


def test_a_push_is_worth_something_once(bench: Bench) -> None:
    apdu = sealed(plain(), 5)
    bench.desk.take(apdu)
    assert bench.refused(apdu) == (Refusal.REPLAYED, "M1")
    assert bench.refused(sealed(plain(setup=ALERT, bit=85), 5)) == (Refusal.REPLAYED, "M1")
    assert bench.refused(sealed(plain(), 4)) == (Refusal.REPLAYED, "M1")
    bench.desk.take(sealed(plain(), 6))


def test_a_forged_counter_locks_no_meter_out(bench: Bench) -> None:
    assert bench.refused(sealed(plain(), 0xFFFFFFFF, key=bytes(16))) == (Refusal.FORGED, "M1")
    bench.desk.take(sealed(plain(), 5))


@pytest.mark.parametrize(
    ("apdu", "expected"),
    [
        (b"", (Refusal.MALFORMED, None)),
        (b"\xc4\x01\xc1\x00", (Refusal.MALFORMED, None)),
        (sealed(bytes.fromhex("C401C10011FF"), 9), (Refusal.MALFORMED, "M1")),
        (b"\xdc" + sealed(plain(), 9)[1:], (Refusal.FORGED, None)),
        (sealed(plain(), 9, title=b"\xff" * 8), (Refusal.UNKNOWN, None)),
        (sealed(plain(), 9, title=OTHER), (Refusal.NO_KEYS, "M2")),
        (sealed(plain(), 9, title=bytes(8)), (Refusal.NO_KEYS, "M3")),
        (sealed(plain(), 9, title=b"\x01" * 8), (Refusal.NO_KEYS, "M4")),
        (plain(b"SERIAL9"), (Refusal.UNKNOWN, None)),
        (plain(b"SERIAL1"), (Refusal.PLAIN, "M1")),
    ],
)
def test_what_is_refused_is_refused_by_name(bench: Bench, apdu: bytes, expected: tuple[Refusal, str | None]) -> None:
    assert bench.refused(apdu) == expected


def test_without_a_vault_no_ciphered_push_is_taken() -> None:
    sender = Sender(meter="M1", serial="SERIAL1", push=MeterPush(title=TITLE, keys="store:M1"))
    desk = PushDesk(SETTINGS, [sender], None, lambda: 0.0)
    with pytest.raises(PushRefusedError, match="expected keys"):
        desk.take(sealed(plain(), 5))


@pytest.mark.parametrize("name", [b"SERIAL2", b"SKSSERIAL2", OTHER])
def test_a_plain_push_is_a_hint_where_that_is_configured(bench: Bench, name: bytes) -> None:
    heard = bench.desk.take(plain(name))
    assert (heard.meter, heard.is_authentic, heard.is_occasion) == ("M2", False, True)


@pytest.mark.parametrize("name", [b"1234SERIAL2", b"12SSERIAL2", b"SERIAL22", b"SERIAL", b""])
def test_another_name_is_not_the_meters(bench: Bench, name: bytes) -> None:
    assert bench.refused(plain(name)) == (Refusal.UNKNOWN, None)


def test_verified_pushes_are_occasions_once_in_so_long_and_alerts_apart_from_values(bench: Bench) -> None:
    def is_occasion(counter: int, setup: bytes | None = None) -> bool:
        return bench.desk.take(sealed(plain() if setup is None else plain(setup=setup, bit=85), counter)).is_occasion

    assert is_occasion(1)
    assert not is_occasion(2)
    assert is_occasion(3, ALERT)
    assert not is_occasion(4, ALERT)
    bench.now_s += 59.9
    assert not is_occasion(5)
    bench.now_s += 0.1
    assert is_occasion(6)
    assert is_occasion(7, ALERT)
    bench.now_s -= 7200
    assert is_occasion(8)


def test_hints_are_occasions_more_seldom_whatever_they_say_they_are(bench: Bench) -> None:
    assert bench.desk.take(plain(b"SERIAL2")).is_occasion
    assert not bench.desk.take(plain(b"SERIAL2", ALERT, 85)).is_occasion
    bench.now_s += 899.9
    assert not bench.desk.take(plain(b"SERIAL2")).is_occasion
    bench.now_s += 0.1
    assert bench.desk.take(plain(b"SERIAL2")).is_occasion


@given(at=st.integers(min_value=0), octet=st.integers(0, 255), cut=st.integers(0, 300), rest=st.binary(max_size=4))
def test_a_push_that_was_touched_anywhere_is_refused_and_nothing_else_happens(
    at: int, octet: int, cut: int, rest: bytes
) -> None:
    bench, good = Bench(), sealed(plain(setup=ALERT, bit=85), 5)
    touched = bytearray(good)
    touched[at % len(touched)] = octet
    for apdu in (bytes(touched), good[:cut], good + rest):
        if apdu == good:
            continue
        with pytest.raises(PushRefusedError):
            bench.desk.take(apdu)
    assert bench.vault.heard == {}
    assert bench.desk.take(good).is_occasion


@given(st.binary(max_size=120), st.sampled_from([b"", b"\x0f\x00\x00\x00\x01\x00", b"\xdb\x08" + TITLE]))
def test_no_octets_are_believed_or_do_harm(octets: bytes, head: bytes) -> None:
    bench = Bench()
    with contextlib.suppress(PushRefusedError):
        assert not bench.desk.take(head + octets).is_authentic


def test_no_meter_uses_up_anothers_occasions(bench: Bench) -> None:
    bench.desk.take(sealed(plain(), 1))
    assert bench.desk.take(plain(b"SERIAL2")).is_occasion
