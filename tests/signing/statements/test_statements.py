"""Every statement: reads what it writes, and refuses every field that is not as the wire format says, by its path."""

from typing import Any

import pytest

from signing.envelope import Statement
from signing.errors import DecodeError
from signing.statements.answers import Command, Refusal
from signing.statements.dispute_refusal import DisputeRefusal
from signing.statements.edit import Edit, EditProposal
from signing.statements.enrolment import EnrolRequest
from signing.statements.imported_batch import ImportedBatch
from signing.statements.meter_record import MeterRecord
from signing.statements.reading_batch import ReadingBatch
from signing.statements.rule_set import RuleSet
from signing.statements.trade_outcome import TradeOutcome
from signing.statements.window_actual import EditedActual, WindowActual
from tests.signing.statements import items
from tests.signing.statements.items import D, refused, spoiled
from tests.vectors.world import METER, TEN, Key, dumps

GOOD: list[tuple[type[Statement], Any]] = [
    (ReadingBatch, items.HEADER),
    (ReadingBatch, spoiled(items.HEADER, (8,), [None, 0])),
    (EnrolRequest, items.REQUEST),
    (MeterRecord, items.RECORD),
    (MeterRecord, spoiled(spoiled(items.RECORD, (1,), 0), (2,), None)),
    (MeterRecord, spoiled(items.RECORD, (5, 0), [Key(2).cose, "gw", D, 0, 1, [3, D], [2, D]])),
    (RuleSet, items.RULES),
    (WindowActual, items.ACTUAL),
    (WindowActual, items.PLAIN),
    (WindowActual, items.REVISED),
    (WindowActual, items.HELD),
    (EditedActual, items.EDITED),
    (Edit, items.EDIT),
    (Edit, spoiled(spoiled(items.EDIT, (1,), 0), (2,), None)),
    (EditProposal, items.PROPOSAL),
    (DisputeRefusal, items.DISPUTE_REFUSAL),
    (DisputeRefusal, spoiled(items.DISPUTE_REFUSAL, (5,), None)),
    (Refusal, items.REFUSAL),
    (Command, items.COMMAND),
    (TradeOutcome, items.OUTCOME),
    (TradeOutcome, spoiled(spoiled(spoiled(items.OUTCOME, (4,), 2), (5,), D), (7,), None)),
    (ImportedBatch, items.IMPORTED),
    (ImportedBatch, spoiled(spoiled(items.IMPORTED, (3, 1), TEN), (4, 0), 0)),
]


@pytest.mark.parametrize(("kind", "item"), GOOD)
def test_a_statement_writes_what_it_read(kind: type[Statement], item: Any) -> None:
    data = dumps(item)
    assert kind.parse(data).payload() == data


@pytest.mark.parametrize(("kind", "item"), GOOD)
def test_a_statement_has_its_fields_and_no_others(kind: type[Statement], item: Any) -> None:
    others: tuple[Any, ...] = ([*item, 0], item[:-1], {}, None, 5)
    for wrong in others:
        refused(kind, wrong, kind.CONTENT_TYPE.partition("sakshi.")[2].partition("+")[0])
    data = dumps(item)
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            kind.parse(data[:length])
    with pytest.raises(DecodeError):
        kind.parse(data + b"\0")


NOT_ID, NOT_DIGEST, NOT_UINT, NOT_TIME = ["a b", "", 5, None], [b"x", "x", None], [-1, 2**63, "1"], [-1, 2**32, None]
NOT_LABEL = ["", "x" * 129, "\x00", 5]

HEADER_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), NOT_ID, "meter"),
    ((1,), [*NOT_UINT, None], "sequence"),
    ((2,), NOT_DIGEST, "previous"),
    ((3,), NOT_TIME, "start"),
    ((4,), [0, 60, 901, None], "period"),
    ((5,), [0, 97, None], "count"),
    ((6,), NOT_TIME, "reach"),
    ((7,), NOT_TIME, "read_at"),
    ((8,), [None, [1], [1, 2, 3]], "clock"),
    ((8, 0), ["1", 1.5], "clock.offset_ms"),
    ((8, 1), [3, -1, None], "clock.source"),
    ((9,), [4, -1, None], "origin"),
    ((10,), NOT_DIGEST, "software"),
    ((11,), NOT_DIGEST, "contents"),
    ((3,), [2**32 - 2], "end"),
]
REQUEST_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), NOT_ID, "gateway"),
    ((1,), [None, {}, {1: 2}], "key"),
    ((2,), [[], None, [f"m{n}" for n in range(257)]], "meters"),
    ((2,), [["a", "a"]], "each meter once"),
    ((2, 1), NOT_ID, "meters\\[1\\]"),
    ((3,), [None, 5], "retires"),
    ((3, 0), [[], [METER, D, 9]], "retires\\[0\\]"),
    ((3, 0, 0), NOT_ID, "retires\\[0\\].meter"),
    ((3, 0, 1), NOT_DIGEST, "retires\\[0\\].kid"),
    ((3, 0, 2), NOT_UINT, "retires\\[0\\].last"),
    ((3, 0, 3), NOT_DIGEST, "retires\\[0\\].digest"),
    ((4,), [b"short", None], "salt"),
]
RECORD_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), NOT_ID, "meter"),
    ((1,), NOT_UINT, "number"),
    ((1,), [0], "'previous' exactly when the number is above 0"),
    ((2,), [None], "'previous' exactly when the number is above 0"),
    ((2,), [b"x"], "previous"),
    ((3,), NOT_UINT, "log"),
    ((4,), [[], None], "facts"),
    ((4, 1, 0), [TEN], "ascending order of 'from'"),
    ((4, 0, 0), NOT_TIME, "facts\\[0\\].from"),
    ((4, 0, 1), NOT_LABEL, "facts\\[0\\].identity"),
    ((4, 0, 2), NOT_LABEL, "facts\\[0\\].connection_point"),
    ((4, 0, 3), [3, None], "facts\\[0\\].role"),
    ((4, 0, 4), [1, None], "facts\\[0\\].period"),
    ((4, 0, 5), [2, None], "facts\\[0\\].stamps"),
    ((4, 0, 6), [[1], None, [1, -1]], "facts\\[0\\].ct"),
    ((4, 0, 7), [[0, 1], [1, 10**9 + 1]], "expected an integer from 1 to 10\\^9"),
    ((4, 0, 8), [5], "facts\\[0\\].factor"),
    ((4, 0, 9), [-1, 10**12 + 1], "facts\\[0\\].sanctioned_w"),
    ((4, 0, 10), [-1, "1"], "facts\\[0\\].installed_w"),
    ((5,), [None, 5], "speakers"),
    ((5, 0), [[]], "speakers\\[0\\]"),
    ((5, 0, 0), [{}, None], "speakers\\[0\\].key"),
    ((5, 0, 1), NOT_ID, "speakers\\[0\\].gateway"),
    ((5, 0, 2), NOT_DIGEST, "speakers\\[0\\].enrolment"),
    ((5, 0, 3), NOT_TIME, "speakers\\[0\\].blocks_from"),
    ((5, 0, 4), [3, None], "speakers\\[0\\].state"),
    ((5, 0, 4), [1], "'last' exactly when RETIRED"),
    ((5, 0, 5), [[3, D]], "'last' exactly when RETIRED"),
    ((5, 0, 6), [[3], [-1, D], [3, b"x"]], "speakers\\[0\\].good"),
    ((5,), [[items.SPEAKER, items.SPEAKER]], "each key once"),
    ((6,), [b"short"], "salt"),
]
RULE_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), NOT_LABEL, "name"),
    ((1,), NOT_UINT, "version"),
    ((2,), [[], None], "rules"),
    ((2,), [[["V2", 1, {}], ["V1", 1, {}]], [["V1", 1, {}], ["V1", 1, {}]]], "sorted by id, each once"),
    ((2, 0), [[]], "rules\\[0\\]"),
    ((2, 0, 0), NOT_ID, "rules\\[0\\].id"),
    ((2, 0, 1), NOT_UINT, "rules\\[0\\].version"),
    ((2, 0, 2), [[], None, {f"p{n}": 1 for n in range(33)}], "rules\\[0\\].parameters"),
    ((2, 1, 2), [{1: 1}, {"a b": 1}, {"x_wh": 1.5}, {"x_wh": None}], "rules\\[1\\].parameters"),
]
ACTUAL_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), [[], None], "subject"),
    ((0, 0), NOT_LABEL, "connection_point"),
    ((0, 1), NOT_LABEL, "posted_as"),
    ((1,), [[TEN], None], "window"),
    ((1, 0), [-1, None], "window.start"),
    ((1,), [[TEN, TEN]], "start before end"),
    ((2,), NOT_UINT, "revision"),
    ((2,), [1], "'supersedes' exactly when the revision is above 0"),
    ((3,), [b"x"], "supersedes"),
    ((3,), [D], "'supersedes' exactly when the revision is above 0"),
    ((4,), [8, None], "cause"),
    ((5,), [[1], 5], "delta"),
    ((5,), [[None, 1]], "delta.import"),
    ((5,), [[1, "x"]], "delta.export"),
    ((6,), [6, None], "status"),
    ((6,), [3], "'totals' exactly for FINAL, PROVISIONAL, TRUE_UP"),
    ((7,), [""], "reason"),
    ((7,), ["why"], "'reason' exactly for other than"),
    ((8,), [2, None], "basis"),
    ((9,), [None], "'totals' exactly for"),
    ((9,), [[1], 5], "totals"),
    ((9,), [[-1, 1]], "totals.import"),
    ((9,), [[1, -1]], "totals.export"),
    ((10,), [None, [items.PART] * 17], "parts"),
    ((11,), NOT_DIGEST, "ruleset"),
    ((12,), [None, 5], "stated"),
    ((12, 0), [[]], "stated\\[0\\]"),
    ((12, 0, 0), NOT_ID, "stated\\[0\\].rule"),
    ((12, 0, 1), NOT_UINT, "stated\\[0\\].version"),
    ((12, 0, 2), NOT_TIME, "stated\\[0\\].block"),
    ((12, 0, 3), [5, None], "stated\\[0\\].verdict"),
    ((13,), NOT_DIGEST, "evidence"),
    ((14,), [b"short"], "salt"),
]
OF_PART: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), NOT_ID, "meter"),
    ((1,), NOT_TIME, "from"),
    ((2,), NOT_TIME, "to"),
    ((3,), [[0], None], "record"),
    ((3, 0), NOT_UINT, "record"),
    ((4,), [None, 5], "chains"),
    ((4,), [[[b"\2" * 32, None, []], [b"\1" * 32, None, []]]], "sorted by kid, each once"),
    ((4,), [[[D, None, []], [D, None, []]]], "sorted by kid, each once"),
    ((4, 0), [[]], "chains\\[0\\]"),
    ((4, 0, 0), NOT_DIGEST, "chains\\[0\\].kid"),
    ((4, 0, 1), [[3], [-1, D]], "chains\\[0\\].head"),
    ((4, 0, 2), [None], "chains\\[0\\].gaps"),
    ((4, 0, 2), [[[1]], [[-1, 2]]], "chains\\[0\\].gaps\\[0\\]"),
    ((4, 0, 2), [[[2, 1]], [[1, 2], [2, 3]], [[5, 5], [1, 1]]], "ascending disjoint ranges"),
    ((5,), [[8, 8, 0, 0, 0], None], "counts"),
    ((5, 1), [-1], "counts"),
    ((5, 1), [7, 9], "counts that sum to 8"),
    ((6,), [[1], None], "measured"),
    ((6, 0), [-1], "measured.import"),
    ((6, 1), [-1], "measured.export"),
    ((7,), [[None, None]], "estimated"),
    ((7, 0), [[1, 2]], "estimated.import"),
    ((7, 0), [[3, 2, 4], [1, 5, 4]], "low ≤ value ≤ high"),
    ((7, 1), [5], "estimated.export"),
    ((7, 2), ["", None], "estimated.method"),
    ((8,), [4], "origin"),
]
PART_FAULTS = [((10, 0, *place), values, message) for place, values, message in OF_PART]
REFUSAL_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), NOT_DIGEST, "kid"),
    ((1,), NOT_DIGEST, "statement"),
    ((2,), NOT_DIGEST, "message"),
    ((3,), NOT_UINT, "number"),
    ((4,), NOT_LABEL, "reason"),
    ((5,), [2, None], "disposition"),
    ((6,), NOT_UINT, "tree_size"),
]
COMMAND_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), [2, None], "kind"),
    ((1,), NOT_UINT, "number"),
    ((2,), NOT_ID, "gateway"),
    ((3,), NOT_ID, "meter"),
    ((4,), NOT_DIGEST, "kid"),
    ((5,), NOT_UINT, "from"),
    ((6,), NOT_UINT, "to"),
    ((6,), [2], "from ≤ to"),
    ((0,), [1], "start before end"),  # a REREAD of nothing
]
OUTCOME_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), [[], ["a", "b"], None], "trade"),
    ((0, 0), NOT_LABEL, "trade.record"),
    ((0, 1), NOT_LABEL, "trade.transaction"),
    ((0, 2), NOT_LABEL, "trade.order_item"),
    ((1,), NOT_LABEL, "posted_as"),
    ((2,), [2, None], "side"),
    ((3,), [[TEN], None], "window"),
    ((3, 0), NOT_TIME, "window.start"),
    ((3,), [[TEN, TEN]], "start before end"),
    ((4,), NOT_UINT, "revision"),
    ((4,), [1], "'supersedes' exactly when the revision is above 0"),
    ((5,), [b"x"], "supersedes"),
    ((5,), [D], "'supersedes' exactly when the revision is above 0"),
    ((6,), [[1, 2, 3], None], "energies"),
    ((6, 0), [-1, 1.5, None], "energies.contracted"),
    ((6, 1), [-1, None], "energies.own"),
    ((6, 2), [-1, None], "energies.other"),
    ((6, 3), [-1, None], "energies.settled"),
    ((6, 3), [5499, 5501, 6000], "expected the lesser of 6000 and 5500 Wh"),
    ((7,), [b"x", 5], "evidence"),
    ((8,), [b"short", None], "salt"),
]
IMPORTED_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), NOT_ID, "meter"),
    ((1,), NOT_LABEL, "source"),
    ((2,), NOT_DIGEST, "file"),
    ((3,), [[TEN], None], "span"),
    ((3, 0), NOT_TIME, "span.from"),
    ((3, 1), NOT_TIME, "span.to"),
    ((3, 1), [TEN - 1], "'from' before 'to'"),
    ((4,), [[1], None], "counts"),
    ((4, 0), [-1, 4097, "1", None], "counts.blocks"),
    ((4, 1), [-1, 4097, "1", None], "counts.registers"),
    ((4,), [[0, 0]], "at least one block or register"),
    ((5,), NOT_DIGEST, "contents"),
]
EDITED_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    *PART_FAULTS,
    ((10, 0), [items.PART], "parts\\[0\\]"),
    ((10, 0, 9), [[1], None, [1, 2, 3]], "manual"),
    ((10, 0, 9, 0), [-1, "x"], "manual.import"),
    ((10, 0, 9, 1), [-1, "x"], "manual.export"),
    ((15,), [[], None, [[f"m{n:02}", 0, D] for n in range(17)]], "edits"),
    ((15,), [[[METER, 0, D], [METER, 1, D]], [["b", 0, D], ["a", 0, D]]], "sorted by meter, each once"),
    ((15, 0), [[METER, 0], None], "edits\\[0\\]"),
    ((15, 0, 0), NOT_ID, "edits\\[0\\].meter"),
    ((15, 0, 1), NOT_UINT, "edits\\[0\\].number"),
    ((15, 0, 2), NOT_DIGEST, "edits\\[0\\].digest"),
]
MIDNIGHT = TEN + 14 * 3600
PROPOSAL_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), NOT_ID, "meter"),
    ((1,), NOT_UINT, "number"),
    ((1,), [0], "'previous' exactly when the number is above 0"),
    ((2,), [None], "'previous' exactly when the number is above 0"),
    ((2,), [b"x"], "previous"),
    ((3,), [0, 901, None], "period"),
    ((3,), [3600], "on the grid of 3600 s"),
    ((4,), [[], None, [[TEN, 1, 1]] * 97], "blocks"),
    ((4,), [[[TEN, 1, 1], [TEN, 1, 1]], [[TEN + 900, 1, 1], [TEN, 1, 1]]], "ascending order, each once"),
    ((4,), [[[TEN + 1, 1, 1]]], "on the grid of 900 s"),
    ((4,), [[[MIDNIGHT - 900, 1, 1], [MIDNIGHT, 1, 1]]], "of one IST day"),
    ((4, 0), [[TEN, 1], None], "blocks\\[0\\]"),
    ((4, 0, 0), NOT_TIME, "blocks\\[0\\].start"),
    ((4, 0, 1), [-1, 2**53, 1.5], "blocks\\[0\\].import"),
    ((4, 0, 1), [None], "no export without an import"),
    ((4, 0, 2), [-1, 2**53, 1.5], "blocks\\[0\\].export"),
    ((5,), NOT_LABEL, "reason"),
]
EDIT_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    *PROPOSAL_FAULTS,
    ((6,), [None, [1, 2]], "author"),
    ((6, 0), [{}, None], "author.key"),
    ((6, 1), NOT_LABEL, "author.name"),
    ((6, 2), [bytes(63), bytes(65), None], "author.signature"),
    ((7,), [None, [1, 2]], "approver"),
    ((7, 2), [bytes(63), None], "approver.signature"),
    ((8,), [b"short", None], "salt"),
]
NOT_TEXT = ["", "x" * 201, "\x00", 5, None]
DISPUTE_FAULTS: list[tuple[tuple[Any, ...], list[Any], str]] = [
    ((0,), NOT_UINT, "dispute"),
    ((1,), NOT_LABEL, "connection_point"),
    ((2,), [[TEN], None], "window"),
    ((2,), [[TEN, TEN]], "start before end"),
    ((3,), NOT_TEXT, "party"),
    ((4,), NOT_TEXT, "reason"),
    ((5,), [b"x", 5], "evidence"),
    ((6,), [b"short", None], "salt"),
]
FAULTS = [
    pytest.param(kind, item, place, value, message, id=f"{kind.__name__}-{message}-{number}-{n}")
    for kind, item, faults in (
        (ReadingBatch, items.HEADER, HEADER_FAULTS),
        (EnrolRequest, items.REQUEST, REQUEST_FAULTS),
        (MeterRecord, items.RECORD, RECORD_FAULTS),
        (RuleSet, items.RULES, RULE_FAULTS),
        (WindowActual, items.ACTUAL, ACTUAL_FAULTS),
        (WindowActual, items.ACTUAL, PART_FAULTS),
        (Refusal, items.REFUSAL, REFUSAL_FAULTS),
        (Command, items.COMMAND, COMMAND_FAULTS),
        (TradeOutcome, items.OUTCOME, OUTCOME_FAULTS),
        (ImportedBatch, items.IMPORTED, IMPORTED_FAULTS),
        (EditedActual, items.EDITED, EDITED_FAULTS),
        (EditProposal, items.PROPOSAL, [*PROPOSAL_FAULTS, ((6,), [b"short", None], "salt")]),
        (Edit, items.EDIT, EDIT_FAULTS),
        (DisputeRefusal, items.DISPUTE_REFUSAL, DISPUTE_FAULTS),
    )
    for number, (place, values, message) in enumerate(faults)
    for n, value in enumerate(values)
]


@pytest.mark.parametrize(("kind", "item", "place", "value", "message"), FAULTS)
def test_a_wrong_field_is_refused_by_its_name(
    kind: type[Statement], item: Any, place: tuple[Any, ...], value: Any, message: str
) -> None:
    refused(kind, spoiled(item, place, value), message)
