from pathlib import Path

import pytest

from edge_agent.errors import MeterUnavailableError
from edge_agent.ports import port_faults
from edge_agent.readers.open import open_reader

DLMS = "dlms+serial:{}?client=16"
MODBUS = "modbus+rtu:{}?map=adl400&unit={}"


def faults(*urls: str) -> list[str]:
    return port_faults((f"M{number}", url) for number, url in enumerate(urls, 1))


def test_two_protocols_on_one_port_are_refused_with_both_meters_and_the_remedy() -> None:
    first, *rest = DLMS.format("/dev/ttyUSB0"), MODBUS.format("/dev/ttyUSB0", 1), MODBUS.format("/dev/ttyUSB0", 2)
    (fault,) = faults(first, *rest)
    assert fault == (
        "expected one protocol for every meter on /dev/ttyUSB0, got dlms+serial: (meter M1) and modbus+rtu: (meter M2, M3): "
        "give each protocol a port of its own"
    )


def test_two_paths_of_one_device_are_one_port(tmp_path: Path) -> None:
    (tmp_path / "ttyUSB0").touch()
    for name in ("by-id", "by-path"):
        (tmp_path / name).symlink_to(tmp_path / "ttyUSB0")
    (fault,) = faults(DLMS.format(tmp_path / "by-id"), MODBUS.format(tmp_path / "by-path", 1))
    assert f"on {tmp_path}/ttyUSB0, got dlms+serial: (meter M1) and modbus+rtu: (meter M2)" in fault


@pytest.mark.parametrize("other", ["baud=19200", "parity=E", "stop=2"])
def test_two_settings_on_one_modbus_line_are_refused(other: str) -> None:
    meter = MODBUS.format("/dev/ttyUSB0", 2)
    (fault,) = faults(meter, f"{meter}&{other}")
    assert fault.startswith("expected one setting for every meter on /dev/ttyUSB0, got 9600 8N1 (meter M1) and ")
    assert fault.endswith("set the meters alike, and correct the urls")


def test_meters_of_one_protocol_and_setting_share_a_port_and_others_have_their_own() -> None:
    assert (
        faults(
            MODBUS.format("/dev/ttyUSB0", 1),
            MODBUS.format("/dev/ttyUSB0", 2) + "&baud=9600&parity=N&stop=1",
            DLMS.format("/dev/ttyUSB1") + "&physical=17",
            DLMS.format("/dev/ttyUSB1") + "&physical=18&baud=19200",
            "modbus+tcp://192.0.2.8:502?map=adl400",
            "dlms+tcp://192.0.2.8:4059?client=16",
            "not a url",
            "dlms+tcp://192.0.2.8:99999",
            "modbus+rtu:?map=adl400",
            "dlms+serial:?client=16",
        )
        == []
    )


@pytest.fixture
def port(cable: tuple[Path, Path]) -> tuple[Path, Path]:
    """One serial port under two names, with nobody at the other end of its line."""
    _, near = cable
    other = near.with_name("other")
    other.symlink_to(near)
    return near, other


@pytest.mark.system
async def test_a_port_that_one_protocol_holds_is_not_opened_for_the_other_by_any_name(port: tuple[Path, Path]) -> None:
    near, other = port
    dlms = f"dlms+serial:{near}?client=16&timeout=1"
    async with open_reader(f"modbus+rtu:{other}?map=adl400"):
        with pytest.raises(MeterUnavailableError, match="that no other program holds it"):
            async with open_reader(dlms):
                raise AssertionError("two masters on one line")
    # And free again: now it is the meter that does not answer.
    with pytest.raises(MeterUnavailableError, match="no answer to the request to associate"):
        async with open_reader(dlms):
            raise AssertionError("nobody is there")


def test_two_names_of_a_port_are_found_before_anything_is_opened(tmp_path: Path) -> None:
    (tmp_path / "near").symlink_to("/dev/null")
    (fault,) = faults(DLMS.format(tmp_path / "near"), MODBUS.format("/dev/null", 1))
    assert "on /dev/null" in fault
