"""One good payload of every statement, and the means to spoil it."""

import copy
from typing import Any

import pytest

from signing.envelope import Statement
from signing.errors import DecodeError
from tests.vectors import scenes
from tests.vectors.scenes import NOON, part, statement_of
from tests.vectors.world import METER, TEN, EdKey, Key, dumps

SCENE = scenes.good()
D = bytes(32)
SALT = bytes(16)


def spoiled(item: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A copy of `item` with another value at `place`."""
    changed = copy.deepcopy(item)
    row = changed
    for step in place[:-1]:
        row = row[step]
    row[place[-1]] = value
    return changed


def refused(kind: type[Statement], item: Any, message: str) -> None:
    """That `kind` does not read `item`, in these words."""
    with pytest.raises(DecodeError, match=message):
        kind.parse(dumps(item))


HEADER: list[Any] = [METER, 41, D, TEN, 900, 4, TEN, TEN + 3612, [-1200, 2], 2, D, D]
OPENING: list[Any] = [
    SALT,
    METER,
    [[TEN, 5, 6], [TEN + 900, None, None]],
    [[0, 3, 0, 0], [812, 790, 845, 901], 0, 0, 0],
]
REQUEST: list[Any] = ["gw-1", Key(1).cose, [METER, "SKS00000002"], [[METER, D, 9, D]], SALT]
SPEAKER: list[Any] = [Key(1).cose, "gw-1", D, TEN, 0, None, None]
FACT: list[Any] = [TEN, "SN-1", "CP-1", 0, 900, 0, [1, 1], [110, 1], [2, 3], 5000, None]
RECORD: list[Any] = [METER, 1, D, 0, [FACT, [TEN + 9, *FACT[1:]]], [SPEAKER], SALT]
RULES: list[Any] = ["vee", 1, [["V04", 1, {}], ["V23", 2, {"digit_wh": 10, "tolerance_permille": 5}]]]
PART = part(SCENE.records[0], 0, [(D, SCENE.batches[0], [[1, 2], [5, 5]]), (b"\x01" * 32, None, [])])
PART[7] = [[1, 2, 3], None, "LINEAR"]
ACTUAL = statement_of([PART], SCENE.rules[0], [], stated=[["V32", 1, TEN, 3]], window=[TEN, NOON])
PLAIN = statement_of([[*PART[:7], None, None]], SCENE.rules[0], [])
REVISED = statement_of([PART], SCENE.rules[0], [], revision=1, supersedes=D, delta=[-5, None], cause=1)
HELD = statement_of([], SCENE.rules[0], [], status=3, reason="missing", totals=None)
REFUSAL: list[Any] = [D, D, D, 3, "unknown key", 0, 12]
COMMAND: list[Any] = [0, 7, "gw-1", METER, D, 3, 3]
OUTCOME: list[Any] = [
    ["t-1_i-1", "t-1", "i-1"],
    "LEDGER-1",
    1,
    [TEN, TEN + 7200],
    0,
    None,
    [6000, 6000, 5500, 5500],
    D,
    SALT,
]
IMPORTED: list[Any] = [METER, "HES of the AMISP", D, [TEN, TEN + 3600], [4, 1], D]
IMPORTED_OPENING: list[Any] = [
    SALT,
    900,
    [[TEN, 100, 0, 1], [TEN + 900, 90, None, 0], [TEN + 2700, 0, 5, 1]],
    [[TEN, 5, 6], [TEN + 3600, 7, None]],
]
EDIT_FIELDS: list[Any] = [
    METER,
    1,
    D,
    900,
    [[TEN, 12, 700], [TEN + 1800, None, None], [TEN + 2700, 5, None]],
    "seal broken",
]
PROPOSAL: list[Any] = [*EDIT_FIELDS, SALT]
EDIT: list[Any] = [*EDIT_FIELDS, [Key(1).cose, "A. Rao", bytes(64)], [EdKey(2).cose, "B. Sen", bytes(64)], SALT]
DISPUTE_REFUSAL: list[Any] = [7, "CP-1", [TEN, TEN + 7200], "TPDDL, mail 7", "the meter was tested", D, SALT]
EDITED_PART = [*PART, [5, None]]
EDITED = [*statement_of([EDITED_PART], SCENE.rules[0], [], status=0), [["SKS00000000", 3, D], [METER, 0, D]]]
