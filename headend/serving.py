"""The web in a thread of its own, on a socket that is bound before anything starts."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from headend.config import WebSettings
from headend.errors import FatalError

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
