"""P6 through real intake: in whatever order batches arrive, and whatever was attested meanwhile, the settled view is the same."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headend.windows import judge, validated
from signing.interval import Interval
from signing.statements.window_actual import WindowActual
from signing.verify import Outcome, verify
from tests.headend.discom import LATER, METER, SUBJECT, attestor, exported, log_rules, stated, trust
from tests.headend.premises import DAY, Gateway, Headend, Message, gateway
from tests.headend.two_persons import NIL, Values, edited, register

HOUR = (100, 110, 90, 100)
SUBJECTS = [
    replace(SUBJECT, window=Interval(DAY + first * 3600, DAY + last * 3600))
    for first, last in ((8, 10), (10, 12), (12, 13))
]


@pytest.fixture
def headends(tmp_path: Path) -> Iterator[list[Headend]]:
    """Three head-ends of one discom."""
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()
    found = [Headend(folder) for folder in folders]
    yield found
    for one in found:
        one.close()


def history(one: Gateway, chance: random.Random) -> list[Message]:
    """A day of one gateway: hours, re-reads, holes, wrong clocks, registers at both ends, perhaps a clone."""
    messages = []
    for hour in range(24):
        imports = [None if chance.random() < 0.02 else 100 for _ in HOUR]
        registers = {0: ((0, 5000),), 23: ((24, 14_600),)}.get(hour, ())
        messages.append(stated(one, hour, imports, registers=registers))
    if chance.random() < 0.5:
        clone = Gateway(one.name, one.signer, one.meters, chains={METER: one.chains[METER][:11]})
        messages.append(stated(clone, 11, (90,) * 4))
    messages += [stated(one, hour, HOUR) for hour in chance.sample(range(24), 8)]
    return messages


def settled(headend: Headend) -> list[tuple[object, ...]]:
    """Per window: totals, coverage, reason, evidence, findings. The record's salt is fresh at every enrolment, and so is its digest."""
    one = attestor(headend)
    one.attest(SUBJECTS, at_utc=LATER)
    views: list[tuple[object, ...]] = []
    for subject in SUBJECTS:
        ready = one.ready(subject.posted_as, subject.window)
        assert ready is not None
        assert verify(exported(headend, ready.actual.digest), trust(headend), judge).outcome is Outcome.VALID
        actual: WindowActual = ready.actual.statement
        coverage = [
            (p.span, p.chains, p.counts, p.measured_import_wh, p.measured_export_wh, p.origin, p.manual_import_wh)
            for p in actual.parts
        ]
        findings = [part.validation.findings for part in validated(one.case(subject))]
        views.append((actual.totals, coverage, actual.reason, actual.evidence, findings))
    return views


EDITS: tuple[Values, ...] = ({DAY + 36_000: (7, 1)}, {DAY + 36_000: (9, 2), DAY + 39_600: NIL}, {DAY + 30_600: (1, 0)})


@pytest.mark.parametrize("seed", range(2))
def test_p6_nor_do_edits_whenever_they_are_made(headends: list[Headend], seed: int) -> None:
    chance = random.Random(100 + seed)
    one = gateway()
    messages = history(one, chance)
    views = []
    for headend in headends:
        log_rules(headend)
        headend.enrol(one)
        register(headend)
        arriving, edits = list(messages), list(EDITS)
        chance.shuffle(arriving)
        while arriving or edits:
            if edits and (not arriving or chance.random() < 0.2):
                edited(headend, edits.pop(0))
            portion = chance.randrange(1, 12)
            headend.take_in(*arriving[:portion])
            arriving = arriving[portion:]
            if headend is headends[2]:
                attestor(headend).attest(SUBJECTS, at_utc=LATER)
        views.append(settled(headend))
    assert views[0] == views[1] == views[2]


@pytest.mark.parametrize("seed", range(3))
def test_p6_the_settled_view_does_not_depend_on_arrival(headends: list[Headend], seed: int) -> None:
    chance = random.Random(seed)
    one = gateway()
    messages = history(one, chance)
    views = []
    for headend in headends:
        log_rules(headend)
        headend.enrol(one)
        arriving = messages + chance.sample(messages, 5)
        if headend is not headends[0]:
            chance.shuffle(arriving)
        while arriving:
            portion = chance.randrange(1, 12)
            headend.take_in(*arriving[:portion])
            arriving = arriving[portion:]
            if headend is headends[2]:
                attestor(headend).attest(SUBJECTS, at_utc=LATER)
        views.append(settled(headend))
    assert views[0] == views[1] == views[2]
