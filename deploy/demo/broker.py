"""The MQTT broker of the demonstration: Mosquitto where it is installed, otherwise one from PyPI; loopback only."""

import shutil
import socket
import sys
import time
from enum import Enum
from pathlib import Path

from deploy.demo.processes import DemoError, Processes

_PATHS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
_READY_S = 20


class Broker(Enum):
    """Which broker to start."""

    AUTO = "auto"
    """Mosquitto where it is installed, otherwise the embedded one."""
    MOSQUITTO = "mosquitto"
    EMBEDDED = "embedded"


def start(
    processes: Processes, folder: Path, broker: Broker = Broker.AUTO, port: int | None = None
) -> tuple[Broker, int]:
    """Starts a broker with its files in `folder`; gives its kind and its port on 127.0.0.1, a free one unless given.

    Raises:
        DemoError: it did not start, or Mosquitto is asked for and not installed.
    """
    port = _free_port() if port is None else port
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path=_PATHS)
    if broker is Broker.MOSQUITTO and mosquitto is None:
        raise DemoError("there is no mosquitto on the PATH: run `make system`, or choose --broker embedded")
    if mosquitto is not None and broker is not Broker.EMBEDDED:
        settings = folder / "mosquitto.conf"
        settings.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\npersistence false\n"
            "max_inflight_messages 0\nmax_queued_messages 0\nmessage_size_limit 65536\n"
        )
        kind = Broker.MOSQUITTO
        processes.start("broker", [mosquitto, "-c", str(settings)])
    else:
        kind = Broker.EMBEDDED
        processes.start("broker", [sys.executable, "-m", "deploy.demo.embedded_broker", str(port)])
    _wait_for(processes, port)
    return kind, port


def _wait_for(processes: Processes, port: int) -> None:
    ends = time.monotonic() + _READY_S
    while time.monotonic() < ends:
        processes.check()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise DemoError(f"the broker did not listen on 127.0.0.1:{port} in {_READY_S} s: see {processes.log('broker')}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
