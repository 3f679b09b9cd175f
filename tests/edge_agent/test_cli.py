import asyncio
import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from edge_agent import drafts
from edge_agent.agent import only_one
from edge_agent.cli import main
from edge_agent.config import load
from edge_agent.meter_keys import Role, open_wrapping_key, parse, seal
from edge_agent.outbox.outbox import Outbox
from edge_agent.readers.dlms.codec import Data, Tag
from edge_agent.readers.dlms.security import Secret
from edge_agent.steps import Park
from edge_agent.vault import GatewayVault
from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.clients import TEST_AK, TEST_EK, Access, Ciphering
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.gcm import Keys
from firmware_sim.dlms.server import serve, serve_device
from firmware_sim.dlms.session import DEFAULT_PASSWORD
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import parse_instant
from signing.signer import open_signer
from signing.statements.enrolment import open_enrolment
from tests.edge_agent.discom import Discom, refused
from tests.edge_agent.gateway import draft, to_send
from tests.edge_agent.readers.dlms.wire import BLOCK, ScriptedMeter, array, capture, scaler
from tests.edge_agent.readers.dlms.wire import meter as scripted
from tests.edge_agent.readers.peers import listening, read_frame
from tests.edge_agent.settings import text


@pytest.fixture
def file(tmp_path: Path, discom: Discom) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(text(discom, port=1))
    return path


def initialised(file: Path) -> Path:
    assert main(["init", "--config", str(file)]) == 0
    return file


def park_one(file: Path) -> None:
    settings = load(file)
    signer = open_signer(settings.key)
    with Outbox(settings.database, capacity=10) as outbox:
        for block in range(2):
            entry = draft(block)
            outbox.put(entry, lambda place, entry=entry: drafts.seal(entry, place, salt=bytes(16), signer=signer))  # type: ignore[misc]
        pending = to_send(outbox)[0]
        outbox.park(Park(digest=pending.digest, refusal=refused(pending.envelope)))


def test_init_writes_the_request_and_says_where(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    initialised(file)
    shown = capsys.readouterr().out
    (request,) = (file.parent / "state").glob("enrol-*.cbor")
    assert str(request) in shown
    assert open_enrolment(request.read_bytes()).kid.hex() in shown


def test_init_twice_is_refused_and_a_new_key_is_not(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    initialised(file)
    assert main(["init", "--config", str(file)]) == 1
    assert "nothing was changed" in capsys.readouterr().err
    assert main(["init", "--config", str(file), "--new-key"]) == 0


def test_p11_the_key_of_an_agent_that_runs_is_not_replaced(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    initialised(file)
    settings = load(file)
    kid = open_signer(settings.key).public_key.kid
    with only_one(settings):
        assert main(["init", "--config", str(file), "--new-key"]) == 1
    assert "another agent runs" in capsys.readouterr().err
    assert open_signer(settings.key).public_key.kid == kid
    with Outbox(settings.database, capacity=1) as outbox:
        assert outbox.kid == kid
    assert len(list(settings.state.glob("enrol-*.cbor"))) == 1


def test_a_wrong_configuration_is_misuse_with_every_fault(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text().replace("shard = 0", "shard = -1").replace('id = "M1"', 'id = "/"'))
    for command in ("init", "run", "outbox", "check"):
        assert main([command, "--config", str(file)]) == 2
        shown = capsys.readouterr().err
        assert "shard: " in shown
        assert "meter[0].id: " in shown


def test_run_without_state_or_with_anothers_key_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--config", str(file)]) == 1
    initialised(file)
    settings = load(file)
    for path in settings.state.glob("agent.db*"):
        path.unlink()
    assert main(["run", "--config", str(file)]) == 1
    assert "init --new-key" in capsys.readouterr().err


def test_run_with_a_password_that_cannot_be_read_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    initialised(file)
    file.write_text(file.read_text().replace("[broker]", '[broker]\nusername = "gw1"\npassword = "file:typo"'))
    assert main(["run", "--config", str(file)]) == 1
    assert "cannot read secret file" in capsys.readouterr().err


def test_the_outbox_lists_what_is_unanswered_and_why(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    park_one(initialised(file))
    capsys.readouterr()
    assert main(["outbox", "--config", str(file)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "PARKED" in shown[0]
    assert "refused (5) not on record" in shown[0]
    assert "WAITING" in shown[1]
    assert shown[2] == "1 waiting, 1 parked, 0 receipted"
    assert main(["outbox", "--config", str(file), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["state"], line["sequence"]) for line in lines] == [("PARKED", 0), ("WAITING", 1)]


def test_a_parked_batch_is_released_by_number_or_with_all(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    park_one(initialised(file))
    release = ["outbox", "--config", str(file), "release"]
    assert main([*release, "2"]) == 1
    assert main([*release, "1"]) == 0
    assert main([*release, "all"]) == 1
    for number in ("", "one", "-1", "²"):
        assert main([*release, "--", number]) == 2
    assert main(release) == 2


def test_check_names_everything_that_does_not_answer(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text().replace(":4059", ":1"))
    initialised(file)
    capsys.readouterr()
    assert main(["check", "--config", str(file)]) == 1
    key, meter, broker = capsys.readouterr().out.splitlines()
    assert key.startswith("ok   key and state")
    assert meter.startswith("BAD  meter M1")
    assert broker.startswith("BAD  broker 127.0.0.1:1")


def test_check_names_another_meter_once(file: Path, meter_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text().replace("dlms+tcp://127.0.0.1:4059?client=16", meter_url))
    initialised(file)
    capsys.readouterr()
    assert main(["check", "--config", str(file)]) == 1
    (told,) = (
        line for line in capsys.readouterr().out.splitlines() if "meter M1" in line and not line.startswith("warn")
    )
    assert told.startswith("BAD  meter M1: expected serial number SERIAL1, the meter on the wire says 12345678")


@pytest.mark.parametrize(
    "arguments", [["--from", "2026-04-26T00:00:00Z"], ["--from", "yesterday", "--to", "2026-04-26T00:00:00Z"]]
)
def test_read_wants_both_ends_of_a_span_with_offsets(arguments: list[str]) -> None:
    assert main(["read", "dlms+tcp://127.0.0.1:1?client=16", *arguments]) == 2


def test_read_says_what_is_wrong_with_a_url(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "dlms+tcp://127.0.0.1:1?client=16&x=1"]) == 1
    assert "unknown key 'x'" in capsys.readouterr().err


NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
SPAN = ["--from", "2026-04-26T00:00:00+05:30", "--to", "2026-04-26T01:00:00+05:30"]


def in_a_thread(opened: Callable[[], AbstractAsyncContextManager[int]]) -> Iterator[int]:
    """The port of a meter that is served by another thread: a command runs its own loop."""
    loop, ended = asyncio.new_event_loop(), asyncio.Event()
    ports: queue.Queue[int] = queue.Queue()

    async def serving() -> None:
        async with opened() as port:
            ports.put(port)
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serving(),))
    thread.start()
    try:
        yield ports.get(timeout=20)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


@pytest.fixture
def meter_url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD)
    meter = Meter(MeterSpec(serial="12345678"), Home(seed=7, array_w=5000))
    for port in in_a_thread(lambda: serve(meter, now=lambda: NOW)):
        yield f"dlms+tcp://127.0.0.1:{port}?password=file:{tmp_path}/lls"


@pytest.fixture
def differing_url() -> Iterator[str]:
    """A meter that gives another serial number to whoever comes second."""

    async def peer(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        meter = meters.pop(0)
        while True:
            writer.write(meter.answer(await read_frame(stream)))

    meters = [without_days(serial) for serial in ("A", "B")]
    for port in in_a_thread(lambda: listening(peer)):
        yield f"dlms+tcp://127.0.0.1:{port}?client=16"


def without_days(serial: str) -> ScriptedMeter:
    meter, daily = scripted([]), "1.0.99.2.0.255"
    for attribute in (4, 5, 7, 8):
        meter.objects[7, daily, attribute] = meter.objects[7, BLOCK, attribute]
    meter.objects[7, daily, 3] = array(capture(8, "0.0.1.0.0.255"), capture(3, "1.0.1.8.0.255"))
    meter.objects[7, daily, 2] = array()
    meter.objects[3, "1.0.1.8.0.255", 3] = scaler(0, 30)
    meter.objects[1, "0.0.96.1.0.255", 2] = Data(Tag.VISIBLE_STRING, serial)
    return meter


def test_discover_prints_what_the_meter_is_and_one_that_is_away_is_refused(
    meter_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["discover", meter_url, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["given association"]["nameplate"]["serial number"] == "12345678"
    assert found["given association"]["refused"] == {}
    assert main(["discover", "dlms+tcp://127.0.0.1:1?client=16"]) == 1
    assert "no connection" in capsys.readouterr().out


@pytest.fixture
def ciphered_url(file: Path) -> Iterator[str]:
    """A meter that speaks only ciphered, and whose keys the agent keeps."""
    settings = load(initialised(file))
    secrets = {Role.ENCRYPTION: Secret(TEST_EK), Role.AUTHENTICATION: Secret(TEST_AK)}
    with GatewayVault(settings.database, wrapping=settings.wrapping_key, now_utc=lambda: NOW) as vault:
        sealed = seal("M1", secrets, open_wrapping_key(settings.wrapping_key).public)
        vault.take_in(parse(sealed, "file"), who="A. Rao")
    keys = Keys(encryption=TEST_EK, authentication=TEST_AK)
    device = Device(
        Meter(MeterSpec(serial="12345678", days=2), Home(seed=7, array_w=5000)),
        now=lambda: NOW,
        access=Access(keys=keys, ciphering=Ciphering.REQUIRED, hls=Mechanism.GMAC),
    )
    for port in in_a_thread(lambda: serve_device(device)):
        yield f"dlms+tcp://127.0.0.1:{port}?client=48&auth=hls5&keys=store:M1&title=53414b0000000001"


def test_the_desk_uses_the_keys_that_the_agent_keeps(
    ciphered_url: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["discover", ciphered_url, "--config", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["public association"]["origin"], found["given association"]["origin"]) == ("PLAIN", "GMAC")
    assert "1.0.99.1.0.255" in found["given association"]["profiles"]
    assert main(["read", ciphered_url, "--config", str(file), "--json", *SPAN]) == 0
    assert json.loads(capsys.readouterr().out)["origin"] == "GMAC"
    assert main(["read", ciphered_url, "--config", str(file), "--json", "--profile", "1.0.99.2.0.255"]) == 0
    capsys.readouterr()
    assert main(["read", ciphered_url]) == 1
    assert main(["discover", ciphered_url]) == 1
    assert main(["read", ciphered_url, "--config", "nowhere.toml"]) == 2
    shown = capsys.readouterr()
    assert TEST_EK.hex() not in shown.out + shown.err


def test_read_prints_a_profile_of_any_kind(meter_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", meter_url, "--profile", "1.0.99.2.0.255", *SPAN, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["at"] for row in found["rows"]] == ["2026-04-25T18:30:00Z"]
    assert found["columns"][0]["register"] == "0.0.1.0.0.255"
    assert found["rows"][0]["cells"][0] == "2026-04-25T18:30:00Z"
    for wrong in ("1.0.99", "0.0.99.98.250.255"):
        assert main(["read", meter_url, "--profile", wrong]) == 1
        assert wrong in capsys.readouterr().err
    assert main(["read", "modbus+tcp://127.0.0.1:1?map=sdm630", "--profile", "1.0.99.2.0.255"]) == 1
    assert "only those meters have profiles" in capsys.readouterr().err


async def test_a_reader_that_has_seen_enough_ends_the_command_without_a_trace(meter_url: str) -> None:
    """`sakshi-agent read … | head`: the pipe is closed before a long answer is written."""
    ours, theirs = os.pipe()
    os.close(ours)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge_agent.cli", "read", meter_url, *SPAN, stdout=theirs, stderr=asyncio.subprocess.PIPE
    )
    os.close(theirs)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


def test_compare_reads_with_both_stacks_and_wants_a_span(meter_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", meter_url, "--compare", *SPAN, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"differences": []}
    assert main(["read", meter_url, "--compare"]) == 2
    assert main(["read", meter_url, "--compare", "--profile", "1.0.99.2.0.255", *SPAN]) == 2


def test_a_difference_between_the_stacks_is_found(differing_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", differing_url, "--compare", *SPAN]) == 1
    assert [each["what"] for each in json.loads(capsys.readouterr().out)["differences"]] == ["identity: serial"]


def test_commission_prints_a_page_for_each_meter_and_is_no_go_for_one_bad_line(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(file.read_text().replace(":4059", ":1"))
    initialised(file)
    capsys.readouterr()
    assert main(["commission", "--config", str(file), "--wait", "1"]) == 1
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "NO-GO meter M1"
    assert any(line.startswith("NO    connection") for line in lines)
    assert any(line.startswith("ok    disk and outbox") for line in lines)
    assert main(["commission", "--config", str(file), "--meter", "M1", "--wait", "1", "--json"]) == 1
    page = json.loads(capsys.readouterr().out)
    assert (page["meter"], page["go"]) == ("M1", False)


@pytest.mark.parametrize("arguments", [["--meter", "M9"], ["--wait", "0"]])
def test_commission_wants_a_meter_that_is_configured_and_some_patience(file: Path, arguments: list[str]) -> None:
    assert main(["commission", "--config", str(initialised(file)), *arguments]) == 2


@pytest.mark.parametrize("command", ["init", "run", "read", "discover", "outbox", "check", "commission"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert "usage: sakshi-agent" in capsys.readouterr().out
