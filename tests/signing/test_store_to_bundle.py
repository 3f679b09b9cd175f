"""What a head-end decides from all that it holds, a stranger recomputes from the bundle: whatever arrived, in whatever order."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headend.windows import evidence, judge
from signing.chain import AdmittedBatch
from signing.claims import read_claims
from signing.evidence import Judgement, PartCase, WindowCase, context, context_batches
from signing.interval import Interval
from signing.statements.window_actual import WITH_TOTALS, Basis
from signing.statements.window_part import part_item
from signing.verify import Outcome
from tests.signing.bundles import verified
from tests.vectors import scenes
from tests.vectors.scenes import NOON, Scene, statement_of
from tests.vectors.world import METER, POINT, POSTED_AS, TEN, Batch, dumps, energy

SPAN = Interval(TEN, NOON)
QUARTER = 900


@st.composite
def stores(draw: st.DrawFn) -> Scene:
    """A head-end that has admitted some of what its gateway signed: late, twice, wrongly, or from a clone."""
    scene, _ = scenes.start()
    world = scene.world
    batches: list[Batch] = []
    for _ in range(draw(st.integers(1, 9))):
        start = TEN + draw(st.integers(-14, 14)) * QUARTER
        blocks = draw(st.integers(1, 8))
        end = start + blocks * QUARTER
        stamps = draw(st.lists(st.sampled_from([start, start + QUARTER, end]), max_size=2, unique=True))
        off = draw(st.sampled_from([0, 0, 0, 0, 700]))
        absent = draw(st.sampled_from([False, False, False, True]))
        header: dict[int, Any] = {}
        if batches and draw(st.sampled_from([False] * 9 + [True])):
            old = draw(st.sampled_from(batches))
            header = {1: old.sequence}
        elif draw(st.sampled_from([False] * 7 + [True])):
            world.skip(start, blocks)

        def value(at: int, off: int = off, absent: bool = absent) -> tuple[int | None, int | None]:  # noqa: FBT001 - bound early
            return (None, None) if absent else (energy(at)[0], energy(at)[1] + off)

        batches.append(world.batch(start, blocks, registers=sorted(stamps), value=value, header=header))
    scene.batches = scene.opened = list({batch.digest: batch for batch in batches}.values())
    return scene


def case_of(scene: Scene, batches: tuple[AdmittedBatch, ...]) -> WindowCase:
    row = scene.world.batch_entry(scene.batches[0])
    claims = read_claims(dumps(scene.world.bundle([], scene.records, [], [row], kind=2)))
    part = PartCase(
        span=SPAN,
        records=tuple(entry.statement for entry in claims.records[METER]),
        record_digests=tuple(record.digest for record in scene.records),
        batches=batches,
    )
    return WindowCase(
        connection_point=POINT,
        posted_as=POSTED_AS,
        window=SPAN,
        rule_set=RULES,
        basis=Basis.NET,
        parts=(part,),
    )


def admitted(scene: Scene) -> tuple[AdmittedBatch, ...]:
    """Everything that the head-end holds, opened."""
    bundle = scenes.good().bundle()
    bundle[7] = scene.rows()
    return tuple(row.batch for row in read_claims(dumps(bundle)).batches)


RULES = read_claims(dumps(scenes.good().bundle())).rule_set.statement  # type: ignore[union-attr]  # kind WINDOW has one


def disclose(scene: Scene, batches: tuple[AdmittedBatch, ...], judgement: Judgement, case: WindowCase) -> None:
    """Attests the judgement and keeps what §7 of the wire format says of the bundle."""
    item = statement_of(
        [part_item(part) for part in judgement.parts],
        scene.rules[0],
        [],
        evidence=evidence(case),
        status=int(judgement.status),
        reason=None if judgement.status in WITH_TOTALS else "open",
        totals=None if judgement.totals is None else [judgement.totals.import_wh, judgement.totals.export_wh],
    )
    scene.actuals = [scene.world.actual(item)]
    whole = context(SPAN, batches)
    base = case.parts[0].chains[0].base(whole)
    kept = [batch for batch in scene.batches if batch.sequence >= base]
    opened = {batch.digest for batch in context_batches(SPAN, batches)}
    named = {(batch.header.sequence - 1, batch.header.previous) for batch in batches}
    scene.batches = kept
    scene.opened = [batch for batch in kept if batch.digest in opened]
    scene.ends = [batch for batch in kept if (batch.sequence, batch.digest) not in named]


@settings(max_examples=300, deadline=2000)
@given(stores())
def test_p6_what_was_decided_from_everything_is_recomputed_from_the_bundle(scene: Scene) -> None:
    batches = admitted(scene)
    case = case_of(scene, batches)
    judgement = judge(case)
    assert judge(case_of(scene, batches[::-1])) == judgement
    disclose(scene, batches, judgement, case)
    verdict = verified(scene, rules=judge)
    assert (verdict.outcome, verdict.actual.totals) == (Outcome.VALID, judgement.totals)
