"""Runs the exchange on a socket: in this process until a signal, or in a thread for tests and demos."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

_GRACE_S = 3
_BACKLOG = 128


class _Server(uvicorn.Server):
    """A server that says when it accepts connections."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _server(app: FastAPI, ready: Callable[[], None]) -> _Server:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_S,
        ws="none",
        # The exchange states its own time, which a rehearsal sets.
        date_header=False,
    )
    return _Server(config, ready)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. The caller owns it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def serve(app: FastAPI, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called once connections are accepted. Closes the socket.

    The server hands a signal on to the handler that was set before; the caller MUST have set one that returns.
    """
    try:
        _server(app, ready).run(sockets=[listening])
    finally:
        listening.close()


@contextmanager
def serving(
    app: FastAPI, host: str = "127.0.0.1", port: int = 0, *, listening: socket.socket | None = None
) -> Iterator[str]:
    """``host:port`` of the exchange, served by a thread of this process until the block ends; closes `listening`."""
    listening = listening or listen(host, port)
    accepting = threading.Event()
    server = _server(app, accepting.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="sandbox")
    thread.start()
    try:
        if not accepting.wait(timeout=30):
            raise TimeoutError("the exchange did not start within 30 s")
        yield address(listening)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def address(listening: socket.socket) -> str:
    """``host:port`` of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
