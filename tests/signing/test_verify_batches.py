"""Check (4): signatures, records, and who may speak. Each test goes red without the check that it is named for."""

import pytest

from signing.verify import Outcome
from tests.signing.bundles import refused, stating, three_hours, verified
from tests.vectors import scenes
from tests.vectors.scenes import NOON, Scene
from tests.vectors.world import HOUR, METER, TEN, Key, World, signed


@pytest.mark.parametrize("place", [4, 5, 6])
def test_4_refuses_a_statement_of_the_discom_whose_signature_does_not_verify(place: int) -> None:
    scene = scenes.good()
    statement = (scene.actuals, scene.records, scene.rules)[place - 4][0]
    statement.signature = bytes(64)
    refused(4, "the signature is not that of key", scene)


def test_4_p12_refuses_a_bundle_that_leaves_the_revoking_record_out() -> None:
    refused(4, f"record 1 of meter {METER} is left out", scenes.omitted_revoke())


def test_4_p12_refuses_what_was_logged_after_revocation_whatever_times_it_states() -> None:
    refused(4, "at index 5, record 1 does not let this key speak", scenes.revoked())


def test_4_refuses_records_with_a_hole_another_past_or_out_of_order() -> None:
    scene = scenes.revoked()
    first, second = scene.records
    scene.records = [second]
    refused(4, f"record 0 of meter {METER} is left out, got record 1", scene)
    scene, enrolment = scenes.start()
    world = scene.world
    speakers = [world.speaker(world.gateway, enrolment)]
    scene.records.append(world.record(METER, 1, first.payload[:32], speakers))
    refused(4, "record 1 of meter SKS00000001 does not name the record before it", stating(scenes.hours(scene)))


def test_4_refuses_a_record_logged_before_the_one_that_it_follows() -> None:
    scene, enrolment = scenes.start()
    world = scene.world
    speakers = [world.speaker(world.gateway, enrolment)]
    zero = signed(world.discom, "meter-record", [METER, 0, None, 0, [world.fact()], speakers, world.salt()])
    scene.records = [zero, world.record(METER, 1, zero.digest, speakers)]
    world.logged(zero)
    refused(4, "record 1 of meter SKS00000001 stands before the record", stating(scenes.hours(scene)))


def test_4_refuses_a_record_that_names_another_log() -> None:
    scene, enrolment = scenes.start()
    world = scene.world
    item = [METER, 0, None, 1, [world.fact()], [world.speaker(world.gateway, enrolment)], world.salt()]
    scene.records = [world.logged(signed(world.discom, "meter-record", item))]
    refused(4, "says log 1", stating(scenes.hours(scene)))


def test_4_refuses_a_bundle_without_the_meters_records() -> None:
    scene = three_hours()
    stating(scene)
    bundle = scene.bundle()
    bundle[5], bundle[7] = [], []
    refused(4, f"the records of meter {METER} are left out", scene, item=bundle)


def test_4_refuses_a_key_that_no_record_names() -> None:
    scene, _ = scenes.start()
    thief = Key(21)
    scene.world.enrol(thief, METER)
    scenes.hours(scene)
    intruder = scene.world.batch(TEN, key=thief)
    scene.batches.append(intruder)
    scene.opened.append(intruder)
    refused(4, "no record lets the key", stating(scene, chains=[(scene.world.gateway.kid, scene.batches[2], [])]))


def test_4_refuses_a_batch_logged_before_any_record() -> None:
    world = World()
    scene = Scene(world)
    scene.rules = [world.rules()]
    enrolment = world.enrol(world.gateway, METER)
    scenes.hours(scene)
    scene.records = [world.record(METER, 0, None, [world.speaker(world.gateway, enrolment)])]
    refused(4, "no record does not let this key speak", stating(scene))


def test_4_refuses_a_sequence_above_the_last_of_a_retired_key() -> None:
    scene, enrolment = scenes.start()
    world = scene.world
    nine, ten = world.batch(TEN - HOUR, registers=[TEN]), world.batch(TEN)
    retired = [world.speaker(world.gateway, enrolment, 1, [ten.sequence, ten.digest])]
    scene.records.append(world.record(METER, 1, scene.records[0].digest, retired))
    eleven = world.batch(TEN + HOUR, registers=[NOON])
    scene.batches = scene.opened = [nine, ten, eleven]
    refused(4, "record 1 does not let this key speak", stating(scene))


def test_4_refuses_a_header_that_is_neither_signed_nor_linked() -> None:
    scene = three_hours()
    stating(scene)
    scene.batches[2].signature = bytes(64)
    refused(4, "sequence 2", scene)


def test_4_p19_a_damaged_signature_inside_a_run_loses_nothing() -> None:
    scene = scenes.good()
    for batch in scene.batches[:3]:
        batch.signature = bytes(64)
    assert verified(scene).outcome is Outcome.VALID


def test_4_refuses_the_end_of_a_run_that_the_log_does_not_hold() -> None:
    scene = scenes.good(later=3)
    bundle = scene.bundle()
    del bundle[7][4]
    refused(4, "has no place in the log, and sequence 4 that names it is left out", scene, item=bundle)


def test_4_refuses_another_algorithm_under_a_link() -> None:
    scene, _ = scenes.start()
    world = scene.world
    nine = world.batch(TEN - HOUR, registers=[TEN], algorithm=-8)
    scene.batches = scene.opened = [nine, world.batch(TEN), world.batch(TEN + HOUR, registers=[NOON])]
    refused(4, "expected algorithm -7", stating(scene))
