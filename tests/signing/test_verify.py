"""The verifier as a whole: what stands, what is attested or erased; check (1)."""

from typing import Any

import pytest

from signing.errors import VerificationError
from signing.statements.window_actual import Status, Totals
from signing.verify import Outcome, verify
from tests.signing import judges
from tests.signing.bundles import refused, revised, trust_of, verified
from tests.vectors import scenes
from tests.vectors.scenes import Scene
from tests.vectors.world import ORIGIN, Batch, World, dumps


def test_a_good_window_is_valid_and_says_as_of_which_tree() -> None:
    verdict = verified(scenes.good())
    assert verdict.outcome is Outcome.VALID
    assert (verdict.tree_size, verdict.origin, verdict.never_admitted, verdict.reason) == (7, ORIGIN, 0, None)
    assert verdict.actual.totals == Totals(import_wh=106, export_wh=6768)


def test_without_a_trust_file_a_bundle_is_unanchored_whoever_signed_it() -> None:
    verdict = verify(dumps(scenes.good().bundle()), None, judges.judge)
    assert (verdict.outcome, verdict.tree_size, verdict.origin) == (Outcome.UNANCHORED, None, None)


def test_1_refuses_bytes_that_do_not_decode() -> None:
    data = dumps(scenes.good().bundle())
    for wrong in (b"", data[:-1], data + b"\0", b"\x9f" + data[1:]):
        with pytest.raises(VerificationError, match=r"^\(1\)"):
            verify(wrong, trust_of(World()), judges.judge)


def test_1_refuses_another_statement_in_the_place_of_an_actual() -> None:
    scene = scenes.good()
    scene.actuals = scene.records
    refused(1, "expected application/vnd.sakshi.window-actual+cbor;v=1", scene)


@pytest.mark.parametrize("place", [5, 7])
def test_1_refuses_records_and_batches_out_of_order_or_twice(place: int) -> None:
    scene = scenes.meter_exchange()
    bundle = scene.bundle()
    bundle[place] = [bundle[place][1], bundle[place][0], *bundle[place][2:]]
    refused(1, "each once", scene, item=bundle)
    bundle = scene.bundle()
    bundle[place].insert(0, bundle[place][0])
    refused(1, "each once", scene, item=bundle)


def test_1_refuses_a_checkpoint_that_is_none() -> None:
    scene = scenes.good()
    bundle = scene.bundle()
    bundle[2] = b"nothing"
    refused(1, "the checkpoint is none", scene, item=bundle)


def test_1_refuses_a_lone_batch_where_a_window_is_asked_for() -> None:
    scene = scenes.good()
    row = scene.world.batch_entry(scene.batches[1])
    refused(
        1,
        "expected a bundle of kind ACTUAL or WINDOW",
        scene,
        item=scene.world.bundle([], scene.records, [], [row], kind=2),
    )


def test_an_actual_alone_is_attested_and_checked_as_far_as_it_goes() -> None:
    scene = revised()
    item = scene.world.bundle(scene.actuals, kind=0)
    assert verified(scene, item=item).outcome is Outcome.ATTESTED
    refused(7, "revision 0 is left out", scene, item=scene.world.bundle(scene.actuals[:1], kind=0))


@pytest.mark.parametrize("row", [0, 1, 2])
def test_an_erased_opening_is_erased_and_never_invalid(row: int) -> None:
    scene = scenes.good(later=2)
    bundle = scene.bundle()
    bundle[7][row][1] = b""
    assert verified(scene, item=bundle).outcome is Outcome.ERASED


def test_what_is_erased_is_still_covered_by_evidence_and_gaps() -> None:
    scene = scenes.open_gap()
    bundle = scene.bundle()
    bundle[7][2][1] = b""
    assert verified(scene, item=bundle).never_admitted == 1
    refused(5, "sequence 1 is left out", scenes.open_gap(stated=False), item=_erased(scenes.open_gap(stated=False)))
    bundle = scenes.good().bundle()
    bundle[7][1][1] = b""
    bundle[7][2][1] = None
    refused(5, "is not opened", scenes.good(), item=bundle)
    bundle = scenes.good().bundle()
    bundle[7][1][1], bundle[7][0][1] = b"", None
    refused(6, "'evidence' does not cover", scenes.good(), item=bundle)


def _erased(scene: Scene) -> list[Any]:
    bundle = scene.bundle()
    bundle[7][0][1] = b""
    return bundle


def test_two_gaps_of_two_parts_are_counted_once_a_chain() -> None:
    assert verified(scenes.open_gap()).never_admitted == 1
    assert verified(scenes.meter_exchange()).never_admitted == 0


def test_a_fork_keeps_both_branches_in_evidence_and_no_figure() -> None:
    verdict = verified(scenes.fork_after_final())
    assert (verdict.outcome, verdict.actual.status, verdict.actual.totals) == (Outcome.VALID, Status.PENDING, None)


def test_a_head_that_is_far_away_costs_headers_only() -> None:
    scene = scenes.good(later=40)
    assert verified(scene).outcome is Outcome.VALID
    row: Batch = scene.batches[20]
    assert scene.rows()[20][1:] == [None, None]
    assert row.sequence == 20
