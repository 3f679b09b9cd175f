"""What a network asks of the names that travel on it, checked before anything is sent there.

Source: network policy of wave 2 (NET1, TEST1, PROD1, PROD2): meter ids start with ``TEST_`` on a test network and never on the
production one, whose discoms are listed by their CEA UPADHI short codes, case and all.
"""

from collections.abc import Iterable

PRODUCTION = "indiaenergystack.in/ies-p2p-trading-network"
TESTS = frozenset({"indiaenergystack.in/test-ies-p2p-trading-network", "nfh.global/testnet-deg"})
KNOWN = TESTS | {PRODUCTION}
PRODUCTION_DISCOMS = frozenset({"PaVVNL", "TPDDL", "BRPL"})
"""Discoms that the production network lists, as of 2026-07. Codes such as ``PVVNL`` and ``PVVNL-DL`` stand in old records only."""

TEST_PREFIX = "TEST_"


def complaints(
    network_id: str,
    *,
    discom_id: str,
    meter_ids: Iterable[str] = (),
    discoms: frozenset[str] = PRODUCTION_DISCOMS,
) -> tuple[str, ...]:
    """What the network would refuse, in words with their remedy; empty where nothing is. `discoms` replaces the known list."""
    if network_id not in KNOWN:
        known = ", ".join(sorted(KNOWN))
        return (f"{network_id} is no network of the policy: expected one of {known}",)
    found = []
    is_test = network_id in TESTS
    if not is_test and discom_id not in discoms:
        near = [one for one in sorted(discoms) if one.lower() == discom_id.lower()]
        hint = f"; write {near[0]}" if near else ""
        found.append(f"{discom_id} is not on the network's list of discoms{hint}")
    for meter_id in meter_ids:
        if meter_id.startswith(TEST_PREFIX) != is_test:
            rule = "expected" if is_test else "expected no"
            found.append(f"{meter_id}: {rule} {TEST_PREFIX} at the start on {network_id}")
    return tuple(found)
