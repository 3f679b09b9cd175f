"""Words to energies: exact, in the right order, and only if they can be a reading."""

import struct
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.modbus import decode
from edge_agent.readers.modbus.register_map import MapRegister, WordOrder, WordType, parse_map
from edge_agent.readers.open import known_maps

SDM630 = parse_map(known_maps()["sdm630"], "sdm630")


def words(*kwh: float) -> list[int]:
    """Floats as the meter sends them."""
    return [word for value in kwh for word in struct.unpack(">HH", struct.pack(">f", value))]


def register(kind: WordType, order: WordOrder = WordOrder.ABCD) -> MapRegister:
    return replace(SDM630.imported, type=kind, word_order=order)


def test_import_and_export_are_not_swapped() -> None:
    sample = decode.sample(SDM630, words(1.5, 2.25), "7")
    assert (sample.imported_wh, sample.exported_wh, sample.serial) == (1500, 2250, "7")
    assert sample.words == tuple(words(1.5, 2.25))


@given(st.floats(0, 9_999_999, width=32))
def test_a_float_is_exact_and_rounded_once_to_the_nearest_watt_hour(kwh: float) -> None:
    try:
        sample = decode.sample(SDM630, words(kwh, 0), None)
    except MeterDecodeError as error:
        # What no meter counts in.
        assert 0 < kwh * 1000 < 0.01, error  # noqa: PT017 - which floats are refused is the law
        return
    exact = Fraction(sample.imported.raw or 0) * Fraction(10) ** sample.imported.scaler
    assert exact == Fraction(kwh) * 1000
    assert abs(exact - sample.imported_wh) <= Fraction(1, 2)


@pytest.mark.parametrize(("kwh", "wh"), [(0.0005, 1), (0.00048828125, 0), (0.5, 500), (0.0625, 62), (0.1875, 188)])
def test_halves_go_to_the_even_watt_hour(kwh: float, wh: int) -> None:
    assert decode.sample(SDM630, words(kwh, 0), None).imported_wh == wh


@pytest.mark.parametrize(
    ("kwh", "quantum"), [(1.0, "1"), (8192.0, "1"), (131_072.0, "15.625"), (1_048_576.0, "125"), (0.0, "1")]
)
def test_the_quantum_is_the_registers_own_step_but_never_below_one_watt_hour(kwh: float, quantum: str) -> None:
    assert decode.sample(SDM630, words(kwh, 0), None).quantum_wh == Decimal(quantum)
    assert decode.sample(SDM630, words(0, kwh), None).quantum_wh == Decimal(quantum)


@pytest.mark.parametrize("kwh", [float("nan"), float("inf"), -float("inf"), -0.5, 1e7, 1e30])
def test_what_cannot_be_a_reading_is_refused_by_name(kwh: float) -> None:
    with pytest.raises(MeterDecodeError, match="'imported'"):
        decode.sample(SDM630, words(kwh, 0), None)
    with pytest.raises(MeterDecodeError, match="'exported'"):
        decode.sample(SDM630, words(0, kwh), None)


@pytest.mark.parametrize("kwh", [1e-30, 1e-20, 0.999e-5])
def test_dust_that_no_meter_counts_in_is_a_wrong_word_order(kwh: float) -> None:
    """Else half of all readings in the wrong word order would be no energy, block after block."""
    with pytest.raises(MeterDecodeError, match=r"'imported': check the word order of sdm630"):
        decode.sample(SDM630, words(kwh, 0), None)
    assert decode.sample(SDM630, words(1.001e-5, 0), None).imported_wh == 0


def test_the_most_the_display_can_show_is_a_reading() -> None:
    tenths = replace(SDM630, imported=replace(register(WordType.UINT32), scaler=2), exported=None)
    assert decode.sample(tenths, divmod(99_999_999, 1 << 16), None).imported_wh == 9_999_999_900
    with pytest.raises(MeterDecodeError, match="expected at most 9999999900 Wh, got 1"):
        decode.sample(tenths, divmod(100_000_000, 1 << 16), None)


def test_swapped_words_are_told_to_check_the_word_order() -> None:
    high, low = words(54321.5)
    with pytest.raises(MeterDecodeError, match=r"check the word order of sdm630|scaler"):
        decode.sample(SDM630, [low | 0x7000, high, 0, 0], None)


@pytest.mark.parametrize("count", [0, 2, 3, 5])
def test_another_count_belongs_to_another_question(count: int) -> None:
    with pytest.raises(MeterDecodeError, match=f"expected 4 words from input register 0x0048, got {count}"):
        decode.sample(SDM630, [0] * count, None)


def test_an_import_only_map_has_no_export() -> None:
    sample = decode.sample(replace(SDM630, exported=None), words(1.0), None)
    assert (sample.exported, sample.exported_wh) == (None, None)


@pytest.mark.parametrize(
    ("kind", "order", "raw", "number"),
    [
        (WordType.UINT16, WordOrder.ABCD, "ffff", 65535),
        (WordType.UINT32, WordOrder.ABCD, "00010002", 65538),
        (WordType.UINT32, WordOrder.CDAB, "00020001", 65538),
        (WordType.INT64, WordOrder.ABCD, "ffffffffffffffff", -1),
        (WordType.UINT64, WordOrder.ABCD, "ffffffffffffffff", 2**64 - 1),
        (WordType.INT64, WordOrder.CDAB, "0002000100000000", 65538),
    ],
)
def test_integers_come_in_both_word_orders(kind: WordType, order: WordOrder, raw: str, number: int) -> None:
    of = register(kind, order)
    octets = bytes.fromhex(raw)
    sent = [int.from_bytes(octets[at : at + 2]) for at in range(0, len(octets), 2)]
    assert decode.exact(of, decode.register_octets(of, SDM630.energy_block(), sent)) == (number, 0)


def test_an_integer_register_steps_by_its_unit() -> None:
    of = replace(register(WordType.UINT32), scaler=2)
    assert decode.quantum(of, bytes(4)) == 100


def test_a_negative_integer_is_refused() -> None:
    of = replace(SDM630, imported=register(WordType.INT64), exported=None)
    with pytest.raises(MeterDecodeError, match="non-negative"):
        decode.sample(of, [0xFFFF] * 4, None)


def test_a_serial_number_is_text_and_zero_is_none() -> None:
    assert decode.serial_text(SDM630, [0x00BC, 0x614E]) == "12345678"
    assert decode.serial_text(SDM630, [0, 0]) is None
    assert decode.serial_text(replace(SDM630, serial=None), []) is None
    with pytest.raises(MeterDecodeError, match="expected 2 words from holding register 0xfc00, got 4"):
        decode.serial_text(SDM630, [0] * 4)


@pytest.mark.parametrize(
    ("kind", "raw", "number"),
    [
        (WordType.INT16, "8000", -(2**15)),
        (WordType.INT16, "7fff", 2**15 - 1),
        (WordType.INT32, "ffffffff", -1),
        (WordType.ACC32, "ffffffff", 2**32 - 1),
    ],
)
def test_signed_numbers_have_a_sign_and_accumulators_none(kind: WordType, raw: str, number: int) -> None:
    assert decode.exact(register(kind), bytes.fromhex(raw)) == (number, 0)


def test_a_factor_multiplies_the_number_and_its_step() -> None:
    # 2.5 Wh a count.
    of = replace(SDM630, imported=replace(register(WordType.UINT32), scaler=-1, factor=25), exported=None)
    sample = decode.sample(of, [0, 1001], None)
    assert (sample.imported.raw, sample.imported.scaler) == (25_025, -1)
    assert (sample.imported_wh, sample.quantum_wh) == (2502, Decimal("2.5"))
    assert 2**32 * 5 // 2 in sample.ends_wh


def test_an_accumulator_of_zero_accumulates_nothing() -> None:
    of = replace(SDM630, imported=register(WordType.ACC32), exported=None)
    with pytest.raises(MeterDecodeError, match="got 0 in 'imported': sdm630 does not accumulate it"):
        decode.sample(of, [0, 0], None)
    assert decode.sample(replace(of, imported=register(WordType.UINT32)), [0, 0], None).imported_wh == 0


def test_the_ends_are_where_the_display_and_the_words_are_full() -> None:
    tenths = replace(SDM630, imported=replace(register(WordType.UINT32), scaler=2), exported=None)
    assert decode.sample(tenths, [0, 1], None).ends_wh == (10**10, 2**32 * 100)
    assert decode.sample(SDM630, words(1.0, 1.0), None).ends_wh == (9_999_999_900,)


def test_the_other_word_order_is_known_where_it_could_be_a_reading() -> None:
    counts = replace(SDM630, imported=replace(register(WordType.UINT32), scaler=0), exported=None)
    assert decode.sample(counts, [1, 2], None).swapped_wh == (2 * 65_536 + 1, None)
    both = replace(counts, exported=replace(counts.imported, name="exported", address=0x4A))
    assert decode.sample(both, [1, 2, 0, 3], None).swapped_wh == (131_073, 196_608)
    # 0xFFFF in front is 4 GWh in tenths of a kWh: more than the display shows.
    tenths = replace(SDM630, imported=replace(register(WordType.UINT32), scaler=2), exported=None)
    assert decode.sample(tenths, [1, 0xFFFF], None).swapped_wh is None
    single = replace(SDM630, imported=register(WordType.UINT16), exported=None)
    assert decode.sample(single, [7], None).swapped_wh is None


def test_a_word_order_that_is_impossible_names_what_the_other_one_says() -> None:
    tenths = replace(SDM630, imported=replace(register(WordType.UINT32), scaler=2), exported=None)
    with pytest.raises(MeterDecodeError, match=r"word order of sdm630 \(in the other order it is 126482100 Wh\)"):
        decode.sample(tenths, [0x4CB5, 0x0013], None)


@given(st.sampled_from(sorted(known_maps())), st.lists(st.integers(0, 0xFFFF), max_size=16), st.binary(max_size=4))
def test_any_words_are_a_reading_or_an_error_that_names_its_register(model: str, said: list[int], tail: bytes) -> None:
    of = parse_map(known_maps()[model], model)
    count = of.energy_block().count
    answer = (said * count)[:count] if said and tail else said
    try:
        sample = decode.sample(of, answer, None)
    except MeterDecodeError as error:
        named = "'imported'" in str(error) or "'exported'" in str(error)
        assert named or "words from" in str(error)  # noqa: PT017 - what is refused is the law
        return
    assert len(answer) == count
    assert 0 <= sample.imported_wh <= of.limit_wh
    assert sample.exported_wh is not None
    assert 0 <= sample.exported_wh <= of.limit_wh
    assert sample.quantum_wh >= 1
