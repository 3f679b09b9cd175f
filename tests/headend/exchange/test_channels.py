"""How the ledger is told: by each meter's actual, by the discom's own words in three rounds, or not at all."""

from pathlib import Path

import pytest

from headend.config import Channel
from headend.duties.alerts import AlertKind
from headend.store.sqlite import recording_rows
from headend.watching.watch import Watch
from ledger_client.contract import WriteReceipt
from ledger_client.ledger import LedgerRefusedError, Side
from ledger_client.recording import RecordPosting
from signing.errors import DecodeError
from signing.interval import DAY_S
from tests.headend.premises import DAY, Headend
from tests.headend.settling import NAME, Settling, configuration
from tests.ledger_client.rehearsal import BUYER_DISCOM, NOW, SELLER_DISCOM, Rehearsal, record_posting

POLL_S = 300
R1, R2 = DAY + DAY_S + 35_700, DAY + DAY_S + 39_300


def settling(headend: Headend, exchange: Rehearsal, channel: str) -> Settling:
    return Settling(headend, exchange, f'channel = "{channel}"\n')


def words(one: Settling, side: Side) -> list[tuple[int, int, str, str]]:
    rows = recording_rows.of_side(one.headend.database.connection, "tx-1_it-1", side)
    return [(word.round, word.allocated_wh, word.status.value, word.state.value) for word in rows]


def test_a_discom_that_allocates_by_itself_speaks_when_it_is_its_turn_and_posts_no_actual(
    headend: Headend, exchange: Rehearsal
) -> None:
    one = settling(headend, exchange, "record")
    one.whole_day()
    # Our meter draws 760 Wh net: as a buyer's it takes at most that.
    one.trade(seller_id="S", discom_id_seller=BUYER_DISCOM, buyer_id=NAME, discom_id_buyer=SELLER_DISCOM)
    assert one.step(NOW).recorded == ()
    with exchange.ledger("discom-b.example.org") as other:
        other.record(record_posting(500, Side.SELLER, discom_id=BUYER_DISCOM))
    (word,) = one.step(NOW + POLL_S).recorded
    assert (word.allocated_wh, word.state.value) == (500, "CONFIRMED")
    assert words(one, Side.BUYER) == [(2, 500, "COMPLETED", "CONFIRMED")]
    assert one.postings() == ()
    assert one.step(NOW + 2 * POLL_S).recorded == ()
    one.close()


def test_a_gate_that_passes_is_a_turn_without_any_news(headend: Headend, exchange: Rehearsal) -> None:
    one = settling(headend, exchange, "record")
    one.whole_day()
    one.trade(seller_id="S", discom_id_seller=BUYER_DISCOM, buyer_id=NAME, discom_id_buyer=SELLER_DISCOM)
    one.step(NOW)
    one.step(R1 - 1)
    assert words(one, Side.BUYER) == []
    one.step(R1 + POLL_S)
    assert words(one, Side.BUYER) == [(2, 760, "COMPLETED", "CONFIRMED")]
    one.close()


def test_a_word_on_its_way_outlives_a_restart(headend: Headend, exchange: Rehearsal) -> None:
    one = settling(headend, exchange, "record")
    one.whole_day()
    one.trade()
    one.step(NOW)
    one.restart()
    one.step(NOW + 1)
    assert words(one, Side.SELLER) == [(1, 0, "PENDING", "CONFIRMED")]
    one.step(R2 + POLL_S)
    assert words(one, Side.SELLER)[-1][:3] == (3, 0, "COMPLETED")
    one.close()


def test_a_discom_that_only_answers_attests_and_posts_nothing(headend: Headend, exchange: Rehearsal) -> None:
    one = settling(headend, exchange, "none")
    one.whole_day()
    one.trade()
    report = one.step(NOW)
    assert len(report.attested) == 1
    assert (one.postings(), report.recorded) == ((), ())
    one.close()


def test_the_channel_is_named_and_recording_needs_its_three_gates(tmp_path: Path) -> None:
    assert configuration(tmp_path).ledger.channel is Channel.ALLOCATE
    assert configuration(tmp_path, 'channel = "record"\n').ledger.channel is Channel.RECORD
    with pytest.raises(DecodeError, match=r"ledger\.channel: expected one of allocate, record, none"):
        configuration(tmp_path, 'channel = "fax"\n')
    with pytest.raises(DecodeError, match=r"gates\.rounds: expected 3 times"):
        configuration(tmp_path, 'channel = "record"\n[gates]\nrounds = ["09:55"]\n')


def test_whoever_is_on_duty_hears_of_a_word_that_the_ledger_refused(headend: Headend, exchange: Rehearsal) -> None:
    one = settling(headend, exchange, "record")
    (headend.folder / "state").mkdir()
    one.whole_day()
    one.trade()

    def refused(posting: RecordPosting) -> WriteReceipt:
        raise LedgerRefusedError("AUT_NOT_AUTHORIZED", "not yours")

    one.ledger.record = refused  # type: ignore[method-assign]
    one.step(NOW)
    watch = Watch(
        config=one.config,
        database=headend.database,
        registry=headend.registry,
        key=headend.statement_signer.public_key,
    )
    found = [trouble for trouble in watch.look((), NOW) if trouble.kind is AlertKind.LEDGER_DIFFERENCE]
    (trouble,) = found
    assert trouble.about.startswith("trade tx-1_it-1 SELLER round 1 ")
    assert "not yours" in trouble.text
    one.close()
