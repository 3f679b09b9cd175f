"""The uplink carried out, without a broker: what a full disk and an answer do."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent import agent, enrol
from edge_agent.config import Config
from edge_agent.drafts import seal
from edge_agent.forward import HOLD_S, MAX_HEARD, MOST_UNWRITTEN, TICK_S, Forwarder, broker_credentials
from edge_agent.outbox.outbox import Outbox
from edge_agent.steps import Arrived, LinkDown, LinkUp, Offered, Tick
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


class InFlight:
    """A forwarder that has sent what is signed, and answers to come."""

    def __init__(self, settings: Config, outbox: Outbox, discom: Discom) -> None:
        self.now = NOW
        self.outbox = outbox
        self.discom = discom
        self.forwarder = Forwarder(settings, outbox, lambda: self.now, lambda _: None)
        self.ups = [sign(settings, outbox, block) for block in range(3)]

    async def answer(self, first: int, end: int, *, seen_size: int = 0) -> None:
        ups = [Up(up.envelope, up.opening, seen_size) for up in self.ups[first:end]]
        self.forwarder.hear(Arrived(self.discom.answer(*ups)))
        await self.forwarder.step()

    @property
    def receipted(self) -> int:
        return self.outbox.report.backlog().receipted


@pytest.fixture
async def flight(settings: Config, outbox: Outbox, discom: Discom) -> InFlight:
    made = InFlight(settings, outbox, discom)
    await connected(made.forwarder)
    made.forwarder.hear(Tick())
    await made.forwarder.step()
    assert made.forwarder._uplink.in_flight == 3
    return made


async def test_answers_are_noted_together_when_all_of_them_are_there(flight: InFlight) -> None:
    await flight.answer(0, 1)
    await flight.answer(1, 2)  # from the size before: it brings no receipt, and is asked for again
    assert (flight.receipted, flight.outbox.sightings.roots()) == (0, {})
    await flight.answer(1, 3, seen_size=1)
    assert (flight.receipted, set(flight.outbox.sightings.roots())) == (3, {1, 2, 3})


async def test_an_answer_waits_no_longer_than_a_second(flight: InFlight) -> None:
    await flight.answer(0, 1)
    flight.now += TICK_S / 2
    flight.forwarder.hear(Tick())
    await flight.forwarder.step()
    assert flight.receipted == 0
    # What is answered is not sent again meanwhile.
    assert flight.forwarder._offer(10, frozenset()) == Offered(to_send(flight.outbox)[1:])
    flight.now += TICK_S / 2
    flight.forwarder.hear(Tick())
    await flight.forwarder.step()
    assert flight.receipted == 1


async def test_a_clock_that_was_set_back_keeps_no_answer_from_the_disk(flight: InFlight) -> None:
    await flight.answer(0, 1)
    flight.now -= 3600
    flight.forwarder.hear(Tick())
    await flight.forwarder.step()
    assert flight.receipted == 1


async def test_answers_that_are_many_are_noted(flight: InFlight) -> None:
    for count in range(MOST_UNWRITTEN):
        assert flight.outbox.sightings.seen() is None
        flight.discom.log.admit(bytes([count]) * 32)
        await flight.answer(0, 1, seen_size=flight.forwarder._uplink.seen_size)
    assert flight.outbox.sightings.seen() is not None


async def test_a_crash_before_answers_are_noted_has_the_batches_sent_and_answered_again(
    flight: InFlight, settings: Config
) -> None:
    await flight.answer(0, 1)
    with Outbox(settings.database, capacity=100) as after:
        again = Forwarder(settings, after, lambda: NOW, lambda _: None)
        assert len(to_send(after)) == 3
        again.hear(Arrived(flight.discom.answer(*flight.ups)))
        await again.step()
        assert after.report.backlog().receipted == 3
    assert len(flight.discom.log.digests) == 3


async def test_a_command_to_send_again_bears_on_what_is_answered_and_not_noted(
    flight: InFlight, outbox: Outbox
) -> None:
    await flight.answer(0, 1)
    flight.forwarder.hear(Arrived(flight.discom.command(number=1, kid=outbox.kid, first=0, last=0)))
    await flight.forwarder.step()
    assert flight.receipted == 1
    assert len(to_send(outbox)) == 3


async def test_whoever_leaves_notes_what_was_answered(flight: InFlight) -> None:
    await flight.answer(0, 1)
    await flight.forwarder.close()
    assert flight.receipted == 1
    flight.outbox.limit_pages(1)
    await flight.forwarder.close()


async def test_p22_a_full_disk_keeps_the_batch_says_so_and_the_receipt_is_noted_when_there_is_room(
    settings: Config, outbox: Outbox, discom: Discom, caplog: pytest.LogCaptureFixture
) -> None:
    ups = [sign(settings, outbox, block) for block in range(100)]
    forwarder = Forwarder(settings, outbox, lambda: NOW, lambda _: None)
    outbox.limit_pages(1)
    answered = 0
    with caplog.at_level(logging.ERROR, "sakshi"):
        while not caplog.records:
            up = Up(ups[answered].envelope, ups[answered].opening, answered)
            forwarder.hear(Arrived(answer := discom.answer(up)))
            await forwarder.step()
            answered += 1
    assert [record.message for record in caplog.records] == ["answer not noted"]
    seen = outbox.sightings.seen()
    assert outbox.report.backlog().waiting == 100 - answered + 1
    assert (0 if seen is None else seen.size) == answered - 1
    outbox.limit_pages(10_000)
    forwarder.hear(Arrived(answer))
    await forwarder.step()
    assert outbox.report.backlog().waiting == 100 - answered


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
    answered = 0
    while not forwarder._is_held():
        now[0] += TICK_S
        forwarder.hear(Arrived(discom.answer(Up(ups[answered].envelope, ups[answered].opening, answered))))
        await forwarder.step()
        answered += 1
    refused = now[0]
    offers = []
    for seconds in (0, HOLD_S - 1, HOLD_S):
        now[0] = refused + seconds
        offers.append(forwarder._offer(1, frozenset()))
    # What has its answer is not sent again, although that is not noted yet.
    assert offers[:2] == [None, None]
    assert isinstance(offers[2], Offered)
    assert [batch.digest for batch in offers[2].batches] == [ups[answered].envelope.digest]


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
