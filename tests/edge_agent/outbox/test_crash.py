"""P23: kill the agent's side at any step → never 0 and never 2 copies counted."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from signing.envelope import parse
from signing.messages import Up
from signing.statements.reading_batch import ReadingBatch
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import REQUEST, Gateway, draft, to_send
from tests.edge_agent.outbox.crash import resend_all, settle_of

ROOT = Path(__file__).parents[3]
STEPS = ("begun", "written", "committed")


def kill_at(gateway: Gateway, action: str, step: str) -> None:
    key = gateway.path.with_name("gateway.pem")
    command = [sys.executable, "-m", "tests.edge_agent.outbox.crash", str(gateway.path), str(key), step, action]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert finished.returncode == -signal.SIGKILL, finished.stderr.decode()


@pytest.mark.parametrize("step", STEPS)
def test_p23_killed_while_signing_leaves_none_or_one_and_then_exactly_one(gateway: Gateway, step: str) -> None:
    with gateway.open() as outbox:
        gateway.put(outbox, draft(0))
    kill_at(gateway, "put", f"put:{step}")
    with gateway.open() as outbox:
        assert len(to_send(outbox)) == (2 if step == "committed" else 1)
        # The agent comes back, finds the block due or signed, and goes on.
        gateway.put(outbox, draft(1))
        gateway.put(outbox, draft(2))
        envelopes = [pending.envelope for pending in to_send(outbox)]
    batches = [ReadingBatch.parse(parse(envelope.encoded()).payload) for envelope in envelopes]
    assert [batch.sequence for batch in batches] == [0, 1, 2]
    assert [batch.previous for batch in batches] == [REQUEST, envelopes[0].digest, envelopes[1].digest]
    assert [batch.start_utc for batch in batches] == [draft(block).start_utc for block in range(3)]


@pytest.mark.parametrize("step", STEPS)
def test_p23_killed_while_noting_a_receipt_it_is_noted_once(gateway: Gateway, discom: Discom, step: str) -> None:
    with gateway.open() as outbox:
        gateway.put(outbox, draft(0))
        (pending,) = to_send(outbox)
    answer = discom.answer(Up(pending.envelope, pending.opening, 0))
    gateway.path.with_name("answer").write_bytes(answer)
    kill_at(gateway, "settle", f"settle:{step}")
    with gateway.open() as outbox:
        was_noted = step == "committed"
        assert (outbox.sightings.seen() is not None) == was_noted
        assert len(to_send(outbox)) == (0 if was_noted else 1)
        assert outbox.settle(settle_of(answer), 1) == (0 if was_noted else 1)
        assert outbox.report.backlog().receipted == 1


@pytest.mark.parametrize("step", STEPS)
def test_p23_killed_while_obeying_a_command_is_obeyed_once(gateway: Gateway, discom: Discom, step: str) -> None:
    with gateway.open() as outbox:
        gateway.put(outbox, draft(0))
        (pending,) = to_send(outbox)
        outbox.settle(settle_of(discom.answer(Up(pending.envelope, pending.opening, 0))), 1)
    kill_at(gateway, "obey", f"obey:{step}")
    with gateway.open() as outbox:
        was_obeyed = step == "committed"
        assert len(to_send(outbox)) == int(was_obeyed)
        assert outbox.obey(resend_all(outbox.kid)) == int(not was_obeyed)
        assert len(to_send(outbox)) == 1
