"""Register maps: which words of a Modbus meter mean what. One TOML file per model under ``maps/``.

Source of each map: named in its file. Adding a model is adding a file.
"""

import tomllib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Final

from edge_agent.errors import MeterDecodeError

MAX_WORDS: Final = 125
"""Most registers in one read. Source: Modbus Application Protocol 1.1b3, §6.3."""


class Function(Enum):
    """Which table a register stands in."""

    HOLDING = "holding"
    """Function code 3."""
    INPUT = "input"
    """Function code 4."""


class WordType(Enum):
    """How words become a number."""

    FLOAT32 = "float32"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    ACC32 = "acc32"
    """SunSpec's accumulator: 32 bits that roll over, and 0 where nothing is accumulated."""
    INT64 = "int64"
    UINT64 = "uint64"

    @property
    def words(self) -> int:
        """The number of 16-bit words."""
        return {"16": 1, "32": 2, "64": 4}[self.value[-2:]]

    @property
    def is_signed(self) -> bool:
        """Whether the highest bit is a sign."""
        return self in {WordType.INT16, WordType.INT32, WordType.INT64}

    @property
    def ends(self) -> int | None:
        """The first number that no longer fits: where a counter begins again at 0. None for a float."""
        return None if self is WordType.FLOAT32 else 1 << 16 * self.words - self.is_signed


class WordOrder(Enum):
    """Which word comes first; octets inside a word are always big-endian."""

    ABCD = "ABCD"
    """Most significant word first."""
    CDAB = "CDAB"
    """Least significant word first."""


UNITS: Final = {"kWh": 3, "Wh": 0, "MWh": 6, "0.1 kWh": 2, "0.01 kWh": 1, "none": 0}
"""Power of ten from a register's unit to Wh; ``none`` for a register that is no energy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRegister:
    """One quantity of a map."""

    name: str
    function: Function
    address: int
    """On the wire, 0-based."""
    type: WordType
    word_order: WordOrder
    scaler: int
    """Power of ten to Wh."""
    factor: int = 1
    """What one count is worth, before `scaler`: with it, any exact decimal number of Wh."""

    @property
    def end(self) -> int:
        """The address behind the last word."""
        return self.address + self.type.words


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One read: `count` words from `address`."""

    function: Function
    address: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterMap:
    """What one model of meter holds where."""

    model: str
    title: str
    manufacturer: str
    source: str
    verified: bool
    """Whether somebody compared it with the display of a real meter."""
    limit_wh: Decimal
    """The most that the register can show, in Wh: more is no reading."""
    imported: MapRegister
    exported: MapRegister | None
    serial: MapRegister | None

    def energy_block(self) -> Block:
        """The one read that holds both energies, so that they are of one moment."""
        energies = [register for register in (self.imported, self.exported) if register is not None]
        first = min(register.address for register in energies)
        return Block(
            function=self.imported.function, address=first, count=max(register.end for register in energies) - first
        )

    def serial_block(self) -> Block | None:
        """The read that holds the serial number; None when the map has none."""
        if self.serial is None:
            return None
        return Block(function=self.serial.function, address=self.serial.address, count=self.serial.type.words)


_KEYS: Final = frozenset({"model", "title", "manufacturer", "source", "verified", "digits_kwh", "registers"})
_REGISTER_KEYS: Final = frozenset({"function", "address", "type", "word_order", "unit"})
_OPTIONAL_KEYS: Final = frozenset({"factor"})
_NAMES: Final = frozenset({"imported", "exported", "serial"})


def parse_map(text: str, name: str) -> RegisterMap:
    """The register map in `text`.

    Raises:
        MeterDecodeError: naming the file and every key that is wrong.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MeterDecodeError(f"expected TOML in the register map {name}: {error}") from error
    faults = _key_faults(table)
    registers = table.get("registers")
    entries = registers if isinstance(registers, dict) else {}
    found = {key: _register(key, entry, faults) for key, entry in entries.items()}
    limit = _limit(table.get("digits_kwh"), faults)
    if not faults:
        faults += _block_faults(found)
    imported = found.get("imported")
    if faults or imported is None:
        raise MeterDecodeError(f"register map {name}: " + "; ".join(faults or ["expected 'registers.imported'"]))
    return RegisterMap(
        model=table["model"],
        title=table["title"],
        manufacturer=table["manufacturer"],
        source=table["source"],
        verified=table["verified"],
        limit_wh=limit,
        imported=imported,
        exported=found.get("exported"),
        serial=found.get("serial"),
    )


def _key_faults(table: dict[str, object]) -> list[str]:
    faults = [f"unknown key '{key}'" for key in sorted(table.keys() - _KEYS)]
    faults += [f"expected '{key}', got nothing" for key in sorted(_KEYS - table.keys())]
    for key in ("model", "title", "manufacturer", "source"):
        if not isinstance(table.get(key, ""), str):
            faults.append(f"expected text in '{key}'")
    if not isinstance(table.get("verified", True), bool):
        faults.append("expected true or false in 'verified'")
    registers = table.get("registers", {})
    if not isinstance(registers, dict):
        faults.append("expected tables in 'registers'")
    else:
        faults += [f"unknown register 'registers.{key}'" for key in sorted(registers.keys() - _NAMES)]
    return faults


def _limit(value: object, faults: list[str]) -> Decimal:
    try:
        return Decimal(str(value)).scaleb(3)
    except InvalidOperation:
        faults.append(f"expected a decimal number in quotes, got {value!r} in 'digits_kwh'")
        return Decimal(0)


def _register(name: str, entry: object, faults: list[str]) -> MapRegister | None:
    where = f"registers.{name}"
    if not isinstance(entry, dict) or entry.keys() - _OPTIONAL_KEYS != _REGISTER_KEYS:
        faults.append(f"expected the keys {', '.join(sorted(_REGISTER_KEYS))} in '{where}'")
        return None
    before = len(faults)
    address = entry["address"]
    if type(address) is not int or not 0 <= address <= 0xFFFF:
        faults.append(f"expected an address from 0 to 65535, got {address!r} in '{where}.address'")
    if entry["unit"] not in UNITS or (entry["unit"] == "none") != (name == "serial"):
        faults.append(f"expected an energy unit of {', '.join(UNITS)}, got {entry['unit']!r} in '{where}.unit'")
    kinds: tuple[tuple[str, type[Enum]], ...] = (("function", Function), ("type", WordType), ("word_order", WordOrder))
    for key, kind in kinds:
        allowed = [member.value for member in kind]
        if entry[key] not in allowed:
            faults.append(f"expected one of {', '.join(allowed)}, got {entry[key]!r} in '{where}.{key}'")
    factor, exponent = _factor(entry.get("factor", "1"), where, faults)
    if len(faults) > before:
        return None
    return MapRegister(
        name=name,
        function=Function(entry["function"]),
        address=address,
        type=WordType(entry["type"]),
        word_order=WordOrder(entry["word_order"]),
        scaler=UNITS[entry["unit"]] + exponent,
        factor=factor,
    )


def _factor(value: object, where: str, faults: list[str]) -> tuple[int, int]:
    """An exact decimal as (integer, power of ten)."""
    try:
        sign, digits, exponent = Decimal(value).normalize().as_tuple() if isinstance(value, str) else (1, (), 0)
    except InvalidOperation:
        sign, digits, exponent = 1, (), 0
    if sign or not any(digits) or not isinstance(exponent, int) or not -12 <= exponent <= 12 or len(digits) > 12:
        faults.append(f"expected a positive decimal number in quotes, got {value!r} in '{where}.factor'")
        return 1, 0
    return int("".join(map(str, digits))), exponent


def _block_faults(found: dict[str, MapRegister | None]) -> list[str]:
    """A late answer must never pass for another: one read for the energies, and every read of its own length."""
    imported, exported, serial = (found.get(name) for name in ("imported", "exported", "serial"))
    if imported is None:
        return ["expected 'registers.imported', got nothing"]
    energies = [register for register in (imported, exported) if register is not None]
    count = max(register.end for register in energies) - min(register.address for register in energies)
    faults = []
    if count > MAX_WORDS or len({register.function for register in energies}) > 1:
        faults.append(f"expected import and export within one read of {MAX_WORDS} words")
    if serial is not None and serial.type.words == count:
        faults.append(f"expected reads of different lengths, got {count} words for the energies and for the serial")
    return faults
