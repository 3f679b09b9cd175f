"""What is decoded at once is what would be decoded part by part: the same values, and the same faults at the same places."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.dlms import codec, runs
from edge_agent.readers.dlms.codec import (
    NULL,
    Data,
    Decoder,
    Tag,
    array,
    decode,
    encode,
    encode_length,
    octets,
    structure,
)
from edge_agent.readers.dlms.runs import WINDOW, Part, Pattern, Patterns, pattern_of

CELLS = st.one_of(
    st.just(NULL),
    st.booleans().map(lambda value: Data(Tag.BOOLEAN, value)),
    st.integers(0, 2**32 - 1).map(lambda value: Data(Tag.UINT32, value)),
    st.integers(-(2**7), 2**7 - 1).map(lambda value: Data(Tag.BCD, value)),
    st.integers(0, 2**16 - 1).map(lambda value: Data(Tag.UINT16, value)),
    st.floats(width=32, allow_nan=False).map(lambda value: Data(Tag.FLOAT32, value)),
    st.binary(max_size=3).map(octets),
    st.binary(min_size=12, max_size=12).map(lambda value: Data(Tag.DATE_TIME, value)),
    st.text("ab", max_size=3).map(lambda value: Data(Tag.VISIBLE_STRING, value)),
    st.just(structure(NULL)),
)
ROWS = st.lists(CELLS, max_size=5).map(lambda cells: structure(*cells))


def row(place: int, clock: Data | None = None) -> Data:
    stamp = place.to_bytes(12, "big")
    return structure(
        octets(stamp) if clock is None else clock, Data(Tag.UINT16, place % 65_536), Data(Tag.INT32, -place)
    )


def part_by_part(data: bytes) -> tuple[Data, ...] | str:
    """The elements of the array that `data` is, each decoded alone; or what is wrong with it."""
    decoder = Decoder(data)
    try:
        assert decoder.octet() == Tag.ARRAY
        elements = tuple(decoder.value(1) for _ in range(decoder.length()))
        decoder.finish()
    except MeterDecodeError as error:
        return str(error)
    return elements


def at_once(data: bytes) -> codec.Content:
    try:
        return decode(data).value
    except MeterDecodeError as error:
        return str(error)


@given(st.lists(st.tuples(ROWS, st.integers(1, 6)), min_size=1, max_size=6))
def test_an_array_of_runs_is_what_its_rows_are(kinds: list[tuple[Data, int]]) -> None:
    rows = [each for kind, times in kinds for each in [kind] * times]
    data = encode(array(*rows))
    assert at_once(data) == part_by_part(data) == tuple(rows)


@given(
    st.lists(st.tuples(ROWS, st.integers(2, 9)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3),
    st.integers(0, 9),
)
def test_octets_that_were_changed_are_read_or_refused_alike(
    kinds: list[tuple[Data, int]], changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(encode(array(*(each for kind, times in kinds for each in [kind] * times))))
    head = 1 + len(encode_length(sum(times for _, times in kinds)))
    for place, octet in changes:
        if len(data) > head:
            data[head + place % (len(data) - head)] = octet
    del data[max(head, len(data) - cut) :]
    found, expected = at_once(bytes(data)), part_by_part(bytes(data))
    # How many elements fit is judged before the first of them.
    # A float that is no number equals nothing, itself included.
    assert repr(found) == repr(expected) or str(found).startswith("expected at most")


@pytest.mark.parametrize("count", [2, WINDOW, WINDOW + 1, 2 * WINDOW + 3])
def test_rows_beyond_a_window_are_all_there(count: int) -> None:
    rows = tuple(row(place) for place in range(count))
    assert decode(encode(array(*rows))).value == rows


def test_a_row_that_deviates_stands_in_its_place_and_ends_no_more_than_its_own_run() -> None:
    rows = [row(place, NULL if place in {100, 101, 300} else None) for place in range(600)]
    assert decode(encode(array(*rows))).value == tuple(rows)


def test_a_length_in_more_octets_than_it_needs_is_read_all_the_same() -> None:
    wide = bytes([Tag.STRUCTURE, 2, Tag.OCTET_STRING, 0x81, 2, 7, 8, Tag.UINT8, 9])
    expected = structure(octets(b"\x07\x08"), Data(Tag.UINT8, 9))
    assert decode(bytes([Tag.ARRAY, 4]) + wide * 4).value == (expected,) * 4
    assert pattern_of(expected, wide) is None


def test_rows_in_a_run_count_as_values(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(array(*(row(place) for place in range(20))))
    monkeypatch.setattr(codec, "MAX_ELEMENTS", 20 + 20 * 3)
    assert decode(data)
    monkeypatch.setattr(codec, "MAX_ELEMENTS", 20 + 20 * 3 - 1)
    with pytest.raises(MeterDecodeError, match="values, got more"):
        decode(data)


def test_only_so_many_kinds_of_row_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[Pattern] = []
    learn = Patterns.learn

    def noted(patterns: Patterns, pattern: Pattern) -> None:
        learnt.append(pattern)
        learn(patterns, pattern)

    monkeypatch.setattr(Patterns, "learn", noted)
    kinds = [structure(octets(bytes(length))) for length in range(20)] * 3
    assert decode(encode(array(*kinds))).value == tuple(kinds)
    assert len(learnt) == runs._MOST_PATTERNS


def fitting(pattern: Pattern, rows: Iterable[bytes], most: int) -> int:
    return pattern.fitting(b"".join(rows), 0, most)


def test_a_pattern_fits_up_to_the_first_row_with_another_constant() -> None:
    pattern = Pattern(b"\x02\x01", (Part(tag=Tag.UINT8, head=b"\x11", code="B"),))
    good = [bytes([2, 1, 0x11, value]) for value in range(5)]
    assert fitting(pattern, good, 5) == 5
    assert fitting(pattern, good, 3) == 3
    for place in range(3):
        bad = bytearray(good[3])
        bad[place] ^= 1
        assert fitting(pattern, [*good[:3], bytes(bad), good[4]], 5) == 3
        assert fitting(pattern, [bytes(bad), *good], 5) == 0
    assert pattern.columns(b"".join(good), 0, 5) == [(0, 1, 2, 3, 4)]
