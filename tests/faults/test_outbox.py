"""The outbox when a step fails: {failed unpersisted, failed persisted} for everything that it writes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.outbox.outbox import Outbox
from edge_agent.steps import Alarm, AlarmKind, Delay, Park, Pending
from signing.messages import Up
from tests.edge_agent.discom import Discom, refused
from tests.edge_agent.gateway import Gateway, draft, to_send
from tests.edge_agent.outbox.crash import resend_all, settle_of

UNPERSISTED, PERSISTED = "written", "committed"


class BrokenError(Exception):
    """What a broken disk does at one step."""


class Breaks:
    """A hook that fails at one step, once."""

    def __init__(self, step: str) -> None:
        self.step: str | None = step

    def __call__(self, reached: str) -> None:
        if reached == self.step:
            self.step = None
            raise BrokenError


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


@pytest.fixture
def discom(tmp_path: Path) -> Discom:
    return Discom(tmp_path)


def pending_of(outbox: Outbox) -> Pending:
    (pending,) = to_send(outbox)
    return pending


@pytest.mark.parametrize("outcome", [UNPERSISTED, PERSISTED])
def test_a_batch_whose_signing_fails_is_there_whole_or_not_at_all(gateway: Gateway, outcome: str) -> None:
    with gateway.open(Breaks(f"put:{outcome}")) as outbox:
        with pytest.raises(BrokenError):
            gateway.put(outbox, draft(0))
        assert len(to_send(outbox)) == (1 if outcome == PERSISTED else 0)
        # The caller tries again, as after a restart.
        assert (gateway.put(outbox, draft(0)) is None) == (outcome == PERSISTED)
        assert len(to_send(outbox)) == 1


@pytest.mark.parametrize("outcome", [UNPERSISTED, PERSISTED])
def test_a_receipt_that_fails_is_noted_when_it_comes_again(gateway: Gateway, discom: Discom, outcome: str) -> None:
    with gateway.open(Breaks(f"settle:{outcome}")) as outbox:
        gateway.put(outbox, draft(0))
        pending = pending_of(outbox)
        step = settle_of(discom.answer(Up(pending.envelope, pending.opening, 0)))
        with pytest.raises(BrokenError):
            outbox.settle(step, 1)
        assert len(to_send(outbox)) == (0 if outcome == PERSISTED else 1)
        outbox.settle(step, 2)
        assert to_send(outbox) == []
        assert outbox.sightings.seen() == step.checkpoint


STEPS: dict[str, Callable[[Outbox, Pending], object]] = {
    "delay": lambda outbox, pending: outbox.delay(
        Delay(digest=pending.digest, attempts=1, not_before_utc=500, refusal=None)
    ),
    "park": lambda outbox, pending: outbox.park(Park(digest=pending.digest, refusal=refused(pending.envelope))),
    "obey": lambda outbox, _: outbox.obey(resend_all(outbox.kid)),
    "alarm": lambda outbox, _: outbox.sightings.alarm(Alarm(AlarmKind.FORKED, "two trees", b"evidence"), 1),
    "prune": lambda outbox, _: outbox.prune(10**9),
    "release": lambda outbox, _: outbox.release(),
    "horizon": lambda outbox, _: outbox.memory.empty_before("M2", 900),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("outcome", [UNPERSISTED, PERSISTED])
def test_a_step_that_fails_leaves_the_outbox_usable_and_can_be_done_again(
    gateway: Gateway, name: str, outcome: str
) -> None:
    with gateway.open(Breaks(f"{name}:{outcome}")) as outbox:
        gateway.put(outbox, draft(0))
        pending = pending_of(outbox)
        with pytest.raises(BrokenError):
            STEPS[name](outbox, pending)
        STEPS[name](outbox, pending)
        assert gateway.put(outbox, draft(1)) is not None
        backlog = outbox.report.backlog()
        assert (backlog.waiting, backlog.parked) == ((1, 1) if name == "park" else (2, 0))
