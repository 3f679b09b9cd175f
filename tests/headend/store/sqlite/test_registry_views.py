"""What is recorded, as exports, pages and disclosures read it."""

import pytest

from headend.store.sqlite import meter_views, registry_views, supply_rows
from signing.interval import DAY_S, Interval
from tests.headend.premises import NOW, Headend
from tests.headend.sheets import applied, row

METER = "SKS00000001"
JANUARY, MARCH, APRIL = 1767205800, 1772303400, 1774981800
AGREED = {"consent_purpose": "p2p", "consent_grantee": "ledger"}


def may_leave(headend: Headend, start: int, end: int, *, at_utc: int = NOW, grantee: str = "ledger") -> bool:
    found = registry_views.consents_for(
        headend.database.connection, METER, Interval(start, end), purpose="p2p", grantee=grantee, at_utc=at_utc
    )
    return bool(found)


def test_data_leave_with_the_consent_of_the_consumer_whose_they_are(headend: Headend) -> None:
    applied(headend, row(consumer="K1", consent_until="2026-12-31") | AGREED)
    assert may_leave(headend, APRIL, APRIL + DAY_S)
    assert not may_leave(headend, APRIL, APRIL + DAY_S, grantee="another")
    assert not may_leave(headend, APRIL, APRIL + DAY_S, at_utc=JANUARY - 1)
    assert not may_leave(headend, APRIL, APRIL + DAY_S, at_utc=JANUARY + 365 * DAY_S)


def test_a_consumer_who_moved_in_without_a_consent_keeps_their_data(headend: Headend) -> None:
    applied(headend, row(consumer="K1") | AGREED, row(consumer="K2", since="2026-04-01"))
    assert may_leave(headend, MARCH, APRIL)
    assert not may_leave(headend, MARCH, APRIL + 1)
    assert not may_leave(headend, APRIL, APRIL + 1)
    applied(headend, {"meter": METER, "from": "2026-04-01", **AGREED})
    assert may_leave(headend, MARCH, APRIL + 1)


def test_a_withdrawal_ends_it_at_once(headend: Headend) -> None:
    applied(headend, row(consumer="K1") | AGREED)
    applied(headend, row(consumer="K1", consent_until="2026-04-01") | AGREED)
    assert may_leave(headend, JANUARY, MARCH, at_utc=APRIL - 1)
    assert not may_leave(headend, JANUARY, MARCH, at_utc=APRIL)


def test_a_meter_that_moved_needs_the_consent_of_both_households(headend: Headend) -> None:
    applied(
        headend,
        row(consumer="K1") | AGREED,
        row(consumer="K9", connection_point="CP-9", since="2026-04-01"),
    )
    assert may_leave(headend, MARCH, APRIL)
    assert not may_leave(headend, MARCH, APRIL + 1)
    applied(headend, {"meter": METER, "from": "2026-04-01", **AGREED})
    assert may_leave(headend, MARCH, APRIL + 1)


def test_data_of_an_unknown_meter_or_consumer_never_leave(headend: Headend) -> None:
    assert not may_leave(headend, MARCH, APRIL)
    applied(headend, row())
    assert not may_leave(headend, MARCH, APRIL)


@pytest.mark.parametrize(("end", "found"), [(MARCH, {"K1"}), (APRIL, {"K1", None}), (APRIL + 1, {"K1", "K2", None})])
def test_consumers_of_a_span_are_all_of_them(headend: Headend, end: int, found: set[str | None]) -> None:
    applied(headend, row(consumer="K1"), row(consumer="", since="2026-03-01"), row(consumer="K2", since="2026-04-01"))
    connection = headend.database.connection
    assert supply_rows.consumers(connection, "CP-1", Interval(JANUARY, end)) == found
    assert supply_rows.consumers(connection, "CP-1", Interval(JANUARY - 1, JANUARY)) == {None}


def test_an_id_that_was_ended_is_no_longer_shown_of_a_meter(headend: Headend) -> None:
    applied(headend, row(posted_as="A|B"))
    applied(headend, {"meter": METER, "from": "2026-04-01", "posted_as": "B"})
    view = meter_views.named(headend.database.connection, METER)
    assert view is not None
    assert view.posted_as == ("B",)


def test_meters_that_an_older_program_recorded_are_found_after_the_next_import(headend: Headend) -> None:
    applied(headend, row(1))
    with headend.database.transaction() as connection:
        connection.execute("DELETE FROM meter_places")

    def found(search: str) -> list[str]:
        views = registry_views.found(headend.database.connection, search, at_utc=NOW, after=None, limit=9)
        return [view.meter for view in views]

    assert (found("CP-1"), found(METER)) == ([], [METER])
    applied(headend, row(2))
    assert found("CP-1") == [METER]


def test_a_meter_of_tomorrow_is_shown_as_it_will_be(headend: Headend) -> None:
    applied(headend, row(since="2027-01-01", feeder="F1", gateway="gw-1"))
    (view,) = registry_views.found(headend.database.connection, "", at_utc=NOW, after=None, limit=9)
    assert (view.fact.connection_point, view.supply.feeder, view.gateway) == ("CP-1", None, "gw-1")
