"""`sakshi-sim dlms` with its own options: every transport, every association, everything wrong told at once."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from edge_agent.errors import MeterUnavailableError
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from firmware_sim.cli import main
from firmware_sim.dlms.clients import TEST_AK, TEST_EK
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.faulty import parse_dlms_fault, spoil
from firmware_sim.dlms.serial import serve_pty
from firmware_sim.dlms.server import Framing, session_of
from firmware_sim.instants import parse_instant
from signing.interval import Interval
from tests.firmware_sim.dlms import ciphered_wire
from tests.firmware_sim.dlms.ciphered_wire import CONTEXT, INITIATE, aarq, behind_length, elements, protect, tlv
from tests.firmware_sim.dlms.hdlc_wire import SNRM, UA, frame, parts
from tests.firmware_sim.dlms.wire import frame as wrapped
from tests.firmware_sim.dlms.wire import unframe
from tests.firmware_sim.meters import now, seller
from tests.firmware_sim.test_cli import ask, running

NOW = "2026-11-19T12:07:30+05:30"
ANYWHERE = ["--listen", "127.0.0.1:0", "--now", NOW, "--days", "1"]


async def exchange(port: int, request: bytes) -> bytes:
    """The wrapper's answer to one frame."""
    incoming, outgoing = await asyncio.open_connection("127.0.0.1", port)
    outgoing.write(request)
    head = await asyncio.wait_for(incoming.readexactly(8), 10)
    answer = head + await asyncio.wait_for(incoming.readexactly(int.from_bytes(head[6:], "big")), 10)
    outgoing.close()
    await outgoing.wait_closed()
    return answer


async def test_a_ciphered_meter_has_the_test_keys_and_title_that_its_help_shows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (TEST_EK, TEST_AK) == (ciphered_wire.EK, ciphered_wire.AK)
    assert main(["dlms", "--help"]) == 0
    told = capsys.readouterr().out
    assert TEST_EK.hex() in told
    assert TEST_AK.hex() in told
    options = ["--suite0", "required", "--hls", "5", "--system-title", "4d4d4d0000bc614e", "--counter", "41"]
    async with running("dlms", *ANYWHERE, *options) as port:
        initiate = tlv(0x21, protect(0x30, ciphered_wire.CLIENT, 42, bytes.fromhex(INITIATE)))
        request = aarq(initiate, mechanism=5, shown=ciphered_wire.CTOS)
        told48 = elements(unframe(await exchange(port, wrapped(request, 48)), destination=48))
        assert told48[0xA1] == tlv(0x06, bytes.fromhex(CONTEXT))
        assert told48[0xA4][2:] == ciphered_wire.METER
        information = behind_length(told48[0xBE][1:])
        assert ciphered_wire.uncover(ciphered_wire.METER, information[2:])[:1] == b"\x08"


async def test_keys_come_from_files(tmp_path: Path) -> None:
    key = tmp_path / "ek"
    key.write_text("ff" * 16 + "\n", encoding="ascii")
    async with running("dlms", *ANYWHERE, "--suite0", "optional", "--ek", f"file:{key}") as port:
        for counter, (right, result) in enumerate(((b"\xff" * 16, "020100"), (TEST_EK, "020101")), start=1):
            initiate = tlv(0x21, protect(0x30, ciphered_wire.CLIENT, counter, bytes.fromhex(INITIATE), right))
            request = aarq(initiate, mechanism=1, shown=b"sakshi-1")
            assert elements(unframe(await exchange(port, wrapped(request))))[0xA2].hex() == result


async def test_a_meter_speaks_hdlc_on_a_port() -> None:
    options = ["--hdlc", "--hdlc-address", "99", "--hdlc-information", "200", "--line-bps", "1000000"]
    async with running("dlms", *ANYWHERE, *options) as port:
        to = bytes([2, 99 << 1 | 1])
        size = 2 + 2 + 1 + 2 + 1 + 2 + 21 + 2  # flags, format, addresses, control, HCS, parameters, FCS
        answer = await ask(port, frame(SNRM, bytes.fromhex("818008 050200C8 060200C8"), to=to), size)
        control, information, _ = parts(answer, to=to)
        assert control == UA
        assert information[3:9].hex() == "0501c80601c8"


async def test_a_meter_on_a_pseudo_terminal_prints_its_path() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "firmware_sim.cli", "dlms", "--pty", "--now", NOW, "--days", "1",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        ready = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().split()
        assert ready[0] == "listening"
        port = os.open(ready[1], os.O_RDWR | os.O_NOCTTY)
        try:
            os.write(port, frame(SNRM))
            heard = b""
            while len(heard) < 33:
                heard += await asyncio.wait_for(asyncio.to_thread(os.read, port, 100), 10)
        finally:
            os.close(port)
        assert parts(heard)[0] == UA
    finally:
        process.terminate()
        output, errors = await process.communicate()
    assert (process.returncode, output, errors) == (0, b"", b"")


async def test_a_meter_pushes_to_an_address() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(incoming: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard.put(await incoming.read())
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        for options, tag in (([], 0x0F), (["--suite0", "required"], 0xDB)):
            async with running("dlms", *ANYWHERE, "--push", address, *options):
                pushed = unframe(await asyncio.wait_for(heard.get(), 30), destination=64)
                assert pushed[0] == tag


async def test_a_meter_pushes_when_a_block_ends_and_says_where_to() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(incoming: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard.put(await incoming.read())
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    almost = ["--listen", "127.0.0.1:0", "--now", "2026-11-19T12:14:58+05:30", "--days", "1"]
    async with server, running("dlms", *almost, "--push", address, "--push-interval", "block") as port:
        reader = wrapped(aarq(bytes.fromhex(INITIATE), context="60857405080101", mechanism=1, shown=b"sakshi-1"))
        told = await ask(
            port, reader + wrapped(bytes.fromhex("C001C1 0028 0004190900FF 03 00")), 8 + 55 + 8 + 12 + len(address)
        )
        assert address.encode() in told
        pushed = unframe(await asyncio.wait_for(heard.get(), 30), destination=64)
        assert pushed[5:13].hex() == "0c07ea0b13040c0f"  # 12:15 IST
    assert heard.empty()


async def test_a_three_phase_import_only_meter_is_had_by_its_options() -> None:
    async with running("dlms", *ANYWHERE, "--model", "d2", "--category", "import-only") as port:
        reader = wrapped(aarq(bytes.fromhex(INITIATE), context="60857405080101", mechanism=1, shown=b"sakshi-1"))
        ask_columns = wrapped(bytes.fromhex("C001C1 0007 0100630100FF 03 00"))
        answer = await ask(port, reader + ask_columns, 8 + 43 + 10 + 8 + 6 + 9 * 18)
        assert bytes.fromhex("0100471b00ff") in answer
        assert bytes.fromhex("0100021d00ff") not in answer


WRONG = {
    "--model": "d3",
    "--suite0": "maybe",
    "--protection": "none",
    "--hls": "3",
    "--ek": "00",
    "--ak": "file:/nonexistent",
    "--secret": "zz" * 16,
    "--system-title": "00" * 7,
    "--counter": "-1",
    "--stale": "sulk",
    "--one-at-a-time": "0",
    "--max-pdu": "63",
    "--serial-port": "/nonexistent",
    "--hdlc-address": "0",
    "--hdlc-information": "31",
    "--line-bps": "0",
    "--push": "nowhere",
    "--push-interval": "0",
    "--category": "both",
    "--password": "é",
}


def test_everything_wrong_is_told_at_once_and_no_secret_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    asked = [part for option, value in WRONG.items() for part in (option, value)]
    assert main(["dlms", "--pty", *asked]) == 2
    told = capsys.readouterr().err
    assert {line.split(":")[1].strip() for line in told.splitlines()} == {*WRONG, "--listen"}
    assert "zz" not in told


@pytest.mark.parametrize("places", [[], ["--pty", "--listen", "127.0.0.1:0"], ["--pty", "--serial-port", "/dev/null"]])
def test_a_meter_is_in_one_place(places: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dlms", *places]) == 2
    assert "expected one of --listen HOST:PORT, --pty and --serial-port PATH" in capsys.readouterr().err


def test_what_is_no_serial_port_ends_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dlms", "--serial-port", "/dev/null", "--days", "1"]) == 1
    assert "expected a serial port, got '/dev/null'" in capsys.readouterr().err


def test_an_import_only_meter_has_no_export_to_shape(capsys: pytest.CaptureFixture[str]) -> None:
    shape = "2026-11-18T10:00:00Z/2026-11-18T12:00:00Z:export=1"
    assert main(["dlms", "--listen", "127.0.0.1:0", "--category", "import-only", "--shape", shape]) == 2
    assert "exports nothing" in capsys.readouterr().err


async def test_faults_of_every_meter_and_of_dlms_meters_combine(tmp_path: Path) -> None:
    (tmp_path / "lls").write_bytes(b"sakshi-1")
    faults = ["lifo", "start-stamps", "missing-block=2026-11-19T11:30:00+05:30"]
    end = parse_instant("2026-11-19T12:00:00+05:30")
    async with (
        running("dlms", *ANYWHERE, *(word for fault in faults for word in ("--fault", fault))) as port,
        open_reader(f"dlms+tcp://127.0.0.1:{port}?client=32&password=file:{tmp_path}/lls") as reader,
    ):
        assert isinstance(reader, Reader)
        assert (await reader.layout()).newest_first
        rows = await reader.block_rows(Interval(end - 3600, end))
    # Taken for ends, the starts name the blocks before: 11:45 is the last, and 11:30 is missing.
    assert [(end - row.end_utc) // 60 for row in rows] == [45, 15]


async def test_a_fault_of_the_line_befalls_a_pseudo_terminal_too(tmp_path: Path) -> None:
    device = spoil(Device(seller(days=1), now=now), [parse_dlms_fault("noise-bytes")])
    (tmp_path / "lls").write_bytes(b"sakshi-1")
    async with (
        serve_pty(session_of(device, Framing.HDLC)) as path,
        open_reader(f"dlms+serial:{path}?client=32&password=file:{tmp_path}/lls") as reader,
    ):
        assert isinstance(reader, Reader)
        assert (await reader.identity()).serial == "10000001"
    silent = spoil(Device(seller(days=1), now=now), [parse_dlms_fault("silent")])
    async with serve_pty(session_of(silent, Framing.HDLC)) as path:
        with pytest.raises(MeterUnavailableError):
            async with open_reader(f"dlms+serial:{path}?client=32&timeout=1&password=file:{tmp_path}/lls"):
                pass


def test_an_unknown_fault_is_told_with_every_known_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dlms", *ANYWHERE, "--fault", "gremlins", "--fault", "outage=x"]) == 2
    told = capsys.readouterr().err
    assert "sakshi-sim: --fault: expected one of clock-status-ff" in told
    assert "expected START/END" in told
