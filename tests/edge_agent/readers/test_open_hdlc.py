"""URLs of meters behind HDLC: every key, its bounds, and its remedy."""

from pathlib import Path

import pytest

from edge_agent.errors import ReaderUrlError
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from edge_agent.registers import Origin

ALL_KEYS = "client=32&server=1&physical=17&address=4&frame=512&window=7&timeout=5&stamp=end"


@pytest.fixture
def password(tmp_path: Path) -> str:
    (tmp_path / "lls").write_bytes(b"hunter2-hunter2\n")
    return f"file:{tmp_path}/lls"


@pytest.mark.parametrize("start", ["dlms+hdlc+tcp://[::1]:4059?", "dlms+serial:/dev/ttyS9?baud=1200&parity=E&stop=2&"])
def test_every_key_is_taken(start: str, password: str) -> None:
    reader = open_reader(f"{start}{ALL_KEYS}&password={password}")
    assert isinstance(reader, Reader)
    assert reader.origin is Origin.LLS


@pytest.mark.parametrize("start", ["dlms+hdlc+tcp://h?client=16", "dlms+serial:/dev/ttyS9?client=16"])
@pytest.mark.parametrize(
    "key",
    ["frame=32", "frame=2030", "window=1", "server=127", "server=16383", "physical=0", "physical=16383", "address=1"],
)
def test_the_bounds_are_taken(start: str, key: str) -> None:
    assert open_reader(f"{start}&{key}").origin is Origin.PLAIN


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("dlms+hdlc+tcp://?client=16", "expected a host"),
        ("dlms+hdlc+tcp://h?client=16&baud=9600", "unknown key 'baud'"),
        ("dlms+hdlc+tcp://h", "password=file:/path for client=32"),
        ("dlms+hdlc+tcp://h?client=128", "from 1 to 127 in 'client', got '128'"),
        ("dlms+hdlc+tcp://h?client=16&server=16384", "from 1 to 16383 in 'server'"),
        ("dlms+hdlc+tcp://h?client=16&physical=16384", "from 0 to 16383 in 'physical'"),
        ("dlms+hdlc+tcp://h?client=16&address=3", "expected one of fewest, 1, 2, 4 in 'address', got '3'"),
        ("dlms+hdlc+tcp://h?client=16&physical=17&address=1", "holds 1 and 17, got 1 in 'address'"),
        ("dlms+hdlc+tcp://h?client=16&server=128&address=2", "holds 128 and None, got 2 in 'address'"),
        ("dlms+hdlc+tcp://h?client=16&frame=31", "from 32 to 2030 in 'frame', got '31'"),
        ("dlms+hdlc+tcp://h?client=16&frame=2031", "'frame', got '2031'"),
        ("dlms+hdlc+tcp://h?client=16&window=8", "from 1 to 7 in 'window', got '8'"),
        ("dlms+serial://host/dev/ttyS9?client=16", "expected a device after the scheme, e.g. dlms+serial:/dev/ttyUSB0"),
        ("dlms+serial:?client=16", "expected a device"),
        ("dlms+serial:/dev/ttyS9?client=16&baud=9601", "'baud', got '9601'"),
        ("dlms+serial:/dev/ttyS9?client=16&parity=M", "expected one of N, E, O in 'parity', got 'M'"),
        ("dlms+serial:/dev/ttyS9?client=16&stop=3", "from 1 to 2 in 'stop', got '3'"),
        ("dlms+serial:/dev/ttyS9?client=16&timeout=301", "'timeout', got '301'"),
    ],
)
def test_a_fault_is_named(url: str, fault: str) -> None:
    with pytest.raises(ReaderUrlError) as caught:
        open_reader(url)
    (found,) = caught.value.faults
    assert fault in found
