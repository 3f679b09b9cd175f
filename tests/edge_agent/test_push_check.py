"""What `check` says of pushes before anybody waits for one."""

import socket
from pathlib import Path

import pytest

from edge_agent.cli import main
from edge_agent.config import Config
from edge_agent.errors import MeterKeyError
from edge_agent.push_check import push_findings
from edge_agent.readers.access import MeterKeys
from edge_agent.readers.dlms.security import Secret
from tests.edge_agent.discom import Discom
from tests.edge_agent.settings import config, text

KEYED = "dlms+tcp://127.0.0.1:4059?client=32&auth=lls&suite=0&keys=store:M1&title=53414b0000000001"
TITLE = 'push_title = "534b530000bc614e"'
KEY = Secret(bytes(16))


class Vault:
    def __init__(self, keys: MeterKeys | None) -> None:
        self._keys = keys

    def unlock(self, uri: str) -> MeterKeys:
        assert uri == "store:M1"
        if self._keys is None:
            raise MeterKeyError("there are no keys of meter M1: run `sakshi-agent keys import`")
        return self._keys

    def hear(self, uri: str, title: bytes, counter: int) -> bool:
        raise NotImplementedError


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def settings(directory: Path, discom: Discom, port: int, extra: str, url: str = KEYED) -> Config:
    return config(directory, text(discom, url=url, extra=f'{extra}\n[push]\ntcp = "127.0.0.1:{port}"'))


async def test_without_a_listener_there_is_nothing_to_say(tmp_path: Path, discom: Discom) -> None:
    assert await push_findings(config(tmp_path, text(discom)), None) == []


async def test_a_free_address_and_a_meter_with_keys_are_good(tmp_path: Path, discom: Discom, port: int) -> None:
    made = settings(tmp_path, discom, port, TITLE)
    at, meter = await push_findings(made, Vault(MeterKeys(encryption=KEY, authentication=KEY)))
    assert (at.text, at.is_good, at.is_warning) == (f"tcp 127.0.0.1:{port}", True, False)
    assert (meter.text, meter.is_good, meter.is_warning) == (
        "verified, of the system title 534b530000bc614e",
        True,
        False,
    )


async def test_an_address_in_use_is_perhaps_the_agents(tmp_path: Path, discom: Discom, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        at, _ = await push_findings(settings(tmp_path, discom, port, TITLE), None)
    assert at.is_good
    assert at.is_warning
    assert "in use" in at.text


async def test_an_address_of_another_machine_is_bad(tmp_path: Path, discom: Discom) -> None:
    made = config(tmp_path, text(discom, extra='[push]\ntcp = "192.0.2.1:4059"'))
    at, _ = await push_findings(made, None)
    assert not at.is_good
    assert at.text.endswith("correct 'tcp' and 'udp' of [push]")


@pytest.mark.parametrize("keys", [None, MeterKeys(encryption=KEY), MeterKeys(authentication=KEY)])
async def test_keys_that_cannot_be_had_are_bad(
    tmp_path: Path, discom: Discom, port: int, keys: MeterKeys | None
) -> None:
    _, meter = await push_findings(settings(tmp_path, discom, port, TITLE), Vault(keys))
    assert not meter.is_good
    assert "import" in meter.text


@pytest.mark.parametrize(
    ("extra", "is_warning", "said"),
    [
        ("", False, "all are refused"),
        ('plain_push = "hint"', True, "whoever reaches the port can have this meter read every 900 s"),
    ],
)
async def test_a_meter_whose_pushes_nobody_can_verify_is_named(
    tmp_path: Path, discom: Discom, port: int, extra: str, said: str, *, is_warning: bool
) -> None:
    _, meter = await push_findings(settings(tmp_path, discom, port, extra), None)
    assert (meter.what, meter.is_good, meter.is_warning) == ("pushes of meter M1", True, is_warning)
    assert meter.text.startswith(said)


async def test_a_modbus_meter_is_not_asked_about(tmp_path: Path, discom: Discom, port: int) -> None:
    made = settings(tmp_path, discom, port, "", "modbus+tcp://127.0.0.1:502?map=sdm630")
    assert len(await push_findings(made, None)) == 1


def test_the_command_says_it(tmp_path: Path, discom: Discom, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(
        text(discom, port=1, url="dlms+tcp://127.0.0.1:1?client=16", extra=f'[push]\ntcp = "127.0.0.1:{port}"')
    )
    assert main(["check", "--config", str(path)]) == 1
    assert main(["init", "--config", str(path)]) == 0
    assert main(["check", "--config", str(path)]) == 1
    assert capsys.readouterr().out.count(f"ok   pushes: tcp 127.0.0.1:{port}\nwarn pushes of meter M1: ") == 2
