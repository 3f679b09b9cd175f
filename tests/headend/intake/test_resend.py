import pytest

from headend.errors import TransportUnavailableError
from headend.intake.resend import GapChaser
from headend.store.sqlite import command_rows
from signing.envelope import parse, unseal
from signing.messages import SignedAnswer, parse_down
from signing.statements.answers import Command, CommandKind
from tests.headend.premises import NOW, Gateway, Headend, gateway

METER = "SKS00000001"


@pytest.fixture
def gapped(headend: Headend) -> tuple[Headend, Gateway, GapChaser]:
    one = gateway()
    headend.enrol(one)
    messages = [one.next() for _ in range(9)]
    headend.take_in(*(messages[place] for place in (1, 4, 8)))
    headend.transport.take()
    chaser = GapChaser(
        database=headend.database,
        registry=headend.registry,
        signer=headend.statement_signer,
        transport=headend.transport,
    )
    return headend, one, chaser


def test_every_open_gap_is_asked_for_by_a_signed_command(gapped: tuple[Headend, Gateway, GapChaser]) -> None:
    headend, one, chaser = gapped
    asked = chaser.ask(NOW)
    sent = [(topic, parse_down(payload)) for topic, payload in headend.transport.take()]
    commands = []
    for topic, answer in sent:
        assert topic == one.address.down
        assert isinstance(answer, SignedAnswer)
        commands.append(unseal(answer.envelope, Command, headend.statement_signer.public_key).statement)
    assert commands == [command.statement for command in asked]
    assert [(command.number, command.first, command.last) for command in commands] == [(1, 0, 0), (2, 2, 3), (3, 5, 7)]
    assert {(c.kind, c.gateway, c.meter, c.kid) for c in commands} == {(CommandKind.RESEND, "gw-1", METER, one.kid)}
    stored = command_rows.commands(headend.database.connection, "gw-1")
    assert [(number, parse(sign1).digest) for number, sign1 in stored] == [
        (command.statement.number, command.digest) for command in asked
    ]


def test_a_gap_is_asked_for_again_after_a_while_with_a_new_number(gapped: tuple[Headend, Gateway, GapChaser]) -> None:
    _, _, chaser = gapped
    chaser.ask(NOW)
    assert chaser.ask(NOW + 3600) == ()
    assert [command.statement.number for command in chaser.ask(NOW + 3601)] == [4, 5, 6]


def test_a_filled_gap_is_not_asked_for(gapped: tuple[Headend, Gateway, GapChaser]) -> None:
    headend, one, chaser = gapped
    chaser.ask(NOW)
    headend.take_in(*one.chains[METER])
    headend.transport.take()
    assert chaser.ask(NOW + 10_000) == ()


def test_a_revoked_key_is_not_asked(gapped: tuple[Headend, Gateway, GapChaser]) -> None:
    headend, one, chaser = gapped
    headend.registrar.revoke(METER, one.kid, at_utc=NOW)
    assert chaser.ask(NOW) == ()
    assert headend.transport.take() == []


def test_gaps_that_cannot_be_asked_for_do_not_stand_in_the_way(gapped: tuple[Headend, Gateway, GapChaser]) -> None:
    headend, one, chaser = gapped
    headend.registrar.revoke(METER, one.kid, at_utc=NOW)
    two = gateway(2, ["SKS00000002"])
    headend.enrol(two)
    two.next()
    headend.take_in(two.next())
    assert [len(chaser.ask(NOW + at, most=1)) for at in range(4)].count(1) == 1


def test_a_command_that_cannot_be_sent_keeps_its_number(gapped: tuple[Headend, Gateway, GapChaser]) -> None:
    headend, _, chaser = gapped
    headend.transport.close()
    with pytest.raises(TransportUnavailableError):
        chaser.ask(NOW)
    assert len(command_rows.commands(headend.database.connection, "gw-1")) == 3
