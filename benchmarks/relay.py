"""Counts what passes between a client and a simulated meter: nobody's own word for it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    """A TCP port that passes everything on to another one of 127.0.0.1."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._count = threading.Lock()
        self._open: list[socket.socket] = []
        self.octets = 0
        """Of both directions, since the start or since `take`."""
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self._listener.getsockname()[1])

    def take(self) -> int:
        """The octets since the last time."""
        with self._count:
            octets, self.octets = self.octets, 0
        return octets

    def close(self) -> None:
        """Ends every connection."""
        for each in [self._listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while some := source.recv(65_536):
                with self._count:
                    self.octets += len(some)
                sink.sendall(some)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def relay(target: int) -> Iterator[Relay]:
    """A relay to port `target` while the context is open."""
    running = Relay(target)
    try:
        yield running
    finally:
        running.close()
