"""The uplink carried out, without a broker: what a full disk and an answer do."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent import agent, enrol
from edge_agent.config import Config
from edge_agent.drafts import seal
from edge_agent.forward import HOLD_S, MAX_HEARD, Forwarder, broker_credentials
from edge_agent.outbox.outbox import Outbox
from edge_agent.steps import Arrived, LinkDown, LinkUp
from signing.errors import KeyUnavailableError
from signing.messages import Up
from signing.signer import open_signer
from signing.statements.answers import Disposition
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import MIDNIGHT, draft, to_send
from tests.edge_agent.settings import config, text

NOW = float(MIDNIGHT + 7200)


@pytest.fixture
def settings(tmp_path: Path, discom: Discom) -> Config:
    made = config(tmp_path, text(discom, port=1))
    enrol.initialise(made, agent.fresh_salt)
    return made


@pytest.fixture
def outbox(settings: Config) -> Iterator[Outbox]:
    with Outbox(settings.database, capacity=100) as opened:
        yield opened


def sign(settings: Config, outbox: Outbox, block: int) -> Up:
    signer = open_signer(settings.key)
    entry = draft(block)
    outbox.put(entry, lambda place: seal(entry, place, salt=agent.fresh_salt(), signer=signer))
    pending = to_send(outbox)[-1]
    return Up(pending.envelope, pending.opening, 0)


async def test_a_receipt_is_noted_and_a_command_wakes_its_meter(
    settings: Config, outbox: Outbox, discom: Discom
) -> None:
    touched: list[str] = []
    forwarder = Forwarder(settings, outbox, lambda: NOW, touched.append)
    forwarder.hear(Arrived(discom.answer(sign(settings, outbox, 0))))
    await forwarder.step()
    assert outbox.report.backlog().receipted == 1
    forwarder.hear(Arrived(discom.command(number=1, kid=outbox.kid, first=0, last=0)))
    await forwarder.step()
    assert touched == ["M1"]
    assert len(to_send(outbox)) == 1


async def test_p22_a_full_disk_keeps_the_batch_says_so_and_the_receipt_is_noted_when_there_is_room(
    settings: Config, outbox: Outbox, discom: Discom, caplog: pytest.LogCaptureFixture
) -> None:
    ups = [sign(settings, outbox, block) for block in range(100)]
    forwarder = Forwarder(settings, outbox, lambda: NOW, lambda _: None)
    outbox.limit_pages(1)
    answers = [discom.answer(up) for up in ups]
    whole = discom.answer(*ups)
    with caplog.at_level(logging.ERROR, "sakshi"):
        forwarder.hear(Arrived(whole))
        await forwarder.step()
    assert {record.message for record in caplog.records if record.levelno >= logging.ERROR} == {"answer not noted"}
    assert outbox.report.backlog().waiting == len(answers)
    assert outbox.sightings.seen() is None
    outbox.limit_pages(10_000)
    forwarder.hear(Arrived(whole))
    await forwarder.step()
    assert outbox.report.backlog().waiting == 0


async def test_a_log_that_forks_is_told_to_an_operator(
    settings: Config, outbox: Outbox, discom: Discom, caplog: pytest.LogCaptureFixture
) -> None:
    forwarder = Forwarder(settings, outbox, lambda: NOW, lambda _: None)
    forwarder.hear(Arrived(discom.answer(sign(settings, outbox, 0))))
    await forwarder.step()
    second = sign(settings, outbox, 1)
    discom.log.digests.clear()
    forwarder.hear(Arrived(discom.answer(second)))
    with caplog.at_level(logging.ERROR, "sakshi"):
        await forwarder.step()
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == ["log forked"]
    assert outbox.report.backlog().waiting == 1


async def test_refusals_are_carried_out_and_said(
    settings: Config, outbox: Outbox, discom: Discom, caplog: pytest.LogCaptureFixture
) -> None:
    forwarder = Forwarder(settings, outbox, lambda: NOW, lambda _: None)
    for block in range(2):
        sign(settings, outbox, block)
    await connected(forwarder)
    first, second = (Up(pending.envelope, pending.opening, 0) for pending in to_send(outbox))
    with caplog.at_level(logging.INFO, "sakshi"):
        for answer in (
            discom.refuse(first),
            discom.refuse(second, number=3, disposition=Disposition.RETRY),
            discom.refuse(second, signer=open_signer(settings.key)),  # type: ignore[arg-type]  # any signer
            b"garbage",
        ):
            forwarder.hear(Arrived(answer))
            await forwarder.step()
    said = [record.message for record in caplog.records]
    assert said.count("parked") == 1
    assert said.count("sent again later") == 1
    assert said.count("answer ignored") == 2
    entries = outbox.report.unanswered()
    assert [(entry.state, entry.attempts) for entry in entries] == [("PARKED", 0), ("WAITING", 1)]


async def connected(forwarder: Forwarder) -> None:
    """As if the broker had taken the connection: what is published goes nowhere."""
    forwarder.hear(LinkUp())
    await forwarder.step()


async def test_answers_beyond_the_queue_are_dropped_and_said(
    settings: Config, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    forwarder = Forwarder(settings, outbox, lambda: NOW, lambda _: None)
    with caplog.at_level(logging.WARNING, "sakshi"):
        for _ in range(MAX_HEARD + 1):
            forwarder.hear(Arrived(b""))
    assert [record.message for record in caplog.records] == ["answers dropped"]


async def test_a_broken_link_is_heard_of_behind_any_number_of_answers(settings: Config, outbox: Outbox) -> None:
    forwarder = Forwarder(settings, outbox, lambda: NOW, lambda _: None)
    await connected(forwarder)
    for _ in range(MAX_HEARD + 1):
        forwarder.hear(Arrived(b""))
    forwarder.hear(LinkDown("gone"))
    assert forwarder._uplink.is_up
    for _ in range(MAX_HEARD + 1):
        await forwarder.step()
    assert not forwarder._uplink.is_up


async def test_nothing_is_sent_while_the_disk_refuses_to_note_answers(
    settings: Config, outbox: Outbox, discom: Discom
) -> None:
    now = [NOW]
    forwarder = Forwarder(settings, outbox, lambda: now[0], lambda _: None)
    await connected(forwarder)
    ups = [sign(settings, outbox, block) for block in range(100)]
    outbox.limit_pages(1)
    forwarder.hear(Arrived(discom.answer(*ups)))
    await forwarder.step()
    offers = []
    for seconds in (0, HOLD_S - 1, HOLD_S):
        now[0] = NOW + seconds
        offers.append(forwarder._offer(1, frozenset()) is not None)
    assert offers == [False, False, True]


async def test_a_broker_that_is_away_is_tried_again_later(settings: Config, outbox: Outbox) -> None:
    forwarder = Forwarder(settings, outbox, lambda: NOW, lambda _: None)
    for _ in range(2):
        await forwarder.step()
    await forwarder.close()
    await forwarder.close()


async def test_a_password_that_cannot_be_read_is_no_end_of_the_agent(
    settings: Config, outbox: Outbox, tmp_path: Path, discom: Discom, caplog: pytest.LogCaptureFixture
) -> None:
    content = text(discom, port=1).replace("[broker]", '[broker]\nusername = "gw1"\npassword = "file:password"')
    with_password = config(tmp_path, content)
    with pytest.raises(KeyUnavailableError):
        broker_credentials(with_password)
    forwarder = Forwarder(with_password, outbox, lambda: NOW, lambda _: None)
    with caplog.at_level(logging.INFO, "sakshi"):
        await forwarder.step()
    assert "broker away" in [record.message for record in caplog.records]
    (tmp_path / "password").write_text("hunter2")
    (tmp_path / "password").chmod(0o600)
    credentials = broker_credentials(with_password)
    assert credentials is not None
    assert credentials.password == "hunter2"
    assert "hunter2" not in caplog.text
