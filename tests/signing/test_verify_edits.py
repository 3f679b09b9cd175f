"""Edits in a bundle: whose word they are, none left out, and what they are worth. Each test goes red without its check."""

from typing import Any

import pytest

from signing.statements.window_actual import EditedActual, Status
from signing.verify import Outcome
from tests.signing.bundles import agreeing, refused, verified
from tests.vectors import scenes
from tests.vectors.scenes import TEN_30, Scene, stating_edits
from tests.vectors.world import METER, RAO, TEN, Key, World, energy, signed

VALUE: list[Any] = [[TEN_30, *energy(TEN_30)]]


def by(*edits: Any, scene: Scene | None = None, **item: Any) -> Scene:
    scene = scene or scenes.conflict()
    scene.edits = list(edits)
    return stating_edits(scene, **item)


def test_an_edit_gives_a_block_in_conflict_its_value_and_no_more() -> None:
    verdict = verified(scenes.edited())
    assert verdict.outcome is Outcome.VALID
    assert isinstance(verdict.actual, EditedActual)
    assert verdict.actual.status is Status.PROVISIONAL
    assert [edit.proposal.number for edit in verdict.edits] == [0]


def test_the_newest_edit_of_a_block_holds() -> None:
    (part,) = verified(scenes.edited_twice()).actual.parts
    assert (part.counts.valid, part.counts.manual) == (7, 1)
    assert (part.manual_import_wh, part.manual_export_wh) == (1, 2)


def test_a_bundle_of_kind_actual_shows_no_edits() -> None:
    scene = scenes.edited()
    item = scene.world.bundle(scene.actuals, kind=0)
    assert verified(scene, item=item).outcome is Outcome.ATTESTED


def test_0_an_edit_is_the_discoms_word() -> None:
    scene = scenes.conflict()
    world = scene.world
    stated = World.edit(World(discom=Key(77)), 0, None, VALUE)
    refused(0, "edit 0 of meter SKS00000001 is signed by key", by(world.logged(stated), scene=scene))


def test_1_edits_stand_by_meter_and_number() -> None:
    scene = scenes.edited_twice()
    scene.edits.reverse()
    refused(1, "expected edits by meter and number, each once", scene)


def test_1_what_stands_among_edits_is_one() -> None:
    scene = scenes.edited()
    scene.edits = scene.records
    refused(1, "in 'bundle.edits[0]'", scene)


def test_3_an_edit_stands_in_the_log() -> None:
    scene = scenes.edited()
    item = scene.bundle()
    item[8][0][1] += 1
    refused(3, "the log does not hold edit 0", scene, item=item)


def test_4_an_edit_carries_the_discoms_signature() -> None:
    scene = scenes.edited()
    scene.edits[0].signature = bytes(64)
    refused(4, "edit 0 of meter SKS00000001: ", scene)


def test_4_two_persons_signed_it() -> None:
    world = (scene := scenes.conflict()).world
    refused(4, "the keys of two persons", by(world.edit(0, None, VALUE, approver=(RAO, "B. Sen")), scene=scene))
    world = (scene := scenes.conflict()).world
    other = [METER, 0, None, 900, [[TEN_30, 0, 0]], "agreed", bytes(16)]
    refused(4, "'B. Sen' did not sign", by(world.edit(0, None, VALUE, signed_by_approver=other), scene=scene))


def test_4_no_edit_is_left_out() -> None:
    for kept, message in ((slice(0, 1), "edit 1 of meter"), (slice(1, 2), "edit 0 of meter"), (slice(0, 0), "edit 1")):
        scene = scenes.edited_twice()
        scene.edits = scene.edits[kept]
        assert "is left out" in refused(4, message, scene)


def test_4_the_head_is_the_very_edit_that_the_actual_names() -> None:
    scene = scenes.edited()
    other = scene.world.edit(0, None, [[TEN_30, 0, 0]])
    scene.edits = [other]
    refused(4, "edit 0 of meter SKS00000001 is left out", scene)


def test_4_each_edit_names_the_one_before_and_follows_it() -> None:
    world = (scene := scenes.conflict()).world
    first, other = world.edit(0, None, VALUE), world.edit(0, None, [[TEN_30, 0, 0]])
    second = world.edit(1, other, VALUE)
    refused(4, "edit 1 of meter SKS00000001 does not name the edit before it", by(first, second, scene=scene))
    world = (scene := scenes.conflict()).world
    first = world.edit(0, None, VALUE, into_log=False)
    second = world.edit(1, first, VALUE)
    refused(4, "stands before the edit that it follows", by(world.logged(first), second, scene=scene))


def test_5_a_bundle_holds_no_edits_that_the_actual_does_not_rest_on() -> None:
    scene = scenes.good()
    scene.edits = [scene.world.edit(0, None, VALUE)]
    refused(5, "the bundle holds edits of meter SKS00000001, and the actual rests on none", scene)


def test_5_edits_are_of_meters_of_the_window() -> None:
    scene = scenes.conflict()
    scene.edits = [scene.world.edit(0, None, VALUE, meter="SKS00000009")]
    stating_edits(scene)
    heads = [["SKS00000009", 0, scene.edits[0].digest]]
    item = scenes.statement_of([], scene.rules[0], scene.opened, status=3, reason="x", totals=None)
    scene.actuals = [scene.world.actual([*item, heads], version=2)]
    scene.records, scene.batches = [], []
    refused(5, "the bundle speaks of meter SKS00000009", scene)


def test_7_an_edit_stands_before_the_actual() -> None:
    world = (scene := scenes.conflict()).world
    late = world.edit(0, None, VALUE, into_log=False)
    by(late, scene=scene)
    world.logged(late)
    refused(7, "edit 0 of meter SKS00000001 stands at index", scene)


def test_8_what_edits_state_is_stated_apart() -> None:
    scene = scenes.edited()
    blocks = [energy(at) for at in range(TEN, scenes.NOON, 900)]
    measured = [sum(b[0] for b in blocks), sum(b[1] for b in blocks)]
    chains: list[Any] = [(scene.world.gateway.kid, scene.batches[-1], [])]
    row = [*scenes.part(scene.records[0], 0, chains, counts=[8, 8, 0, 0, 0, 0], measured=measured), [None, None]]
    item = scenes.statement_of([row], scene.rules[0], scene.opened, status=0)
    scene.actuals = [scene.world.actual([*item, [[METER, 0, scene.edits[0].digest]]], version=2)]
    refused(8, "'counts'", scene)


def test_9_totals_hold_what_was_measured_and_what_was_edited() -> None:
    world = (scene := scenes.conflict()).world
    by(world.edit(0, None, VALUE), scene=scene, totals=[1, 2])
    refused(9, "stated import 1 Wh and export 2 Wh, the parts sum to", scene, rules=agreeing(scene))


@pytest.mark.parametrize("version", [1, 2])
def test_1_the_version_says_whether_there_are_edits(version: int) -> None:
    scene = scenes.edited()
    fields = scenes.statement_of([], scene.rules[0], [], status=3, reason="x", totals=None)
    item = [*fields, [[METER, 0, scene.edits[0].digest]]] if version == 1 else fields
    scene.actuals = [scene.world.logged(signed(scene.world.discom, "window-actual", item, version=version))]
    refused(1, "in 'window-actual'", scene, item=scene.world.bundle(scene.actuals, kind=0))
