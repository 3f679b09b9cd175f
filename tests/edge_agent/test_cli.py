import asyncio
import json
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent import cli
from edge_agent.cli import main
from edge_agent.config import load
from edge_agent.drafts import seal
from edge_agent.outbox.outbox import Outbox
from edge_agent.readers.compare import Difference
from edge_agent.steps import Park
from firmware_sim.dlms.server import serve
from firmware_sim.dlms.session import DEFAULT_PASSWORD
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import parse_instant
from signing.signer import open_signer
from signing.statements.answers import Disposition, Refusal
from signing.statements.enrolment import open_enrolment
from tests.edge_agent.discom import Discom
from tests.edge_agent.gateway import draft, to_send
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
            outbox.put(entry, lambda place, entry=entry: seal(entry, place, salt=bytes(16), signer=signer))  # type: ignore[misc]
        pending = to_send(outbox)[0]
        refusal = Refusal(
            kid=pending.envelope.kid,
            statement=pending.digest,
            message=bytes(32),
            number=5,
            reason="not on record",
            disposition=Disposition.PARK,
            tree_size=0,
        )
        outbox.park(Park(digest=pending.digest, refusal=refusal))


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


@pytest.fixture
def meter_url(tmp_path: Path) -> Iterator[str]:
    """A simulated meter, served by another thread: a command runs its own loop."""
    (tmp_path / "lls").write_bytes(DEFAULT_PASSWORD)
    meter = Meter(MeterSpec(serial="12345678"), Home(seed=7, array_w=5000))
    loop, ended = asyncio.new_event_loop(), asyncio.Event()
    ports: queue.Queue[int] = queue.Queue()

    async def serving() -> None:
        async with serve(meter, now=lambda: NOW) as port:
            ports.put(port)
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serving(),))
    thread.start()
    try:
        yield f"dlms+tcp://127.0.0.1:{ports.get(timeout=20)}?password=file:{tmp_path}/lls"
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def test_discover_prints_what_the_meter_is_and_one_that_is_away_is_refused(
    meter_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["discover", meter_url, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["given association"]["nameplate"]["serial number"] == "12345678"
    assert found["given association"]["refused"] == {}
    assert main(["discover", "dlms+tcp://127.0.0.1:1?client=16"]) == 1
    assert "no connection" in capsys.readouterr().out


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


def test_compare_reads_with_both_stacks_and_wants_a_span(meter_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", meter_url, "--compare", *SPAN, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"differences": []}
    assert main(["read", meter_url, "--compare"]) == 2
    assert main(["read", meter_url, "--compare", "--profile", "1.0.99.2.0.255", *SPAN]) == 2


def test_a_difference_between_the_stacks_is_found(
    meter_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def one(*_: object) -> list[Difference]:
        return [Difference(what="block", ours="1", other="2")]

    monkeypatch.setattr(cli, "compare", one)
    assert main(["read", meter_url, "--compare", *SPAN]) == 1
    assert '"dlms-cosem": "2"' in capsys.readouterr().out


@pytest.mark.parametrize("command", ["init", "run", "read", "discover", "outbox", "check"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert "usage: sakshi-agent" in capsys.readouterr().out
