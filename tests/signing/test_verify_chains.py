"""Checks (5) and (6): chains, openings, evidence. Each test goes red without the check that it is named for."""

from typing import Any

import pytest

from signing.verify import Outcome
from tests.signing.bundles import refused, stating, three_hours, verified
from tests.vectors import scenes
from tests.vectors.scenes import NOON, part, statement_of
from tests.vectors.world import HOUR, METER, TEN, Key, evidence


def test_5_refuses_an_opening_that_is_not_the_headers() -> None:
    scene = three_hours()
    stating(scene)
    scene.batches[1].opening = scene.batches[1].opening.replace(b"SN-0001", b"SN-0002")
    refused(5, "the opening is not the one that the header commits to", scene)


def test_5_a_chain_that_does_not_start_at_the_enrolment_is_a_fork() -> None:
    scene, _ = scenes.start()
    scene.world.chains[METER, scene.world.gateway.kid].previous = bytes(32)
    refused(8, "stated FINAL, the rules recompute to PENDING", stating(scenes.hours(scene)))


@pytest.mark.parametrize("row", range(6))
def test_5_p4_names_any_header_that_is_left_out(row: int) -> None:
    scene = scenes.good(later=3)
    scene.opened = scene.batches[:3]
    scene.ends = scene.batches[3:]
    bundle = scene.bundle()
    del bundle[7][row]
    said = refused(5, f"sequence {row}", scene, item=bundle)
    assert "is left out" in said


def test_5_refuses_a_stated_gap_that_is_none() -> None:
    for gaps in ([[1, 1]], [[0, 0]], [[3, 9]]):
        refused(5, f"sequence {gaps[0][0]} is stated as a gap, and is none", stating(three_hours(), gaps=gaps))


def test_5_compares_gaps_at_both_ends() -> None:
    for skipped, stated, message in (
        (2, [[1, 1]], "sequence 2 is left out"),
        (1, [[1, 2]], "sequence 2 is stated as a gap"),
    ):
        scene, _ = scenes.start()
        world = scene.world
        scene.batches = [world.batch(TEN - HOUR, registers=[TEN])]
        for _ in range(skipped):
            world.skip(TEN + 9 * HOUR)
        chain = world.chains[METER, world.gateway.kid]
        chain.reach = scene.batches[0].end
        scene.batches += [world.batch(TEN), world.batch(TEN + HOUR, registers=[NOON])]
        scene.opened = list(scene.batches)
        refused(5, message, stating(scene, gaps=stated))


def test_5_refuses_another_head() -> None:
    scene = three_hours()
    refused(5, "stated head sequence 1", stating(scene, chains=[(scene.world.gateway.kid, scene.batches[1], [])]))
    scene = three_hours()
    refused(5, "stated head no batch", stating(scene, chains=[(scene.world.gateway.kid, None, [])]))


def test_5_names_a_chain_of_which_nothing_is_shown() -> None:
    scene = three_hours()
    stating(scene)
    bundle = scene.bundle()
    bundle[7] = []
    assert "bundle ends at no batch" in refused(5, "stated head sequence 2", scene, item=bundle)


def test_5_refuses_an_actual_that_is_silent_about_a_key() -> None:
    scene, enrolment = scenes.start()
    world, second = scene.world, Key(22)
    speakers = [world.speaker(world.gateway, enrolment), world.speaker(second, world.enrol(second, METER))]
    scene.records.append(world.record(METER, 1, scene.records[0].digest, speakers))
    refused(5, "the chain of every key that its records name", stating(scenes.hours(scene)))


def test_5_a_key_that_never_spoke_has_a_chain_without_a_head() -> None:
    scene, enrolment = scenes.start()
    world, second = scene.world, Key(22)
    speakers = [world.speaker(world.gateway, enrolment), world.speaker(second, world.enrol(second, METER))]
    scene.records.append(world.record(METER, 1, scene.records[0].digest, speakers))
    scenes.hours(scene)
    chains: list[Any] = [(world.gateway.kid, scene.batches[-1], []), (second.kid, None, [])]
    assert verified(stating(scene, chains=chains)).outcome is Outcome.VALID


def test_5_refuses_an_opening_withheld_and_one_too_many() -> None:
    scene = scenes.good()
    bundle = scene.bundle()
    bundle[7][1][1] = None
    refused(5, "sequence 1 of meter SKS00000001", scene, item=bundle)
    bundle = scene.bundle()
    bundle[7][3] = scene.world.batch_entry(scene.batches[3])
    refused(5, "is opened, and the window does not rest on it", scene, item=bundle)


def test_5_refuses_a_context_batch_without_a_place_in_the_log() -> None:
    scene = scenes.good()
    bundle = scene.bundle()
    bundle[7][1][2] = None
    refused(5, "has no place in the log", scene, item=bundle)


def test_5_refuses_headers_below_the_base() -> None:
    scene, _ = scenes.start()
    below = [scene.world.batch(TEN - HOUR * ago) for ago in (3, 2)]
    scenes.hours(scene)
    assert verified(stating(scene)).outcome is Outcome.VALID
    scene.batches.insert(0, below[1])
    refused(5, f"sequence 1 of meter {METER}", scene)


def test_5_refuses_meters_that_are_in_no_part() -> None:
    scene, _ = scenes.start()
    world = scene.world
    enrolment = world.enrol(world.gateway, "SKS00000009")
    scene.records.append(world.record("SKS00000009", 0, None, [world.speaker(world.gateway, enrolment)]))
    scenes.hours(scene)
    rows = [part(scene.records[0], 0, [(world.gateway.kid, scene.batches[-1], [])])]
    scene.actuals = [world.actual(statement_of(rows, scene.rules[0], scene.opened))]
    refused(5, "speaks of meter SKS00000009", scene)


def test_6_refuses_evidence_that_leaves_out_or_adds_a_batch() -> None:
    scene = three_hours()
    stating(scene, item={"evidence": evidence(scene.batches[1:])})
    refused(6, "'evidence' does not cover exactly the 3 batches", scene)
    scene = scenes.good()
    extra = evidence(scene.batches)
    row = part(scene.records[0], 0, [(scene.world.gateway.kid, scene.batches[-1], [])])
    scene.actuals = [scene.world.actual(statement_of([row], scene.rules[0], scene.opened, evidence=extra))]
    refused(6, "'evidence' does not cover", scene)
