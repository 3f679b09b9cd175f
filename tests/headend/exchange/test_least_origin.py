"""How strongly a meter must have authenticated is the discom's policy; and what V32 finds takes a posted figure's window back to PENDING."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headend.imports.table import parse_csv
from headend.meter_data.comparing import Comparing
from headend.meter_data.importing import Importing
from headend.trading.posting import PostingState
from signing.errors import DecodeError
from signing.interval import utc_text
from signing.statements.reading_batch import Origin
from signing.statements.window_actual import Status
from tests.headend.discom import METER
from tests.headend.premises import DAY, Headend
from tests.headend.settling import NAME, Settling, configuration
from tests.ledger_client.rehearsal import NOW, Rehearsal

LEAST = '\n[posting]\nleast_origin = "{}"\n'


@pytest.fixture
def settling(headend: Headend, exchange: Rehearsal, request: pytest.FixtureRequest) -> Iterator[Settling]:
    found = Settling(headend, exchange, LEAST.format(getattr(request, "param", "MODBUS")))
    yield found
    found.close()


@pytest.mark.parametrize("settling", ["MODBUS", "PLAIN", "LLS"], indirect=True)
def test_a_final_figure_of_this_origin_or_a_stronger_one_is_posted(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    report = settling.step()
    assert report.alarms == []
    assert [record.state for record in settling.postings()] == [PostingState.CONFIRMED]


@pytest.mark.parametrize("settling", ["GMAC"], indirect=True)
def test_a_final_figure_of_a_weaker_origin_is_not_posted_and_says_so_once(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    report = settling.step()
    assert settling.said(report) == [(NAME, Status.FINAL, 0)]
    (alarm,) = report.alarms
    assert alarm.endswith("is not posted: its weakest origin is LLS, below posting.least_origin = GMAC")
    assert settling.postings() == ()
    assert settling.step(NOW + 1).alarms == []


def test_the_policy_is_a_name_of_an_origin(tmp_path: Path) -> None:
    assert configuration(tmp_path).posting.least_origin is Origin.MODBUS
    assert configuration(tmp_path, LEAST.format("LLS")).posting.least_origin is Origin.LLS
    with pytest.raises(DecodeError, match=r"posting\.least_origin: expected one of MODBUS, PLAIN, LLS, GMAC"):
        configuration(tmp_path, LEAST.format("STRONG"))


@pytest.mark.story
def test_a_difference_of_origin_takes_a_posted_window_back_without_a_word_from_anybody(settling: Settling) -> None:
    settling.whole_day()
    settling.trade()
    settling.step()
    headend = settling.headend
    importing = Importing(
        database=headend.database, book=headend.book, registry=headend.registry, signer=headend.statement_signer
    )
    rows = f"meter,kind,time,import_kwh\n{METER},REGISTER,{utc_text(DAY)},1\n{METER},REGISTER,{utc_text(DAY + 86_400)},18.3\n"
    importing.take(rows.encode(), parse_csv, source="HES", by="asha", at_utc=NOW)
    Comparing(database=headend.database, key=headend.statement_signer.public_key).step(NOW)
    report = settling.step(NOW + 1)
    assert settling.said(report) == [(NAME, Status.PENDING, 1)]
    # What the ledger confirmed stays there until another figure replaces it; an alert asks somebody to look.
    assert [record.state for record in settling.postings()] == [PostingState.CONFIRMED]
    assert settling.step(NOW + 2).attested == ()
