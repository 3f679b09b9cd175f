"""Questions of the exchange, from the ledger provider's POST to the settled trade: real HTTP, log and attestation, hand-set time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headend.questions import QuestionState
from headend.store.sqlite import question_rows
from ledger_client.sandbox.question import Form
from tests.headend.asking import Asking, asking
from tests.headend.premises import Headend
from tests.headend.settling import NAME
from tests.ledger_client.rehearsal import NOW


@pytest.fixture
def asked(headend: Headend, tmp_path: Path) -> Iterator[Asking]:
    with asking(headend, tmp_path / "exchange") as found:
        yield found


def test_a_question_is_acked_kept_answered_and_allocated(asked: Asking) -> None:
    asked.settling.whole_day()
    asked.settling.trade()
    asked.settling.step()
    assert asked.acks(everything=True) == [(200, "ACK", "")]
    (question,) = asked.questions()
    assert (question.state, question.subscriber) == (QuestionState.OPEN, "ledger.example.org")
    asked.answer()
    (question,) = asked.questions()
    assert (question.state, question.note) == (QuestionState.ANSWERED, "1 figure(s) told")
    seller = asked.trade_row()["seller"]
    assert isinstance(seller, dict)
    (posting,) = asked.settling.postings()
    assert seller["clientReference"] == f"sk1:{posting.actual.hex()}"
