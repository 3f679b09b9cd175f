"""`sakshi-sim`: one line when ready, everything wrong at once, a clean end."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

import pytest

from firmware_sim.cli import main
from firmware_sim.dlms.session import DEFAULT_PASSWORD
from tests.firmware_sim.dlms.wire import AARQ_READER, CLOCK, frame
from tests.firmware_sim.processes import simulator

NOW = "2026-11-19T12:07:30+05:30"


@asynccontextmanager
async def running(*arguments: str, end: signal.Signals = signal.SIGTERM) -> AsyncIterator[int]:
    """A simulator process; gives its port."""
    async with simulator(*arguments, end=end) as place:
        assert place.startswith("127.0.0.1:")
        yield int(place.rpartition(":")[2])


async def ask(port: int, request: bytes, size: int) -> bytes:
    incoming, outgoing = await asyncio.open_connection("127.0.0.1", port)
    outgoing.write(request)
    answer = await asyncio.wait_for(incoming.readexactly(size), 10)
    outgoing.close()
    await outgoing.wait_closed()
    return answer


async def test_a_dlms_meter_runs_until_it_is_told_to_end(tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    shape = "2026-11-18T10:00:00+05:30/2026-11-18T12:00:00+05:30:export=6400"
    fault = "missing-block=2026-11-17T10:00:00+05:30"
    arguments = ["--now", NOW, "--truth", str(truth), "--shape", shape, "--fault", fault, "--serial", "AB12"]
    async with running("dlms", "--listen", "127.0.0.1:0", *arguments, "--password", "12345678") as port:
        get = frame(bytes.fromhex(f"C001C1{CLOCK}0200"))
        answer = await ask(port, frame(AARQ_READER) + get, 51 + 8 + 4 + 14)
        assert answer[-12:-4].hex() == "07ea0b13040c071e"
    told = json.loads(truth.read_text(encoding="utf-8"))
    assert told["serial"] == "AB12"
    assert len(told["rows"]) == 40 * 96 - 1
    window = [row for row in told["rows"] if "2026-11-18T04:30:00Z" <= row["start"] < "2026-11-18T06:30:00Z"]
    assert sum(row["wh_exp"] for row in window) == 6400


@pytest.mark.parametrize(
    ("role", "serial", "exports"), [("seller", "10000001", "int"), ("import-only", "30000001", "NoneType")]
)
async def test_a_role_is_played(role: str, serial: str, exports: str, tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    async with running("dlms", "--listen", "127.0.0.1:0", "--now", NOW, "--role", role, "--truth", str(truth)):
        pass
    told = json.loads(truth.read_text(encoding="utf-8"))
    assert told["serial"] == serial
    assert {type(row["wh_exp"]).__name__ for row in told["rows"] + told["daily"]} == {exports}


async def test_the_meters_of_one_home_agree_from_process_to_process(tmp_path: Path) -> None:
    shape = ["--shape", "2026-11-18T10:00:00+05:30/2026-11-18T12:00:00+05:30:export=6400"]
    truths = []
    for role in ("seller", "seller", "solar"):
        path = tmp_path / "truth.json"
        asked = ["--now", NOW, "--seed", "5", "--role", role, "--truth", str(path), *shape]
        async with running("dlms", "--listen", "127.0.0.1:0", *asked):
            pass
        truths.append(path.read_text(encoding="utf-8"))
    assert truths[0] == truths[1]
    net, made = json.loads(truths[0])["rows"], json.loads(truths[2])["rows"]
    loads = [n["wh_imp"] - n["wh_exp"] + m["wh_exp"] for n, m in zip(net, made, strict=True)]
    assert min(loads) > 0
    assert max(loads) < 1000


async def test_a_modbus_meter_runs_until_it_is_interrupted() -> None:
    arguments = ["--listen", "127.0.0.1:0", "--map", "sdm630", "--unit", "3", "--now", NOW]
    async with running("modbus", *arguments, end=signal.SIGINT) as port:
        assert (await ask(port, bytes.fromhex("00010000000603 03FC000002"), 13)).hex()[-8:] == "02625a01"


async def test_without_now_the_meter_shows_the_computers_time() -> None:
    async with running("dlms", "--listen", "127.0.0.1:0", "--days", "1") as port:
        aarq = AARQ_READER.replace(b"12345678", DEFAULT_PASSWORD)
        answer = await ask(port, frame(aarq) + frame(bytes.fromhex(f"C001C1{CLOCK}0200")), 51 + 8 + 4 + 14)
        assert int.from_bytes(answer[-12:-10], "big") >= 2026


def test_an_address_that_is_taken_ends_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["dlms", "--listen", f"127.0.0.1:{taken.getsockname()[1]}", "--days", "1"]) == 1
    assert "choose another --listen" in capsys.readouterr().err


WRONG = {
    "--listen": "nowhere",
    "--now": "2025-12-31T12:00:00Z",
    "--seed": "-1",
    "--days": "0",
    "--period": "600",
    "--role": "neighbour",
    "--serial": "?",
    "--shape": "x",
    "--fault": "gremlins",
    "--replay": "/nonexistent.csv",
    "--scale-solar": "many",
    "--truth": "/nonexistent/truth.json",
}


def test_everything_wrong_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    asked = [part for option, value in WRONG.items() for part in (option, value)]
    assert main(["dlms", *asked, "--password", "é"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert {line.split(":")[1].strip() for line in told} == {*WRONG, "--password"}
    assert len(told) == len(WRONG) + 1


def test_everything_wrong_with_a_modbus_meter_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    asked = [part for option, value in WRONG.items() for part in (option, value)]
    assert main(["modbus", *asked, "--map", "other", "--unit", "0", "--others", "loud"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert {line.split(":")[1].strip() for line in told} == {*WRONG, "--map", "--unit", "--others"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["modbus", "--listen", "127.0.0.1:0", "--map", "sdm630", "--serial", "AB"], "--serial: expected a serial"),
        (["dlms", "--listen", "127.0.0.1:0", "--scale-solar", "2"], "give --replay FILE too"),
        (["dlms", "--listen", "127.0.0.1:0", "--replay", "x", "--scale-solar", "1000.5"], "from 0 to 1000"),
        (["dlms", "--listen", "127.0.0.1:0", "--replay", "x", "--scale-solar", "1/0"], "such as 4.5"),
        (["dlms", "--listen", "127.0.0.1:65536"], "--listen: expected HOST:PORT"),
        (["dlms", "--listen", "127.0.0.1:0", "--password", "x" * 65], "1 to 64 ASCII"),
        (["dlms", "--listen", "127.0.0.1:0", "--days", "401"], "from 1 to 400"),
        (["modbus", "--listen", "127.0.0.1:0", "--map", "sdm630", "--days", "400", "--now", "2026-01-02T00:00:00Z"],
         "remember fewer days"),
        (["dlms", "--listen", "127.0.0.1:0", "--role", "buyer", "--shape",
          "2026-11-18T10:00:00Z/2026-11-18T12:00:00Z:export=1"], "a buyer exports nothing"),
        (["dlms", "--listen", "127.0.0.1:0", "--shape", "2026-11-18T10:00:00Z/2026-11-18T12:00:00Z:export=1",
          "--shape", "2026-11-18T11:00:00Z/2026-11-18T13:00:00Z:export=1"], "do not overlap"),
    ],
)  # fmt: skip
def test_a_single_fault_is_told_with_its_remedy(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "x" * 65 not in told


def test_a_faulty_record_is_told_by_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "home.csv"
    record.write_text("block,local_start,load_wh,solar_wh\n0,2011-07-01 00:00:00,x,1\n", encoding="utf-8")
    assert main(["dlms", "--listen", "127.0.0.1:0", "--replay", str(record)]) == 2
    assert "--replay: expected 0 to 50000 whole Wh, got 'x' in 'load_wh' of line 2" in capsys.readouterr().err


def test_misuse_is_status_2_and_help_is_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["dlms"]) == 2
    assert main(["dlms", "--listen", "127.0.0.1:0", "--wrong"]) == 2
    assert main(["dlms", "--help"]) == 0
    assert main(["modbus", "--help"]) == 0
    assert "--shape" in capsys.readouterr().out


@pytest.mark.parametrize("scale", [Fraction(5, 2), Fraction(0)])
async def test_a_recorded_home_is_played(tmp_path: Path, scale: Fraction) -> None:
    record = tmp_path / "home.csv"
    rows = [f"{n},2011-07-01 {n // 2:02}:{n % 2 * 30:02}:00,{100 + n},{7 * n % 50}" for n in range(48)]
    record.write_text("\n".join(["block,local_start,load_wh,solar_wh", *rows]) + "\n", encoding="utf-8")
    truth = tmp_path / "truth.json"
    replay = ["--replay", str(record), "--scale-solar", str(scale), "--truth", str(truth), "--period", "1800"]
    async with running("dlms", "--listen", "127.0.0.1:0", "--now", NOW, *replay):
        pass
    told = json.loads(truth.read_text(encoding="utf-8"))["rows"]
    net = sum(row["wh_imp"] - row["wh_exp"] for row in told[-48:])
    assert net == sum(100 + n for n in range(48)) - int(sum(7 * n % 50 for n in range(48)) * scale)
