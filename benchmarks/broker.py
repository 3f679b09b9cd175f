"""A real Mosquitto on loopback, and a publisher of its own process that plays all gateways.

The broker's CPU counts, in and out; the publisher's does not: it stands for machines elsewhere.
"""

import os
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fleet import Sent

_PATHS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
_READY_S = 20.0
_WINDOW = 8_192
"""Messages under way at once: two steps of intake."""
_CONNECT = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x00\x00\x03pub"
_PACKETS = 65_535


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """A started Mosquitto."""

    pid: int
    port: int


def program() -> str | None:
    """The path of Mosquitto, where it is installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=_PATHS)


@contextmanager
def mosquitto(path: str, folder: Path) -> Iterator[RunningBroker]:
    """Mosquitto on a free port of 127.0.0.1, on the same core as this process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    settings = folder / "mosquitto.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\npersistence false\n"
        "max_inflight_messages 0\nmax_queued_messages 0\nmessage_size_limit 65536\nlog_type error\n"
    )
    process = subprocess.Popen([path, "-c", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield RunningBroker(process.pid, port)
    finally:
        process.terminate()
        process.wait()


def write_packets(messages: Iterable[Sent], file: Path) -> None:
    """Writes the packets that a publisher will send."""
    with file.open("wb") as stream:
        for place, sent in enumerate(messages):
            stream.write(publish_packet(sent, place % _PACKETS + 1))


@contextmanager
def publishing(broker: RunningBroker, file: Path, cores: Iterable[int], answers: str = "") -> Iterator[None]:
    """A process on other cores that publishes the packets in `file` with QoS 1; waits at the end until it is done.

    Where `answers` is a topic filter it subscribes to it, keeps at most two steps of messages unanswered, and is done when it
    has as many answers as messages; otherwise when the broker has acknowledged all.
    """
    chosen = ",".join(map(str, cores))
    command = [sys.executable, "-m", "benchmarks.broker", str(broker.port), str(file), answers, chosen]
    process = subprocess.Popen(command)
    try:
        yield
        if process.wait(timeout=600) != 0:
            raise AssertionError(f"the publisher ended with {process.returncode}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def publish_packet(sent: Sent, packet: int) -> bytes:
    """A PUBLISH of MQTT 3.1.1 with QoS 1. Source: MQTT 3.1.1 §3.3."""
    topic = sent.topic.encode()
    body = len(topic).to_bytes(2, "big") + topic + packet.to_bytes(2, "big") + sent.payload
    return b"\x32" + _length(len(body)) + body


def _length(value: int) -> bytes:
    """Source: MQTT 3.1.1 §2.2.3."""
    digits = bytearray()
    while True:
        value, digit = divmod(value, 128)
        digits.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(digits)


def packets(buffer: bytearray) -> Iterator[tuple[int, int, int]]:
    """First byte, start and end of every whole packet in `buffer`."""
    at = 0
    while True:
        length, shift, place = 0, 0, at + 1
        while place < len(buffer):
            digit = buffer[place]
            length |= (digit & 0x7F) << shift
            shift, place = shift + 7, place + 1
            if not digit & 0x80:
                break
        else:
            return
        if place + length > len(buffer):
            return
        yield buffer[at], at, place + length
        at = place + length


class _Publisher:
    """One connection that plays all gateways."""

    def __init__(self, port: int, stream: bytes, answers: str) -> None:
        view = bytearray(stream)
        self._ends = [end for _, _, end in packets(view)]
        self._stream = memoryview(stream)
        self._answers = answers
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()
        self.acknowledged = 0
        self.answered = 0

    def run(self) -> None:
        self._socket.sendall(_CONNECT)
        if self._answers:
            body = b"\x00\x01" + len(self._answers).to_bytes(2, "big") + self._answers.encode() + b"\x00"
            self._socket.sendall(b"\x82" + _length(len(body)) + body)
            while not self._granted():
                pass
        total, at = len(self._ends), 0
        with selectors.DefaultSelector() as selector:
            self._socket.settimeout(0)
            selector.register(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while min(self.acknowledged, self._done) < total:
                most = min(total, self._done + _WINDOW)
                limit = self._ends[most - 1]
                wants = selectors.EVENT_READ | (selectors.EVENT_WRITE if at < limit else 0)
                selector.modify(self._socket, wants)
                for _, events in selector.select(60) or _stalled():
                    if events & selectors.EVENT_READ:
                        self._read()
                    if events & selectors.EVENT_WRITE:
                        at += self._socket.send(self._stream[at : min(limit, at + 65_536)])
        self._socket.close()

    @property
    def _done(self) -> int:
        return self.answered if self._answers else self.acknowledged

    def _granted(self) -> bool:
        self._received += self._socket.recv(4096)
        return any(first == 0x90 for first, _, _ in packets(self._received))

    def _read(self) -> None:
        some = self._socket.recv(262_144)
        if not some:
            raise ConnectionError("the broker closed the connection")
        self._received += some
        done = 0
        for first, _, end in packets(self._received):
            self.acknowledged += first == 0x40
            self.answered += first >> 4 == 3
            done = end
        del self._received[:done]


def _stalled() -> list[tuple[selectors.SelectorKey, int]]:
    raise TimeoutError("nothing moved for 60 s")


def _wait_for(port: int) -> None:
    ends = time.monotonic() + _READY_S
    while time.monotonic() < ends:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"mosquitto did not listen on 127.0.0.1:{port} in {_READY_S:.0f} s")


def main() -> None:
    """The publisher: PORT FILE ANSWERS CORES."""
    port, file, answers, cores = sys.argv[1:]
    if cores:
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    _Publisher(int(port), Path(file).read_bytes(), answers).run()


if __name__ == "__main__":
    main()
