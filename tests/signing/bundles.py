"""Bundles for the tests of the verifier: a scene's bytes, verified under its own trust file by a small judge."""

from typing import Any

import pytest

from signing.envelope import headers_of
from signing.errors import VerificationError
from signing.evidence import Judge, Judgement, WindowCase
from signing.statements.window_actual import Status, parse_actual
from signing.trust import TrustRoot, parse_trust
from signing.verify import Verdict, verify
from tests.signing.judges import judge
from tests.vectors import scenes
from tests.vectors.scenes import Scene, part, statement_of
from tests.vectors.world import World, dumps


def trust_of(world: World, **more: Any) -> TrustRoot:
    """The trust root of a world."""
    return parse_trust(world.trust(**more))


def verified(scene: Scene, *, item: Any = None, rules: Judge = judge, trust: TrustRoot | None = None) -> Verdict:
    """The verdict on a scene's bundle, or on `item` in its place."""
    data = dumps(scene.bundle() if item is None else item)
    return verify(data, trust or trust_of(scene.world), rules)


def refused(check: int, message: str, scene: Scene, **more: Any) -> str:
    """That the verifier refuses by this check, with these words; and all that it says."""
    with pytest.raises(VerificationError) as caught:
        verified(scene, **more)
    assert caught.value.check == check, str(caught.value)
    assert message in str(caught.value)
    return str(caught.value)


def agreeing(scene: Scene) -> Judge:
    """A judge that finds what the scene's newest actual states: for checks that must hold whatever the rules say."""
    statement = scene.actuals[0]
    stated = parse_actual(headers_of(statement.protected)[1], statement.payload)

    def judge_so(case: WindowCase) -> Judgement:
        status = Status.FINAL if stated.status is Status.TRUE_UP else stated.status
        return Judgement(status=status, reason=stated.reason, totals=stated.totals, parts=stated.parts, stated=())

    return judge_so


def stating(scene: Scene, *, item: dict[str, Any] | None = None, **of_part: Any) -> Scene:
    """The scene of three hours with an actual that says otherwise."""
    gaps = of_part.pop("gaps", [])
    chains = of_part.pop("chains", None) or [(scene.world.gateway.kid, scene.batches[-1], gaps)]
    rows = [part(scene.records[-1], len(scene.records) - 1, chains, **of_part)]
    scene.actuals = [scene.world.actual(statement_of(rows, scene.rules[0], scene.opened, **(item or {})))]
    return scene


def three_hours() -> Scene:
    return scenes.hours(scenes.start()[0])


def revised(**item: Any) -> Scene:
    """Two revisions with the same figures; `item` changes the second."""
    scene = three_hours()
    stating(scene)
    first = scene.actuals[0]
    fields = {"revision": 1, "supersedes": first.digest, "cause": 6, "delta": [0, 0]} | item
    row = part(scene.records[0], 0, [(scene.world.gateway.kid, scene.batches[-1], [])])
    scene.actuals.insert(0, scene.world.actual(statement_of([row], scene.rules[0], scene.opened, **fields)))
    return scene
