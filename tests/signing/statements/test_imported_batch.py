"""What an ImportedBatch commits to: its opening, its span, its counts."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from signing.errors import DecodeError
from signing.statements.imported_batch import ImportedBatch, ImportedOpening
from tests.signing.statements.items import IMPORTED_OPENING, SALT, spoiled
from tests.vectors.world import METER, TEN, dumps

NOT_UINT: list[Any] = [-1, 1.5, "1", 2**53]
FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), [b"short", None], "salt"),
    ((1,), [-1, "900"], "period"),
    ((1,), [901, 0, 600], "aligned to 900, 1800 or 3600 s"),
    ((1,), [1800], "aligned to 900"),
    ((1,), [None], "'period' exactly where there are blocks"),
    ((2,), [None, 5], "blocks"),
    ((2,), [[]], "'period' exactly where there are blocks"),
    ((2, 0), [[], [TEN, 1, 2]], r"blocks\[0\]"),
    ((2, 0, 0), [-1, None], r"blocks\[0\].start"),
    ((2, 0, 0), [TEN + 1], "aligned"),
    ((2, 0, 0), [TEN + 900, TEN + 1800], "ascending starts"),
    ((2, 0, 1), [*NOT_UINT, None], r"blocks\[0\].import"),
    ((2, 0, 2), NOT_UINT, r"blocks\[0\].export"),
    ((2, 0, 3), [2, -1, None], r"blocks\[0\].measured"),
    ((3,), [None, 5], "registers"),
    ((3, 0), [[], [TEN, 1]], r"registers\[0\]"),
    ((3, 0, 0), [-1, None], r"registers\[0\].stamp"),
    ((3, 0, 0), [TEN + 3600, TEN + 3601], "ascending stamps"),
    ((3, 0, 1), NOT_UINT, r"registers\[0\].import"),
    ((3, 0, 2), NOT_UINT, r"registers\[0\].export"),
]


def opening(item: Any = IMPORTED_OPENING) -> ImportedOpening:
    return ImportedOpening.parse(dumps(item))


def test_an_opening_writes_what_it_read() -> None:
    assert opening().encoded() == dumps(IMPORTED_OPENING)
    only_registers = [SALT, None, [], IMPORTED_OPENING[3]]
    assert opening(only_registers).encoded() == dumps(only_registers)


@pytest.mark.parametrize(
    ("place", "value", "message"), [(place, value, message) for place, values, message in FAULTS for value in values]
)
def test_a_wrong_field_of_an_opening_is_refused_by_its_name(place: tuple[Any, ...], value: Any, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        opening(spoiled(IMPORTED_OPENING, place, value))


def test_a_header_states_the_closed_span_and_the_counts_of_its_opening() -> None:
    header = ImportedBatch.of(METER, "HES", bytes(32), opening())
    assert (header.from_utc, header.to_utc, header.blocks, header.registers) == (TEN, TEN + 3600, 3, 2)
    assert header.contents == hashlib.sha256(dumps(IMPORTED_OPENING)).digest()
    assert ImportedBatch.of(METER, "HES", bytes(32), opening([SALT, None, [], [[TEN, 1, 2]]])).to_utc == TEN
    with pytest.raises(DecodeError, match="at least one block or register in 'opening'"):
        ImportedBatch.of(METER, "HES", bytes(32), opening([SALT, None, [], []]))


@pytest.mark.parametrize("change", [{"contents": b"x" * 32}, {"to_utc": TEN + 3601}, {"blocks": 4}, {"registers": 3}])
def test_a_header_opens_with_its_own_opening_only(change: dict[str, Any]) -> None:
    header = ImportedBatch.of(METER, "HES", bytes(32), opening())
    assert header.opened(dumps(IMPORTED_OPENING)) == opening()
    with pytest.raises(DecodeError, match="expected the opening that 'contents', 'span' and 'counts' state"):
        replace(header, **change).opened(dumps(IMPORTED_OPENING))
