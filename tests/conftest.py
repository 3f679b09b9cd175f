"""One profile for every property, and what a skip means.

No deadlines, because machines are shared; the same examples on every run of continuous integration. There a skip is a failure: a
test that did not run has proved nothing. `make check` asks for the profile of that name, with few examples.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

_IN_CI = bool(os.environ.get("SAKSHI_SKIP_IS_FAILURE"))

settings.register_profile("check", deadline=None, max_examples=10)
settings.register_profile("here", deadline=None, max_examples=100)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, print_blob=True)
settings.load_profile("ci" if _IN_CI else "here")


_FOLDER = Path(__file__).parent
SLOW = frozenset(
    _FOLDER / name
    for name in (
        "benchmarks/test_bench.py",
        "benchmarks/test_estimation.py",
        "contracts/test_ledger_contract.py",
        "contracts/test_reader_contract.py",
        "contracts/test_transport_contract.py",
        "edge_agent/outbox/test_crash.py",
        "edge_agent/readers/dlms/test_client_hdlc.py",
        "edge_agent/readers/dlms/test_hdlc_peer.py",
        "edge_agent/readers/dlms/test_hdlc_sizes.py",
        "edge_agent/readers/dlms/test_null_clocks.py",
        "edge_agent/readers/dlms/test_serial_port.py",
        "edge_agent/readers/modbus/test_serial_line.py",
        "edge_agent/readers/test_compare.py",
        "edge_agent/readers/test_dlms_cosem.py",
        "edge_agent/readers/test_dlms_cosem_ciphered.py",
        "edge_agent/readers/test_meter_bytes.py",
        "edge_agent/test_cli.py",
        "edge_agent/test_commission.py",
        "edge_agent/test_counters.py",
        "edge_agent/test_discover.py",
        "edge_agent/test_forward.py",
        "edge_agent/test_poll_pieces.py",
        "edge_agent/test_slow_line.py",
        "edge_agent/test_wear.py",
        "faults/test_daily_balance.py",
        "faults/test_lost_links.py",
        "faults/test_meter_combinations.py",
        "faults/test_meter_matrix.py",
        "faults/test_meters.py",
        "faults/test_modbus_combinations.py",
        "faults/test_modbus_matrix.py",
        "faults/test_pushes.py",
        "firmware_sim/dlms/test_application.py",
        "firmware_sim/dlms/test_catalogue.py",
        "firmware_sim/dlms/test_ciphered_peer.py",
        "firmware_sim/dlms/test_command.py",
        "firmware_sim/dlms/test_faulty.py",
        "firmware_sim/dlms/test_hdlc.py",
        "firmware_sim/dlms/test_hdlc_window.py",
        "firmware_sim/dlms/test_session.py",
        "firmware_sim/modbus/test_command.py",
        "firmware_sim/test_cli.py",
        "firmware_sim/test_fleet.py",
        "firmware_sim/test_meter.py",
        "firmware_sim/test_replay.py",
        "firmware_sim/test_shape.py",
        "headend/billing/test_month.py",
        "headend/commands/test_data.py",
        "headend/commands/test_onboarding.py",
        "headend/days/test_balancing.py",
        "headend/exchange/test_answering.py",
        "headend/exchange/test_channels.py",
        "headend/exchange/test_contract_door.py",
        "headend/exchange/test_holding.py",
        "headend/exchange/test_least_origin.py",
        "headend/exchange/test_legs.py",
        "headend/exchange/test_receiving.py",
        "headend/exchange/test_recording_leg.py",
        "headend/exchange/test_terms.py",
        "headend/intake/test_promises.py",
        "headend/meter_data/test_comparing.py",
        "headend/meter_data/test_importing.py",
        "headend/reads/test_market.py",
        "headend/registry/test_dated_names.py",
        "headend/test_cli.py",
        "headend/test_pipeline.py",
        "headend/test_rereading.py",
        "headend/test_service.py",
        "headend/test_settled_view.py",
        "headend/transport/test_mqtt.py",
        "headend/upkeep/test_check.py",
        "headend/vee/test_properties.py",
        "headend/watching/test_watch.py",
        "headend/web/test_api.py",
        "headend/web/test_api_data.py",
        "headend/web/test_api_duty.py",
        "headend/web/test_api_exchange.py",
        "headend/web/test_api_settling.py",
        "headend/web/test_console_duty.py",
        "headend/web/test_contracts.py",
        "ledger_client/sandbox/test_exchange.py",
        "ledger_client/sandbox/test_forwarding.py",
        "ledger_client/sandbox/test_provider.py",
        "ledger_client/sandbox/test_settlement.py",
        "ledger_client/test_cli.py",
        "signing/log/test_proofs.py",
        "signing/test_batch_message.py",
        "signing/test_promises.py",
        "signing/test_store_to_bundle.py",
    )
)
"""Modules that start servers or walk long laws: `make check` leaves them to `make test`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of slow modules."""
    for item in items:
        if item.path in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skip into a failure where skips are failures."""
    report = yield
    if _IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report
