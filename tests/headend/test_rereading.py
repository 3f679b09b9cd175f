"""Blocks that a window lacks are asked for again: soon, then daily, while the meter remembers, and no more once they came."""

from headend.duties.hunting import AFTER_S
from headend.rereading import Rereader
from headend.store.sqlite import hunt_rows
from headend.transport.memory import MemoryTransport
from signing.interval import DAY_S, Interval
from signing.messages import DownKind, SignedAnswer, parse_down
from signing.statements.answers import Command, CommandKind
from tests.headend.discom import METER, SUBJECT, stated
from tests.headend.premises import DAY, Headend
from tests.headend.settling import FULL, REGISTERS, Settling
from tests.ledger_client.rehearsal import NOW

BLOCK = Interval(DAY + 11 * 3600, DAY + 11 * 3600 + 900)


class Asking:
    """The thread that speaks to gateways."""

    def __init__(self, headend: Headend) -> None:
        self.transport = MemoryTransport()
        self._rereader = Rereader(
            database=headend.database,
            registry=headend.registry,
            signer=headend.statement_signer,
            transport=self.transport,
        )

    def at(self, now: int) -> list[Command]:
        self._rereader.ask(now)
        found = [parse_down(payload) for _, payload in self.transport.take()]
        assert all(isinstance(answer, SignedAnswer) and answer.kind is DownKind.COMMAND for answer in found)
        return [Command.parse(answer.envelope.payload) for answer in found if isinstance(answer, SignedAnswer)]


def lacking(settling: Settling) -> None:
    """A day of which one quarter hour gave no row."""
    rows: list[int | None] = list(FULL)
    rows[44] = None
    settling.headend.take_in(stated(settling.gateway, 0, rows, registers=REGISTERS))
    settling.trade()


def spans(settling: Settling) -> list[tuple[Interval, int]]:
    return [(hunt.span, hunt.asked) for hunt in hunt_rows.hunts(settling.headend.database.connection, METER)]


def test_a_block_that_a_window_lacks_is_asked_for_from_its_gateway(settling: Settling) -> None:
    lacking(settling)
    settling.step(NOW + DAY_S)
    assert spans(settling) == [(BLOCK, 0)]
    (command,) = Asking(settling.headend).at(NOW + DAY_S)
    assert (command.kind, command.gateway, command.meter) == (CommandKind.REREAD, "gw-1", METER)
    assert (command.first, command.last, command.kid) == (BLOCK.start_utc, BLOCK.end_utc, settling.gateway.kid)


def test_it_is_asked_for_less_and_less_often_and_each_time_under_a_new_number(settling: Settling) -> None:
    lacking(settling)
    settling.step(NOW + DAY_S)
    asking = Asking(settling.headend)
    # Days after the window the distances are those of a window that has just ended.
    assert [command.number for command in asking.at(NOW + DAY_S)] == [1]
    for number, after_s in enumerate((1500, 6900), start=2):
        assert asking.at(NOW + DAY_S + after_s - 1) == []
        assert [command.number for command in asking.at(NOW + DAY_S + after_s)] == [number]
    assert asking.at(NOW + 2 * DAY_S + 6899) == []
    (command,) = asking.at(NOW + 2 * DAY_S + 6900)
    assert command.number == 4


def test_a_block_that_came_is_not_looked_for_any_more(settling: Settling) -> None:
    lacking(settling)
    settling.step(NOW + DAY_S)
    settling.headend.take_in(stated(settling.gateway, 11, (100,)))
    settling.step(NOW + DAY_S + 60, (METER,))
    assert spans(settling) == []
    assert Asking(settling.headend).at(NOW + DAY_S + 60) == []


def test_nobody_is_asked_on_behalf_of_a_key_that_may_no_longer_speak(settling: Settling) -> None:
    lacking(settling)
    settling.step(NOW + DAY_S)
    settling.headend.registrar.revoke(METER, settling.gateway.kid, at_utc=NOW)
    settling.headend.registry.reload()
    assert Asking(settling.headend).at(NOW + DAY_S) == []
    assert spans(settling) == [(BLOCK, 1)]


def test_a_second_decision_keeps_what_was_asked(settling: Settling) -> None:
    lacking(settling)
    settling.step(NOW + DAY_S)
    Asking(settling.headend).at(NOW + DAY_S)
    settling.headend.take_in(stated(settling.gateway, 24, (100,)))
    settling.step(NOW + DAY_S + 60, (METER,))
    assert (BLOCK, 1) in spans(settling)


def test_the_search_begins_five_minutes_after_the_window_whatever_is_said_of_it(settling: Settling) -> None:
    end = SUBJECT.window.end_utc
    lacking(settling)
    settling.step(end - 60)
    assert spans(settling) == []
    settling.step(end + AFTER_S[0] - 1)
    assert spans(settling) == []
    assert settling.step(end + AFTER_S[0]).attested == ()
    assert spans(settling) == [(BLOCK, 0)]
