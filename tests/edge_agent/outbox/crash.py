"""Does one thing to an outbox and is killed at a named step of it: ``crash.py DATABASE KEY STEP ACTION``."""

import os
import signal
import sys
from pathlib import Path

from edge_agent.drafts import seal
from edge_agent.outbox.outbox import Outbox
from edge_agent.steps import Settle
from signing.backends.file import open_key
from signing.log.checkpoint import Checkpoint
from signing.log.note import Note
from signing.messages import Receipts, parse_down
from signing.statements.answers import Command, CommandKind
from tests.edge_agent.gateway import draft


def main(database: str, key: str, step: str, action: str) -> None:
    def hook(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    signer = open_key(key)
    with Outbox(Path(database), capacity=100, hook=hook) as outbox:
        if action == "put":
            entry = draft(1)
            outbox.put(entry, lambda place: seal(entry, place, salt=os.urandom(16), signer=signer))
        elif action == "settle":
            outbox.settle(settle_of(Path(database).with_name("answer").read_bytes()), 1)
        else:
            outbox.obey(resend_all(outbox.kid))


def settle_of(payload: bytes) -> Settle:
    message = parse_down(payload)
    assert isinstance(message, Receipts)
    checkpoint = Checkpoint.parse(Note.parse(message.checkpoint).text)
    return Settle(checkpoint=checkpoint, note=message.checkpoint, linked=True, receipts=message.inclusions)


def resend_all(kid: bytes) -> Command:
    return Command(kind=CommandKind.RESEND, number=5, gateway="gw1", meter="M1", kid=kid, first=0, last=9)


if __name__ == "__main__":
    main(*sys.argv[1:])
