"""Whose consent a span of a meter's data needs, by the boundaries of who lived there and where the meter was."""

from headend.meter_data.disclosing import Grantee, is_consented
from signing.interval import DAY_S, Interval
from tests.headend.premises import NOW, Headend
from tests.headend.sheets import applied, row

METER = "SKS00000001"
JANUARY, MARCH, APRIL = 1767205800, 1772303400, 1774981800
AGREED = {"consent_purpose": "p2p", "consent_grantee": "ledger"}


def may_leave(headend: Headend, start: int, end: int, *, at_utc: int = NOW, grantee: str = "ledger") -> bool:
    headend.registry.reload()
    asking = Grantee(name=grantee, purpose="p2p", holder="token")
    connection = headend.database.connection
    return is_consented(connection, headend.record(METER), Interval(start, end), asking, at_utc)


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


def test_data_of_an_unknown_consumer_never_leave(headend: Headend) -> None:
    applied(headend, row())
    assert not may_leave(headend, MARCH, APRIL)
