"""Register maps: every map that ships is right, and every fault of a wrong one is named."""

from decimal import Decimal

import pytest

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.modbus.register_map import Block, Function, WordType, parse_map
from edge_agent.readers.open import known_maps

GOOD = known_maps()["sdm630"]


@pytest.mark.parametrize("model", known_maps())
def test_every_map_that_ships_is_named_by_its_file_and_its_source(model: str) -> None:
    found = parse_map(known_maps()[model], model)
    assert found.model == model
    assert found.source
    serial = found.serial_block()
    assert serial is None or serial.count != found.energy_block().count


def test_the_sdm630_reads_import_and_export_in_one_block() -> None:
    found = parse_map(GOOD, "sdm630")
    assert found.energy_block() == Block(function=Function.INPUT, address=0x48, count=4)
    assert found.serial_block() == Block(function=Function.HOLDING, address=0xFC00, count=2)
    assert found.limit_wh == Decimal(9999999900)
    assert found.imported.address < (found.exported.address if found.exported else 0)


def test_a_map_without_export_or_serial_has_none() -> None:
    found = parse_map(GOOD[: GOOD.index("[registers.exported]")], "x")
    assert (found.exported, found.serial, found.serial_block()) == (None, None, None)
    assert found.energy_block().count == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('model = "sdm630"', "model = 3", "expected text in 'model'"),
        ('model = "sdm630"', "", "expected 'model', got nothing"),
        ('model = "sdm630"', 'model = "x"\nbaud = 9600', "unknown key 'baud'"),
        ("verified = false", 'verified = "no"', "true or false in 'verified'"),
        ('digits_kwh = "9999999.9"', 'digits_kwh = "many"', "'digits_kwh'"),
        ("address = 0x0048", "address = 70000", "address from 0 to 65535, got 70000 in 'registers.imported.address'"),
        ("address = 0x0048", "address = true", "'registers.imported.address'"),
        ("address = 0x0048", "address = 0x0100", "within one read of 125 words"),
        ('"float32"', '"float16"', "got 'float16' in 'registers.imported.type'"),
        ('"ABCD"', '"DCBA"', "got 'DCBA' in 'registers.imported.word_order'"),
        ('function = "input"', 'function = "coil"', "got 'coil' in 'registers.imported.function'"),
        ('unit = "kWh"', 'unit = "kVAh"', "got 'kVAh' in 'registers.imported.unit'"),
        ('unit = "kWh"', 'unit = "none"', "got 'none' in 'registers.imported.unit'"),
        ('unit = "none"', 'unit = "kWh"', "got 'kWh' in 'registers.serial.unit'"),
        ("[registers.serial]", "[registers.voltage]", "unknown register 'registers.voltage'"),
        ("[registers.imported]", "[registers.total]", "expected 'registers.imported'|unknown register"),
        ('"uint32"', '"int64"', "reads of different lengths, got 4 words"),
        ("[registers.imported]", "[registers.imported]\nscale = 2", "expected the keys"),
        ("[registers.imported]", "[registers", "expected TOML"),
    ],
)
def test_a_wrong_map_names_its_fault(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(MeterDecodeError, match=message):
        parse_map(GOOD.replace(old, new), "x")


def test_all_faults_are_named_at_once() -> None:
    wrong = GOOD.replace("verified = false", "verified = 0").replace("address = 0x0048", "address = -1")
    with pytest.raises(MeterDecodeError, match=r"register map mine: .*'verified'.*; .*'registers\.imported\.address'"):
        parse_map(wrong, "mine")


def test_import_and_export_come_from_one_table() -> None:
    at = GOOD.index("[registers.exported]")
    wrong = GOOD[:at] + GOOD[at:].replace('function = "input"', 'function = "holding"')
    with pytest.raises(MeterDecodeError, match="within one read"):
        parse_map(wrong, "x")


def test_registers_that_are_no_table_are_refused() -> None:
    head = GOOD[: GOOD.index("[registers.imported]")]
    with pytest.raises(MeterDecodeError, match="expected tables in 'registers'"):
        parse_map(head + "registers = 3", "x")
    with pytest.raises(MeterDecodeError, match=r"keys .* in 'registers\.imported'"):
        parse_map(head + "[registers]\nimported = 3", "x")
    with pytest.raises(MeterDecodeError, match=r"expected 'registers.imported', got nothing"):
        parse_map(head + "[registers]", "x")


@pytest.mark.parametrize(
    ("factor", "parts"),
    [
        ("1", (1, 3)),
        ("0.1", (1, 2)),
        ("40", (4, 4)),
        ("1.25", (125, 1)),
        ("0.000000000001", (1, -9)),
        ("1e12", (1, 15)),
    ],
)
def test_a_factor_is_an_exact_decimal(factor: str, parts: tuple[int, int]) -> None:
    found = parse_map(GOOD.replace('unit = "kWh"', f'unit = "kWh"\nfactor = "{factor}"'), "x")
    assert (found.imported.factor, found.imported.scaler) == parts


@pytest.mark.parametrize(
    "factor", ['"0"', '"-1"', '"many"', '"nan"', '"inf"', "1", "1.5", '"1e13"', '"1e-13"', '"1234567890123"']
)
def test_a_factor_that_is_none_is_named(factor: str) -> None:
    with pytest.raises(
        MeterDecodeError, match=r"positive decimal number in quotes, got .* in 'registers\.imported\.factor'"
    ):
        parse_map(GOOD.replace('unit = "kWh"', f'unit = "kWh"\nfactor = {factor}', 1), "x")


@pytest.mark.parametrize(
    ("kind", "words", "ends"),
    [
        (WordType.INT16, 1, 2**15),
        (WordType.UINT16, 1, 2**16),
        (WordType.INT32, 2, 2**31),
        (WordType.UINT32, 2, 2**32),
        (WordType.ACC32, 2, 2**32),
        (WordType.FLOAT32, 2, None),
        (WordType.INT64, 4, 2**63),
        (WordType.UINT64, 4, 2**64),
    ],
)
def test_a_type_has_its_words_and_its_end(kind: WordType, words: int, ends: int | None) -> None:
    assert (kind.words, kind.ends) == (words, ends)


def test_every_type_has_an_end_or_is_a_float() -> None:
    assert [kind for kind in WordType if kind.ends is None] == [WordType.FLOAT32]
