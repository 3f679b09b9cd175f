"""Messages: one encoding each, everything else refused by its path."""

from typing import Any

import pytest

from signing import messages
from signing.errors import DecodeError
from signing.messages import DownKind, Receipts, SignedAnswer, encode_down, parse_down, parse_up
from tests.vectors import scenes
from tests.vectors.world import Batch, dumps, signed

SCENE = scenes.good()
WORLD = SCENE.world
BATCH: Batch = SCENE.batches[1]
UP = [1, BATCH.tag, BATCH.opening, 7]
RECEIPT = WORLD.receipt(*SCENE.batches[:2], old=3)
REFUSAL = signed(WORLD.discom, "refusal", [bytes(32), bytes(32), bytes(32), 3, "unknown key", 0, 0])


def test_an_up_message_carries_one_batch() -> None:
    message = parse_up(dumps(UP))
    assert (message.envelope.digest, message.opening, message.seen_size) == (BATCH.digest, BATCH.opening, 7)
    assert message.encoded() == dumps(UP)


def test_p5_the_identity_of_a_message_does_not_depend_on_what_was_seen() -> None:
    one, other = parse_up(dumps(UP)), parse_up(dumps([*UP[:3], 8]))
    assert one.identity() == other.identity()
    assert parse_up(dumps([1, BATCH.tag, b"", 7])).identity() != one.identity()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, 0, "'up.version'"),
        (0, 2, "'up.version'"),
        (1, BATCH.payload, "'up.sign1'"),
        (2, None, "'up.opening'"),
        (3, -1, "'up.seen_size'"),
        (3, None, "'up.seen_size'"),
    ],
)
def test_an_up_message_of_another_form_is_refused(place: int, value: Any, message: str) -> None:
    item: list[Any] = [*UP]
    item[place] = value
    with pytest.raises(DecodeError, match=message):
        parse_up(dumps(item))


def test_messages_have_a_fixed_length_and_a_greatest_size() -> None:
    for parse, item in ((parse_up, UP), (parse_down, RECEIPT)):
        others: tuple[Any, ...] = (item[:-1], [*item, 0], {}, None)
        for wrong in others:
            with pytest.raises(DecodeError):
                parse(dumps(wrong))
        with pytest.raises(DecodeError, match="expected at most 65536 bytes, got 65537"):
            parse(bytes(65_537))
    overhead = len(dumps([1, BATCH.tag, bytes(60_000), 7])) - 60_000
    assert len(parse_up(dumps([1, BATCH.tag, bytes(65_536 - overhead), 7])).opening) == 65_536 - overhead


def test_a_down_message_holds_receipts() -> None:
    message = parse_down(dumps(RECEIPT))
    assert isinstance(message, Receipts)
    assert [entry.digest for entry in message.inclusions] == [batch.digest for batch in SCENE.batches[:2]]
    assert (message.old_size, message.checkpoint) == (3, WORLD.checkpoint())
    assert encode_down(message) == dumps(RECEIPT)


@pytest.mark.parametrize("kind", [DownKind.REFUSAL, DownKind.COMMAND])
def test_a_down_message_holds_a_signed_answer(kind: DownKind) -> None:
    data = dumps([1, int(kind), REFUSAL.tag])
    message = parse_down(data)
    assert isinstance(message, SignedAnswer)
    assert (message.kind, message.envelope.digest) == (kind, REFUSAL.digest)
    assert encode_down(message) == data


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ([2, *RECEIPT[1:]], "'down.version'"),
        ([1, 3, REFUSAL.tag], "'down.kind'"),
        ([1, 1, REFUSAL.payload], "'down.sign1'"),
        ([1, 1, REFUSAL.tag, 0], "'down'"),
        ([1, 0, REFUSAL.tag], "'down'"),
        ([1, 0, "text", *RECEIPT[3:]], "'down.checkpoint'"),
        ([1, 0, bytes(8193), *RECEIPT[3:]], "'down.checkpoint'"),
        ([*RECEIPT[:3], -1, *RECEIPT[4:]], "'down.old_size'"),
        ([*RECEIPT[:4], [bytes(31)], RECEIPT[5]], "'down.consistency'"),
        ([*RECEIPT[:4], [bytes(32)] * 65, RECEIPT[5]], "'down.consistency'"),
        ([*RECEIPT[:5], []], "'down.receipts'"),
        ([*RECEIPT[:5], [[bytes(32), 0]]], r"'down.receipts\[0\]'"),
        ([*RECEIPT[:5], [[bytes(31), 0, []]]], r"'down.receipts\[0\].digest'"),
        ([*RECEIPT[:5], [[bytes(32), -1, []]]], r"'down.receipts\[0\].index'"),
        ([*RECEIPT[:5], [[bytes(32), 0, None]]], r"'down.receipts\[0\].path'"),
    ],
)
def test_a_down_message_of_another_form_is_refused(item: Any, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse_down(dumps(item))


@pytest.mark.parametrize("index", [0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**63 - 1])
@pytest.mark.parametrize("count", [1, 23, 24, 300])
def test_p3_receipts_joined_as_bytes_are_the_canonical_message(index: int, count: int) -> None:
    entry = [bytes(32), index, [bytes(32)] * (count % 64)]
    item = [1, 0, b"checkpoint", index, [bytes(32)], [entry] * count]
    head = messages.receipts_head(b"checkpoint", index, [bytes(32)])
    rows = [messages.receipt(bytes(32), index, [bytes(32)] * (count % 64))] * count
    assert messages.receipts(head, rows) == dumps(item)


def test_a_receipt_has_an_index_that_the_wire_can_carry() -> None:
    with pytest.raises(ValueError, match="below 2\\^64"):
        messages.receipt(bytes(32), 2**64, [])
