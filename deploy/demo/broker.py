"""The MQTT broker of the demonstration: Mosquitto where it is installed, otherwise one from PyPI; loopback only."""

import shutil
import socket
import sys
import time
from enum import Enum
from pathlib import Path

from deploy.demo import ports
from deploy.demo.processes import DemoError, Processes

_PATHS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
_NAME = "broker"
_READY_S = 20
_TRIES = 5
_TAKEN = "address already in use"
_UNSURE_S = 1.0
"""How long something must answer on the port of a Mosquitto that does not say that it runs (older than 2.0): one that cannot bind has ended by then."""

_READY = {"mosquitto": " running", "embedded": "listening "}
"""What each broker says once the port is its own."""


class Broker(Enum):
    """Which broker to start."""

    AUTO = "auto"
    """Mosquitto where it is installed, otherwise the embedded one."""
    MOSQUITTO = "mosquitto"
    EMBEDDED = "embedded"


def start(
    processes: Processes, folder: Path, broker: Broker = Broker.AUTO, port: int | None = None
) -> tuple[Broker, int]:
    """Starts a broker with its files in `folder`; gives its kind and its port on 127.0.0.1, one of its own unless given.

    Raises:
        DemoError: it did not start, or Mosquitto is asked for and not installed.
    """
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path=_PATHS)
    if broker is Broker.MOSQUITTO and mosquitto is None:
        raise DemoError("there is no mosquitto on the PATH: run `make system`, or choose --broker embedded")
    program = None if broker is Broker.EMBEDDED else mosquitto
    kind = Broker.EMBEDDED if program is None else Broker.MOSQUITTO
    for _ in range(1 if port is not None else _TRIES):
        chosen = ports.reserve() if port is None else port
        processes.start(_NAME, _command(program, folder, chosen))
        if _is_ready(processes, kind, chosen):
            return kind, chosen
        processes.end(_NAME)
    raise DemoError(f"127.0.0.1:{chosen} is another program's: see {processes.log(_NAME)}")


def _command(mosquitto: str | None, folder: Path, port: int) -> list[str]:
    if mosquitto is None:
        return [sys.executable, "-m", "deploy.demo.embedded_broker", str(port)]
    settings = folder / "mosquitto.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\npersistence false\n"
        "max_inflight_messages 0\nmax_queued_messages 0\nmessage_size_limit 65536\n"
    )
    return [mosquitto, "-c", str(settings)]


def _is_ready(processes: Processes, kind: Broker, port: int) -> bool:
    """Waits for the broker; False where the port is another program's.

    Raises:
        DemoError: it ended for another reason, or did not listen in time.
    """
    ends, answered = time.monotonic() + _READY_S, None
    while (now := time.monotonic()) < ends:
        try:
            processes.check()
        except DemoError:
            if _TAKEN in _said(processes).lower():
                return False
            raise
        if _answers(port):
            answered = now if answered is None else answered
            # An answer alone may be another program's, while the broker is on its way to find the port taken.
            if _READY[kind.value] in _said(processes) or (kind is Broker.MOSQUITTO and now - answered > _UNSURE_S):
                return True
        time.sleep(0.05)
    raise DemoError(f"the broker did not listen on 127.0.0.1:{port} in {_READY_S} s: see {processes.log(_NAME)}")


def _said(processes: Processes) -> str:
    return processes.log(_NAME).read_text(errors="replace")


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
