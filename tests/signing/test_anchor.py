"""Checks (0), (2) and (3): whose keys, whose log, and what the log holds. Each test goes red without the check it is named for."""

from dataclasses import replace

import pytest

from signing.log.note import VerifierKey
from signing.log.witness import WitnessPolicy
from signing.verify import Outcome, verify
from tests.signing import judges
from tests.signing.bundles import refused, trust_of, verified
from tests.vectors import scenes
from tests.vectors.world import EdKey, Key, World, dumps


def test_0_refuses_a_log_that_the_trust_file_does_not_name() -> None:
    scene = scenes.good(World(origin="elsewhere.example/sakshi/0"))
    refused(0, "elsewhere.example/sakshi/0", scene, trust=trust_of(World()))


def test_0_refuses_another_key_under_the_logs_name() -> None:
    refused(0, "not signed by the log key", scenes.good(World(log=EdKey(9))), trust=trust_of(World()))


def test_0_refuses_a_discom_key_that_the_trust_file_does_not_name() -> None:
    refused(0, "is not the discom's at index", scenes.good(World(discom=Key(9))), trust=trust_of(World()))


def test_0_refuses_a_discom_key_outside_its_indices() -> None:
    scene = scenes.good()
    index = scene.actuals[0].index
    assert index is not None
    assert verified(scene, trust=trust_of(scene.world, until=index + 1)).outcome is Outcome.VALID
    refused(0, f"at index {index}", scene, trust=trust_of(scene.world, until=index))


def test_2_refuses_a_checkpoint_whose_signature_does_not_verify() -> None:
    scene = scenes.good()
    bundle = scene.bundle()
    bundle[2] = bundle[2].replace(b"\n7\n", b"\n8\n")
    refused(2, "the checkpoint is not the log's", scene, item=bundle)


def test_2_refuses_a_checkpoint_without_the_witnesses_that_the_policy_asks_for() -> None:
    scene = scenes.good()
    witness = VerifierKey.parse(EdKey(7).verifier("witness.example", 4))
    root = replace(trust_of(scene.world), witnesses=WitnessPolicy(required=1, witnesses=(witness,)))
    refused(2, "lacks witnesses", scene, trust=root)
    bundle = scene.bundle()
    bundle[2] += scene.world.cosignature(EdKey(7), "witness.example")
    assert verified(scene, item=bundle, trust=root).outcome is Outcome.VALID


def test_2_p15_refuses_a_log_that_does_not_extend_the_pinned_one() -> None:
    scene = scenes.good()
    world = World()
    world.logged(scenes.signed_rules(world))
    pinned = trust_of(world, pin=world.checkpoint())
    item = scene.bundle(old_sizes=[1])
    refused(2, "does not extend the pinned one", scene, item=item, trust=pinned)
    # Truncated: as large as the bundle's, and another tree.
    for _ in range(6):
        world.logged(scenes.signed_rules(world))
    pinned = trust_of(world, pin=world.checkpoint())
    refused(2, "does not extend the pinned one", scene, trust=pinned)


def test_2_p15_a_pinned_checkpoint_that_is_not_reached_leaves_the_bundle_unanchored() -> None:
    scene = scenes.good()
    earlier, now = scene.world.checkpoint(4), dumps(scene.bundle())
    with_path = dumps(scene.bundle(old_sizes=[4]))
    scene.world.logged(scenes.signed_rules(scene.world))
    later = scene.world.checkpoint()
    for data, pin, outcome, reason in (
        (with_path, earlier, Outcome.VALID, None),
        (now, earlier, Outcome.UNANCHORED, "no consistency path from the pinned tree size 4"),
        (now, scene.world.checkpoint(7), Outcome.VALID, None),
        (now, later, Outcome.UNANCHORED, "ends at tree size 7, before the pinned 8"),
    ):
        verdict = verify(data, trust_of(scene.world, pin=pin), judges.judge)
        assert verdict.outcome is outcome
        assert (verdict.reason is None) if reason is None else (reason in (verdict.reason or ""))


def test_2_a_pin_of_another_log_says_nothing_of_this_one() -> None:
    scene, other = scenes.good(), World(origin="other.example/sakshi/0", log=EdKey(8))
    other.logged(scenes.signed_rules(other))
    here, there = trust_of(scene.world), trust_of(other, pin=other.checkpoint())
    both = replace(here, logs=here.logs + there.logs, pin=there.pin)
    assert "is of the log 'other.example" in (verified(scene, trust=both).reason or "")


@pytest.mark.parametrize("place", [4, 5, 6])
def test_3_p15_refuses_a_statement_that_the_log_does_not_hold(place: int) -> None:
    scene = scenes.good()
    for at, wrong in ((1, 6), (2, [])):
        bundle = scene.bundle()
        bundle[place][0][at] = wrong if bundle[place][0][at] != wrong else 0
        refused(3, "the log does not hold", scene, item=bundle)


def test_3_refuses_a_batch_that_the_log_does_not_hold() -> None:
    scene = scenes.good()
    for row in range(4):
        bundle = scene.bundle()
        bundle[7][row][2][1] = bundle[7][row][2][1][::-1]
        refused(3, f"the log does not hold sequence {row}", scene, item=bundle)
