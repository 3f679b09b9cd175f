"""The meter on a pseudo-terminal and on a serial port."""

import asyncio
import contextlib
import os
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_sim.dlms.application import Application
from firmware_sim.dlms.hdlc import HdlcServerSession
from firmware_sim.dlms.serial import QUIET_S, serve_port, serve_pty
from tests.firmware_sim.dlms.ciphered_wire import device
from tests.firmware_sim.dlms.hdlc_wire import DISC, DM, SNRM, UA, frame, parts


def session() -> HdlcServerSession:
    return HdlcServerSession(Application(device()))


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def ask(descriptor: int, request: bytes) -> tuple[int, bytes, bool]:
    """The one frame that answers `request`."""
    os.write(descriptor, request)
    heard = b""
    loop = asyncio.get_running_loop()
    size = 3
    while len(heard) < size:
        ready = loop.create_future()
        loop.add_reader(descriptor, ready.set_result, None)
        try:
            await asyncio.wait_for(ready, 10)
        finally:
            loop.remove_reader(descriptor)
        heard += os.read(descriptor, 4096)
        if len(heard) >= 3:
            size = (int.from_bytes(heard[1:3], "big") & 0x7FF) + 2
    return parts(heard)


async def test_a_meter_on_a_pseudo_terminal_answers() -> None:
    async with serve_pty(session()) as path:
        assert path.startswith("/dev/")
        with opened(path) as port:
            assert (await ask(port, frame(SNRM)))[0] == UA
            assert (await ask(port, frame(DISC)))[0] == UA
        with opened(path) as port:
            assert (await ask(port, frame(DISC)))[0] == DM


async def test_a_slow_line_is_slow() -> None:
    loop = asyncio.get_running_loop()
    async with serve_pty(session(), bps=9600) as path:
        with opened(path) as port:
            began = loop.time()
            await ask(port, frame(SNRM))
            assert loop.time() - began >= (10 + 33) * 10 / 9600 * 0.99


async def test_the_rest_of_a_broken_frame_is_not_waited_for() -> None:
    async with serve_pty(session()) as path:
        with opened(path) as port:
            whole = frame(0x10, bytes(100))
            os.write(port, whole[:50])
            loop = asyncio.get_running_loop()
            quiet = loop.create_future()
            loop.call_later(QUIET_S * 1.5, quiet.set_result, None)
            await quiet
            assert (await ask(port, frame(SNRM)))[0] == UA


async def test_a_meter_on_a_serial_port_sets_it_to_9600_8n1() -> None:
    ours, theirs = os.openpty()
    try:
        tty.setraw(ours)
        os.set_blocking(ours, False)
        path = os.ttyname(theirs)
        async with serve_port(session(), path) as place:
            assert place == path
            _, _, cflag, lflag, speed_in, speed_out, _ = termios.tcgetattr(theirs)
            assert (speed_in, speed_out) == (termios.B9600, termios.B9600)
            assert cflag & termios.CSIZE == termios.CS8
            assert not cflag & (termios.PARENB | termios.CSTOPB)
            assert not lflag & termios.ECHO
            assert (await ask(ours, frame(SNRM)))[0] == UA
    finally:
        os.close(ours)
        os.close(theirs)


async def test_a_port_that_is_pulled_out_ends_quietly() -> None:
    ours, theirs = os.openpty()
    path = os.ttyname(theirs)
    async with serve_port(session(), path):
        os.close(theirs)
        os.close(ours)
        for _ in range(5):
            await asyncio.sleep(0)


async def test_what_is_no_serial_port_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="expected a serial port"):
        async with serve_port(session(), str(tmp_path / "file")):
            pass
    with pytest.raises(FileNotFoundError):
        async with serve_port(session(), str(tmp_path / "none")):
            pass


async def test_a_client_that_asks_and_does_not_read_is_not_listened_to() -> None:
    whole = frame(SNRM) * 40_000
    async with serve_pty(session()) as path:
        with opened(path) as port:
            sent = refused = 0
            # A terminal holds some ten thousand bytes each way: when it takes no more, the meter has stopped listening.
            while sent < len(whole) and refused < 500:
                try:
                    sent += os.write(port, whole[sent : sent + 4096])
                    refused = 0
                except BlockingIOError:
                    refused += 1
                await asyncio.sleep(0)
            assert sent < len(whole)
            heard = b""
            loop = asyncio.get_running_loop()
            end = loop.time() + 30
            while len(heard) < sent // len(frame(SNRM)) * 33 and loop.time() < end:
                with contextlib.suppress(BlockingIOError):
                    heard += os.read(port, 65_536)
                await asyncio.sleep(0)
            assert len(heard) == sent // len(frame(SNRM)) * 33


async def test_a_meter_on_a_line_stops_when_its_context_ends() -> None:
    async with serve_pty(session(), bps=1) as path:
        with opened(path) as port:
            os.write(port, frame(SNRM))
            for _ in range(20):
                await asyncio.sleep(0)
