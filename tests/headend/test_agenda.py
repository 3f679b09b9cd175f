"""What is looked at when."""

from hypothesis import given
from hypothesis import strategies as st

from headend.agenda import Agenda
from headend.trading.trades import Delivery
from signing.interval import Interval


def delivery(number: int) -> Delivery:
    return Delivery(posted_as=f"M{number}", delivery_start="s", delivery_end="e", window=Interval(0, 900))


ONE, TWO = delivery(1), delivery(2)


def test_what_is_due_stays_due_until_it_is_done() -> None:
    agenda = Agenda()
    agenda.put(TWO, 5)
    agenda.put(ONE, 5)
    assert agenda.due(4) == ()
    assert agenda.due(5) == agenda.due(6) == (ONE, TWO)
    agenda.done(ONE)
    assert agenda.due(5) == (TWO,)


def test_the_earliest_time_counts() -> None:
    agenda = Agenda()
    agenda.put(ONE, 5)
    agenda.put(ONE, 9)
    agenda.put(ONE, 3)
    assert agenda.due(3) == (ONE,)
    agenda.done(ONE)
    assert agenda.due(100) == ()
    assert len(agenda) == 0


def test_what_is_done_can_be_put_for_later() -> None:
    agenda = Agenda()
    agenda.put(ONE, 5)
    agenda.done(ONE)
    agenda.put(ONE, 7)
    assert (agenda.due(6), agenda.due(7)) == ((), (ONE,))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9) | st.none())), st.integers(0, 9))
def test_an_agenda_is_what_a_plain_table_says(moves: list[tuple[int, int | None]], now: int) -> None:
    agenda, table = Agenda(), dict[Delivery, int]()
    for number, at in moves:
        if at is None:
            agenda.done(delivery(number))
            table.pop(delivery(number), None)
        else:
            agenda.put(delivery(number), at)
            table[delivery(number)] = min(at, table.get(delivery(number), at))
    assert agenda.due(now) == tuple(sorted(key for key, at in table.items() if at <= now))
    assert len(agenda) == len(table)
