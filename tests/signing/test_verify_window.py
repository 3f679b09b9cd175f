"""Checks (7) to (9): order, rules, sums. Each test goes red without the check that it is named for."""

from dataclasses import replace
from typing import Any

import pytest

from signing.evidence import Judgement, WindowCase
from signing.statements.window_actual import Status, Totals
from signing.verify import Outcome
from tests.signing import judges
from tests.signing.bundles import agreeing, refused, revised, stating, three_hours, verified
from tests.vectors import scenes
from tests.vectors.scenes import NOON, Scene, part, statement_of
from tests.vectors.world import HOUR, METER, TEN, World, energy, signed


def test_7_p17_refuses_a_rule_set_used_before_it_was_logged() -> None:
    scene = three_hours()
    rules = scenes.signed_rules(scene.world)
    scene.rules = [rules]
    stating(scene)
    scene.world.logged(rules)
    refused(7, "the rule set stands at index", scene)


def test_7_refuses_a_rule_set_that_the_actual_does_not_name() -> None:
    scene = three_hours()
    stating(scene)
    scene.rules = [scene.world.logged(scenes.signed_rules(scene.world))]
    refused(7, "not the one that the actual names", scene)


def test_7_refuses_a_batch_logged_after_the_actual() -> None:
    scene, _ = scenes.start()
    world = scene.world
    nine, ten = world.batch(TEN - HOUR, registers=[TEN]), world.batch(TEN)
    eleven = world.batch(TEN + HOUR, registers=[NOON], into_log=False)
    scene.batches = scene.opened = [nine, ten, eleven]
    stating(scene)
    world.logged(eleven)
    refused(7, "sequence 2 of meter", scene)


def test_7_refuses_a_record_logged_after_the_actual() -> None:
    scene, enrolment = scenes.start()
    world = scene.world
    speakers = [world.speaker(world.gateway, enrolment)]
    previous = scene.records[0].digest
    late = signed(world.discom, "meter-record", [METER, 1, previous, 0, [world.fact()], speakers, world.salt()])
    scene.records.append(late)
    stating(scenes.hours(scene))
    world.logged(late)
    refused(7, f"record 1 of meter {METER} stands at index", scene)


def test_7_revisions_go_down_to_0_each_naming_the_one_before() -> None:
    assert verified(revised()).actual.revision == 1
    scene = revised()
    del scene.actuals[1]
    refused(7, "revision 0 is left out", scene)
    refused(7, "revision 1 is left out", revised(revision=2))
    refused(7, "revision 1 does not supersede the revision 0 shown", revised(supersedes=bytes(32)))
    refused(7, "revision 0 is of another subject", revised(subject=["CP-MEERUT-1", "another"]))


def test_7_refuses_a_revision_logged_before_the_one_that_it_supersedes() -> None:
    scene = three_hours()
    world = scene.world
    row = part(scene.records[0], 0, [(world.gateway.kid, scene.batches[-1], [])])
    first = signed(world.discom, "window-actual", statement_of([row], scene.rules[0], scene.opened))
    fields = {"revision": 1, "supersedes": first.digest, "cause": 6, "delta": [0, 0]}
    second = world.actual(statement_of([row], scene.rules[0], scene.opened, **fields))
    scene.actuals = [second, world.logged(first)]
    refused(7, "revision 0 stands after revision 1 in the log", scene)


def judged(**changes: Any) -> Any:
    """The small judge with a judgement that is changed."""

    def judge(case: WindowCase) -> Judgement:
        return replace(judges.judge(case), **changes)

    return judge


@pytest.mark.parametrize(
    ("stated", "recomputed", "stands"),
    [
        (Status.FINAL, Status.FINAL, True),
        (Status.FINAL, Status.PROVISIONAL, False),
        (Status.TRUE_UP, Status.FINAL, True),
        (Status.TRUE_UP, Status.PROVISIONAL, False),
        (Status.PROVISIONAL, Status.FINAL, True),
        (Status.PROVISIONAL, Status.PROVISIONAL, True),
        (Status.PROVISIONAL, Status.PENDING, False),
        (Status.PENDING, Status.FINAL, True),
        (Status.NOT_MEASURABLE, Status.NOT_MEASURABLE, True),
        (Status.NOT_MEASURABLE, Status.FINAL, False),
        (Status.WITHDRAWN, Status.PENDING, True),
    ],
)
def test_8_a_status_claims_no_more_than_the_rules_support(stated: Status, recomputed: Status, *, stands: bool) -> None:
    item: dict[str, Any] = {"status": int(stated)}
    if stated >= Status.PENDING:
        item |= {"totals": None, "reason": "held"}
    scene = stating(three_hours(), item=item)
    if stands:
        assert verified(scene, rules=judged(status=recomputed)).outcome is Outcome.VALID
    else:
        refused(
            8, f"stated {stated.name}, the rules recompute to {recomputed.name}", scene, rules=judged(status=recomputed)
        )


def test_8_p9_refuses_parts_that_do_not_recompute() -> None:
    for of_part, message in (
        ({"measured": [106, 6769]}, "'measured_export_wh': stated 6769, recomputed 6768"),
        ({"counts": [8, 7, 1, 0, 0, 0]}, "'counts'"),
        ({"origin": 3}, "'origin'"),
    ):
        refused(8, message, stating(three_hours(), **of_part))


def test_8_refuses_totals_that_do_not_recompute() -> None:
    scene = stating(three_hours(), item={"totals": [106, 6769]})
    refused(8, "stated import 106 Wh and export 6769 Wh, recomputed import 106 Wh and export 6768 Wh", scene)


def test_8_refuses_another_number_of_parts() -> None:
    refused(8, "stated 1 parts, recomputed 0", stating(three_hours()), rules=judged(parts=()))


def test_8_a_withdrawn_window_may_state_other_parts() -> None:
    item = {"status": 5, "totals": None, "reason": "trade cancelled"}
    assert verified(stating(three_hours(), item=item, measured=[None, None])).outcome is Outcome.VALID


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (["V77", 1, TEN, 3], "the rule set holds no version 1"),
        (["V23", 2, TEN, 3], "the rule set holds no version 2"),
        (["V23", 1, TEN - 1, 3], "the block lies outside the window"),
        (["V23", 1, NOON, 3], "the block lies outside the window"),
        (["V23", 1, TEN, 3], "says SUSPECT, and the status is FINAL"),
    ],
)
def test_8_a_stated_finding_can_only_take_away(entry: list[Any], message: str) -> None:
    refused(8, message, stating(three_hours(), item={"stated": [entry]}))


def test_8_a_stated_finding_that_takes_nothing_away_stands() -> None:
    verdict = verified(stating(three_hours(), item={"stated": [["V23", 1, TEN, 0]]}))
    assert verdict.outcome is Outcome.VALID
    held = {"status": 3, "totals": None, "reason": "ORIGIN", "stated": [["V23", 1, TEN, 3]]}
    assert verified(stating(three_hours(), item=held)).outcome is Outcome.VALID


def test_9_refuses_totals_that_are_not_the_sum_of_the_parts() -> None:
    wrong = Totals(import_wh=106, export_wh=6769)
    scene = stating(three_hours(), item={"totals": [106, 6769]})
    refused(9, "the parts sum to import 106 Wh and export 6768 Wh", scene, rules=judged(totals=wrong))


def test_9_refuses_totals_of_nothing() -> None:
    item = {"status": 0, "totals": [0, None]}
    scene, _ = scenes.start()
    scenes.hours(scene)
    of_part = {"counts": [8, 0, 0, 0, 0, 8], "measured": [None, None], "origin": None}

    stating(scene, item=item, **of_part)
    refused(9, "the parts sum to no totals", scene, rules=agreeing(scene))


def test_9_factors_are_applied_to_the_sum_of_a_part_and_rounded_once() -> None:
    scene = scenes.good(ct=[3, 20])
    bundle_totals = [16, 1015]  # 106 · 3/20 = 15.9; 6768 · 3/20 = 1015.2
    row = part(scene.records[0], 0, [(scene.world.gateway.kid, scene.batches[-1], [])])
    scene.actuals = [scene.world.actual(statement_of([row], scene.rules[0], scene.opened, totals=bundle_totals))]
    assert verified(scene).actual.totals == Totals(import_wh=16, export_wh=1015)


def test_9_a_window_without_an_export_register_has_no_export() -> None:
    scene, _ = scenes.start()
    world = scene.world

    def only_import(at: int) -> tuple[int | None, int | None]:
        return energy(at)[0], None

    hours = [(TEN - HOUR, [TEN]), (TEN, []), (TEN + HOUR, [NOON])]
    scene.batches = scene.opened = [world.batch(at, registers=r, value=only_import) for at, r in hours]
    stating(scene, item={"totals": [106, None]}, measured=[106, None])
    assert verified(scene).actual.totals == Totals(import_wh=106, export_wh=None)
    refused(
        8,
        "recomputed import 106 Wh and export None Wh",
        stating(scene, item={"totals": [106, 0]}, measured=[106, None]),
    )


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(TEN, TEN + HOUR)], "parts end at 2026-04-26 11:00:00 IST, the window at"),
        ([(TEN + 900, NOON)], "parts do not meet at 2026-04-26 10:00:00 IST"),
        ([(TEN, TEN + HOUR), (TEN + 900, NOON)], "parts do not meet at 2026-04-26 11:00:00 IST"),
    ],
)
def test_9_refuses_parts_that_overlap_or_do_not_cover(spans: list[tuple[int, int]], message: str) -> None:
    scene = three_hours()
    world = scene.world
    chains: list[Any] = [(world.gateway.kid, scene.batches[-1], [])]
    rows = [part(scene.records[0], 0, chains, start=start, end=end) for start, end in spans]
    scene.actuals = [world.actual(statement_of(rows, scene.rules[0], scene.opened))]
    refused(9, message, scene, rules=agreeing(scene))


@pytest.mark.parametrize("change", [{"point": "CP-OTHER"}, {"role": 1}])
def test_9_p8_refuses_a_meter_that_is_not_the_subjects(change: dict[str, Any]) -> None:
    for since in (TEN - 90 * 86_400, TEN + HOUR):
        world = World()
        scene = Scene(world, rules=[world.rules()])
        enrolment = world.enrol(world.gateway, METER)
        facts = [world.fact(), world.fact(since=since, **change)][-1 if since < TEN else 0 :]
        scene.records = [world.record(METER, 0, None, [world.speaker(world.gateway, enrolment)], facts)]
        refused(9, "is not a REVENUE meter of CP-MEERUT-1", stating(scenes.hours(scene)))


def test_9_refuses_a_meter_of_which_nothing_is_recorded_yet() -> None:
    world = World()
    scene = Scene(world, rules=[world.rules()])
    enrolment = world.enrol(world.gateway, METER)
    facts = [world.fact(since=TEN + 900)]
    scene.records = [world.record(METER, 0, None, [world.speaker(world.gateway, enrolment)], facts)]
    scene = stating(scenes.hours(scene))
    refused(9, "is not a REVENUE meter", scene, rules=agreeing(scene))


def test_9_delta_is_the_change_between_two_totals() -> None:
    refused(9, "expected the delta (0, 0), got (0, 1)", revised(delta=[0, 1]))
    refused(9, "expected the delta (0, 0), got None", revised(delta=None))
    refused(9, "expected the delta None, got (0, 0)", stating(three_hours(), item={"delta": [0, 0]}))
    held = {"status": 3, "totals": None, "reason": "held"}
    assert verified(revised(**held, delta=None)).outcome is Outcome.VALID
    refused(9, "expected the delta None", revised(**held))


def test_9_a_window_without_totals_may_know_no_meter() -> None:
    scene = Scene(World())
    scene.rules = [scene.world.rules()]
    item = {"status": 3, "totals": None, "reason": "no meter is known"}
    scene.actuals = [scene.world.actual(statement_of([], scene.rules[0], [], **item))]
    assert verified(scene).outcome is Outcome.VALID
    scene.actuals = [scene.world.actual(statement_of([], scene.rules[0], [], totals=[0, None]))]
    refused(9, "parts end at", scene, rules=agreeing(scene))
