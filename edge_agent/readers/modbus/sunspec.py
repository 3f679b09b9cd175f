"""SunSpec meters: the chain of models, and the energies of the meter models. Sans-io.

A device says ``SunS`` at one of three addresses; behind it stand models, each with its number and length, up to 0xFFFF. Model 1 says who
the device is; 201 to 204 are meters with integer energies and one scale factor, 211 to 214 with floats in Wh. A read of energies
begins with the model's own number and length, so that an answer to another question is not taken for it.

Source: SunSpec Information Model Reference, models 1, 201 to 204 and 211 to 214; offsets as METERS §8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from edge_agent.errors import MeterDecodeError, MeterRefusedError
from edge_agent.readers.modbus.decode import Energy, checked_words, energy, joined
from edge_agent.readers.modbus.register_map import Block, Function, MapRegister, WordOrder, WordType
from edge_agent.registers import RegisterSample

BASES: Final = (40000, 50000, 0)
"""Where a chain may begin, in the order in which they are tried."""
MARK: Final = (0x5375, 0x6E53)
"""``SunS``."""
HEADER_WORDS: Final = 2
COMMON: Final = 1
INTEGER_METERS: Final = frozenset({201, 202, 203, 204})
FLOAT_METERS: Final = frozenset({211, 212, 213, 214})
END: Final = 0xFFFF
MOST_MODELS: Final = 64
"""A chain that is longer is no chain."""
NOT_IMPLEMENTED_SCALE: Final = 0x8000
_FLOAT_NOT_IMPLEMENTED: Final = 0x7FC00000
_SCALES: Final = range(-10, 11)
_LIMIT_WH: Final = Decimal(10) ** 14
"""More is no reading of a premises; the integer models' own width is less at every scale that a meter has use for."""

_INTEGER_LENGTH, _FLOAT_LENGTH = 105, 124
_COMMON_LENGTHS: Final = (65, 66)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The number and length of the model that begins at `address`."""

    address: int
    model: int
    length: int
    """Words behind the header."""

    @property
    def next(self) -> int:
        """Where the model behind it begins."""
        return self.address + HEADER_WORDS + self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The models that matter: the meter, and the last common model before it."""

    common: Header
    meter: Header


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """What model 1 says; None where it says nothing."""

    manufacturer: str | None
    model: str | None
    version: str | None
    serial: str | None


def mark_block(base: int) -> Block:
    """The read that tells whether a chain begins at `base`."""
    return Block(function=Function.HOLDING, address=base, count=len(MARK))


def header_block(address: int) -> Block:
    """The read of a header.

    Raises:
        MeterDecodeError: the chain has left the addresses.
    """
    if address + HEADER_WORDS > 0x10000:
        raise MeterDecodeError(f"expected a SunSpec model or the end of its chain, got address {address}")
    return Block(function=Function.HOLDING, address=address, count=HEADER_WORDS)


def header(block: Block, words: Sequence[int]) -> Header:
    """The header in the words of `header_block`.

    Raises:
        MeterDecodeError: naming its address, when it cannot be one.
    """
    model, length = checked_words(words, block)
    if model == 0 or (model != END and length == 0):
        raise MeterDecodeError(f"expected a SunSpec model at {block.address}, got number {model} of length {length}")
    expected = _expected_lengths(model)
    if expected and length not in expected:
        raise MeterDecodeError(
            f"expected length {' or '.join(map(str, expected))} of SunSpec model {model} at {block.address}, got {length}"
        )
    return Header(address=block.address, model=model, length=length)


def _expected_lengths(model: int) -> tuple[int, ...]:
    if model == COMMON:
        return _COMMON_LENGTHS
    if model in INTEGER_METERS:
        return (_INTEGER_LENGTH,)
    return (_FLOAT_LENGTH,) if model in FLOAT_METERS else ()


def is_meter(found: Header) -> bool:
    """Whether it is a meter model that is read here."""
    return found.model in INTEGER_METERS | FLOAT_METERS


def plate_block(chain: Chain) -> Block:
    """The read of everything that model 1 says."""
    return Block(function=Function.HOLDING, address=chain.common.address, count=HEADER_WORDS + chain.common.length)


def plate(chain: Chain, words: Sequence[int]) -> Plate:
    """Who the device says it is.

    Raises:
        MeterDecodeError: the words are not those of its model 1.
    """
    known = checked_words(words, plate_block(chain))
    _require_header(chain.common, known)
    return Plate(
        manufacturer=_text(known[2:18]),
        model=_text(known[18:34]),
        version=_text(known[42:50]),
        serial=_text(known[50:66]),
    )


def energy_block(chain: Chain) -> Block:
    """The one read that holds header, energies and scale factor."""
    count = 55 if chain.meter.model in INTEGER_METERS else 70
    return Block(function=Function.HOLDING, address=chain.meter.address, count=count)


def sample(chain: Chain, words: Sequence[int], serial: str | None) -> RegisterSample:
    """The energies in the words of `energy_block`. A meter that does not count export has none.

    Raises:
        MeterRefusedError: naming the point, when it is not implemented.
        MeterDecodeError: naming the point, when its value cannot be a reading.
    """
    known = checked_words(words, energy_block(chain))
    _require_header(chain.meter, known)
    if chain.meter.model in INTEGER_METERS:
        scale = _scale(known[54])
        exported = _integer("TotWhExp", known[38:40], scale) if any(known[38:40]) else None
        return joined(_integer("TotWhImp", known[46:48], scale), exported, known, serial)
    if _is_missing(known[68:70]):
        raise MeterRefusedError("SunSpec point 'TotWhImp' is not implemented: this meter gives no import energy")
    exported = None if _is_missing(known[60:62]) else _float("TotWhExp", known[60:62])
    return joined(_float("TotWhImp", known[68:70]), exported, known, serial)


def _require_header(expected: Header, words: Sequence[int]) -> None:
    if tuple(words[:2]) != (expected.model, expected.length):
        raise MeterDecodeError(
            f"expected SunSpec model {expected.model} of length {expected.length} at {expected.address}, "
            f"got {words[0]} of length {words[1]}"
        )


def _scale(word: int) -> int:
    if word == NOT_IMPLEMENTED_SCALE:
        raise MeterRefusedError("SunSpec point 'TotWh_SF' is not implemented: the energies have no known unit")
    scale = word - 0x10000 if word & 0x8000 else word
    if scale not in _SCALES:
        raise MeterDecodeError(f"expected a scale factor from -10 to 10, got {scale} in 'TotWh_SF'")
    return scale


def _integer(name: str, words: Sequence[int], scale: int) -> Energy:
    return _energy(name, words, WordType.ACC32, scale)


def _float(name: str, words: Sequence[int]) -> Energy:
    return _energy(name, words, WordType.FLOAT32, 0)


def _energy(name: str, words: Sequence[int], of: WordType, scale: int) -> Energy:
    register = MapRegister(
        name=name, function=Function.HOLDING, address=0, type=of, word_order=WordOrder.ABCD, scaler=scale
    )
    octets = b"".join(word.to_bytes(2, "big") for word in words)
    return energy(register, octets, limit_wh=_LIMIT_WH, model="the SunSpec meter")


def _is_missing(words: Sequence[int]) -> bool:
    return (words[0] << 16 | words[1]) == _FLOAT_NOT_IMPLEMENTED


def _text(words: Sequence[int]) -> str | None:
    octets = b"".join(word.to_bytes(2, "big") for word in words).split(b"\x00", 1)[0].strip()
    if not octets.isascii() or not octets.decode("ascii", "replace").isprintable():
        raise MeterDecodeError(f"expected ASCII text in SunSpec model 1, got {octets.hex()}")
    return octets.decode("ascii") or None
