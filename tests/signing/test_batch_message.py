"""The one-pass reader finds what the general parsers find, and refuses what they refuse."""

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import batch_message
from signing.backends.file import FileSigner
from signing.batch_message import BatchMessage, check_opening, read_message
from signing.canonical import encode
from signing.envelope import sign
from signing.errors import DecodeError
from signing.messages import Up, parse_up
from signing.statements.reading_batch import ClockSource, Opening, Origin, ReadingBatch

SIGNER = FileSigner(ec.derive_private_key(5, ec.SECP256R1()))
SALT = bytes(range(16))
energies = st.one_of(
    st.none(), st.integers(-(2**53), 2**53), st.sampled_from([0, 23, 24, 255, 256, 65535, 65536, 2**32])
)
small = st.integers(0, 70_000)


def column(values: st.SearchStrategy[Any], most: int = 5) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.lists(values, min_size=1, max_size=most))


openings = st.tuples(
    st.one_of(st.just(SALT), st.binary(max_size=17)),
    st.one_of(st.none(), st.text(max_size=140), st.just("SKS00000001")),
    st.lists(st.tuples(st.one_of(small, energies), energies, energies).map(list), max_size=3),
    st.tuples(
        column(energies), column(energies), column(st.integers(0, 8)), column(small), column(st.integers(0, 2))
    ).map(list),
).map(list)
plain = st.tuples(
    st.just(SALT),
    st.just("SKS00000001"),
    st.just([]),
    st.tuples(
        st.lists(st.integers(0, 2000), min_size=4, max_size=4, unique=True),
        column(st.integers(0, 2000), 4),
        st.sampled_from([0, 0, 1]),
        column(st.integers(0, 127), 4),
        column(st.integers(0, 1), 4),
    ).map(list),
).map(list)


def general_opening(data: bytes, count: int) -> bool:
    try:
        Opening.parse(data, count)
    except DecodeError:
        return False
    return True


def quick_opening(data: bytes, count: int) -> bool:
    try:
        check_opening(data, count)
    except DecodeError:
        return False
    return True


def general(payload: bytes) -> BatchMessage | None:
    try:
        return batch_message._slowly(payload)
    except DecodeError:
        return None


def quick(payload: bytes) -> BatchMessage | None:
    try:
        return read_message(payload)
    except DecodeError:
        return None


def message(**changes: Any) -> bytes:
    opening = encode([SALT, "SKS00000001", [], [[0, 3, 1, 9], [812, 790, 845, 901], 0, 0, 0]])
    plain: dict[str, Any] = {
        "meter": "SKS00000001",
        "sequence": 41,
        "previous": b"p" * 32,
        "start_utc": 1_777_177_800,
        "period_s": 900,
        "count": 4,
        "reach_utc": 1_777_177_800,
        "read_at_utc": 1_777_181_412,
        "clock_offset_ms": -1200,
        "clock_source": ClockSource.NTP,
        "origin": Origin.LLS,
        "software": b"s" * 32,
        "contents": hashlib.sha256(opening).digest(),
    }
    seen_size = changes.pop("seen_size", 5120)
    opening = changes.pop("opening", opening)
    batch = ReadingBatch(**(plain | changes))
    return Up(sign(batch, SIGNER).envelope, opening, seen_size).encoded()


@given(st.one_of(openings, plain), st.integers(1, 6))
@settings(max_examples=1500, deadline=None)
def test_it_accepts_exactly_the_openings_that_the_parser_accepts(item: object, count: int) -> None:
    data = encode(item)
    assert quick_opening(data, count) == general_opening(data, count)


@given(plain, st.data())
@settings(max_examples=1500, deadline=None)
def test_it_refuses_exactly_the_altered_openings_that_the_parser_refuses(item: object, data: st.DataObject) -> None:
    altered = bytearray(encode(item))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(altered) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                altered[place] = data.draw(st.integers(0, 255))
            case 1:
                altered.insert(place, data.draw(st.integers(0, 255)))
            case _:
                if len(altered) > 1:
                    del altered[place]
    assert quick_opening(bytes(altered), 4) == general_opening(bytes(altered), 4)


def is_plain(data: bytes, count: int) -> bool:
    """Whether an opening is found right without the general parser."""
    found = batch_message._plain_opening(count).fullmatch(data)
    return found is not None and batch_message._is_sound(found, data, count)


def test_an_array_of_another_length_is_no_column() -> None:
    # An array said to have three values is followed by a fourth: every token is canonical, the structure is not.
    for columns in ("83 01 02 03 04 05 00 83 07 08 01", "83 01 02 03 04 05 00 00 00", "82 01 02 83 04 05 06 00 00 00"):
        data = bytes.fromhex("84 50") + SALT + bytes.fromhex("f6 80 85" + columns)
        assert not general_opening(data, 3)
        assert not quick_opening(data, 3)


@pytest.mark.parametrize(
    ("registers", "sound"),
    [
        ([], True),
        ([[1_777_177_800, 1, None]], True),
        ([[1_777_177_800, 1, 2], [1_777_177_801, 1, 2]], True),
        ([[1_777_177_800, 1, 2], [1_777_177_800, 1, 2]], False),
        ([[1_777_177_801, 1, 2], [1_777_177_800, 1, 2]], False),
    ],
)
def test_registers_of_a_day_take_the_quick_way_where_they_ascend(registers: list[Any], *, sound: bool) -> None:
    data = encode([SALT, "SKS00000001", registers, [[5, 300, 70_000], -1, 0, [0, 24, 256], 0]])
    assert is_plain(data, 3) is sound
    assert general_opening(data, 3) is sound


@pytest.mark.parametrize("count", [1, 2, 23, 24, 95, 96])
def test_columns_of_every_length_take_the_quick_way_unless_all_values_are_equal(count: int) -> None:
    values: Any = list(range(200, 200 + count)) if count > 1 else 7
    for item, sound in ((values, True), ([7] * count, False), ([*range(200, 201 + count)], False)):
        data = encode([SALT, None, [], [item, 4, 0, 0, 0]])
        assert is_plain(data, count) is sound
        assert general_opening(data, count) is sound


@pytest.mark.parametrize(("identity", "head"), [("ABC", 0x62), ("ABC", 0x64), ("A" * 30, 29), ("A" * 30, 31)])
def test_an_identity_is_as_long_as_its_head_says(identity: str, head: int) -> None:
    data = bytearray(encode([SALT, identity, [], [3, 4, 0, 0, 0]]))
    assert is_plain(bytes(data), 2)
    data[18 if len(identity) < 24 else 19] = head
    assert not is_plain(bytes(data), 2)
    assert not general_opening(bytes(data), 2)


@pytest.mark.parametrize(
    ("exports", "absence", "sound"), [(4, 0, True), (None, 1, True), (None, 0, False), (4, 1, False)]
)
def test_exports_are_absent_exactly_when_the_reason_says_so(exports: int | None, absence: int, *, sound: bool) -> None:
    data = encode([SALT, None, [], [[3, 9], exports, absence, 0, 0]])
    assert is_plain(data, 2) is sound
    assert general_opening(data, 2) is sound


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "sequence": st.integers(0, 2**63 - 1),
            "start_utc": st.integers(0, 2**32 - 1),
            "period_s": st.sampled_from([900, 1800, 3600, 60, 7]),
            "count": st.integers(0, 100),
            "reach_utc": st.integers(0, 2**33),
            "read_at_utc": st.integers(0, 2**32 - 1),
            "clock_offset_ms": st.one_of(st.none(), st.integers(-(2**40), 2**40)),
            "meter": st.one_of(
                st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:%-]{0,66}", fullmatch=True), st.text(max_size=3)
            ),
            "seen_size": st.integers(0, 2**63 - 1),
            "opening": st.binary(max_size=300),
            "contents": st.binary(min_size=31, max_size=33),
        },
    )
)
@settings(max_examples=800, deadline=None)
def test_it_finds_what_the_parsers_find(changes: dict[str, Any]) -> None:
    payload = message(**changes)
    assert quick(payload) == general(payload)


@given(st.data())
@settings(max_examples=1500, deadline=None)
def test_it_refuses_exactly_the_altered_messages_that_the_parsers_refuse(data: st.DataObject) -> None:
    altered = bytearray(message())
    place = data.draw(st.integers(0, len(altered) - 1))
    match data.draw(st.integers(0, 3)):
        case 0:
            altered[place] ^= 1 << data.draw(st.integers(0, 7))
        case 1:
            altered.insert(place, data.draw(st.integers(0, 255)))
        case 2:
            del altered[place]
        case _:
            del altered[place:]
    assert quick(bytes(altered)) == general(bytes(altered))


@pytest.mark.parametrize("end", [2**32 - 1 - (2**32 - 1) % 900, 2**32 + 10_000])
def test_a_span_may_end_no_later_than_any_instant(end: int) -> None:
    payload = message(start_utc=end - 3600)
    assert (quick(payload) is None) == (end > 2**32 - 1)
    assert quick(payload) == general(payload)


def test_the_plain_case_takes_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(_: bytes) -> BatchMessage:
        raise AssertionError

    payload = message()
    monkeypatch.setattr(batch_message, "_slowly", slow)
    assert read_message(payload).meter == "SKS00000001"


def test_the_identity_is_that_of_the_message_without_seen_size() -> None:
    for size in (0, 1, 23, 24, 255, 256, 65_000):
        payload = message(opening=bytes(size), seen_size=3)
        assert read_message(payload).identity() == parse_up(payload).identity()


def test_another_statement_is_not_a_batch() -> None:
    payload = message()
    assert quick(payload) is not None
    assert quick(payload.replace(b"reading-batch", b"reading-botch")) is None


def test_a_message_above_the_limit_is_refused() -> None:
    most = 65_536 - len(message(opening=b"x" * 300)) + 300
    assert len(message(opening=bytes(most))) == 65_536
    assert quick(message(opening=bytes(most))) is not None
    assert quick(message(opening=bytes(most + 1))) is None
