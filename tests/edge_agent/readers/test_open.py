"""Reader URLs: every fault at once, and a secret in none of them."""

from pathlib import Path

import pytest

from edge_agent.errors import ReaderUrlError
from edge_agent.readers.dlms.reader import DlmsReader
from edge_agent.readers.open import READERS, open_reader
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.registers import Origin


@pytest.fixture
def password(tmp_path: Path) -> str:
    (tmp_path / "lls").write_bytes(b"hunter2-hunter2\n")
    return f"file:{tmp_path}/lls"


def faults(url: str) -> tuple[str, ...]:
    with pytest.raises(ReaderUrlError) as caught:
        open_reader(url)
    return caught.value.faults


async def test_a_meter_with_a_memory_is_told_from_one_without_by_type(password: str) -> None:
    dlms = open_reader(f"dlms+tcp://127.0.0.1?password={password}")
    modbus = open_reader("modbus+tcp://127.0.0.1?map=sdm630")
    assert isinstance(dlms, Reader)
    assert not isinstance(dlms, SampledReader)
    assert isinstance(modbus, SampledReader)
    assert not isinstance(modbus, Reader)
    assert modbus.origin is Origin.MODBUS
    await dlms.close()
    await modbus.close()


def test_the_origin_is_what_the_url_can_prove(password: str) -> None:
    assert open_reader(f"dlms+tcp://127.0.0.1?client=32&password={password}").origin is Origin.LLS
    assert open_reader("dlms+tcp://127.0.0.1?client=16").origin is Origin.PLAIN


@pytest.mark.parametrize("prefix", ["file:", "file://"])
def test_a_secret_is_read_from_its_file(prefix: str, password: str) -> None:
    url = f"dlms+tcp://[::1]:4059/?client=32&server=1&timeout=5&stamp=start&password={prefix}{password[5:]}"
    assert open_reader(url).origin is Origin.LLS


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        (
            "dlms+udp://h",
            "expected a scheme of dlms+tcp:, dlms+hdlc+tcp:, dlms+serial:, dlms-cosem+tcp:, modbus+tcp:, modbus+rtu:, got 'dlms+udp:'",
        ),
        (
            "dlms://h",
            "expected a scheme of dlms+tcp:, dlms+hdlc+tcp:, dlms+serial:, dlms-cosem+tcp:, modbus+tcp:, modbus+rtu:, got 'dlms:'",
        ),
        ("dlms+tcp://h:99999?client=16", "port from 0 to 65535"),
        ("dlms+tcp://:4059?client=16", "expected a host"),
        ("dlms+tcp://me@h?client=16", "no user and password"),
        ("dlms+tcp://h/path?client=16", "nothing between the port and '?'"),
        ("dlms+tcp://h?client=16#x", "no '#'"),
        ("dlms+tcp://h?client=16&client=16", "the key 'client' once"),
        ("dlms+tcp://h?client=16&baud=9600", "unknown key 'baud'"),
        ("dlms+tcp://h?client=0", "from 1 to 65535 in 'client', got '0'"),
        ("dlms+tcp://h?client=16&server=65536", "'server', got '65536'"),
        ("dlms+tcp://h?client=16&server=%C2%B2", "'server'"),
        ("dlms+tcp://h?client=16&timeout=0", "'timeout', got '0'"),
        ("dlms+tcp://h?client=16&timeout=99999999999999999999", "'timeout'"),
        ("dlms+tcp://h?client=16&stamp=middle", "expected one of end, start in 'stamp', got 'middle'"),
        ("dlms+tcp://h", "password=file:/path for client=32"),
        (
            "modbus+tcp://h",
            "expected a register map of adl400, dtsu666, em6400ng, iem3155, pm2xxx, sdm120, sdm630, sunspec in 'map', got nothing",
        ),
        ("modbus+tcp://h?map=../sdm630", "got '../sdm630'"),
        ("modbus+tcp://h?map=sdm630&unit=248", "from 1 to 247 in 'unit', got '248'"),
        ("modbus+tcp://h?map=sdm630&timeout=61", "'timeout', got '61'"),
        ("modbus+rtu:?map=sdm630", "expected a device after the scheme, e.g. modbus+rtu:/dev/ttyUSB0"),
        ("modbus+rtu://h?map=sdm630", "expected a device"),
        ("modbus+rtu:dev/ttyS0?map=sdm630", "expected a device"),
        ("modbus+rtu:/dev/?map=sdm630", "expected a device"),
        ("modbus+rtu:/dev/ttyS0", "expected a register map"),
        ("modbus+rtu:/dev/ttyS0?map=sdm630&baud=9601", "'baud', got '9601'"),
        ("modbus+rtu:/dev/ttyS0?map=sdm630&parity=X", "expected one of N, E, O in 'parity', got 'X'"),
        ("modbus+rtu:/dev/ttyS0?map=sdm630&stop=3", "from 1 to 2 in 'stop', got '3'"),
        ("modbus+rtu:/dev/ttyS0?map=sdm630&unit=0", "from 1 to 247 in 'unit', got '0'"),
    ],
)
def test_a_fault_is_named(url: str, fault: str) -> None:
    found = faults(url)
    assert len(found) == 1
    assert fault in found[0]


def test_a_serial_line_has_a_device_and_settings() -> None:
    reader = open_reader("modbus+rtu:/dev/serial/by-id/usb-1?baud=19200&parity=E&stop=1&unit=247&map=sdm630")
    assert reader.origin is Origin.MODBUS


def test_a_number_with_leading_zeros_is_a_number_up_to_nine_digits() -> None:
    assert open_reader("dlms+tcp://h?client=000000016").origin is Origin.PLAIN
    assert "'client'" in faults("dlms+tcp://h?client=0000000016")[0]


def test_what_is_no_url_at_all_is_refused() -> None:
    assert "expected a scheme" in faults("nonsense")[0]
    assert "expected a scheme" in faults("")[0]


def test_every_fault_is_named_at_once() -> None:
    found = faults("dlms+tcp://h?client=x&server=0&stamp=no&typo=1&password=file:/nowhere/at/all")
    assert len(found) == 5
    assert str(ReaderUrlError(found)).count(";") == 4


def test_a_public_client_takes_no_password(password: str) -> None:
    assert "no password for client=16" in faults(f"dlms+tcp://h?client=16&password={password}")[0]


@pytest.mark.parametrize("secret", ["hunter2", "file:hunter2", "pkcs11:hunter2"])
def test_a_secret_in_the_url_itself_is_refused_and_not_repeated(secret: str) -> None:
    (fault,) = faults(f"dlms+tcp://h?password={secret}")
    assert "expected file:/path in 'password'" in fault
    assert "hunter2" not in fault


def test_a_missing_or_empty_secret_file_is_named(tmp_path: Path) -> None:
    assert "No such file" in faults(f"dlms+tcp://h?password=file:{tmp_path}/none")[0]
    (tmp_path / "empty").write_bytes(b"\n")
    assert "1 to 64 octets" in faults(f"dlms+tcp://h?password=file:{tmp_path}/empty")[0]
    (tmp_path / "long").write_bytes(b"k" * 65)
    assert "1 to 64 octets" in faults(f"dlms+tcp://h?password=file:{tmp_path}/long")[0]


def test_no_reader_shows_its_secret(password: str) -> None:
    reader = open_reader(f"dlms+tcp://h?password={password}")
    assert isinstance(reader, DlmsReader)
    shown = repr(reader) + str(vars(reader)) + str(vars(reader.client)) + str(vars(vars(reader.client)["_session"]))
    assert "hunter2" not in shown


def test_no_second_opinion_shows_its_secret(password: str) -> None:
    reader = open_reader(f"dlms-cosem+tcp://h?password={password}")
    shown = repr(reader) + str(vars(reader))
    assert "hunter2" not in shown
    assert b"hunter2".hex() not in shown


def test_the_table_names_every_scheme() -> None:
    assert list(READERS) == [
        "dlms+tcp:",
        "dlms+hdlc+tcp:",
        "dlms+serial:",
        "dlms-cosem+tcp:",
        "modbus+tcp:",
        "modbus+rtu:",
    ]
