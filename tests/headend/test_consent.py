"""Whether interval data may leave: consumer, grantee, purpose, and the instant of the disclosure."""

from dataclasses import replace

import pytest

from headend.consent import Consent, ConsentRefusedError, Disclosure, granted

GIVEN = Consent(
    connection_point="CP-1",
    consumer="K1",
    purpose="p2p-settlement",
    grantee="ledger.example",
    from_utc=100,
    until_utc=200,
)
ASKED = Disclosure(
    connection_point="CP-1", consumers=frozenset({"K1"}), purpose="p2p-settlement", grantee="ledger.example"
)


@pytest.mark.parametrize(("at_utc", "may"), [(99, False), (100, True), (199, True), (200, False)])
def test_a_consent_opens_from_its_beginning_to_before_its_end(at_utc: int, *, may: bool) -> None:
    assert bool(granted([GIVEN], ASKED, at_utc)) is may


def test_a_consent_without_an_end_holds_until_it_is_withdrawn() -> None:
    endless = replace(GIVEN, until_utc=None)
    assert granted([endless], ASKED, 2**32) == (endless,)


@pytest.mark.parametrize("field", ["connection_point", "purpose", "grantee"])
def test_a_consent_opens_nothing_else(field: str) -> None:
    assert granted([GIVEN], replace(ASKED, **{field: "another"}), 150) == ()  # type: ignore[arg-type]  # a text field


def test_whoever_moved_in_later_did_not_consent() -> None:
    assert granted([GIVEN], replace(ASKED, consumers=frozenset({"K2"})), 150) == ()
    assert granted([GIVEN], replace(ASKED, consumers=frozenset({"K1", "K2"})), 150) == ()
    both = [GIVEN, replace(GIVEN, consumer="K2")]
    assert len(granted(both, replace(ASKED, consumers=frozenset({"K1", "K2"})), 150)) == 2


def test_data_of_nobody_known_never_leave() -> None:
    assert granted([GIVEN], replace(ASKED, consumers=frozenset()), 150) == ()
    assert granted([GIVEN], replace(ASKED, consumers=frozenset({None})), 150) == ()
    assert granted([GIVEN], replace(ASKED, consumers=frozenset({"K1", None})), 150) == ()


def test_a_consent_that_was_given_again_holds_again() -> None:
    again = replace(GIVEN, from_utc=300, until_utc=None)
    assert granted([again, GIVEN], ASKED, 250) == ()
    assert granted([again, GIVEN], ASKED, 300) == (again,)


@pytest.mark.parametrize("until", [100, 99])
def test_a_consent_ends_after_it_begins(until: int) -> None:
    with pytest.raises(ConsentRefusedError, match="ends after it begins"):
        replace(GIVEN, until_utc=until)
