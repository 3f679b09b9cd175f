"""Pushes to the ledger provider, which asks for nothing: real HTTP, log and attestation, hand-set time."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headend.config import Channel
from headend.duties.holds import HoldKind
from headend.exchange.pushing import Pushing, pushed
from headend.settings.beckn import Push
from headend.store.sqlite import hold_rows, question_rows
from headend.trading.questions import QuestionState
from ledger_client.sandbox.faults import Fault
from ledger_client.sandbox.provider import TEST_NETWORK
from signing.interval import DAY_S, utc_text
from signing.statements.window_actual import Cause
from tests.headend.asking import LEDGER, OWN, Asking, asking
from tests.headend.discom import SUBJECT
from tests.headend.exchange.test_answering import place, seller
from tests.headend.premises import Headend
from tests.headend.settling import NAME
from tests.ledger_client.rehearsal import NOW


@pytest.fixture
def asked(headend: Headend, tmp_path: Path) -> Iterator[Asking]:
    with asking(headend, tmp_path / "exchange") as found:
        # Only told, never posted: what the exchange holds came by the push.
        config = found.settling.config
        found.settling.settlement._config = replace(config, ledger=replace(config.ledger, channel=Channel.NONE))
        found.settling.trade()
        yield found


def pushing(asked: Asking, *, uri: str | None = None, look_back_days: int = 7) -> Pushing:
    """What begins pushes to the exchange of `asked`; ids count up."""
    push = Push(subscriber=LEDGER, uri=uri or f"http://{asked.exchange.address}/bap/receiver", network=TEST_NETWORK)
    config = asked.settling.config
    ids = iter(range(1, 1000))
    return Pushing(
        config=replace(config, ledger=replace(config.ledger, subscriber=OWN, look_back_days=look_back_days)),
        settings=replace(asked.settings, pushes=(push,)),
        database=asked.headend.database,
        new_id=lambda: f"5a2d6940-71cc-44c7-b27b-{next(ids):012d}",
    )


def digest(asked: Asking) -> bytes:
    """The evidence digest of the one figure that stands."""
    (stored,) = asked.headend.database.connection.execute("SELECT digest FROM actuals WHERE is_newest = 1").fetchall()
    return bytes(stored[0])


def held_by_the_exchange(asked: Asking) -> object:
    """The reference of our figure, as the exchange keeps it with the one trade."""
    return seller(asked)["clientReference"]


def test_a_figure_is_told_to_a_ledger_that_asks_for_nothing(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.step()
    assert held_by_the_exchange(asked) is None
    assert pushing(asked).step(NOW) == 1
    (begun,) = asked.questions()
    assert (begun.is_push, begun.state, begun.subscriber) == (True, QuestionState.OPEN, LEDGER)
    assert pushed(begun.body).wanted[0].window == SUBJECT.window
    asked.answer()
    (told,) = asked.questions()
    assert (told.state, told.note) == (QuestionState.ANSWERED, "1 figure(s) told")
    assert held_by_the_exchange(asked) == f"sk1:{digest(asked).hex()}"


def test_a_push_is_begun_once_also_by_a_program_that_starts_again(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.step()
    first = pushing(asked)
    assert first.step(NOW) == 1
    assert first.step(NOW + 60) == 0
    assert pushing(asked).step(NOW) == 0
    assert len(asked.questions()) == 1


def test_more_figures_than_one_push_holds_are_told_by_the_next_though_nothing_new_comes(asked: Asking) -> None:
    later = (SUBJECT.window.end_utc, SUBJECT.window.end_utc + 900)
    asked.settling.trade(order_item_id="it-2", delivery_start=utc_text(later[0]), delivery_end=utc_text(later[1]))
    asked.settling.whole_day()
    asked.settling.step()
    beginning = pushing(asked)
    beginning._settings = replace(beginning._settings, most_windows=1)
    assert [beginning.step(NOW + place * 60) for place in range(4)] == [1, 1, 0, 0]


def test_what_was_asked_for_is_no_push(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.step()
    asked.acks(everything=True)
    assert pushing(asked).step(NOW) == 0


def test_a_window_without_a_figure_is_pushed_once_it_has_one(asked: Asking) -> None:
    asked.settling.step()
    one = pushing(asked)
    assert one.step(NOW) == 0
    asked.settling.whole_day()
    asked.settling.step(touched=asked.settling.gateway.meters)
    # Figures are gathered, so that a ledger gets one message about a thousand meters and not a thousand.
    assert one.step(NOW + 59) == 0
    assert one.step(NOW + 60) == 1


def test_a_revision_is_told_unasked_too(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.step()
    assert pushing(asked).step(NOW) == 1
    asked.answer()
    (signed,) = asked.settling.attestor.attest([SUBJECT], at_utc=NOW, cause=Cause.OPERATOR)
    asked.answer(NOW + 1)
    assert held_by_the_exchange(asked) == f"sk1:{signed.digest.hex()}"
    assert len(asked.questions()) == 1


def test_what_is_held_is_not_pushed_until_the_hold_ends(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.step()
    number = place(asked, HoldKind.HOLD)
    assert pushing(asked).step(NOW) == 1
    asked.answer()
    assert [one.note for one in asked.questions()] == ["no figure that may be told yet"]
    assert held_by_the_exchange(asked) is None
    with asked.headend.database.transaction() as connection:
        hold_rows.close_hold(connection, number, by="asha", outcome="right", at_utc=NOW)
    asked.answer()
    assert held_by_the_exchange(asked) == f"sk1:{digest(asked).hex()}"


def test_a_ledger_that_does_not_answer_is_told_later(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.step()
    assert pushing(asked).step(NOW) == 1
    asked.exchange.faults.switch_on(Fault.DOWN, 1)
    assert asked.answer().trouble is not None
    asked.answer(NOW + 120)
    assert held_by_the_exchange(asked) == f"sk1:{digest(asked).hex()}"


def test_only_windows_of_the_look_back_are_pushed(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.step()
    late = SUBJECT.window.start_utc + DAY_S
    assert pushing(asked, look_back_days=1).step(late + 1) == 0
    assert pushing(asked, look_back_days=1).step(late) == 1


def test_a_ledger_that_asks_later_is_answered_by_what_it_asked(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.step()
    assert pushing(asked).step(NOW) == 1
    asked.answer()
    asked.acks(everything=True)
    asked.answer()
    assert {(one.is_push, one.state) for one in asked.questions()} == {
        (True, QuestionState.ANSWERED),
        (False, QuestionState.ANSWERED),
    }


def test_nobody_is_pushed_to_who_is_not_named(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.step()
    silent = Pushing(config=asked.settling.config, settings=asked.settings, database=asked.headend.database)
    assert silent.step(NOW) == 0


def test_finer_windows_that_no_trade_names_are_no_push(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.step()
    pushing(asked).step(NOW)
    (begun,) = asked.questions()
    names = {(one.posted_as, one.window) for one in question_rows.windows(asked.headend.database.connection, begun)}
    assert names == {(NAME, SUBJECT.window)}
