"""The web in a thread of its own, on a socket that is bound before anything starts."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from headend.config import WebSettings
from headend.errors import FatalError

REQUEST_S = 60.0
"""How long a request may take to come in whole: 32 MiB at 5 Mbit/s. Who sends it waits 30 s for an ACK."""

MOST_CONNECTIONS = 400
"""At once. Each is an open file, and the settlement beside the web must never find none left: a process has 1024 unless told otherwise."""

_STOP_S = 5
_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A web that answers."""

    address: str
    """HOST:PORT, with the port that it got."""
    thread: threading.Thread

    def works(self) -> bool:
        """Whether it still answers."""
        return self.thread.is_alive()


class BoundedProtocol(H11Protocol):
    """HTTP that waits for no request for ever: whoever opens connections and says nothing, or little, would have them all."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begins to wait for a request, or hangs up where too many others are served."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._await_request()

    def data_received(self, data: bytes) -> None:
        """Waits no longer once the request is whole; the next one has its own time from its first byte."""
        super().data_received(data)
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self._await_request()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


@contextmanager
def serving(app: FastAPI, settings: WebSettings) -> Iterator[Web]:
    """Serves `app` until the block ends; requests under way get a few seconds then.

    Raises:
        FatalError: the address cannot be bound or the certificate cannot be used; with the remedy.
    """
    server = uvicorn.Server(_configuration(app, settings))
    with closing(_bound(settings)) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="web")
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(_PAUSE_S)
            if not server.started:
                raise FatalError("the web did not start: see the lines above in the log")
            yield Web(address=address(settings.host, bound.getsockname()[1]), thread=thread)
        finally:
            server.should_exit = True
            thread.join()


def address(host: str, port: int) -> str:
    """HOST:PORT as a URL has it: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _configuration(app: FastAPI, settings: WebSettings) -> uvicorn.Config:
    configuration = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        http=BoundedProtocol,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.certificate_key,
        timeout_graceful_shutdown=_STOP_S,
    )
    try:
        configuration.load()
    except (OSError, ssl.SSLError) as error:
        raise FatalError(
            f"cannot use '{settings.certificate}' with '{settings.certificate_key}' ({error}): correct web.certificate"
        ) from error
    return configuration


def _bound(settings: WebSettings) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise FatalError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): choose another web.port"
        ) from error
    return bound
