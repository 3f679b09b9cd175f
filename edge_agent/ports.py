"""Serial ports that several meters are configured on: one protocol a port, and one setting where it stays open for all.

A line has one master that speaks one protocol. A DLMS client and a Modbus client on one line would open the port in turns and hear
each other's meters; each would see the other's frames as noise of its own meter.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from edge_agent.errors import ReaderUrlError
from edge_agent.readers.url import ReaderUrl, split

_MODBUS: Final = "modbus+rtu"
_SERIAL: Final = ("dlms+serial", _MODBUS)
_DEFAULTS: Final = {"baud": "9600", "parity": "N", "stop": "1"}


def port_faults(urls: Iterable[tuple[str, str]]) -> list[str]:
    """What is wrong with the ports of meters, given as (id, url), each with its remedy; two paths of one device are one port.

    URLs that cannot be read are passed over: they are refused elsewhere.
    """
    by_port: defaultdict[Path, list[tuple[str, ReaderUrl]]] = defaultdict(list)
    for meter, url in urls:
        try:
            parts = split(url)
        except ReaderUrlError:
            continue
        if parts.scheme in _SERIAL and parts.path:
            by_port[Path(parts.path).resolve()].append((meter, parts))
    return [fault for port, meters in sorted(by_port.items()) for fault in _faults(port, meters)]


def _faults(port: Path, meters: list[tuple[str, ReaderUrl]]) -> list[str]:
    protocols = _by(meters, lambda url: f"{url.scheme}:")
    if len(protocols) > 1:
        return [
            f"expected one protocol for every meter on {port}, got {_shown(protocols)}: give each protocol a port of its own"
        ]
    settings = _by(meters, _setting)
    # A DLMS client opens the port anew for every meter, with that meter's setting; the Modbus line stays open for all of its meters.
    if len(settings) > 1 and f"{_MODBUS}:" in protocols:
        return [
            f"expected one setting for every meter on {port}, got {_shown(settings)}: set the meters alike, and correct the urls"
        ]
    return []


def _by(meters: list[tuple[str, ReaderUrl]], kind: Callable[[ReaderUrl], str]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for meter, url in meters:
        found[kind(url)].append(meter)
    return dict(found)


def _setting(url: ReaderUrl) -> str:
    baud, parity, stop = (url.keys.get(key, default) for key, default in _DEFAULTS.items())
    return f"{baud} 8{parity}{stop}"


def _shown(kinds: dict[str, list[str]]) -> str:
    return " and ".join(f"{kind} (meter {', '.join(meters)})" for kind, meters in kinds.items())
