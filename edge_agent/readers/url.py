"""Reader URLs: where a meter is and how to speak to it, every fault reported at once with its remedy.

``dlms+tcp://192.0.2.7:4059?client=32&server=1&password=file:/etc/sakshi/meter.lls``
``dlms+hdlc+tcp://192.0.2.7:4059?client=32&server=1&physical=17&password=file:/etc/sakshi/meter.lls``
``dlms+serial:/dev/ttyUSB0?baud=9600&client=32&server=1&physical=17&password=file:/etc/sakshi/meter.lls``
``modbus+tcp://192.0.2.8:502?unit=1&map=sdm630``
``modbus+rtu:/dev/ttyUSB0?baud=9600&parity=E&unit=1&map=adl400``
"""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from edge_agent.errors import ReaderUrlError


@dataclass(slots=True)
class ReaderUrl:
    """A URL being read: take its keys one by one, then `finish`."""

    scheme: str
    host: str
    port: int | None
    keys: dict[str, str]
    path: str = ""
    """What stands between host and ``?``: the device of a serial line, and nothing on a network."""
    faults: list[str] = field(default_factory=list)

    def number(self, key: str, default: int, allowed: range) -> int:
        """An integer key."""
        text = self.keys.pop(key, None)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) not in allowed:
            self.faults.append(f"expected a whole number from {allowed[0]} to {allowed[-1]} in '{key}', got {text!r}")
            return default
        return int(text)

    def choice(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        """A key with a closed set of words."""
        text = self.keys.pop(key, default)
        if text not in allowed:
            self.faults.append(f"expected one of {', '.join(allowed)} in '{key}', got {text!r}")
            return default
        return text

    def secret(self, key: str) -> bytes | None:
        """The octets behind a ``file:`` URI, without a final line break; None when the key is absent.

        The value is never echoed: somebody may have put the secret itself there.
        """
        text = self.keys.pop(key, None)
        if text is None:
            return None
        path = file_of(text)
        if path is None:
            self.faults.append(
                f"expected file:/path in '{key}': put the secret into a file that only the agent can read"
            )
            return None
        try:
            octets = path.read_bytes()
        except OSError as error:
            self.faults.append(f"cannot read the file of '{key}': {error.strerror} ({path})")
            return None
        return octets.rstrip(b"\r\n")

    def endpoint(self, default_port: int) -> tuple[str, int]:
        """Host and port of a meter on a network."""
        if not self.host:
            self.faults.append("expected a host after '://', e.g. dlms+tcp://192.0.2.7:4059")
        if self.path not in {"", "/"}:
            self.faults.append("expected nothing between the port and '?', and no '#'")
        return self.host, default_port if self.port is None else self.port

    def device(self) -> str:
        """The path of a serial device, absolute."""
        if self.host or self.port is not None or not self.path.startswith("/") or self.path.endswith("/"):
            self.faults.append(f"expected a device after the scheme, e.g. {self.scheme}:/dev/ttyUSB0")
        return self.path

    def finish(self) -> None:
        """Refuse keys that nobody took, and report every fault.

        Raises:
            ReaderUrlError: with all of them.
        """
        self.faults += [f"unknown key '{key}'" for key in sorted(self.keys)]
        if self.faults:
            raise ReaderUrlError(tuple(self.faults))


def file_of(uri: str) -> Path | None:
    """The path in a ``file:/path``; None for anything else."""
    return Path(unquote(uri.removeprefix("file:").replace("///", "/", 1))) if uri.startswith("file:/") else None


def split(text: str) -> ReaderUrl:
    """The parts of a reader URL; what is wrong with them is kept for `ReaderUrl.finish`."""
    faults: list[str] = []
    port = None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ReaderUrlError(("expected scheme://host:port?key=value with a port from 0 to 65535",)) from None
    if parts.username is not None or parts.password is not None:
        faults.append("expected no user and password before the host: use password=file:/path")
    if parts.fragment:
        faults.append("expected nothing between the port and '?', and no '#'")
    keys: dict[str, str] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key in keys:
            faults.append(f"expected the key '{key}' once")
        keys[key] = value
    return ReaderUrl(parts.scheme, parts.hostname or "", port, keys, unquote(parts.path), faults)
