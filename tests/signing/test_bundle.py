"""Bundles as bytes: one encoding each, everything else refused with the path."""

from typing import Any

import pytest

from signing import bundle as bundles
from signing.bundle import ERASED, Bundle, Kind
from signing.errors import DecodeError
from tests.vectors import scenes
from tests.vectors.world import dumps

SCENE = scenes.good()


def items() -> dict[Kind, list[Any]]:
    """A bundle of each kind."""
    world, row = SCENE.world, SCENE.world.batch_entry(SCENE.batches[1])
    return {
        Kind.ACTUAL: world.bundle(SCENE.actuals, kind=0, old_sizes=[3]),
        Kind.WINDOW: SCENE.bundle(old_sizes=[3, 5]),
        Kind.BATCH: world.bundle([], SCENE.records, [], [row], kind=2),
    }


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_re_encodes_to_its_bytes(kind: Kind) -> None:
    data = dumps(items()[kind])
    parsed = Bundle.parse(data)
    assert (parsed.kind, parsed.encoded()) == (kind, data)


def test_an_erased_opening_is_told_from_one_that_is_not_needed() -> None:
    item = SCENE.bundle()
    item[7][0][1] = b""
    openings = [batch.opening for batch in Bundle.parse(dumps(item)).batches]
    assert openings[0] == ERASED
    assert openings[3] is None


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((0,), 3, "expected 1 to 2, got 3 in 'bundle.version'"),
        ((0,), 2, "expected an array of 9, got list of 8 in 'bundle'"),
        ((1,), 3, "in 'bundle.kind'"),
        ((2,), "text", "in 'bundle.checkpoint'"),
        ((3,), [[1]], "in 'bundle.consistency\\[0\\]'"),
        ((3,), [[-1, []]], "in 'bundle.consistency\\[0\\].old_size'"),
        ((3,), [[1, [b"short"]]], "in 'bundle.consistency\\[0\\].path'"),
        ((3,), [[1, [bytes(32)] * 65]], "in 'bundle.consistency\\[0\\].path'"),
        ((3,), [[1, []]] * 65, "in 'bundle.consistency'"),
        ((4,), None, "in 'bundle.actuals'"),
        ((4, 0), [1], "in 'bundle.actuals\\[0\\]'"),
        ((4, 0, 0), 1, "in 'bundle.actuals\\[0\\].sign1'"),
        ((4, 0, 1), -1, "in 'bundle.actuals\\[0\\].index'"),
        ((5, 0, 1), "0", "in 'bundle.records\\[0\\].index'"),
        ((6, 0, 2), [1], "in 'bundle.rulesets\\[0\\].path'"),
        ((7, 0), [], "in 'bundle.batches\\[0\\]'"),
        ((7, 0, 1), 5, "in 'bundle.batches\\[0\\].opening'"),
        ((7, 0, 1), bytes(65_537), "in 'bundle.batches\\[0\\].opening'"),
        ((7, 0, 2), [1], "in 'bundle.batches\\[0\\].logged_at'"),
        ((7, 0, 2), [-1, []], "in 'bundle.batches\\[0\\].logged_at.index'"),
    ],
)
def test_a_wrong_part_is_refused_by_its_path(place: tuple[int, ...], value: Any, message: str) -> None:
    item = SCENE.bundle()
    row: Any = item
    for step in place[:-1]:
        row = row[step]
    row[place[-1]] = value
    with pytest.raises(DecodeError, match=message):
        Bundle.parse(dumps(item))


@pytest.mark.parametrize(
    ("kind", "place", "value", "message"),
    [
        (Kind.ACTUAL, 4, [], "in 'bundle.actuals'"),
        (Kind.WINDOW, 4, [], "in 'bundle.actuals'"),
        (Kind.BATCH, 4, "take", "in 'bundle.actuals'"),
        (Kind.ACTUAL, 5, "take", "expected no records"),
        (Kind.BATCH, 5, [], "expected the records of the batch's meter"),
        (Kind.ACTUAL, 6, "take", "one rule set in a bundle of kind WINDOW"),
        (Kind.WINDOW, 6, [], "one rule set in a bundle of kind WINDOW"),
        (Kind.BATCH, 6, "take", "one rule set in a bundle of kind WINDOW"),
        (Kind.ACTUAL, 7, "take", "expected 0 to 0 batches in a bundle of kind ACTUAL, got 4"),
        (Kind.BATCH, 7, [], "expected 1 to 1 batches in a bundle of kind BATCH, got 0"),
        (Kind.BATCH, 7, "take", "expected 1 to 1 batches in a bundle of kind BATCH, got 4"),
    ],
)
def test_a_kind_holds_what_it_names_and_nothing_else(kind: Kind, place: int, value: Any, message: str) -> None:
    item = items()[kind]
    item[place] = SCENE.bundle()[place] if value == "take" else value
    with pytest.raises(DecodeError, match=message):
        Bundle.parse(dumps(item))


def test_a_bundle_is_refused_unread_when_it_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dumps(SCENE.bundle())
    monkeypatch.setattr(bundles, "MAX_BUNDLE", len(data))
    assert Bundle.parse(data).kind is Kind.WINDOW
    monkeypatch.setattr(bundles, "MAX_BUNDLE", len(data) - 1)
    with pytest.raises(DecodeError, match="expected at most"):
        Bundle.parse(data)


def test_a_truncated_bundle_is_refused_at_every_length() -> None:
    data = dumps(items()[Kind.ACTUAL])
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            Bundle.parse(data[:length])


def test_a_bundle_that_holds_edits_is_version_2_and_no_other_is() -> None:
    item = scenes.edited_twice().bundle()
    parsed = Bundle.parse(dumps(item))
    assert (len(parsed.edits), parsed.encoded()) == (2, dumps(item))
    for other, message in (
        ([1, *item[1:]], "expected an array of 8, got list of 9 in 'bundle'"),
        ([*item[:8], []], "expected an array of 1 to 4096, got list of 0 in 'bundle.edits'"),
        ([*item[:8], [1]], "in 'bundle.edits\\[0\\]'"),
        (item[:7], "expected an array of 8 to 9"),
        ([*item, 0], "expected an array of 8 to 9"),
    ):
        with pytest.raises(DecodeError, match=message):
            Bundle.parse(dumps(other))


@pytest.mark.parametrize("kind", [Kind.ACTUAL, Kind.BATCH])
def test_only_a_window_has_edits(kind: Kind) -> None:
    edits = scenes.edited().bundle()[8]
    with pytest.raises(DecodeError, match="expected no edits in a bundle of kind"):
        Bundle.parse(dumps([2, *items()[kind][1:], edits]))
