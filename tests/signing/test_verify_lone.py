"""One batch on its own, and receipts against a bundle."""

from typing import Any

import pytest

from signing.errors import DecodeError, VerificationError
from signing.verify_lone import BatchOutcome, confront, lone_header, verify_batch
from tests.signing.bundles import stating, three_hours, trust_of
from tests.vectors import scenes
from tests.vectors.scenes import NOON, Scene
from tests.vectors.world import HOUR, METER, TEN, Batch, Key, World, dumps, signed


def lone(scene: Scene, batch: Batch, *, logged: bool = True, records: Any = None) -> list[Any]:
    """A bundle of kind BATCH."""
    row = [batch.tag, batch.opening, scene.world.place(batch) if logged else None]
    return scene.world.bundle([], scene.records if records is None else records, [], [row], kind=2)


def refused(check: int, message: str, item: Any, world: World) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_batch(dumps(item), trust_of(world))
    assert (caught.value.check, message in str(caught.value)) == (check, True), str(caught.value)


def test_a_logged_batch_of_a_key_that_speaks_is_authentic() -> None:
    scene = three_hours()
    verdict = verify_batch(dumps(lone(scene, scene.batches[1])), trust_of(scene.world))
    assert (verdict.outcome, verdict.index, verdict.tree_size) == (BatchOutcome.AUTHENTIC, 3, 5)
    assert verdict.batch.opening is not None


def test_a_batch_without_a_place_is_not_logged() -> None:
    scene = three_hours()
    verdict = verify_batch(dumps(lone(scene, scene.batches[1], logged=False)), trust_of(scene.world))
    assert (verdict.outcome, verdict.index) == (BatchOutcome.NOT_LOGGED, None)


def test_a_batch_without_a_trust_file_or_before_the_pin_is_unanchored() -> None:
    scene = three_hours()
    data = dumps(lone(scene, scene.batches[1]))
    assert verify_batch(data, None).outcome is BatchOutcome.UNANCHORED
    scene.world.logged(scenes.signed_rules(scene.world))
    verdict = verify_batch(data, trust_of(scene.world, pin=scene.world.checkpoint()))
    assert (verdict.outcome, "before the pinned" in (verdict.reason or "")) == (BatchOutcome.UNANCHORED, True)


def test_1_refuses_a_window_where_a_batch_is_asked_for() -> None:
    scene = scenes.good()
    refused(1, "expected a bundle of kind BATCH, got WINDOW", scene.bundle(), scene.world)


def test_0_p20_refuses_foreign_keys() -> None:
    scene = scenes.hours(scenes.start(World(discom=Key(9)))[0])
    refused(0, "not the discom's", lone(scene, scene.batches[1]), World())


def test_3_refuses_a_place_that_the_log_does_not_have() -> None:
    scene = three_hours()
    item = lone(scene, scene.batches[1])
    item[7][0][2][0] += 1
    refused(3, "the log does not hold sequence 1", item, scene.world)


def test_4_refuses_a_wrong_signature_a_stranger_and_a_revoked_key() -> None:
    scene = three_hours()
    scene.batches[1].signature = bytes(64)
    refused(4, "sequence 1 of meter", lone(scene, scene.batches[1]), scene.world)
    thief = Key(21)
    scene.world.enrol(thief, METER)
    refused(4, "no record lets the key", lone(scene, scene.world.batch(TEN, key=thief)), scene.world)
    scene = scenes.revoked()
    refused(4, "record 1 does not let this key speak", lone(scene, scene.batches[2]), scene.world)


def test_4_p8_refuses_the_records_of_another_meter() -> None:
    scene = three_hours()
    world = scene.world
    enrolment = world.enrol(world.gateway, "SKS00000009")
    other = world.record("SKS00000009", 0, None, [world.speaker(world.gateway, enrolment)])
    refused(
        4, f"expected the records of meter {METER} and no other", lone(scene, scene.batches[1], records=[other]), world
    )
    both = [*scene.records, other]
    refused(
        4, f"expected the records of meter {METER} and no other", lone(scene, scene.batches[1], records=both), world
    )


def test_5_refuses_another_opening() -> None:
    scene = three_hours()
    item = lone(scene, scene.batches[1])
    item[7][0][1] = item[7][0][1].replace(b"SN-0001", b"SN-0003")
    refused(5, "the opening is not the one", item, scene.world)


def test_a_header_is_read_from_a_message_or_from_a_bundle() -> None:
    scene = three_hours()
    batch = scene.batches[1]
    for item in ([1, batch.tag, batch.opening, 0], lone(scene, batch)):
        kid, digest, header = lone_header(dumps(item))
        assert (kid, digest, header.sequence) == (batch.kid, batch.digest, 1)
    for data in (b"", dumps(scenes.good().bundle())):
        with pytest.raises(DecodeError, match=r"expected an up message .* or a bundle of kind BATCH"):
            lone_header(data)


def confronted(scene: Scene, *receipts: Any, batches: tuple[Batch, ...] = (), kind: int = 1) -> tuple[str, ...]:
    bundle = scene.bundle() if kind else scene.world.bundle(scene.actuals, kind=0)
    ups = [dumps([1, batch.tag, batch.opening, 0]) for batch in batches]
    return confront(dumps(bundle), trust_of(scene.world), [dumps(receipt) for receipt in receipts], ups)


def test_a_receipt_of_what_the_bundle_shows_leaves_nothing_open() -> None:
    scene = stating(three_hours())
    assert confronted(scene, scene.world.receipt(*scene.batches)) == ()


def test_a_receipt_for_a_header_shown_without_its_place_leaves_nothing_open() -> None:
    scene = scenes.good(later=3)
    assert confronted(scene, scene.world.receipt(scene.batches[4])) == ()


def test_a_receipt_for_an_edit_that_is_shown_leaves_nothing_open() -> None:
    scene = scenes.edited()
    item: list[Any] = scene.world.receipt()
    item[5] = [[scene.edits[0].digest, *scene.world.place(scene.edits[0])]]
    assert confronted(scene, item) == ()


def test_a_batch_logged_after_the_actual_speaks_against_nothing() -> None:
    scene = stating(three_hours())
    late = scene.world.batch(TEN)
    bundle = stating(three_hours())
    assert confronted(bundle, scene.world.receipt(late), batches=(late,)) == ()


def test_5_a_batch_that_touches_the_context_and_is_left_out_is_named() -> None:
    scene = three_hours()
    late = scene.world.batch(TEN)
    other_meter = scene.world
    other_meter.enrol(scene.world.gateway, "SKS00000009")
    elsewhere = scene.world.batch(TEN, meter="SKS00000009")
    stating(scene)
    receipt = scene.world.receipt(late)
    assert len(confronted(scene, receipt)) == 1
    with pytest.raises(VerificationError, match=r"^\(5\) the bundle leaves out sequence 3"):
        confronted(scene, receipt, batches=(late,))
    assert confronted(scene, scene.world.receipt(elsewhere), batches=(elsewhere,)) == ()


def test_5_a_batch_of_the_windows_time_above_the_stated_head_is_named_by_an_actual_alone() -> None:
    scene = three_hours()
    late, elsewhere = scene.world.batch(TEN), scene.world.batch(NOON + 9 * HOUR)
    stating(scene)
    with pytest.raises(VerificationError, match=r"^\(5\) the bundle leaves out sequence 3"):
        confronted(scene, scene.world.receipt(late), batches=(late,), kind=0)
    assert confronted(scene, scene.world.receipt(elsewhere), batches=(elsewhere,), kind=0) == ()


def test_batches_up_to_the_stated_head_speak_against_no_actual_alone() -> None:
    scene = stating(three_hours())
    assert confronted(scene, scene.world.receipt(*scene.batches), batches=tuple(scene.batches), kind=0) == ()


def test_5_a_batch_of_a_chain_that_is_said_to_have_none_is_named() -> None:
    scene = three_hours()
    stating(scene, chains=[(scene.world.gateway.kid, None, [])])
    batch = scene.batches[1]
    with pytest.raises(VerificationError, match=r"^\(5\) the bundle leaves out sequence 1"):
        confronted(scene, scene.world.receipt(batch), batches=(batch,), kind=0)


@pytest.mark.parametrize("kind", [0, 1])
def test_5_a_receipt_for_a_stated_gap_is_named(kind: int) -> None:
    scene, _ = scenes.start()
    world = scene.world
    nine, lost = world.batch(TEN - HOUR, registers=[TEN]), world.batch(NOON + 5 * HOUR)
    world.chains[METER, world.gateway.kid].reach = nine.end
    scene.batches = [nine, world.batch(TEN), world.batch(TEN + HOUR, registers=[NOON])]
    scene.opened = list(scene.batches)
    stating(scene, gaps=[[1, 1]])
    with pytest.raises(VerificationError, match="leaves out sequence 1 of meter"):
        confronted(scene, world.receipt(lost), batches=(lost,), kind=kind)


def test_2_two_histories_are_named() -> None:
    scene = stating(three_hours())
    other = three_hours()
    other.world.batch(NOON)
    clone = other.world.batch(NOON + HOUR)
    assert len(other.world.leaves) == len(scene.world.leaves) + 1
    for receipt, message in (
        (other.world.receipt(clone, size=len(scene.world.leaves) + 1, old=6), "does not extend the bundle's"),
        (other.world.receipt(other.batches[0], size=6), "signed two trees of size 6"),
    ):
        with pytest.raises(VerificationError, match=message):
            confronted(scene, receipt)
    # Another statement at the index of one that the bundle shows, in trees of other sizes without a path between them.
    forked, _ = scenes.start()
    forked.world.logged(scenes.signed_rules(forked.world))
    intruder = forked.world.batch(TEN)
    with pytest.raises(VerificationError, match="hold two statements at 3"):
        confronted(scene, forked.world.receipt(intruder))


def test_2_a_receipt_that_extends_the_bundles_tree_stands() -> None:
    scene = stating(three_hours())
    data = dumps(scene.bundle())
    after = scene.world.batch(NOON)
    receipt = scene.world.receipt(after, old=6)
    assert confront(data, trust_of(scene.world), [dumps(receipt)], []) == ()


def test_what_is_no_receipt_of_this_log_proves_nothing() -> None:
    scene = stating(three_hours())
    refusal = [bytes(32), bytes(32), bytes(32), 5, "unknown meter", 1, 0]
    answer = [1, 1, signed(scene.world.discom, "refusal", refusal).tag]
    with pytest.raises(DecodeError, match="expected receipts, got a REFUSAL"):
        confronted(scene, answer)
    wrong = scene.world.receipt(scene.batches[0])
    wrong[5][0][2] = []
    with pytest.raises(DecodeError, match="the receipt proves nothing"):
        confronted(scene, wrong)
    foreign = World(origin="other.example/sakshi/0")
    foreign.logged(scene.batches[0])
    with pytest.raises(DecodeError, match="the receipt proves nothing"):
        confronted(stating(three_hours()), foreign.receipt(scene.batches[0]))
