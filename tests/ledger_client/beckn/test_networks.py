"""Networks' rules for names, checked before the network does."""

import pytest

from ledger_client.beckn.networks import PRODUCTION, TESTS, complaints


@pytest.mark.parametrize("network", sorted(TESTS))
def test_a_meter_on_a_test_network_says_so(network: str) -> None:
    assert complaints(network, discom_id="any", meter_ids=["TEST_1"]) == ()
    (said,) = complaints(network, discom_id="any", meter_ids=["TEST_1", "did:web:x:meters:1"])
    assert said.startswith("did:web:x:meters:1: expected TEST_")


def test_a_meter_in_production_is_no_test() -> None:
    assert complaints(PRODUCTION, discom_id="PaVVNL", meter_ids=["123"]) == ()
    (said,) = complaints(PRODUCTION, discom_id="PaVVNL", meter_ids=["123", "TEST_1"])
    assert said.startswith("TEST_1: expected no TEST_")


@pytest.mark.parametrize(("code", "hint"), [("PVVNL", ""), ("PAVVNL", "write PaVVNL"), ("TEST_DISCOM_SELLER", "")])
def test_a_discom_in_production_is_on_the_list_letter_by_letter(code: str, hint: str) -> None:
    (said,) = complaints(PRODUCTION, discom_id=code)
    assert said.startswith(f"{code} is not on the network's list")
    assert said.endswith(hint)
    assert complaints(PRODUCTION, discom_id=code, discoms=frozenset({code})) == ()


def test_a_network_that_the_policy_does_not_name_is_none() -> None:
    (said,) = complaints("x/y", discom_id="PaVVNL", meter_ids=["1"])
    assert said.startswith("x/y is no network of the policy")
