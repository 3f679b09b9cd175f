"""What is recorded, as exports, pages and disclosures read it."""

import pytest

from headend.store.sqlite import meter_views, registry_views, supply_rows
from signing.interval import Interval
from tests.headend.premises import NOW, Headend
from tests.headend.sheets import applied, row

METER = "SKS00000001"
JANUARY, MARCH, APRIL = 1767205800, 1772303400, 1774981800


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
